//! A supervisor on a real phone listens to a conversation, whispers to the agent, joins in.

use crate::exchange::Exchange;
use crate::process::until;
use crate::softphone::Softphone;
use crate::transfers::{COLLEAGUE_HERTZ, phone};
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, sound, wanted};
use std::thread;

/// For how many seconds a phone heard the caller, the agent and the supervisor, in all.
fn heard(phone: Softphone) -> [f64; 3] {
    let ear = phone.ear();
    [CALLER_HERTZ, AGENT_HERTZ, COLLEAGUE_HERTZ].map(|hertz| sound::seconds_of_tone(&ear, hertz))
}

#[test]
fn a_supervisor_listens_whispers_and_joins_in() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::start("monitors");
    let mut agent = phone(&exchange, "1001", 27_400, AGENT_HERTZ);
    until("the agent is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    let mut caller = phone(&exchange, "caller", 27_440, CALLER_HERTZ);
    caller.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    caller.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    caller.chooses_an_agent();
    agent.hears_of("CALL_ESTABLISHED", 20 * SECOND);
    let mut supervisor = phone(&exchange, "1002", 27_480, COLLEAGUE_HERTZ);
    until("the supervisor is there", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    let call = format!("c{}", exchange.rows("/api/calls/active")[0]["call"]);
    let ask = |more: &[&str]| {
        let said = exchange.ask(&[&["ctl", "monitor", &call, "--agent", "1002"], more].concat());
        assert!(said.status.success(), "{said:?}");
    };
    ask(&[]);
    supervisor.hears_of("CALL_ESTABLISHED", 10 * SECOND);
    thread::sleep(4 * SECOND);
    ask(&["--voice", "whisper"]);
    thread::sleep(4 * SECOND);
    // To join in by key.
    supervisor.command("sndcode", "6");
    thread::sleep(4 * SECOND);
    ask(&["--leave"]);
    supervisor.hears_of("CALL_CLOSED", 5 * SECOND);
    thread::sleep(2 * SECOND);
    caller.command("hangup", "");
    agent.hears_of("CALL_CLOSED", 3 * SECOND);
    exchange.records(1);
    let (caller, agent, supervisor) = (heard(caller), heard(agent), heard(supervisor));
    assert!(supervisor[0] > 10.0 && supervisor[1] > 10.0 && supervisor[2] < 0.3, "the supervisor: {supervisor:?}");
    assert!(agent[0] > 12.0 && agent[1] < 0.3, "the agent hears the caller all the time: {agent:?}");
    assert!((6.5..10.0).contains(&agent[2]), "and the supervisor for 8 s: {agent:?}");
    assert!(caller[1] > 12.0 && caller[0] < 0.3, "the caller hears the agent all the time: {caller:?}");
    assert!((2.5..5.5).contains(&caller[2]), "and the supervisor for 4 s: {caller:?}");
}
