//! Policies of queues, and where agents are.

use super::*;
use busyhour_acd::{Order, Policy};

/// Everything a queue and an agent may say; each case below breaks one thing.
pub(super) const RICH: &str = r#"skills = ["enquiry", "card", "loan", "vip", "trainee"]
sites = ["shanghai", "chengdu"]
teams = ["day", "night"]

[[number]]
number = "*"
dialplan = "hotline"

[[queue]]
name = "enquiry"
skills = { enquiry = 1 }
order = "least_occupied"
need = "enquiry>=2 and (card or loan) and not trainee"
prefer = 'card >= 3'
sites = [{ site = "shanghai" }, { site = "chengdu", after = "20s" }]
reserve = [{ of = "vip", keep = 2 }]
weight = 150
wait_predicted_max = "10m"
backup = [{ of = "loan", wait = "1m" }]

[[queue]]
name = "complaint"
wait_max = "none"

[[queue]]
name = "general"

[[agent]]
number = "1001"
password = "secret"
team = "night"
site = "chengdu"
weight = 3
skills = { enquiry = 3, card = 3, loan = 1, vip = 1 }

[[agent]]
number = "1002"
password = "secret"
site = "shanghai"
skills = { trainee = 1 }
"#;

#[test]
fn every_key_of_a_policy_is_taken() {
    assert_eq!(told(RICH), Vec::<String>::new());
    let setup = read("centre.toml", RICH, Path::new("/nowhere")).site.unwrap().setup;
    let need = |text: &str| busyhour_acd::Need::parse(text, &mut |name, _| Name::from(name)).unwrap();
    let expected = Policy {
        order: Order::LeastOccupied,
        need: Some(need("enquiry>=2 and (card or loan) and not trainee")),
        preferred: Some(need("card>=3")),
        sites: vec![("shanghai".into(), Duration::ZERO), ("chengdu".into(), Duration::from_secs(20))],
        reserve: vec![busyhour_acd::Reserve { of: need("vip"), keep: 2 }],
        backup: vec![busyhour_acd::Backup { of: need("loan"), wait: Duration::from_secs(60) }],
        weight: 150,
        wait_predicted_max: Some(Duration::from_secs(600)),
        ..Policy::default()
    };
    assert_eq!(setup.queues[0].policy, expected);
    assert_eq!(setup.queues[1].policy, Policy::default());
    let agent = &setup.agents[0];
    assert_eq!((&*agent.team, agent.site.as_deref(), agent.weight), ("night", Some("chengdu"), 3));
    assert_eq!((&*setup.agents[1].team, setup.agents[1].weight), ("default", 1));
}

#[test]
fn how_callers_are_called_back_and_who_resumes_are_taken() {
    let keys =
        "redial_within = \"10m\"\ncallback = { expires = \"2h\", retries = 0, ring = \"30s\" }\nwait_max = \"none\"";
    let setup =
        read("centre.toml", &RICH.replace("wait_max = \"none\"", keys), Path::new("/nowhere")).site.unwrap().setup;
    let queue = &setup.queues[1];
    assert_eq!(
        (queue.redial_within, queue.callback.expires),
        (Some(Duration::from_secs(600)), Duration::from_secs(7200))
    );
    assert_eq!((queue.callback.retries, queue.callback.ring.as_secs(), queue.callback.max), (0, 30, 100));
    assert_eq!(setup.queues[2].callback, busyhour_switch::CallbackSetup::default());
    let wrong = RICH.replace("wait_max = \"none\"", "callback = { ring = \"1h\", expire = \"2h\" }");
    let told = told(&wrong);
    assert!(told.len() == 2 && told[0].contains("a phone rings between") && told[1].contains("`expires`"), "{told:?}");
}

