//! RFC 4475, message by message: what is valid is kept byte for byte, what is not gets the status its section names.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "the corpus is files")]

use busyhour_sip::{Contacts, Fault, HeaderName, Limits, Message, Method, ParseError, Request, Response, Scheme};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/torture")
}

fn bytes(label: &str) -> Bytes {
    std::fs::read(folder().join(format!("{label}.dat"))).unwrap().into()
}

fn parse(label: &str) -> Result<Message, ParseError> {
    Message::parse(&bytes(label), &Limits::default())
}

fn request(label: &str) -> Request {
    match parse(label) {
        Ok(Message::Request(request)) => request,
        other => panic!("{label}: {other:?}"),
    }
}

fn response(label: &str) -> Response {
    match parse(label) {
        Ok(Message::Response(response)) => response,
        other => panic!("{label}: {other:?}"),
    }
}

/// Section 3.1.1, and of sections 3.2 to 3.4 what only a transaction, a registrar or a user agent can judge.
const ACCEPTED: &[&str] = &[
    "wsinv",
    "intmeth",
    "esc01",
    "escnull",
    "esc02",
    "lwsdisp",
    "longreq",
    "dblreq",
    "semiuri",
    "transports",
    "mpart01",
    "unreason",
    "noreason",
    "baddate",
    "badbranch",
    "unkscm",
    "novelsc",
    "unksm2",
    "bext01",
    "invut",
    "regaut01",
    "bcast",
    "zeromf",
    "cparam01",
    "cparam02",
    "regescrt",
    "sdp01",
    "inv2543",
];

/// Section 3.1.2 and those of 3.3 that the message itself betrays. No status: a response, dropped.
const REFUSED: &[(&str, Fault, Option<u16>)] = &[
    ("badinv01", Fault::Header(HeaderName::Via), Some(400)),
    ("clerr", Fault::Truncated, Some(400)),
    ("ncl", Fault::Header(HeaderName::ContentLength), Some(400)),
    ("scalar02", Fault::Header(HeaderName::CSeq), Some(400)),
    ("scalarlg", Fault::Header(HeaderName::CSeq), None),
    ("quotbal", Fault::Header(HeaderName::To), Some(400)),
    ("ltgtruri", Fault::Uri, Some(400)),
    ("lwsruri", Fault::Uri, Some(400)),
    ("lwsstart", Fault::Uri, Some(400)),
    ("trws", Fault::StartLine, Some(400)),
    ("escruri", Fault::Uri, Some(400)),
    ("regbadct", Fault::Header(HeaderName::Contact), Some(400)),
    ("badaspec", Fault::Header(HeaderName::To), Some(400)),
    ("baddn", Fault::Unfinished, Some(400)),
    ("badvers", Fault::Version, Some(505)),
    ("mismatch01", Fault::CSeqMethod, Some(400)),
    ("mismatch02", Fault::CSeqMethod, Some(400)),
    ("bigcode", Fault::NotSip, None),
    ("insuf", Fault::Missing(HeaderName::From), Some(400)),
    ("multi01", Fault::Repeated(HeaderName::CallId), Some(400)),
    ("test", Fault::NotSip, None),
    ("mcl01", Fault::Repeated(HeaderName::ContentLength), Some(400)),
];

