//! Look-ups: a dialplan asks another program by HTTP and goes on with what it answers.

use crate::keyed::Value as Held;
use crate::parse::Reader;
use crate::phrase::{Phrase, Text};
use crate::plan::{Node, NodeId, Verb};
use crate::session::{Session, Stage};
use crate::source::{Fields, Value};
use crate::step::Step;
use crate::template::{Template, percent_encoded};
use busyhour_model::{LookUpOutcome, Name, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Headers, members of a body, or variables of one look-up.
const MEMBERS_MAX: usize = 32;
/// Headers that are ours to write.
const RESERVED: [&str; 6] = ["host", "connection", "content-length", "content-type", "transfer-encoding", "upgrade"];

/// `lookup = "https://…"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) url: Template,
    headers: Vec<(Name, Template)>,
    /// Sent as a JSON object by POST; `None`: GET.
    body: Option<Vec<(Name, Member)>>,
    timeout: Duration,
    retries: u32,
    values: Vec<(Name, Vec<Name>)>,
    music: Phrase,
    pub(crate) then: NodeId,
    pub(crate) not_found: NodeId,
    pub(crate) failed: NodeId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Member {
    Text(Text),
    Number(i64),
    Flag(bool),
}

/// A request by HTTP. `Debug` shows nothing of it: it may hold a PIN.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookUp {
    /// Which of the session's look-ups.
    pub id: u32,
    /// Where to; variables in it are percent-encoded.
    pub url: String,
    /// Names are tokens, values printable.
    pub headers: Vec<(Name, String)>,
    /// JSON to POST; `None`: GET.
    pub body: Option<String>,
    /// An answer after so long is too late.
    pub timeout: Duration,
    /// Variables, and where in the answer their values are.
    values: Vec<(Name, Vec<Name>)>,
}

/// What came back. `Debug` shows no value: they are somebody's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LookUpAnswer {
    /// Values for the look-up's variables.
    Found(BTreeMap<Name, String>),
    /// 404 or 410.
    NotFound,
    /// An answer that asking again would not change: another 4xx, a redirection, no JSON.
    Refused,
    /// No answer in time, none at all, or 408, 429, 5xx.
    Unreachable,
}

impl LookUp {
    /// What a response means; redirections are not followed.
    pub fn answer(&self, status: u16, body: &[u8]) -> LookUpAnswer {
        match status {
            200..=299 if self.values.is_empty() => LookUpAnswer::Found(BTreeMap::new()),
            200..=299 => match serde_json::from_slice::<serde_json::Value>(body) {
                Ok(json) => {
                    let value = |(name, path): &(Name, Vec<Name>)| (name.clone(), at(&json, path));
                    LookUpAnswer::Found(self.values.iter().map(value).collect())
                }
                Err(_) => LookUpAnswer::Refused,
            },
            404 | 410 => LookUpAnswer::NotFound,
            408 | 429 | 500.. => LookUpAnswer::Unreachable,
            _ => LookUpAnswer::Refused,
        }
    }
}

impl LookUpAnswer {
    fn outcome(&self) -> LookUpOutcome {
        match self {
            LookUpAnswer::Found(_) => LookUpOutcome::Found,
            LookUpAnswer::NotFound => LookUpOutcome::NotFound,
            LookUpAnswer::Refused => LookUpOutcome::Refused,
            LookUpAnswer::Unreachable => LookUpOutcome::Unreachable,
        }
    }
}

/// The text, number or flag at the end of the path; nothing for anything else.
pub(crate) fn at(json: &serde_json::Value, path: &[Name]) -> String {
    match path.iter().try_fold(json, member) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Number(number)) => number.to_string(),
        Some(serde_json::Value::Bool(flag)) => flag.to_string(),
        _ => String::new(),
    }
}

fn member<'j>(json: &'j serde_json::Value, name: &Name) -> Option<&'j serde_json::Value> {
    match json {
        serde_json::Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        json => json.get(&**name),
    }
}

impl fmt::Debug for LookUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "look-up {}", self.id)
    }
}

impl fmt::Debug for LookUpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.outcome())
    }
}

/// A look-up that has not been answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    id: u32,
    attempts: u32,
    began: Time,
}

impl Session {
    /// Ask, with music meanwhile.
    pub(crate) fn look_up(&mut self, now: Time, asked: &Asked) -> Option<NodeId> {
        let music = self.sounds(&asked.music);
        if !music.is_empty() {
            self.play(music, true);
        }
        self.attempt_look_up(now, asked, 1, now);
        None
    }

