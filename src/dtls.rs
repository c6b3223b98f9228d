//! Handshakes for the keys of sound (DTLS-SRTP, RFC 5764): one thread shakes hands for all legs.

mod provider;
#[cfg(test)]
mod tests;

use busyhour_media::{Command, Shake};
use busyhour_model::{Deafness, Fingerprint, LegId, MasterKey, Srtp, Suite};
use dimpl::{DtlsCertificate, Error, KeyingMaterial, Output, SrtpProfile};
use prometheus::IntCounterVec;
use ring::digest;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Legs that shake hands, or have and might have to say their last word again; one more is not begun.
const PARTIES_MAX: usize = 8_192;
/// A flight that is not answered is sent again after so long, then after twice that, and so on: callers wait meanwhile.
const RETRY: Duration = Duration::from_millis(200);
const RETRIES_MAX: usize = 6;
/// A handshake that takes longer has failed.
const LONGEST: Duration = Duration::from_secs(20);
/// Bytes of a datagram of ours: through any tunnel.
const DATAGRAM_MAX: usize = 1_150;

/// Our certificate, made at each start and signed by itself: peers know it by the fingerprint in our descriptions.
#[derive(Clone)]
pub struct Certificate(DtlsCertificate);

impl Certificate {
    /// A new one.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn new() -> Result<Certificate, rcgen::Error> {
        let made = rcgen::generate_simple_self_signed(["busyhour".to_owned()])?;
        let (certificate, private_key) = (made.cert.der().to_vec(), made.signing_key.serialize_der());
        Ok(Certificate(DtlsCertificate { certificate, private_key }))
    }

    /// By which peers know it.
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint(&self.0.certificate)
    }
}

/// The way to the thread; it ends with the last of these.
#[derive(Clone)]
pub struct Handshakes(Sender<(LegId, u32, Shake)>);

/// What waits for the thread.
pub struct Shakes(Receiver<(LegId, u32, Shake)>);

impl Handshakes {
    /// The way to a thread that is still to be started.
    pub fn new() -> (Handshakes, Shakes) {
        let (shakes, shaken) = channel();
        (Handshakes(shakes), Shakes(shaken))
    }

    /// Hands over what begins, came or ended at a leg; never waits. How much there can be is bounded by who hands out.
    pub fn take(&self, leg: LegId, attempt: u32, shake: Shake) {
        // After the thread has ended there is nobody to talk to.
        let _ = self.0.send((leg, attempt, shake));
    }
}

impl Shakes {
    /// Starts the thread, which shows this certificate. `counts` counts handshakes by outcome; `tell` gets what is to be sent, and the keys.
    ///
    /// # Errors
    /// No thread can be made, or the crypto library does not do what handshakes need.
    pub fn start(
        self,
        certificate: Certificate,
        counts: IntCounterVec,
        tell: impl Fn(Command) + Send + 'static,
    ) -> io::Result<()> {
        let config = dimpl::Config::builder()
            .with_crypto_provider(provider::provider())
            .mtu(DATAGRAM_MAX)
            // Who is listened to has announced where it is, or proven it.
            .use_server_cookie(false)
            .flight_start_rto(RETRY)
            .flight_retries(RETRIES_MAX)
            .handshake_timeout(LONGEST)
            .build();
        let config = Arc::new(config.map_err(|error| io::Error::other(error.to_string()))?);
        let (parties, due) = (HashMap::new(), BTreeSet::new());
        let hall = Hall { config, certificate, parties, due, counts, tell, buffer: vec![0; 2 * DATAGRAM_MAX] };
        std::thread::Builder::new().name("dtls".into()).spawn(move || hall.run(&self.0)).map(drop)
    }
}

/// All handshakes.
struct Hall<T> {
    config: Arc<dimpl::Config>,
    certificate: Certificate,
    parties: HashMap<LegId, Party>,
    /// When to look after which.
    due: BTreeSet<(Instant, LegId)>,
    counts: IntCounterVec,
    tell: T,
    buffer: Vec<u8>,
}

/// One leg's.
struct Party {
    dtls: dimpl::Dtls,
    attempt: u32,
    active: bool,
    /// What the peer's certificate must have, until it has been shown.
    wanted: Option<Fingerprint>,
    keyed: bool,
    due: Option<Instant>,
}

/// How a handshake ended.
type Verdict = Result<Srtp, Deafness>;

