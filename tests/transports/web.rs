//! The client's end of a WebSocket for SIP (RFC 7118).

use super::peer::Wire;
use busyhour_sip::{Limits, Message};
use std::io::{Read, Write};
use tokio_tungstenite::tungstenite::handshake::client::{Request, generate_key};
use tokio_tungstenite::tungstenite::{self, Error, HandshakeError, WebSocket};

/// A connected one.
pub(crate) struct Web<S>(pub(crate) WebSocket<S>);

fn request(protocol: &str, origin: Option<&str>) -> Request {
    let request = Request::builder()
        .uri("ws://busyhour.local/")
        .header("Host", "busyhour.local")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key())
        .header("Sec-WebSocket-Protocol", protocol);
    origin.into_iter().fold(request, |request, origin| request.header("Origin", origin)).body(()).unwrap()
}

/// The socket and the subprotocol agreed, or the status of the refusal.
pub(crate) fn connect<S: Read + Write>(
    stream: S,
    protocol: &str,
    origin: Option<&str>,
) -> Result<(Web<S>, String), u16> {
    match tungstenite::client(request(protocol, origin), stream) {
        Ok((socket, answer)) => {
            let agreed = answer.headers()["Sec-WebSocket-Protocol"].to_str().unwrap().to_owned();
            Ok((Web(socket), agreed))
        }
        Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

impl<S: Read + Write> Wire for Web<S> {
    fn send(&mut self, text: &str) {
        // Binary is as good as text (RFC 7118 section 5), and Content-Length may be missing.
        let text = text.replace("Content-Length: 0\r\n", "");
        let message = if text.starts_with("REGISTER") {
            tungstenite::Message::binary(text.into_bytes())
        } else {
            tungstenite::Message::text(text)
        };
        self.0.send(message).unwrap();
    }

    fn receive(&mut self) -> Option<Message> {
        loop {
            match self.0.read().ok()? {
                tungstenite::Message::Text(text) if text.as_str() == "\r\n" => {}
                tungstenite::Message::Text(text) => {
                    return Some(Message::parse(&text.into(), &Limits::default()).unwrap());
                }
                tungstenite::Message::Close(_) => return None,
                _ => {}
            }
        }
    }
}
