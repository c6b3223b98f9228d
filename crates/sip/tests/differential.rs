//! Two parsers of other people read the same messages, whole and damaged: where both take one they read the same in it, and where
//! only one does the reason is in a table.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "the corpus is files")]

#[path = "wire/corpus.rs"]
mod corpus;

use busyhour_sip::{Host, Limits, Message, Uri};
use bytes::Bytes;
use corpus::{config, damaged, plain, well_formed};
use proptest::prelude::any;
use proptest::sample::Index;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

/// What a parser found in a message.
#[derive(Debug, PartialEq)]
struct Reading {
    start: String,
    uri: Option<Place>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    hop: (String, Option<u16>, Option<Vec<u8>>),
    from: (Place, Option<Vec<u8>>),
    to: (Place, Option<Vec<u8>>),
    call_id: Vec<u8>,
    sequence: (u32, String),
    body: Bytes,
}

/// User, host and port of a SIP URI; nothing of any other.
type Place = Option<(Option<Vec<u8>>, String, Option<u16>)>;

fn ours(bytes: &Bytes) -> Result<Reading, String> {
    fn place(uri: &Uri) -> Place {
        let sip = matches!(uri.scheme, busyhour_sip::Scheme::Sip | busyhour_sip::Scheme::Sips);
        sip.then(|| (uri.user.clone().map(String::into_bytes), host(&uri.host), uri.port))
    }
    fn host(host: &Host) -> String {
        match host {
            Host::Domain(name) => name.clone(),
            Host::V4(address) => address.to_string(),
            Host::V6(address) => address.to_string(),
        }
    }
    let message = Message::parse(bytes, &Limits::default()).map_err(|error| format!("{:?}", error.fault))?;
    let (start, uri) = match &message {
        Message::Request(request) => (request.method.to_string(), Some(place(&request.uri))),
        Message::Response(response) => (response.status.to_string(), None),
    };
    let headers = message.headers();
    let (via, from, to) = (headers.top_via().unwrap(), headers.from().unwrap(), headers.to().unwrap());
    let tag =
        |address: &busyhour_sip::NameAddr| (place(&address.uri), address.tag().map(|tag| tag.as_bytes().to_vec()));
    let (number, method) = headers.cseq().unwrap();
    Ok(Reading {
        start,
        uri,
        fields: headers.iter().map(|field| (long(field.spelling()), field.value().to_vec())).collect(),
        hop: (host(&via.host), via.port, via.branch().map(|branch| branch.as_bytes().to_vec())),
        from: tag(&from),
        to: tag(&to),
        call_id: headers.call_id().as_bytes().to_vec(),
        sequence: (number, method.to_string()),
        body: match &message {
            Message::Request(request) => request.body.clone(),
            Message::Response(response) => response.body.clone(),
        },
    })
}

/// A field's name in lower case, as long as RFC 3261 has it.
fn long(name: &[u8]) -> Vec<u8> {
    sipx_sip::HeaderName::parse(&Bytes::copy_from_slice(name)).canonical().to_ascii_lowercase()
}

fn theirs(bytes: &Bytes) -> Result<Reading, String> {
    use sipx_sip::headers::{CSeq, CallId, From, To, Via};
    fn place(uri: &sipx_sip::Uri) -> Place {
        uri.host().map(|found| (uri.user().map(<[u8]>::to_vec), host(found), uri.port()))
    }
    fn host(host: &sipx_sip::uri::Host) -> String {
        String::from_utf8(host.to_bytes().to_vec()).unwrap()
    }
    let message =
        sipx_sip::parse_datagram(bytes.clone(), &sipx_sip::Limits::datagram()).map_err(|error| format!("{error:?}"))?;
    // Not having Max-Forwards is no reason to refuse a request (RFC 3261 section 16.3).
    let findings = sipx_sip::validate(&message);
    if let Some(finding) = findings.iter().find(|finding| !finding.is_repairable()) {
        return Err(format!("{finding:?}"));
    }
    let headers = message.headers();
    let (start, uri) = match &message {
        sipx_sip::Message::Request(request) => {
            (String::from_utf8(request.method.as_bytes().to_vec()).unwrap(), Some(place(&request.uri)))
        }
        sipx_sip::Message::Response(response) => (response.status.code().to_string(), None),
    };
    let via = headers.typed::<Via>().unwrap().unwrap();
    let (from, to) = (headers.typed::<From>().unwrap().unwrap().0, headers.typed::<To>().unwrap().unwrap().0);
    let cseq = headers.typed::<CSeq>().unwrap().unwrap();
    Ok(Reading {
        start,
        uri,
        fields: headers
            .iter()
            .map(|field| (field.name().canonical().to_ascii_lowercase(), field.value().into_owned()))
            .collect(),
        hop: (host(&via.host), via.port, via.branch().map(<[u8]>::to_vec)),
        from: (place(&from.uri), from.tag().map(<[u8]>::to_vec)),
        to: (place(&to.uri), to.tag().map(<[u8]>::to_vec)),
        call_id: headers.typed::<CallId>().unwrap().unwrap().0,
        sequence: (cseq.sequence, String::from_utf8(cseq.method.as_bytes().to_vec()).unwrap()),
        body: message.body().clone(),
    })
}

