//! What sound a trunk is offered and what is taken from it (RFC 3264 sections 5 to 8, RFC 4733), packet by packet.

use crate::carrier::{OFFERED, TO, answer, call, carrier, requests, send, to_of, world_with};
use crate::{OFFER, World, millis, rtp, trunk};
use busyhour_model::Codec;
use busyhour_sip::{Event, HeaderName, Keys, Request, Response, Terms, TrunkPeer};

const BOTH: &str = "m=audio 4000 RTP/AVP 8 0 97\r\na=rtpmap:97 telephone-event/8000\r\n";

fn world(terms: Terms) -> World {
    world_with(TrunkPeer { terms, ..trunk(3, carrier()) })
}

fn terms(codecs: &[Codec], keys: Keys) -> Terms {
    Terms { codecs: codecs.to_vec(), keys, ..Terms::default() }
}

fn described(media: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n{media}")
}

/// The `m=` line and what follows it, but for the port.
fn media(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap();
    let (_, rest) = text.split_once(" RTP/AVP ").unwrap();
    rest.replace("\r\n", " ").trim_end().to_owned()
}

/// The carrier calls, offering this; our final response.
fn called(world: &mut World, body: &str) -> Response {
    let mut responses = send(world, TO, "INVITE", 1, OFFERED, body);
    if let Some(Event::Incoming(incoming)) = world.events(0).pop() {
        world.ask(0, |stack, now| stack.answer(now, incoming.leg, rtp())).unwrap();
        world.run(millis(100));
        responses = world.responses_to(carrier());
    }
    responses.pop().unwrap()
}

fn invite(world: &mut World) -> Request {
    call(world);
    requests(world).remove(0)
}

/// RFC 3264 section 5.1: formats stand in the order of preference; RFC 4733 section 2.4.1: telephone-event by our number.
#[test]
fn section_5_1_our_offer_is_the_trunks_codecs_in_its_order() {
    let events = Terms { telephone_event: 96, ptime_ms: 30, ..terms(&[Codec::Pcmu], Keys::Events) };
    for (terms, expected) in [
        (events, "0 96 a=rtpmap:0 PCMU/8000 a=rtpmap:96 telephone-event/8000 a=fmtp:96 0-15 a=ptime:30 a=sendrecv"),
        (
            terms(&[Codec::Pcmu, Codec::Pcma], Keys::Tones),
            "0 8 a=rtpmap:0 PCMU/8000 a=rtpmap:8 PCMA/8000 a=ptime:20 a=sendrecv",
        ),
    ] {
        assert_eq!(media(&invite(&mut world(terms)).body), expected);
    }
}

/// Section 6.1: the answer takes the offer's order, unless the trunk has one of its own.
#[test]
fn section_6_1_our_answer_takes_the_trunks_order_or_the_offers() {
    for (terms, expected) in [
        (Terms::default(), "8 97 a=rtpmap:8 PCMA/8000 a=rtpmap:97"),
        (terms(&[Codec::Pcmu, Codec::Pcma], Keys::Events), "0 97 a=rtpmap:0 PCMU/8000 a=rtpmap:97"),
        (terms(&[Codec::Pcmu], Keys::Tones), "0 a=rtpmap:0 PCMU/8000 a=ptime"),
        (terms(&[], Keys::Info), "8 a=rtpmap:8 PCMA/8000 a=ptime"),
    ] {
        let response = called(&mut world(terms.clone()), &described(BOTH));
        assert_eq!(response.status, 200);
        assert!(media(&response.body).starts_with(expected), "{terms:?}: {}", media(&response.body));
    }
}

/// RFC 3261 sections 13.3.1.3 and 20.43: an offer without a codec of the trunk's is refused, with the reason.
#[test]
fn section_6_an_offer_without_a_codec_of_the_trunks_is_488() {
    let mut world = world(terms(&[Codec::Pcmu], Keys::Events));
    let response = called(&mut world, &described("m=audio 4000 RTP/AVP 8\r\n"));
    let warning = response.headers.text(HeaderName::Warning);
    assert_eq!((response.status, warning), (488, Some("305 pbx.example \"Incompatible media format\"")));
    assert_eq!(world.stack(0).legs(), 0);
}

