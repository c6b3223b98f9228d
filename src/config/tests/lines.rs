//! How much trunks take, how they stand for each other, why their calls end, and by which socket.

use super::*;
use busyhour_switch::{CauseRule, GroupMember, TierChannels, TrunkLimits, TrunkSetup};

const LINES: &str = with_hotline!(
    r#"[sip]
udp = ["127.0.0.1:5060", "127.0.0.1:5062", "[::1]:5064"]
advertise = "192.0.2.9"

[[tier]]
name = "gold"
numbers = ["13800138000"]

[[trunk]]
name = "ct"
sources = ["203.0.113.0/24"]
peer = "203.0.113.5"
bind = "127.0.0.1:5062"
channels = 100
channels_in_max = 80
channels_out_max = 40
cps_in = 20
cps_out = 10
cps_wait = "3s"
callee_limits = ["1/1m", "5/1h"]
tiers = [{ tier = "gold", keep = 5, max = 50 }, { tier = "default", max = 60 }]
drained = true
causes_in = [{ status = 480, cause = 34, to_status = 503 }]
causes_out = [{ cause = 21, to_cause = 31, to_status = 480 }, { status = 604, to_status = 404 }]

[[trunk]]
name = "six"
sources = ["2001:db8::/32"]
peer = "udp:[2001:db8::5]:5060"
bind = "[::1]:5064"

[[trunk_group]]
name = "out"
trunks = [{ trunk = "ct", priority = 2, weight = 3 }, { trunk = "six" }]
next_on = [503, 34]
"#
);

fn trunks(source: &str) -> Vec<TrunkSetup> {
    assert_eq!(told(source), Vec::<String>::new());
    read("centre.toml", source, Path::new("/nowhere")).site.unwrap().setup.trunks
}

#[test]
fn every_limit_is_read() {
    let [ct, six] = <[TrunkSetup; 2]>::try_from(trunks(LINES)).unwrap();
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
    let limits = TrunkLimits {
        drained: true,
        channels_in: Some(80),
        channels_out: Some(40),
        rate_in: Some(20),
        rate_out: Some(10),
        wait_max: Duration::from_secs(3),
        callee: vec![(1, minute), (5, hour)],
        tiers: vec![
            TierChannels { tier: Some("gold".into()), keep: 5, max: Some(50) },
            TierChannels { tier: None, keep: 0, max: Some(60) },
        ],
    };
    assert_eq!((ct.channels, ct.limits), (100, limits));
    assert_eq!((six.channels, six.limits), (30, TrunkLimits::default()));
}

