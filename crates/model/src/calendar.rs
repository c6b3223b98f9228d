//! Local date, weekday and time of day of a moment, and how they are written (proleptic Gregorian calendar, fixed offset).

use crate::Time;
use serde::{Deserialize, Serialize};

/// Minutes of a day.
pub(crate) const DAY: u16 = 1440;

/// A moment as a wall clock shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Days since 1970-01-01.
    pub day: i32,
    /// 0 Monday to 6 Sunday.
    pub weekday: u8,
    /// Minutes since midnight.
    pub minute: u16,
}

impl Local {
    /// The moment `now` that many minutes east of Greenwich.
    pub fn of(now: Time, utc_offset_minutes: i32) -> Local {
        let minutes = (now.as_secs() / 60) as i64 + i64::from(utc_offset_minutes);
        let day = minutes.div_euclid(1440) as i32;
        // 1970-01-01 was a Thursday.
        Local { day, weekday: (day + 3).rem_euclid(7) as u8, minute: minutes.rem_euclid(1440) as u16 }
    }

    /// `2026-10-01`.
    pub fn date(self) -> String {
        // Years are counted from March, in 400-year eras of 146,097 days.
        let days = self.day + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let date = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        format!("{:04}-{month:02}-{date:02}", year_of_era + era * 400 + i32::from(month <= 2))
    }

    /// `09:30`.
    pub fn time(self) -> String {
        format!("{:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

/// A span of the day in minutes; `from > to` passes midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Inclusive.
    pub from: u16,
    /// Exclusive.
    pub to: u16,
}

impl Clock {
    /// Whether this minute of the day is in it.
    pub fn contains(self, minute: u16) -> bool {
        if self.from <= self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }

    /// `09:00-18:00`.
    pub fn parse(text: &str) -> Option<Clock> {
        let (from, to) = text.split_once('-')?;
        let clock = Clock { from: minute_of_day(from)?, to: minute_of_day(to)? };
        (clock.from != clock.to && clock.from < 1440).then_some(clock)
    }
}

/// `08:30`, up to `24:00`.
pub fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two =
        |part: &str| (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<u16>().ok())?;
    let (hour, minute) = (two(hour)?, two(minute)?);
    (minute < 60 && hour * 60 + minute <= 1440).then_some(hour * 60 + minute)
}

/// Weekdays as bits, bit 0 Monday: `mon`, `mon-fri`, `sat-mon`.
pub fn weekdays(text: &str) -> Option<u8> {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let index = |name: &str| NAMES.iter().position(|n| *n == name.trim());
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (index(from)?, index(to)?);
    Some((0..=(to + 7 - from) % 7).fold(0, |bits, step| bits | 1 << ((from + step) % 7)))
}

/// Days since 1970-01-01 of `2026-10-01`.
pub fn day(text: &str) -> Option<i32> {
    let mut parts = text.trim().splitn(3, '-');
    let mut part = |len: usize| {
        let part = parts.next()?;
        (part.len() == len && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<i32>().ok())?
    };
    let (year, month, date) = (part(4)?, part(2)?, part(2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=length).contains(&date).then(|| days_from_civil(year, month, date))
}

/// `2026-10-01` of days since 1970-01-01 (the inverse of `day`).
pub fn written(day: i32) -> String {
    let days = i64::from(day) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02}")
}

/// First and last day of `2026-10-01..2026-10-07`, or of one date.
pub fn days(text: &str) -> Option<(i32, i32)> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    (first <= last).then_some((first, last))
}

/// Minutes east of Greenwich of `+08:00`.
pub fn utc_offset(text: &str) -> Option<i32> {
    let minutes = minute_of_day(text.strip_prefix(['-', '+'])?).filter(|minutes| *minutes <= 14 * 60)?;
    Some(i32::from(minutes) * if text.starts_with('-') { -1 } else { 1 })
}

/// Midnight at the beginning of a day; the epoch for days before it.
pub fn midnight(day: i32, utc_offset_minutes: i32) -> Time {
    let minutes = i64::from(day) * i64::from(DAY) - i64::from(utc_offset_minutes);
    Time::from_secs(u64::try_from(minutes * 60).unwrap_or(0))
}

/// Counts from March, so that the leap day is the last of its year.
fn days_from_civil(year: i32, month: i32, date: i32) -> i32 {
    let year = year - i32::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + date - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_what_the_wall_clock_shows() {
        let now = Time::from_secs(1_795_342_320);
        let local = Local::of(now, 480);
        assert_eq!(local, Local { day: day("2026-11-22").unwrap(), weekday: 6, minute: 18 * 60 + 12 });
        assert_eq!(Local::of(Time::ZERO, -60), Local { day: -1, weekday: 2, minute: 23 * 60 });
    }

    #[test]
    fn every_date_is_written_as_it_is_read() {
        for days in -800_000..400_000 {
            if let Some(read) = day(&Local { day: days, weekday: 0, minute: 0 }.date()) {
                assert_eq!(read, days);
            } else {
                assert!(days < -719_528, "{days}: only years before 0 cannot be read");
            }
        }
        assert_eq!(Local::of(Time::from_secs(1_795_342_320), 480).time(), "18:12");
    }

    #[test]
    fn dates_count_days_and_refuse_nonsense() {
        let known = [("1970-01-01", 0), ("2000-02-29", 11_016), ("2024-03-01", 19_783), ("2026-10-01", 20_727)];
        for (text, days) in known {
            assert_eq!(day(text), Some(days), "{text}");
        }
        for days in (-200_000..200_000).step_by(17) {
            assert_eq!(day(&written(days)), Some(days), "{}", written(days));
        }
        for text in ["2026-02-29", "2026-13-01", "2026-1-1", "2026-00-10", "20261001", "", "2026-10-01-1"] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_begins_at_its_midnight_and_ends_at_the_next() {
        for offset in [-300, 0, 480] {
            let begin = midnight(day("2026-10-01").unwrap(), offset);
            let local = Local::of(begin, offset);
            assert_eq!((local.day, local.minute), (20_727, 0));
            assert_eq!(Local::of(begin - std::time::Duration::from_secs(1), offset).day, 20_726);
        }
        assert_eq!(days("2026-10-01..2026-10-07"), Some((20_727, 20_733)));
        assert_eq!(days("2026-10-07..2026-10-01"), None);
        assert_eq!((utc_offset("+08:00"), utc_offset("-05:30"), utc_offset("+15:00")), (Some(480), Some(-330), None));
        assert_eq!(utc_offset("08:00"), None);
    }

    #[test]
    fn spans_of_the_day_may_pass_midnight() {
        let office = Clock::parse("09:00-18:00").unwrap();
        let night = Clock::parse("22:00-06:00").unwrap();
        assert!(office.contains(540) && office.contains(1079) && !office.contains(1080));
        assert!(night.contains(1439) && night.contains(0) && !night.contains(360));
        assert!(Clock::parse("00:00-24:00").unwrap().contains(1439));
        for text in ["9:00-18:00", "09:00", "09:00-09:00", "09:60-10:00", "24:00-01:00", "a-b"] {
            assert_eq!(Clock::parse(text), None, "{text}");
        }
    }

    #[test]
    fn weekday_ranges_wrap() {
        assert_eq!(weekdays("mon-fri"), Some(0b001_1111));
        assert_eq!(weekdays("sat-mon"), Some(0b110_0001));
        assert_eq!(weekdays("sun"), Some(0b100_0000));
        assert_eq!(weekdays("monday"), None);
    }
}
