//! Dates and times of day read aloud.

use crate::say::{DIGITS, Tongue, english, ordinal_ending, spell};
use busyhour_model::calendar;

const WEEKDAYS: [&str; 7] = ["time/mon", "time/tue", "time/wed", "time/thu", "time/fri", "time/sat", "time/sun"];
const MONTHS: [&str; 12] = [
    "month/1", "month/2", "month/3", "month/4", "month/5", "month/6", "month/7", "month/8", "month/9", "month/10",
    "month/11", "month/12",
];

/// A day of some year, or of every year.
#[derive(Clone, Copy)]
pub(crate) struct Date {
    year: Option<u16>,
    month: u8,
    day: u8,
    /// Since 1970-01-01.
    days: i32,
}

/// `2026-10-01`, `20261001`, `10-01`, `1001`; what follows a `T` or a blank is a time.
pub(crate) fn date_of(value: &str) -> Option<Date> {
    let digits = value.split(['T', ' ']).next()?.replace('-', "");
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(digits.len(), 4 | 8) {
        return None;
    }
    let (year, rest) = digits.split_at(digits.len() - 4);
    let (month, day) = rest.split_at(2);
    // Without a year the leap day is as good as any.
    let days = calendar::day(&format!("{}-{month}-{day}", if year.is_empty() { "2000" } else { year }))?;
    Some(Date { year: year.parse().ok(), month: month.parse().ok()?, day: day.parse().ok()?, days })
}

/// Minutes since midnight of `9:30`, `09:30`, `0930`, `24:00`, and of the time in `2026-10-01T09:30:00`.
pub(crate) fn minute_of(value: &str) -> Option<u16> {
    let clock = value.rsplit(['T', ' ']).next()?;
    if clock.len() == 4 && clock.bytes().all(|b| b.is_ascii_digit()) {
        let (hour, minute) = clock.split_at(2);
        return calendar::minute_of_day(&format!("{hour}:{minute}"));
    }
    let (hour, rest) = clock.split_once(':')?;
    calendar::minute_of_day(&format!("{hour:0>2}:{}", rest.get(..2)?))
}

impl Date {
    pub(crate) fn weekday(self) -> &'static str {
        // 1970-01-01 was a Thursday.
        WEEKDAYS[(self.days + 3).rem_euclid(7) as usize]
    }
}

impl Tongue {
    pub(crate) fn date(self, Date { year, month, day, .. }: Date) -> Vec<&'static str> {
        match self {
            Tongue::Mandarin => {
                let year = year.map(|year| [spell(&format!("{year:04}"), DIGITS[1]), vec!["unit/year"]].concat());
                let month = [self.number(month.into()), vec!["unit/month"]].concat();
                [year.unwrap_or_default(), month, self.number(day.into()), vec!["unit/day"]].concat()
            }
            Tongue::English => {
                let mut day = english(day.into());
                if let Some(last) = day.last_mut() {
                    *last = ordinal_ending(last);
                }
                let month = MONTHS[usize::from(month - 1) % 12];
                [vec![month], day, year.map(english_year).unwrap_or_default()].concat()
            }
        }
    }

    /// By the clock of twelve hours, and the part of the day.
    pub(crate) fn time(self, minute: u16) -> Vec<&'static str> {
        let (hour, minute) = (u64::from(minute / 60), u64::from(minute % 60));
        if self == Tongue::English {
            return english_time(hour, minute);
        }
        let part = match hour {
            0..=5 => "time/dawn",
            6..=11 => "time/am",
            12 => "time/noon",
            13..=17 => "time/pm",
            _ => "time/eve",
        };
        let hour = match if hour > 12 { hour - 12 } else { hour } {
            2 => vec!["digits/2l"],
            hour => self.number(hour),
        };
        let minute = match minute {
            0 => Vec::new(),
            1..=9 => [vec![DIGITS[0]], self.number(minute), vec!["unit/fen"]].concat(),
            _ => [self.number(minute), vec!["unit/fen"]].concat(),
        };
        [vec![part], hour, vec!["unit/oclock"], minute].concat()
    }
}

