//! Keys of carriers that take no telephone-events.

use crate::exchange::{Exchange, setup, trunk};
use busyhour_media as media;
use busyhour_model::{LegId, What};
use busyhour_switch::{Keys, Terms, TrunkSetup};

const PLAN: &str = "name = \"keys\"\nstart = \"ask\"\n[node.ask]\ncollect = \"pin\"\nlength = 2\nthen = \"judge\"\ntoo_many = \"none\"\n\
    [node.judge]\nbranch = [{ \"$pin\" = \"12\", goto = \"once\" }]\nelse = \"none\"\n[node.once]\nhangup = 486\n[node.none]\nhangup = 480\n";

#[derive(Clone, Copy, Debug)]
enum Told {
    Tone(char),
    Info(char),
}

/// The keys 1 and 2 end a call by another way than 1 and 1, or than none.
fn is_heard(keys: Keys, told: &[Told]) -> bool {
    let terms = Terms { keys, ..Terms::default() };
    let mut exchange = Exchange::new(setup(vec![TrunkSetup { terms, ..trunk(1) }], PLAN));
    let answered = exchange.call(1, "13800138000", "95118", "").unwrap();
    let to = answered.headers.text(busyhour_sip::HeaderName::To).unwrap().to_owned();
    for (n, told) in told.iter().enumerate() {
        match told {
            Told::Tone(digit) => {
                exchange.switch.handle_media(exchange.now, media::Event::Digit { leg: LegId(1), digit: *digit });
                exchange.drain();
            }
            Told::Info(digit) => exchange.receive(1, info(&to, n, *digit).as_bytes()),
        }
    }
    let entered = exchange.facts.iter().filter_map(|what| match what {
        What::NodeEntered { node, .. } => Some(node.to_string()),
        _ => None,
    });
    entered.collect::<Vec<_>>().contains(&"once".to_owned())
}

fn info(to: &str, n: usize, digit: char) -> String {
    let cseq = n + 2;
    format!(
        "INFO sip:95118@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.1.1:5060;branch=z9hG4bKinfo{n}\r\n\
         From: <sip:13800138000@10.9.1.1>;tag=1\r\nTo: {to}\r\nCall-ID: call-1\r\nCSeq: {cseq} INFO\r\nMax-Forwards: 70\r\n\
         Content-Type: application/dtmf\r\nContent-Length: 1\r\n\r\n{digit}"
    )
}

/// Who tells each key as a tone and by INFO presses it once, whichever is heard first.
#[test]
fn a_key_told_twice_is_pressed_once() {
    use Told::{Info, Tone};
    let one_way = [[Tone('1'), Tone('2')], [Info('1'), Info('2')]];
    let both_ways = [[Tone('1'), Info('1'), Tone('2'), Info('2')], [Info('1'), Tone('1'), Info('2'), Tone('2')]];
    for told in one_way {
        assert!(is_heard(Keys::Events, &told), "{told:?}");
    }
    for told in both_ways {
        assert!(is_heard(Keys::Events, &told), "{told:?}");
    }
    assert!(is_heard(Keys::Tones, &[Tone('1'), Info('1'), Tone('2'), Info('2')]));
}
