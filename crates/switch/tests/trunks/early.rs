//! What a dialplan plays before the answer.

use crate::exchange::{Exchange, setup, trunk};

const EARLY: &str = "name = \"early\"\nstart = \"hear\"\n[node.hear]\nplay = \"ivr/welcome\"\nearly = true\nthen = \"end\"\n\
    [node.end]\nhangup = 480\n";
const NO_OFFER: &str = "INVITE sip:95118@hotline.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.1.1:5060;branch=z9hG4bKn\r\n\
    From: <sip:13800138000@10.9.1.1>;tag=n\r\nTo: <sip:95118@hotline.example>\r\nCall-ID: n\r\nCSeq: 1 INVITE\r\n\
    Max-Forwards: 70\r\nContact: <sip:c@10.9.1.1:5060>\r\nContent-Length: 0\r\n\r\n";

/// RFC 3261 section 13.2.1: without an offer there is nothing to hear by before the answer.
#[test]
fn a_caller_who_offers_nothing_is_not_kept_waiting_for_its_end() {
    let mut exchange = Exchange::new(setup(vec![trunk(1)], EARLY));
    assert_eq!(exchange.call(1, "13800138000", "95118", "").unwrap().status, 183);
    exchange.receive(1, NO_OFFER.as_bytes());
    assert_eq!(exchange.response("n").unwrap().status, 480);
}
