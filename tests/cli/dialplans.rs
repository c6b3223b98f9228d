//! Dialplans and recordings: checked, drawn, tested and taken back.

use crate::server::{CONFIG, Server, busyhour, err, folder, out};
use std::path::Path;

#[test]
fn a_dialplan_is_checked_and_its_tests_are_run() {
    let shipped = include_str!("../../dialplans/hotline.toml");
    let file = folder("dialplan", CONFIG).join("hotline.toml");
    let run = |command: &str, source: &str, more: &[&str]| {
        std::fs::write(&file, source).unwrap();
        busyhour(&[&["dialplan", command, file.to_str().unwrap()], more].concat())
    };
    let right = run("check", shipped, &[]);
    assert_eq!(
        (right.status.code(), &*out(&right)),
        (Some(0), "ok: 1 dialplan without errors; 0 errors, 0 warnings\n")
    );
    let wrong = run("check", &shipped.replace("play = \"queue/full\"", "play = \"digits/11\""), &[]);
    assert_eq!(wrong.status.code(), Some(2));
    let told = "error: `digits/11` is recorded in `en`, not in `zh`";
    let line = 1 + shipped.lines().position(|line| line == "play = \"queue/full\"").unwrap();
    let place = format!("hotline.toml:{line}:8\n{line} | play = ");
    assert!(err(&wrong).contains(told) && err(&wrong).contains(&place), "{}", err(&wrong));

    let passed = run("test", shipped, &["--filter", "busy"]);
    assert_eq!((passed.status.code(), out(&passed).lines().last()), (Some(0), Some("2 passed, 0 failed")));
    let changed = shipped.replace("{ hear = \"agent/offline\" }", "{ hear = \"agent/busy\" }");
    let failed = run("test", &changed, &[]);
    assert_eq!(failed.status.code(), Some(1));
    for line in [
        "FAILED  the agent asked for is away",
        "error: step 4: expected to hear `agent/busy`",
        "    |   ^",
        "  instead: queued in `general`, priority 0, agent 1001, heard `ivr/transfer`, entered `agent-offline`",
        &format!("{} passed, 1 failed", shipped.matches("[[test]]").count() - 1),
    ] {
        assert!(out(&failed).contains(line), "{line} is not in\n{}", out(&failed));
    }
    let json: serde_json::Value = serde_json::from_str(&out(&run("test", &changed, &["--json"]))).unwrap();
    let mut tests = json["files"][0]["tests"].as_array().unwrap().iter();
    let test = tests.find(|test| test["name"] == "the agent asked for is away").unwrap();
    assert_eq!((&json["ok"], &test["failure"]["step"]), (&false.into(), &4.into()));
}

#[test]
fn a_dialplan_goes_back_to_what_it_was() {
    let shipped = include_str!("../../dialplans/hotline.toml");
    let folder = folder("versions", &CONFIG.replace("data = \"data\"", "data = \"data\"\ndialplans = \"plans\""));
    let file = folder.join("plans/hotline.toml");
    std::fs::create_dir(folder.join("plans")).unwrap();
    std::fs::write(&file, shipped).unwrap();
    let server = Server::start_in(&folder);
    let reload = |text: &str| {
        std::fs::write(&file, text).unwrap();
        server.ask(&["dialplan", "reload"]).status.code()
    };
    assert_eq!(reload(&shipped.replace("retries = 1", "retries = 2")), Some(0));
    assert_eq!(reload(&format!("# only a comment\n{shipped}")), Some(0));
    assert_eq!(reload("name = 3"), Some(2), "a wrong one is no version");
    let versions = out(&server.ask(&["dialplan", "versions", "hotline"]));
    let numbers: Vec<&str> = versions.lines().skip(1).map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(numbers, ["3", "2", "1"], "{versions}");
    assert!(versions.lines().last().unwrap().contains("start"), "{versions}");

    let diff = |old: &str, new: &str| {
        out(&server.ask(&["dialplan", "diff", old, new, "--config", server.config.to_str().unwrap()]))
    };
    assert_eq!(diff("hotline@1", "hotline@2"), "~ node language: retries: 1 -> 2\n");
    assert_eq!(diff("hotline@1", "hotline"), "no difference in meaning\n");
    let back = server.ask(&["dialplan", "rollback", "hotline", "2"]);
    assert_eq!((back.status.code(), &*out(&back)), (Some(0), "rolled back\n"), "{}", err(&back));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), shipped.replace("retries = 1", "retries = 2"));
    assert_eq!(diff("hotline", file.to_str().unwrap()), "no difference in meaning\n");
    assert!(out(&server.ask(&["dialplan", "versions"])).contains(": back to 2"));

    // Its queue is gone: the older text is refused, the newer stays.
    let fewer = shipped.replace("\"complaint\"", "\"general\"").replace("complaint = \"general\"", "");
    assert_eq!(reload(&fewer), Some(0));
    let config = std::fs::read_to_string(&server.config).unwrap();
    std::fs::write(&server.config, config.replace("name = \"complaint\"", "name = \"trouble\"")).unwrap();
    assert_eq!(reload(&fewer), Some(0));
    let refused = server.ask(&["dialplan", "rollback", "hotline"]);
    assert_eq!(refused.status.code(), Some(2), "{}", out(&refused));
    assert!(err(&refused).contains("no queue is named `complaint`"), "{}", err(&refused));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), fewer);
    for (ask, fault) in
        [(["rollback", "hotline", "77"], "has no version 77"), (["rollback", "nothing", "1"], "was ever in force")]
    {
        let refused = server.ask(&[&["dialplan"], &ask[..]].concat());
        assert_eq!((refused.status.code(), err(&refused).contains(fault)), (Some(1), true), "{}", err(&refused));
    }
}

