//! A requirement on an agent's skills joined by and, or and not; written `mandarin>=2 and (card or loan) and not trainee`.

use crate::command::Skill;
use busyhour_model::SkillId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Skills and joints of one written requirement; the ACD takes no larger ones.
const PARTS_MAX: usize = crate::SKILLS_MAX;
/// Brackets and `not` within each other.
const DEPTH_MAX: usize = 32;
/// The highest level of a skill.
const LEVEL_MAX: u8 = 100;

/// A requirement: skills joined by and, or and not. `S` names a skill: its id, or the word somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need<S = SkillId> {
    /// This skill at this level or above.
    Skill(S, u8),
    /// All of these; holds when there are none.
    All(Vec<Need<S>>),
    /// One of these; fails when there are none.
    Any(Vec<Need<S>>),
    /// Not this.
    Not(Box<Need<S>>),
}

/// What is wrong with a written requirement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Misread {
    /// At this byte of the text.
    pub at: usize,
    /// What.
    pub what: String,
}

impl Need {
    /// An agent with these skills, in order, meets it.
    pub fn holds(&self, skills: &[Skill]) -> bool {
        self.holds_for(|wanted| skills.binary_search_by_key(wanted, |s| s.0).map_or(0, |at| skills[at].1))
    }
}

impl<S> Need<S> {
    /// Somebody whose levels are these, 0 for none, meets it.
    pub fn holds_for(&self, level: impl Fn(&S) -> u8 + Copy) -> bool {
        match self {
            Need::Skill(wanted, least) => level(wanted) >= *least,
            Need::All(needs) => needs.iter().all(|need| need.holds_for(level)),
            Need::Any(needs) => needs.iter().any(|need| need.holds_for(level)),
            Need::Not(need) => !need.holds_for(level),
        }
    }

    /// The same about skills named otherwise.
    pub fn map<T>(&self, name: &mut impl FnMut(&S) -> T) -> Need<T> {
        match self {
            Need::Skill(skill, level) => Need::Skill(name(skill), *level),
            Need::All(needs) => Need::All(needs.iter().map(|need| need.map(name)).collect()),
            Need::Any(needs) => Need::Any(needs.iter().map(|need| need.map(name)).collect()),
            Need::Not(need) => Need::Not(need.map(name).into()),
        }
    }

    /// How many skills and joints it has.
    pub(crate) fn size(&self) -> usize {
        let (mut open, mut size) = (vec![self], 0);
        while let Some(need) = open.pop() {
            size += 1;
            match need {
                Need::Skill(..) => {}
                Need::All(needs) | Need::Any(needs) => open.extend(needs),
                Need::Not(need) => open.push(need),
            }
        }
        size
    }

    /// Reads `text`; `skill` makes of a skill's name, and the byte where it stands, what shall name it.
    ///
    /// `not` binds closer than `and`, `and` closer than `or`. A skill stands for its lowest level; `card>=2` asks for more.
    /// A name with blanks or signs stands in single quotes.
    ///
    /// # Errors
    /// The first mistake, and where it is.
    pub fn parse(text: &str, skill: &mut dyn FnMut(&str, usize) -> S) -> Result<Need<S>, Misread> {
        let mut reader = Reader { text, at: 0, depth: 0, skill };
        let need = reader.any()?;
        match reader.peek() {
            Token::End if need.size() > PARTS_MAX => {
                reader.misread(0, format!("this has {} parts; at most {PARTS_MAX} are matched", need.size()))
            }
            Token::End => Ok(need),
            Token::Sign(")") => reader.misread(reader.at, "this `)` closes nothing"),
            other => reader.misread(reader.at, format!("expected `and` or `or`, found {}", other.shown())),
        }
    }
}

/// As it is read again: `mandarin>=2 and (card or loan) and not trainee`.
impl<S: fmt::Display> fmt::Display for Need<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Skill(name, level) => {
                let name = name.to_string();
                let plain = name.chars().all(plain) && !["and", "or", "not", ""].contains(&&*name);
                let quote = if plain { "" } else { "'" };
                write!(f, "{quote}{name}{quote}")?;
                if *level > 1 { write!(f, ">={level}") } else { Ok(()) }
            }
            Need::All(needs) => Need::joined(f, needs, " and "),
            Need::Any(needs) => Need::joined(f, needs, " or "),
            Need::Not(need) if matches!(**need, Need::All(_) | Need::Any(_)) => write!(f, "not ({need})"),
            Need::Not(need) => write!(f, "not {need}"),
        }
    }
}

impl<S: fmt::Display> Need<S> {
    fn joined(f: &mut fmt::Formatter<'_>, needs: &[Need<S>], joint: &str) -> fmt::Result {
        for (at, need) in needs.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { joint })?;
            match need {
                Need::All(_) | Need::Any(_) => write!(f, "({need})")?,
                _ => write!(f, "{need}")?,
            }
        }
        Ok(())
    }
}

