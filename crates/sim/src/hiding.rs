//! The law of topology hiding: what leaves for one side tells nothing of another, nor of us what it should not.

use busyhour_switch::{Networks, Setup, TrunkSetup};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Shorter words, as a sequence number, stand in messages by chance.
const TELLING_MIN: usize = 8;
/// Lines that say whom is called, as whoever called put it.
const CALLED: [&str; 2] = ["to:", "history-info:"];

/// Who knows what; see the module.
#[derive(Debug)]
pub(crate) struct Hiding {
    ours: SocketAddr,
    networks: Networks,
    carriers: Vec<TrunkSetup>,
    agents: BTreeSet<String>,
    passwords: BTreeSet<String>,
    /// What each side said itself: no secret to it.
    said: BTreeMap<IpAddr, BTreeSet<String>>,
    /// Call-IDs, tags, branches, sessions of SDP and withheld numbers, and between which side and us they are.
    between: BTreeMap<String, IpAddr>,
}

impl Hiding {
    pub(crate) fn new(setup: &Setup) -> Hiding {
        let of_agents = |word: fn(&busyhour_switch::AgentSetup) -> String| setup.agents.iter().map(word).collect();
        Hiding {
            ours: setup.locals[0].1,
            networks: setup.networks.clone(),
            carriers: setup.trunks.clone(),
            agents: of_agents(|agent| agent.number.to_string()),
            passwords: of_agents(|agent| agent.password.to_string()),
            said: BTreeMap::new(),
            between: BTreeMap::new(),
        }
    }

    /// Where packets for us arrive that were sent to an address of ours which only others see.
    pub(crate) fn arrives(&self, to: SocketAddr) -> SocketAddr {
        let ours = self.networks.0.iter().any(|network| network.advertise == to.ip());
        if ours { SocketAddr::new(self.ours.ip(), to.port()) } else { to }
    }

    /// By which address of ours a side knows us.
    pub(crate) fn told(&self, side: IpAddr) -> SocketAddr {
        self.networks.told(self.ours, side)
    }

    /// A side says something to us.
    pub(crate) fn heard(&mut self, from: IpAddr, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for word in dialog_words(&text).chain(withheld(&text)) {
            self.between.entry(word.to_owned()).or_insert(from);
        }
        self.said.entry(from).or_default().extend(words(&text).map(str::to_owned));
    }

    /// We say something to a side.
    ///
    /// # Panics
    /// When it tells something that is not for it.
    pub(crate) fn check(&mut self, to: IpAddr, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        // Our descriptions are the same for every peer of a carrier that is tried.
        let own = dialog_words(&text).filter(|word| !text.contains(&format!("o=busyhour {word} ")));
        for word in own {
            self.between.entry(word.to_owned()).or_insert(to);
        }
        let told = self.told(to).ip();
        let said = self.said.entry(to).or_default();
        let is_carrier = self.carriers.iter().any(|trunk| trunk.sources.iter().any(|net| net.contains(&to)));
        // A registrar lists all phones of the account (RFC 3261 section 10.3).
        let listed = |line: &str| line.starts_with("Contact:") && text.contains(" REGISTER\r\n");
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !listed(line)) {
            let leaks = |what: &str, word: &str| panic!("L15: {to} is told {what}, {word:?} in {line:?}:\n{text}");
            let called = index == 0 || CALLED.iter().any(|name| line.to_ascii_lowercase().starts_with(name));
            for word in words(line).filter(|word| !said.contains(*word)) {
                if word.parse().is_ok_and(|place: IpAddr| place != to && place != told) {
                    leaks("where another is", word);
                }
                if self.between.get(word).is_some_and(|side| *side != to) && !called {
                    leaks("what is between another and us", word);
                }
                if self.passwords.contains(word) {
                    leaks("a password", word);
                }
            }
            let agent = users(line).find(|user| self.agents.contains(*user) && !said.contains(*user));
            if let Some(agent) = agent.filter(|_| is_carrier && !called) {
                leaks("an agent's number", agent);
            }
            if is_carrier && line.starts_with("X-") {
                leaks("what is for agents", line);
            }
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c))).filter(|word| !word.is_empty())
}

/// What only the two ends of a dialog know.
fn dialog_words(text: &str) -> impl Iterator<Item = &str> {
    let of_line = |line| -> Vec<&str> {
        let (name, value): (&str, &str) = str::split_once(line, [':', '=']).unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "call-id" => words(value).take(1).collect(),
            "o" => words(value).skip(1).take(1).collect(),
            _ => ["tag=", "branch="].iter().filter_map(|param| words(value.split_once(param)?.1).next()).collect(),
        }
    };
    text.lines().flat_map(of_line).filter(|word| word.len() >= TELLING_MIN)
}

/// The number of a caller who asks that nobody sees it (RFC 3325 section 9.3).
fn withheld(text: &str) -> Option<&str> {
    let from = text.lines().find(|line| line.starts_with("From:"))?;
    users(from).next().filter(|_| text.starts_with("INVITE ") && text.contains("\nPrivacy: id"))
}

/// The numbers and names in addresses.
fn users(line: &str) -> impl Iterator<Item = &str> {
    let after = ["sip:", "tel:"].into_iter().flat_map(|scheme| line.split(scheme).skip(1));
    after.filter_map(|rest| words(rest).next())
}
