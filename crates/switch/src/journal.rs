//! The one ordered journal: what the ACD was told and what happened, as it happened, and marks by which a replay is checked.

use busyhour_acd::{Acd, Digest};
use busyhour_model::{Fact, Name, Time};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The ACD was told this, then.
    Command(Time, busyhour_acd::Command),
    /// This happened.
    Fact(Fact),
    /// A switch began, its ACD in this state: what stands above is of another run.
    Began(Time, Snapshot),
    /// The ACD after all lines above, whole: a replay may begin here. The time is the latest the ACD was told.
    Snapshot(Time, Snapshot),
    /// The same, its fingerprint only.
    Mark(Time, Digest),
}

/// The whole state of an ACD. Read by the version that wrote it, and by those whose state has the same shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Of the program that wrote it.
    pub version: Name,
    /// Of the state.
    pub digest: Digest,
    /// The state; in text two hexadecimal digits per byte.
    #[serde(serialize_with = "write_hex", deserialize_with = "read_hex")]
    pub state: Vec<u8>,
}

/// Why a snapshot cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its bytes are not those that were written.
    #[error("the snapshot is damaged: its digest is wrong")]
    Damaged,
    /// Another version of the program wrote it.
    #[error("the snapshot was written by version {0} and cannot be read by this one")]
    Foreign(Name),
}

impl Snapshot {
    /// Of this state.
    pub fn of(acd: &Acd) -> Snapshot {
        let state = acd.to_bytes();
        Snapshot { version: env!("CARGO_PKG_VERSION").into(), digest: Digest::of(&state), state }
    }

    /// The state.
    ///
    /// # Errors
    /// When its bytes are not those that were written, or mean nothing to this version.
    pub fn read(&self) -> Result<Acd, Unreadable> {
        if Digest::of(&self.state) != self.digest {
            return Err(Unreadable::Damaged);
        }
        let acd = Acd::from_bytes(&self.state).filter(|acd| acd.digest() == self.digest);
        acd.ok_or_else(|| Unreadable::Foreign(self.version.clone()))
    }
}

/// The journal gets a mark so often, when anything was commanded.
const MARK_EVERY: Duration = Duration::from_secs(60);
/// It gets a snapshot after so many commands, or one per so many bytes of the last one: a large state rarely.
const SNAPSHOT_COMMANDS: u64 = 10_000;
const SNAPSHOT_BYTES: u64 = 64;

/// When the next mark is due.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Marks {
    /// Since the last snapshot.
    commands: u64,
    /// The next snapshot comes after so many.
    commands_max: u64,
    /// Of these, since the last mark.
    unmarked: u64,
    last: Time,
}

impl Marks {
    pub(crate) fn new(now: Time) -> Marks {
        Marks { commands: 0, commands_max: SNAPSHOT_COMMANDS, unmarked: 0, last: now }
    }

    pub(crate) fn commanded(&mut self) {
        self.commands += 1;
        self.unmarked += 1;
    }

    /// A mark, when one is due.
    pub(crate) fn poll(&mut self, now: Time, acd: &Acd) -> Option<Entry> {
        if self.commands >= self.commands_max {
            let snapshot = Snapshot::of(acd);
            let commands_max = SNAPSHOT_COMMANDS.max(snapshot.state.len() as u64 / SNAPSHOT_BYTES);
            *self = Marks { commands_max, ..Marks::new(now) };
            return Some(Entry::Snapshot(acd.now(), snapshot));
        }
        if self.unmarked > 0 && now >= self.last + MARK_EVERY {
            (self.unmarked, self.last) = (0, now);
            return Some(mark(acd));
        }
        None
    }
}

/// The fingerprint as it is now.
pub(crate) fn mark(acd: &Acd) -> Entry {
    Entry::Mark(acd.now(), acd.digest())
}

fn write_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    let text: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    serializer.serialize_str(&text)
}

fn read_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8]| match *pair {
        [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    bytes.ok_or_else(|| serde::de::Error::custom("two hexadecimal digits make a byte"))
}
