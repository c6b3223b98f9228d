//! Bots of all kinds: those that do it right, those that do anything else, those that are slow or are not there.
#![allow(clippy::unwrap_used)]

use super::*;
use busyhour_ivr::Talk;
use busyhour_media::Track;
use busyhour_model::LegId;
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_async, accept_hdr_async};

const FORK: ForkId = ForkId(3);
const LEG: LegId = LegId(8);

/// The thread, a bot's door, and what the media plane is told.
struct Stage {
    forks: Forks,
    bots: UnboundedReceiver<Said>,
    said: UnboundedReceiver<Command>,
    door: TcpListener,
}

async fn stage() -> Stage {
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let counts = ForkCounts { active: IntGauge::new("a", "a").unwrap(), lost: Counter::new("l", "l").unwrap() };
    let (forks, inbox) = Forks::new(counts);
    let url = format!("ws://{}/talk?x=1", door.local_addr().unwrap());
    forks.know(vec![BotSetup { name: "robin".into(), url, token: Some("s3cret".into()) }]);
    let (told, said) = unbounded_channel();
    let bots = forks.start(inbox, move |command| drop(told.send(command))).unwrap();
    Stage { forks, bots, said, door }
}

impl Stage {
    fn call(&self) {
        let talk = Talk { id: 1, bot: "robin".into(), language: "zh".into(), data: r#"{"vip":true}"#.into() };
        let called = BotCall {
            call: CallId(7),
            leg: LEG,
            from: "13800138000".into(),
            to: "95118".into(),
            agent: None,
            queue: None,
            talk,
        };
        self.forks.tell(FORK, ForkNews::Called(Box::new(called)));
    }

    async fn takes(&self) -> Bot {
        let (stream, _) = self.door.accept().await.unwrap();
        Bot(accept_async(stream).await.unwrap())
    }

    fn frame(&self, at: u64, sample: i16) {
        self.forks.hear(FORK, Live::Heard { track: Track::Left, at, sound: vec![sample; 160] });
    }

    async fn said(&mut self) -> BotSaid {
        let (fork, said) = self.bots.recv().await.unwrap();
        assert_eq!(fork, FORK);
        said
    }

    /// How the talk ended, which had begun.
    async fn end(&mut self) -> TalkEnd {
        assert_eq!(self.said().await, BotSaid::Taken);
        match self.said().await {
            BotSaid::Ended(end) => end,
            other => panic!("{other:?}"),
        }
    }
}

/// A bot's side of a talk.
struct Bot(WebSocketStream<TcpStream>);

impl Bot {
    async fn hears(&mut self) -> Message {
        self.0.next().await.unwrap().unwrap()
    }

