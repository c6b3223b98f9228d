//! Values read aloud: which prompts make up a number, an identifier, a place in a queue, a span or an amount.

use crate::moment;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest identifier read digit by digit.
const SPELLED_MAX: usize = 64;

/// Ways to read a value aloud, by the names dialplans use.
pub(crate) const FORMS: [(&str, Form); 13] = [
    ("number", Form::Number(None)),
    ("digits", Form::Digits),
    ("telephone", Form::Telephone),
    ("agent_number", Form::AgentNumber),
    ("place", Form::Place),
    ("ordinal", Form::Ordinal(None)),
    ("percent", Form::Percent),
    ("duration", Form::Duration),
    ("amount", Form::Amount),
    ("cents", Form::Cents),
    ("date", Form::Date),
    ("weekday", Form::Weekday),
    ("time", Form::TimeOfDay),
];

/// How a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Form {
    /// 一百零二, or 两位 with a measure word.
    Number(Option<Unit>),
    /// Digit by digit, 一 for 1.
    Digits,
    /// Digit by digit, 幺 for 1.
    Telephone,
    /// 工号 and the digits, 一 for 1.
    AgentNumber,
    /// So many calls ahead.
    Place,
    /// 第二, or 第二位 with a measure word.
    Ordinal(Option<Unit>),
    /// 百分之五.
    Percent,
    /// A span given in seconds.
    Duration,
    /// Yuan with up to two decimals.
    Amount,
    /// Hundredths of a yuan.
    Cents,
    /// 十月一日, with the year when it is given.
    Date,
    /// 星期四, of a date.
    Weekday,
    /// 下午两点半 is 下午两点三十分.
    TimeOfDay,
}

impl Form {
    /// What a value must be, for people.
    pub(crate) fn wanted(self) -> &'static str {
        match self {
            Form::Number(_) | Form::Percent => "a number like 12 or \"-3.5\"",
            Form::Digits | Form::Telephone | Form::AgentNumber => "made of digits, `*` and `#`",
            Form::Place => "a number of calls",
            Form::Ordinal(_) => "a number from 1 on",
            Form::Duration => "a number of seconds",
            Form::Amount => "an amount like \"12.50\"",
            Form::Cents => "a whole number of cents",
            Form::Date | Form::Weekday => "a date like \"2026-10-01\" or \"10-01\"",
            Form::TimeOfDay => "a time of day like \"09:30\"",
        }
    }

    /// Whether a value is what this form is for; if not it is spelled, as far as it has digits.
    pub(crate) fn fits(self, value: &str) -> bool {
        let amount = plain(value);
        match self {
            Form::Digits | Form::Telephone | Form::AgentNumber => !spell(value, DIGITS[1]).is_empty(),
            Form::Place => value.parse::<u32>().is_ok(),
            Form::Number(_) | Form::Percent | Form::Amount => Decimal::parse(&amount).is_some(),
            Form::Ordinal(_) => value.parse::<u64>().is_ok_and(|n| n > 0),
            Form::Duration | Form::Cents => value.parse::<i64>().is_ok(),
            Form::Date | Form::Weekday => moment::date_of(value).is_some(),
            Form::TimeOfDay => moment::minute_of(value).is_some(),
        }
    }
}

/// Measure words there are prompts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unit {
    /// 位
    Callers,
    /// 秒
    Seconds,
    /// 分钟
    Minutes,
    /// 小时
    Hours,
    /// 天
    Days,
    /// 次
    Times,
    /// 元
    Yuan,
}

impl Unit {
    /// The names dialplans use.
    pub(crate) const NAMES: [(&'static str, Unit); 7] = [
        ("callers", Unit::Callers),
        ("seconds", Unit::Seconds),
        ("minutes", Unit::Minutes),
        ("hours", Unit::Hours),
        ("days", Unit::Days),
        ("times", Unit::Times),
        ("yuan", Unit::Yuan),
    ];

    /// Its prompt; English has a singular of its own for some.
    fn prompt(self, one: bool) -> &'static str {
        match (self, one) {
            (Unit::Callers, false) => "unit/wei",
            (Unit::Callers, true) => "unit/wei-one",
            (Unit::Seconds, false) => "unit/second",
            (Unit::Seconds, true) => "unit/second-one",
            (Unit::Minutes, false) => "unit/minute",
            (Unit::Minutes, true) => "unit/minute-one",
            (Unit::Hours, false) => "unit/hour",
            (Unit::Hours, true) => "unit/hour-one",
            (Unit::Days, false) => "unit/tian",
            (Unit::Days, true) => "unit/tian-one",
            (Unit::Times, false) => "unit/times",
            (Unit::Times, true) => "unit/times-one",
            (Unit::Yuan, _) => "unit/yuan",
        }
    }
}

