//! Messages to bytes.

use crate::{HeaderName, Headers, Message, Request, Response};
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt::Write;

impl Request {
    /// Appends the message; Content-Length is written from the body.
    pub fn write(&self, out: &mut BytesMut) {
        write!(out, "{} {} SIP/2.0\r\n", self.method, self.uri).expect("memory does not refuse text");
        write_rest(out, &self.headers, &self.body);
    }

    /// The message.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(1024 + self.body.len());
        self.write(&mut out);
        out.freeze()
    }
}

impl Response {
    /// Appends the message; Content-Length is written from the body.
    pub fn write(&self, out: &mut BytesMut) {
        write!(out, "SIP/2.0 {} ", self.status).expect("memory does not refuse text");
        out.extend(self.reason.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }));
        out.put_slice(b"\r\n");
        write_rest(out, &self.headers, &self.body);
    }

    /// The message.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(1024 + self.body.len());
        self.write(&mut out);
        out.freeze()
    }
}

impl Message {
    /// Appends the message; Content-Length is written from the body.
    pub fn write(&self, out: &mut BytesMut) {
        match self {
            Message::Request(request) => request.write(out),
            Message::Response(response) => response.write(out),
        }
    }

    /// The message.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }
}

/// Header and body. A Content-Length keeps its place and, when it is right, its spelling; without one it goes last.
fn write_rest(out: &mut BytesMut, headers: &Headers, body: &[u8]) {
    let mut length_written = false;
    for header in headers {
        let is_length = header.name == HeaderName::ContentLength;
        if !is_length || (!length_written && crate::value::number(header.value()) == Some(body.len() as u32)) {
            out.put_slice(header.line());
            out.put_slice(b"\r\n");
        } else if !length_written {
            write_length(out, body);
        }
        length_written |= is_length;
    }
    if !length_written {
        write_length(out, body);
    }
    out.put_slice(b"\r\n");
    out.put_slice(body);
}

fn write_length(out: &mut BytesMut, body: &[u8]) {
    write!(out, "Content-Length: {}\r\n", body.len()).expect("memory does not refuse text");
}
