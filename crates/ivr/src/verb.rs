//! The verbs of the language: which keys each node may have and what they mean.

use crate::parse::Reader;
use crate::phrase::{Item, Phrase, Text};
use crate::plan::{Announce, Ask, Callback, Collect, Comfort, Dial, Dialled, Menu, Play, Queue, Verb};
use crate::source::{Fields, Value};
use crate::step::{Preference, Preferred};
use busyhour_model::Name;
use std::time::Duration;

/// Every node has exactly one of these keys.
pub(crate) const VERBS: [&str; 25] = [
    "answer",
    "ring",
    "play",
    "say",
    "menu",
    "collect",
    "survey",
    "lookup",
    "bot",
    "goto",
    "sub",
    "return",
    "set",
    "branch",
    "record",
    "pause_recording",
    "voicemail",
    "dtmf",
    "messages",
    "sign_in",
    "queue",
    "dial",
    "transfer",
    "callback",
    "hangup",
];
/// A caller waits so long for a preferred agent who is busy, when the plan does not say.
const PATIENCE: Duration = Duration::from_secs(20);
/// Who talked to a caller longer ago is not the last agent, when the plan does not say.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Stands for a node that could not be read.
pub(crate) const UNREAD: Verb = Verb::HangUp { status: 500, cause: None };
/// Status of a call hung up before it was answered, when the plan names none.
pub(crate) const DECLINED: u16 = 480;

const SECONDS: fn(u64) -> Duration = Duration::from_secs;

impl<'t> Reader<'t> {
    /// What a node does.
    pub(crate) fn verb(&mut self, fields: &mut Fields<'t>, what: &str) -> Verb {
        // Look-ups and bots have a key `set` of their own.
        let own = |verb: &&str| **verb != *"set" || !fields.has("lookup") && !fields.has("bot");
        let found: Vec<_> = VERBS.into_iter().filter(own).filter(|verb| fields.has(verb)).collect();
        let [name] = found[..] else {
            self.not_one_verb(fields, what, &found);
            return UNREAD;
        };
        let Some(value) = fields.take(name) else { return UNREAD };
        match name {
            "answer" | "ring" => self.answer(fields, name, value),
            "play" => {
                let phrase = self.phrase(value);
                self.play(fields, phrase)
            }
            "say" => {
                let phrase = self.item_table(value).into_iter().collect();
                self.play(fields, phrase)
            }
            "menu" => self.menu(fields, value),
            "collect" => self.collect(fields, value),
            "survey" => self.survey(fields, value),
            "lookup" => self.lookup(fields, value),
            "bot" => self.bot(fields, value),
            "goto" => Verb::Goto { then: self.node_id(value) },
            "sub" => Verb::Sub { node: self.node_id(value), then: self.target(fields, "then") },
            "return" => {
                self.no_false("return", value);
                Verb::Return
            }
            "set" => self.set(fields, value),
            "branch" => self.branch(fields, value),
            "queue" => self.queue(fields, value),
            "dial" => self.dial(fields, value),
            "record" => self.record(fields, value),
            "pause_recording" => {
                Verb::PauseRecording { on: self.report.flag(value).unwrap_or(true), then: self.target(fields, "then") }
            }
            "voicemail" => self.voicemail(fields, value),
            "messages" => self.messages(fields, value),
            "sign_in" => self.sign_in(fields, value),
            "dtmf" => self.dtmf(fields, value),
            "transfer" => self.transfer(fields, value),
            "callback" => self.callback(fields, value),
            _ => self.hang_up(fields, value),
        }
    }

    fn not_one_verb(&mut self, fields: &mut Fields<'t>, what: &str, found: &[&str]) {
        let message = match found {
            [] => format!("{what} says nothing to do"),
            _ => format!("{what} has more than one verb: {}", found.join(", ")),
        };
        let mut mistake = self.report.at(fields.offset, message);
        if found.is_empty() {
            mistake = mistake.help(format!("give it one of: {}", VERBS.join(", ")));
            let near = fields.rest().find_map(|(key, at, _)| {
                let near = self.report.at(at, format!("unknown verb `{key}` in {what}")).suggest(key, VERBS);
                near.help.is_some().then_some(near)
            });
            mistake = near.unwrap_or(mistake);
        }
        self.report.note(mistake);
        fields.skip_rest();
    }

    fn answer(&mut self, fields: &mut Fields<'t>, name: &str, value: &'t Value<'t>) -> Verb {
        self.no_false(name, value);
        let then = self.target(fields, "then");
        if name == "answer" { Verb::Answer { then } } else { Verb::Ring { then } }
    }

