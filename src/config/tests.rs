//! What an operator is told about a wrong file: where, what, and what to do.

use super::*;
use busyhour_model::Name;

/// A file made whole: every number leads to the shipped dialplan, which wants an agent and these queues.
macro_rules! with_hotline {
    ($head:literal) => {
        concat!(
            $head,
            "\n[[number]]\nnumber = \"*\"\ndialplan = \"hotline\"\n\n[[agent]]\nnumber = \"1001\"\npassword = \"secret\"\n\n",
            "[[queue]]\nname = \"enquiry\"\n[[queue]]\nname = \"complaint\"\n[[queue]]\nname = \"general\"\n"
        )
    };
}

mod bots;
mod hep;
mod lines;
mod live;
mod numbers;
mod recording;
mod routing;
mod schedules;
mod staff;
mod terms;
mod tiers;
mod tts;

/// A file that is right; each case below breaks one thing.
const GOOD: &str = r#"skills = ["enquiry", "english"]

[server]
domain = "example.com"

[sip]
udp = ["127.0.0.1:5060"]

[media]
ports = "20000-31999"

[[trunk]]
name = "ct"
sources = ["203.0.113.0/24", "198.51.100.7"]

[[number]]
number = "95118"
trunk = "ct"
dialplan = "hotline"

[[queue]]
name = "enquiry"
skills = { enquiry = 1 }
relax = [{ after = "30s", skills = {} }]

[[queue]]
name = "complaint"
skills = { enquiry = 1 }

[[queue]]
name = "general"
skills = {}

[[agent]]
number = "1001"
password = "secret"
skills = { enquiry = 3, english = 2 }
"#;

fn told(source: &str) -> Vec<String> {
    let loaded = read("centre.toml", source, Path::new("/nowhere"));
    let line = |d: &Diagnostic| {
        let help = d.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
        let word = if d.severity == Severity::Error { "error" } else { "warning" };
        format!("{word} {}:{}:{} {}{help}", d.file, d.line, d.column, d.message)
    };
    loaded.diagnostics.iter().map(line).collect()
}

#[test]
fn a_right_file_is_taken_without_a_word() {
    assert_eq!(told(GOOD), Vec::<String>::new());
    let site = read("centre.toml", GOOD, Path::new("/nowhere")).site.unwrap();
    assert_eq!(site.setup.trunks[0].sources.len(), 2);
    assert_eq!(site.setup.queues[0].relax, [(Duration::from_secs(30), vec![])]);
    assert_eq!(site.setup.media_ports, (20_000, 31_998));
    assert_eq!(site.shell.data, None);
}

#[test]
fn the_sample_is_right_and_warns_of_its_password() {
    let loaded = load(None);
    assert!(loaded.site.is_some(), "{:#?}", loaded.diagnostics);
    assert_eq!(loaded.diagnostics.len(), 1, "{:#?}", loaded.diagnostics);
    assert!(loaded.diagnostics[0].message.contains("password of the sample"));
    let site = loaded.site.unwrap();
    assert_eq!(site.setup.agents.len(), 10);
    assert!(site.setup.locals.iter().all(|(_, a)| a.ip().is_loopback()), "nobody else is let in by default");
}