/// Prompt ids for `value` in `language`: English words for `en…`, Mandarin words otherwise. What cannot be read in this form is spelled.
pub(crate) fn say(language: &str, form: Form, value: &str) -> Vec<&'static str> {
    let tongue = Tongue::of(language);
    if !form.fits(value) {
        return spell(value, DIGITS[1]);
    }
    let said = match form {
        Form::Number(unit) => Decimal::parse(&plain(value)).map(|number| tongue.decimal(&number, unit)),
        Form::Digits => None,
        Form::Telephone => Some(spell(value, if tongue == Tongue::Mandarin { "digits/1y" } else { DIGITS[1] })),
        Form::AgentNumber => Some([vec!["agent/number"], spell(value, DIGITS[1])].concat()),
        Form::Place => value.parse().ok().map(|ahead| place(language, ahead)),
        Form::Ordinal(unit) => value.parse().ok().map(|n| tongue.ordinal(n, unit)),
        Form::Percent => Decimal::parse(&plain(value)).map(|number| tongue.percent(&number)),
        Form::Duration => value.parse::<i64>().ok().map(|n| tongue.minus(n < 0, tongue.span(n.unsigned_abs()))),
        Form::Amount => Decimal::parse(&plain(value)).map(|number| tongue.amount(&number)),
        Form::Cents => value.parse::<i64>().ok().map(|n| {
            let cents = n.unsigned_abs();
            tongue.minus(n < 0, tongue.yuan(cents / 100, cents % 100))
        }),
        Form::Date => moment::date_of(value).map(|date| tongue.date(date)),
        Form::Weekday => moment::date_of(value).map(|date| vec![date.weekday()]),
        Form::TimeOfDay => moment::minute_of(value).map(|minute| tongue.time(minute)),
    };
    said.unwrap_or_else(|| spell(value, DIGITS[1]))
}

/// How many calls are ahead.
pub(crate) fn place(language: &str, ahead: u32) -> Vec<&'static str> {
    let n = u64::from(ahead);
    match (Tongue::of(language), ahead) {
        (_, 0) => vec!["queue/next"],
        (Tongue::Mandarin, _) => {
            [vec!["queue/position"], Tongue::Mandarin.counted(n, Unit::Callers), vec!["queue/waiting"]].concat()
        }
        (Tongue::English, 1) => vec!["queue/position-one"],
        (Tongue::English, _) => [vec!["queue/position"], english(n), vec!["queue/waiting"]].concat(),
    }
}

/// A predicted wait, in whole minutes rounded up; beyond half an hour only that.
pub(crate) fn predicted_wait(language: &str, wait: Duration) -> Vec<&'static str> {
    let tongue = Tongue::of(language);
    match wait.as_secs().div_ceil(60) {
        0 | 1 => vec!["queue/ewt", "queue/ewt-less"],
        minutes @ 2..=30 => [vec!["queue/ewt"], tongue.counted(minutes, Unit::Minutes)].concat(),
        _ => [vec!["queue/ewt", "queue/ewt-over"], tongue.counted(30, Unit::Minutes)].concat(),
    }
}

/// Whose grammar numbers follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    Mandarin,
    English,
}

impl Tongue {
    fn of(language: &str) -> Tongue {
        if language.starts_with("en") { Tongue::English } else { Tongue::Mandarin }
    }

