//! What a branch can ask: who calls whom, when, and what was keyed in.

use crate::step::QueueState;
use busyhour_model::calendar::{Clock, Local};
use busyhour_model::{Name, Number, NumberKind, Pattern, Schedule, Time};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// One condition; any of its alternatives is enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Condition {
    Caller(Vec<Pattern>),
    Dialled(Vec<Pattern>),
    Origin(Vec<Name>),
    Kind(Vec<NumberKind>),
    /// Bit 0 is Monday.
    Weekdays(u8),
    Clock(Vec<Clock>),
    /// First and last day since 1970-01-01.
    Dates(Vec<(i32, i32)>),
    /// One of these is open.
    Open(Vec<Schedule>),
    Variable(Name, Vec<Comparison>),
    /// As which the caller counts; `""` is none.
    Tier(Vec<Name>),
    /// All of these hold of the queue.
    Queue(Name, Vec<QueueTest>),
}

/// What is asked of a queue; any of the comparisons is enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum QueueTest {
    Open(bool),
    Waiting(Vec<Comparison>),
    /// In milliseconds; a wait that cannot be told is neither short nor long.
    Wait(Vec<Comparison>),
    Agents(Vec<Comparison>),
    Ready(Vec<Comparison>),
}

impl QueueTest {
    fn holds(&self, state: &QueueState) -> bool {
        let any = |of: &[Comparison], value: &dyn ToString| {
            let value = value.to_string();
            of.iter().any(|comparison| comparison.holds(&value))
        };
        match self {
            QueueTest::Open(open) => state.open == *open,
            QueueTest::Waiting(of) => any(of, &state.waiting),
            QueueTest::Agents(of) => any(of, &state.signed_in),
            QueueTest::Ready(of) => any(of, &state.ready),
            QueueTest::Wait(of) => state.wait.is_some_and(|wait| any(of, &wait.as_millis())),
        }
    }
}

/// How a variable is compared: as numbers where there is an order, as text otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Comparison {
    Is(Name),
    IsNot(Name),
    Less(i64),
    AtMost(i64),
    More(i64),
    AtLeast(i64),
}

impl Comparison {
    /// `"card"`, `"!card"`, `">=1000"`; `""` is an unset variable. `None` when what follows `<` or `>` is no number.
    pub(crate) fn parse(text: &str) -> Option<Comparison> {
        let number = |digits: &str| digits.trim().parse().ok();
        match text.as_bytes() {
            [b'<', b'=', ..] => number(&text[2..]).map(Comparison::AtMost),
            [b'>', b'=', ..] => number(&text[2..]).map(Comparison::AtLeast),
            [b'<', ..] => number(&text[1..]).map(Comparison::Less),
            [b'>', ..] => number(&text[1..]).map(Comparison::More),
            [b'!', ..] => Some(Comparison::IsNot(text[1..].into())),
            _ => Some(Comparison::Is(text.into())),
        }
    }

    pub(crate) fn number(n: i64) -> Comparison {
        Comparison::Is(n.to_string().into())
    }

    /// Not a comparison with a word.
    pub(crate) fn is_of_numbers(&self) -> bool {
        !matches!(self, Comparison::Is(text) | Comparison::IsNot(text) if text.parse::<i64>().is_err())
    }

    /// Whether `value` satisfies it; what is no number is neither less nor more than one.
    pub(crate) fn holds(&self, value: &str) -> bool {
        let against = |n: &i64| value.parse::<i64>().ok().map(|value| value.cmp(n));
        match self {
            Comparison::Is(text) => value == &**text,
            Comparison::IsNot(text) => value != &**text,
            Comparison::Less(n) => against(n) == Some(Ordering::Less),
            Comparison::AtMost(n) => against(n).is_some_and(Ordering::is_le),
            Comparison::More(n) => against(n) == Some(Ordering::Greater),
            Comparison::AtLeast(n) => against(n).is_some_and(Ordering::is_ge),
        }
    }
}

/// What conditions are asked about.
pub(crate) struct Circumstances<'a> {
    pub(crate) from: &'a Number,
    pub(crate) to: &'a Number,
    pub(crate) origin: &'a Name,
    pub(crate) at: Time,
    /// The same moment on the clock of the plan.
    pub(crate) local: Local,
    pub(crate) tier: Option<Name>,
    /// Of every queue the conditions name.
    pub(crate) queues: &'a BTreeMap<Name, QueueState>,
}

impl Condition {
    /// Whether it holds; `value` looks a variable up.
    pub(crate) fn holds(&self, now: &Circumstances, value: impl Fn(&Name) -> String) -> bool {
        match self {
            Condition::Caller(patterns) => patterns.iter().any(|p| p.matches(now.from)),
            Condition::Dialled(patterns) => patterns.iter().any(|p| p.matches(now.to)),
            Condition::Origin(names) => names.contains(now.origin),
            Condition::Kind(kinds) => kinds.contains(&now.from.kind),
            Condition::Weekdays(bits) => bits >> now.local.weekday & 1 == 1,
            Condition::Clock(clocks) => clocks.iter().any(|clock| clock.contains(now.local.minute)),
            Condition::Dates(spans) => spans.iter().any(|(first, last)| (*first..=*last).contains(&now.local.day)),
            Condition::Open(schedules) => schedules.iter().any(|schedule| schedule.is_open(now.at)),
            Condition::Tier(tiers) => tiers.iter().any(|tier| **tier == *now.tier.as_deref().unwrap_or_default()),
            Condition::Queue(name, tests) => {
                now.queues.get(name).is_some_and(|state| tests.iter().all(|test| test.holds(state)))
            }
            Condition::Variable(name, comparisons) => {
                let value = value(name);
                comparisons.iter().any(|comparison| comparison.holds(&value))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_order_numbers_and_equate_text() {
        let cases = [
            ("card", "card", true),
            ("card", "loan", false),
            ("!card", "loan", true),
            ("", "", true),
            (">=10", "9", false),
            (">=10", "10", true),
            ("<10", "9", true),
            ("<10", "", false),
            (">2", "10", true),
            ("<=5", "abc", false),
        ];
        for (test, value, expected) in cases {
            assert_eq!(Comparison::parse(test).unwrap().holds(value), expected, "{value} {test}");
        }
        assert_eq!(Comparison::parse(">many"), None);
    }
}
