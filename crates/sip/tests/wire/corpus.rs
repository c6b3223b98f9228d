//! Messages to read: generated, from the corpus, and damaged.

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::test_runner::RngSeed;

/// The same cases in every run.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(3261), failure_persistence: None, ..ProptestConfig::default() }
}

/// Fields of a well-formed request, each in several spellings, with bytes beyond UTF-8 where RFC 3261 lets them be.
fn fields() -> impl Strategy<Value = Vec<u8>> {
    let line = |names: &'static [&'static str], value: &'static str| {
        (proptest::sample::select(names), "( |  |\t)?", proptest::string::string_regex(value).unwrap())
            .prop_map(|(name, space, value)| format!("{name}:{space}{value}").into_bytes())
    };
    let required = (
        line(
            &["Via", "v", "VIA", "v "],
            "SIP/2\\.0/(UDP|TCP) [a-z0-9.]{1,12}z(:[1-9][0-9]{0,3})?;branch=z9hG4bK[a-zA-Z0-9.]{1,20}(;rport)?",
        ),
        line(
            &["From", "f"],
            "(\"[ -!#-\\[\\]-~]{0,12}\" )?<sip:[a-z0-9+*]{1,12}@[a-z]{1,9}(;user=phone)?>;tag=[a-z0-9]{1,9}",
        ),
        line(&["To", "T"], "([A-Za-z]{1,9} )?<(sip:[0-9]{1,12}@[a-z]{1,9}|tel:\\+[0-9]{5,12})>"),
        line(&["Call-ID", "i", "call-id"], "[a-zA-Z0-9.]{1,30}(@[a-z0-9.]{1,20})?"),
    );
    let other = (
        proptest::sample::select(vec!["X-Own", "Subject", "s", "P-Early-Media"]),
        proptest::collection::vec(any::<u8>(), 0..30),
    )
        .prop_map(|(name, value)| [name.as_bytes(), b": ", &value].concat())
        .prop_map(|line| line.into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect::<Vec<u8>>());
    (required, proptest::collection::vec(other, 0..5), any::<u64>()).prop_map(
        |((via, from, to, call_id), others, shuffle)| {
            let mut lines: Vec<_> = [via, from, to, call_id].into_iter().chain(others).collect();
            let count = lines.len();
            lines.rotate_left(shuffle as usize % count);
            lines.iter().flat_map(|line| [line, &b"\r\n"[..]].concat()).collect()
        },
    )
}

/// A whole request, with the length of its body somewhere.
pub(crate) fn well_formed() -> impl Strategy<Value = Vec<u8>> {
    let uri = "sip:[a-z0-9%2B]{0}[a-z0-9.!*]{1,12}@([a-z]{1,9}\\.com|10\\.0\\.0\\.[1-9]|\\[2001:db8::[1-9]\\])(:[1-9][0-9]{0,3})?(;transport=udp)?(;lr)?|tel:[0-9]{3,12}";
    let method = prop_oneof![Just("INVITE"), Just("OPTIONS"), Just("REGISTER"), Just("X-own")];
    (method, uri, fields(), 0..1u32 << 31, proptest::collection::vec(any::<u8>(), 0..200), any::<bool>()).prop_map(
        |(method, uri, fields, number, body, compact)| {
            let length = format!("{}: {}\r\n", if compact { "l" } else { "Content-Length" }, body.len());
            let start = format!("{method} {uri} SIP/2.0\r\nCSeq: {number} {method}\r\n");
            [start.as_bytes(), &fields, length.as_bytes(), b"\r\n", &body].concat()
        },
    )
}

/// A plain request, such as rsip reads too.
pub(crate) fn plain() -> impl Strategy<Value = String> {
    let parts = (
        "[a-z0-9]{1,10}",
        "[a-z]{1,8}\\.com",
        1..65535u16,
        "[a-zA-Z0-9]{1,16}",
        "[a-zA-Z0-9]{1,12}",
        1..1_000_000u32,
        "[ -~]{0,60}",
    );
    let method = proptest::sample::select(vec!["INVITE", "BYE", "OPTIONS", "REGISTER", "INFO"]);
    (parts, method).prop_map(|((user, host, port, branch, tag, number, body), method)| {
        format!(
            "{method} sip:{user}@{host}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
             From: \"{user}\" <sip:{user}@{host}>;tag={tag}\r\nTo: <sip:{branch}@{host}:{port};lr>\r\nCall-ID: {branch}@{host}\r\n\
             CSeq: {number} {method}\r\nContact: <sip:{user}@{host}:{port}>;expires={number}\r\nContent-Type: text/plain\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    })
}

/// A message of the corpus, or a generated one, with some bytes changed, taken out, or taken from elsewhere.
pub(crate) fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/torture");
    let files = [folder, concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/torture/ipv6")].into_iter();
    let files = files.flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    let corpus: Vec<Vec<u8>> = files.filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap()).collect();
    let corpus = {
        let mut corpus = corpus;
        corpus.sort();
        corpus
    };
    let bite = (
        any::<proptest::sample::Index>(),
        0..4usize,
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..4),
            proptest::sample::select(vec![
                &b"\r\n"[..],
                b"\r\n ",
                b";",
                b"\"",
                b"<",
                b">",
                b",",
                b"%",
                b"=",
                b":",
                b"@",
                b" ",
                b"\\",
                b"]",
                b"\xff",
                b"99999999999"
            ])
            .prop_map(<[u8]>::to_vec),
        ],
    );
    let base = prop_oneof![3 => proptest::sample::select(corpus), 1 => well_formed()];
    (base, proptest::collection::vec(bite, 0..6)).prop_map(|(mut bytes, bites)| {
        for (at, gone, new) in bites {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..(at + gone).min(bytes.len()), new);
        }
        bytes
    })
}
