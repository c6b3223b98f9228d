//! Messages out of a stream (RFC 3261 section 18.3, RFC 5626 section 3.5.1).

use crate::header::Lines;
use crate::{Fault, Header, HeaderName, Limits};
use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// What stands in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message for [`crate::Message::parse`].
    Message(Bytes),
    /// CRLF CRLF: answer CRLF.
    Ping,
    /// A lone CRLF: the answer to our ping, or nothing.
    Pong,
}

/// Why a stream cannot go on: answer 400 or 513 if `header` allows, then close.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stream: {fault}")]
pub struct FrameError {
    /// `HeaderTooLong`, `BodyTooLong`, `Missing(ContentLength)`, `Header(ContentLength)`, `Repeated(ContentLength)`.
    pub fault: Fault,
    /// What there was of the message.
    pub header: Bytes,
}

/// The unread bytes of one stream. Holds at most one message more than was pushed at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Framer {
    buffer: BytesMut,
    scanned: usize,
    half_ping: bool,
    /// The next lone CRLF answers a ping of ours.
    pong: bool,
}

impl Framer {
    /// Takes bytes from the stream; poll until `Ok(None)` before the next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// A ping of ours went out: the next lone CRLF is no half of a peer's.
    pub fn expect_pong(&mut self) {
        self.pong = true;
    }

    /// The next frame; `None`: more bytes needed. After an error the stream is lost.
    pub fn poll(&mut self, limits: &Limits) -> Result<Option<Frame>, FrameError> {
        if let Some(frame) = self.keep_alive() {
            return Ok(Some(frame));
        }
        let Some(header_len) = self.header_len(limits)? else { return Ok(None) };
        let body_len = content_length(&self.buffer[..header_len]).map_err(|fault| self.lost(fault, header_len))?;
        if body_len > limits.body_bytes {
            return Err(self.lost(Fault::BodyTooLong, header_len));
        }
        if self.buffer.len() < header_len + body_len {
            return Ok(None);
        }
        self.scanned = 0;
        Ok(Some(Frame::Message(self.buffer.split_to(header_len + body_len).freeze())))
    }

    /// Whether part of a message waits for its rest; a stack that sees this too long closes the stream.
    pub fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// A ping may come in two halves: the first is then a `Pong`, the second makes it a `Ping`.
    fn keep_alive(&mut self) -> Option<Frame> {
        if !self.half_ping && self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.advance(4);
            return Some(Frame::Ping);
        }
        if self.buffer.starts_with(b"\r\n") {
            self.buffer.advance(2);
            if !self.half_ping && std::mem::take(&mut self.pong) {
                return Some(Frame::Pong);
            }
            self.half_ping = !self.half_ping;
            return Some(if self.half_ping { Frame::Pong } else { Frame::Ping });
        }
        self.half_ping &= self.buffer.is_empty() || &self.buffer[..] == b"\r";
        None
    }

    /// Bytes to the end of the empty line.
    fn header_len(&mut self, limits: &Limits) -> Result<Option<usize>, FrameError> {
        let from = self.scanned.saturating_sub(3);
        let found = memchr::memmem::find(&self.buffer[from..], b"\r\n\r\n").map(|at| from + at + 4);
        self.scanned = found.map_or(self.buffer.len(), |len| len - 4);
        match found {
            Some(len) if len <= limits.header_bytes => Ok(Some(len)),
            None if self.buffer.len() <= limits.header_bytes => Ok(None),
            _ => Err(self.lost(Fault::HeaderTooLong, limits.header_bytes)),
        }
    }

    fn lost(&self, fault: Fault, header_len: usize) -> FrameError {
        FrameError { fault, header: Bytes::copy_from_slice(&self.buffer[..header_len.min(self.buffer.len())]) }
    }
}

