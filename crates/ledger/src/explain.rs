//! A call's record told in sentences: where it waited, who was chosen by which rule, who came second, and how it ended.

mod phrases;
mod sound;

use crate::{CallRecord, LegRecord, OfferRecord, QueueVisit, Survey, Transfer, VisitEnd};
use busyhour_model::{Candidate, Party, Rank, Release, Rule, Time};
use phrases::{Phrase, Words};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::time::Duration;

/// A language it can be told in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

/// One sentence, and when what it tells happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub at: Time,
    /// What.
    pub says: String,
}

/// What happened to a call and why, in order of time; the caller's number is masked. Works for a call still going on:
/// what has not ended yet is told as far as it has come.
pub fn explain(record: &CallRecord, language: Language, going_on: bool) -> Vec<Line> {
    let mut story = Story { language, lines: Vec::new() };
    story.arrived(record);
    record.visits.iter().for_each(|visit| story.visit(visit));
    record.offers.iter().for_each(|offer| story.offer(record, offer));
    record.visits.iter().for_each(|visit| story.left(visit));
    record.legs.iter().for_each(|leg| story.leg(leg));
    record.transfers.iter().for_each(|transfer| story.transfer(transfer));
    record.surveys.iter().for_each(|survey| story.survey(survey));
    story.sound(record);
    story.lines.sort_by_key(|line| line.at);
    if !going_on {
        story.say(record.ended, Phrase::Ended, &[("cause", &story.word(phrases::cause(record.cause)))]);
    }
    if record.dropped > 0 {
        story.say(record.ended, Phrase::Dropped, &[("count", &record.dropped)]);
    }
    story.lines
}

struct Story {
    language: Language,
    lines: Vec<Line>,
}

impl Story {
    fn say(&mut self, at: Time, phrase: Phrase, blanks: &[(&str, &dyn Display)]) {
        let says = self.fill(phrase, blanks);
        self.lines.push(Line { at, says });
    }

    fn fill(&self, phrase: Phrase, blanks: &[(&str, &dyn Display)]) -> String {
        let filled = |text: String, (blank, value): &(&str, &dyn Display)| {
            text.replace(&format!("{{{blank}}}"), &value.to_string())
        };
        blanks.iter().fold(self.word(phrase.words()).to_string(), filled)
    }