/// What is replaced in GOOD, by what, and what is said.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("domain =", "domian =", "error centre.toml:4:1 unknown key `domian` in [server] (did you mean `domain`?)"),
    ("[media]", "[meda]", "error centre.toml:9:2 unknown key `meda` in the file (did you mean `media`?)"),
    ("\"127.0.0.1:5060\"", "\"localhost\"", "error centre.toml:7:8 `localhost`: invalid socket address syntax"),
    (
        "127.0.0.1:5060",
        "0.0.0.0:5060",
        "error centre.toml:7:8 0.0.0.0 is no address peers can reach (name the address of one interface, or say in `sip.advertise` what peers are told)",
    ),
    ("\"20000-31999\"", "\"20001-31999\"", "error centre.toml:10:9 RTP ports are even; start at 20000 or 20002"),
    ("\"20000-31999\"", "\"31999-20000\"", "error centre.toml:10:9 RTP ports are even; start at 31998 or 32000"),
    (
        "\"20000-31999\"",
        "\"20000-99999\"",
        "error centre.toml:10:9 `20000-99999` is no port range; write \"20000-31999\"",
    ),
    ("\"20000-31999\"", "\"80-90\"", "error centre.toml:10:9 port 80 is reserved; media ports start at 1024 or above"),
    ("\"20000-31999\"", "20000", "error centre.toml:10:9 expected a string, found integer"),
    (
        "\"20000-31999\"",
        "\"20000-20099\"",
        "warning centre.toml:10:9 50 media port pairs carry 25 two-leg calls, not 3000 (widen `media.ports` or lower `server.calls_max`)",
    ),
    (
        "203.0.113.0/24",
        "203.0.113.0/33",
        "error centre.toml:14:12 `203.0.113.0/33` is no address or network; write \"203.0.113.0/24\"",
    ),
    (
        "sources = [\"203.0.113.0/24\", \"198.51.100.7\"]",
        "channels = 4",
        "warning centre.toml:12:1 no call can come in by trunk `ct` (list the carrier's addresses in `sources`, or set `register`)",
    ),
    (
        "\"198.51.100.7\"]",
        "\"203.0.113.0/24\"]",
        "error centre.toml:14:30 203.0.113.0/24 is already a source of trunk `ct`",
    ),
    (
        "name = \"ct\"",
        "name = \"ct\"\nfull_status = 404",
        "error centre.toml:14:15 404 is not the answer of a full trunk: 486 or 503",
    ),
    (
        "name = \"ct\"",
        "name = \"ct\"\nregister = \"10m\"",
        "error centre.toml:14:12 to register, trunk `ct` needs `peer`, `user` and `password`",
    ),
    (
        "name = \"ct\"",
        "name = \"ct\"\npeer = \"203.0.113\"",
        "error centre.toml:14:8 `203.0.113` is neither an address nor a name; write \"udp:203.0.113.5:5060\", \"tls:…\", \"tcp:…\" or \"sip:carrier.example\"",
    ),
    (
        "name = \"ct\"",
        "name = \"ct\"\nsecret_header = \"X-Trunk-Key: short\"",
        "error centre.toml:14:17 write a header and at least 8 characters: \"X-Trunk-Key: …\"",
    ),
    (
        "name = \"ct\"",
        "name = \"ct\"\npeers = [\"203.0.113.9;priority=one\"]",
        "error centre.toml:14:10 `priority=one` says nothing of a peer; write \"…;priority=1;weight=10\"",
    ),
    (
        "name = \"ct\"",
        "name = \"ct\"\npeer = \"203.0.113.9\"\nbind = \"192.0.2.77:5060\"",
        "error centre.toml:15:8 192.0.2.77:5060 of trunk `ct` is no udp address of ours (add it to `sip.udp`)",
    ),
    (
        "name = \"ct\"",
        "name = \"ct\"\npeer = \"203.0.113.9\"\noutbound_proxy = \"203.0.113.8\"",
        "error centre.toml:15:18 trunk `ct` is reached by `outbound_proxy` or by peers, not by both",
    ),
    (
        "udp = [",
        "session_expires = \"60s\"\nudp = [",
        "error centre.toml:7:19 sessions are refreshed by \"90s\" to \"1d\"; \"0s\": not by us",
    ),
    (
        "udp = [",
        "register_min = \"2h\"\nudp = [",
        "error centre.toml:6:1 `register_min` is longer than `register_max`: nobody could register",
    ),
    (
        "udp = [",
        "qualify = \"5s\"\nudp = [",
        "error centre.toml:7:11 phones are asked each \"10s\" to \"1h\" whether they are there; \"0s\": never",
    ),
    ("password = \"secret\"", "password = \"secret\"\npin = \"12\"", "error centre.toml:37:7 a PIN has 4 to 12 digits"),
    (
        "[[agent]]",
        "[[phone]]\nnumber = \"1001\"\npassword = \"x\"\n\n[[agent]]\npin = \"4711\"",
        "error centre.toml:35:10 `1001` is an agent's number too (the own phone of an agent needs no [[phone]]; choose another number)",
    ),
    (
        "password = \"secret\"",
        "password = \"secret\"\naliases = [\"601\", \"card desk\"]",
        "error centre.toml:37:19 `card desk` is no agent number; use letters, digits, `-`, `_`, `.`",
    ),
    (
        "password = \"secret\"",
        "password = \"secret\"\ngreeting = \"agent/servin\"",
        "error centre.toml:37:12 no prompt is named `agent/servin` (did you mean `agent/serving`?)",
    ),
    (
        "password = \"secret\"",
        "password = \"secret\"\ncalls_max = 0",
        "error centre.toml:37:13 0 is no number of calls at once: 1 to 100, or leave it out",
    ),
    (
        "[[agent]]",
        "[[phone]]\nnumber = \"8001\"\npassword = \"x\"\n\n[[agent]]",
        "warning centre.toml:35:10 no agent can sign in at this phone (give agents a `pin`)",
    ),
    (
        "[media]",
        "[voicemail]\nwebhook = \"crm.example/messages\"\n[media]",
        "error centre.toml:10:11 `crm.example/messages` is no address like \"https://crm.example/messages\"",
    ),
    ("trunk = \"ct\"", "trunk = \"cz\"", "error centre.toml:18:9 no trunk is named `cz` (did you mean `ct`?)"),
    (
        "\"95118\"",
        "\"951-18\"",
        "error centre.toml:17:10 `951-18` is no dialled number; write digits, a prefix like \"400*\", or \"*\"",
    ),
    (
        "dialplan = \"hotline\"",
        "dialplan = \"hotlin\"",
        "error centre.toml:19:12 no dialplan is named `hotlin` (did you mean `hotline`?)",
    ),
    (
        "skills = { enquiry = 1 }\nrelax",
        "skills = { enqiry = 1 }\nrelax",
        "error centre.toml:23:12 no skill is named `enqiry` (did you mean `enquiry`?)",
    ),
    (
        "skills = { enquiry = 1 }\nrelax",
        "skills = { enquiry = 0 }\nrelax",
        "error centre.toml:23:22 0 is no skill level: 1 (lowest) to 100",
    ),
    (
        "\"30s\"",
        "\"30 s\"",
        "error centre.toml:24:20 `30 s` is no duration; write \"300ms\", \"20s\", \"1m30s\" or \"4h\"",
    ),
    ("\"30s\"", "30", "error centre.toml:24:20 expected a duration like \"20s\" or \"1m30s\", found integer"),
    (
        "name = \"general\"\nskills = {}",
        "name = \"general\"\nskills = { english = 3 }",
        "warning centre.toml:30:1 no agent has the skills of queue `general` (its calls would wait until they overflow; give somebody the skills)",
    ),
    ("password = \"secret\"\n", "", "error centre.toml:34:1 [[agent]] needs `password`"),
    ("password = \"secret\"", "password = \"\"", "error centre.toml:36:12 this may not be empty"),
    (
        "number = \"1001\"",
        "number = \"10 01\"",
        "error centre.toml:35:10 `10 01` is no agent number; use letters, digits, `-`, `_`, `.`",
    ),
    ("number = \"1001\"", "numbers = \"1010-1001\"", "error centre.toml:35:11 the range 1010-1001 runs backwards"),
    (
        "domain = \"example.com\"",
        "domain = \"example.com\"\nring_timeout = \"10m\"",
        "error centre.toml:5:16 a phone rings between 1s and 180s (3m)",
    ),
    (
        "domain = \"example.com\"",
        "domain = \"example.com",
        "error centre.toml:4:22 invalid basic string, expected `\"`",
    ),
];