impl<T: Fn(Command)> Hall<T> {
    fn run(mut self, shaken: &Receiver<(LegId, u32, Shake)>) {
        loop {
            let next = self.due.first().map(|(at, _)| at.saturating_duration_since(Instant::now()));
            let came = match next {
                Some(wait) => shaken.recv_timeout(wait),
                None => shaken.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match came {
                Ok((leg, attempt, shake)) => self.take(Instant::now(), leg, attempt, shake),
                Err(RecvTimeoutError::Timeout) => self.handle_timeout(Instant::now()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn take(&mut self, now: Instant, leg: LegId, attempt: u32, shake: Shake) {
        match shake {
            Shake::Begin { active, fingerprint } => self.begin(now, leg, attempt, active, fingerprint),
            Shake::Datagram(bytes) => self.drive(leg, attempt, |dtls| {
                dtls.handle_timeout(now)?;
                dtls.handle_packet(&bytes)
            }),
            Shake::End => self.forget(leg),
        }
    }

    fn begin(&mut self, now: Instant, leg: LegId, attempt: u32, active: bool, fingerprint: Fingerprint) {
        self.forget(leg);
        if self.parties.len() >= PARTIES_MAX {
            return self.end(leg, attempt, Err(Deafness::Unkeyed));
        }
        let mut dtls = dimpl::Dtls::new_12(Arc::clone(&self.config), self.certificate.0.clone(), now);
        dtls.set_active(active);
        let party = Party { dtls, attempt, active, wanted: Some(fingerprint), keyed: false, due: None };
        self.parties.insert(leg, party);
        self.drive(leg, attempt, |dtls| dtls.handle_timeout(now));
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, leg)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_first();
            let Some(attempt) = self.parties.get(&leg).map(|party| party.attempt) else { continue };
            self.drive(leg, attempt, |dtls| dtls.handle_timeout(now));
        }
    }

    /// Does this with a leg's handshake, and what follows from it.
    fn drive(&mut self, leg: LegId, attempt: u32, step: impl FnOnce(&mut dimpl::Dtls) -> Result<(), Error>) {
        let Some(party) = self.parties.get_mut(&leg).filter(|party| party.attempt == attempt) else { return };
        if let Some(at) = party.due.take() {
            self.due.remove(&(at, leg));
        }
        // Whatever a peer does to its own handshake, the others go on.
        let (tell, buffer) = (&self.tell, &mut self.buffer);
        let driven = catch_unwind(AssertUnwindSafe(|| {
            let stepped = step(&mut party.dtls);
            let verdict = party.drain(leg, tell, buffer);
            verdict.or_else(|| stepped.err().map(|_| Err(Deafness::Unkeyed)))
        }));
        let keyed = party.keyed;
        let verdict = driven.unwrap_or(Some(Err(Deafness::Unkeyed)));
        match verdict {
            Some(verdict) if !keyed => {
                party.keyed = verdict.is_ok();
                self.end(leg, attempt, verdict);
            }
            // It has its keys, and nothing else of it matters.
            Some(Err(_)) => return self.forget(leg),
            Some(Ok(_)) | None => {}
        }
        self.arm(leg);
    }

    fn end(&mut self, leg: LegId, attempt: u32, keys: Verdict) {
        let outcome = keys.as_ref().map_or_else(|why| why.as_str(), |_| "keyed");
        self.counts.with_label_values(&[outcome]).inc();
        if keys.is_err() {
            self.forget(leg);
        }
        (self.tell)(Command::Key { leg, attempt, keys });
    }

    fn arm(&mut self, leg: LegId) {
        let Some(party) = self.parties.get(&leg) else { return };
        self.due.extend(party.due.map(|at| (at, leg)));
        debug_assert!(self.due.len() <= self.parties.len(), "each is due once");
    }

    fn forget(&mut self, leg: LegId) {
        if let Some(at) = self.parties.remove(&leg).and_then(|party| party.due) {
            self.due.remove(&(at, leg));
        }
    }
}

impl Party {
    /// Sends what is to be sent; how the handshake ended, if it has.
    fn drain(&mut self, leg: LegId, tell: &impl Fn(Command), buffer: &mut Vec<u8>) -> Option<Verdict> {
        let mut verdict = None;
        loop {
            match self.dtls.poll_output(buffer) {
                Output::Packet(bytes) => {
                    let datagram = bytes.to_vec();
                    tell(Command::Shake { leg, attempt: self.attempt, datagram });
                }
                Output::PeerCert(der) if self.wanted == Some(fingerprint(der)) => self.wanted = None,
                Output::PeerCert(_) => verdict = verdict.or(Some(Err(Deafness::Certificate))),
                Output::KeyingMaterial(material, profile) => {
                    let shown = self.wanted.is_none();
                    let keys = srtp(&material, profile, self.active).filter(|_| shown);
                    verdict = verdict.or(Some(keys.ok_or(Deafness::Certificate)));
                }
                Output::BufferTooSmall { needed } => buffer.resize(needed, 0),
                Output::Timeout(at) => {
                    self.due = Some(at);
                    return verdict;
                }
                _ => {}
            }
        }
    }
}

/// Each side's key and salt (RFC 5764 section 4.2): client's key, server's key, client's salt, server's salt.
fn srtp(material: &KeyingMaterial, profile: SrtpProfile, active: bool) -> Option<Srtp> {
    let suite = match profile {
        SrtpProfile::AEAD_AES_256_GCM => Suite::Gcm256,
        SrtpProfile::AEAD_AES_128_GCM => Suite::Gcm128,
        SrtpProfile::AES128_CM_SHA1_80 => Suite::Cm128Sha80,
        _ => return None,
    };
    let (keys, salts) = material.split_at_checked(2 * suite.key_len())?;
    let (keys, salts) = (keys.split_at(suite.key_len()), salts.split_at_checked(suite.salt_len())?);
    let client = MasterKey::new(suite, &[keys.0, salts.0].concat())?;
    let server = MasterKey::new(suite, &[keys.1, salts.1].concat())?;
    let (ours, theirs) = if active { (client, server) } else { (server, client) };
    Some(Srtp { suite, ours, theirs })
}

fn fingerprint(der: &[u8]) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
    Fingerprint(bytes)
}
