//! A bot that listens for a second, speaks in a tone, and passes the caller on once that was heard and the key 5 was pressed.

use busyhour_media::tone::Sine;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

/// One talk. How it began, and the second that was heard.
pub(crate) async fn talk(door: &TcpListener, hertz: f64) -> (Value, Vec<i16>) {
    const SECOND: usize = 8_000;
    let (stream, _) = door.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let (mut start, mut heard, mut key, mut mark) = (Value::Null, Vec::new(), false, false);
    while !(key && mark) {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => {
                let event: Value = serde_json::from_str(&text).unwrap();
                match event["event"].as_str().unwrap() {
                    "start" => start = event,
                    "dtmf" => key = event["key"] == "5",
                    "mark" => mark = event["name"] == "said",
                    other => panic!("{other}"),
                }
            }
            Message::Binary(sound) if heard.len() < SECOND => {
                assert_eq!((sound[0], sound.len()), (0, 321));
                heard.extend(sound[1..].chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
                if heard.len() == SECOND {
                    let tone = Sine::new(hertz, -10.0).take(2 * SECOND).flat_map(i16::to_le_bytes);
                    socket.send(Message::binary([1].into_iter().chain(tone).collect::<Vec<_>>())).await.unwrap();
                    socket.send(json!({ "event": "mark", "name": "said" }).to_string().into()).await.unwrap();
                }
            }
            _ => {}
        }
    }
    let end = json!({ "event": "end", "outcome": "agent", "values": { "topic": "loan" } });
    socket.send(end.to_string().into()).await.unwrap();
    while socket.next().await.is_some_and(|came| came.is_ok()) {}
    (start, heard)
}
