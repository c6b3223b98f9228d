//! What callers said in surveys: the record of each, and the counts behind the rates.

use crate::Ratio;
use crate::slot::Counts;
use busyhour_model::{Name, Time};
use serde::{Deserialize, Serialize};

/// One survey in a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// Its name in the dialplan.
    pub survey: Name,
    /// Since when.
    pub begun: Time,
    /// Until.
    pub ended: Time,
    /// How it ended; `None` while it goes on.
    pub end: Option<SurveyEnd>,
    /// The agent who talked last: it is about this one.
    pub agent: Option<Name>,
    /// The queue of that talk.
    pub queue: Option<Name>,
    /// In order.
    pub answers: Vec<Answer>,
}

/// How a survey ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurveyEnd {
    /// All was answered that was to be asked.
    Complete,
    /// A question was not answered.
    NoAnswer,
    /// The call ended or went elsewhere in the middle.
    CutShort,
}

/// One answer to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// When.
    pub at: Time,
    /// Question.
    pub question: Name,
    /// Key pressed.
    pub key: char,
    /// What it is worth.
    pub score: u32,
    /// Of the first question: whether that says satisfied.
    pub satisfied: Option<bool>,
}

impl SurveyEnd {
    /// In the store, and as a label.
    pub fn word(self) -> &'static str {
        match self {
            SurveyEnd::Complete => "complete",
            SurveyEnd::NoAnswer => "no_answer",
            SurveyEnd::CutShort => "cut_short",
        }
    }
}

impl Survey {
    /// It is over.
    pub(crate) fn finish(&mut self, at: Time, end: SurveyEnd) {
        if self.end.is_none() {
            (self.ended, self.end) = (at, Some(end));
        }
    }
}

/// Surveys about the talks of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveys {
    /// Callers who were asked.
    pub invited: u64,
    /// Who answered the first question: the mark.
    pub rated: u64,
    /// Of those, satisfied.
    pub satisfied: u64,
    /// Sum of the marks.
    pub marks: u64,
}

impl Surveys {
    /// A first question was answered.
    pub(crate) fn rate(&mut self, score: u32, satisfied: bool) {
        self.rated += 1;
        self.satisfied += u64::from(satisfied);
        self.marks += u64::from(score);
    }
}

impl Counts {
    /// 邀评率: surveys offered of calls answered.
    pub fn invitation_rate(&self) -> Ratio {
        Ratio { part: self.surveys.invited, whole: self.answered }
    }

    /// 参评率: rated of invited.
    pub fn participation_rate(&self) -> Ratio {
        Ratio { part: self.surveys.rated, whole: self.surveys.invited }
    }

    /// 满意度: satisfied of rated.
    pub fn satisfaction(&self) -> Ratio {
        Ratio { part: self.surveys.satisfied, whole: self.surveys.rated }
    }

    /// The mean mark in per cent of `best`; what each key is worth are the weights.
    pub fn mean_mark(&self, best: u32) -> Ratio {
        Ratio { part: self.surveys.marks, whole: self.surveys.rated * u64::from(best) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn satisfaction_is_a_share_and_a_mean_weighted_by_the_scores() {
        let mut counts = Counts { answered: 16, ..Counts::default() };
        counts.surveys.invited = 10;
        for score in [100, 100, 80, 60, 30, 0, 100, 80] {
            counts.surveys.rate(score, score >= 80);
        }
        let rates = [counts.invitation_rate(), counts.participation_rate(), counts.satisfaction()];
        assert_eq!(rates.map(|rate| rate.to_string()), ["62.50", "80.00", "62.50"]);
        assert_eq!(counts.mean_mark(100).to_string(), "68.75");
        assert_eq!(Counts::default().satisfaction().to_string(), "-");
    }
}
