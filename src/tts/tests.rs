//! Programs and servers that speak, are slow, fail, or are asked twice.
#![allow(clippy::unwrap_used)]

use super::*;
use busyhour_media::tone::Sine;
use prometheus::{HistogramOpts, Opts};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

const INSTEAD: [u8; 160] = [0x2A; 160];

/// A folder of this test's own, with a voice in it and a program that says so whenever it is asked.
struct Studio(PathBuf);

impl Studio {
    fn new(test: &str) -> Studio {
        let folder = std::env::temp_dir().join(format!("busyhour-tts-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let tone: Vec<u8> = Sine::new(500.0, -20.0).take(4_000).map(busyhour_media::g711::encode_a).collect();
        std::fs::write(folder.join("voice.wav"), wav::file(&tone)).unwrap();
        Studio(folder)
    }

    fn script(&self, script: &str) -> Hook {
        let script = format!("cd {}\n{script}", self.0.display());
        Hook::Command(["sh", "-c", &script, "sh", "{language}"].map(String::from).into())
    }

    fn setup(&self, hook: Hook) -> TtsSetup {
        let (timeout, cache) = (Duration::from_secs(20), Some(self.0.join("spoken")));
        TtsSetup { hook, timeout, cache, cache_max: 2, fallback: Some("ivr/sorry".into()) }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.0.join("log")).unwrap_or_default()
    }

    fn kept(&self) -> usize {
        std::fs::read_dir(self.0.join("spoken")).unwrap().count()
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Rig {
    tts: Tts,
    told: Receiver<Command>,
    counts: TtsCounts,
}

impl Rig {
    fn new(setup: Option<TtsSetup>) -> Rig {
        let texts = IntCounterVec::new(Opts::new("n", "x"), &["outcome"]).unwrap();
        let counts = TtsCounts { texts, seconds: Histogram::with_opts(HistogramOpts::new("s", "x")).unwrap() };
        let mut library = Library::new();
        library.insert("zh", "ivr/sorry", &wav::file(&INSTEAD)).unwrap();
        let (tell, told) = channel();
        let (tts, asked) = Tts::new();
        asked.start(setup, Arc::new(library), counts.clone(), move |command| drop(tell.send(command))).unwrap();
        Rig { tts, told, counts }
    }

    /// Asks for a text, for this leg.
    fn ask(&self, leg: u64, text: &str) {
        self.tts.ask(LegId(leg), Words { language: "zh".into(), text: text.into() });
    }

    /// The next answer: whose, and how long it is.
    fn answer(&self) -> (u64, Option<usize>) {
        match self.told.recv_timeout(Duration::from_secs(60)).unwrap() {
            Command::Supply { leg, sound, .. } => (leg.0, sound.map(|sound| sound.len())),
            other => panic!("{other:?}"),
        }
    }

    fn count(&self, outcome: &str) -> u64 {
        self.counts.texts.with_label_values(&[outcome]).get()
    }
}

fn is_voice(length: Option<usize>) -> bool {
    length.is_some_and(|length| (4_000..4_800).contains(&length))
}

#[test]
fn a_text_is_made_once_for_all_who_wait_and_then_kept() {
    let studio = Studio::new("once");
    // It does not end before this test has asked twice.
    let hook = studio.script("read text; echo \"$1 $text\" >> log; read _ < go; cat voice.wav");
    let made = std::process::Command::new("mkfifo").arg(studio.0.join("go")).status().unwrap();
    assert!(made.success());
    let rig = Rig::new(Some(studio.setup(hook.clone())));
    rig.ask(1, "您好，张三");
    rig.ask(2, "您好，张三");
    std::fs::write(studio.0.join("go"), "\n").unwrap();
    for leg in 1..=2 {
        let (whose, length) = rig.answer();
        assert!(whose == leg && is_voice(length), "{whose} {length:?}");
    }
    assert_eq!((studio.log().as_str(), rig.count("made"), studio.kept()), ("zh 您好，张三\n", 1, 1));
    rig.ask(3, "您好，张三");
    assert!(is_voice(rig.answer().1));
    // Also after a start, but not for another voice.
    let later = Rig::new(Some(studio.setup(hook)));
    later.ask(4, "您好，张三");
    assert!(is_voice(later.answer().1));
    assert_eq!((rig.count("cached"), later.count("cached"), later.count("made")), (1, 1, 0));
    let other = Rig::new(Some(studio.setup(studio.script("cat voice.wav"))));
    other.ask(5, "您好，张三");
    assert!(is_voice(other.answer().1));
    assert_eq!((other.count("made"), other.counts.seconds.get_sample_count()), (1, 1));
}

#[test]
fn the_cache_has_a_limit_and_drops_what_was_unheard_for_longest() {
    let studio = Studio::new("cache");
    let rig = Rig::new(Some(studio.setup(studio.script("cat voice.wav"))));
    for text in ["one", "two", "one", "three", "one", "two"] {
        rig.ask(1, text);
        assert!(is_voice(rig.answer().1));
    }
    assert_eq!((studio.kept(), rig.count("made"), rig.count("cached")), (2, 4, 2), "`two` made room for `three`");
    let none = TtsSetup { cache_max: 0, ..studio.setup(studio.script("cat voice.wav")) };
    let none = Rig::new(Some(TtsSetup { cache: Some(studio.0.join("none")), ..none }));
    none.ask(1, "one");
    assert!(is_voice(none.answer().1));
    assert!(!Path::new(&studio.0.join("none")).exists());
}

#[test]
fn a_voice_that_fails_or_is_late_is_replaced_by_the_fallback() {
    let studio = Studio::new("fails");
    let quick = |setup: TtsSetup| TtsSetup { timeout: Duration::from_millis(200), ..setup };
    let table = [
        (studio.setup(studio.script("exit 3")), "failed"),
        (studio.setup(studio.script("echo not a sound")), "failed"),
        (studio.setup(studio.script("head -c 100 voice.wav; exit 1")), "failed"),
        (studio.setup(Hook::Command(vec!["/nowhere/speaker".into()])), "failed"),
        (studio.setup(Hook::Url("http://127.0.0.1:1/speak".into())), "failed"),
        (quick(studio.setup(studio.script("exec tail -f /dev/null"))), "timed_out"),
    ];
    for (setup, outcome) in table {
        let rig = Rig::new(Some(setup.clone()));
        rig.ask(1, "您好");
        assert_eq!(rig.answer(), (1, Some(INSTEAD.len())), "{setup:?}");
        assert_eq!(rig.count(outcome), 1, "{setup:?}");
    }
    let silent = TtsSetup { fallback: None, ..studio.setup(studio.script("exit 3")) };
    for setup in [None, Some(silent)] {
        let rig = Rig::new(setup);
        rig.ask(1, "您好");
        assert_eq!(rig.answer(), (1, None));
    }
}

#[test]
fn an_argument_takes_the_text_and_it_never_looks_like_an_option() {
    let words = |text: &str| Words { language: "en".into(), text: text.into() };
    assert_eq!(filled("--voice={language}", &words("x")), "--voice=en");
    assert_eq!(filled("{text}", &words("-rf {language}")), " -rf {language}");
    assert_eq!(filled("say:{text}", &words("-5")), "say:-5");
}

#[test]
fn a_server_is_posted_the_text() {
    let studio = Studio::new("server");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/speak?voice={{language}}", listener.local_addr().unwrap());
    let rig = Rig::new(Some(studio.setup(Hook::Url(url))));
    rig.ask(1, "您好");
    let (mut stream, _) = listener.accept().unwrap();
    let (mut request, mut buffer) = (String::new(), [0; 4096]);
    while !request.ends_with("您好") {
        let read = stream.read(&mut buffer).unwrap();
        request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    assert!(request.starts_with("POST /speak?voice=zh HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: text/plain; charset=utf-8\r\n"), "{request}");
    let voice = std::fs::read(studio.0.join("voice.wav")).unwrap();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", voice.len()).unwrap();
    stream.write_all(&voice).unwrap();
    assert!(is_voice(rig.answer().1));
}
