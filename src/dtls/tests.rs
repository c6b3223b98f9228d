//! Two of us shake hands, over a wire that loses, and with those who are not who they say.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::media::Plane;
use crate::media::tests::{free_port, own_host};
use busyhour_media::rtp::{self, Header};
use busyhour_media::{Config, Library, Taped};
use busyhour_model::{Audio, Codec, Handshake, Keying, Side, Time};
use prometheus::Opts;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::Receiver;
use std::time::{SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(20);

/// One end: the thread, and what it told.
struct End {
    handshakes: Handshakes,
    told: Receiver<Command>,
    certificate: Certificate,
    counts: IntCounterVec,
}

impl End {
    fn start() -> End {
        let certificate = Certificate::new().unwrap();
        let counts = IntCounterVec::new(Opts::new("n", "h"), &["outcome"]).unwrap();
        let ((handshakes, shakes), (tell, told)) = (Handshakes::new(), channel());
        shakes.start(certificate.clone(), counts.clone(), move |command| drop(tell.send(command))).unwrap();
        End { handshakes, told, certificate, counts }
    }

    fn begin(&self, leg: u64, active: bool, fingerprint: Fingerprint) {
        self.handshakes.take(LegId(leg), 1, Shake::Begin { active, fingerprint });
    }

    fn counted(&self, outcome: &str) -> u64 {
        self.counts.with_label_values(&[outcome]).get()
    }
}

/// Carries datagrams of one leg between two ends, less those of which `lost` says so, until both have ended; how.
fn carry(one: &End, other: &End, lost: impl Fn(usize) -> bool) -> [Verdict; 2] {
    let (mut ended, mut number, began) = ([None, None], 0, Instant::now());
    while ended.iter().any(Option::is_none) {
        assert!(began.elapsed() < PATIENCE, "{ended:?}");
        for (at, (from, to)) in [(one, other), (other, one)].into_iter().enumerate() {
            match from.told.recv_timeout(Duration::from_millis(5)) {
                Ok(Command::Shake { leg, attempt: 1, datagram }) => {
                    number += 1;
                    assert!(datagram.len() <= DATAGRAM_MAX);
                    if !lost(number) {
                        to.handshakes.take(leg, 1, Shake::Datagram(datagram));
                    }
                }
                Ok(Command::Key { attempt: 1, keys, .. }) => ended[at] = Some(keys),
                Ok(other) => panic!("{other:?}"),
                Err(_) => {}
            }
        }
    }
    ended.map(Option::unwrap)
}

#[test]
fn both_have_the_same_keys_the_other_way_round_whoever_begins() {
    let (one, other) = (End::start(), End::start());
    for leg in 1..=20 {
        one.begin(leg, leg % 2 == 0, other.certificate.fingerprint());
        other.begin(leg, leg % 2 == 1, one.certificate.fingerprint());
        let [ours, theirs] = carry(&one, &other, |_| false).map(Result::unwrap);
        assert_eq!((&ours.ours, &ours.theirs, ours.suite), (&theirs.theirs, &theirs.ours, theirs.suite));
        assert!(ours.ours != ours.theirs && ours.suite == Suite::Gcm256, "{:?}", ours.suite);
        one.handshakes.take(LegId(leg), 1, Shake::End);
    }
    assert_eq!((one.counted("keyed"), other.counted("keyed")), (20, 20));
}

#[test]
fn a_wire_that_loses_every_third_datagram_only_takes_longer() {
    let (one, other) = (End::start(), End::start());
    one.begin(1, true, other.certificate.fingerprint());
    other.begin(1, false, one.certificate.fingerprint());
    let [ours, theirs] = carry(&one, &other, |number| number % 3 == 1).map(Result::unwrap);
    assert_eq!(ours.ours, theirs.theirs);
}

#[test]
fn who_shows_another_certificate_gets_no_keys_whichever_side_it_is_on() {
    let (one, other, third) = (End::start(), End::start(), End::start());
    for (leg, active) in [(1, true), (2, false)] {
        one.begin(leg, active, third.certificate.fingerprint());
        other.begin(leg, !active, one.certificate.fingerprint());
        let began = Instant::now();
        let keys = loop {
            assert!(began.elapsed() < PATIENCE);
            match one.told.recv_timeout(Duration::from_millis(5)) {
                Ok(Command::Shake { leg, datagram, .. }) => other.handshakes.take(leg, 1, Shake::Datagram(datagram)),
                Ok(Command::Key { keys, .. }) => break keys,
                _ => {}
            }
            while let Ok(told) = other.told.try_recv() {
                if let Command::Shake { leg, datagram, .. } = told {
                    one.handshakes.take(leg, 1, Shake::Datagram(datagram));
                }
            }
        };
        assert_eq!(keys, Err(Deafness::Certificate), "active: {active}");
    }
    assert_eq!((one.counted("certificate"), one.counted("keyed")), (2, 0));
}

#[test]
fn noise_and_datagrams_of_an_older_attempt_change_nothing() {
    let (one, other) = (End::start(), End::start());
    one.begin(1, true, other.certificate.fingerprint());
    other.begin(1, false, one.certificate.fingerprint());
    for noise in [&[22u8; 60][..], &[22], &[], &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0]] {
        other.handshakes.take(LegId(1), 1, Shake::Datagram(noise.to_vec()));
        other.handshakes.take(LegId(1), 0, Shake::End);
        other.handshakes.take(LegId(9), 1, Shake::Datagram(noise.to_vec()));
    }
    other.begin(1, false, one.certificate.fingerprint());
    let [ours, theirs] = carry(&one, &other, |_| false).map(Result::unwrap);
    assert_eq!(ours.theirs, theirs.ours);
}

