//! Session descriptions (RFC 4566) and offer/answer for telephone audio (RFC 3264).

mod crypto;
mod description;
mod handshake;

use crate::header::Lines;
use crate::{Header, HeaderName, Secrecy, Terms};
use busyhour_model::{Audio, Codec, Direction, Handshake, KeySecret, Keying, Srtp};
use bytes::Bytes;
use crypto::{Crypto, OFFERED};
use description::{Description, Media};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Our end of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// Where we want RTP; RTCP one port above.
    pub address: SocketAddr,
    /// `o=` session id.
    pub session_id: u64,
    /// `o=` version; one more with every changed description (RFC 3264 section 8).
    pub version: u64,
    /// What is spoken there.
    pub terms: Terms,
    /// Offered before the others.
    pub first: Option<Codec>,
    /// Our keys are made of it: another one for each stream.
    pub secret: KeySecret,
    /// How keys come, as was agreed on last: it stays so in further offers.
    pub standing: Option<Keying>,
}

/// Why a description cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
pub enum SdpError {
    /// Not a session description: 400.
    #[error("malformed session description")]
    Malformed,
    /// No audio stream with a codec of our terms, or none as secret as they want: 488.
    #[error("no common codec or way to keep it secret")]
    NoCommonCodec,
}

impl SdpError {
    /// The status that answers an offer with this fault.
    pub fn status(self) -> u16 {
        match self {
            SdpError::Malformed => 400,
            SdpError::NoCommonCodec => 488,
        }
    }
}

/// Transports of RFC 3551 and RFC 3711.
const PLAIN: &str = "RTP/AVP";
const SECRET: &str = "RTP/SAVP";
/// Transports of RFC 5764; the first is that of our offers (RFC 8829 section 5.1.2).
const HANDSHAKES: [&str; 2] = ["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP"];
/// The first payload type that is nobody's (RFC 3551 section 6).
const DYNAMIC: u8 = 96;
/// Multipart bodies within one another.
const DEPTH_MAX: u8 = 4;

/// Our offer: our codecs and telephone-event. `direction` is ours.
pub fn offer(local: &Local, direction: Direction) -> Bytes {
    let terms = &local.terms;
    let codecs: Vec<_> = terms.offered(local.first).map(|codec| (codec, codec.assigned().1)).collect();
    let event = Some(terms.telephone_event).filter(|_| terms.speaks_events());
    let keys = || {
        let keys = OFFERED.iter().zip(1..).map(|(suite, tag)| Crypto::ours(tag, *suite, &local.secret));
        keys.map(|key| format!("a=crypto:{key}\r\n")).collect()
    };
    let secrecy = match (&local.standing, terms.srtp) {
        (Some(Keying::Handshake(_)), _) => Secrecy::Dtls,
        (Some(Keying::Said(_)), Secrecy::Accepted) => Secrecy::Required,
        (_, wanted) => wanted,
    };
    let (protocol, keys, ice) = match (secrecy, local.secret.certificate) {
        (Secrecy::Refused | Secrecy::Accepted, _) => (PLAIN, String::new(), false),
        // As phones do it that would rather be secret than not: who does not know the lines passes them over.
        (Secrecy::Offered, _) => (PLAIN, keys(), false),
        (Secrecy::Dtls, Some(ours)) => {
            (HANDSHAKES[0], handshake::lines(local, ours, "actpass", Some(&handshake::offered(local))), true)
        }
        (Secrecy::Required | Secrecy::Dtls, _) => (SECRET, keys(), false),
    };
    let mut text = session(local, "0 0", ice);
    let line = Line { protocol, mid: None, codecs: &codecs, event, ptime_ms: terms.ptime_ms, direction, keys: &keys };
    line.write(&mut text, local);
    text.into()
}

/// Our answer to `offer`, and what it makes us send. `wanted` is our wish, seen from us; theirs narrows it.
pub fn answer(local: &Local, offer: &[u8], wanted: Direction) -> Result<(Bytes, Audio), SdpError> {
    let offer = String::from_utf8_lossy(offer);
    let offer = Description::parse(&offer)?;
    let (chosen, audio) = offer
        .media
        .iter()
        .enumerate()
        .find_map(|(at, media)| Some((at, audio(media, None, wanted, local)?)))
        .ok_or(SdpError::NoCommonCodec)?;
    let ice = matches!(audio.0.srtp.as_deref(), Some(Keying::Handshake(Handshake { ice: Some(_), .. })));
    let mut text = session(local, offer.time.filter(|time| is_time(time)).unwrap_or("0 0"), ice);
    for (at, media) in offer.media.iter().enumerate() {
        if at == chosen {
            let (audio, tag) = (&audio.0, audio.1);
            let line = Line {
                protocol: media.protocol,
                mid: media.mid,
                codecs: &[(audio.codec, audio.payload_type)],
                event: audio.telephone_event,
                ptime_ms: audio.ptime_ms,
                direction: audio.direction,
                keys: &answered(audio.srtp.as_deref(), tag, local),
            };
            line.write(&mut text, local);
        } else {
            text.push_str(&format!("m={} 0 {} {}\r\n", media.kind, media.protocol, media.formats.join(" ")));
        }
    }
    Ok((text.into(), audio.0))
}