    fn no_false(&mut self, name: &str, value: &'t Value<'t>) {
        if self.report.flag(value) == Some(false) {
            let mistake = self.report.at(value.span().start, format!("`{name} = false` does nothing"));
            self.report.note(mistake.help(format!("write `{name} = true`, or `goto`")));
        }
    }

    fn play(&mut self, fields: &mut Fields<'t>, phrase: Phrase) -> Verb {
        Verb::Play(Play {
            phrase,
            interrupt: self.flag(fields, "interrupt", true),
            early: self.flag(fields, "early", false),
            then: self.target(fields, "then"),
        })
    }

    /// `"12#"`, `"$extension"`; a comma is half a second.
    fn dtmf(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let phrase = self.pressed(value).map(Item::Keys).into_iter().collect();
        Verb::Play(Play { phrase, interrupt: false, early: false, then: self.target(fields, "then") })
    }

    fn pressed(&mut self, value: &'t Value<'t>) -> Option<Text> {
        let text = self.scalar(value, true)?;
        if let Text::Literal(keys) = &text
            && (keys.is_empty() || !keys.chars().all(|key| matches!(key, '0'..='9' | '*' | '#' | 'A'..='D' | ',')))
        {
            let mistake = self.report.at(value.span().start, format!("`{keys}` is not what a telephone can press"));
            self.report.note(mistake.help("0 to 9, *, #, A to D; a comma is half a second"));
        }
        Some(text)
    }

    fn menu(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let prompt = self.phrase(value);
        let keys = fields.need("keys", &mut self.report).map(|value| self.keys(value)).unwrap_or_default();
        Verb::Menu(Menu { ask: self.ask(fields, prompt, SECONDS(5)), keys })
    }

    fn ask(&mut self, fields: &mut Fields<'t>, prompt: Phrase, timeout: Duration) -> Ask {
        Ask {
            prompt,
            interrupt: self.flag(fields, "interrupt", true),
            type_ahead: self.flag(fields, "type_ahead", true),
            timeout: self.duration(fields, "timeout", timeout),
            retries: self.integer(fields, "retries", 0, 20, 2) as u32,
            invalid: self.phrase_or(fields, "invalid_prompt", &["ivr/invalid"]),
            silent: self.phrase_or(fields, "timeout_prompt", &["ivr/timeout"]),
            too_many: self.target(fields, "too_many"),
        }
    }

    fn collect(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let variable = self.report.text(value).unwrap_or_default();
        let secret = self.flag(fields, "secret", false);
        self.write(variable, value.span().start, secret);
        let prompt = self.phrase_or(fields, "prompt", &[]);
        let (length_min, length_max) = fields.need("length", &mut self.report).map_or((1, 1), |v| self.length(v));
        Verb::Collect(Collect {
            variable: variable.into(),
            length_min,
            length_max,
            terminator: fields.take("terminator").map_or(Some('#'), |value| self.key_or_none(value)),
            digit_timeout: self.duration(fields, "digit_timeout", SECONDS(4)),
            secret,
            then: self.target(fields, "then"),
            ask: self.ask(fields, prompt, SECONDS(8)),
        })
    }

    /// `4`, or `[1, 8]`.
    fn length(&mut self, value: &'t Value<'t>) -> (u8, u8) {
        let max = (crate::KEYS_MAX - 1) as i64;
        match self.report.one_or_more(value) {
            [one] => self.report.integer(one, 1, max).map_or((1, 1), |n| (n as u8, n as u8)),
            [least, most] => {
                let least = self.report.integer(least, 1, max).unwrap_or(1);
                (least as u8, self.report.integer(most, least, max).unwrap_or(least) as u8)
            }
            _ => {
                self.report.error(value.span().start, "a length is one number, or least and most: [1, 8]");
                (1, 1)
            }
        }
    }

    fn set(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let mut values = Vec::new();
        for (name, value) in self.report.table(value).into_iter().flatten() {
            let (offset, name) = (name.span().start, name.get_ref().as_ref());
            self.write(name, offset, false);
            let Some(text) = self.expression(value) else { continue };
            match (&text, name) {
                (Text::Literal(text), "language") => {
                    self.known(value.span().start, "language", text, &self.names.languages, true);
                }
                (_, "language") => self.report.error(value.span().start, "a language is written out"),
                (Text::Literal(text), "tier") if !text.is_empty() => {
                    self.known(value.span().start, "tier", text, &self.names.tiers, false);
                }
                (Text::Variable(_) | Text::Sum(_), "tier") => {
                    self.report.error(value.span().start, "a tier is written out")
                }
                (Text::Literal(text), "priority") if text.parse::<i32>().is_err() => {
                    self.report.error(value.span().start, "a priority is a number of points");
                }
                _ => {}
            }
            values.push((name.into(), text));
        }
        Verb::Set { values, then: self.target(fields, "then") }
    }