/// Of which names are made that need no quotes.
fn plain(c: char) -> bool {
    c.is_alphanumeric() || "_-.".contains(c)
}

/// One word of the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Word(&'t str),
    Quoted(&'t str),
    Sign(&'t str),
    End,
}

impl Token<'_> {
    fn shown(self) -> String {
        match self {
            Token::Word(text) | Token::Quoted(text) | Token::Sign(text) => format!("`{text}`"),
            Token::End => "the end".into(),
        }
    }
}

struct Reader<'t, S> {
    text: &'t str,
    /// Where the next token begins, blanks skipped.
    at: usize,
    depth: usize,
    skill: &'t mut dyn FnMut(&str, usize) -> S,
}

impl<'t, S> Reader<'t, S> {
    fn any(&mut self) -> Result<Need<S>, Misread> {
        let mut needs = vec![self.all()?];
        while self.take(Token::Word("or")) {
            needs.push(self.all()?);
        }
        Ok(joined(needs, Need::Any))
    }

    fn all(&mut self) -> Result<Need<S>, Misread> {
        let mut needs = vec![self.one()?];
        while self.take(Token::Word("and")) {
            needs.push(self.one()?);
        }
        Ok(joined(needs, Need::All))
    }

    fn one(&mut self) -> Result<Need<S>, Misread> {
        let token = self.peek();
        let at = self.at;
        if self.depth == DEPTH_MAX {
            return self.misread(at, format!("more than {DEPTH_MAX} brackets within each other"));
        }
        self.depth += 1;
        let need = match token {
            Token::Word("not") => {
                self.take(token);
                Need::Not(self.one()?.into())
            }
            Token::Sign("(") => {
                self.take(token);
                let need = self.any()?;
                if !self.take(Token::Sign(")")) {
                    return self.misread(at, "this `(` is never closed");
                }
                need
            }
            Token::Word("and" | "or") | Token::Sign(_) | Token::End => {
                return self.misread(at, format!("expected a skill, found {}", token.shown()));
            }
            Token::Word(name) | Token::Quoted(name) => {
                self.take(token);
                let level = self.level()?;
                Need::Skill((self.skill)(name, at + usize::from(token == Token::Quoted(name))), level)
            }
        };
        self.depth -= 1;
        Ok(need)
    }

    /// What follows a skill: `>=2`, or nothing.
    fn level(&mut self) -> Result<u8, Misread> {
        match self.peek() {
            Token::Sign(">=") => {}
            Token::Sign(sign) if sign.starts_with(['<', '>', '=']) => {
                let what = format!("`{sign}` does not compare levels; write `skill>=2`, or `not skill>=2` for less");
                return self.misread(self.at, what);
            }
            _ => return Ok(1),
        }
        self.take(Token::Sign(">="));
        let token = self.peek();
        let level = match token {
            Token::Word(digits) => digits.parse().ok().filter(|level| (1..=LEVEL_MAX).contains(level)),
            _ => None,
        };
        let Some(level) = level else {
            return self.misread(self.at, format!("{} is no skill level: 1 (lowest) to {LEVEL_MAX}", token.shown()));
        };
        self.take(token);
        Ok(level)
    }

    fn take(&mut self, wanted: Token) -> bool {
        let found = self.peek() == wanted;
        if found {
            self.at += match wanted {
                Token::Word(text) | Token::Sign(text) => text.len(),
                Token::Quoted(text) => text.len() + 2,
                Token::End => 0,
            };
        }
        found
    }

