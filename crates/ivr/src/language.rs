//! The language as data: every key of every table, for editors. A test holds it against what the parser takes.

mod outcomes;
mod steps;

use crate::survey::SCORE_MAX;
pub use outcomes::outcomes;
pub use steps::STEPS;

/// What a key's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true`: the key alone says it.
    True,
    /// `true` or `false`.
    Flag,
    /// A text.
    Text,
    /// A name out of the dialplan or the configuration, or a text.
    Value,
    /// `true`, or a text.
    TrueOrValue,
    /// `true`, or a status from 400 to 699.
    Status,
    /// One text or several.
    Texts,
    /// A node's name.
    Node,
    /// `20s`, `1m30s`.
    Duration,
    /// A whole number in these bounds.
    Number(i64, i64),
    /// A whole number, or comparisons like `>=20`.
    Comparisons,
    /// A prompt id, something read aloud, or a list of both.
    Phrase,
    /// `4`, or least and most: `[1, 8]`.
    Length,
    /// A key of a telephone, or `""` for none.
    Button,
    /// Keys of a telephone and the nodes they lead to.
    Buttons,
    /// Names of outcomes and the nodes they lead to.
    Ways,
    /// Names of variables and their values.
    Values,
    /// Names of skills and least levels.
    Skills,
    /// Names and numbers or prefixes.
    Lists,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A table of `TABLES`.
    Table(&'static str),
    /// A text, or a table of `TABLES`.
    ValueOrTable(&'static str),
    /// Several such tables.
    Tables(&'static str),
    /// `[node.NAME]`.
    Nodes,
    /// `[NAME.…]`: such tables of `TABLES`, each with a name of its own.
    Named(&'static str),
    /// Keys of a telephone and what each is worth.
    Scores,
    /// Variables and comparisons that hold.
    Conditions,
    /// What a test does and expects.
    Steps,
}

/// A key of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// Its value.
    pub kind: Kind,
    /// Without it the table is a mistake.
    pub needed: bool,
    /// What it means.
    pub says: &'static str,
}

/// Tables by their name; a node and a step are found by their verb.
pub type Tables = &'static [(&'static str, &'static [&'static [Key]])];

const fn may(name: &'static str, kind: Kind, says: &'static str) -> Key {
    Key { name, kind, needed: false, says }
}

const fn must(name: &'static str, kind: Kind, says: &'static str) -> Key {
    Key { name, kind, needed: true, says }
}

const THEN: &[Key] = &[must("then", Kind::Node, "the next node")];
const ELSE: &[Key] = &[may("else", Kind::Node, "where all outcomes lead that are not named")];
const MATCHES: &[Key] = &[must("else", Kind::Node, "when no case holds")];
const ASKS: &[Key] = &[
    may("timeout", Kind::Duration, "how long the first key is waited for"),
    may("retries", Kind::Number(0, 20), "how often it is asked again; 2"),
    may("interrupt", Kind::Flag, "a key stops the prompt; true"),
    may("type_ahead", Kind::Flag, "keys pressed before count; true"),
    may("invalid_prompt", Kind::Phrase, "heard after a wrong key"),
    may("timeout_prompt", Kind::Phrase, "heard when no key came"),
    must("too_many", Kind::Node, "after the last try"),
];
const HEARD: &[Key] = &[
    may("interrupt", Kind::Flag, "a key stops it and is kept for the next menu; true"),
    may("early", Kind::Flag, "play without answering; false"),
];
const SPOKEN: &[Key] = &[
    may("greeting", Kind::Phrase, "heard before; a key cuts it short"),
    may("beep", Kind::Flag, "a tone says when to speak; true"),
    may("shortest", Kind::Duration, "less is too short; 1s"),
    may("silence", Kind::Duration, "so long a silence ends it, 0s: none does; 4s"),
    may("end_keys", Kind::Text, "keys that end it; \"#\""),
    may("too_short", Kind::Node, "nothing, or hardly anything, was said"),
    may("failed", Kind::Node, "it could not be kept"),
    ELSE[0],
];
const PERSONAL: &[Key] = &[
    may("agent", Kind::Value, "only this agent number"),
    may("wait_busy", Kind::Flag, "wait for that agent in a call; false"),
    may("busy", Kind::Node, "that agent is in a call"),
    may("offline", Kind::Node, "that agent is away"),
    may("unknown", Kind::Node, "nobody has that number"),
    may("prefer", Kind::Value, "rather this agent number than anybody"),
    may("patience", Kind::Duration, "nobody else for so long; 20s"),
    may("last_agent", Kind::Table("last_agent"), "rather who talked to this caller last"),
];