#[test]
fn one_leg_more_than_there_may_be_gets_no_keys_until_another_ends() {
    let end = End::start();
    let fingerprint = end.certificate.fingerprint();
    let refused = || match end.told.recv_timeout(Duration::from_millis(500)) {
        Ok(Command::Key { leg, keys: Err(Deafness::Unkeyed), .. }) => Some(leg.0),
        _ => None,
    };
    let max = PARTIES_MAX as u64;
    (1..=max + 1).for_each(|leg| end.begin(leg, false, fingerprint));
    let began = Instant::now();
    while end.counted("unkeyed") == 0 {
        assert!(began.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert_eq!((refused(), end.counted("unkeyed")), (Some(max + 1), 1));
    end.handshakes.take(LegId(1), 1, Shake::End);
    end.begin(max + 2, false, fingerprint);
    end.begin(max + 3, false, fingerprint);
    assert_eq!(refused(), Some(max + 3));
}

/// A media plane whose legs shake hands, and a plain phone at its leg 1.
struct Site {
    plane: Arc<Plane>,
    certificate: Certificate,
    phone: UdpSocket,
    bound: [SocketAddr; 2],
}

impl Site {
    fn start() -> Site {
        let (handshakes, shakes) = Handshakes::new();
        let recording = move |taped| {
            if let Taped::Shake { leg, attempt, shake } = taped {
                handshakes.take(leg, attempt, shake);
            }
        };
        let (epoch, began) = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap(), Instant::now());
        let clock = move || Time::from_micros((epoch + began.elapsed()).as_micros() as u64);
        let library = Arc::new(Library::new());
        let plane = Arc::new(Plane::start(2, &library, &Config::default(), clock, drop, recording, None).unwrap());
        let (sends, certificate) = (Arc::downgrade(&plane), Certificate::new().unwrap());
        let counts = IntCounterVec::new(Opts::new("n", "h"), &["outcome"]).unwrap();
        let tell = move |command| {
            if let Some(plane) = sends.upgrade() {
                plane.send(command);
            }
        };
        shakes.start(certificate.clone(), counts, tell).unwrap();
        let phone = UdpSocket::bind((own_host(), 0)).unwrap();
        phone.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        Site { plane, certificate, phone, bound: [(); 2].map(|()| (own_host(), free_port(own_host().into())).into()) }
    }

    /// Legs 1 and 2 are in a bridge: the phone's, and the other site's.
    fn connect(&self, far: &Site, active: bool) {
        let handshake = Handshake { active, fingerprint: far.certificate.fingerprint(), ice: None };
        let legs = [(self.phone.local_addr().unwrap(), None), (far.bound[1], Some(Keying::Handshake(handshake)))];
        for ((leg, local), (remote, keying)) in (1..).map(LegId).zip(self.bound).zip(legs) {
            let audio = Audio { srtp: keying.map(Box::new), ..Audio::plain(remote, Codec::Pcma) };
            self.plane.send(Command::Open { leg, local, side: Side::Trunk });
            self.plane.send(Command::Connect { leg, audio });
        }
        self.plane.send(Command::Bridge { a: LegId(1), b: LegId(2) });
    }

    fn say(&self, sequence: u16, code: u8) {
        let timestamp = u32::from(sequence) * 160;
        let mut bytes = vec![];
        Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: 5 }.write(&[code; 160], &mut bytes);
        self.phone.send_to(&bytes, self.bound[0]).unwrap();
    }

    fn hears(&self, code: u8) -> bool {
        let mut buffer = [0; 2_000];
        let heard = self.phone.recv_from(&mut buffer).ok();
        heard.and_then(|(len, _)| rtp::read(&buffer[..len])).is_some_and(|(_, payload)| payload == [code; 160])
    }
}

/// Two planes with a sealed stream between them, over real sockets: what one's phone says the other's hears.
#[test]
fn two_sites_shake_hands_on_the_way_of_the_sound_and_their_phones_hear_each_other() {
    let (one, other) = (Site::start(), Site::start());
    one.connect(&other, true);
    other.connect(&one, false);
    let (began, mut heard) = (Instant::now(), [0; 2]);
    for sequence in 0.. {
        one.say(sequence, 0x11);
        other.say(sequence, 0x22);
        heard[0] += u32::from(other.hears(0x11));
        heard[1] += u32::from(one.hears(0x22));
        if heard.iter().all(|packets| *packets >= 20) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{heard:?}");
    }
}
