//! A call as a ladder: who sent what to whom, one line a message, in text and as JSON.

use super::{Found, Seen};
use crate::table::moment;
use busyhour_model::{CallId, Name, Time};
use busyhour_sip::{Glance, Transport, Way};
use serde::Serialize;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Columns from one lane to the next.
const LANE: usize = 24;

/// A call's messages between its peers and us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ladder {
    /// Which call.
    pub call: CallId,
    /// Nothing of it has aged out.
    pub whole: bool,
    /// Who is at the other ends, by first appearance.
    pub peers: Vec<Peer>,
    /// The messages, oldest first.
    pub rungs: Vec<Rung>,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Trunk name or agent number.
    pub party: Name,
    /// Its address.
    pub address: SocketAddr,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rung {
    /// When.
    pub at: Time,
    /// With which of the peers.
    pub peer: usize,
    /// Which way.
    pub way: Way,
    /// By what.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// In a few words: `INVITE`, `180 Ringing (INVITE)`.
    pub says: String,
    /// The first line.
    pub first: String,
    /// The same message went the same way before.
    pub again: bool,
    /// All of it, when it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Ladder {
    /// The ladder of a call; `full`: with whole messages.
    pub fn new(found: &Found, full: bool) -> Ladder {
        let mut ladder = Ladder { call: found.call, whole: found.whole, peers: Vec::new(), rungs: Vec::new() };
        for ((party, seen), again) in found.messages.iter().zip(found.repeats()) {
            let address = seen.flow.remote;
            let known = ladder.peers.iter().position(|peer| peer.party == *party && peer.address == address);
            let peer = known.unwrap_or_else(|| {
                ladder.peers.push(Peer { party: party.clone(), address });
                ladder.peers.len() - 1
            });
            ladder.rungs.extend(rung(seen, peer, again, full));
        }
        ladder
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let note = if self.whole { "" } else { "; what came before has aged out" };
        let mut text = format!("call {}: {} messages{note}\n\n", self.call, self.rungs.len());
        self.head(&mut text, "time", "busyhour", |peer| peer.party.to_string());
        self.head(&mut text, "", "", |peer| peer.address.to_string());
        for rung in &self.rungs {
            let time = moment(rung.at);
            let micros = rung.at.as_micros() % 1_000_000;
            let clock = time.get(11..19).unwrap_or(&time);
            let _ = writeln!(
                text,
                "{clock}.{:03}  {}  {}  {}",
                micros / 1_000,
                self.arrow(rung),
                rung.transport,
                rung.first
            );
            for line in rung.message.iter().flat_map(|message| message.lines()) {
                let _ = writeln!(text, "    {line}");
            }
        }
        text
    }

    fn head(&self, text: &mut String, at: &str, us: &str, named: impl Fn(&Peer) -> String) {
        let mut heads: Vec<String> = self.peers.iter().map(named).collect();
        heads.insert(heads.len().min(1), us.to_owned());
        let line =
            heads.iter().fold(format!("{at:<13}"), |line, head| format!("{line} {head:<width$}", width = LANE - 1));
        let _ = writeln!(text, "{}", line.trim_end());
    }

    /// A peer's place in the picture: the first left of us, the others right.
    pub(super) fn lane(peer: usize) -> usize {
        if peer == 0 { 0 } else { peer + 1 }
    }

    fn arrow(&self, rung: &Rung) -> String {
        let mut line = vec![' '; (self.peers.len() * LANE) + 1];
        (0..=self.peers.len()).for_each(|lane| line[lane * LANE] = '|');
        let (peer, us) = (Ladder::lane(rung.peer) * LANE, LANE);
        let (left, right) = (peer.min(us), peer.max(us));
        line[left + 1..right].fill('-');
        let to_right = (rung.way == Way::Out) == (peer > us);
        let head = if to_right { (right - 1, '>') } else { (left + 1, '<') };
        line[head.0] = head.1;
        let label = if rung.again { format!(" again: {} ", rung.says) } else { format!(" {} ", rung.says) };
        let near = if peer > us { right - LANE } else { left };
        label.chars().take(LANE - 5).enumerate().for_each(|(at, letter)| line[near + 3 + at] = letter);
        line.into_iter().collect()
    }
}

fn rung(seen: &Seen, peer: usize, again: bool, full: bool) -> Option<Rung> {
    let glance = Glance::of(&seen.bytes)?;
    let says = match glance.status {
        Some(_) => format!("{} ({})", glance.first.get(8..)?, glance.verb.as_str()),
        None => glance.first.split(' ').next()?.to_owned(),
    };
    Some(Rung {
        at: seen.at,
        peer,
        way: seen.way,
        transport: seen.flow.transport,
        local: seen.flow.local,
        says,
        first: glance.first.to_owned(),
        again,
        message: full.then(|| String::from_utf8_lossy(&seen.bytes).into_owned()),
    })
}
