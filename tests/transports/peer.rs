//! A SIP peer at the other end of one connection, written by hand and blocking.

use busyhour_sip::digest::{Challenge, respond};
use busyhour_sip::{Account, Frame, Framer, HeaderName, Limits, Message, Request, Response};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Nothing on loopback takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

/// What carries whole messages.
pub(crate) trait Wire {
    fn send(&mut self, text: &str);
    fn receive(&mut self) -> Option<Message>;
}

/// A stream, framed by Content-Length.
pub(crate) struct Stream<S> {
    pub(crate) stream: S,
    framer: Framer,
}

pub(crate) type Tls = Stream<StreamOwned<ClientConnection, TcpStream>>;

pub(crate) fn tcp(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

impl<S> Stream<S> {
    pub(crate) fn new(stream: S) -> Stream<S> {
        Stream { stream, framer: Framer::default() }
    }
}

/// Connects by TLS, asking for `name`; the error is the handshake's.
pub(crate) fn tls(to: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> io::Result<Tls> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = tcp(to);
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(Stream::new(StreamOwned::new(session, stream)))
}

impl<S: Read + Write> Wire for Stream<S> {
    fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
        self.stream.flush().unwrap();
    }

    fn receive(&mut self) -> Option<Message> {
        loop {
            match self.framer.poll(&Limits::default()).unwrap() {
                Some(Frame::Message(bytes)) => return Some(Message::parse(&bytes, &Limits::default()).unwrap()),
                Some(_) => {}
                None => {
                    let mut buffer = [0; 4_096];
                    match self.stream.read(&mut buffer) {
                        Ok(0) | Err(_) => return None,
                        Ok(size) => self.framer.push(&buffer[..size]),
                    }
                }
            }
        }
    }
}

/// Who speaks over it.
pub(crate) struct Peer<W> {
    pub(crate) wire: W,
    pub(crate) via: &'static str,
    pub(crate) user: &'static str,
    cseq: u32,
    challenge: Option<Challenge>,
    /// No two peers of a test are taken for one.
    serial: u32,
}

static SERIAL: AtomicU32 = AtomicU32::new(0);

impl<W: Wire> Peer<W> {
    pub(crate) fn new(wire: W, via: &'static str, user: &'static str) -> Peer<W> {
        Peer { wire, via, user, cseq: 0, challenge: None, serial: SERIAL.fetch_add(1, Ordering::Relaxed) }
    }

    fn write(&mut self, method: &str, uri: &str, to: &str, body: &str) {
        self.cseq += u32::from(method != "ACK");
        let Peer { via, user, cseq, serial, .. } = *self;
        let account = Account { user: user.into(), password: "not-the-sample".into() };
        let authorization = self.challenge.as_ref().map_or(String::new(), |challenge| {
            format!("Authorization: {}\r\n", respond(challenge, &account, method, uri, "cn", cseq))
        });
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        self.wire.send(&format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{via} peer.invalid;branch=z9hG4bK{method}{serial}-{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@busyhour.local>;tag=t\r\nTo: {to}\r\nCall-ID: call-{serial}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{user}@peer.invalid;transport={}>\r\n{authorization}{kind}Content-Length: {}\r\n\r\n{body}",
            via.to_ascii_lowercase(),
            body.len()
        ));
    }

    /// The final response to a request outside a dialog.
    pub(crate) fn ask(&mut self, method: &str, uri: &str, body: &str) -> Response {
        let to = if method == "REGISTER" { format!("<sip:{}@busyhour.local>", self.user) } else { format!("<{uri}>") };
        self.write(method, uri, &to, body);
        self.final_response()
    }

    /// The same in the dialog a response made.
    pub(crate) fn ask_within(&mut self, method: &str, answer: &Response) -> Response {
        self.tell_within(method, answer);
        self.final_response()
    }

    pub(crate) fn tell_within(&mut self, method: &str, answer: &Response) {
        let contact = answer.headers.text(HeaderName::Contact).unwrap().trim_matches(['<', '>']).to_owned();
        let to = answer.headers.text(HeaderName::To).unwrap().to_owned();
        self.write(method, &contact, &to, "");
    }

    fn final_response(&mut self) -> Response {
        loop {
            match self.wire.receive() {
                Some(Message::Response(response)) if response.status >= 200 => {
                    let given = response.headers.first(HeaderName::WwwAuthenticate);
                    let given = given.and_then(|value| Challenge::parse(value).ok());
                    self.challenge = given.or(self.challenge.take());
                    return response;
                }
                Some(_) => {}
                None => panic!("no answer, or the connection is gone"),
            }
        }
    }

    pub(crate) fn request(&mut self) -> Request {
        match self.wire.receive() {
            Some(Message::Request(request)) => request,
            other => panic!("no request, but {other:?}"),
        }
    }

    /// Registers, answering the challenge.
    pub(crate) fn register(&mut self) -> Response {
        assert_eq!(self.ask("REGISTER", "sip:busyhour.local", "").status, 401);
        self.ask("REGISTER", "sip:busyhour.local", "")
    }

    /// Whether the other side still answers.
    pub(crate) fn is_served(&mut self) -> bool {
        self.ask("OPTIONS", "sip:busyhour.local", "").status == 200
    }
}
