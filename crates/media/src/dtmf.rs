//! Keys as RFC 4733 telephone-events: one digit per press whatever is lost or repeated, and a press to send.

use serde::{Deserialize, Serialize};

const KEYS: &[u8; 16] = b"0123456789*#ABCD";
/// A timestamp so far behind is a sender that started over, not an old packet: 10 s.
const OLD_MAX: i32 = 80_000;
/// Samples a key of ours is pressed: 100 ms (ITU-T Q.24 asks for 40 at least), and the key with its pause.
pub(crate) const PRESSED: usize = 800;
pub(crate) const KEY: usize = 1600;

/// What one stream of telephone-events has said.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Receiver {
    last: Option<Press>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Press {
    timestamp: u32,
    event: u8,
    duration: u16,
    ended: bool,
}

impl Receiver {
    /// Takes one event packet: its RTP timestamp and payload. `Some` for the first packet seen of a press: a press is told
    /// by its timestamp (RFC 4733 section 2.2.1), so a lost beginning or end and repeated ends do no harm.
    pub fn take(&mut self, timestamp: u32, payload: &[u8]) -> Option<char> {
        let [event, flags, high, low, ..] = *payload else { return None };
        let digit = *KEYS.get(event as usize)? as char;
        let press = Press { timestamp, event, duration: u16::from_be_bytes([high, low]), ended: flags & 0x80 != 0 };
        let Some(last) = self.last else {
            self.last = Some(press);
            return Some(digit);
        };
        let age = timestamp.wrapping_sub(last.timestamp) as i32;
        if (-OLD_MAX..0).contains(&age) {
            return None;
        }
        if age == 0 {
            self.last =
                Some(Press { ended: last.ended || press.ended, duration: last.duration.max(press.duration), ..last });
            return None;
        }
        self.last = Some(press);
        let continues = !last.ended && event == last.event && last.duration == u16::MAX && age == u16::MAX as i32;
        // Section 2.5.1.3: a press longer than 65,535 units goes on in a new segment.
        (!continues).then_some(digit)
    }
}

/// The payload for a key held for so many samples; `None` when there is no such key.
pub(crate) fn payload(digit: char, held: u16, end: bool) -> Option<[u8; 4]> {
    let event = KEYS.iter().position(|key| *key as char == digit)?;
    let duration = held.to_be_bytes();
    // -10 dBm0, as most phones send.
    Some([event as u8, if end { 0x80 } else { 0 } | 10, duration[0], duration[1]])
}

/// The name of a key's tones in the library.
pub(crate) fn tone_id(digit: char) -> String {
    format!("system/dtmf-{digit}")
}

/// The packets of one press of `digit` held for `ms`, one each 20 ms, the end three times (RFC 4733 section 2.5.1.4):
/// whether to set the marker, and the payload. All carry the timestamp of the press. Empty when there is no such key.
pub fn press(digit: char, ms: u16) -> impl Iterator<Item = (bool, [u8; 4])> {
    let updates = (ms / 20).max(1);
    (0..updates + 3).map_while(move |i| {
        let held = (i.min(updates - 1) + 1).saturating_mul(160);
        Some((i == 0, payload(digit, held, i >= updates)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The presses heard when of each press only the packets `kept` arrive, in that order.
    fn heard(text: &str, kept: &[usize]) -> String {
        let mut receiver = Receiver::default();
        let mut digits = String::new();
        for (i, digit) in text.chars().enumerate() {
            let packets: Vec<_> = press(digit, 100).collect();
            for k in kept {
                digits.extend(receiver.take(4_294_960_000u32.wrapping_add(i as u32 * 1600), &packets[*k].1));
            }
        }
        digits
    }

    #[test]
    fn each_press_is_one_digit_whatever_is_lost_repeated_or_late() {
        let grids: [&[usize]; 8] = [
            &[0, 1, 2, 3, 4, 5, 6, 7],
            &[4, 5],
            &[7],
            &[0],
            &[0, 1, 2],
            &[5, 5, 6, 7, 7],
            &[2, 0, 1, 5, 4],
            &[5, 0, 1, 2],
        ];
        for kept in grids {
            assert_eq!(heard("1123*#A00", kept), "1123*#A00", "packets {kept:?}");
        }
        assert_eq!(heard("1123", &[]), "");
    }

    #[test]
    fn every_single_packet_lost_out_of_each_press_loses_no_digit() {
        for lost in 0..8 {
            let kept: Vec<usize> = (0..8).filter(|i| *i != lost).collect();
            assert_eq!(heard("950118", &kept), "950118", "packet {lost} lost");
        }
    }

    #[test]
    fn a_late_packet_of_an_earlier_press_is_no_press() {
        let mut receiver = Receiver::default();
        assert_eq!(receiver.take(1000, &[1, 0x8A, 1, 0]), Some('1'));
        assert_eq!(receiver.take(3000, &[2, 10, 0, 160]), Some('2'));
        assert_eq!(receiver.take(1000, &[1, 0x8A, 1, 0]), None);
        assert_eq!(receiver.take(3000, &[2, 0x8A, 1, 0]), None);
    }

    #[test]
    fn a_key_held_for_ten_seconds_is_one_press() {
        let mut receiver = Receiver::default();
        assert_eq!(receiver.take(0, &[5, 10, 0, 160]), Some('5'));
        assert_eq!(receiver.take(0, &[5, 10, 0xFF, 0xFF]), None);
        assert_eq!(receiver.take(65_535, &[5, 10, 0, 160]), None, "second segment");
        assert_eq!(receiver.take(65_535, &[5, 0x8A, 9, 0]), None);
        assert_eq!(receiver.take(90_000, &[5, 10, 0, 160]), Some('5'), "pressed again");
    }

    #[test]
    fn flash_and_tones_and_short_payloads_are_no_keys() {
        let mut receiver = Receiver::default();
        for payload in [&[16, 10, 0, 160][..], &[66, 0, 0, 0], &[255, 0, 0, 0], &[1, 2, 3], &[]] {
            assert_eq!(receiver.take(0, payload), None, "{payload:?}");
        }
        assert_eq!(press('x', 100).count(), 0);
    }
}