/// Section 7: a codec that we did not offer is no answer; the call is ended as with any answer we cannot use.
#[test]
fn section_7_an_answer_with_another_codec_ends_the_call() {
    let mut world = world(terms(&[Codec::Pcmu], Keys::Events));
    let invite = invite(&mut world);
    assert!(OFFER.contains("RTP/AVP 8 101"));
    answer(&mut world, &invite, 200, &[], true);
    let methods: Vec<String> = requests(&mut world).iter().map(|request| request.method.to_string()).collect();
    assert_eq!(methods, ["ACK", "BYE"]);
    assert!(matches!(world.events(0)[..], [Event::Refused { status: 488, .. }]));
}

/// Section 8.1: a later offer of theirs is held to the same terms, and our later offers are the same.
#[test]
fn section_8_terms_hold_as_long_as_the_call() {
    let mut world = world(terms(&[Codec::Pcmu], Keys::Tones));
    let first = called(&mut world, &described(BOTH));
    let to = to_of(&first);
    send(&mut world, &to, "ACK", 1, "", "");
    let alaw = send(&mut world, &to, "INVITE", 2, OFFERED, &described("m=audio 4000 RTP/AVP 8\r\n"));
    assert_eq!(alaw.last().unwrap().status, 488);
    send(&mut world, &to, "ACK", 2, "", "");
    let delayed = send(&mut world, &to, "INVITE", 3, "Contact: <sip:c@10.2.0.1:5060>\r\n", "");
    assert_eq!(media(&delayed.last().unwrap().body), "0 a=rtpmap:0 PCMU/8000 a=ptime:20 a=sendrecv");
}

/// RFC 4733: where keys are tones no INFO presses them a second time; where they come by INFO they are taken from it.
#[test]
fn keys_by_info_count_unless_they_are_tones() {
    for (keys, pressed) in [(Keys::Events, 1), (Keys::EventsOnly, 1), (Keys::Info, 1), (Keys::Tones, 0)] {
        let mut world = world(terms(&[], keys));
        let to = to_of(&called(&mut world, &described(BOTH)));
        send(&mut world, &to, "ACK", 1, "", "");
        world.events(0);
        let info = send(&mut world, &to, "INFO", 2, "Content-Type: application/dtmf\r\n", "5");
        assert_eq!(info[0].status, 200);
        let digits = world.events(0).iter().filter(|event| matches!(event, Event::Digit { digit: '5', .. })).count();
        assert_eq!(digits, pressed, "{keys:?}");
    }
}

/// What is agreed says how keys are to be heard: in the sound of a carrier that takes no events, too.
#[test]
fn tones_are_listened_for_only_where_no_other_keys_come() {
    const PLAIN: &str = "m=audio 4000 RTP/AVP 8\r\n";
    for (keys, events, plain) in [
        (Keys::Events, (Some(101), false), (None, true)),
        (Keys::EventsOnly, (Some(101), false), (None, false)),
        (Keys::Tones, (None, true), (None, true)),
        (Keys::Info, (None, false), (None, false)),
    ] {
        let mut world = world(terms(&[], keys));
        let invite = invite(&mut world);
        answer(&mut world, &invite, 200, &[], true);
        let Some(Event::Answered { audio, .. }) = world.events(0).pop() else { panic!("not answered") };
        assert_eq!((audio.telephone_event, audio.tones), events, "{keys:?}");
        let mut world = self::world(terms(&[], keys));
        send(&mut world, TO, "INVITE", 1, OFFERED, &described(PLAIN));
        let audio = world.incoming(0).audio.unwrap();
        assert_eq!((audio.telephone_event, audio.tones), plain, "{keys:?}");
    }
}
