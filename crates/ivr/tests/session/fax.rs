//! Fax machines that call: where they go on, and from where.

use busyhour_ivr::{Dialplan, Names, TestOutcome};

const PLAN: &str = r#"
name = "p"
start = "welcome"
on_fax = "fax"

[node.welcome]
menu = "ivr/welcome"
keys = { 1 = "wait", 2 = "chat", 3 = "sub", 4 = "leave", 5 = "ring" }
too_many = "end"

[node.wait]
queue = "q"
else = "end"

[node.chat]
bot = "robin"
then = "end"
failed = "end"

[node.sub]
sub = "inner"
then = "end"

[node.inner]
menu = "ivr/welcome"
keys = { 1 = "back" }
too_many = "back"

[node.back]
return = true

[node.leave]
voicemail = "q"
then = "end"
else = "end"

[node.ring]
dial = { agent = "1001" }
else = "end"

[node.fax]
transfer = "02195118"
failed = "end"

[node.end]
hangup = true

[[test]]
name = "at once, in a queue, with a bot, in a sub-flow"
steps = [{ hear = "ivr/welcome" }, { fax = true }, { enter = "fax" }, { transfer = "02195118" }]

[[test]]
name = "in a queue"
steps = [{ press = "1" }, { queue = "q" }, { fax = true }, { enter = "fax" }]

[[test]]
name = "with a bot, who makes no end of it any more"
steps = [{ press = "2" }, { bot = "robin" }, { fax = true }, { enter = "fax" }]

[[test]]
name = "in a sub-flow"
steps = [{ press = "3" }, { enter = "inner" }, { fax = true }, { enter = "fax" }]

[[test]]
name = "once it is on its way it stays"
steps = [{ transfer_fails = true }, { fax = true }, { transfer = "02195118" }, { hangup = true }]
"#;

fn plan(source: &str) -> Dialplan {
    let names = Names { queues: vec!["q".into()], bots: vec!["robin".into()], ..Names::default() };
    match Dialplan::parse("p.toml", source, &names) {
        Ok(parsed) => {
            assert!(parsed.warnings.is_empty(), "the node of fax machines is reached: {:?}", parsed.warnings);
            parsed.plan
        }
        Err(mistakes) => panic!("{mistakes:?}"),
    }
}

#[test]
fn a_fax_machine_goes_on_at_its_node_from_everywhere() {
    for TestOutcome { name, failure, .. } in plan(PLAN).test() {
        assert!(failure.is_none(), "{name}: {failure:?}");
    }
}

#[test]
fn one_that_leaves_a_message_or_rings_somebody_stays_and_so_do_all_where_nothing_is_said() {
    for (key, expected) in [("4", "leave"), ("5", "ring")] {
        let steps =
            format!("[{{ press = \"{key}\" }}, {{ enter = \"{expected}\" }}, {{ fax = true }}, {{ enter = \"fax\" }}]");
        let source = format!("{PLAN}\n[[test]]\nname = \"stays\"\nsteps = {steps}");
        let last = plan(&source).test().pop().unwrap();
        assert!(last.failure.is_some(), "{expected}");
    }
    let source = PLAN.replace("on_fax = \"fax\"\n", "").replace("5 = \"ring\"", "5 = \"ring\", 6 = \"fax\"");
    assert!(plan(&source).test().iter().all(|test| test.failure.is_some()));
}