const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "\"least_occupied\"",
        "\"least_busy\"",
        "error centre.toml:12:9 `least_busy` is no order of agents: \"longest_idle\", \"longest_since_contact\", \"longest_since_call\", \"longest_since_queue_call\", \"least_occupied\", \"fewest_calls\", \"least_talk\", \"round_robin\", \"linear\", \"random\", \"fastest\" or \"weighted\"",
    ),
    ("card or loan", "card or loam", "error centre.toml:13:33 no skill is named `loam` (did you mean `loan`?)"),
    ("(card or loan)", "(card or loan", "error centre.toml:13:24 this `(` is never closed"),
    (
        "card >= 3",
        "card => 3",
        "error centre.toml:14:16 `=>` does not compare levels; write `skill>=2`, or `not skill>=2` for less",
    ),
    ("'card >= 3'", "\"\"\"\ncart\"\"\"", "error centre.toml:15:1 no skill is named `cart` (did you mean `card`?)"),
    ("'card >= 3'", "\"\\u0063art\"", "error centre.toml:14:10 no skill is named `cart` (did you mean `card`?)"),
    ("'card >= 3'", "3", "error centre.toml:14:10 expected a string, found integer"),
    (
        "site = \"shanghai\" }",
        "site = \"shanghi\" }",
        "error centre.toml:15:19 no site is named `shanghi` (did you mean `shanghai`?)",
    ),
    ("{ site = \"shanghai\" }", "{ after = \"1s\" }", "error centre.toml:15:10 [[sites]] needs `site`"),
    ("keep = 2", "keep = -2", "error centre.toml:16:33 -2 is out of range"),
    ("of = \"vip\"", "of = \"vipp\"", "error centre.toml:16:20 no skill is named `vipp` (did you mean `vip`?)"),
    (
        "weight = 150",
        "weight = 0",
        "error centre.toml:17:10 0 is no weight: 1 to 10000 percent; 100 ages as `goal` says",
    ),
    (
        "wait_predicted_max = \"10m\"",
        "wait_predicted_max = \"ten\"",
        "error centre.toml:18:22 `ten` is no duration; write \"300ms\", \"20s\", \"1m30s\" or \"4h\"",
    ),
    ("team = \"night\"", "team = \"nigth\"", "error centre.toml:31:8 no team is named `nigth` (did you mean `night`?)"),
    (
        "site = \"chengdu\"\nweight",
        "site = \"cd\"\nweight",
        "error centre.toml:32:8 no site is named `cd` (define it, or use another site)",
    ),
    ("weight = 3", "weight = 1001", "error centre.toml:33:10 1001 is no weight of an agent: 1 to 1000"),
    (
        "\"day\"",
        "\"night\"",
        "error centre.toml:3:19 a second team is named `night` (the first one is on line 3; names are unique)",
    ),
];

#[test]
fn every_mistake_in_a_policy_is_located() {
    all_told(RICH, MISTAKES);
}

/// What else a queue may weigh, and what an agent holds for a time or likes best.
const WEIGHED: &str = r#"skills = ["enquiry", "vip"]
[[number]]
number = "*"
dialplan = "hotline"
[[queue]]
name = "enquiry"
order = "weighted"
weights = { skill = 40, load = 30, business = 10, efficiency = 20 }
no_answer = { misses_max = 3, pause = "30s" }
ring_max = 3
[[queue]]
name = "complaint"
order = "longest_since_queue_call"
[[queue]]
name = "general"
[[agent]]
number = "1001"
password = "secret"
skills = { enquiry = 3, vip = { level = 2, until = "2026-12-31" } }
queues = { enquiry = 50, complaint = -20 }
"#;

#[test]
fn weights_expiry_dates_and_favourite_queues_are_taken() {
    assert_eq!(told(WEIGHED), Vec::<String>::new());
    let setup = read("centre.toml", WEIGHED, Path::new("/nowhere")).site.unwrap().setup;
    let expected = Policy {
        order: Order::Weighted,
        weights: busyhour_acd::Weights { skill: 40, load: 30, business: 10, efficiency: 20 },
        no_answer: busyhour_acd::NoAnswer { misses_max: 3, pause: Some(Duration::from_secs(30)) },
        ring_max: 3,
        ..Policy::default()
    };
    assert_eq!(setup.queues[0].policy, expected);
    assert_eq!(setup.queues[1].policy.order, Order::LongestSinceQueueCall);
    let agent = &setup.agents[0];
    let midnight = busyhour_model::calendar::midnight(busyhour_model::calendar::day("2027-01-01").unwrap(), 480);
    assert_eq!(agent.expires, [("vip".into(), midnight)], "held through that day, on our clock");
    assert_eq!(agent.skills_at(midnight - Duration::from_secs(1)).len(), 2);
    assert_eq!(agent.skills_at(midnight), [("enquiry".into(), 3)]);
    let mut prefers = agent.prefers.clone();
    prefers.sort();
    assert_eq!(prefers, [("complaint".into(), -20), ("enquiry".into(), 50)]);
}

