//! What the tests of a dialplan may say.

use super::{Kind, Tables, may, must};

/// What a step of a test may say.
pub const STEPS: Tables = &[
    ("press", &[&[must("press", Kind::Text, "the caller presses these keys")]]),
    ("pass", &[&[must("pass", Kind::Duration, "time goes by")]]),
    ("speak", &[&[must("speak", Kind::Duration, "the caller speaks so long into the next recording, then is silent")]]),
    (
        "place",
        &[&[
            must("place", Kind::Number(0, 100_000), "calls ahead, when it is next told"),
            may("wait", Kind::Duration, "and the wait"),
        ]],
    ),
    (
        "queue_is",
        &[&[
            must("queue_is", Kind::Text, "how this queue is from now on"),
            may("open", Kind::Flag, "open"),
            may("waiting", Kind::Number(0, 1_000_000), "calls waiting"),
            may("wait", Kind::Duration, "predicted wait"),
            may("agents", Kind::Number(0, 1_000_000), "signed in"),
            may("ready", Kind::Number(0, 1_000_000), "ready"),
        ]],
    ),
    (
        "dequeue",
        &[&[must(
            "dequeue",
            Kind::Word(&["timed_out", "full", "no_agents", "closed"]),
            "the queue gives the call back",
        )]],
    ),
    ("agent_is", &[&[must("agent_is", Kind::Word(&["busy", "offline", "unknown"]), "how the agent asked for is")]]),
    ("dial_fails", &[&[must("dial_fails", Kind::Word(&["no_answer", "busy", "failed"]), "how dialling ends")]]),
    ("partner_leaves", &[&[must("partner_leaves", Kind::True, "agent or dialled party hangs up")]]),
    ("fax", &[&[must("fax", Kind::True, "the caller is a fax machine")]]),
    ("transfer_fails", &[&[must("transfer_fails", Kind::True, "the next transfer fails")]]),
    ("refuse_callback", &[&[must("refuse_callback", Kind::True, "the next call-back cannot be promised")]]),
    ("refuse_sign_in", &[&[must("refuse_sign_in", Kind::True, "the next sign-in is refused")]]),
    ("mailbox_full", &[&[must("mailbox_full", Kind::True, "the next mailbox asked for is full")]]),
    ("messages", &[&[must("messages", Kind::Number(0, 100), "so many new messages are in the next mailbox")]]),
    ("hear", &[&[must("hear", Kind::Texts, "these prompts, one after another")]]),
    ("enter", &[&[must("enter", Kind::Node, "this node")]]),
    ("language", &[&[must("language", Kind::Text, "the caller's language")]]),
    (
        "queue",
        &[&[
            must("queue", Kind::Text, "the call waits there"),
            may("priority", Kind::Number(-1_000_000, 1_000_000), "with these points"),
            may("skills", Kind::Texts, "and these skills"),
            may("agent", Kind::Text, "for this agent"),
            may("prefer", Kind::Text, "rather for this agent"),
            may("tier", Kind::Text, "as this tier"),
        ]],
    ),
    (
        "lookup",
        &[&[
            must("lookup", Kind::Text, "this address is asked"),
            may("found", Kind::Values, "and answers so"),
            may("fails", Kind::Word(&["not_found", "failed"]), "or does not; neither: no answer in time"),
        ]],
    ),
    (
        "bot",
        &[&[
            must("bot", Kind::Text, "the caller talks with this bot"),
            may("outcome", Kind::Text, "which ends it so: then, failed, or one of its own; left out: not at all"),
            may("values", Kind::Values, "and says this of the caller"),
        ]],
    ),
    ("dtmf", &[&[must("dtmf", Kind::Text, "these keys are pressed")]]),
    (
        "survey",
        &[&[
            must("survey", Kind::Text, "this survey was asked to its end, or until nothing came"),
            may("marks", Kind::Values, "and these are the scores, by question"),
        ]],
    ),
    ("dial", &[&[must("dial", Kind::Text, "this is rung")]]),
    ("transfer", &[&[must("transfer", Kind::Text, "the caller is passed on to this number")]]),
    ("callback", &[&[must("callback", Kind::Text, "calling back this number is promised")]]),
    ("sign_in", &[&[must("sign_in", Kind::Text, "this agent number is to sign in")]]),
    ("voicemail", &[&[must("voicemail", Kind::Text, "the mailbox of this queue or agent is asked for")]]),
    ("hangup", &[&[must("hangup", Kind::Status, "hung up, with this status")]]),
];