#[test]
fn every_message_of_the_rfc_is_in_the_table() {
    let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let labels: BTreeSet<_> = files
        .filter(|path| path.extension().is_some_and(|end| end == "dat"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let table: BTreeSet<_> =
        ACCEPTED.iter().chain(REFUSED.iter().map(|(label, ..)| label)).map(|label| label.to_string()).collect();
    assert_eq!(table.len(), 50);
    assert_eq!(labels, table);
}

#[test]
fn valid_messages_survive_parse_write_parse() {
    for label in ACCEPTED {
        let message = parse(label).unwrap_or_else(|error| panic!("{label}: {error}"));
        let written = message.to_bytes();
        let again = Message::parse(&written, &Limits::default()).unwrap();
        assert_eq!(again.to_bytes(), written, "{label}");
        let lines = |message: &Message| -> Vec<_> {
            message.headers().iter().filter(|header| header.name != HeaderName::ContentLength).cloned().collect()
        };
        assert_eq!(lines(&again), lines(&message), "{label}");
        let snapshot: Message = postcard::from_bytes(&postcard::to_stdvec(&message).unwrap()).unwrap();
        assert_eq!(snapshot, message, "{label}");
    }
}

#[test]
fn valid_unfolded_messages_are_written_as_they_came() {
    for label in
        ["intmeth", "esc02", "escnull", "longreq", "mpart01", "unreason", "transports", "unksm2", "regescrt", "invut"]
    {
        assert_eq!(parse(label).unwrap().to_bytes(), bytes(label), "{label}");
    }
}

#[test]
fn invalid_messages_get_the_status_of_their_section() {
    for (label, fault, status) in REFUSED {
        let error = parse(label).expect_err(label);
        assert_eq!((error.fault, error.reply.as_ref().map(|reply| reply.status)), (*fault, *status), "{label}");
        let Some(reply) = error.reply else { continue };
        let text = String::from_utf8_lossy(&bytes(label)).into_owned();
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
            for value in reply.headers.all(name) {
                assert!(text.contains(std::str::from_utf8(value).unwrap()), "{label}: {name:?} is not as it came");
            }
        }
        assert!(reply.headers.has(HeaderName::Via) && reply.headers.has(HeaderName::CSeq), "{label}");
    }
}

#[test]
fn tortuous_white_space_is_read_through() {
    let request = request("wsinv");
    let headers = &request.headers;
    assert_eq!(headers.to().unwrap().tag(), Some("1918181833n"));
    assert_eq!(headers.from().unwrap().display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!((headers.from_tag().as_deref(), headers.max_forwards()), (Some("98asjd8"), Some(68)));
    assert_eq!(headers.cseq(), Ok((9, Method::Invite)));
    assert_eq!(headers.named("NEWFANGLEDheader"), Some(&b"newfangled value continued newfangled value"[..]));
    assert_eq!(headers.first(HeaderName::Subject), Some(&b""[..]));
    let vias = headers.vias().unwrap();
    assert_eq!(
        vias.iter().map(|via| via.branch().unwrap()).collect::<Vec<_>>(),
        ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    );
    assert_eq!(vias[0].to_string(), "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw");
    let Ok(Contacts::List(contacts)) = headers.contacts() else { panic!("one contact") };
    assert_eq!(
        (contacts[0].display.as_deref(), contacts[0].param("newparam"), contacts[0].param("q")),
        (Some("Quoted string \"\""), Some("newvalue"), Some("0.33"))
    );
    assert_eq!(headers.routes().unwrap()[0].uri.param("unknownwith"), Some("value"));
    assert_eq!(headers.content_length(), Some(150));
}

#[test]
fn escapes_and_strange_characters_mean_what_the_rfc_says() {
    let intmeth = request("intmeth");
    assert_eq!(intmeth.method, Method::Other("!interesting-Method0123456789_*+`.%indeed'~".into()));
    assert_eq!(intmeth.uri.user.as_deref(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(intmeth.headers.to().unwrap().display.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    assert_eq!(request("esc01").uri.user_unescaped().as_deref(), Some("sips:user@example.com"));
    assert_eq!(request("esc02").method, Method::Other("RE%47IST%45R".into()));
    assert_eq!(request("escnull").headers.to().unwrap().uri.user_unescaped().as_deref(), Some("null-\0-null"));
    let semiuri = request("semiuri").uri;
    assert_eq!((semiuri.user.as_deref(), semiuri.params.len()), (Some("user;par=u%40example.net"), 0));
    assert_eq!(request("lwsdisp").headers.from().unwrap().display.as_deref(), Some("caller"));
    let vias = request("longreq").headers.vias().unwrap();
    assert_eq!((vias.len(), vias[33].received()), (34, Some("192.0.2.5".parse().unwrap())));
    assert_eq!(request("dblreq").method, Method::Register);
    assert!(request("dblreq").body.is_empty());
    assert_eq!(request("mpart01").body.len(), 553);
    assert_eq!((response("unreason").status, response("noreason").reason.len()), (200, 0));
}

#[test]
fn what_a_stack_must_refuse_is_there_to_be_seen() {
    assert_eq!(request("unkscm").uri.scheme, Scheme::Other("nobodyKnowsThisScheme".into()));
    assert_eq!(request("novelsc").uri.scheme, Scheme::Other("soap.beep".into()));
    assert_eq!(
        request("bext01").headers.require().collect::<Vec<_>>(),
        ["nothingSupportsThis", "nothingSupportsThisEither"]
    );
    assert_eq!(request("invut").headers.content_type().as_deref(), Some("application/unknownformat"));
    assert_eq!(request("zeromf").headers.max_forwards(), Some(0));
    assert_eq!(request("badbranch").headers.top_via().unwrap().branch(), Some("z9hG4bK"));
    assert_eq!(request("inv2543").headers.top_via().unwrap().branch(), None);
    assert_eq!(response("bcast").headers.vias().unwrap().len(), 2);
    assert!(request("sdp01").sdp().is_some() && request("unksm2").headers.contacts().is_ok());
}