    fn peek(&mut self) -> Token<'t> {
        self.at = self.text.len() - self.text[self.at..].trim_start().len();
        let rest = &self.text[self.at..];
        let word = rest.find(|c| !plain(c)).unwrap_or(rest.len());
        let Some(first) = rest.chars().next() else { return Token::End };
        if word > 0 {
            return Token::Word(&rest[..word]);
        }
        if let Some(quoted) = rest.strip_prefix('\'')
            && let Some(end) = quoted.find('\'')
        {
            return Token::Quoted(&quoted[..end]);
        }
        let compares = |c: char| "<>=".contains(c);
        let length = if compares(first) { rest.find(|c| !compares(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        Token::Sign(&rest[..length])
    }

    fn misread<T>(&self, at: usize, what: impl Into<String>) -> Result<T, Misread> {
        Err(Misread { at, what: what.into() })
    }
}

fn joined<S>(mut needs: Vec<Need<S>>, join: fn(Vec<Need<S>>) -> Need<S>) -> Need<S> {
    match needs.len() {
        1 => needs.remove(0),
        _ => join(needs),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "a",
            "a>=2 and (b or c) and not d",
            "not (a and b)",
            "a or 'b c'>=3 or 'not'",
            "not not a",
            "(a and b) or c",
        ] {
            let read = |text: &str| Need::parse(text, &mut |name, _| name.to_string()).unwrap();
            assert_eq!(read(&read(text).to_string()), read(text), "{text}");
        }
    }

    #[test]
    fn expressions_mean_what_they_say() {
        let has = |skill, level| Need::Skill(SkillId(skill), level);
        let held = [(SkillId(1), 2), (SkillId(5), 1)];
        let table = [
            (has(1, 2), true),
            (has(1, 3), false),
            (has(2, 1), false),
            (Need::All(vec![has(1, 1), has(5, 1)]), true),
            (Need::All(vec![has(1, 1), has(2, 1)]), false),
            (Need::All(vec![]), true),
            (Need::Any(vec![has(2, 1), has(5, 1)]), true),
            (Need::Any(vec![]), false),
            (Need::Not(has(2, 1).into()), true),
            (Need::All(vec![has(1, 1), Need::Not(has(5, 1).into())]), false),
        ];
        for (need, holds) in table {
            assert_eq!(need.holds(&held), holds, "{need:?}");
        }
        assert_eq!(Need::All(vec![has(1, 1), Need::Not(has(5, 1).into())]).size(), 4);
    }

    fn read(text: &str) -> Result<Need<String>, Misread> {
        Need::parse(text, &mut |name, _| name.to_string())
    }

    fn shown(need: &Need<String>) -> String {
        let list = |needs: &[Need<String>]| needs.iter().map(shown).collect::<Vec<_>>().join(" ");
        match need {
            Need::Skill(name, level) => format!("{name}:{level}"),
            Need::All(needs) => format!("&({})", list(needs)),
            Need::Any(needs) => format!("|({})", list(needs)),
            Need::Not(need) => format!("!{}", shown(need)),
        }
    }

    #[test]
    fn not_binds_closer_than_and_and_closer_than_or() {
        let table = [
            ("card", "card:1"),
            ("card >= 2", "card:2"),
            ("mandarin>=2 and (card or loan) and not trainee", "&(mandarin:2 |(card:1 loan:1) !trainee:1)"),
            ("a or b and c or d", "|(a:1 &(b:1 c:1) d:1)"),
            ("not not a and b", "&(!!a:1 b:1)"),
            ("not (a or b>=3)", "!|(a:1 b:3)"),
            ("'card loan'>=100 and 普通话 and or-der", "&(card loan:100 普通话:1 or-der:1)"),
            ("'and' and 'not'", "&(and:1 not:1)"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(&read(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn the_first_mistake_is_located() {
        let table = [
            ("", 0, "expected a skill, found the end"),
            ("a and", 5, "expected a skill, found the end"),
            ("a  b", 3, "expected `and` or `or`, found `b`"),
            ("a and or b", 6, "expected a skill, found `or`"),
            ("普通话 & b", 10, "expected `and` or `or`, found `&`"),
            ("a and (b or c", 6, "this `(` is never closed"),
            ("a) or b", 1, "this `)` closes nothing"),
            ("a>=0", 3, "`0` is no skill level: 1 (lowest) to 100"),
            ("a >= 101", 5, "`101` is no skill level: 1 (lowest) to 100"),
            ("a>=", 3, "the end is no skill level: 1 (lowest) to 100"),
            ("a > 2", 2, "`>` does not compare levels; write `skill>=2`, or `not skill>=2` for less"),
            ("a and 'b", 6, "expected a skill, found `'`"),
        ];
        for (text, at, what) in table {
            assert_eq!(read(text), Err(Misread { at, what: what.into() }), "{text}");
        }
    }

    #[test]
    fn what_is_too_deep_or_too_long_is_refused() {
        let deep = "(".repeat(100_000);
        assert_eq!(read(&deep).unwrap_err().at, DEPTH_MAX);
        let long = |n: usize| vec!["a"; n].join(" or ");
        assert!(read(&long(PARTS_MAX - 1)).is_ok());
        assert_eq!(read(&long(PARTS_MAX)).unwrap_err().what, "this has 65 parts; at most 64 are matched");
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        let words = ["a", "and", "or", "not", "(", ")", ">=", "2", "'", "招", " ", "\u{3000}", "<"];
        let mut seed = 1u64;
        for _ in 0..20_000 {
            let mut next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) as usize
            };
            let text: String = (0..next() % 12).map(|_| words[next() % words.len()]).collect();
            if let Err(misread) = read(&text) {
                assert!(text.is_char_boundary(misread.at), "{text}");
            }
        }
    }
}