/// The one Content-Length of a header; without it a stream cannot be cut (RFC 3261 section 18.3).
fn content_length(header: &[u8]) -> Result<usize, Fault> {
    let name = HeaderName::ContentLength;
    let mut lengths = Lines::new(header, 0)
        .map(|line| &header[line.start..line.end])
        .filter(|line| matches!(line.first(), Some(b'c' | b'C' | b'l' | b'L')))
        .filter_map(|line| Header::parse(Bytes::copy_from_slice(line)))
        .filter(|header| header.name == name);
    let length = lengths.next().ok_or(Fault::Missing(name))?;
    if lengths.next().is_some() {
        return Err(Fault::Repeated(name));
    }
    crate::value::number(length.value()).map(|length| length as usize).ok_or(Fault::Header(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nl: 5\r\n\r\nhello";
    const TWO: &[u8] = b"BYE sip:a SIP/2.0\r\nContent-Length :\r\n 0\r\n\r\n";

    fn frames(chunks: &[&[u8]], limits: &Limits) -> Result<Vec<Frame>, Fault> {
        let (mut framer, mut frames) = (Framer::default(), Vec::new());
        for chunk in chunks {
            framer.push(chunk);
            while let Some(frame) = framer.poll(limits).map_err(|error| error.fault)? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[test]
    fn a_stream_is_cut_the_same_however_it_arrives() {
        let stream = [b"\r\n\r\n", ONE, TWO, b"\r\n", ONE].concat();
        let message = |bytes: &[u8]| Frame::Message(Bytes::copy_from_slice(bytes));
        let whole = vec![Frame::Ping, message(ONE), message(TWO), Frame::Pong, message(ONE)];
        assert_eq!(frames(&[&stream], &Limits::default()), Ok(whole));
        for size in 1..stream.len() {
            let chunks: Vec<&[u8]> = stream.chunks(size).collect();
            let cut = frames(&chunks, &Limits::default()).unwrap();
            let messages = |frames: &[Frame]| frames.iter().filter(|frame| matches!(frame, Frame::Message(_))).count();
            assert_eq!((messages(&cut), cut.contains(&Frame::Ping)), (3, true), "chunks of {size}");
        }
    }

    #[test]
    fn a_pong_is_no_half_of_a_ping() {
        let mut framer = Framer::default();
        for _ in 0..3 {
            framer.expect_pong();
            framer.push(b"\r\n");
            assert_eq!(framer.poll(&Limits::default()), Ok(Some(Frame::Pong)));
            assert_eq!(framer.poll(&Limits::default()), Ok(None));
        }
        framer.push(b"\r\n\r\n");
        assert_eq!(framer.poll(&Limits::default()), Ok(Some(Frame::Ping)));
    }

    #[test]
    fn what_cannot_be_cut_is_an_error() {
        let limits = Limits { header_bytes: 64, body_bytes: 10, ..Limits::default() };
        let cases: [(&[u8], Fault); 5] = [
            (b"BYE sip:a SIP/2.0\r\n\r\n", Fault::Missing(HeaderName::ContentLength)),
            (b"BYE sip:a SIP/2.0\r\nl: -1\r\n\r\n", Fault::Header(HeaderName::ContentLength)),
            (b"BYE sip:a SIP/2.0\r\nl: 0\r\nl: 0\r\n\r\n", Fault::Repeated(HeaderName::ContentLength)),
            (b"BYE sip:a SIP/2.0\r\nl: 11\r\n\r\n", Fault::BodyTooLong),
            (&[b'x'; 65], Fault::HeaderTooLong),
        ];
        for (stream, fault) in cases {
            assert_eq!(frames(&[stream], &limits), Err(fault));
        }
        let chunks: Vec<&[u8]> = [b'x'; 65].chunks(1).map(|_| &b"x"[..]).collect();
        assert_eq!(frames(&chunks[..64], &limits), Ok(vec![]));
        assert_eq!(frames(&chunks, &limits), Err(Fault::HeaderTooLong));
    }

    #[test]
    fn half_a_message_is_seen_as_such() {
        let mut framer = Framer::default();
        framer.push(&ONE[..ONE.len() - 1]);
        assert_eq!(framer.poll(&Limits::default()), Ok(None));
        assert!(framer.is_partial());
        let bytes = postcard::to_stdvec(&framer).unwrap();
        let mut framer: Framer = postcard::from_bytes(&bytes).unwrap();
        framer.push(b"o");
        assert_eq!(framer.poll(&Limits::default()), Ok(Some(Frame::Message(Bytes::from_static(ONE)))));
        assert!(!framer.is_partial());
    }
}
