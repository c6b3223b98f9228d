//! Values read aloud: which prompts make up a number, an identifier, a place in a queue, a span or an amount.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest identifier read digit by digit.
const SPELLED_MAX: usize = 64;

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
    /// A span given in seconds.
    Duration,
    /// Yuan with up to two decimals.
    Amount,
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
    /// 次
    Times,
    /// 元
    Yuan,
}

impl Unit {
    /// The names dialplans use.
    pub(crate) const NAMES: [(&'static str, Unit); 6] = [
        ("callers", Unit::Callers),
        ("seconds", Unit::Seconds),
        ("minutes", Unit::Minutes),
        ("hours", Unit::Hours),
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
            (Unit::Times, false) => "unit/times",
            (Unit::Times, true) => "unit/times-one",
            (Unit::Yuan, _) => "unit/yuan",
        }
    }
}

/// Prompt ids for `value` in `language`: English words for `en…`, Mandarin words otherwise. What cannot be read in this form is spelled.
pub(crate) fn say(language: &str, form: Form, value: &str) -> Vec<&'static str> {
    let tongue = Tongue::of(language);
    match form {
        Form::Number(unit) => match value.parse::<i64>() {
            Ok(n) => tongue.signed(n, unit),
            Err(_) => tongue.decimal(value),
        },
        Form::Digits => spell(value, "digits/1"),
        Form::Telephone => spell(value, if tongue == Tongue::Mandarin { "digits/1y" } else { "digits/1" }),
        Form::AgentNumber => [vec!["agent/number"], spell(value, "digits/1")].concat(),
        Form::Place => value.parse().map_or_else(|_| Vec::new(), |ahead| place(language, ahead)),
        Form::Duration => value.parse().map_or_else(|_| Vec::new(), |secs| tongue.span(secs)),
        Form::Amount => tongue.amount(value),
    }
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
enum Tongue {
    Mandarin,
    English,
}

impl Tongue {
    fn of(language: &str) -> Tongue {
        if language.starts_with("en") { Tongue::English } else { Tongue::Mandarin }
    }

    fn number(self, n: u64) -> Vec<&'static str> {
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