#[test]
fn every_mistake_is_located_and_most_come_with_advice() {
    all_told(GOOD, MISTAKES);
}

#[track_caller]
fn all_told(good: &str, mistakes: &[(&str, &str, &str)]) {
    let mut wrong = String::new();
    for (from, to, expected) in mistakes {
        assert!(good.contains(*from), "{from}");
        let found = told(&good.replacen(from, to, 1));
        if !found.iter().any(|f| f == expected) {
            wrong += &format!("`{to}` should say\n  {expected}\nbut said\n  {}\n", found.join("\n  "));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn all_mistakes_come_at_once_and_nothing_is_taken() {
    let source = GOOD.replace("domain", "domian").replace("\"30s\"", "30").replace("\"1001\"", "1001");
    let loaded = read("centre.toml", &source, Path::new("/nowhere"));
    assert!(loaded.site.is_none());
    let lines: Vec<usize> = loaded.diagnostics.iter().map(|d| d.line).collect();
    assert_eq!(lines, [4, 24, 35], "{:#?}", loaded.diagnostics);
}

#[test]
fn names_are_unique() {
    let agent = "\n[[agent]]\nnumbers = \"1000-1002\"\npassword = \"x\"\n";
    let found = told(&format!("{GOOD}{agent}"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("error centre.toml:40:11 a second agent is named `1001` (the first one is on line 35"),
        "{found:?}"
    );
    let number = "\n[[number]]\nnumber = \"95118\"\ntrunk = \"ct\"\ndialplan = \"hotline\"\n";
    assert_eq!(told(&format!("{GOOD}{number}")), ["error centre.toml:40:10 number `95118` is routed twice"]);
}

#[test]
fn an_alias_is_one_agents_and_nothing_else_that_is_dialled() {
    let agent = |aliases: &str| {
        let phone =
            "[[phone]]\nnumber = \"8001\"\npassword = \"x\"\n[[number]]\nnumber = \"40010\"\ndialplan = \"hotline\"\n";
        let codes = "[codes]\npark_slots = \"801-820\"\n";
        let other = format!("[[agent]]\nnumber = \"1002\"\npassword = \"x\"\npin = \"4711\"\naliases = {aliases}\n");
        told(&format!("{GOOD}aliases = \"601\"\n{phone}{codes}{other}"))
    };
    assert_eq!(agent("[\"602\", \"li.na\"]"), Vec::<String>::new());
    for (alias, other) in [
        ("601", "an alias"),
        ("1001", "an agent's number"),
        ("1002", "an agent's number"),
        ("8001", "a phone"),
        ("40010", "a [[number]]"),
        ("enquiry", "a queue"),
        ("805", "a slot of `codes.park_slots`"),
    ] {
        let help = "an alias is one agent's and nothing else that is dialled; choose another";
        assert_eq!(
            agent(&format!("\"{alias}\"")),
            [format!("error centre.toml:51:11 `{alias}` is {other} already ({help})")]
        );
    }
    let range = told(&format!("{GOOD}\n[[agent]]\nnumbers = \"2001-2003\"\npassword = \"x\"\naliases = \"602\"\n"));
    assert!(range.contains(&"error centre.toml:42:11 `602` would be an alias of 3 agents".to_string()), "{range:?}");
}

#[test]
fn a_queue_the_dialplan_needs_and_nobody_defined_is_found() {
    let found = told(&GOOD.replace("name = \"complaint\"", "name = \"complaints\""));
    assert!(found.iter().any(|f| f.contains("hotline.toml") && f.contains("complaint")), "{found:?}");
}

#[test]
fn recording_without_a_folder_for_it_is_warned_of() {
    let folder = std::env::temp_dir().join(format!("busyhour-recording-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("hotline.toml"), HOTLINE).unwrap();
    let told = |data: &str| {
        let domain = "domain = \"example.com\"\n";
        let keys = format!("{domain}{data}dialplans = \"{}\"\n", folder.display());
        told(&GOOD.replace(domain, &keys))
    };
    let found = told("");
    assert!(found.iter().any(|told| told.contains("every recording fails (set `server.data`")), "{found:?}");
    let found = told("data = \"data\"\n");
    assert!(!found.iter().any(|told| told.contains("recording fails")), "{found:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn files_that_cannot_be_read_are_told_plainly() {
    let loaded = load(Some(Path::new("/nowhere/centre.toml")));
    assert!(loaded.site.is_none());
    assert!(loaded.diagnostics[0].to_string().contains("/nowhere/centre.toml"));
    let found = told(&GOOD.replace("[server]", "[server]\ndialplans = \"plans\"\nprompts = \"sounds\""));
    assert!(found.iter().any(|f| f.starts_with("error /nowhere/plans:0:0 cannot read this folder")), "{found:?}");
    assert!(
        found.iter().any(|f| f.starts_with("error /nowhere/sounds:0:0 cannot read this folder of prompts")),
        "{found:?}"
    );
}

#[test]
fn no_bytes_make_the_reader_panic() {
    for cut in 0..GOOD.len() {
        let _ = told(&GOOD[..cut]);
    }
}