const WEIGHED_WRONG: &[(&str, &str, &str)] = &[
    ("load = 30", "laod = 30", "error centre.toml:8:25 unknown key `laod` in [weights] (did you mean `load`?)"),
    (
        "skill = 40, load = 30, business = 10, efficiency = 20",
        "skill = 0, load = 0, business = 0, efficiency = 0",
        "error centre.toml:8:11 nothing counts when all weights are 0",
    ),
    ("skill = 40", "skill = 4000", "error centre.toml:8:21 4000 is not between 0 and 1000"),
    ("misses_max = 3", "misses_max = 0", "error centre.toml:9:28 0 is not between 1 and 100"),
    ("ring_max = 3", "ring_max = 17", "error centre.toml:10:12 17 is not between 1 and 16"),
    ("until = \"2026-12-31\"", "until = \"31.12.\"", "error centre.toml:19:31 `31.12.` is no date like \"2026-12-31\""),
    ("level = 2, until", "levl = 2, until", "error centre.toml:19:31 `levl` is neither `level` nor `until`"),
    (
        "queues = { enquiry",
        "queues = { enqiry",
        "error centre.toml:20:12 no queue is named `enqiry` (did you mean `enquiry`?)",
    ),
    ("= -20", "= -2000000", "error centre.toml:20:38 -2000000 points are more than 1000000"),
];

#[test]
fn every_mistake_in_weights_and_agents_is_located() {
    all_told(WEIGHED, WEIGHED_WRONG);
    let crowd: String = (0..65).map(|i| format!("s{i} = 1, ")).collect();
    let found = told(&WEIGHED.replace("skills = { enquiry = 3, ", &format!("skills = {{ {crowd}")));
    assert!(found.iter().any(|f| f == "error centre.toml:16:1 66 skills here; at most 64"), "{found:?}");
}

/// Policies that can never match, or change nothing.
const POINTLESS: &[(&str, &str, &str)] = &[
    (
        "enquiry>=2 and",
        "enquiry>=4 and",
        "warning centre.toml:13:8 nobody who has the skills of queue `enquiry` meets its `need` (its calls would wait until they overflow; give somebody the skills)",
    ),
    (
        "site = \"chengdu\"\nweight",
        "site = \"shanghai\"\nweight",
        "warning centre.toml:15:9 no agent works at site `chengdu`, which queue `enquiry` asks for (give some agents `site`, or take it out)",
    ),
    (
        "site = \"chengdu\"\nweight",
        "weight",
        "warning centre.toml:15:9 nobody who may take calls of queue `enquiry` works at one of its sites (its calls would wait until they overflow; give somebody the skills)",
    ),
    (
        "'card >= 3'",
        "'card >= 4'",
        "warning centre.toml:14:10 nobody whom queue `enquiry` may ring meets its `prefer` (it changes nothing then)",
    ),
    (
        "loan = 1, vip = 1 }",
        "vip = 1 }",
        "warning centre.toml:19:10 a `backup` of queue `enquiry` is about nobody it may ring (it changes nothing then)",
    ),
    (
        "loan = 1, vip = 1 }",
        "loan = 1 }",
        "warning centre.toml:16:11 a `reserve` of queue `enquiry` is about nobody it may ring (it changes nothing then)",
    ),
];

#[test]
fn a_policy_that_can_never_match_is_warned_of() {
    all_told(RICH, POINTLESS);
}