#[test]
fn how_often_an_agent_may_call_outside_is_read() {
    let site = |limits: &str| format!("[server]\noutside_limits = {limits}\n{LINES}");
    let setup = read("centre.toml", &site(r#"["60/1h", "300/1d"]"#), Path::new("/nowhere")).site.unwrap().setup;
    let hour = Duration::from_secs(3600);
    assert_eq!(setup.outside_limits, [(60, hour), (300, 24 * hour)]);
    let wrong = "error centre.toml:2:19 `60` is no limit; write calls and a time, like \"5/1h\"";
    assert_eq!(told(&site(r#"["60"]"#)), [wrong]);
}

#[test]
fn every_key_of_a_group_is_read() {
    let group = |source: &str| read("centre.toml", source, Path::new("/nowhere")).site.unwrap().setup.groups.remove(0);
    let found = group(LINES);
    let member = |trunk: &str, priority, weight| GroupMember { trunk: trunk.into(), priority, weight };
    assert_eq!((&*found.name, found.next_on), ("out", vec![503, 34]));
    assert_eq!(found.members, [member("ct", 2, 3), member("six", 1, 1)]);
    assert_eq!(group(&LINES.replace("next_on = [503, 34]\n", "")).next_on, busyhour_switch::NEXT_ON);
}

#[test]
fn both_tables_of_causes_are_read() {
    let policy = trunks(LINES).remove(0).policy;
    let rule = |status, cause, to_status, to_cause| CauseRule { status, cause, to_status, to_cause };
    assert_eq!(policy.causes_in.0, [rule(Some(480), Some(34), Some(503), None)]);
    assert_eq!(
        policy.causes_out.0,
        [rule(None, Some(21), Some(480), Some(31)), rule(Some(604), None, Some(404), None)]
    );
}

/// What is told to peers instead of an address is told of sockets of its own family.
#[test]
fn a_socket_of_its_own_is_known_as_peers_know_it() {
    let site = read("centre.toml", LINES, Path::new("/nowhere")).site.unwrap();
    let binds: Vec<_> = site.setup.trunks.iter().map(|trunk| trunk.bind.unwrap().to_string()).collect();
    assert_eq!(binds, ["192.0.2.9:5062", "[::1]:5064"]);
    let locals: Vec<_> = site.setup.locals.iter().map(|(_, local)| local.to_string()).collect();
    assert!(binds.iter().all(|bind| locals.contains(bind)), "{binds:?} are not among {locals:?}");
    let plain = trunks(&LINES.replace("advertise = \"192.0.2.9\"\n", ""));
    assert_eq!(plain[0].bind.unwrap().to_string(), "127.0.0.1:5062");
}

const MISTAKES: &[(&str, &str, &str)] = &[
    ("channels_in_max = 80", "channels_in_max = -1", "error centre.toml:15:19 -1 is out of range"),
    ("cps_in = 20", "cps_in = 0", "error centre.toml:17:10 0 calls a second: 1 to 1000, or \"none\" for no limit"),
    (
        "cps_out = 10",
        "cps_out = 1001",
        "error centre.toml:18:11 1001 calls a second: 1 to 1000, or \"none\" for no limit",
    ),
    ("\"3s\"", "\"11s\"", "error centre.toml:19:12 a call waits for its turn at most \"10s\""),
    (
        "\"5/1h\"",
        "\"5 per hour\"",
        "error centre.toml:20:26 `5 per hour` is no limit; write calls and a time, like \"5/1h\"",
    ),
    ("\"1/1m\"", "\"0/1m\"", "error centre.toml:20:18 `0/1m` is no limit; write calls and a time, like \"5/1h\""),
    (
        "keep = 5, max = 50",
        "keep = 50, max = 5",
        "error centre.toml:21:10 more channels are kept free for this tier than it may have",
    ),
    ("keep = 5", "keep = 101", "error centre.toml:9:1 101 channels are to be kept free for tiers, of 100"),
    (
        "tier = \"gold\", keep",
        "tier = \"golf\", keep",
        "error centre.toml:21:19 no tier is named `golf` (did you mean `gold`?)",
    ),
    ("drained = true", "drained = 1", "error centre.toml:22:11 expected true or false, found integer"),
    (
        "{ status = 480, cause = 34, to_status = 503 }",
        "{ to_status = 503 }",
        "error centre.toml:23:14 this rule is for no answer (add `status`, `cause` of Q.850, or both)",
    ),
    (
        "to_status = 503",
        "cause_to = 503",
        "error centre.toml:23:14 this rule changes nothing (add `to_status`, `to_cause`, or both)",
    ),
    ("cause = 34", "cause = 128", "error centre.toml:23:38 a cause of Q.850 is 1 to 127"),
    ("status = 604", "status = 200", "error centre.toml:24:74 200 refuses no call: 400 to 699"),
    (
        "{ trunk = \"six\" }",
        "{ trunk = \"sex\" }",
        "error centre.toml:34:65 no trunk is named `sex` (did you mean `six`?)",
    ),
    ("weight = 3", "weight = 0", "error centre.toml:34:50 0 is no weight: 1 to 10000"),
    (
        "trunks = [{ trunk = \"ct\", priority = 2, weight = 3 }, { trunk = \"six\" }]\n",
        "",
        "error centre.toml:32:1 [[trunk_group]] needs `trunks`",
    ),
    (
        "name = \"out\"",
        "name = \"ct\"",
        "error centre.toml:33:8 a second trunk or group of trunks is named `ct` (the first one is on line 10; names are unique)",
    ),
    (
        "[503, 34]",
        "[486]",
        "error centre.toml:35:12 this is the callee's answer, whatever the trunk: no other is tried after it",
    ),
    ("[503, 34]", "[200]", "error centre.toml:35:12 200 refuses no call: 400 to 599, or 1 to 127 for a cause of Q.850"),
    (
        "peer = \"203.0.113.5\"\nbind = \"127.0.0.1:5062\"\n",
        "",
        "warning centre.toml:32:21 no call can go out by trunk `ct` (set its `peer`)",
    ),
];

#[test]
fn every_mistake_in_a_limit_a_group_or_a_cause_is_located() {
    all_told(LINES, MISTAKES);
}