    fn attempt_look_up(&mut self, now: Time, asked: &Asked, attempts: u32, began: Time) {
        self.lookups += 1;
        let id = self.lookups;
        self.stage = Stage::LookingUp(Pending { id, attempts, began });
        self.deadline = Some(now + asked.timeout);
        let request = self.request(asked);
        self.steps.push_back(Step::LookUp(request));
    }

    fn request(&self, asked: &Asked) -> LookUp {
        let plain = |text: &Text| self.text(text).unwrap_or_default();
        let encoded = |text: &Text| match text {
            Text::Literal(text) => text.to_string(),
            variable => percent_encoded(&plain(variable)),
        };
        let printable = |text: &Text| plain(text).chars().filter(|c| !c.is_control()).collect::<String>();
        let headers = asked.headers.iter().map(|(name, value)| (name.clone(), value.filled(printable)));
        let body = asked.body.as_ref().map(|members| self.object(members));
        LookUp {
            id: self.lookups,
            url: asked.url.filled(encoded),
            headers: headers.collect(),
            body,
            timeout: asked.timeout,
            values: asked.values.clone(),
        }
    }

    /// These as JSON.
    pub(crate) fn object(&self, members: &[(Name, Member)]) -> String {
        let member = |(name, member): &(Name, Member)| {
            let value = match member {
                Member::Text(text) => self.text(text).unwrap_or_default().into(),
                Member::Number(n) => (*n).into(),
                Member::Flag(flag) => (*flag).into(),
            };
            (name.to_string(), value)
        };
        serde_json::Value::Object(members.iter().map(member).collect()).to_string()
    }

    /// No answer in time.
    pub(crate) fn look_up_timed_out(&mut self, now: Time, node: &Node) -> Option<NodeId> {
        let Stage::LookingUp(Pending { id, .. }) = self.stage else { return None };
        self.looked_up(now, node, id, LookUpAnswer::Unreachable)
    }

    /// An answer; one to an earlier question is too late.
    pub(crate) fn looked_up(&mut self, now: Time, node: &Node, id: u32, answer: LookUpAnswer) -> Option<NodeId> {
        let (Stage::LookingUp(pending), Verb::LookUp(asked)) = (&self.stage, &node.verb) else { return None };
        let &Pending { id: awaited, attempts, began } = pending;
        if id != awaited {
            return None;
        }
        if answer == LookUpAnswer::Unreachable && attempts <= asked.retries {
            self.attempt_look_up(now, asked, attempts + 1, began);
            return None;
        }
        let outcome = answer.outcome();
        self.steps.push_back(Step::LookedUp { node: node.name.clone(), outcome, attempts, took: now.since(began) });
        if !asked.music.is_empty() {
            self.steps.push_back(Step::Stop);
        }
        if let LookUpAnswer::Found(values) = answer {
            let known = |(name, _): &(Name, String)| asked.values.iter().any(|(known, _)| known == name);
            let values = values.into_iter().filter(known);
            self.values.extend(values.map(|(name, text)| (name, Held::new(text, false))));
        }
        Some(match outcome {
            LookUpOutcome::Found => asked.then,
            LookUpOutcome::NotFound => asked.not_found,
            LookUpOutcome::Refused | LookUpOutcome::Unreachable => asked.failed,
        })
    }
}

impl<'t> Reader<'t> {
    pub(crate) fn lookup(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let url = self.url(value).unwrap_or_default();
        let failed = self.target(fields, "failed");
        Verb::LookUp(Box::new(Asked {
            url,
            headers: fields.take("headers").map(|value| self.headers(value)).unwrap_or_default(),
            body: fields.take("body").map(|value| self.body(value)),
            timeout: self.lookup_timeout(fields),
            retries: self.integer(fields, "retries", 0, 5, 0) as u32,
            values: fields.take("set").map(|value| self.paths(value)).unwrap_or_default(),
            music: self.phrase_or(fields, "music", &[]),
            then: self.target(fields, "then"),
            not_found: self.target_or(fields, "not_found", Some(failed)),
            failed,
        }))
    }

