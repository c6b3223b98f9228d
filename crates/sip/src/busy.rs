//! Who is on the phone, and who can be reached: dialog-info (RFC 4235) and PIDF (RFC 3863, activities of RFC 4480).

use busyhour_model::Name;
use serde::{Deserialize, Serialize};

/// A line in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    /// Which call: names the dialog, and is the same until the line is idle or has another.
    pub id: u64,
    /// How far it is.
    pub stage: Stage,
    /// Whose call it is.
    pub direction: Direction,
}

/// How far a dialog is (RFC 4235 section 3.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Asked for.
    Trying,
    /// It rings.
    Early,
    /// Answered.
    Confirmed,
}

/// Who began it (RFC 4235 section 4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Whose line it is.
    Initiator,
    /// The other side.
    Recipient,
}

/// Whether somebody can be reached; at the start not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Takes calls.
    pub open: bool,
    /// What keeps them.
    pub activity: Option<Activity>,
    /// The same for people; empty: none.
    pub note: Name,
}

/// What keeps somebody (RFC 4480 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activity {
    /// Not at the desk.
    Away,
    /// At work that is no call.
    Busy,
    /// On the phone.
    OnThePhone,
}

impl Busy {
    /// Full state (section 4.1). The dialog told of before is ended in it when it is over; who is idle has an ended one, which some phones need.
    pub(crate) fn body(now: Option<Busy>, told: Option<Busy>, of: &str, version: u32) -> String {
        let over = told.filter(|told| now.is_none_or(|busy| busy.id != told.id));
        let ended = match (over, now) {
            (Some(told), _) => Some(format!("{} direction=\"{}\"", quoted(told.id), told.direction.word())),
            (None, None) => Some(quoted(0)),
            (None, Some(_)) => None,
        };
        let ended =
            ended.map(|id| format!("<dialog id={id}><state>terminated</state></dialog>\r\n")).unwrap_or_default();
        let held = now.map(Busy::dialog).unwrap_or_default();
        let of = escaped(of);
        format!(
            "<?xml version=\"1.0\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
             state=\"full\" entity=\"{of}\">\r\n{ended}{held}</dialog-info>\r\n"
        )
    }

    fn dialog(self) -> String {
        let (id, way, stage) = (quoted(self.id), self.direction.word(), self.stage.word());
        format!("<dialog id={id} direction=\"{way}\"><state>{stage}</state></dialog>\r\n")
    }
}

/// Of one line only one dialog at a time is told: its call's number is name enough.
fn quoted(id: u64) -> String {
    format!("\"{id}\"")
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Stage::Trying => "trying",
            Stage::Early => "early",
            Stage::Confirmed => "confirmed",
        }
    }
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Direction::Initiator => "initiator",
            Direction::Recipient => "recipient",
        }
    }
}

impl Activity {
    fn word(self) -> &'static str {
        match self {
            Activity::Away => "away",
            Activity::Busy => "busy",
            Activity::OnThePhone => "on-the-phone",
        }
    }
}

impl Presence {
    pub(crate) fn body(&self, of: &str) -> String {
        let basic = if self.open { "open" } else { "closed" };
        let (of, note) = (escaped(of), escaped(&self.note));
        let note = if note.is_empty() { note } else { format!("<note>{note}</note>") };
        let activity = |activity: Activity| {
            let word = activity.word();
            format!("<dm:person id=\"p\"><rpid:activities><rpid:{word}/></rpid:activities></dm:person>\r\n")
        };
        let person = self.activity.map(activity).unwrap_or_default();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
             xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" \
             entity=\"{of}\">\r\n<tuple id=\"t\"><status><basic>{basic}</basic></status>{note}</tuple>\r\n{person}</presence>\r\n"
        )
    }
}

/// Text as XML takes it, in content and in attributes; control characters have no place in it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
