//! A codec that nobody here understands: every bit is passed on to who speaks it, and nothing to anybody else.

use super::*;
use busyhour_model::{CallId, Deafness};

const G729: u8 = 18;

impl Rig {
    /// `leg`'s phone says 20 ms in each packet, by the number of the packet.
    fn say_packed(&mut self, leg: LegId, packets: std::ops::Range<u16>) {
        for n in packets {
            self.hear(leg, phone(leg), &packet(n, u32::from(n) * 160, G729, &[n as u8; 20]));
            self.pass(FRAME);
        }
    }
}

#[test]
fn two_who_speak_it_hear_every_bit_and_each_others_keys() {
    let mut rig = Rig::bridged(Codec::G729, Codec::G729);
    rig.say_packed(A, 0..50);
    let said: Vec<u8> = (0..50).flat_map(|n| [n; 20]).collect();
    assert_eq!(rig.codes(B), said);
    assert!(rig.got(B).iter().all(|got| got.header.payload_type == G729));
    rig.assert_unbroken(B);
    let key = dtmf::payload('5', 800, true).unwrap();
    rig.hear(A, phone(A), &packet(50, 8_000, 101, &key));
    assert_eq!(rig.digits(), "5");
    assert_eq!(rig.got(B).last().unwrap().payload, key);
}

/// A frame of silence by Annex B has two bytes, and its 10 ms.
#[test]
fn time_goes_on_by_frames() {
    for (len, samples) in [(0, 0), (2, 80), (10, 80), (12, 160), (20, 160), (60, 480)] {
        assert_eq!(crate::wide::samples(Codec::G729, &vec![0; len]), samples, "{len} bytes");
    }
}

#[test]
fn whoever_speaks_something_else_hears_no_noise_of_it_and_the_cause_is_told() {
    let mut rig = Rig::bridged(Codec::G729, Codec::Pcma);
    rig.command(Command::Measure { call: CallId(9), caller: A, partner: B });
    for n in 0..250 {
        rig.hear(B, phone(B), &packet(n, u32::from(n) * 160, 8, &[0x11; 160]));
        rig.say_packed(A, n..n + 1);
    }
    assert!(rig.rtp.is_empty());
    let told = rig.events.iter().filter(|(_, event)| matches!(event, Event::Unheard { .. }));
    let told: Vec<_> = told.map(|(_, event)| event.clone()).collect();
    assert_eq!(told, [Event::Unheard { leg: A, why: Deafness::PayloadType }]);
    // It goes on at once where both speak it.
    rig.command(Command::Connect { leg: B, audio: audio(B, Codec::G729) });
    rig.say_packed(A, 250..260);
    assert_eq!(rig.got(B).len(), 10);
}

#[test]
fn a_prompt_is_not_said_in_it_and_ends_in_its_time() {
    let mut rig = Rig::pair(Codec::G729, Codec::Pcma);
    rig.play(A, 1, vec![prompt("long")], false);
    rig.pass(MS * 200);
    assert_eq!(rig.events.iter().map(|(at, _)| at.since(Time::from_secs(1_000))).collect::<Vec<_>>(), [MS * 100]);
    rig.command(Command::Hear { leg: B, from: vec![A] });
    rig.say_packed(A, 0..10);
    assert!(rig.codes(B).iter().all(|code| g711::decode_a(*code).abs() <= 8), "who listens hears silence");
    assert!(rig.got(A).is_empty());
}
