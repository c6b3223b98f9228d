//! Sound kept secret with real phones (SRTP, RFC 3711, keys by RFC 4568): baresip and Linphone on one side, whoever calls on the other.

use crate::exchange::{CARRIER, Exchange, PHONES};
use crate::linphone::Linphone;
use crate::process::until;
use crate::softphone::{Line, Softphone};
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, sound, wanted};
use std::path::PathBuf;
use std::thread;

/// baresip that keeps its sound secret in this way, or does not.
pub(crate) fn phone(exchange: &Exchange, name: &str, port: u16, hertz: f64, mediaenc: &str) -> Softphone {
    let voice: PathBuf = exchange.folder.join(format!("{name}-voice.wav"));
    sound::write_tone(&voice, hertz, 60);
    let secrecy = if mediaenc.is_empty() { String::new() } else { format!(";mediaenc={mediaenc}") };
    let (address, account) = match name {
        "caller" => (CARRIER, format!("<sip:13800138000@{CARRIER}:{port}>;regint=0;audio_codecs=PCMA/8000/1")),
        number => (PHONES, exchange.account(number) + ";answermode=auto"),
    };
    let line = Line { name, address: address.parse().unwrap(), port, account: account + &secrecy, voice: &voice };
    Softphone::start(&exchange.folder, &line)
}

/// The caller talks to whoever is ready, and goes; what both heard.
fn talk(exchange: &Exchange, caller: &mut Softphone) {
    until("the agent is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    caller.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    caller.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    caller.chooses_an_agent();
    until("both talk", 20 * SECOND, || (exchange.agents("talking") == 1).then_some(()));
    thread::sleep(5 * SECOND);
    caller.command("hangup", "");
    until("no call is left", 10 * SECOND, || exchange.rows("/api/calls/active").is_empty().then_some(()));
}

pub(crate) fn heard(ear: &std::path::Path, hertz: f64) {
    let heard = sound::seconds_of_tone(ear, hertz);
    assert!(heard >= 3.5, "{}: {heard} s of {hertz} Hz", ear.display());
}

/// The transport and the suites that were said for a call, to whom it went; the keys are starred.
fn said(exchange: &Exchange, call: &str) -> Vec<String> {
    let trace = exchange.ask(&["trace", call, "--full"]);
    let text = String::from_utf8(trace.stdout).unwrap();
    assert!(text.contains("inline:****") || !text.contains("inline:"), "{text}");
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with("m=audio") || line.starts_with("a=crypto"));
    lines.map(str::to_owned).collect()
}

#[test]
fn an_agents_phone_is_secret_while_the_carrier_is_not() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::secret("secret", "required");
    let agent = phone(&exchange, "1001", 27_400, AGENT_HERTZ, "srtp-mand");
    let mut caller = phone(&exchange, "caller", 27_440, CALLER_HERTZ, "");
    talk(&exchange, &mut caller);
    let said = said(&exchange, "c1");
    let has = |text: &str| said.iter().any(|line| line.contains(text));
    assert!(has("RTP/SAVP") && has("RTP/AVP") && has("AEAD_AES_128_GCM"), "{said:#?}");
    heard(&caller.ear(), AGENT_HERTZ);
    heard(&agent.ear(), CALLER_HERTZ);
    let [recording] = &exchange.rows("/api/recordings")[..] else { panic!("one conversation") };
    let file = exchange.folder.join("secret.wav");
    std::fs::write(&file, exchange.bytes(&format!("/api/recordings/{}/audio", recording["tape"])).unwrap()).unwrap();
    let [left, right] = sound::sides(&file);
    let clear = [sound::seconds_of(&left, CALLER_HERTZ), sound::seconds_of(&right, AGENT_HERTZ)];
    assert!(clear.iter().all(|seconds| *seconds >= 3.5), "what is secret on the wire is recorded: {clear:?}");
}

#[test]
fn a_secret_caller_is_answered_in_secret_and_a_plain_agent_hears_it() {
    if !wanted() {
        return;
    }
    for (name, mediaenc) in [("secret-caller", "srtp-mand"), ("would-be-secret-caller", "srtp")] {
        let exchange = Exchange::start(name);
        let agent = phone(&exchange, "1001", 27_400, AGENT_HERTZ, "");
        let mut caller = phone(&exchange, "caller", 27_440, CALLER_HERTZ, mediaenc);
        talk(&exchange, &mut caller);
        heard(&caller.ear(), AGENT_HERTZ);
        heard(&agent.ear(), CALLER_HERTZ);
        let said = said(&exchange, "c1");
        let secret = if mediaenc == "srtp" { "RTP/AVP" } else { "RTP/SAVP" };
        assert!(
            said[0].contains(secret) && said.iter().filter(|line| line.contains("a=crypto")).count() >= 2,
            "{said:#?}"
        );
    }
}

#[test]
fn linphone_keeps_its_sound_secret_when_it_is_offered() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::secret("secret-linphone", "required");
    let agent = Linphone::secret(&exchange, "1001");
    let mut caller = phone(&exchange, "caller", 27_440, CALLER_HERTZ, "");
    talk(&exchange, &mut caller);
    heard(&caller.ear(), AGENT_HERTZ);
    heard(&agent.ear, CALLER_HERTZ);
}