    fn queue(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let queue = self.report.text(value).unwrap_or_default();
        self.known(value.span().start, "queue", queue, &self.names.queues, false);
        let otherwise = fields.take("else").map(|value| self.node_id(value));
        let agent = fields.take("agent").and_then(|value| self.scalar(value, true));
        let wait_busy = self.flag(fields, "wait_busy", false);
        let prefer = self.preferences(fields);
        if agent.is_some() && !prefer.is_empty() {
            let mistake = self.report.at(value.span().start, "a call for one `agent` only prefers nobody");
            self.report.note(mistake.help("leave out `agent`, or `prefer` and `last_agent`"));
        }
        let no_agents = self.target_or(fields, "no_agents", otherwise);
        // The outcomes of an agent number are only asked for when there is one.
        let personal = if agent.is_some() { otherwise } else { otherwise.or(Some(no_agents)) };
        let busy_fallback = if wait_busy { personal.or(Some(no_agents)) } else { personal };
        Verb::Queue(Box::new(Queue {
            queue: queue.into(),
            agent,
            wait_busy,
            prefer,
            priority: self.integer(fields, "priority", -1_000_000, 1_000_000, 0) as i32,
            skills: fields.take("skills").map(|value| self.skills(value)).unwrap_or_default(),
            greeting: self.phrase_or(fields, "greeting", &[]),
            music: self.phrase_or(fields, "music", &["system/moh"]),
            announce_agent: self.phrase_or(fields, "announce_agent", &[]),
            agent_greeting: self.phrase_or(fields, "agent_greeting", &[]),
            announce: fields.take("announce").and_then(|value| self.announce(value)),
            comfort: fields.take("comfort").and_then(|value| self.comfort(value)),
            keys: fields.take("keys").map(|value| self.keys(value)).unwrap_or_default(),
            served: fields.take("served").map(|value| self.node_id(value)),
            timed_out: self.target_or(fields, "timed_out", otherwise),
            full: self.target_or(fields, "full", otherwise),
            no_agents,
            closed: self.target_or(fields, "closed", otherwise.or(Some(no_agents))),
            busy: self.target_or(fields, "busy", busy_fallback),
            offline: self.target_or(fields, "offline", personal),
            unknown: self.target_or(fields, "unknown", personal),
        }))
    }

    /// `prefer`, an agent number, then `last_agent`.
    fn preferences(&mut self, fields: &mut Fields<'t>) -> Vec<Preference<Text>> {
        let number = fields.take("prefer").and_then(|value| self.scalar(value, true));
        let patience = fields.take("patience");
        if let (None, Some(value)) = (&number, patience) {
            self.report.error(value.span().start, "`patience` is with the agent of `prefer`");
        }
        let patience = patience.and_then(|value| self.report.duration(value)).unwrap_or(PATIENCE);
        let named = number.map(|number| Preference { whom: Preferred::Agent(number), patience });
        let last = fields.take("last_agent").and_then(|value| self.last_agent(value));
        named.into_iter().chain(last).collect()
    }

    fn last_agent(&mut self, value: &'t Value<'t>) -> Option<Preference<Text>> {
        let mut fields = self.report.fields(value, "`last_agent`")?;
        let within = self.duration(&mut fields, "within", DAY);
        let patience = self.duration(&mut fields, "patience", PATIENCE);
        fields.finish(&mut self.report);
        Some(Preference { whom: Preferred::Last { within }, patience })
    }

    /// Skill names, or `$variable`, with the least level.
    fn skills(&mut self, value: &'t Value<'t>) -> Vec<(Text, u8)> {
        let mut skills = Vec::new();
        for (name, level) in self.report.table(value).into_iter().flatten() {
            let (offset, name) = (name.span().start, name.get_ref().as_ref());
            let level = self.report.integer(level, 1, 100).unwrap_or(1) as u8;
            let skill = match name.strip_prefix('$') {
                Some(variable) => {
                    self.read(variable, offset, true);
                    if variable == "language" {
                        let languages = self.names.languages.iter();
                        languages.for_each(|language| self.known(offset, "skill", language, &self.names.skills, false));
                    }
                    Text::Variable(variable.into())
                }
                None => {
                    self.known(offset, "skill", name, &self.names.skills, false);
                    Text::Literal(name.into())
                }
            };
            skills.push((skill, level));
        }
        skills.sort_unstable();
        skills
    }