    async fn event(&mut self) -> Value {
        match self.hears().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn says(&mut self, message: impl Into<Message>) {
        self.0.send(message.into()).await.unwrap();
    }
}

fn sound(side: u8, samples: &[i16]) -> Message {
    Message::binary([side].into_iter().chain(samples.iter().flat_map(|s| s.to_le_bytes())).collect::<Vec<_>>())
}

#[tokio::test]
async fn a_bot_hears_a_caller_speaks_is_told_of_keys_and_marks_and_makes_an_end_of_it() {
    let mut stage = stage().await;
    stage.call();
    stage.forks.tell(FORK, ForkNews::Key('4'));
    let (stream, _) = stage.door.accept().await.unwrap();
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let judge = |request: &Request, response: Response| {
        assert_eq!(request.uri().to_string(), "/talk?x=1");
        assert_eq!(request.headers()["authorization"], "Bearer s3cret");
        Ok(response)
    };
    let mut bot = Bot(accept_hdr_async(stream, judge).await.unwrap());
    let start = json!({
        "event": "start", "protocol": 1, "call": "c7", "bot": "robin", "from": "13800138000", "to": "95118",
        "language": "zh", "rate": 8000, "data": { "vip": true },
    });
    assert_eq!(bot.event().await, start);
    assert_eq!(bot.event().await, json!({ "event": "dtmf", "key": "4" }), "pressed before the bot was there");
    stage.frame(320, 1000);
    stage.frame(480, -2);
    stage.frame(960, 7);
    stage.forks.hear(FORK, Live::Heard { track: Track::Right, at: 0, sound: vec![9; 160] });
    stage.forks.hear(FORK, Live::Reached("hello".into()));
    stage.forks.hear(FORK, Live::Unsaid(800));
    stage.forks.hear(ForkId(4), Live::Unsaid(800));
    assert_eq!(bot.hears().await, sound(0, &[1000; 160]));
    assert_eq!(bot.hears().await, sound(0, &[-2; 160]));
    assert_eq!(bot.event().await, json!({ "event": "lost", "side": "caller", "ms": 40 }));
    assert_eq!(bot.hears().await, sound(0, &[7; 160]));
    assert_eq!(bot.hears().await, sound(1, &[9; 160]));
    assert_eq!(bot.event().await, json!({ "event": "mark", "name": "hello" }));
    assert_eq!(bot.event().await, json!({ "event": "unsaid", "ms": 100 }));

    bot.says(sound(1, &[5, -6])).await;
    bot.says(r#"{"event":"mark","name":"hello","more":1}"#).await;
    bot.says(r#"{"event":"clear"}"#).await;
    bot.says(r#"{"event":"end","outcome":"sales","values":{"topic":"loan"}}"#).await;
    let (leg, fork) = (LEG, FORK);
    let expected = [
        Command::Say { leg, fork, sound: vec![5, -6], mark: None },
        Command::Say { leg, fork, sound: vec![], mark: Some("hello".into()) },
        Command::Hush { leg, fork },
    ];
    for command in expected {
        assert_eq!(stage.said.recv().await.unwrap(), command);
    }
    let end = TalkEnd::Ended { outcome: Some("sales".into()), values: json!({ "topic": "loan" }) };
    assert_eq!(stage.end().await, end);
    assert!(bot.hears().await.is_close());
}

#[tokio::test]
async fn a_bot_is_told_when_the_talk_is_over_and_says_no_more() {
    let mut stage = stage().await;
    stage.call();
    let mut bot = stage.takes().await;
    bot.event().await;
    stage.forks.tell(FORK, ForkNews::Over { outcome: "timed_out".into() });
    stage.frame(0, 1);
    assert_eq!(bot.event().await, json!({ "event": "stop", "outcome": "timed_out" }));
    assert!(bot.hears().await.is_close());
    assert_eq!(stage.said().await, BotSaid::Taken);
    assert!(stage.said.is_empty() && stage.bots.is_empty(), "control made the end");
    // One that has not answered yet is let go as well, whenever it does.
    stage.call();
    let (mut stream, _) = stage.door.accept().await.unwrap();
    let mut request = [0; 23];
    stream.read_exact(&mut request).await.unwrap();
    assert_eq!(&request, b"GET /talk?x=1 HTTP/1.1\r");
    stage.forks.tell(FORK, ForkNews::Over { outcome: "left".into() });
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    assert!(stage.bots.is_empty(), "it was never taken");
}

#[tokio::test]
async fn a_bot_that_is_an_agent_is_told_so_and_passes_callers_on() {
    let mut stage = stage().await;
    let talk = Talk { id: 0, bot: "robin".into(), language: "zh".into(), data: "{}".into() };
    let (from, to) = ("13800138000".into(), "95118".into());
    let (agent, queue) = (Some("9001".into()), Some("loans".into()));
    let called = BotCall { call: CallId(7), leg: LEG, from, to, agent, queue, talk };
    stage.forks.tell(FORK, ForkNews::Called(Box::new(called)));
    let mut bot = stage.takes().await;
    let start = bot.event().await;
    assert_eq!((&start["agent"], &start["queue"]), (&json!("9001"), &json!("loans")));
    assert_eq!(stage.said().await, BotSaid::Taken);
    bot.says(r#"{"event":"transfer","to":"nobody","values":{"topic":"loan"}}"#).await;
    let values = json!({ "topic": "loan" });
    assert_eq!(stage.said().await, BotSaid::Transfer { to: "nobody".into(), values });
    stage.forks.tell(FORK, ForkNews::Refused(404));
    assert_eq!(bot.event().await, json!({ "event": "refused", "status": 404 }));
    bot.says(r#"{"event":"transfer","to":"1001"}"#).await;
    assert_eq!(stage.said().await, BotSaid::Transfer { to: "1001".into(), values: Value::Null });
    stage.forks.tell(FORK, ForkNews::Over { outcome: "left".into() });
    assert_eq!(bot.event().await["event"], "stop");
}

#[tokio::test]
async fn whatever_a_bot_does_the_talk_fails_and_says_so() {
    let messages: Vec<Message> = vec![
        "hello".into(),
        r#"{"event":"sing"}"#.into(),
        r#"{"event":"mark"}"#.into(),
        format!(r#"{{"event":"mark","name":"{}"}}"#, "x".repeat(101)).into(),
        sound(0, &[1]),
        Message::binary(vec![1, 2]),
        Message::binary(vec![]),
        Message::binary(vec![1; 600_001]),
        Message::text("x".repeat(600_000)),
        Message::Close(None),
    ];
    let mut stage = stage().await;
    for message in messages {
        stage.call();
        let mut bot = stage.takes().await;
        bot.event().await;
        // It may be cut off while it sends.
        let _ = bot.0.send(message).await;
        assert_eq!(stage.end().await, TalkEnd::Failed);
    }
    stage.call();
    let mut bot = stage.takes().await;
    for _ in 0..600 {
        let _ = bot.0.send(r#"{"event":"clear"}"#.into()).await;
    }
    assert_eq!(stage.end().await, TalkEnd::Failed, "a flood");
    stage.call();
    drop(stage.takes().await);
    assert_eq!(stage.end().await, TalkEnd::Failed, "it is cut off");
    stage.call();
    let (mut stream, _) = stage.door.accept().await.unwrap();
    stream.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    assert_eq!(stage.said().await, BotSaid::Ended(TalkEnd::Failed), "it refuses");
    let Stage { forks, mut bots, door, .. } = stage;
    drop(door);
    let talk = Talk { id: 1, bot: "robin".into(), language: "zh".into(), data: "{}".into() };
    let mut called =
        BotCall { call: CallId(7), leg: LEG, from: String::new(), to: String::new(), agent: None, queue: None, talk };
    forks.tell(FORK, ForkNews::Called(Box::new(called.clone())));
    assert_eq!(bots.recv().await.unwrap().1, BotSaid::Ended(TalkEnd::Failed), "nobody is there");
    called.talk.bot = "wren".into();
    forks.tell(FORK, ForkNews::Called(Box::new(called)));
    assert_eq!(bots.recv().await.unwrap().1, BotSaid::Ended(TalkEnd::Failed), "nobody knows it");
    assert_eq!(forks.counts.active.get(), 0);
}

#[tokio::test]
async fn a_bot_that_does_not_listen_loses_sound_but_no_key_and_holds_nobody_up() {
    let stage = stage().await;
    stage.call();
    let mut bot = stage.takes().await;
    // More than any socket's buffers hold.
    let frames = 200_000;
    for frame in 0..frames {
        stage.frame(frame * 160, 1);
        if frame % 1000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    stage.forks.tell(FORK, ForkNews::Key('9'));
    assert!(stage.forks.counts.lost.get() > 0.0);
    let (mut heard, mut lost) = (0, 0);
    let key = loop {
        match bot.hears().await {
            Message::Binary(_) => heard += 1,
            Message::Text(text) => {
                let event: Value = serde_json::from_str(&text).unwrap();
                lost += event["ms"].as_u64().unwrap_or_default() / 20;
                if event["event"] == "dtmf" {
                    break event;
                }
            }
            _ => {}
        }
    };
    assert_eq!(key["key"], "9");
    assert!(heard + lost <= frames && heard > 0, "what is lost is told: {heard} + {lost}");
}

#[tokio::test]
async fn a_bot_is_reached_by_tls_if_its_certificate_is_good() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", door.local_addr().unwrap().port());
    let bot = BotSetup { name: "robin".into(), url, token: None };
    let serving = tokio::spawn(async move {
        let mut taken = 0;
        for _ in 0..2 {
            let (stream, _) = door.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                taken += u32::from(accept_async(stream).await.is_ok());
            }
        }
        taken
    });
    let mut roots = RootCertStore::empty();
    assert!(Reach::trusting(roots.clone()).call(&bot).await.is_err());
    roots.add(made.cert.der().clone()).unwrap();
    assert!(Reach::trusting(roots).call(&bot).await.is_ok());
    assert_eq!(serving.await.unwrap(), 1);
}