    fn signed(self, n: i64, unit: Option<Unit>) -> Vec<&'static str> {
        let mut words = if n < 0 { vec!["digits/minus"] } else { Vec::new() };
        let n = n.unsigned_abs();
        words.extend(unit.map_or_else(|| self.number(n), |unit| self.counted(n, unit)));
        words
    }

    /// `12.5`; spelled when it is no number.
    fn decimal(self, value: &str) -> Vec<&'static str> {
        let (negative, digits) = value.strip_prefix('-').map_or((false, value), |rest| (true, rest));
        let Some((whole, fraction)) = digits.split_once('.') else { return spell(value, "digits/1") };
        let Ok(n) = whole.parse::<u64>() else { return spell(value, "digits/1") };
        let mut words = if negative { vec!["digits/minus"] } else { Vec::new() };
        words.extend(self.number(n));
        words.push("digits/dot");
        words.extend(spell(fraction, "digits/1"));
        words
    }

    fn span(self, secs: u64) -> Vec<&'static str> {
        let (hours, minutes, seconds) = (secs / 3600, secs / 60 % 60, secs % 60);
        let parts = [(hours, Unit::Hours), (minutes, Unit::Minutes), (seconds, Unit::Seconds)];
        let said: Vec<_> =
            parts.into_iter().filter(|(n, _)| *n > 0).flat_map(|(n, unit)| self.counted(n, unit)).collect();
        if said.is_empty() { self.counted(0, Unit::Seconds) } else { said }
    }

    /// Yuan, jiao and fen; English says the decimals as fen.
    fn amount(self, value: &str) -> Vec<&'static str> {
        let (negative, digits) = value.strip_prefix('-').map_or((false, value), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let cents = format!("{fraction:0<2}");
        let (Ok(yuan), Ok(cents)) = (whole.parse::<u64>(), cents.parse::<u64>()) else {
            return spell(value, "digits/1");
        };
        if cents > 99 {
            return spell(value, "digits/1");
        }
        let sign = if negative { vec!["digits/minus"] } else { Vec::new() };
        [sign, self.yuan(yuan, cents)].concat()
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

const DIGITS: [&str; 10] = [
    "digits/0", "digits/1", "digits/2", "digits/3", "digits/4", "digits/5", "digits/6", "digits/7", "digits/8",
    "digits/9",
];

/// Digit by digit; what is no key is left out.
fn spell(value: &str, one: &'static str) -> Vec<&'static str> {
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
fn english(n: u64) -> Vec<&'static str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Prompt ids as the characters a caller hears.
    fn heard(ids: &[&str]) -> String {
        let character = |id: &&str| match *id {
            "digits/1y" => "幺",
            "digits/2l" => "两",
            "digits/10" => "十",
            "digits/100" => "百",
            "digits/1000" => "千",
            "digits/10000" => "万",
            "digits/100000000" => "亿",
            "digits/dot" => "点",
            "digits/minus" => "负",
            "unit/wei" => "位",
            "unit/minute" => "分钟",
            "unit/second" => "秒",
            "unit/hour" => "小时",
            "unit/yuan" => "元",
            "unit/jiao" => "角",
            "unit/fen" => "分",
            "agent/number" => "工号",
            "queue/position" => "您前面还有",
            "queue/waiting" => "客户在等待",
            "queue/next" => "您是下一位",
            "queue/ewt" => "预计等待时间",
            "queue/ewt-less" => "不到一分钟",
            "queue/ewt-over" => "超过",
            other => {
                let digit: usize = other.strip_prefix("digits/").unwrap().parse().unwrap();
                ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"][digit]
            }
        };
        ids.iter().map(character).collect()
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
            assert_eq!(heard(&say("zh", Form::Number(None), value)), expected, "{value}");
        }
    }

    #[test]
    fn two_before_a_measure_word_is_liang_only_alone() {
        let vectors =
            [("2", Unit::Callers, "两位"), ("12", Unit::Minutes, "十二分钟"), ("22", Unit::Callers, "二十二位")];
        for (value, unit, expected) in vectors {
            assert_eq!(heard(&say("zh", Form::Number(Some(unit)), value)), expected);
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
            assert_eq!(heard(&say("zh", Form::Amount, value)), expected, "{value}");
        }
        assert_eq!(say("en", Form::Amount, "2.05"), ["digits/2", "unit/yuan", "digits/5", "unit/fen"]);
    }

    #[test]
    fn identifiers_places_and_waits_are_read_by_their_own_rules() {
        let minutes = |m: u64| heard(&predicted_wait("zh", Duration::from_secs(m * 60)));
        assert_eq!(heard(&say("zh", Form::Telephone, "13811")), "幺三八幺幺");
        assert_eq!(heard(&say("zh", Form::AgentNumber, "1021")), "工号一零二一");
        assert_eq!(heard(&say("zh", Form::Digits, "12")), "一二");
        assert_eq!(heard(&place("zh", 2)), "您前面还有两位客户在等待");
        assert_eq!(heard(&place("zh", 0)), "您是下一位");
        assert_eq!(heard(&say("zh", Form::Duration, "7322")), "两小时两分钟两秒");
        assert_eq!((minutes(1), minutes(2)), ("预计等待时间不到一分钟".into(), "预计等待时间两分钟".into()));
        assert_eq!(minutes(31), "预计等待时间超过三十分钟");
        assert_eq!(place("en", 1), ["queue/position-one"]);
        assert_eq!(place("en", 2), ["queue/position", "digits/2", "queue/waiting"]);
        assert_eq!(say("en", Form::Telephone, "+861#"), ["digits/8", "digits/6", "digits/1", "digits/pound"]);
        assert_eq!(say("en", Form::Duration, "61"), ["digits/1", "unit/minute-one", "digits/1", "unit/second-one"]);
    }

    /// The textbook rule by text substitution: write every digit with its place, then drop what is not said.
    fn by_substitution(n: u32) -> String {
        let names = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
        let places = ["", "十", "百", "千", "万"];
        let digits: Vec<u32> = n.to_string().chars().map(|c| c.to_digit(10).unwrap()).collect();
        let mut text = String::new();
        for (i, d) in digits.iter().enumerate() {
            text += names[*d as usize];
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
            assert_eq!(heard(&mandarin(n)), by_substitution(n as u32), "{n}");
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
        let phrases: Vec<Vec<&str>> =
            include_str!("../../../prompts/phrases.tsv").lines().map(|line| line.split('\t').collect()).collect();
        let forms = [Form::Digits, Form::Telephone, Form::AgentNumber, Form::Place, Form::Duration, Form::Amount];
        let numbers = Unit::NAMES.map(|(_, unit)| Form::Number(Some(unit))).into_iter().chain([Form::Number(None)]);
        let forms: Vec<Form> = forms.into_iter().chain(numbers).collect();
        let values = ["-1", "0", "1", "2", "3.05", "12", "3661", "12345", "1234567890123", "*#"];
        for (language, column) in [("zh", 2), ("en", 3)] {
            let mut said: Vec<&str> =
                (0..200).flat_map(|n| say(language, Form::Number(None), &n.to_string())).collect();
            said.extend(forms.iter().flat_map(|form| values.map(|value| say(language, *form, value))).flatten());
            said.extend([1, 7, 99].into_iter().flat_map(|m| predicted_wait(language, Duration::from_secs(60 * m))));
            for id in said {
                let phrase = phrases.iter().find(|phrase| phrase[0] == id);
                assert!(phrase.is_some_and(|phrase| phrase[column] != "-"), "{language} {id}");
            }
        }
    }
}
