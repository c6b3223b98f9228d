//! Session descriptions (RFC 4566) and offer/answer for telephone audio (RFC 3264).

mod description;

use crate::header::Lines;
use crate::{Header, HeaderName, Terms};
use busyhour_model::{Audio, Codec, Direction};
use bytes::Bytes;
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
}

/// Why a description cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
pub enum SdpError {
    /// Not a session description: 400.
    #[error("malformed session description")]
    Malformed,
    /// No audio stream with a codec of our terms over RTP/AVP: 488.
    #[error("no common codec")]
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

/// Multipart bodies within one another.
const DEPTH_MAX: u8 = 4;

/// Our offer: our codecs and telephone-event. `direction` is ours.
pub fn offer(local: &Local, direction: Direction) -> Bytes {
    let terms = &local.terms;
    let number = |codec: &Codec| if *codec == Codec::Pcma { 8 } else { 0 };
    let codecs: Vec<_> = terms.offered().iter().map(|codec| (*codec, number(codec))).collect();
    let event = Some(terms.telephone_event).filter(|_| terms.speaks_events());
    let mut text = session(local, "0 0");
    audio_lines(&mut text, local, &codecs, event, terms.ptime_ms, direction);
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
        .find_map(|(at, media)| Some((at, audio(media, None, wanted, &local.terms)?)))
        .ok_or(SdpError::NoCommonCodec)?;
    let mut text = session(local, offer.time.filter(|time| is_time(time)).unwrap_or("0 0"));
    for (at, media) in offer.media.iter().enumerate() {
        if at == chosen {
            let codecs = [(audio.codec, audio.payload_type)];
            audio_lines(&mut text, local, &codecs, audio.telephone_event, audio.ptime_ms, audio.direction);
        } else {
            text.push_str(&format!("m={} 0 {} {}\r\n", media.kind, media.protocol, media.formats.join(" ")));
        }
    }
    Ok((text.into(), audio))
}

/// What `answer` to our `offer` of these terms makes us send.
pub fn accepted(terms: &Terms, offer: &[u8], answer: &[u8]) -> Result<Audio, SdpError> {
    let (offer, answer) = (String::from_utf8_lossy(offer), String::from_utf8_lossy(answer));
    let (offer, answer) = (Description::parse(&offer)?, Description::parse(&answer)?);
    let mut pairs = offer.media.iter().zip(&answer.media);
    let take = |(ours, theirs): (&Media<'_>, &Media<'_>)| audio(theirs, Some(ours), ours.direction(), terms);
    pairs.find_map(take).ok_or(SdpError::NoCommonCodec)
}

/// What a stream of the peer's makes us send: the first codec of theirs that we speak; of an offer to us, that which our order
/// names first (RFC 3264 section 6.1). `asked` is the stream of ours that it answers.
fn audio(theirs: &Media<'_>, asked: Option<&Media<'_>>, wanted: Direction, terms: &Terms) -> Option<Audio> {
    let usable = theirs.kind == "audio" && theirs.protocol == "RTP/AVP";
    let remote = theirs.remote().filter(|_| usable)?;
    let named = |format: &str| theirs.rtpmap(format).or_else(|| asked?.rtpmap(format));
    let payload_type = |format: &str| format.parse::<u8>().ok().filter(|number| *number < 128);
    let find = |speaks: &dyn Fn(&str) -> bool| {
        theirs.formats.iter().copied().find(|format| payload_type(format).is_some() && speaks(format))
    };
    let speaks = |format: &str, ours: &[Codec]| codec(format, named(format)).is_some_and(|codec| ours.contains(&codec));
    let ordered = if asked.is_none() { &terms.codecs[..] } else { &[] };
    let by_order = ordered.iter().find_map(|only| find(&|format| speaks(format, &[*only])));
    let format = by_order.or_else(|| find(&|format| speaks(format, terms.offered())))?;
    let is_event = |name: &str| name.eq_ignore_ascii_case("telephone-event/8000");
    let event = find(&|format| terms.speaks_events() && named(format).is_some_and(is_event));
    let seen = theirs.direction().reversed();
    Some(Audio {
        remote,
        remote_rtcp: theirs.remote_rtcp(remote),
        codec: codec(format, named(format))?,
        payload_type: payload_type(format)?,
        telephone_event: event.and_then(payload_type),
        tones: terms.hears_tones(event.is_some()),
        ptime_ms: theirs.ptime_ms(),
        direction: description::direction(seen.sends() && wanted.sends(), seen.receives() && wanted.receives()),
    })
}

/// The codec of a payload type: by its rtpmap, without one by its number (RFC 3551 section 6).
fn codec(format: &str, rtpmap: Option<&str>) -> Option<Codec> {
    let name = rtpmap.map(|name| name.strip_suffix("/1").unwrap_or(name));
    match (name, format) {
        (Some(name), _) if name.eq_ignore_ascii_case("PCMA/8000") => Some(Codec::Pcma),
        (Some(name), _) if name.eq_ignore_ascii_case("PCMU/8000") => Some(Codec::Pcmu),
        (None, "8") => Some(Codec::Pcma),
        (None, "0") => Some(Codec::Pcmu),
        _ => None,
    }
}

fn session(local: &Local, time: &str) -> String {
    let Local { session_id, version, .. } = local;
    let place = place(local.address);
    format!("v=0\r\no=busyhour {session_id} {version} {place}\r\ns=-\r\nc={place}\r\nt={time}\r\n")
}

fn place(address: SocketAddr) -> String {
    format!("IN {} {}", if address.is_ipv4() { "IP4" } else { "IP6" }, address.ip())
}

fn audio_lines(
    text: &mut String,
    local: &Local,
    codecs: &[(Codec, u8)],
    event: Option<u8>,
    ptime_ms: u8,
    direction: Direction,
) {
    let mut line = format!("m=audio {} RTP/AVP", local.address.port());
    let mut attributes = String::new();
    for (codec, number) in codecs {
        let name = if *codec == Codec::Pcma { "PCMA" } else { "PCMU" };
        line.push_str(&format!(" {number}"));
        attributes.push_str(&format!("a=rtpmap:{number} {name}/8000\r\n"));
    }
    if let Some(number) = event {
        line.push_str(&format!(" {number}"));
        attributes.push_str(&format!("a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-15\r\n"));
    }
    let direction = match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    };
    text.push_str(&format!("{line}\r\n{attributes}a=ptime:{ptime_ms}\r\na={direction}\r\n"));
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