/// Messages of a strategy, always the same ones.
fn messages<S: Strategy>(count: u32, strategy: S) -> impl Iterator<Item = S::Value> {
    let mut runner = TestRunner::new(config(1));
    (0..count).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

/// Who refuses alone, and why that is right or harmless.
const REFUSED_BY_THEM: &[(&str, &str)] = &[
    ("HeaderSyntax", "a line folded between a name and its colon is unfolded first"),
    (
        "MalformedRequiredHeader(\"From\")",
        "characters no grammar allows in a user or a parameter are let through: they are seen in the field",
    ),
    ("MalformedRequiredHeader(\"To\")", "the same"),
    ("MalformedRequiredHeader(\"Via\")", "the same of a hop"),
    ("StartLine(Uri(IllegalCharacter))", "the same in a Request-URI"),
    ("StartLine(Uri(TelephoneSubscriber))", "a number is judged where it is dialled"),
    ("StartLine(Uri(User))", "so is a user"),
];
const REFUSED_BY_US: &[(&str, &str)] = &[
    ("Header(CallId)", "RFC 3261 section 25.1: a callid is a word, without white space; they take anything"),
    ("Header(Contact)", "they do not read Contact before it is asked for"),
    ("Header(From)", "a scheme begins with a letter (RFC 3986 section 3.1)"),
    ("Header(To)", "the same"),
    ("Uri", "the same"),
    ("Header(Via)", "they read the first hop only, we read all"),
    ("NotSip", "a start line is not folded (RFC 3261 section 7.1)"),
];

#[test]
fn sipx_reads_the_same() {
    let (mut both, mut unexplained) = (0, Vec::new());
    let explained = |table: &[(&str, &str)], why: &str| table.iter().any(|(known, _)| why.starts_with(known));
    for bytes in messages(4_000, well_formed()).chain(messages(40_000, damaged())).map(Bytes::from) {
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        match (ours(&bytes), theirs(&bytes)) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours, theirs, "\n{}", text());
                both += 1;
            }
            (Err(_), Err(_)) => {}
            (Ok(_), Err(why)) if explained(REFUSED_BY_THEM, &why) => {}
            (Err(why), Ok(_)) if explained(REFUSED_BY_US, &why) => {}
            (Ok(_), Err(why)) => unexplained.push(format!("only they refuse, {why}:\n{}", text())),
            (Err(why), Ok(_)) => unexplained.push(format!("only we refuse, {why}:\n{}", text())),
        }
    }
    assert!(both > 10_000, "{both} messages taken by both");
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}

/// rsip reads text only, and of a damaged value silently what it understands; what it reads whole it must read as we do.
#[test]
fn rsip_reads_the_same_where_it_reads() {
    use rsip::message::HeadersExt;
    use rsip::prelude::{ToTypedHeader, UntypedHeader};
    let (mut both, mut damages) = (0, messages(20_000, (any::<Index>(), 0..4usize, "[ -~]{0,3}")));
    for mut text in messages(20_000, plain()) {
        let (at, gone, new) = damages.next().unwrap();
        let at = at.index(text.len());
        text.replace_range(at..(at + gone).min(text.len()), &new);
        let ours = Message::parse(&Bytes::from(text.clone()), &Limits::default());
        let (Ok(Message::Request(ours)), Ok(theirs)) = (ours, rsip::Request::try_from(text.as_str())) else { continue };
        let Some(cseq) = theirs.cseq_header().ok().and_then(|field| field.typed().ok()) else { continue };
        let (number, method) = ours.headers.cseq().unwrap();
        assert_eq!(ours.method.to_string(), theirs.method.to_string(), "{text}");
        assert_eq!((number, method.to_string()), (cseq.seq, cseq.method.to_string()), "{text}");
        assert_eq!(ours.headers.call_id(), theirs.call_id_header().unwrap().value(), "{text}");
        both += 1;
    }
    assert!(both > 9_000, "{both} messages taken by both");
}
