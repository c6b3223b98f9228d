//! What is asked of other programs, bots among them, and of callers after a talk.

use crate::call::Call;
use busyhour_ivr::{Input, LookUpAnswer, Step, TalkEnd};

const LOOK_UP: &str = "lookup = \"https://crm.example/c/{$caller}?q={$word}\"\nset = { level = \"$.level\" }\nheaders = { X-Key = \"k {$word}\" }

    body = { who = \"$caller\", n = 7, ok = true }\ntimeout = \"2s\"\nretries = 1\nmusic = \"m\"
    then = \"found\"\nnot_found = \"n2\"\nfailed = \"n3\"
    [node.found]\nbranch = [{ \"$level\" = \"gold\", goto = \"n1\" }]\nelse = \"n4\"\n[variables]\nword = \"a b/c\"";

fn found(level: &str) -> LookUpAnswer {
    LookUpAnswer::Found([("level".into(), level.to_owned()), ("caller".into(), "1".to_owned())].into())
}

#[test]
fn a_look_up_asks_by_http_and_goes_on_with_the_answer() {
    let mut call = Call::new(LOOK_UP);
    call.session.handle(call.now, &call.plan, Input::Start);
    let asked = std::iter::from_fn(|| call.session.poll_step()).find_map(|step| match step {
        Step::LookUp(asked) => Some(asked),
        _ => None,
    });
    let asked = asked.unwrap();
    assert_eq!(asked.url, "https://crm.example/c/13800138000?q=a%20b%2Fc");
    assert_eq!(asked.headers, [("X-Key".into(), "k a b/c".into())]);
    assert_eq!(asked.body.as_deref(), Some(r#"{"n":7,"ok":true,"who":"13800138000"}"#));
    assert_eq!(call.tell(Input::LookedUp { id: 1, answer: found("gold") }), "found1 stop @found @n1 bye601");
    let table = [
        (found("none"), "@found @n4 bye604"),
        (LookUpAnswer::NotFound, "@n2 bye602"),
        (LookUpAnswer::Refused, "@n3 bye603"),
    ];
    for (answer, steps) in table {
        let mut call = Call::new(LOOK_UP);
        assert_eq!(call.start(), "@start loop[zh:m] ask1");
        assert!(call.tell(Input::LookedUp { id: 1, answer }).ends_with(steps), "{steps}");
    }
}

#[test]
fn a_look_up_is_tried_again_and_late_answers_are_not_heard() {
    let mut call = Call::new(LOOK_UP);
    call.start();
    assert_eq!(call.wait(2_000), "ask2");
    assert_eq!(call.tell(Input::LookedUp { id: 1, answer: found("gold") }), "");
    assert_eq!(call.press("1"), "");
    assert_eq!(call.tell(Input::LookedUp { id: 2, answer: LookUpAnswer::Unreachable }), "unreachable2 stop @n3 bye603");
    assert_eq!(call.tell(Input::LookedUp { id: 2, answer: found("gold") }), "");
}

const SURVEY: &str = "survey = \"service\"\nthen = \"n1\"\n[survey.service]\nquestions = [
    { ask = \"q1\", name = \"five\", keys = { 1 = 5, 2 = 1 } },
    { ask = \"q2\", name = \"why\", keys = { 1 = 1 }, when = { \"$five\" = \"<=2\" } },
    { ask = \"q3\", name = \"solved\", keys = { 1 = 1, 2 = 0 } }]";

#[test]
fn a_survey_asks_what_is_to_be_asked_and_each_answer_counts_at_once() {
    let mut call = Call::new(SURVEY);
    assert_eq!(call.start(), "@start survey(service) answer play[zh:q1]");
    assert_eq!(call.press("1"), "stop five:1=5 satisfied play[zh:q3]");
    assert_eq!(call.press("2"), "stop solved:2=0 complete @n1 bye601");
    let mut call = Call::new(SURVEY);
    call.start();
    assert_eq!(call.press("2"), "stop five:2=1 unsatisfied play[zh:q2]");
    assert_eq!(call.press("1"), "stop why:1=1 play[zh:q3]");
}

#[test]
fn who_does_not_answer_a_question_is_asked_no_more() {
    let mut call = Call::new(SURVEY);
    call.start();
    assert_eq!(call.press("9"), "stop play[zh:ivr/invalid zh:q1]");
    call.tell(Input::PlayEnded);
    assert_eq!(call.wait(5_000), "gave-up @n1 bye601");
    let mut call = Call::new(SURVEY);
    call.start();
    assert_eq!(call.press("1"), "stop five:1=5 satisfied play[zh:q3]");
    call.tell(Input::PlayEnded);
    assert_eq!(call.wait(5_000), "play[zh:ivr/timeout zh:q3]");
    call.tell(Input::PlayEnded);
    assert_eq!(call.wait(5_000), "gave-up @n1 bye601");
}

#[test]
fn a_survey_in_mid_question_is_read_back_as_it_was() {
    let mut call = Call::new(SURVEY);
    call.start();
    call.press("2");
    let written = serde_json::to_string(&call.session).unwrap();
    call.session = serde_json::from_str(&written).unwrap();
    assert_eq!(call.press("1"), "stop why:1=1 play[zh:q3]");
}

const BOT: &str = "bot = \"robin\"\ndata = { who = \"$caller\", n = 7 }\nset = { topic = \"$.topic\", vip = \"$.customer.vip\" }
    timeout = \"30s\"\noutcomes = { sales = \"sold\", again = \"start\" }\nthen = \"n1\"\ntimed_out = \"n3\"\nfailed = \"n2\"
    [node.sold]\nbranch = [{ \"$topic\" = \"loan\", \"$vip\" = \"true\", goto = \"n4\" }]\nelse = \"n1\"";
const TALKING: &str = r#"@start answer talk1(robin zh {"n":7,"who":"13800138000"})"#;

fn ended(outcome: Option<&str>, values: &str) -> TalkEnd {
    TalkEnd::Ended { outcome: outcome.map(Into::into), values: serde_json::from_str(values).unwrap() }
}

#[test]
fn a_bot_ends_its_talk_by_an_outcome_and_says_what_it_heard() {
    let table = [
        (ended(None, "null"), "talked(then) @n1 bye601"),
        (ended(Some("then"), "{}"), "talked(then) @n1 bye601"),
        (
            ended(Some("sales"), r#"{"topic":"loan","customer":{"vip":true},"caller":"1"}"#),
            "talked(sales) @sold @n4 bye604",
        ),
        (ended(Some("sales"), r#"{"topic":["loan"]}"#), "talked(sales) @sold @n1 bye601"),
        (ended(Some("weather"), "{}"), "talked(failed) @n2 bye602"),
        (ended(Some("failed"), "{}"), "talked(failed) @n2 bye602"),
        (TalkEnd::Failed, "talked(failed) @n2 bye602"),
    ];
    for (end, steps) in table {
        let mut call = Call::new(BOT);
        assert_eq!(call.start(), TALKING);
        assert_eq!(call.tell(Input::Talked { id: 2, end: end.clone() }), "", "another's");
        assert_eq!(call.press("4#"), "key(4) key(#)");
        assert_eq!(call.tell(Input::Talked { id: 1, end }), steps);
    }
}

#[test]
fn a_bot_that_talks_too_long_is_left_and_one_may_be_called_again() {
    let mut call = Call::new(BOT);
    call.start();
    let written = serde_json::to_string(&call.session).unwrap();
    call.session = serde_json::from_str(&written).unwrap();
    let again = call.tell(Input::Talked { id: 1, end: ended(Some("again"), "{}") });
    assert_eq!(again, r#"talked(again) @start talk2(robin zh {"n":7,"who":"13800138000"})"#);
    assert_eq!(call.tell(Input::Talked { id: 1, end: TalkEnd::Failed }), "", "too late");
    assert_eq!(call.wait(30_000), "talked(timed_out) @n3 bye603");
    assert_eq!(call.session.talk_now(), None);
}