    fn word(&self, (english, chinese): Words) -> &'static str {
        match self.language {
            Language::En => english,
            Language::Zh => chinese,
        }
    }

    fn span(&self, span: Duration) -> String {
        let seconds = decimal(span.as_secs_f64());
        self.fill(Phrase::Seconds, &[("seconds", &seconds)])
    }

    fn arrived(&mut self, record: &CallRecord) {
        let (from, to, origin) = (record.from.masked(), &record.to.national, record.origin.name());
        if let Some(by) = &record.trial {
            return self.say(record.arrived, Phrase::Trial, &[("by", by), ("to", to), ("origin", origin)]);
        }
        match &record.callback_of {
            Some(call) => self.say(record.arrived, Phrase::Callback, &[("from", &from), ("to", to), ("call", call)]),
            None => self.say(record.arrived, Phrase::Arrived, &[("from", &from), ("to", to), ("origin", origin)]),
        }
    }

    fn visit(&mut self, visit: &QueueVisit) {
        let blanks: [(&str, &dyn Display); 3] =
            [("queue", &visit.queue), ("points", &visit.priority), ("ahead", &visit.ahead)];
        self.say(visit.entered, Phrase::Waits, &blanks);
        if visit.since < visit.entered {
            let earlier = self.span(visit.entered.since(visit.since));
            self.say(visit.entered, Phrase::PlaceKept, &[("earlier", &earlier)]);
        }
        if let Some(at) = visit.out {
            self.say(at, Phrase::Out, &[("queue", &visit.queue)]);
        }
        if let Some(said) = visit.predicted.filter(|said| said.told) {
            let wait = self.span(Duration::from_millis(said.wait_ms));
            self.say(said.at, Phrase::Announced, &[("wait", &wait)]);
        }
    }

    fn left(&mut self, visit: &QueueVisit) {
        if let Some(end) = visit.end.filter(|&end| end != VisitEnd::Answered) {
            let (wait, end) = (self.span(Duration::from_millis(visit.wait_ms())), self.word(phrases::visit_end(end)));
            self.say(visit.left, Phrase::LeftQueue, &[("queue", &visit.queue), ("wait", &wait), ("end", &end)]);
        }
    }

    /// How a leg ended that a trunk ended.
    fn leg(&mut self, leg: &LegRecord) {
        let (Some(Release { by_peer: true, cause, .. }), Some(at), Party::Trunk(trunk)) =
            (leg.release, leg.ended, &leg.party)
        else {
            return;
        };
        let cause = self.fill(Phrase::Q850, &[("number", &cause), ("meaning", &self.word(phrases::q850(cause)))]);
        match leg.answered {
            Some(_) => self.say(at, Phrase::HungUp, &[("trunk", trunk), ("cause", &cause)]),
            None => {
                self.say(at, Phrase::LegRefused, &[("trunk", trunk), ("status", &leg.status), ("cause", &cause)]);
            }
        }
    }

    fn transfer(&mut self, transfer: &Transfer) {
        let from = transfer.from.name();
        self.say(transfer.at, Phrase::Transferred, &[("from", from), ("to", &transfer.to)]);
    }

    fn survey(&mut self, survey: &Survey) {
        let agent = survey.agent.as_deref().unwrap_or("-");
        self.say(survey.begun, Phrase::SurveyBegun, &[("survey", &survey.survey), ("agent", &agent)]);
        for answer in &survey.answers {
            let blanks: [(&str, &dyn Display); 3] =
                [("question", &answer.question), ("key", &answer.key), ("score", &answer.score)];
            self.say(answer.at, Phrase::Answered, &blanks);
        }
        if let Some(end) = survey.end {
            let end = self.word(phrases::survey_end(end));
            self.say(survey.ended, Phrase::SurveyEnded, &[("survey", &survey.survey), ("end", &end)]);
        }
    }

    fn offer(&mut self, record: &CallRecord, offer: &OfferRecord) {
        let (at, why) = (offer.offered, &offer.why);
        let (phrase, count) = match why.rule {
            Rule::HighestScore => (Phrase::AgentChose, why.calls_waiting),
            Rule::DirectAgent | Rule::PreferredAgent => (Phrase::InPerson, why.calls_waiting),
            _ => (Phrase::CallChose, why.agents_idle),
        };
        self.say(at, phrase, &[("agent", &offer.agent), ("queue", &offer.queue), ("count", &count)]);
        self.say(at, Phrase::Rule, &[("rule", &self.word(phrases::rule(why.rule)))]);
        self.score(record, offer);
        self.runner_up(offer);
        if !offer.why.from_age.is_zero() {
            let age = self.span(offer.why.from_age);
            self.say(at, Phrase::Relaxed, &[("age", &age), ("agent", &offer.agent)]);
        }
        self.offer_end(offer);
    }

    /// How long it had waited, and what that made of it.
    fn score(&mut self, record: &CallRecord, offer: &OfferRecord) {
        let (at, why) = (offer.offered, &offer.why);
        let mut visits = record.visits.iter().filter(|visit| visit.queue == offer.queue && visit.entered <= at);
        let base = visits.next_back().map_or(0.0, |visit| f64::from(visit.priority));
        let (waited, score) = (self.span(why.waited), decimal(why.score));
        let blanks: [(&str, &dyn Display); 4] = [
            ("wait", &waited),
            ("score", &score),
            ("base", &decimal(base)),
            ("gained", &decimal((why.score - base).max(0.0))),
        ];
        self.say(at, Phrase::Score, &blanks);
    }

    /// Who or what came second, and what decided between the two.
    fn runner_up(&mut self, offer: &OfferRecord) {
        let (at, why) = (offer.offered, &offer.why);
        match why.runner_up {
            Some(Candidate::Call(call, score)) => {
                self.say(at, Phrase::SecondCall, &[("call", &call), ("score", &decimal(score))]);
            }
            Some(Candidate::Agent(id, rank)) => {
                let number = offer.runner_up.as_ref().map_or_else(|| id.to_string(), ToString::to_string);
                let because = self.because(why.rule, why.rank, rank);
                self.say(at, Phrase::SecondAgent, &[("agent", &number), ("because", &because)]);
            }
            None if matches!(why.rule, Rule::DirectAgent | Rule::PreferredAgent) => {}
            None => self.say(at, Phrase::NoSecond, &[]),
        }
    }

    /// The first thing in which the chosen agent suits better than the second.
    fn because(&self, rule: Rule, chosen: Rank, second: Rank) -> String {
        if chosen.preferred() != second.preferred() {
            return self.fill(Phrase::NotPreferred, &[]);
        }
        if chosen.site() != second.site() {
            let place = |rank: Rank| u32::from(rank.site()) + 1;
            return self.fill(Phrase::FartherSite, &[("first", &place(chosen)), ("second", &place(second))]);
        }
        if rule == Rule::Weighted && chosen != second {
            let percent = |rank: Rank| decimal(100.0 - f64::from(rank.level()) / 1e4);
            return self.fill(Phrase::LessWeight, &[("first", &percent(chosen)), ("second", &percent(second))]);
        }
        match (Level::of(chosen), Level::of(second)) {
            (first, second) if first == second => self.fill(Phrase::NotYetTurn, &[]),
            (Level::Levels(first), Level::Levels(second)) => {
                self.fill(Phrase::LessSkilled, &[("first", &first), ("second", &second)])
            }
            (Level::Skills(first) | Level::Levels(first), Level::Skills(second) | Level::Levels(second)) => {
                self.fill(Phrase::MoreSkills, &[("first", &first), ("second", &second)])
            }
        }
    }

    fn offer_end(&mut self, offer: &OfferRecord) {
        match offer.outcome.zip(offer.ended) {
            Some((outcome, ended)) => {
                if offer.briefed_ms > 0 {
                    let blanks: [(&str, &dyn Display); 2] =
                        [("agent", &offer.agent), ("took", &self.span(Duration::from_millis(offer.briefed_ms)))];
                    self.say(ended, Phrase::Briefed, &blanks);
                }
                let rang = self.span(Duration::from_millis(offer.rang_ms().unwrap_or_default()));
                let outcome = self.word(phrases::outcome(outcome));
                let blanks: [(&str, &dyn Display); 3] =
                    [("agent", &offer.agent), ("outcome", &outcome), ("rang", &rang)];
                self.say(ended, Phrase::OfferEnded, &blanks);
            }
            None => self.say(offer.offered, Phrase::Rings, &[("agent", &offer.agent)]),
        }
    }
}

/// What the level part of a rank counts.
#[derive(PartialEq)]
enum Level {
    /// Skills the agent has: the fewer the better.
    Skills(u32),
    /// Sum of the levels wanted: the more the better.
    Levels(u32),
}

impl Level {
    /// An agent has few skills, so what is nearly the highest number counts levels down from it.
    fn of(rank: Rank) -> Level {
        match rank.level() {
            level if level > u32::MAX / 2 => Level::Levels(u32::MAX - level),
            level => Level::Skills(level),
        }
    }
}

/// With one decimal, if there is one.
fn decimal(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_string)
}

#[cfg(test)]
mod tests;