    /// Only the path and the query may hold variables: nobody's keys choose the host.
    fn url(&mut self, value: &'t Value<'t>) -> Option<Template> {
        let (url, offset) = (self.template(value, false)?, value.span().start);
        let first = match url.0.first() {
            Some(Text::Literal(text)) => text.to_string(),
            _ => String::new(),
        };
        let Some(rest) = first.strip_prefix("https://").or_else(|| first.strip_prefix("http://")) else {
            let mistake = self.report.at(offset, "not the address of a web service");
            self.report.note(mistake.help("write it as \"https://crm.example/customers/{$caller}\""));
            return None;
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.is_empty() || host.len() == rest.len() && url.0.len() > 1 || host.contains('@') {
            self.report.error(offset, "the host is written out, without a variable, a user or a password");
        }
        if first.chars().any(char::is_whitespace) {
            self.report.error(offset, "an address has no blanks");
        }
        Some(url)
    }

    fn lookup_timeout(&mut self, fields: &mut Fields<'t>) -> Duration {
        const MOST: Duration = Duration::from_secs(60);
        let Some(value) = fields.take("timeout") else { return Duration::from_secs(3) };
        let timeout = self.report.duration(value).unwrap_or(MOST);
        if timeout.is_zero() || timeout > MOST {
            self.report.error(value.span().start, "a look-up is given between \"1ms\" and \"60s\"");
        }
        timeout
    }

    fn headers(&mut self, value: &'t Value<'t>) -> Vec<(Name, Template)> {
        let token =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let mut headers = Vec::new();
        for (name, value) in self.members(value) {
            let (offset, name) = name;
            if !token(name) || RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
                self.report.error(offset, format!("`{name}` is not a header to set"));
            }
            headers.extend(self.template(value, false).map(|value| (name.into(), value)));
        }
        headers
    }

    pub(crate) fn body(&mut self, value: &'t Value<'t>) -> Vec<(Name, Member)> {
        let mut body = Vec::new();
        for ((_, name), value) in self.members(value) {
            let member = match value.get_ref() {
                value if value.as_bool().is_some() => value.as_bool().map(Member::Flag),
                number if number.is_integer() => self.report.integer(value, i64::MIN, i64::MAX).map(Member::Number),
                _ => self.sent(value).map(Member::Text),
            };
            body.extend(member.map(|member| (name.into(), member)));
        }
        body
    }

    /// `{ name = "$.customer.name", first = "$.orders.0.id" }`.
    pub(crate) fn paths(&mut self, value: &'t Value<'t>) -> Vec<(Name, Vec<Name>)> {
        let mut paths = Vec::new();
        for ((offset, name), value) in self.members(value) {
            self.write(name, offset, false);
            if name == "language" {
                self.report.error(offset, "a language is written out");
            }
            let Some(text) = self.report.text(value) else { continue };
            let path: Option<Vec<Name>> = text.strip_prefix("$.").map(|path| path.split('.').map(Name::from).collect());
            match path.filter(|path| path.iter().all(|name| !name.is_empty())) {
                Some(path) => paths.push((name.into(), path)),
                None => {
                    let mistake = self.report.at(value.span().start, format!("`{text}` is not a path into the answer"));
                    self.report.note(mistake.help("write it as \"$.customer.name\" or \"$.orders.0.id\""));
                }
            }
        }
        paths
    }

    pub(crate) fn members(&mut self, value: &'t Value<'t>) -> Vec<((usize, &'t str), &'t Value<'t>)> {
        let Some(table) = self.report.table(value) else { return Vec::new() };
        if table.len() > MEMBERS_MAX {
            self.report.error(value.span().start, format!("more than {MEMBERS_MAX} entries"));
        }
        let members = table.iter().map(|(name, value)| ((name.span().start, name.get_ref().as_ref()), value));
        members.take(MEMBERS_MAX).collect()
    }

    /// Text or `$variable`, which may be secret.
    fn sent(&mut self, value: &'t Value<'t>) -> Option<Text> {
        self.scalar(value, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_by_status_and_path() {
        let path = |path: &str| path.split('.').map(Name::from).collect::<Vec<_>>();
        let values = [
            ("name", "customer.name"),
            ("n", "orders.1.n"),
            ("vip", "vip"),
            ("gone", "customer.age"),
            ("obj", "customer"),
        ];
        let values = values.map(|(name, at)| (Name::from(name), path(at))).into();
        let (url, headers, body) = (String::new(), Vec::new(), Some("pin 1234".into()));
        let asked = LookUp { id: 7, url, headers, body, timeout: Duration::ZERO, values };
        let json = br#"{"customer":{"name":"Li"},"orders":[{"n":1},{"n":2.5}],"vip":true}"#;
        let LookUpAnswer::Found(found) = asked.answer(200, json) else { panic!("found") };
        let found: Vec<_> = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found.join(" "), "gone= n=2.5 name=Li obj= vip=true");
        let table = [
            (200, LookUpAnswer::Refused),
            (302, LookUpAnswer::Refused),
            (401, LookUpAnswer::Refused),
            (404, LookUpAnswer::NotFound),
            (429, LookUpAnswer::Unreachable),
            (503, LookUpAnswer::Unreachable),
        ];
        for (status, answer) in table {
            assert_eq!(asked.answer(status, b"<html>"), answer, "{status}");
        }
        assert_eq!(format!("{asked:?} {:?}", asked.answer(200, json)), "look-up 7 Found");
    }
}