    pub(crate) fn number(self, n: u64) -> Vec<&'static str> {
        match self {
            Tongue::Mandarin => mandarin(n),
            Tongue::English => english(n),
        }
    }

    /// A number before a measure word: exactly 2 is 两.
    fn counted(self, n: u64, unit: Unit) -> Vec<&'static str> {
        let mut words = match (self, n) {
            (Tongue::Mandarin, 2) => vec!["digits/2l"],
            _ => self.number(n),
        };
        words.push(unit.prompt(self == Tongue::English && n == 1));
        words
    }

    pub(crate) fn minus(self, negative: bool, words: Vec<&'static str>) -> Vec<&'static str> {
        if negative { [vec!["digits/minus"], words].concat() } else { words }
    }

    /// 负三点零五, with a measure word when there is one.
    fn decimal(self, number: &Decimal, unit: Option<Unit>) -> Vec<&'static str> {
        let words = match (unit, number.fraction.is_empty()) {
            (Some(unit), true) => self.counted(number.whole, unit),
            (None, true) => self.number(number.whole),
            (_, false) => {
                let fraction = spell(number.fraction, DIGITS[1]);
                let unit = unit.map(|unit| unit.prompt(false));
                let words = self.number(number.whole).into_iter().chain(["digits/dot"]);
                words.chain(fraction).chain(unit).collect()
            }
        };
        self.minus(number.negative, words)
    }

    fn percent(self, number: &Decimal) -> Vec<&'static str> {
        let words = self.decimal(&Decimal { negative: false, ..*number }, None);
        let words = match self {
            Tongue::Mandarin => [vec!["digits/percent"], words].concat(),
            Tongue::English => [words, vec!["digits/percent"]].concat(),
        };
        self.minus(number.negative, words)
    }

    /// 第 is followed by 二, never by 两; English gives its last word another ending.
    fn ordinal(self, n: u64, unit: Option<Unit>) -> Vec<&'static str> {
        let mut words = self.number(n);
        match self {
            Tongue::Mandarin => {
                if words[0] == "digits/2l" {
                    words[0] = DIGITS[2];
                }
                words.insert(0, "ordinal/di");
            }
            Tongue::English => {
                if let Some(last) = words.last_mut() {
                    *last = ordinal_ending(last);
                }
            }
        }
        words.extend(unit.map(|unit| unit.prompt(self == Tongue::English)));
        words
    }

    fn span(self, secs: u64) -> Vec<&'static str> {
        let (days, hours, minutes) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
        let parts = [(days, Unit::Days), (hours, Unit::Hours), (minutes, Unit::Minutes), (secs % 60, Unit::Seconds)];
        let said: Vec<_> =
            parts.into_iter().filter(|(n, _)| *n > 0).flat_map(|(n, unit)| self.counted(n, unit)).collect();
        if said.is_empty() { self.counted(0, Unit::Seconds) } else { said }
    }

    /// Yuan, jiao and fen; English says the decimals as fen. More than two decimals are read as such.
    fn amount(self, number: &Decimal) -> Vec<&'static str> {
        let fraction = number.fraction.trim_end_matches('0');
        match format!("{fraction:0<2}").parse::<u64>() {
            Ok(cents @ 0..=99) if fraction.len() <= 2 => self.minus(number.negative, self.yuan(number.whole, cents)),
            _ => self.decimal(number, Some(Unit::Yuan)),
        }
    }

    fn yuan(self, yuan: u64, cents: u64) -> Vec<&'static str> {
        let mut words = Vec::new();
        if yuan > 0 || cents == 0 {
            words.extend(self.counted(yuan, Unit::Yuan));
        }
        let (jiao, fen) = if self == Tongue::Mandarin { (cents / 10, cents % 10) } else { (0, cents) };
        if jiao > 0 {
            words.extend([two_before_measure(jiao), "unit/jiao"]);
        }
        if fen > 0 && self == Tongue::English {
            words.extend(english(fen));
            words.push("unit/fen");
        } else if fen > 0 {
            if jiao == 0 && yuan > 0 {
                words.push(DIGITS[0]);
            }
            words.extend([two_before_measure(fen), "unit/fen"]);
        }
        words
    }
}

/// A number in three parts.
#[derive(Clone, Copy)]
struct Decimal<'v> {
    negative: bool,
    whole: u64,
    fraction: &'v str,
}

impl Decimal<'_> {
    /// `-12.50`, `.5`, `+3`.
    fn parse(value: &str) -> Option<Decimal<'_>> {
        let (negative, digits) = value.strip_prefix('-').map_or((false, value), |rest| (true, rest));
        let (whole, fraction) = digits.strip_prefix('+').unwrap_or(digits).split_once('.').unwrap_or((digits, ""));
        let whole = if whole.is_empty() && !fraction.is_empty() { 0 } else { whole.parse().ok()? };
        fraction.bytes().all(|b| b.is_ascii_digit()).then_some(Decimal { negative, whole, fraction })
    }
}

