//! One program at its WebSocket: sound as binary messages, everything else as JSON. `docs/forks.md` says it to those who write one.

use super::Told;
use super::reach::Socket;
use busyhour_ivr::TalkEnd;
use busyhour_media::{Command, Live, Track};
use busyhour_model::{ForkId, LegId, Name};
use busyhour_switch::BotSaid;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, Interval, interval_at, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// A program that takes nothing for so long is gone.
const SEND_MAX: Duration = Duration::from_secs(10);
/// It is asked this often, in seconds, whether it is still there; one that has said nothing by the next time is gone.
const PING_EVERY: u32 = 20;
const SECOND: Duration = Duration::from_secs(1);
/// Messages a program may send in a second: media threads have something else to do.
const MESSAGES_MAX: u32 = 500;
/// Bytes of a mark's name.
const MARK_MAX: usize = 100;
/// The byte before the sound of a side.
const SIDES: [(Track, u8, &str); 2] = [(Track::Left, 0, "caller"), (Track::Right, 1, "other")];

/// Where a program's voice is heard.
pub(super) struct Voice<'a> {
    pub(super) leg: LegId,
    pub(super) fork: ForkId,
    pub(super) say: &'a (dyn Fn(Command) + Send + Sync),
    /// What it says to control.
    pub(super) tell: &'a (dyn Fn(BotSaid) + Send + Sync),
}

/// How a program and a call came apart.
#[derive(Debug)]
pub(super) enum Parted {
    /// Control has said so.
    Over,
    /// The program has said so.
    Ended(TalkEnd),
    /// The program is gone or does not keep to the protocol: this is why.
    Fault(String),
}

/// What a program says.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Said {
    Mark {
        name: String,
    },
    Clear,
    Transfer {
        to: String,
        #[serde(default)]
        values: Value,
    },
    End {
        outcome: Option<Name>,
        #[serde(default)]
        values: Value,
    },
}

/// One program's connection.
pub(super) struct Link<'a> {
    socket: Socket,
    inbox: Receiver<Told>,
    /// `None`: it only listens.
    voice: Option<Voice<'a>>,
    /// The sample that is due next of each side; `None` before the first.
    next: [Option<u64>; 2],
    /// Messages since the last second, and seconds since the last ping.
    came: u32,
    seconds: u32,
    alive: bool,
}