/// What each verb's node may say; the verb's own key comes first.
pub const NODES: Tables = &[
    ("answer", &[&[must("answer", Kind::True, "answer the call")], THEN]),
    ("ring", &[&[must("ring", Kind::True, "the caller hears ringing (180)")], THEN]),
    ("play", &[&[must("play", Kind::Phrase, "let the caller hear this")], THEN, HEARD]),
    ("say", &[&[must("say", Kind::Table("item"), "read one value aloud")], THEN, HEARD]),
    (
        "menu",
        &[
            &[
                must("menu", Kind::Phrase, "ask for one key"),
                must("keys", Kind::Buttons, "which key leads to which node"),
            ],
            ASKS,
        ],
    ),
    (
        "collect",
        &[
            &[
                must("collect", Kind::Text, "ask for several keys, into this variable"),
                must("length", Kind::Length, "how many keys: 4, or least and most: [1, 8]"),
                may("prompt", Kind::Phrase, "heard before"),
                may("terminator", Kind::Button, "ends the entry; \"#\""),
                may("digit_timeout", Kind::Duration, "how long a further key is waited for; 4s"),
                may("secret", Kind::Flag, "only branches may use it, no log shows it; false"),
            ],
            THEN,
            ASKS,
        ],
    ),
    ("survey", &[&[must("survey", Kind::Text, "ask the questions of `[survey.NAME]`")], THEN]),
    (
        "lookup",
        &[
            &[
                must("lookup", Kind::Text, "ask this address by HTTP; \"{$variable}\" may stand in its path and query"),
                may("set", Kind::Values, "variables, and where in the JSON answer they are: \"$.customer.level\""),
                may("body", Kind::Values, "sent as JSON by POST; left out: GET"),
                may("headers", Kind::Values, "headers sent"),
                may("timeout", Kind::Duration, "an answer after so long is too late; 3s"),
                may("retries", Kind::Number(0, 5), "asked again after no answer, 408, 429 or 5xx; 0"),
                may("music", Kind::Phrase, "heard meanwhile"),
                may("not_found", Kind::Node, "404 or 410; left out: failed"),
                must("failed", Kind::Node, "no answer, or none that can be used"),
            ],
            THEN,
        ],
    ),
    (
        "bot",
        &[
            &[
                must("bot", Kind::Text, "let the caller talk with this bot, which hears the caller's keys as well"),
                may("data", Kind::Values, "told to it at the beginning"),
                may("timeout", Kind::Duration, "at most so long; 10m"),
                may("set", Kind::Values, "variables, and where in what it says at the end they are: \"$.topic\""),
                may("outcomes", Kind::Ways, "outcomes it may end by, and the nodes they lead to"),
                may("timed_out", Kind::Node, "they talked that long; left out: failed"),
                must("failed", Kind::Node, "it cannot be reached, went away, or ended by no outcome there is"),
            ],
            THEN,
        ],
    ),
    ("goto", &[&[must("goto", Kind::Node, "go on there")]]),
    ("sub", &[&[must("sub", Kind::Node, "walk on there until a `return`, then at `then`")], THEN]),
    ("return", &[&[must("return", Kind::True, "back to behind the `sub` that led here")]]),
    ("set", &[&[must("set", Kind::Values, "give variables values; language, priority and tier mean something")], THEN]),
    ("branch", &[&[must("branch", Kind::Tables("case"), "the first case that holds")], MATCHES]),
    (
        "record",
        &[
            &[
                must("record", Kind::Text, "let the caller speak; this variable names what was said"),
                may("longest", Kind::Duration, "at most so long; 60s"),
            ],
            SPOKEN,
            THEN,
        ],
    ),
    ("pause_recording", &[&[must("pause_recording", Kind::Flag, "recorded no more; false: it is again")], THEN]),
    (
        "voicemail",
        &[
            &[
                must("voicemail", Kind::ValueOrTable("mailbox"), "let the caller leave a message for a queue"),
                may("longest", Kind::Duration, "at most so long; 3m"),
                may("recording", Kind::Value, "the message was recorded before, into this variable"),
                may("full", Kind::Node, "the mailbox is full, or nobody's"),
            ],
            SPOKEN,
            THEN,
        ],
    ),
    ("dtmf", &[&[must("dtmf", Kind::Value, "press these keys; a comma is half a second")], THEN]),
    (
        "messages",
        &[&[must("messages", Kind::ValueOrTable("mailbox"), "let somebody listen to a queue's messages")], THEN],
    ),
    (
        "sign_in",
        &[
            &[
                must("sign_in", Kind::Value, "let this agent number sign in at the phone that calls"),
                must("pin", Kind::Value, "that agent's PIN, collected into a secret variable"),
                must("refused", Kind::Node, "another PIN, an agent in a call, or no phone of ours; tried too often"),
            ],
            THEN,
        ],
    ),
    (
        "queue",
        &[
            &[
                must("queue", Kind::Text, "wait for an agent in this queue"),
                may("priority", Kind::Number(-1_000_000, 1_000_000), "points of head start"),
                may("skills", Kind::Skills, "skills asked for in addition, with least level"),
                may("greeting", Kind::Phrase, "heard first"),
                may("music", Kind::Phrase, "heard while waiting; system/moh"),
                may("announce_agent", Kind::Phrase, "heard by the agent who answers, while the caller still waits"),
                may("agent_greeting", Kind::Phrase, "heard by caller and agent before they hear each other"),
                may("announce", Kind::Table("announce"), "tell place and wait"),
                may("comfort", Kind::Table("comfort"), "prompts between the music"),
                may("keys", Kind::Buttons, "keys that leave the queue"),
                may("served", Kind::Node, "after the agent hung up; left out: the call ends"),
                may("timed_out", Kind::Node, "waited too long"),
                may("full", Kind::Node, "too many wait"),
                may("no_agents", Kind::Node, "nobody is signed in"),
                may("closed", Kind::Node, "outside of the queue's hours"),
            ],
            PERSONAL,
            ELSE,
        ],
    ),
    (
        "dial",
        &[
            &[
                must("dial", Kind::ValueOrTable("dial"), "ring a number, or an agent"),
                may("timeout", Kind::Duration, "how long it rings; 30s"),
                may("no_answer", Kind::Node, "nobody answered"),
                may("busy", Kind::Node, "busy"),
                may("failed", Kind::Node, "could not be rung"),
                may("hung_up", Kind::Node, "the other side hung up"),
            ],
            ELSE,
        ],
    ),
    (
        "transfer",
        &[&[
            must("transfer", Kind::Value, "the caller's side calls this number itself (REFER), and leaves us"),
            may("timeout", Kind::Duration, "how long it may take to be answered there; 30s"),
            must("failed", Kind::Node, "the caller's side cannot, or nobody answered"),
        ]],
    ),
    (
        "callback",
        &[
            &[
                must("callback", Kind::TrueOrValue, "promise to call back: the calling number, or this one"),
                must("refused", Kind::Node, "it cannot be promised"),
            ],
            THEN,
        ],
    ),
    (
        "hangup",
        &[&[
            must("hangup", Kind::Status, "hang up, or refuse with this status before the answer"),
            may("cause", Kind::Number(1, 127), "told to the caller's side as well: ITU-T Q.850, in Reason (RFC 3326)"),
        ]],
    ),
];

