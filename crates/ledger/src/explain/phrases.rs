//! The words, each in English and in Chinese; what stands in braces is filled in.

use crate::{SurveyEnd, VisitEnd};
use busyhour_model::{Cause, OfferOutcome, Rule};

/// English, Chinese.
pub(super) type Words = (&'static str, &'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phrase {
    Arrived,
    Callback,
    Trial,
    Waits,
    PlaceKept,
    Out,
    Announced,
    LeftQueue,
    AgentChose,
    CallChose,
    InPerson,
    Rule,
    Score,
    SecondCall,
    SecondAgent,
    NoSecond,
    NotPreferred,
    FartherSite,
    MoreSkills,
    LessSkilled,
    LessWeight,
    NotYetTurn,
    Relaxed,
    Briefed,
    OfferEnded,
    Rings,
    Transferred,
    LegRefused,
    HungUp,
    Q850,
    SurveyBegun,
    Answered,
    SurveyEnded,
    Talk,
    Fax,
    Unheard,
    PoorFrom,
    PoorTo,
    Ended,
    Dropped,
    Seconds,
}

impl Phrase {
    pub(super) fn words(self) -> Words {
        match self {
            Phrase::Arrived => {
                ("a call from {from} to {to} came from {origin}", "{from} 拨打 {to} 的来电,来自 {origin}")
            }
            Phrase::Callback => (
                "{from}, who called {to}, is to be called back; asked for in call {call}",
                "{from} 拨打 {to} 时预约回电,原通话 {call}",
            ),
            Phrase::Trial => ("a trial: {by} had {to} called by trunk {origin}", "测试呼叫:{by} 经 {origin} 拨打 {to}"),
            Phrase::Waits => (
                "it began to wait in queue {queue} with a head start of {points} points; calls already waiting there: {ahead}",
                "进入队列 {queue} 排队,起始分 {points};队列中已有等待来电 {ahead} 个",
            ),
            Phrase::PlaceKept => {
                ("it has a place there as if it had come {earlier} earlier", "按提前 {earlier}到达计算其排队位置")
            }
            Phrase::Out => (
                "the caller left queue {queue} for the dialplan and may come back to the place",
                "来电者离开队列 {queue} 回到流程,可返回原位置",
            ),
            Phrase::Announced => ("the caller was told to expect {wait} of waiting", "已告知来电者预计等待 {wait}"),
            Phrase::LeftQueue => ("it left queue {queue} after {wait}: {end}", "等待 {wait}后离开队列 {queue}:{end}"),
            Phrase::AgentChose => (
                "agent {agent} became free and chose among the calls waiting for such an agent: {count}",
                "坐席 {agent} 空闲,从其可接的等待来电中选择,共 {count} 个",
            ),
            Phrase::CallChose => (
                "the call looked for an agent; free and able to take it: {count}; chosen: agent {agent}",
                "来电寻找坐席;空闲且可接听的坐席 {count} 名;选中坐席 {agent}",
            ),
            Phrase::InPerson => (
                "agent {agent} was free for the call that waited for this agent",
                "来电等待坐席 {agent},该坐席现已空闲",
            ),
            Phrase::Rule => ("rule: {rule}", "规则:{rule}"),
            Phrase::Score => (
                "it had waited {wait}; score {score} points = head start {base} + {gained} for the wait",
                "已等待 {wait};得分 {score} = 起始分 {base} + 等待得分 {gained}",
            ),
            Phrase::SecondCall => ("second: call {call} with {score} points", "次选:来电 {call},得分 {score}"),
            Phrase::SecondAgent => ("second: agent {agent}, {because}", "次选:坐席 {agent},{because}"),
            Phrase::NoSecond => ("there was no second", "没有次选"),
            Phrase::NotPreferred => ("who lacks the preferred skills", "不具备优先技能"),
            Phrase::FartherSite => (
                "whose site is choice {second} of the queue, that of the chosen one is choice {first}",
                "其站点为队列的第 {second} 选择,而选中者的站点为第 {first} 选择",
            ),
            Phrase::MoreSkills => {
                ("who has {second} skills, the chosen one {first}", "其技能数为 {second},而选中者为 {first}")
            }
            Phrase::LessSkilled => (
                "whose levels of the wanted skills add up to {second}, those of the chosen one to {first}",
                "其所需技能等级之和为 {second},而选中者为 {first}",
            ),
            Phrase::LessWeight => (
                "who suits it to {second} % by the queue's weights, the chosen one to {first} %",
                "按队列权重,其匹配度为 {second} %,而选中者为 {first} %",
            ),
            Phrase::NotYetTurn => ("who suits it as well but comes later by this rule", "同样合适,但按此规则排在其后"),
            Phrase::Relaxed => (
                "only calls that have waited {age} may go to agent {agent}: requirements were relaxed or the site is a farther one",
                "等待满 {age} 的来电才可分配给坐席 {agent}:要求已放宽,或其站点较远",
            ),
            Phrase::Briefed => ("agent {agent} was told of the caller for {took}", "坐席 {agent} 接听来电提示 {took}"),
            Phrase::OfferEnded => {
                ("agent {agent}: {outcome} after {rang} of ringing", "坐席 {agent}:振铃 {rang}后{outcome}")
            }
            Phrase::Rings => ("the phone of agent {agent} is ringing", "坐席 {agent} 的话机正在振铃"),
            _ => self.words_afterwards(),
        }
    }

    /// Of what happens once somebody talks to the caller, and of the form of the story.
    fn words_afterwards(self) -> Words {
        match self {
            Phrase::LegRefused => {
                ("trunk {trunk} refused by {status}; {cause}", "线路 {trunk} 以 {status} 拒绝;{cause}")
            }
            Phrase::HungUp => ("the far end of trunk {trunk} hung up; {cause}", "线路 {trunk} 对端挂机;{cause}"),
            Phrase::Q850 => ("cause {number} of Q.850, {meaning}", "Q.850 原因值 {number}({meaning})"),
            Phrase::Transferred => ("passed on by {from} to {to}", "由 {from} 转接至 {to}"),
            Phrase::SurveyBegun => (
                "survey {survey} began, about the talk with agent {agent}",
                "开始满意度调查 {survey},评价对象为坐席 {agent} 的通话",
            ),
            Phrase::Answered => (
                "the caller answered question {question} with key {key}, worth {score}",
                "来电者对问题 {question} 按键 {key},得分 {score}",
            ),
            Phrase::SurveyEnded => ("survey {survey} ended: {end}", "满意度调查 {survey} 结束:{end}"),
            Phrase::Talk => (
                "they heard each other for {span}: the caller talked {caller} % of it, the other side {partner} %, both at once {both} %, nobody {silence} %",
                "双方通话 {span}:来电者讲话 {caller} %,对方讲话 {partner} %,同时讲话 {both} %,无人讲话 {silence} %",
            ),
            Phrase::Fax => ("a fax machine or modem was heard at {party}", "{party} 一端为传真机或调制解调器"),
            Phrase::Unheard => ("nothing was heard of {party}: {why}", "听不到 {party} 的声音:{why}"),
            Phrase::PoorFrom => {
                ("what came from {party} sounded poor: mean opinion score {mos}", "来自 {party} 的话音质量差:MOS {mos}")
            }
            Phrase::PoorTo => (
                "what {party} was sent sounded poor there: mean opinion score {mos}",
                "发往 {party} 的话音质量差:MOS {mos}",
            ),
            Phrase::Dropped => ("left out of this long story: {count} entries", "此通话过长,略去 {count} 项"),
            Phrase::Seconds => ("{seconds} s", "{seconds} 秒"),
            _ => ("the call ended: {cause}", "通话结束:{cause}"),
        }
    }
}

pub(super) fn rule(rule: Rule) -> Words {
    match rule {
        Rule::LeastSkilled => (
            "of those who suit the call best, the one with the fewest skills, then the longest idle",
            "在最合适的坐席中,技能最少者优先,其次空闲最久者",
        ),
        Rule::MostSkilled => (
            "of those who suit the call best, the highest level of the wanted skills, then the longest idle",
            "在最合适的坐席中,所需技能等级最高者优先,其次空闲最久者",
        ),
        Rule::LongestIdle => ("of those who suit the call best, the longest idle", "在最合适的坐席中,空闲最久者"),
        Rule::LongestSinceContact => (
            "of those who suit the call best, whose last conversation of any kind ended first",
            "在最合适的坐席中,上次通话(任何类型)结束最早者",
        ),
        Rule::LongestSinceCall => (
            "of those who suit the call best, whose last queue call ended first",
            "在最合适的坐席中,上次队列来电结束最早者",
        ),
        Rule::LongestSinceQueueCall => (
            "of those who suit the call best, whose last call of this queue was done with first",
            "在最合适的坐席中,上次处理本队列来电结束最早者",
        ),
        Rule::LeastOccupied => ("of those who suit the call best, the least occupied", "在最合适的坐席中,占用率最低者"),
        Rule::FewestCalls => (
            "of those who suit the call best, who took the fewest calls since signing in",
            "在最合适的坐席中,签入后接听来电最少者",
        ),
        Rule::LeastTalk => (
            "of those who suit the call best, who talked least since signing in",
            "在最合适的坐席中,签入后通话时间最短者",
        ),
        Rule::RoundRobin => (
            "of those who suit the call best, the next after the one this queue rang last",
            "在最合适的坐席中,轮到上次振铃坐席之后的下一名",
        ),
        Rule::Linear => ("of those who suit the call best, the first in order", "在最合适的坐席中,按顺序的第一名"),
        Rule::Random => ("of those who suit the call best, by lot", "在最合适的坐席中抽签"),
        Rule::Fastest => {
            ("of those who suit the call best, who handles such calls fastest", "在最合适的坐席中,处理此类来电最快者")
        }
        Rule::Weighted => (
            "of those who suit the call best, the best by the queue's weights of skill, load, business and efficiency",
            "在最合适的坐席中,按队列的技能、负荷、业务、效率权重综合最优者",
        ),
        Rule::HighestScore => (
            "the call with the highest score; at the same score the one that waits longer",
            "得分最高的来电优先;得分相同则等待更久者优先",
        ),
        Rule::DirectAgent => ("the call wanted this agent and nobody else", "来电指定该坐席"),
        Rule::PreferredAgent => ("the call wished for this agent first of all", "来电优先由该坐席接听"),
    }
}

pub(super) fn visit_end(end: VisitEnd) -> Words {
    match end {
        VisitEnd::Answered => ("an agent answered", "坐席已接听"),
        VisitEnd::AbandonedWaiting => ("the caller gave up waiting", "来电者放弃等待"),
        VisitEnd::AbandonedRinging => ("the caller gave up while a phone rang", "振铃时来电者放弃"),
        VisitEnd::TimedOut => ("overflow, it had waited as long as the queue allows", "溢出,等待时间达到队列上限"),
        VisitEnd::Full => ("overflow, too many were waiting", "溢出,等待来电过多"),
        VisitEnd::NoAgents => ("overflow, nobody who could take it was signed in", "溢出,没有可接听的坐席签入"),
        VisitEnd::Closed => ("overflow, the queue was closed", "溢出,队列不在服务时间"),
        VisitEnd::Left => ("the caller or the dialplan chose another way", "来电者或流程选择了其他去向"),
        VisitEnd::Callback => ("the caller asked to be called back and keeps the place", "来电者预约回电,排队位置保留"),
        VisitEnd::Unreached => ("the customer could not be reached", "未能接通客户"),
        VisitEnd::Expired => ("it had waited as long as a call-back may", "回电等待超过上限"),
        VisitEnd::Refused => ("it was ended from our side", "由我方结束"),
    }
}

pub(super) fn survey_end(end: SurveyEnd) -> Words {
    match end {
        SurveyEnd::Complete => ("all was answered", "全部作答"),
        SurveyEnd::NoAnswer => ("a question was not answered", "有问题未作答"),
        SurveyEnd::CutShort => ("the call went on or ended before its end", "未完成即中断"),
    }
}

pub(super) fn outcome(outcome: OfferOutcome) -> Words {
    match outcome {
        OfferOutcome::Answered => ("answered", "接听"),
        OfferOutcome::NoAnswer => ("no answer", "未接听"),
        OfferOutcome::Refused => ("refused", "拒接"),
        OfferOutcome::Unreachable => ("unreachable", "无法接通"),
        OfferOutcome::Abandoned => ("the caller hung up", "来电者挂机"),
        OfferOutcome::Withdrawn => ("taken back", "被收回"),
    }
}

/// What a cause of ITU-T Q.850 means; those that trunks are seen to say.
pub(super) fn q850(cause: u8) -> Words {
    match cause {
        1 => ("unallocated number", "空号"),
        2 | 3 => ("no route there", "无路由"),
        16 => ("normal clearing", "正常释放"),
        17 => ("user busy", "用户忙"),
        18 => ("no user responding", "用户未响应"),
        19 => ("no answer from the user", "用户无应答"),
        20 => ("subscriber absent", "用户不在服务区"),
        21 => ("call rejected", "呼叫被拒绝"),
        22 => ("number changed", "号码已改"),
        23 => ("redirected", "改发"),
        25 => ("routing error", "路由错误"),
        27 => ("destination out of order", "目的地故障"),
        28 => ("number incomplete", "号码不全"),
        31 => ("normal, unspecified", "正常,未指明"),
        34 => ("no circuit available", "无可用电路"),
        38 => ("network out of order", "网络故障"),
        41 => ("temporary failure", "临时故障"),
        42 => ("congestion", "设备拥塞"),
        50..=63 => ("service not available", "业务不可用"),
        65..=79 => ("service not implemented", "业务未实现"),
        88 => ("incompatible destination", "终端不兼容"),
        102 => ("a timer ran out", "定时器超时"),
        127 => ("interworking", "互通,未指明"),
        _ => ("no common one", "其他"),
    }
}

pub(super) fn cause(cause: Cause) -> Words {
    match cause {
        Cause::CallerHungUp => ("the caller hung up", "来电者挂机"),
        Cause::CallerCancelled => ("the caller gave up before our answer", "应答前来电者放弃"),
        Cause::PartnerHungUp => ("the agent or dialled party hung up", "坐席或被叫方挂机"),
        Cause::IvrHungUp => ("the dialplan ended it", "流程结束通话"),
        Cause::Joined => ("the other side was passed on into another call", "对方被转入另一通电话"),
        Cause::PassedOn => ("the caller's side called somebody else itself", "来电方自行转接"),
        Cause::Refused(_) => ("it was refused", "来电被拒绝"),
        Cause::PeerVanished => ("a peer fell silent for too long", "对端长时间无响应"),
        Cause::OperatorHungUp => ("a supervisor or operator ended it", "班长或管理员结束通话"),
        Cause::TooLong => ("it lasted as long as a call may", "达到最长通话时间"),
        Cause::CallbackFailed => ("the customer to be called back could not be reached", "回电未能接通客户"),
        Cause::CallbackExpired => ("the call-back waited as long as one may", "回电等待超过上限"),
        Cause::Fault => ("a fault of ours", "系统故障"),
    }
}
