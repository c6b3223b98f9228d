//! Who calls, in and out: RFC 3323, 3325, 5806 and 7044.
#![allow(clippy::unwrap_used, missing_docs)]

use crate::carrier::{self, OFFERED, TO};
use crate::{OFFER, World, rtp};
use busyhour_model::TrunkId;
use busyhour_sip::{Form, HeaderName, Identities, Identity, Incoming, Invite, Request, Target};

/// What the switch hears of a call of the carrier with these headers.
fn heard(more: &str) -> Incoming {
    let mut world = carrier::world();
    carrier::send(&mut world, TO, "INVITE", 1, &format!("{OFFERED}{more}"), OFFER);
    world.incoming(0)
}

/// RFC 3325 sections 5 and 9: each identity apart, whom to believe is not the stack's to say.
#[test]
fn every_identity_is_heard_apart_and_kept_as_it_came() {
    let tel = "P-Asserted-Identity: \"A\" <sip:alice@ims.example>, <tel:+8613900139000;cpc=ordinary>\r\n";
    let said = [tel, "P-Preferred-Identity: <sip:1@x>\r\n", "Remote-Party-ID: \"x\" <sip:2@x>;party=calling\r\n"];
    let caller = heard(&said.concat()).caller;
    let Identities { from, asserted, preferred, remote_party, private, raw } = caller;
    assert_eq!((from.as_str(), asserted.as_deref()), ("13800138000", Some("+8613900139000")), "the tel: one of two");
    assert_eq!((preferred.as_deref(), remote_party.as_deref(), private), (Some("1"), Some("2"), false));
    let names: Vec<&str> = raw.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Request-URI", "From", "To", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID"]);
    assert_eq!(raw[3].1, "\"A\" <sip:alice@ims.example>, <tel:+8613900139000;cpc=ordinary>");
}

/// RFC 3323 section 4.2, and draft-ietf-sip-privacy-04 for Remote-Party-ID.
#[test]
fn a_caller_may_ask_to_be_withheld_in_several_ways() {
    for (more, private) in [
        ("", false),
        ("Privacy: none\r\n", false),
        ("Privacy: id\r\n", true),
        ("Privacy: Header;User\r\n", true),
        ("Privacy: critical; id\r\n", true),
        ("Privacy: session\r\n", false),
        ("Remote-Party-ID: <sip:2@x>;privacy=full;screen=yes\r\n", true),
        ("Remote-Party-ID: <sip:2@x>;privacy=off\r\n", false),
    ] {
        assert_eq!(heard(more).caller.private, private, "{more}");
    }
}

/// RFC 5806 section 4 and RFC 7044 section 5.
#[test]
fn the_number_called_first_is_found_in_either_header() {
    for more in [
        "Diversion: <sip:4008671888@x>;reason=unconditional\r\n",
        "Diversion: <tel:4008671888>;reason=no-answer\r\n",
        "History-Info: <sip:4008671888@x>;index=1, <sip:95118@y>;index=1.1\r\n",
    ] {
        assert_eq!(heard(more).diversion.as_deref(), Some("4008671888"), "{more}");
    }
}

/// The INVITE of ours that says so who calls.
fn invite(world: &mut World, identity: Identity) -> Request {
    let target = Target::Trunk { trunk: TrunkId(3), number: "+8613800138000".to_owned() };
    let from = "+862195118".to_owned();
    let invite = Invite { identity, ..Invite::new(target, from, rtp()) };
    world.ask(0, |stack, now| stack.invite(now, invite)).unwrap();
    carrier::requests(world).remove(0)
}

fn text(request: &Request, name: HeaderName) -> &str {
    request.headers.text(name).unwrap_or_default()
}

/// RFC 3325 section 9 and RFC 5806 section 4.
#[test]
fn the_identities_asked_for_are_said_and_no_others() {
    let identity = Identity {
        form: Form::UserPhone,
        to: Some("013800138000".into()),
        asserted: Some("+862195118".into()),
        diversion: Some("95118".into()),
        ..Identity::default()
    };
    let request = invite(&mut carrier::world(), identity);
    assert_eq!(request.uri.to_string(), "sip:+8613800138000@10.2.0.1:5060;user=phone");
    assert!(text(&request, HeaderName::From).starts_with("<sip:+862195118@10.2.0.1;user=phone>;tag="));
    assert_eq!(text(&request, HeaderName::To), "<sip:013800138000@10.2.0.1;user=phone>");
    assert_eq!(text(&request, HeaderName::PAssertedIdentity), "<sip:+862195118@10.2.0.1;user=phone>");
    let diversion = "<sip:95118@10.2.0.1;user=phone>;reason=unconditional;counter=1";
    assert_eq!(text(&request, HeaderName::Diversion), diversion);
    for name in
        [HeaderName::PPreferredIdentity, HeaderName::RemotePartyId, HeaderName::Privacy, HeaderName::HistoryInfo]
    {
        assert!(!request.headers.has(name), "{name:?}");
    }
}

/// RFC 3323 section 4.1: nothing but the asserted identity betrays the number.
#[test]
fn a_withheld_number_is_only_in_what_the_carrier_takes_out() {
    let asserted = Some("+862195118".into());
    let identity = Identity { private: true, asserted, ..Identity::default() };
    let request = invite(&mut carrier::world(), identity);
    assert!(text(&request, HeaderName::From).starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="));
    assert_eq!(text(&request, HeaderName::Contact), "<sip:anonymous@10.0.0.1:5060>");
    assert_eq!(text(&request, HeaderName::Privacy), "id");
    assert_eq!(text(&request, HeaderName::PAssertedIdentity), "<sip:+862195118@10.2.0.1>");
}

/// RFC 3966 section 5.1.5: a number that is not global says of which network it is.
#[test]
fn tel_addresses_are_whole() {
    let identity = Identity {
        form: Form::Tel,
        to: Some("95118".into()),
        preferred: Some("+862195118".into()),
        ..Identity::default()
    };
    let request = invite(&mut carrier::world(), identity);
    assert_eq!(request.uri.to_string(), "tel:+8613800138000");
    assert!(text(&request, HeaderName::From).starts_with("<tel:+862195118>;tag="));
    assert_eq!(text(&request, HeaderName::To), "<tel:95118;phone-context=10.2.0.1>");
    assert_eq!(text(&request, HeaderName::PPreferredIdentity), "<tel:+862195118>");
}

/// RFC 7044 section 5.1.
#[test]
fn a_caller_passed_on_brings_the_history() {
    let history = Some("95118".into());
    let request = invite(&mut carrier::world(), Identity { history, ..Identity::default() });
    let expected = "<sip:95118@10.2.0.1>;index=1, <sip:+8613800138000@10.2.0.1:5060;cause=302>;index=1.1;mp=1";
    assert_eq!(text(&request, HeaderName::HistoryInfo), expected);
}