/// The lines that answer how keys are to come.
fn answered(keying: Option<&Keying>, tag: u32, local: &Local) -> String {
    match (keying, local.secret.certificate) {
        (Some(Keying::Said(Srtp { suite, ours, .. })), _) => {
            format!("a=crypto:{}\r\n", Crypto { tag, suite: *suite, key: ours.clone() })
        }
        (Some(Keying::Handshake(Handshake { active, ice, .. })), Some(ours)) => {
            handshake::lines(local, ours, if *active { "active" } else { "passive" }, ice.as_ref())
        }
        _ => String::new(),
    }
}

/// What `answer` to our `offer` makes us send.
pub fn accepted(local: &Local, offer: &[u8], answer: &[u8]) -> Result<Audio, SdpError> {
    let (offer, answer) = (String::from_utf8_lossy(offer), String::from_utf8_lossy(answer));
    let (offer, answer) = (Description::parse(&offer)?, Description::parse(&answer)?);
    let mut pairs = offer.media.iter().zip(&answer.media);
    let take = |(ours, theirs): (&Media<'_>, &Media<'_>)| audio(theirs, Some(ours), ours.direction(), local);
    pairs.find_map(take).map(|(audio, _)| audio).ok_or(SdpError::NoCommonCodec)
}

/// What a stream of the peer's makes us send: the first codec of theirs that we speak; of an offer to us, that which our order
/// names first (RFC 3264 section 6.1). `asked` is the stream of ours that it answers. The tag is that of the keys, where there are some.
fn audio(theirs: &Media<'_>, asked: Option<&Media<'_>>, wanted: Direction, local: &Local) -> Option<(Audio, u32)> {
    let terms = &local.terms;
    let remote = theirs.remote().filter(|_| theirs.kind == "audio")?;
    let keying = match theirs.protocol {
        PLAIN | SECRET => keys(theirs, asked, local).map(|(tag, srtp)| (tag, Keying::Said(srtp))),
        other if HANDSHAKES.contains(&other) => {
            handshake::agree(theirs, asked, local).map(|agreed| (0, Keying::Handshake(agreed)))
        }
        _ => None,
    };
    let plain = theirs.protocol == PLAIN && !matches!(terms.srtp, Secrecy::Required | Secrecy::Dtls);
    (keying.is_some() || plain).then_some(())?;
    let (tag, srtp) = keying.map_or((0, None), |(tag, keying)| (tag, Some(Box::new(keying))));
    let named = |format: &str| theirs.rtpmap(format).or_else(|| asked?.rtpmap(format));
    let payload_type = |format: &str| format.parse::<u8>().ok().filter(|number| *number < 128);
    let find = |speaks: &dyn Fn(&str) -> bool| {
        theirs.formats.iter().copied().find(|format| payload_type(format).is_some() && speaks(format))
    };
    let speaks = |format: &str, ours: &[Codec]| codec(format, named(format)).is_some_and(|codec| ours.contains(&codec));
    let format = match asked {
        Some(asked) => {
            let offered = asked.formats.iter().filter_map(|format| codec(format, asked.rtpmap(format)));
            let offered: Vec<Codec> = offered.collect();
            find(&|format| speaks(format, &offered))
        }
        None => terms.taken().find_map(|ours| find(&|format| speaks(format, ours))),
    }?;
    let is_event = |name: &str| mono(name).eq_ignore_ascii_case("telephone-event/8000");
    let event = find(&|format| terms.speaks_events() && named(format).is_some_and(is_event));
    let seen = theirs.direction().reversed();
    let audio = Audio {
        remote,
        remote_rtcp: if theirs.rtcp_mux && HANDSHAKES.contains(&theirs.protocol) {
            remote
        } else {
            theirs.remote_rtcp(remote)
        },
        codec: codec(format, named(format))?,
        payload_type: payload_type(format)?,
        telephone_event: event.and_then(payload_type),
        tones: terms.hears_tones(event.is_some()),
        gain: terms.gain,
        ptime_ms: theirs.ptime_ms(),
        direction: description::direction(seen.sends() && wanted.sends(), seen.receives() && wanted.receives()),
        srtp,
    };
    Some((audio, tag))
}

/// The keys of a stream, and their tag: the first of an offer that we can use; of an answer those to one of ours (RFC 4568 section 5).
fn keys(theirs: &Media<'_>, asked: Option<&Media<'_>>, local: &Local) -> Option<(u32, Srtp)> {
    let known = |line: &Crypto| match asked {
        Some(asked) => asked.cryptos().find(|ours| (ours.tag, ours.suite) == (line.tag, line.suite)),
        None => {
            Some(Crypto::ours(line.tag, line.suite, &local.secret)).filter(|_| local.terms.srtp != Secrecy::Refused)
        }
    };
    theirs.cryptos().find_map(|line| {
        let Crypto { tag, suite, key: ours } = known(&line)?;
        Some((tag, Srtp { suite, ours, theirs: line.key }))
    })
}