impl<'a> Link<'a> {
    pub(super) fn new(socket: Socket, inbox: Receiver<Told>, voice: Option<Voice<'a>>) -> Link<'a> {
        Link { socket, inbox, voice, next: [None; 2], came: 0, seconds: 0, alive: true }
    }

    /// Serves it to its end. `keys` were pressed before it was there.
    pub(super) async fn run(mut self, start: &Value, keys: &str) -> Parted {
        let Err(parted) = self.serve(start, keys).await;
        let frame = |code, reason: &str| CloseFrame { code, reason: reason.into() };
        let close = match &parted {
            // It fits into a control frame (RFC 6455 section 5.5).
            Parted::Fault(why) => frame(CloseCode::Policy, &why.chars().take(60).collect::<String>()),
            Parted::Over | Parted::Ended(_) => frame(CloseCode::Normal, ""),
        };
        // Whoever does not take it is left without.
        let _ = timeout(SEND_MAX, self.socket.close(Some(close))).await;
        parted
    }

    async fn serve(&mut self, start: &Value, keys: &str) -> Result<std::convert::Infallible, Parted> {
        self.tell(start).await?;
        for key in keys.chars() {
            self.told(Told::Key(key)).await?;
        }
        // The first one has to pass as well: what came within it counts.
        let mut seconds = interval_at(Instant::now() + SECOND, SECOND);
        loop {
            self.step(&mut seconds).await?;
        }
    }

    async fn step(&mut self, seconds: &mut Interval) -> Result<(), Parted> {
        tokio::select! {
            told = self.inbox.recv() => self.told(told.unwrap_or(Told::Over("left".into()))).await,
            came = self.socket.next() => self.came(came),
            _ = seconds.tick() => self.second().await,
        }
    }

    async fn told(&mut self, told: Told) -> Result<(), Parted> {
        match told {
            Told::Live(Live::Heard { track, at, sound }) => self.sound(track, at, &sound).await,
            Told::Live(Live::Reached(mark)) => self.tell(&json!({ "event": "mark", "name": mark })).await,
            Told::Live(Live::Unsaid(samples)) => self.tell(&json!({ "event": "unsaid", "ms": samples / 8 })).await,
            Told::Key(key) => self.tell(&json!({ "event": "dtmf", "key": key })).await,
            Told::Refused(status) => self.tell(&json!({ "event": "refused", "status": status })).await,
            Told::Over(outcome) => {
                self.tell(&json!({ "event": "stop", "outcome": outcome })).await?;
                Err(Parted::Over)
            }
        }
    }

    /// 20 ms of a side; before it, how much of that side was lost.
    async fn sound(&mut self, track: Track, at: u64, sound: &[i16]) -> Result<(), Parted> {
        let side = usize::from(track == Track::Right);
        let (_, byte, name) = SIDES[side];
        let due = self.next[side].replace(at + sound.len() as u64).unwrap_or(at);
        if due < at {
            self.tell(&json!({ "event": "lost", "side": name, "ms": (at - due) / 8 })).await?;
        }
        let bytes = [byte].into_iter().chain(sound.iter().flat_map(|sample| sample.to_le_bytes()));
        self.send(Message::Binary(bytes.collect())).await
    }

    async fn tell(&mut self, event: &Value) -> Result<(), Parted> {
        self.send(Message::Text(event.to_string().into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Parted> {
        match timeout(SEND_MAX, self.socket.send(message)).await {
            Ok(sent) => sent.map_err(|e| Parted::Fault(format!("it went away: {e}"))),
            Err(_) => Err(Parted::Fault(format!("it has taken nothing for {} s", SEND_MAX.as_secs()))),
        }
    }

    fn came(&mut self, came: Option<Result<Message, Error>>) -> Result<(), Parted> {
        self.alive = true;
        self.came += 1;
        if self.came > MESSAGES_MAX {
            return Err(Parted::Fault(format!("it sends more than {MESSAGES_MAX} messages a second")));
        }
        match came {
            Some(Ok(Message::Text(text))) => self.said(&text),
            Some(Ok(Message::Binary(bytes))) => self.spoken(&bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(Parted::Fault("it closed the connection".into())),
            Some(Err(e)) => Err(Parted::Fault(format!("it went away: {e}"))),
        }
    }

    fn said(&mut self, text: &str) -> Result<(), Parted> {
        let Some(Voice { leg, fork, say, tell }) = self.voice else { return Err(mute()) };
        // What it said may be about somebody: only what is wrong with it is told.
        let said = serde_json::from_str(text).map_err(|e| Parted::Fault(format!("it sent no event we know: {e}")))?;
        match said {
            Said::Mark { name } if name.len() > MARK_MAX => {
                return Err(Parted::Fault(format!("it sent a mark of more than {MARK_MAX} bytes")));
            }
            Said::Mark { name } => say(Command::Say { leg, fork, sound: Vec::new(), mark: Some(name.into()) }),
            Said::Clear => say(Command::Hush { leg, fork }),
            Said::Transfer { to, values } => tell(BotSaid::Transfer { to, values }),
            Said::End { outcome, values } => return Err(Parted::Ended(TalkEnd::Ended { outcome, values })),
        }
        Ok(())
    }

    fn spoken(&mut self, bytes: &[u8]) -> Result<(), Parted> {
        let Some(Voice { leg, fork, say, .. }) = self.voice else { return Err(mute()) };
        let sound = match bytes {
            [1, sound @ ..] if sound.len().is_multiple_of(2) => sound,
            _ => return Err(Parted::Fault("it sent sound that is not a byte of 1 and samples of 16 bits".into())),
        };
        let sound = sound.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        say(Command::Say { leg, fork, sound, mark: None });
        Ok(())
    }

    /// A second has passed.
    async fn second(&mut self) -> Result<(), Parted> {
        self.came = 0;
        self.seconds += 1;
        if self.seconds < PING_EVERY {
            // The answer to its own ping may still wait.
            return self.flush().await;
        }
        self.seconds = 0;
        if !std::mem::replace(&mut self.alive, false) {
            return Err(Parted::Fault(format!("it has said nothing for {PING_EVERY} s, not even pong")));
        }
        self.send(Message::Ping(Bytes::new())).await
    }

    async fn flush(&mut self) -> Result<(), Parted> {
        let flushed = timeout(SEND_MAX, self.socket.flush()).await.unwrap_or(Ok(()));
        flushed.map_err(|e| Parted::Fault(format!("it went away: {e}")))
    }
}

fn mute() -> Parted {
    Parted::Fault("it spoke, and is only to listen".into())
}
