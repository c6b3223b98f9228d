//! `[tts]`: who speaks.

use super::*;
use crate::tts::{Hook, TtsSetup};

#[test]
fn a_voice_is_a_program_or_a_server() {
    let setup = |section: &str| {
        let source = GOOD
            .replace("[media]", &format!("[tts]\n{section}\n[media]"))
            .replace("[server]", "[server]\ndata = \"data\"");
        read("centre.toml", &source, Path::new("/nowhere")).site.unwrap().shell.tts.unwrap()
    };
    let program = TtsSetup {
        hook: Hook::Command(vec!["say".into(), "{language}".into()]),
        timeout: Duration::from_secs(3),
        cache: Some("/nowhere/data/spoken".into()),
        cache_max: 10_000,
        fallback: None,
    };
    assert_eq!(setup("command = [\"say\", \"{language}\"]"), program);
    let keys = "timeout = \"5s\"\ncache = \"kept\"\ncache_max = 0\nfallback = \"ivr/wait\"";
    let url = "http://127.0.0.1:5002/speak?voice={language}";
    let server = TtsSetup {
        hook: Hook::Url(url.into()),
        timeout: Duration::from_secs(5),
        cache: Some("/nowhere/kept".into()),
        cache_max: 0,
        fallback: Some("ivr/wait".into()),
    };
    assert_eq!(setup(&format!("url = \"{url}\"\n{keys}")), server);
}

#[test]
fn a_wrong_voice_is_told_where_it_is() {
    let table = [
        ("timeout = \"5s\"", "9:1 [tts] needs either `command` or `url`"),
        ("command = [\"say\"]\nurl = \"http://x/\"", "9:1 [tts] needs either `command` or `url`"),
        ("command = []", "9:1 [tts] needs either `command` or `url`"),
        ("url = \"x\"", "10:7 `x` is no address like \"http://127.0.0.1:5002/speak\""),
        ("command = \"say\"\ntimeout = \"5m\"", "11:11 a text is waited for between 100ms and 30s"),
        ("command = \"say\"\ncache_max = 1000000", "11:13 1000000 is not between 0 and 100000"),
        (
            "command = \"say\"\nfallback = \"ivr/wiat\"",
            "11:12 no prompt is named `ivr/wiat` (did you mean `ivr/wait`?)",
        ),
    ];
    for (section, words) in table {
        let told = told(&GOOD.replace("[media]", &format!("[tts]\n{section}\n[media]")));
        assert!(told.len() == 1 && told[0].starts_with(&format!("error centre.toml:{words}")), "{section}: {told:?}");
    }
}