    fn announce(&mut self, value: &'t Value<'t>) -> Option<Announce> {
        let mut fields = self.report.fields(value, "`announce`")?;
        let announce = Announce {
            after: self.duration(&mut fields, "after", SECONDS(10)),
            every: self.repeat(&mut fields),
            position: self.flag(&mut fields, "position", true),
            wait: self.flag(&mut fields, "wait", true),
            key: fields.take("key").and_then(|value| self.key_or_none(value)),
        };
        fields.finish(&mut self.report);
        Some(announce)
    }

    fn comfort(&mut self, value: &'t Value<'t>) -> Option<Comfort> {
        let mut fields = self.report.fields(value, "`comfort`")?;
        let phrase = fields.need("play", &mut self.report).map(|value| self.phrase(value)).unwrap_or_default();
        let comfort = Comfort {
            after: self.duration(&mut fields, "after", SECONDS(20)),
            every: self.repeat(&mut fields),
            phrase,
        };
        fields.finish(&mut self.report);
        Some(comfort)
    }

    /// `every`, at least a second so that a waiting caller does not keep the switch busy.
    fn repeat(&mut self, fields: &mut Fields<'t>) -> Option<Duration> {
        let value = fields.take("every")?;
        let every = self.report.duration(value)?;
        if every < SECONDS(1) {
            self.report.error(value.span().start, "`every` is at least \"1s\"");
        }
        Some(every)
    }

    fn dial(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let (to, keys) = self.dialled(value).unwrap_or((Dialled::Agent(Text::Literal("".into())), None));
        let otherwise = fields.take("else").map(|value| self.node_id(value));
        Verb::Dial(Dial {
            to,
            keys,
            timeout: self.duration(fields, "timeout", SECONDS(30)),
            no_answer: self.target_or(fields, "no_answer", otherwise),
            busy: self.target_or(fields, "busy", otherwise),
            failed: self.target_or(fields, "failed", otherwise),
            hung_up: self.target_or(fields, "hung_up", otherwise),
        })
    }

    /// `"02112345678"`, `{ number = "$number", trunk = "carrier" }` or `{ agent = "1001" }`.
    fn dialled(&mut self, value: &'t Value<'t>) -> Option<(Dialled, Option<Text>)> {
        if !value.get_ref().is_table() {
            return Some((Dialled::Number { number: self.scalar(value, true)?, trunk: None }, None));
        }
        let mut fields = self.report.fields(value, "`dial`")?;
        let keys = fields.take("dtmf").and_then(|value| self.pressed(value));
        let to = match fields.take("agent") {
            Some(agent) => Dialled::Agent(self.scalar(agent, true)?),
            None => {
                let number = fields.need("number", &mut self.report)?;
                let trunk = fields.take("trunk").and_then(|value| self.trunk(value));
                Dialled::Number { number: self.scalar(number, true)?, trunk }
            }
        };
        fields.finish(&mut self.report);
        Some((to, keys))
    }

    fn trunk(&mut self, value: &'t Value<'t>) -> Option<Name> {
        let trunk = self.report.text(value)?;
        self.known(value.span().start, "trunk", trunk, &self.names.trunks, false);
        Some(trunk.into())
    }

    /// `true` for the calling number, or the number.
    fn callback(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let number = match value.get_ref().as_bool() {
            Some(true) => None,
            Some(false) => {
                let mistake = self.report.at(value.span().start, "`callback = false` does nothing");
                self.report.note(mistake.help("write `callback = true`, or the number to call"));
                None
            }
            None => self.scalar(value, true),
        };
        let then = self.target(fields, "then");
        Verb::Callback(Callback { number, then, refused: self.target(fields, "refused") })
    }

    fn hang_up(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let status = match value.get_ref().as_bool() {
            Some(true) => Some(i64::from(DECLINED)),
            _ => self.report.integer(value, 400, 699),
        };
        let cause = fields.take("cause").and_then(|value| self.report.integer(value, 1, 127));
        Verb::HangUp { status: status.map_or(DECLINED, |status| status as u16), cause: cause.map(|cause| cause as u8) }
    }
}