/// Without what only the eye needs: `¥1,250.50`, `12 %`.
fn plain(value: &str) -> String {
    value.chars().filter(|c| !matches!(c, ',' | ' ' | '¥' | '￥' | '%')).collect()
}

pub(crate) const DIGITS: [&str; 10] = [
    "digits/0", "digits/1", "digits/2", "digits/3", "digits/4", "digits/5", "digits/6", "digits/7", "digits/8",
    "digits/9",
];

/// Digit by digit; what is no key is left out.
pub(crate) fn spell(value: &str, one: &'static str) -> Vec<&'static str> {
    let word = |c: char| match c {
        '1' => Some(one),
        '*' => Some("digits/star"),
        '#' => Some("digits/pound"),
        '.' => Some("digits/dot"),
        _ => c.to_digit(10).map(digit),
    };
    value.chars().filter_map(word).take(SPELLED_MAX).collect()
}

fn digit(n: u32) -> &'static str {
    DIGITS[(n % 10) as usize]
}

fn two_before_measure(n: u64) -> &'static str {
    if n == 2 { "digits/2l" } else { DIGITS[(n % 10) as usize] }
}

/// 万 and 亿 grouping; 一十 is 十 only at the very start.
fn mandarin(n: u64) -> Vec<&'static str> {
    let mut words = Vec::new();
    group(n, &mut words);
    if words.is_empty() {
        words.push(DIGITS[0]);
    }
    words
}

fn group(n: u64, words: &mut Vec<&'static str>) {
    for (size, name) in [(100_000_000, "digits/100000000"), (10_000, "digits/10000")] {
        if n >= size {
            match n / size {
                2 => words.push("digits/2l"),
                high => group(high, words),
            }
            words.push(name);
            let rest = n % size;
            if rest > 0 && rest < size / 10 {
                words.push(DIGITS[0]);
            }
            return group(rest, words);
        }
    }
    thousands(n, words);
}

/// 1 to 9,999; nothing for 0. One 零 for a run of inner zeros.
fn thousands(n: u64, words: &mut Vec<&'static str>) {
    let mut gap = false;
    let mut begun = false;
    for (size, name) in [(1000, "digits/1000"), (100, "digits/100"), (10, "digits/10"), (1, "")] {
        let digit = n / size % 10;
        if digit == 0 {
            gap = begun;
            continue;
        }
        if gap {
            words.push(DIGITS[0]);
        }
        let bare_ten = size == 10 && digit == 1 && words.is_empty();
        if !bare_ten {
            words.push(if size >= 100 { two_before_measure(digit) } else { DIGITS[digit as usize] });
        }
        if size > 1 {
            words.push(name);
        }
        (gap, begun) = (false, true);
    }
}

/// American reading, without "and".
pub(crate) fn english(n: u64) -> Vec<&'static str> {
    const SMALL: [&str; 20] = [
        "digits/0",
        "digits/1",
        "digits/2",
        "digits/3",
        "digits/4",
        "digits/5",
        "digits/6",
        "digits/7",
        "digits/8",
        "digits/9",
        "digits/10",
        "digits/11",
        "digits/12",
        "digits/13",
        "digits/14",
        "digits/15",
        "digits/16",
        "digits/17",
        "digits/18",
        "digits/19",
    ];
    const TENS: [&str; 8] =
        ["digits/20", "digits/30", "digits/40", "digits/50", "digits/60", "digits/70", "digits/80", "digits/90"];
    const LARGE: [(u64, &str); 4] = [
        (1_000_000_000, "digits/1000000000"),
        (1_000_000, "digits/1000000"),
        (1_000, "digits/1000"),
        (100, "digits/100"),
    ];
    if let Some(word) = SMALL.get(n as usize) {
        return vec![word];
    }
    let rest = |n: u64| if n == 0 { Vec::new() } else { english(n) };
    match LARGE.iter().find(|(size, _)| n >= *size) {
        Some((size, name)) => [english(n / size), vec![name], rest(n % size)].concat(),
        None => [vec![TENS[(n / 10 - 2) as usize]], rest(n % 10)].concat(),
    }
}

