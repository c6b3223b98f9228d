//! Legs whose keys come by a handshake (DTLS-SRTP): nothing before them, nobody beside the peer, and what a new offer changes.

use super::*;
use crate::Shake;
use crate::handshake::DATAGRAMS_MAX;
use crate::ice::tests::{is_answer, request};
use crate::srtp::Secured;
use busyhour_model::{Deafness, Fingerprint, Handshake, Ice, Keying, MasterKey, Srtp, Suite};

const HELLO: [u8; 40] = [22; 40];
const STRANGER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 66)), 9);

fn keys(ours: u8, theirs: u8) -> Srtp {
    let key = |byte| MasterKey::new(Suite::Gcm128, &[byte; 28]).unwrap();
    Srtp { suite: Suite::Gcm128, ours: key(ours), theirs: key(theirs) }
}

fn names(theirs: &str) -> Ice {
    Ice { ufrag: "ours".into(), pwd: "the password of ours".into(), theirs: theirs.into() }
}

fn handshake(fingerprint: u8, ice: Option<Ice>) -> Handshake {
    Handshake { active: false, fingerprint: Fingerprint([fingerprint; 32]), ice }
}

/// A worker, and all that it has sent and handed out.
struct Wire {
    rig: Rig,
    phone: Secured,
}

impl Wire {
    /// Two legs in a bridge; A's keys come by a handshake.
    fn new(ice: Option<Ice>) -> Wire {
        let mut wire = Wire { rig: Rig::bridged(Codec::Pcma, Codec::Pcma), phone: Secured::new(keys(2, 1)) };
        wire.agree(handshake(7, ice));
        wire
    }

    fn agree(&mut self, handshake: Handshake) {
        self.connect(Some(Keying::Handshake(handshake)));
    }

    fn connect(&mut self, keying: Option<Keying>) {
        let mut audio = audio(A, Codec::Pcma);
        audio.srtp = keying.map(Box::new);
        self.command(Command::Connect { leg: A, audio });
    }

    fn command(&mut self, command: Command) {
        self.rig.worker.handle_command(self.rig.now, command);
    }

    fn key(&mut self, attempt: u32, keys: Result<Srtp, Deafness>) {
        self.command(Command::Key { leg: A, attempt, keys });
    }

    fn comes(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.rig.worker.handle_rtp(self.rig.now, A, from, bytes);
    }

    fn sealed(&mut self, sequence: u16) -> Vec<u8> {
        let mut bytes = packet(sequence, u32::from(sequence) * 160, 8, &[sequence as u8; 160]);
        self.phone.seal(&mut bytes, 0);
        bytes
    }

    /// B's phone says something.
    fn answers(&mut self, sequence: u16) {
        let bytes = packet(sequence, u32::from(sequence) * 160, 8, &[9; 160]);
        self.rig.worker.handle_rtp(self.rig.now, B, phone(B), &bytes);
    }

    fn sent(&mut self, leg: LegId) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.rig.worker.poll_transmit() {
            assert!(!transmit.rtcp || transmit.leg == B);
            sent.push((transmit.leg, (transmit.to, transmit.bytes.to_vec())));
        }
        sent.into_iter().filter(|(of, _)| *of == leg).map(|(_, sent)| sent).collect()
    }

    fn handed(&mut self) -> Vec<(u32, Shake)> {
        let shake = |taped| match taped {
            Taped::Shake { leg: A, attempt, shake } => (attempt, shake),
            other => panic!("{other:?}"),
        };
        std::iter::from_fn(|| self.rig.worker.poll_tape()).map(shake).collect()
    }

    fn unheard(&mut self) -> Vec<Deafness> {
        let why = |event| if let Event::Unheard { leg: A, why } = event { Some(why) } else { None };
        std::iter::from_fn(|| self.rig.worker.poll_event()).filter_map(why).collect()
    }
}

fn begin(fingerprint: u8) -> Shake {
    Shake::Begin { active: false, fingerprint: Fingerprint([fingerprint; 32]) }
}