/// The codec of a payload type: by its rtpmap, without one by its number (RFC 3551 section 6).
fn codec(format: &str, rtpmap: Option<&str>) -> Option<Codec> {
    let name = rtpmap.map(mono);
    Codec::ALL.iter().copied().find(|codec| {
        let (encoding, number) = codec.assigned();
        match name {
            Some(name) => name.eq_ignore_ascii_case(encoding),
            None => number < DYNAMIC && format.parse() == Ok(number),
        }
    })
}

/// An encoding without its one channel, that some write and some do not.
fn mono(encoding: &str) -> &str {
    encoding.strip_suffix("/1").unwrap_or(encoding)
}

fn session(local: &Local, time: &str, ice: bool) -> String {
    let Local { session_id, version, .. } = local;
    let place = place(local.address);
    let ice = if ice { "a=ice-lite\r\n" } else { "" };
    format!("v=0\r\no=busyhour {session_id} {version} {place}\r\ns=-\r\nc={place}\r\nt={time}\r\n{ice}")
}

fn place(address: SocketAddr) -> String {
    format!("IN {} {}", if address.is_ipv4() { "IP4" } else { "IP6" }, address.ip())
}

/// The lines of our audio stream.
struct Line<'a> {
    protocol: &'a str,
    mid: Option<&'a str>,
    codecs: &'a [(Codec, u8)],
    event: Option<u8>,
    ptime_ms: u8,
    direction: Direction,
    /// How keys come, as lines.
    keys: &'a str,
}

impl Line<'_> {
    fn write(&self, text: &mut String, local: &Local) {
        let mut line = format!("m=audio {} {}", local.address.port(), self.protocol);
        let mut attributes = self.mid.map(|mid| format!("a=mid:{mid}\r\n")).unwrap_or_default();
        for (codec, number) in self.codecs {
            let encoding = codec.assigned().0;
            line.push_str(&format!(" {number}"));
            attributes.push_str(&format!("a=rtpmap:{number} {encoding}\r\n"));
            if let Some(parameters) = codec.parameters() {
                attributes.push_str(&format!("a=fmtp:{number} {parameters}\r\n"));
            }
        }
        if let Some(number) = self.event {
            line.push_str(&format!(" {number}"));
            attributes.push_str(&format!("a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-15\r\n"));
        }
        attributes.push_str(self.keys);
        let direction = match self.direction {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        };
        text.push_str(&format!("{line}\r\n{attributes}a=ptime:{}\r\na={direction}\r\n", self.ptime_ms));
    }
}

fn is_time(time: &str) -> bool {
    time.bytes().all(|byte| byte.is_ascii_digit() || byte == b' ')
}

/// The session description in a message body: the body itself, or the first such part of a multipart one (RFC 5621).
pub fn find(content_type: Option<&[u8]>, body: &Bytes) -> Option<Bytes> {
    find_within(content_type, body, DEPTH_MAX)
}

fn find_within(content_type: Option<&[u8]>, body: &Bytes, depth: u8) -> Option<Bytes> {
    let mut params = content_type?.split(|byte| *byte == b';');
    let kind = params.next()?.trim_ascii();
    if kind.eq_ignore_ascii_case(b"application/sdp") {
        return Some(body.clone()).filter(|body| !body.is_empty());
    }
    let is_multipart = kind.get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/"));
    let boundary = params.filter(|_| is_multipart && depth > 0).find_map(|param| {
        let (name, value) = param.trim_ascii().split_at_checked(9)?;
        name.eq_ignore_ascii_case(b"boundary=").then(|| crate::value::unquote(value))
    })?;
    part(body, format!("--{boundary}").as_bytes(), depth - 1)
}

/// The first session description among the parts of a multipart body (RFC 2046 section 5.1).
fn part(body: &Bytes, delimiter: &[u8], depth: u8) -> Option<Bytes> {
    let mut starts = memchr::memmem::find_iter(body, delimiter).map(|at| at + delimiter.len()).peekable();
    while let Some(start) = starts.next() {
        let end = starts.peek().map_or(body.len(), |next| next - delimiter.len());
        let text = &body[start..end];
        let Some(blank) = memchr::memmem::find(text, b"\r\n\r\n") else { continue };
        let mut fields = Lines::new(&text[..blank + 2], 2)
            .filter_map(|line| Header::parse(body.slice(start + line.start..start + line.end)));
        let Some(kind) = fields.find(|field| field.name == HeaderName::ContentType) else { continue };
        let content = body.slice(start + blank + 4..end);
        let content = content.strip_suffix(b"\r\n").map_or(content.clone(), |shorter| content.slice_ref(shorter));
        if let Some(found) = find_within(Some(kind.value()), &content, depth) {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests;
