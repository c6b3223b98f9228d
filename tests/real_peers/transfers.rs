//! Callers passed on by real phones: blind by baresip (RFC 5589 section 6).

use crate::capture::Capture;
use crate::exchange::{CARRIER, Exchange, PHONES};
use crate::process::until;
use crate::softphone::{Line, Softphone};
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, sound, wanted};
use std::path::PathBuf;
use std::thread;

/// What the colleague says.
pub(crate) const COLLEAGUE_HERTZ: f64 = 700.0;

/// baresip as the caller, or as an agent of this number.
pub(crate) fn phone(exchange: &Exchange, name: &str, port: u16, hertz: f64) -> Softphone {
    let voice: PathBuf = exchange.folder.join(format!("{name}-voice.wav"));
    sound::write_tone(&voice, hertz, 60);
    let account = match name {
        "caller" => format!("<sip:13800138000@{CARRIER}:{port}>;regint=0;audio_codecs=PCMA/8000/1"),
        number => exchange.account(number) + ";answermode=auto",
    };
    let address = if name == "caller" { CARRIER } else { PHONES };
    let line = Line { name, address: address.parse().unwrap(), port, account, voice: &voice };
    Softphone::start(&exchange.folder, &line)
}

#[test]
fn a_caller_is_passed_on_by_a_softphone() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::start("passed-on");
    let capture = Capture::start(&exchange.folder, exchange.sip, exchange.media);
    let mut agent = phone(&exchange, "1001", 27_400, AGENT_HERTZ);
    until("the agent is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    let mut caller = phone(&exchange, "caller", 27_440, CALLER_HERTZ);
    caller.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    caller.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    caller.chooses_an_agent();
    agent.hears_of("CALL_ESTABLISHED", 20 * SECOND);
    let mut colleague = phone(&exchange, "1002", 27_480, COLLEAGUE_HERTZ);
    until("the colleague is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    thread::sleep(3 * SECOND);
    agent.command("transfer", &format!("sip:1002@127.0.0.1:{}", exchange.sip));
    colleague.hears_of("CALL_ESTABLISHED", 10 * SECOND);
    agent.hears_of("CALL_CLOSED", 5 * SECOND);
    thread::sleep(5 * SECOND);
    caller.command("hangup", "");
    colleague.hears_of("CALL_CLOSED", 3 * SECOND);

    let record = exchange.records(1).remove(0);
    assert_eq!((&record["agent"], &record["cause"]), (&"1002".into(), &"caller_hung_up".into()), "{record}");
    assert_eq!(record["legs"].as_array().unwrap().len(), 3, "{record}");
    let (caller, agent, colleague) = (caller.ear(), agent.ear(), colleague.ear());
    for (ear, hertz, least) in [
        (&caller, AGENT_HERTZ, 2.5),
        (&caller, COLLEAGUE_HERTZ, 4.0),
        (&agent, CALLER_HERTZ, 2.5),
        (&colleague, CALLER_HERTZ, 4.0),
    ] {
        let heard = sound::seconds_of_tone(ear, hertz);
        assert!(heard >= least, "{}: {heard} s of {hertz} Hz", ear.display());
    }
    assert!(sound::seconds_of_tone(&colleague, AGENT_HERTZ) < 0.3, "the agent is out of it");
    capture.ends_clean(1);
}