#[test]
fn no_sound_comes_or_goes_before_there_are_keys_and_then_all_of_it() {
    let mut wire = Wire::new(None);
    assert_eq!(wire.handed(), [(1, begin(7))]);
    for n in 0..10 {
        let sealed = wire.sealed(n);
        wire.comes(phone(A), &sealed);
        wire.comes(phone(A), &packet(n, 0, 8, &[1; 160]));
        wire.answers(n);
    }
    wire.comes(phone(A), &HELLO);
    assert_eq!(wire.handed(), [(1, Shake::Datagram(HELLO.to_vec()))]);
    wire.command(Command::Shake { leg: A, attempt: 1, datagram: vec![22, 1] });
    assert_eq!((wire.sent(A), wire.sent(B)), (vec![(phone(A), vec![22, 1])], vec![]));
    let written = postcard::to_stdvec(wire.rig.worker.snapshot()).unwrap();
    wire.rig.worker = Worker::restore(postcard::from_bytes(&written).unwrap(), LIBRARY.clone());
    wire.key(1, Ok(keys(1, 2)));
    for n in 10..20u16 {
        let sealed = wire.sealed(n);
        wire.comes(phone(A), &sealed);
        assert_eq!(wire.sent(B).pop().unwrap().1[12..], [n as u8; 160]);
        wire.answers(n);
        let (to, mut heard) = wire.sent(A).pop().unwrap();
        wire.phone.open(&mut heard).unwrap();
        assert_eq!((to, &heard[12..]), (phone(A), &[9; 160][..]));
    }
    let stats = wire.rig.worker.stats(A).unwrap();
    assert_eq!((stats.packets_in, stats.packets_out, stats.refused_in), (10, 10, 20));
}

#[test]
fn what_is_played_waits_for_the_keys_and_is_then_heard_from_its_beginning() {
    let mut wire = Wire::new(None);
    wire.command(Command::Play { leg: A, play: PlayId(1), sounds: vec![prompt("long")], repeat: false });
    let pass = |wire: &mut Wire| {
        for _ in 0..20 {
            wire.rig.now += FRAME;
            wire.rig.worker.handle_timeout(wire.rig.now);
        }
        wire.sent(A).into_iter().filter(|(_, bytes)| bytes[1] & 0x7F == 8).count()
    };
    assert_eq!(pass(&mut wire), 0);
    wire.key(1, Ok(keys(1, 2)));
    assert_eq!(pass(&mut wire), 5, "100 ms");
}

#[test]
fn a_peer_that_tries_out_ways_is_answered_and_believed_only_where_it_knows_our_names() {
    let mut wire = Wire::new(Some(names("them")));
    let at = |port| SocketAddr::from(([203, 0, 113, 77], port));
    let wrong = Ice { pwd: "another password".into(), ..names("them") };
    for bytes in [&request(&wrong, true)[..], &request(&names("they"), true), &HELLO, &[1; 20]] {
        wire.comes(phone(A), bytes);
    }
    assert_eq!((wire.sent(A), wire.handed()), (vec![], vec![]));
    assert_eq!(wire.rig.worker.stats(A).unwrap().refused_in, 4);
    wire.comes(at(1), &request(&names("them"), false));
    let [(to, answer)] = &wire.sent(A)[..] else { panic!("one answer") };
    assert!(*to == at(1) && is_answer(answer, &names("them"), at(1)));
    assert_eq!(wire.handed(), [(1, begin(7))], "it may begin");
    for from in [phone(A), STRANGER, at(2)] {
        wire.comes(from, &HELLO);
    }
    assert_eq!(wire.handed(), [], "the announced address has proved nothing");
    wire.comes(at(1), &HELLO);
    assert_eq!(wire.handed().len(), 1);
    wire.comes(at(2), &request(&names("them"), true));
    wire.sent(A);
    wire.key(1, Ok(keys(1, 2)));
    wire.answers(1);
    assert_eq!(wire.sent(A)[0].0, at(2), "the way that was chosen");
    let sealed = [wire.sealed(1), wire.sealed(2), wire.sealed(3)];
    for (from, bytes) in [(STRANGER, &sealed[0]), (phone(A), &sealed[1]), (at(1), &sealed[2]), (at(2), &sealed[2])] {
        wire.comes(from, bytes);
    }
    assert_eq!(wire.sent(B).len(), 1, "by a proven way, and once");
    wire.comes(at(2), &packet(4, 640, 8, &[1; 160]));
    assert_eq!(wire.sent(B), [], "unsealed");
    wire.answers(2);
    assert_eq!(wire.sent(A)[0].0, at(2), "sound does not choose the way");
}

#[test]
fn who_shows_another_certificate_is_named_once_and_never_heard() {
    let mut wire = Wire::new(None);
    wire.key(1, Err(Deafness::Certificate));
    wire.key(1, Err(Deafness::Unkeyed));
    assert_eq!(wire.unheard(), [Deafness::Certificate]);
    let sealed = wire.sealed(1);
    wire.comes(phone(A), &sealed);
    wire.answers(1);
    assert_eq!((wire.sent(A), wire.sent(B)), (vec![], vec![]));
}

