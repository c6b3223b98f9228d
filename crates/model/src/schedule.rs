//! When something is open: hours by weekday, holidays, and weekends worked instead.

use crate::Time;
use crate::calendar::{Clock, DAY, Local, midnight, weekdays};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Hours of a week and its exceptions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Minutes east of Greenwich of the clock all of it is told by.
    pub utc_offset_minutes: i32,
    /// Open within any of these.
    pub open: Vec<Opening>,
    /// First and last day: open only as `Days::HOLIDAYS` says.
    pub holidays: Vec<(i32, i32)>,
    /// First and last day: open as on weekdays, whatever day it is (调休).
    pub workdays: Vec<(i32, i32)>,
}

/// Hours of some days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The days it begins on.
    pub days: Days,
    /// From and to; past midnight it belongs to the day it began.
    pub clock: Clock,
}

/// Kinds of days: bit 0 Monday to bit 6 Sunday, bit 7 holidays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Days(pub u8);

impl Days {
    /// Days on which most people work.
    pub const WEEKDAYS: Days = Days(0b001_1111);
    /// Days of `Schedule::holidays`.
    pub const HOLIDAYS: Days = Days(0b1000_0000);

    /// `mon`, `mon-fri`, `sat-mon`, `holiday`.
    pub fn parse(text: &str) -> Option<Days> {
        if text == "holiday" { Some(Days::HOLIDAYS) } else { weekdays(text).map(Days) }
    }
}

impl Schedule {
    /// Whether it is open at this moment.
    pub fn is_open(&self, now: Time) -> bool {
        let Local { day, minute, .. } = Local::of(now, self.utc_offset_minutes);
        self.open.iter().any(|Opening { days, clock }| {
            let began = |day| self.kind(day) & days.0 != 0;
            match clock.from <= clock.to {
                true => began(day) && clock.contains(minute),
                false => minute >= clock.from && began(day) || minute < clock.to && began(day - 1),
            }
        })
    }

    /// The next moment at which it may open or close: at the latest the coming midnight.
    pub fn next_look(&self, now: Time) -> Time {
        let local = Local::of(now, self.utc_offset_minutes);
        let edges = self.open.iter().flat_map(|opening| [opening.clock.from, opening.clock.to]);
        let next = edges.filter(|edge| *edge > local.minute).min().unwrap_or(DAY).min(DAY);
        midnight(local.day, self.utc_offset_minutes) + Duration::from_secs(60 * u64::from(next))
    }

    /// What kinds of day this is.
    fn kind(&self, day: i32) -> u8 {
        let within = |spans: &[(i32, i32)]| spans.iter().any(|(first, last)| (*first..=*last).contains(&day));
        if within(&self.workdays) {
            Days::WEEKDAYS.0
        } else if within(&self.holidays) {
            Days::HOLIDAYS.0
        } else {
            // 1970-01-01 was a Thursday.
            1 << (day + 3).rem_euclid(7)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::calendar::{day, days, minute_of_day};

    fn schedule(open: &[(&str, &str)]) -> Schedule {
        let opening = |(days, clock): &(&str, &str)| Opening {
            days: Days::parse(days).unwrap(),
            clock: Clock::parse(clock).unwrap(),
        };
        Schedule {
            utc_offset_minutes: 480,
            open: open.iter().map(opening).collect(),
            holidays: vec![days("2026-10-01..2026-10-07").unwrap()],
            workdays: vec![days("2026-10-10").unwrap()],
        }
    }

    fn at(text: &str) -> Time {
        let (date, minute) = text.split_once(' ').unwrap();
        midnight(day(date).unwrap(), 480) + Duration::from_secs(60 * u64::from(minute_of_day(minute).unwrap()))
    }

    #[test]
    fn an_office_keeps_its_hours_holidays_and_working_weekends() {
        let office = schedule(&[("mon-fri", "09:00-18:00"), ("sat", "10:00-12:00"), ("holiday", "14:00-15:00")]);
        let table = [
            ("2026-09-28 08:59", false),
            ("2026-09-28 09:00", true),
            ("2026-09-28 17:59", true),
            ("2026-09-28 18:00", false),
            ("2026-09-26 10:30", true),
            ("2026-09-27 10:30", false),
            ("2026-10-01 10:00", false),
            ("2026-10-01 14:30", true),
            ("2026-10-03 10:30", false),
            ("2026-10-08 10:00", true),
            ("2026-10-10 17:00", true),
            ("2026-10-11 10:30", false),
        ];
        for (moment, open) in table {
            assert_eq!(office.is_open(at(moment)), open, "{moment}");
        }
    }

    #[test]
    fn a_night_shift_belongs_to_the_evening_it_began() {
        let night = schedule(&[("fri", "22:00-06:00")]);
        let table = [
            ("2026-09-25 21:59", false),
            ("2026-09-25 22:00", true),
            ("2026-09-26 05:59", true),
            ("2026-09-26 06:00", false),
            ("2026-09-25 03:00", false),
            ("2026-09-26 23:00", false),
            ("2026-10-02 23:00", false),
            ("2026-10-10 23:00", true),
            ("2026-10-11 03:00", true),
        ];
        for (moment, open) in table {
            assert_eq!(night.is_open(at(moment)), open, "{moment}");
        }
    }

    /// Minute by minute over three weeks: whenever it changes, somebody looked.
    #[test]
    fn nothing_changes_between_two_looks() {
        let office = schedule(&[("mon-fri", "09:00-18:00"), ("sat", "22:00-06:00"), ("sun", "00:00-24:00")]);
        let mut now = at("2026-09-26 00:00");
        let (mut was, mut look) = (office.is_open(now), office.next_look(now));
        for _ in 0..21 * 1440 {
            now += Duration::from_secs(60);
            if now == look {
                (was, look) = (office.is_open(now), office.next_look(now));
                assert!(look > now && look <= now + Duration::from_secs(86_400));
            }
            assert_eq!(office.is_open(now), was, "{now:?}");
        }
    }
}