/// Twenty twenty-six, nineteen oh five, two thousand nine.
fn english_year(year: u16) -> Vec<&'static str> {
    let (century, rest) = (u64::from(year / 100), u64::from(year % 100));
    match rest {
        _ if year < 1000 || year % 1000 < 10 => english(year.into()),
        0 => [english(century), vec!["digits/100"]].concat(),
        1..=9 => [english(century), vec!["time/oh"], english(rest)].concat(),
        _ => [english(century), english(rest)].concat(),
    }
}

fn english_time(hour: u64, minute: u64) -> Vec<&'static str> {
    let part = match (hour, minute) {
        (0 | 24, 0) => return vec!["time/midnight"],
        (12, 0) => return vec!["time/noon"],
        (0..=11, _) => "time/am",
        (12..=17, _) => "time/pm",
        _ => "time/eve",
    };
    let minute = match minute {
        0 => vec!["unit/oclock"],
        1..=9 => [vec!["time/oh"], english(minute)].concat(),
        _ => english(minute),
    };
    [english((hour + 11) % 12 + 1), minute, vec![part]].concat()
}

#[cfg(test)]
mod tests {
    use crate::say::Form;
    use crate::say::tests::heard;

    /// Value, Mandarin, English.
    fn check(form: Form, table: &[(&str, &str, &str)]) {
        for (value, mandarin, english) in table {
            assert_eq!(heard("zh", form, value), *mandarin, "{value}");
            assert_eq!(heard("en", form, value), *english, "{value}");
        }
    }

    #[test]
    fn dates_are_read_as_people_say_them() {
        check(
            Form::Date,
            &[
                ("2026-10-01", "二零二六年十月一日", "October first twenty twenty six"),
                ("2026-02-22", "二零二六年二月二十二日", "February twenty second twenty twenty six"),
                ("20001231", "二零零零年十二月三十一日", "December thirty first two thousand"),
                ("2009-01-20", "二零零九年一月二十日", "January twentieth two thousand nine"),
                ("2010-11-12", "二零一零年十一月十二日", "November twelfth twenty ten"),
                ("1905-05-05", "一九零五年五月五日", "May fifth nineteen oh five"),
                ("1900-03-03", "一九零零年三月三日", "March third nineteen hundred"),
                ("02-29", "二月二十九日", "February twenty ninth"),
                ("0830", "八月三十日", "August thirtieth"),
                ("2026-10-01T14:30:00+08:00", "二零二六年十月一日", "October first twenty twenty six"),
                ("2026-02-29", "二零二六零二二九", "two zero two six zero two two nine"),
            ],
        );
    }

    #[test]
    fn times_of_day_are_read_as_people_say_them() {
        check(
            Form::TimeOfDay,
            &[
                ("00:00", "凌晨零点", "midnight"),
                ("00:05", "凌晨零点零五分", "twelve oh five in the morning"),
                ("02:30", "凌晨两点三十分", "two thirty in the morning"),
                ("9:00", "上午九点", "nine o'clock in the morning"),
                ("0912", "上午九点十二分", "nine twelve in the morning"),
                ("12:00", "中午十二点", "noon"),
                ("12:02", "中午十二点零二分", "twelve oh two in the afternoon"),
                ("14:02", "下午两点零二分", "two oh two in the afternoon"),
                ("17:45", "下午五点四十五分", "five forty five in the afternoon"),
                ("18:00", "晚上六点", "six o'clock in the evening"),
                ("22:22", "晚上十点二十二分", "ten twenty two in the evening"),
                ("24:00", "晚上十二点", "midnight"),
                ("2026-10-01T14:30:00+08:00", "下午两点三十分", "two thirty in the afternoon"),
                ("25:00", "二五零零", "two five zero zero"),
            ],
        );
    }

    #[test]
    fn weekdays_are_those_of_the_date() {
        check(
            Form::Weekday,
            &[
                ("2026-11-25", "星期三", "Wednesday"),
                ("1969-12-31", "星期三", "Wednesday"),
                ("2024-02-29", "星期四", "Thursday"),
            ],
        );
    }
}
