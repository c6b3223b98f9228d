//! Linphone as an agent's phone: registers by UDP and TLS, answers, holds, passes on blind and attended.

use crate::exchange::{Exchange, PASSWORD};
use crate::process::{Process, until};
use crate::softphone::Softphone;
use crate::transfers::{COLLEAGUE_HERTZ, phone};
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, secure, sound, wanted};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::thread;

/// A running Linphone, which answers by itself.
pub(crate) struct Linphone {
    _process: Process,
    keys: ChildStdin,
    pub(crate) ear: PathBuf,
}

impl Linphone {
    fn start(exchange: &Exchange, number: &str, server: &str, ca: Option<&Path>) -> Linphone {
        Linphone::with(exchange, number, server, ca, "")
    }

    /// One that sends and takes no sound but secret one.
    pub(crate) fn secret(exchange: &Exchange, number: &str) -> Linphone {
        let server = format!("sip:127.0.0.1:{}", exchange.sip);
        Linphone::with(exchange, number, &server, None, "media_encryption=srtp\nmedia_encryption_mandatory=1\n")
    }

    /// `more` is more of its section `sip`.
    fn with(exchange: &Exchange, number: &str, server: &str, ca: Option<&Path>, more: &str) -> Linphone {
        let port = 27_400;
        let home = exchange.folder.join(format!("linphone-{number}"));
        // Without these it starts, and registers nowhere.
        for folder in [".local/share/linphone", ".config/linphone"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        let config = home.join("linphonerc");
        let ports =
            format!("[sip]\nsip_port={port}\nsip_tcp_port={port}\nsip_tls_port={}\nguess_hostname=0\n{more}", port + 2);
        let trust = ca.map_or(String::new(), |ca| format!("root_ca={}\n", ca.display()));
        let sound = format!("[rtp]\naudio_rtp_port={}\n[net]\nstun_server=\nfirewall_policy=0\n", port + 10);
        fs::write(&config, ports + &trust + &sound).unwrap();
        let (voice, ear) = (home.join("voice.wav"), home.join("ear.wav"));
        sound::write_tone(&voice, AGENT_HERTZ, 60);
        let mut command = Command::new("linphonec");
        command.env("HOME", &home).arg("-a").arg("-c").arg(&config).args(["-d", "5", "-l"]).arg(home.join("log"));
        let name = format!("linphone-{number}");
        let (process, keys) = Process::driven(&name, &exchange.folder, &mut command);
        let ready = || process.said().contains("linphonec>").then_some(());
        until("Linphone takes commands", 10 * SECOND, ready);
        let mut phone = Linphone { _process: process, keys, ear };
        phone.command("soundcard use files");
        phone.command(&format!("play {}", voice.display()));
        let ear = phone.ear.display().to_string();
        phone.command(&format!("record {ear}"));
        phone.command(&format!("register sip:{number}@127.0.0.1 {server} {PASSWORD}"));
        phone
    }

    fn command(&mut self, line: &str) {
        writeln!(self.keys, "{line}").unwrap();
    }
}

/// A caller of the hotline who talks with Linphone.
fn caller_of(exchange: &Exchange) -> Softphone {
    until("Linphone is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    let mut caller = phone(exchange, "caller", 27_440, CALLER_HERTZ);
    caller.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    caller.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    caller.chooses_an_agent();
    until("Linphone talks", 20 * SECOND, || (exchange.agents("talking") == 1).then_some(()));
    thread::sleep(4 * SECOND);
    caller
}

fn colleague(exchange: &Exchange) -> Softphone {
    let colleague = phone(exchange, "1002", 27_480, COLLEAGUE_HERTZ);
    until("the colleague is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    colleague
}

/// The caller goes, having talked with both; everybody heard whom they talked with.
fn all_heard(exchange: &Exchange, agent: &Linphone, mut caller: Softphone, mut colleague: Softphone) {
    thread::sleep(4 * SECOND);
    caller.command("hangup", "");
    colleague.hears_of("CALL_CLOSED", 3 * SECOND);
    let (caller, colleague) = (caller.ear(), colleague.ear());
    for (ear, hertz) in
        [(&caller, AGENT_HERTZ), (&agent.ear, CALLER_HERTZ), (&caller, COLLEAGUE_HERTZ), (&colleague, CALLER_HERTZ)]
    {
        let heard = sound::seconds_of_tone(ear, hertz);
        assert!(heard >= 3.0, "{}: {heard} s of {hertz} Hz", ear.display());
    }
    until("no call is left", 10 * SECOND, || exchange.rows("/api/calls/active").is_empty().then_some(()));
}

#[test]
fn linphone_answers_holds_and_passes_a_caller_on_blind() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::start("linphone");
    let server = format!("sip:127.0.0.1:{}", exchange.sip);
    let mut agent = Linphone::start(&exchange, "1001", &server, None);
    let caller = caller_of(&exchange);
    agent.command("pause");
    until("the caller is on hold", 5 * SECOND, || (exchange.agents("hold") == 1).then_some(()));
    thread::sleep(2 * SECOND);
    agent.command("resume 1");
    until("both talk again", 5 * SECOND, || (exchange.agents("talking") == 1).then_some(()));
    let mut colleague = colleague(&exchange);
    agent.command("transfer sip:1002@127.0.0.1");
    colleague.hears_of("CALL_ESTABLISHED", 10 * SECOND);
    all_heard(&exchange, &agent, caller, colleague);
    let record = exchange.records(1).remove(0);
    assert_eq!((&record["agent"], &record["cause"]), (&"1002".into(), &"caller_hung_up".into()), "{record}");
    assert!(record["hold_ms"].as_u64().unwrap() > 2_000, "{record}");
}

#[test]
fn linphone_on_tls_asks_a_colleague_and_passes_the_caller_on() {
    if !wanted() {
        return;
    }
    let (exchange, port, ca) = secure::secure("linphone-tls");
    // It takes no address of a certificate, only names.
    let server = format!("sip:localhost:{port};transport=tls");
    let mut agent = Linphone::start(&exchange, "1001", &server, Some(&ca));
    let caller = caller_of(&exchange);
    let mut colleague = colleague(&exchange);
    agent.command("pause");
    until("the caller is on hold", 5 * SECOND, || (exchange.agents("hold") == 1).then_some(()));
    agent.command(&format!("call sip:1002@localhost:{port};transport=tls"));
    colleague.hears_of("CALL_ESTABLISHED", 10 * SECOND);
    thread::sleep(3 * SECOND);
    agent.command("transfer 1 --to-call 2");
    until("Linphone is out of it", 10 * SECOND, || (exchange.agents("talking") == 1).then_some(()));
    all_heard(&exchange, &agent, caller, colleague);
    let record = exchange.records(2).into_iter().find(|record| record["to"]["raw"] == "95118").unwrap();
    assert_eq!((&record["agent"], &record["cause"]), (&"1002".into(), &"caller_hung_up".into()), "{record}");
}