/// The last word of an English number as that of an ordinal.
pub(crate) fn ordinal_ending(word: &'static str) -> &'static str {
    const ENDINGS: [(&str, &str); 31] = [
        ("digits/1", "ordinal/1"),
        ("digits/2", "ordinal/2"),
        ("digits/3", "ordinal/3"),
        ("digits/4", "ordinal/4"),
        ("digits/5", "ordinal/5"),
        ("digits/6", "ordinal/6"),
        ("digits/7", "ordinal/7"),
        ("digits/8", "ordinal/8"),
        ("digits/9", "ordinal/9"),
        ("digits/10", "ordinal/10"),
        ("digits/11", "ordinal/11"),
        ("digits/12", "ordinal/12"),
        ("digits/13", "ordinal/13"),
        ("digits/14", "ordinal/14"),
        ("digits/15", "ordinal/15"),
        ("digits/16", "ordinal/16"),
        ("digits/17", "ordinal/17"),
        ("digits/18", "ordinal/18"),
        ("digits/19", "ordinal/19"),
        ("digits/20", "ordinal/20"),
        ("digits/30", "ordinal/30"),
        ("digits/40", "ordinal/40"),
        ("digits/50", "ordinal/50"),
        ("digits/60", "ordinal/60"),
        ("digits/70", "ordinal/70"),
        ("digits/80", "ordinal/80"),
        ("digits/90", "ordinal/90"),
        ("digits/100", "ordinal/100"),
        ("digits/1000", "ordinal/1000"),
        ("digits/1000000", "ordinal/1000000"),
        ("digits/1000000000", "ordinal/1000000000"),
    ];
    ENDINGS.iter().find(|(cardinal, _)| *cardinal == word).map_or(word, |(_, ordinal)| ordinal)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn phrases() -> impl Iterator<Item = Vec<&'static str>> {
        include_str!("../../../prompts/phrases.tsv").lines().map(|line| line.split('\t').collect())
    }

    /// What a caller hears: the characters, or the English words.
    pub(crate) fn heard(language: &str, form: Form, value: &str) -> String {
        text(language, &say(language, form, value))
    }

    fn text(language: &str, ids: &[&str]) -> String {
        let (column, between) = if language == "en" { (3, " ") } else { (1, "") };
        let word = |id: &&str| {
            let phrase = phrases().find(|phrase| phrase[0] == *id).unwrap_or_else(|| panic!("{id} is no phrase"));
            assert_ne!(phrase[if column == 1 { 2 } else { 3 }], "-", "{language} {id}");
            phrase[column].trim_end_matches(['。', '.'])
        };
        ids.iter().map(word).collect::<Vec<_>>().join(between)
    }

    #[test]
    fn mandarin_numbers_are_read_as_people_say_them() {
        let vectors = [
            ("0", "零"),
            ("2", "二"),
            ("10", "十"),
            ("11", "十一"),
            ("12", "十二"),
            ("20", "二十"),
            ("22", "二十二"),
            ("100", "一百"),
            ("101", "一百零一"),
            ("110", "一百一十"),
            ("112", "一百一十二"),
            ("200", "两百"),
            ("202", "两百零二"),
            ("222", "两百二十二"),
            ("1001", "一千零一"),
            ("1010", "一千零一十"),
            ("1024", "一千零二十四"),
            ("2000", "两千"),
            ("2012", "两千零一十二"),
            ("2200", "两千两百"),
            ("10000", "一万"),
            ("10010", "一万零一十"),
            ("10086", "一万零八十六"),
            ("10500", "一万零五百"),
            ("12345", "一万两千三百四十五"),
            ("20000", "两万"),
            ("22222", "两万两千两百二十二"),
            ("100001", "十万零一"),
            ("110000", "十一万"),
            ("1050000", "一百零五万"),
            ("10001000", "一千万一千"),
            ("10010000", "一千零一万"),
            ("100000000", "一亿"),
            ("100000001", "一亿零一"),
            ("1000000001", "十亿零一"),
            ("-15", "负十五"),
            ("3.05", "三点零五"),
            ("100100000", "一亿零一十万"),
            ("220000", "二十二万"),
        ];
        for (value, expected) in vectors {
            assert_eq!(heard("zh", Form::Number(None), value), expected, "{value}");
        }
    }

    #[test]
    fn two_before_a_measure_word_is_liang_only_alone() {
        let vectors =
            [("2", Unit::Callers, "两位"), ("12", Unit::Minutes, "十二分钟"), ("22", Unit::Callers, "二十二位")];
        for (value, unit, expected) in vectors {
            assert_eq!(heard("zh", Form::Number(Some(unit)), value), expected);
        }
    }

    #[test]
    fn amounts_are_read_in_yuan_jiao_and_fen() {
        let vectors = [
            ("1250.50", "一千两百五十元五角"),
            ("2.05", "两元零五分"),
            ("0.20", "两角"),
            ("0.02", "两分"),
            ("0", "零元"),
            ("100", "一百元"),
            ("3.25", "三元两角五分"),
            ("0.5", "五角"),
            ("-2", "负两元"),
        ];
        for (value, expected) in vectors {
            assert_eq!(heard("zh", Form::Amount, value), expected, "{value}");
        }
        assert_eq!(say("en", Form::Amount, "2.05"), ["digits/2", "unit/yuan", "digits/5", "unit/fen"]);
    }

    #[test]
    fn every_form_is_read_in_both_languages() {
        let callers = Some(Unit::Callers);
        let vectors = [
            (Form::Number(None), "-1,234", "负一千两百三十四", "minus one thousand two hundred thirty four"),
            (Form::Number(None), ".5", "零点五", "zero point five"),
            (Form::Number(None), "3.", "三", "three"),
            (Form::Number(Some(Unit::Hours)), "1.5", "一点五小时", "one point five hours"),
            (Form::Number(Some(Unit::Days)), "2", "两天", "two days"),
            (Form::Percent, "12.5", "百分之十二点五", "twelve point five percent"),
            (Form::Percent, "-3%", "负百分之三", "minus three percent"),
            (Form::Percent, "100", "百分之一百", "one hundred percent"),
            (Form::Percent, "0", "百分之零", "zero percent"),
            (Form::Ordinal(None), "1", "第一", "first"),
            (Form::Ordinal(callers), "2", "第二位", "second caller"),
            (Form::Ordinal(None), "12", "第十二", "twelfth"),
            (Form::Ordinal(None), "21", "第二十一", "twenty first"),
            (Form::Ordinal(None), "200", "第二百", "two hundredth"),
            (Form::Ordinal(Some(Unit::Times)), "112", "第一百一十二次", "one hundred twelfth time"),
            (Form::Ordinal(None), "0", "零", "zero"),
            (
                Form::Telephone,
                "13800138000",
                "幺三八零零幺三八零零零",
                "one three eight zero zero one three eight zero zero zero",
            ),
            (
                Form::Telephone,
                "+86 21 1234-5678",
                "八六二幺幺二三四五六七八",
                "eight six two one one two three four five six seven eight",
            ),
            (Form::Telephone, "95118", "九五幺幺八", "nine five one one eight"),
            (Form::AgentNumber, "1001", "工号一零零一", "Agent number one zero zero one"),
            (Form::Digits, "10*#", "一零星号键井号键", "one zero star pound"),
            (Form::Duration, "7322", "两小时两分钟两秒", "two hours two minutes two seconds"),
            (Form::Duration, "90061", "一天一小时一分钟一秒", "one day one hour one minute one second"),
            (Form::Duration, "0", "零秒", "zero seconds"),
            (Form::Duration, "-60", "负一分钟", "minus one minute"),
            (Form::Amount, "¥1,250.50", "一千两百五十元五角", "one thousand two hundred fifty yuan fifty fen"),
            (Form::Amount, "1250.500", "一千两百五十元五角", "one thousand two hundred fifty yuan fifty fen"),
            (Form::Amount, "3.125", "三点一二五元", "three point one two five yuan"),
            (Form::Amount, "20000", "两万元", "twenty thousand yuan"),
            (Form::Cents, "205", "两元零五分", "two yuan five fen"),
            (Form::Cents, "-20", "负两角", "minus twenty fen"),
            (Form::Cents, "100000000", "一百万元", "one million yuan"),
        ];
        for (form, value, mandarin, english) in vectors {
            assert_eq!(heard("zh", form, value), mandarin, "{value}");
            assert_eq!(heard("en", form, value), english, "{value}");
        }
    }

    #[test]
    fn identifiers_places_and_waits_are_read_by_their_own_rules() {
        let minutes = |m: u64| text("zh", &predicted_wait("zh", Duration::from_secs(m * 60)));
        assert_eq!(heard("zh", Form::Telephone, "13811"), "幺三八幺幺");
        assert_eq!(heard("zh", Form::AgentNumber, "1021"), "工号一零二一");
        assert_eq!(heard("zh", Form::Digits, "12"), "一二");
        assert_eq!(text("zh", &place("zh", 2)), "您前面还有两位客户在等待");
        assert_eq!(text("zh", &place("zh", 0)), "您是下一位");
        assert_eq!(heard("zh", Form::Duration, "7322"), "两小时两分钟两秒");
        assert_eq!((minutes(1), minutes(2)), ("预计等待时间不到一分钟".into(), "预计等待时间两分钟".into()));
        assert_eq!(minutes(31), "预计等待时间超过三十分钟");
        assert_eq!(place("en", 1), ["queue/position-one"]);
        assert_eq!(place("en", 2), ["queue/position", "digits/2", "queue/waiting"]);
        assert_eq!(say("en", Form::Telephone, "+861#"), ["digits/8", "digits/6", "digits/1", "digits/pound"]);
        assert_eq!(say("en", Form::Duration, "61"), ["digits/1", "unit/minute-one", "digits/1", "unit/second-one"]);
    }

    /// As `text`, without looking a hundred thousand times into the list of phrases.
    fn quick(ids: &[&str]) -> String {
        let names = [
            ("digits/2l", "两"),
            ("digits/10", "十"),
            ("digits/100", "百"),
            ("digits/1000", "千"),
            ("digits/10000", "万"),
        ];
        let name = |id: &&str| match names.iter().find(|(known, _)| known == id) {
            Some((_, name)) => *name,
            None => DIGIT_NAMES[id["digits/".len()..].parse::<usize>().unwrap()],
        };
        ids.iter().map(name).collect()
    }

    const DIGIT_NAMES: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];

    /// The textbook rule by text substitution: write every digit with its place, then drop what is not said.
    fn by_substitution(n: u32) -> String {
        let places = ["", "十", "百", "千", "万"];
        let digits: Vec<u32> = n.to_string().chars().map(|c| c.to_digit(10).unwrap()).collect();
        let mut text = String::new();
        for (i, d) in digits.iter().enumerate() {
            text += DIGIT_NAMES[*d as usize];
            text += if *d == 0 { "" } else { places[digits.len() - 1 - i] };
        }
        while text.contains("零零") {
            text = text.replace("零零", "零");
        }
        let text = if text.len() > 3 { text.trim_end_matches('零').to_string() } else { text };
        let text = text.strip_prefix("一十").map_or(text.clone(), |rest| format!("十{rest}"));
        text.replace("二百", "两百").replace("二千", "两千").replace("二万", "两万")
    }

    #[test]
    fn every_number_to_99999_agrees_with_an_independent_rule() {
        for n in 1..=99_999 {
            assert_eq!(quick(&mandarin(n)), by_substitution(n as u32), "{n}");
        }
    }

    #[test]
    fn english_numbers_are_read_as_people_say_them() {
        let words = |value| {
            say("en", Form::Number(None), value)
                .iter()
                .map(|id| id.trim_start_matches("digits/"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let vectors = [
            ("0", "0"),
            ("13", "13"),
            ("20", "20"),
            ("42", "40 2"),
            ("100", "1 100"),
            ("101", "1 100 1"),
            ("999", "9 100 90 9"),
            ("1000", "1 1000"),
            ("12345", "12 1000 3 100 40 5"),
            ("1000001", "1 1000000 1"),
            ("2000000000", "2 1000000000"),
            ("-7", "minus 7"),
            ("1.50", "1 dot 5 0"),
        ];
        for (value, expected) in vectors {
            assert_eq!(words(value), expected, "{value}");
        }
    }

    #[test]
    fn everything_said_has_a_prompt() {
        let plain = FORMS.map(|(_, form)| form);
        let numbers = Unit::NAMES.map(|(_, unit)| [Form::Number(Some(unit)), Form::Ordinal(Some(unit))]);
        let forms: Vec<Form> = plain.into_iter().chain(numbers.concat()).collect();
        let values = ["-1", "0", "1", "2", "3.05", "12", "3661", "90061", "1234567890123", "*#", "0930", "1130"];
        for language in ["zh", "en"] {
            let mut said: Vec<&str> =
                (0..200).flat_map(|n| say(language, Form::Number(None), &n.to_string())).collect();
            said.extend(forms.iter().flat_map(|form| values.map(|value| say(language, *form, value))).flatten());
            said.extend([1, 7, 99].into_iter().flat_map(|m| predicted_wait(language, Duration::from_secs(60 * m))));
            text(language, &said);
        }
    }
}