const UNITS: &[&str] = &["callers", "seconds", "minutes", "hours", "days", "times", "yuan"];

/// Everything that is no node.
pub const TABLES: Tables = &[
    (
        "plan",
        &[&[
            must("name", Kind::Text, "what numbers are routed to"),
            must("start", Kind::Node, "the first node"),
            may("on_fax", Kind::Node, "where a caller goes who is a fax machine, before anybody talks to it"),
            may("language", Kind::Text, "prompts come from this folder; zh"),
            may("utc_offset", Kind::Text, "the clock of weekday, time and date; +08:00"),
            may("variables", Kind::Values, "first values"),
            may(
                "show",
                Kind::Texts,
                "variables agents are told: X-Busyhour-Data of the INVITE, calls/active of the API",
            ),
            may("lists", Kind::Lists, "numbers and prefixes, used as \"@name\""),
            may("survey", Kind::Named("survey"), "surveys by name"),
            must("node", Kind::Nodes, "the nodes by name"),
            may("test", Kind::Tables("test"), "its own tests"),
        ]],
    ),
    (
        "item",
        &[&[
            may("prompt", Kind::Text, "a prompt id"),
            may("language", Kind::Text, "in this one, whatever the caller's"),
            may("silence", Kind::Duration, "nothing, for so long"),
            may("recording", Kind::Value, "what the caller said, by its variable"),
            may("speak", Kind::Text, "what nobody recorded, by a synthesizer; {$variable} may stand in it"),
            may("number", Kind::Value, "a whole number"),
            may("ordinal", Kind::Value, "a place in a row"),
            may("unit", Kind::Word(UNITS), "what is counted"),
            may("digits", Kind::Value, "digit by digit"),
            may("telephone", Kind::Value, "a telephone number"),
            may("agent_number", Kind::Value, "an agent number"),
            may("place", Kind::Value, "so many calls ahead"),
            may("duration", Kind::Value, "a span in seconds"),
            may("amount", Kind::Value, "yuan"),
            may("cents", Kind::Value, "hundredths of a yuan"),
            may("percent", Kind::Value, "per cent"),
            may("date", Kind::Value, "a date"),
            may("weekday", Kind::Value, "the weekday of a date"),
            may("time", Kind::Value, "a time of day"),
        ]],
    ),
    (
        "case",
        &[&[
            must("goto", Kind::Node, "when all conditions hold"),
            may("caller", Kind::Texts, "numbers, prefixes like \"138*\", lists like \"@vip\""),
            may("dialled", Kind::Texts, "the same of the dialled number"),
            may("origin", Kind::Texts, "trunks"),
            may("kind", Kind::Texts, "mobile, landline, short, international, anonymous"),
            may("weekday", Kind::Texts, "\"mon-fri\""),
            may("time", Kind::Texts, "\"09:00-18:00\""),
            may("date", Kind::Texts, "\"2026-10-01..2026-10-07\""),
            may("schedule", Kind::Texts, "one of these is open now"),
            may("tier", Kind::Texts, "the caller's tier"),
            may("queue", Kind::Text, "a queue, of which something is asked"),
            may("open", Kind::Flag, "that queue is open"),
            may("waiting", Kind::Comparisons, "calls waiting there"),
            may("wait", Kind::Texts, "predicted wait there, \">10m\""),
            may("agents", Kind::Comparisons, "agents signed in for it"),
            may("ready", Kind::Comparisons, "agents ready for it"),
        ]],
    ),
    (
        "announce",
        &[&[
            may("after", Kind::Duration, "first after; 10s"),
            may("every", Kind::Duration, "again, at least 1s"),
            may("position", Kind::Flag, "tell the place; true"),
            may("wait", Kind::Flag, "tell the wait; true"),
            may("key", Kind::Button, "says it now"),
        ]],
    ),
    (
        "last_agent",
        &[&[
            may("within", Kind::Duration, "not longer ago than; 24h"),
            may("patience", Kind::Duration, "nobody else for so long; 20s"),
        ]],
    ),
    (
        "comfort",
        &[&[
            must("play", Kind::Phrase, "what is heard"),
            may("after", Kind::Duration, "first after; 20s"),
            may("every", Kind::Duration, "again, at least 1s"),
        ]],
    ),
    (
        "dial",
        &[&[
            may("agent", Kind::Value, "an agent's phone"),
            may("number", Kind::Value, "a number"),
            may("trunk", Kind::Text, "by this trunk"),
            may("dtmf", Kind::Value, "keys pressed when it is answered; a comma is half a second"),
        ]],
    ),
    ("mailbox", &[&[may("queue", Kind::Text, "a queue's"), may("agent", Kind::Value, "this agent number's")]]),
    (
        "survey",
        &[&[
            must("questions", Kind::Tables("question"), "asked in this order"),
            may("satisfied", Kind::Number(0, SCORE_MAX), "least score of the first question that says satisfied; 4"),
            may("timeout", Kind::Duration, "how long a key is waited for; 5s"),
            may("retries", Kind::Number(0, 20), "how often a question is asked again; 1"),
            may("invalid_prompt", Kind::Phrase, "heard after a wrong key"),
            may("timeout_prompt", Kind::Phrase, "heard when no key came"),
        ]],
    ),
    (
        "question",
        &[&[
            must("ask", Kind::Phrase, "the question"),
            must("name", Kind::Text, "what the answer is called; also a variable with its score"),
            must("keys", Kind::Scores, "what each key is worth"),
            may("when", Kind::Conditions, "asked only if these variables are so: { \"$mark\" = \"<=2\" }"),
            may("interrupt", Kind::Flag, "a key stops the question; true"),
        ]],
    ),
    (
        "test",
        &[&[
            must("name", Kind::Text, "what it shows"),
            must("steps", Kind::Steps, "what is done and what must come"),
            may("from", Kind::Text, "the calling number"),
            may("to", Kind::Text, "the dialled number"),
            may("origin", Kind::Text, "the trunk"),
            may("tier", Kind::Text, "the caller's tier"),
            may("at", Kind::Text, "\"2026-11-23 10:00\""),
        ]],
    ),
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