#[test]
fn recordings_are_checked() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
    let check =
        |folder: &Path, more: &[&str]| busyhour(&[&["prompts", "check", folder.to_str().unwrap()], more].concat());
    let right = check(&shipped, &[]);
    assert_eq!(right.status.code(), Some(0), "{}", out(&right));
    assert!(out(&right).ends_with(" recordings, 0 faults\n"), "{}", out(&right));

    let own = folder("recordings", CONFIG);
    std::fs::create_dir_all(own.join("zh/ivr")).unwrap();
    let phrases = ["welcome", "bye", "quiet", "missing"].map(|id| format!("ivr/{id}\t-\tx\t-\n"));
    std::fs::write(own.join("phrases.tsv"), phrases.concat()).unwrap();
    let sound = std::fs::read(shipped.join("zh/ivr/welcome.wav")).unwrap();
    std::fs::write(own.join("zh/ivr/welcome.wav"), &sound).unwrap();
    std::fs::write(own.join("zh/ivr/more.wav"), &sound).unwrap();
    std::fs::write(own.join("zh/ivr/bye.wav"), b"ID3").unwrap();
    let data = sound.windows(4).position(|word| word == b"data").unwrap() + 8;
    std::fs::write(own.join("zh/ivr/quiet.wav"), [&sound[..data], &vec![0xD5; sound.len() - data]].concat()).unwrap();
    let wrong = check(&own, &[]);
    assert_eq!(wrong.status.code(), Some(1));
    for words in
        ["this is not a WAV file", "missing", "too quiet", "zh/ivr/more.wav: no phrase", "3 recordings, 3 faults"]
    {
        assert!(out(&wrong).contains(words), "{words} is not in\n{}", out(&wrong));
    }
    let json: serde_json::Value = serde_json::from_str(&out(&check(&own, &["--json"]))).unwrap();
    assert_eq!((&json["ok"], json["prompts"].as_array().unwrap().len()), (&false.into(), 5));
    assert_eq!(check(Path::new("/nowhere"), &[]).status.code(), Some(1));
}

#[test]
fn a_dialplan_is_drawn() {
    let file = folder("graph", CONFIG).join("hotline.toml");
    std::fs::write(&file, include_str!("../../dialplans/hotline.toml")).unwrap();
    let draw = |more: &[&str]| busyhour(&[&["dialplan", "graph", file.to_str().unwrap()], more].concat());
    for (format, begins, ends) in [
        ("svg", "<svg xmlns=", "</svg>\n"),
        ("dot", "digraph \"hotline\" {", "}\n"),
        ("mermaid", "flowchart TD\n", "\n"),
    ] {
        let drawn = draw(&["--format", format]);
        assert!(
            drawn.status.success() && out(&drawn).starts_with(begins) && out(&drawn).ends_with(ends),
            "{}",
            err(&drawn)
        );
    }
    std::fs::write(&file, "name = 1").unwrap();
    assert_eq!(draw(&[]).status.code(), Some(2));
}
