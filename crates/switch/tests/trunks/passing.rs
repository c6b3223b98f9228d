//! A codec that is only passed on: both sides of a call speak it, or there is no call.

use crate::exchange::{Exchange, dialling, setup, trunk};
use busyhour_media::Command;
use busyhour_model::Codec;
use busyhour_switch::{Terms, TrunkSetup};
use std::collections::BTreeSet;

/// A caller who has nothing but G.729 dials through to carrier 2, which takes these codecs; and what it is told at once.
fn dialled(codecs: &[Codec]) -> (Exchange, Option<u16>) {
    let with =
        |n, codecs: &[Codec]| TrunkSetup { terms: Terms { codecs: codecs.to_vec(), ..Terms::default() }, ..trunk(n) };
    let trunks = vec![with(1, &[Codec::Pcma, Codec::G729]), with(2, codecs)];
    let mut exchange = Exchange::new(setup(trunks, &dialling("{ number = \"13800138000\", trunk = \"t2\" }")));
    exchange.formats = "18";
    let told = exchange.call(1, "13800138000", "95118", "").map(|response| response.status);
    (exchange, told)
}

#[test]
fn who_is_dialled_is_offered_it_alone_and_both_speak_it() {
    for codecs in [&[][..], &[Codec::Pcma, Codec::G729]] {
        let (mut exchange, _) = dialled(codecs);
        let invite = exchange.request(2, "INVITE").unwrap();
        let offer = String::from_utf8(invite.body.to_vec()).unwrap();
        assert!(offer.contains("RTP/AVP 18 101\r\n"), "{offer}");
        exchange.answer(2, &invite, 200, &[]);
        let spoken: BTreeSet<_> = exchange
            .media
            .iter()
            .filter_map(|command| match command {
                Command::Connect { leg, audio } => Some((leg.0, audio.payload_type)),
                _ => None,
            })
            .collect();
        assert_eq!(spoken.into_iter().collect::<Vec<_>>(), [(1, 18), (2, 18)]);
    }
}

#[test]
fn who_does_not_take_it_is_not_called_in_vain() {
    let (mut exchange, told) = dialled(&[Codec::Pcma]);
    assert_eq!(exchange.request(2, "INVITE"), None);
    assert_eq!(told, Some(404));
}
