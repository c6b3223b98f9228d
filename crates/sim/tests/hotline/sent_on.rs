//! Callers sent on by request: to a queue, to a node of the dialplan, and back.

use crate::stage::{SECOND, conversation, count, ended, enquiries, with_callers, with_plan};
use busyhour_model::{CallId, Entrance, Party, What};
use busyhour_sim::peer::Action;
use busyhour_sim::{Deed, Scenario, World, to_an_agent};
use busyhour_switch::{Denied, Destination, Reply, Request};

#[test]
fn a_caller_sent_to_another_queue_goes_before_those_who_came_later() {
    let mut scenario = enquiries(21, 2);
    scenario.setup.agents[1].skills = vec![("complaint".into(), 1)];
    let to_complaints = |wait| {
        let mut script = to_an_agent(false);
        script.pop();
        script.extend([Action::Press('2'), Action::AwaitTone(90 * SECOND), Action::Wait(wait), Action::HangUp]);
        script
    };
    let mut enquirer = to_an_agent(false);
    enquirer.extend([Action::AwaitTone(60 * SECOND), Action::Wait(30 * SECOND), Action::HangUp]);
    let scripts = vec![enquirer, to_complaints(20 * SECOND), to_complaints(2 * SECOND)];
    let mut scenario = with_callers(scenario, scripts);
    let to = Destination::Queue("complaint".into());
    scenario.deeds.push((12 * SECOND, Deed::Ask(Box::new(Request::Transfer { call: CallId(1), to }))));
    let world = ended(scenario);
    assert_eq!(count(&world, |w| matches!(w, What::Transferred { .. })), 1);
    let served = world.facts.iter().filter(|f| matches!(f.what, What::Connected { .. }));
    let order: Vec<u64> = served.map(|f| f.what.call().unwrap().0).collect();
    assert_eq!(order, [1, 2, 1, 3]);
    let record = world.records.iter().find(|record| record.call == CallId(1)).unwrap();
    assert_eq!(record.visits.iter().map(|v| v.since).collect::<Vec<_>>(), [record.visits[0].entered; 2]);
}

#[test]
fn a_caller_sent_to_a_queue_the_dialplan_does_not_know_hears_the_desks_music() {
    let mut scenario = enquiries(22, 1);
    let mut night = scenario.setup.queues[0].clone();
    night.name = "night".into();
    scenario.setup.queues.push(night);
    scenario.setup.queues.iter_mut().for_each(|queue| queue.wrap_up = 5 * SECOND);
    let mut scenario = with_callers(
        scenario,
        vec![{
            let mut script = to_an_agent(false);
            script.extend([Action::AwaitTone(60 * SECOND), Action::Wait(25 * SECOND), Action::HangUp]);
            script
        }],
    );
    let to = Destination::Queue("night".into());
    scenario.deeds.push((12 * SECOND, Deed::Ask(Box::new(Request::Transfer { call: CallId(1), to }))));
    let world = ended(scenario);
    assert_eq!(count(&world, |w| matches!(w, What::NodeEntered { plan, .. } if &**plan == "desk/waiting")), 1);
    assert_eq!(count(&world, |w| matches!(w, What::Connected { .. })), 2);
}

#[test]
fn a_caller_sent_to_a_menu_comes_back_to_the_queue_with_the_first_time() {
    let mut scenario = enquiries(23, 1);
    scenario.setup.queues[0].wrap_up = 5 * SECOND;
    let mut script = to_an_agent(false);
    script.extend([Action::AwaitTone(60 * SECOND), Action::Wait(12 * SECOND), Action::Press('1')]);
    script.extend([Action::Wait(15 * SECOND), Action::HangUp]);
    let mut scenario = with_callers(scenario, vec![script]);
    let to = Destination::Node("main".into());
    scenario.deeds.push((12 * SECOND, Deed::Ask(Box::new(Request::Transfer { call: CallId(1), to }))));
    let world = ended(scenario);
    assert_eq!(count(&world, |w| matches!(w, What::Enqueued { entrance: Entrance::Returned, .. })), 1);
    assert_eq!(count(&world, |w| matches!(w, What::Connected { .. })), 2);
}

const VERIFY: &str = r##"
name = "hotline"
start = "wait"
show = ["level", "checked"]
[variables]
level = "gold"
[node.wait]
queue = "enquiry"
served = "verify"
else = "bye"
[node.verify]
collect = "pin"
length = 4
secret = true
then = "back"
too_many = "bye"
[node.back]
set = { checked = "yes & no" }
then = "again"
[node.again]
queue = "enquiry"
agent = "$served_by"
wait_busy = true
else = "bye"
[node.bye]
hangup = true
"##;

/// IVR to agent to IVR and back: the agent is told the caller's data, also what the IVR asked meanwhile.
#[test]
fn a_caller_sent_to_the_ivr_comes_back_to_the_same_agent_with_what_was_asked() {
    let mut scenario = with_plan(Scenario::calm(27, 3), VERIFY);
    scenario.setup.queues[0].wrap_up = 4 * SECOND;
    let mut script = vec![Action::AwaitAnswer(30 * SECOND), Action::AwaitTone(60 * SECOND), Action::Wait(9 * SECOND)];
    script.extend(['4', '3', '2', '1'].map(Action::Press));
    script.extend([Action::Wait(8 * SECOND), Action::AwaitTone(60 * SECOND), Action::Wait(2 * SECOND), Action::HangUp]);
    let mut scenario = with_callers(scenario, vec![script]);
    let to = Destination::Node("verify".into());
    scenario.deeds.push((8 * SECOND, Deed::Ask(Box::new(Request::Transfer { call: CallId(1), to }))));
    let mut world = World::new(scenario);
    world.run(9 * SECOND);
    let Ok(Reply::Calls(rows)) = world.switch.handle_request(world.now(), Request::Calls) else { panic!("calls") };
    assert_eq!(rows[0].data, [("level".into(), "gold".into())].into(), "what is not set yet is not shown");
    world.run(60 * SECOND);
    world.settle(200 * SECOND);
    world.check_ended();
    let agents: Vec<_> = world
        .facts
        .iter()
        .filter_map(|fact| match &fact.what {
            What::Connected { party: Party::Agent(agent), .. } => Some(agent.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(agents.len(), 2, "{agents:?}");
    assert_eq!(agents[0], agents[1], "though two others were idle");
    assert_eq!(world.told, ["level=gold", "level=gold;checked=yes%20%26%20no"]);
}

#[test]
fn only_a_talking_caller_can_be_sent_on_and_only_to_where_there_is_something() {
    let mut world = World::new(with_callers(enquiries(24, 1), vec![conversation()]));
    let now = world.now();
    let to = |queue: &str| Request::Transfer { call: CallId(1), to: Destination::Queue(queue.into()) };
    assert!(matches!(world.switch.handle_request(now, to("enquiry")), Err(Denied::UnknownCall(_))));
    world.run(3 * SECOND);
    let now = world.now();
    assert!(matches!(world.switch.handle_request(now, to("enquiry")), Err(Denied::NotTalking(_))));
    world.run(5 * SECOND);
    let now = world.now();
    assert!(matches!(world.switch.handle_request(now, to("nowhere")), Err(Denied::UnknownQueue(_))));
    let node = Request::Transfer { call: CallId(1), to: Destination::Node("nowhere".into()) };
    assert!(matches!(world.switch.handle_request(now, node), Err(Denied::UnknownNode { .. })));
}
