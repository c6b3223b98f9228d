//! A caller on a real phone talks with a bot, presses a key, and is passed on to an agent.

use crate::exchange::Exchange;
use crate::process::until;
use crate::robin;
use crate::transfers::{COLLEAGUE_HERTZ, phone};
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, sound, wanted};
use std::thread;
use tokio::net::TcpListener;

const PLAN: &str = r#"
name = "assisted"
start = "assistant"
[node.assistant]
bot = "robin"
set = { topic = "$.topic" }
outcomes = { agent = "sorted" }
then = "end"
failed = "end"
[node.sorted]
branch = [{ "$topic" = "loan", goto = "wait" }]
else = "end"
[node.wait]
queue = "card"
else = "end"
[node.end]
hangup = true
"#;

const CONFIG: &str = r#"
skills = ["card"]
[[bot]]
name = "robin"
url = "ws://BOT/"
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
[[number]]
number = "95118"
dialplan = "assisted"
[[queue]]
name = "card"
skills = { card = 1 }
[[agent]]
number = "1001"
password = "correct-horse-7"
skills = { card = 1 }
auto_ready = true
"#;

#[test]
fn a_caller_talks_with_a_bot_and_is_passed_on_to_an_agent() {
    if !wanted() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let door = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let at = door.local_addr().unwrap().to_string();
    let exchange = Exchange::of_plan("bots", &CONFIG.replace("BOT", &at), PLAN);
    let bot = thread::spawn(move || runtime.block_on(robin::talk(&door, COLLEAGUE_HERTZ)));
    let mut agent = phone(&exchange, "1001", 27_400, AGENT_HERTZ);
    until("the agent is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    let mut caller = phone(&exchange, "caller", 27_440, CALLER_HERTZ);
    caller.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    caller.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    thread::sleep(4 * SECOND);
    caller.command("sndcode", "5");
    agent.hears_of("CALL_ESTABLISHED", 10 * SECOND);
    thread::sleep(3 * SECOND);
    caller.command("hangup", "");
    agent.hears_of("CALL_CLOSED", 3 * SECOND);

    let record = &exchange.records(1)[0];
    assert_eq!((&record["queue"], &record["agent"]), (&"card".into(), &"1001".into()), "{record}");
    let (start, heard) = bot.join().unwrap();
    assert_eq!(start["from"], "13800138000");
    let heard: Vec<f64> = heard.into_iter().map(f64::from).collect();
    assert!(sound::seconds_of(&heard, CALLER_HERTZ) >= 0.8, "the bot hears the caller");
    let ear = caller.ear();
    let [bot, agent] = [COLLEAGUE_HERTZ, AGENT_HERTZ].map(|hertz| sound::seconds_of_tone(&ear, hertz));
    assert!((1.7..2.2).contains(&bot) && agent >= 2.0, "the caller hears the bot for {bot} s, the agent for {agent} s");
}