#[test]
fn a_handshake_that_never_ends_is_named_as_the_cause() {
    let mut wire = Wire::new(None);
    wire.command(Command::Measure { call: busyhour_model::CallId(1), caller: A, partner: B });
    wire.comes(phone(A), &HELLO);
    for _ in 0..300 {
        wire.rig.now += FRAME;
        wire.rig.worker.handle_timeout(wire.rig.now);
    }
    assert_eq!(wire.unheard(), [Deafness::Unkeyed]);
}

/// RFC 8842 section 4: a new certificate or role is a new handshake; new names of ICE are not.
#[test]
fn renegotiated_the_keys_stay_while_the_certificate_does() {
    let mut wire = Wire::new(Some(names("them")));
    wire.comes(phone(A), &request(&names("them"), true));
    wire.key(1, Ok(keys(1, 2)));
    wire.handed();
    let heard = |wire: &mut Wire, n| {
        let sealed = wire.sealed(n);
        wire.comes(phone(A), &sealed);
        wire.sent(B).len()
    };
    wire.agree(handshake(7, Some(names("them"))));
    assert_eq!((heard(&mut wire, 1), wire.handed()), (1, vec![]));
    wire.agree(handshake(7, Some(names("anew"))));
    assert_eq!((heard(&mut wire, 2), wire.handed()), (0, vec![]), "not from a way of before");
    wire.comes(phone(A), &request(&names("anew"), true));
    assert_eq!((heard(&mut wire, 3), wire.handed()), (1, vec![]));
    wire.agree(handshake(8, None));
    assert_eq!((heard(&mut wire, 4), wire.handed()), (0, vec![(2, begin(8))]));
    wire.key(1, Ok(keys(1, 2)));
    assert_eq!(heard(&mut wire, 5), 0, "keys of the handshake before");
    wire.command(Command::Shake { leg: A, attempt: 1, datagram: vec![22] });
    assert_eq!(wire.sent(A), []);
    wire.key(2, Ok(keys(1, 2)));
    assert_eq!(heard(&mut wire, 6), 1);
    wire.connect(Some(Keying::Said(keys(1, 2))));
    assert_eq!((heard(&mut wire, 7), wire.handed()), (1, vec![(2, Shake::End)]));
    wire.agree(handshake(8, None));
    assert_eq!(wire.handed(), [(3, begin(8))]);
    wire.command(Command::Close { leg: A });
    assert_eq!(wire.handed(), [(3, Shake::End)]);
}

#[test]
fn only_so_many_datagrams_of_a_handshake_are_handed_out_and_none_that_is_too_long() {
    let mut wire = Wire::new(None);
    wire.handed();
    wire.comes(STRANGER, &HELLO);
    assert_eq!(wire.handed().len(), 1, "on trial, as sound would be");
    wire.comes(phone(A), &[22; 1_501]);
    wire.comes(STRANGER, &HELLO);
    assert_eq!(wire.handed().len(), 0);
    for _ in 0..2 * DATAGRAMS_MAX {
        wire.comes(phone(A), &HELLO);
    }
    assert_eq!(wire.handed().len(), usize::from(DATAGRAMS_MAX) - 1);
}

/// RFC 5761: reports come and go where the sound does.
#[test]
fn reports_share_the_port_and_the_keys() {
    let mut wire = Wire::new(None);
    wire.key(1, Ok(keys(1, 2)));
    let sealed = wire.sealed(1);
    wire.comes(phone(A), &sealed);
    wire.answers(1);
    wire.sent(A);
    for _ in 0..300 {
        wire.rig.now += FRAME;
        wire.rig.worker.handle_timeout(wire.rig.now);
    }
    let (to, mut report) = wire.sent(A).pop().unwrap();
    assert_eq!((to, report[1]), (phone(A), 200));
    wire.phone.open_rtcp(&mut report).unwrap();
    let ours = u32::from_be_bytes(report[4..8].try_into().unwrap());
    let mut theirs = vec![0x81, 201, 0, 7, 0, 0, 0, 77];
    theirs.extend_from_slice(&ours.to_be_bytes());
    theirs.extend_from_slice(&[0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut sealed = theirs.clone();
    wire.phone.seal_rtcp(&mut sealed, 0);
    wire.comes(phone(A), &theirs);
    assert_eq!(wire.rig.worker.stats(A).unwrap().lost_out, None, "unsealed");
    wire.comes(phone(A), &sealed);
    assert_eq!(wire.rig.worker.stats(A).unwrap().lost_out, Some(3));
}
