//! The program as an operator meets it: commands, tables, exit codes, and the HTTP side of a running server.
#![allow(clippy::unwrap_used)]

mod dialplans;
mod leaving;
mod orders;
mod recordings;
mod server;
mod trials;

use crate::server::{CONFIG, Server, busyhour, err, folder, out};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

#[test]
fn help_shows_every_command_with_examples() {
    let help = out(&busyhour(&["--help"]));
    for word in [
        "serve",
        "check",
        "demo",
        "calls",
        "explain",
        "trace",
        "agents",
        "queues",
        "reload",
        "dialplan",
        "journal",
        "ctl",
        "Examples:",
        "Exit codes:",
    ] {
        assert!(help.contains(word), "{word} is missing in\n{help}");
    }
    assert_eq!(busyhour(&["no-such-command"]).status.code(), Some(2));
}

#[test]
fn check_takes_a_right_file_and_locates_mistakes_in_a_wrong_one() {
    let good = folder("check", CONFIG).join("centre.toml");
    let output = busyhour(&["check", "--config", good.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).starts_with("ok: 1 trunk, 1 number, 1 dialplan, 3 queues, 2 agents"), "{}", out(&output));

    std::fs::write(&good, CONFIG.replace("[http]", "[htp]").replace("complaint = 1, ", "complait = 1, ")).unwrap();
    let output = busyhour(&["check", "--config", good.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("centre.toml:11:2"), "{}", err(&output));
    assert!(err(&output).contains("did you mean `http`?") && err(&output).contains("did you mean `complaint`?"));

    let json: serde_json::Value =
        serde_json::from_slice(&busyhour(&["check", "--json", "--config", good.to_str().unwrap()]).stdout).unwrap();
    assert_eq!((&json["ok"], json["diagnostics"][0]["line"].as_u64()), (&false.into(), Some(11)));
    assert_eq!(busyhour(&["serve", "--config", good.to_str().unwrap()]).status.code(), Some(2));
}

#[test]
fn a_phone_fetches_its_settings_by_a_link_nobody_guesses() {
    let keyed = CONFIG.replace("[http]", "[http]\nprovision_key = \"0123456789abcdef\"");
    let server = Server::start_in(&folder("provision", &keyed));
    let config = server.config.to_str().unwrap();
    let base = format!("http://{}", server.url.trim_start_matches("http://"));
    let link = busyhour(&["provision", "1001", "--format", "linphone", "--link", &base, "--config", config]);
    let path = out(&link).trim().strip_prefix(&base).unwrap().to_owned();
    let (status, page) = server.http("GET", &path);
    let said = out(&busyhour(&["provision", "1001", "--format", "linphone", "--config", config]));
    assert!(said.contains("<entry name=\"username\" overwrite=\"true\">1001</entry>"));
    let entries =
        |text: &str| text.lines().filter(|line| !line.contains("127.0.0.1")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((status, entries(&page)), (200, entries(&said)));
    for wrong in
        [path.replace("1001", "1002"), path.replace("linphone.xml", "passwords"), path.replace("/1001/", "/1001/0")]
    {
        assert_eq!(server.http("GET", &wrong), (404, String::new()), "{wrong}");
    }
    let none = Server::start("no-provision");
    assert_eq!(none.http("GET", &path).0, 404);
    let refused = busyhour(&["provision", "1001", "--link", "--config", none.config.to_str().unwrap()]);
    assert!(err(&refused).contains("set `http.provision_key`"), "{}", err(&refused));
}

#[test]
fn a_trunk_shows_what_it_makes_of_a_number() {
    let keys = "caller_id = \"02195118\"\nrewrite_out = [{ header = \"from\", number = \"1*\", length = 11, add = \"+86\" }]\n";
    let config = CONFIG.replace("sources = [\"127.0.0.2\"]\n", &format!("sources = [\"127.0.0.2\"]\n{keys}"));
    let file = folder("trunks-test", &config).join("centre.toml");
    let ask = |way, number| busyhour(&["trunks", "test", "local", way, number, "--config", file.to_str().unwrap()]);
    let shown = out(&ask("out", "13800138000"));
    assert!(shown.lines().any(|line| line.starts_with("from") && line.contains("+8613800138000")), "{shown}");
    assert!(shown.contains("may be called") && shown.contains("02195118"), "{shown}");
    assert!(out(&ask("out", "4008671888")).contains("is barred"));
    let shown = out(&ask("in", "tel:+8613800138000;cpc=ordinary"));
    assert!(shown.lines().any(|line| line.starts_with("pai") && line.contains("13800138000  mobile")), "{shown}");
    let unknown = busyhour(&["trunks", "test", "remote", "in", "1", "--config", file.to_str().unwrap()]);
    assert_eq!((unknown.status.code(), err(&unknown).contains("there are: local")), (Some(1), true));
}

#[test]
fn how_the_calls_of_trunks_fared_is_shown_since_the_start() {
    let server = Server::start("trunks-stats");
    assert_eq!(out(&server.ask(&["trunks", "stats"])), "no call of a trunk is over yet\n");
    assert_eq!(server.http("GET", "/api/trunks/stats"), (200, "[]".to_string()));
}

#[test]
fn the_built_in_sample_passes_its_own_check() {
    let output = busyhour(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}

#[test]
fn asking_a_server_that_is_not_there_says_so() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = busyhour(&["agents", "--url", &format!("http://{closed}")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("is `busyhour serve` running?"), "{}", err(&output));
}

#[test]
fn ports_and_folders_that_cannot_be_had_are_told_plainly() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let file = folder("refused", &CONFIG.replacen("127.0.0.1:0", &address, 1)).join("centre.toml");
    let output = busyhour(&["serve", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains(&format!("UDP {address} is in use by another program")), "{}", err(&output));

    std::fs::write(&file, CONFIG.replace("\"data\"", "\"/proc/busyhour\"")).unwrap();
    let output = busyhour(&["serve", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("/proc/busyhour cannot be written"), "{}", err(&output));
}

/// A carrier's caller on 127.0.0.2 who dials, and the INVITE.
fn dial(server: &Server) -> (UdpSocket, String) {
    let carrier = UdpSocket::bind("127.0.0.2:0").unwrap();
    carrier.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let (us, sdp) = (
        carrier.local_addr().unwrap(),
        "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n",
    );
    let invite = format!(
        "INVITE sip:95118@{} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK-1\r\nMax-Forwards: 70\r\n\
         From: <sip:13800138000@{us}>;tag=x\r\nTo: <sip:95118@{}>\r\nCall-ID: {us}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:13800138000@{us}>\r\nAuthorization: Digest username=\"u\", response=\"5ec4e7\", cnonce=\"5ec4e7\"\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        server.sip,
        server.sip,
        sdp.len()
    );
    carrier.send_to(invite.as_bytes(), &server.sip).unwrap();
    (carrier, invite)
}

/// What comes back in the end.
fn final_response(carrier: &UdpSocket) -> String {
    let mut buffer = [0; 4096];
    loop {
        let length = carrier.recv(&mut buffer).unwrap();
        if !buffer.starts_with(b"SIP/2.0 1") {
            return String::from_utf8_lossy(&buffer[..length]).into_owned();
        }
    }
}

/// A call that is answered, whose INVITE comes twice.
fn call_in(server: &Server) -> UdpSocket {
    let (carrier, invite) = dial(server);
    let answer = final_response(&carrier);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    carrier.send_to(invite.as_bytes(), &server.sip).unwrap();
    final_response(&carrier);
    carrier
}

#[test]
fn a_calls_messages_are_shown_without_its_secrets_and_its_callers_number() {
    let server = Server::start("traced");
    let _carrier = call_in(&server);
    let text = out(&server.ask(&["trace", "c1", "--full"]));
    for word in [
        " INVITE ",
        " again: INVITE ",
        "200 OK (INVITE)",
        "local",
        "busyhour",
        "sip:138****8000@",
        "response=\"******\"",
    ] {
        assert!(text.contains(word), "{word} is not in\n{text}");
    }
    assert!(!text.contains("13800138000") && !text.contains("5ec4e7"), "{text}");
    let unmasked = out(&server.ask(&["trace", "c1", "--full", "--unmasked"]));
    assert!(unmasked.contains("13800138000") && !unmasked.contains("5ec4e7"), "{unmasked}");
    assert!(!out(&server.ask(&["trace", "c1"])).contains("Max-Forwards"), "whole messages only when asked for");
    let ladder: serde_json::Value = serde_json::from_str(&server.http("GET", "/api/calls/1/trace").1).unwrap();
    assert_eq!((&ladder["peers"][0]["party"], &ladder["rungs"][0]["says"]), (&"local".into(), &"INVITE".into()));
    assert_eq!(ladder["whole"], true);
    assert!(out(&server.ask(&["trace", "c1", "--format", "svg"])).starts_with("<svg "));
    let capture = server.ask(&["trace", "c1", "--format", "pcap"]).stdout;
    assert_eq!(capture[..4], 0xa1b2_c3d4_u32.to_le_bytes());
    assert!(capture.windows(11).any(|window| window == b"INVITE sip:"));
    let unknown = server.ask(&["trace", "c77"]);
    assert!(err(&unknown).contains("no call c77 has arrived since the start"), "{}", err(&unknown));
    assert_eq!(server.http("GET", "/api/calls/77/trace").0, 404);
}

#[test]
fn a_running_server_answers_people_and_machines_and_stops_cleanly() {
    let server = Server::start("running");
    assert_eq!(server.http("GET", "/healthz"), (200, "ok\n".into()));
    assert_eq!(server.http("GET", "/readyz"), (200, "ready\n".into()));
    let (status, page) = server.http("GET", "/metrics");
    assert_eq!(status, 200);
    for series in [
        "busyhour_build_info{",
        "busyhour_trunk_up{trunk=\"local\"} 1",
        "busyhour_agents{queue=\"enquiry\",state=\"signed_out\"} 2",
    ] {
        assert!(page.contains(series), "{series} is not in\n{page}");
    }
    let agents = out(&server.ask(&["agents"]));
    assert!(agents.starts_with("AGENT") && agents.contains("1002") && agents.contains("signed out"), "{agents}");
    assert!(out(&server.ask(&["queues"])).contains("complaint"));
    assert_eq!(out(&server.ask(&["calls"])), "no calls\n");
    assert_eq!(out(&server.ask(&["calls", "--json", "--since", "1h"])), "[]\n");
    assert_eq!(out(&server.ask(&["ctl", "calls"])), "no calls are going on\n");
    assert!(out(&server.ask(&["ctl", "status"])).contains("vitals.ports_in_use"));
    let refused = server.ask(&["ctl", "not-ready", "9999"]);
    assert_eq!((refused.status.code(), err(&refused).contains("no agent has the number 9999")), (Some(1), true));
    assert_eq!(server.ask(&["ctl", "hangup", "c77"]).status.code(), Some(1));
    let unknown = server.ask(&["explain", "c77"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("no call c77 is going on or recorded"), "{}", err(&unknown));
    assert_eq!(server.http("GET", "/api/calls/77/explain").0, 404);
    assert_eq!(server.http("GET", "/api/calls/x/explain").0, 400);
    let why = out(&server.ask(&["ctl", "why", "1001", "--queue", "enquiry"]));
    assert_eq!(why, "agent 1001 is not offered it:\n  the agent is signed out\n");
    let why: serde_json::Value =
        serde_json::from_str(&out(&server.ask(&["ctl", "why", "1001", "--queue", "enquiry", "--json"]))).unwrap();
    assert_eq!(why["obstacles"][0]["state"], "signed_out");
    assert_eq!(server.http("GET", "/api/explain/agent/1001?queue=nowhere").0, 404);
    assert_eq!(server.http("GET", "/api/explain/agent/1001?call=c77").0, 409);
    assert_eq!(server.http("GET", "/api/explain/agent/1001").0, 400);
    let refused = server.ask(&["ctl", "transfer", "c77", "--queue", "general"]);
    assert!(err(&refused).contains("no call c77 is in progress"), "{}", err(&refused));
    assert_eq!(server.ask(&["ctl", "transfer", "c77"]).status.code(), Some(2), "to one place");
    assert_eq!(server.http("POST", "/api/calls/c77/transfer").0, 400);
    let (status, body) = server.http("POST", "/api/agents/9999/ready");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, body["error"].as_str()), (404, Some("no agent has the number 9999")));
    assert!(body["help"].is_string());
    assert_eq!(server.http("GET", "/nothing").0, 404);
    let journal = server.config.with_file_name("data");
    assert_eq!(server.stop(), 0);
    check_journal(&journal);
}

/// The journal of a run that ended replays; with one digit of its last mark changed it does not.
fn check_journal(folder: &Path) {
    let check = |json: &[&str]| busyhour(&[&["journal", "check", folder.to_str().unwrap()], json].concat());
    let right = check(&[]);
    assert_eq!(right.status.code(), Some(0), "{}", out(&right));
    assert!(out(&right).starts_with("ok: ") && out(&right).contains("of 1 run, 0 decisions, 1 mark right"));
    let file = folder.join("journal.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let (head, mark) = text.trim_end().rsplit_once('\n').unwrap();
    let digit = mark.len() - 4;
    let other = if &mark[digit..=digit] == "0" { "1" } else { "0" };
    std::fs::write(&file, format!("{head}\n{}{other}{}\n", &mark[..digit], &mark[digit + 1..])).unwrap();
    let wrong = check(&["--json"]);
    assert_eq!(wrong.status.code(), Some(1));
    let verdict: serde_json::Value = serde_json::from_str(&out(&wrong)).unwrap();
    assert_eq!((&verdict["ok"], &verdict["difference"]["line"]), (&false.into(), &text.lines().count().into()));
    assert_eq!(busyhour(&["journal", "check", "/nowhere"]).status.code(), Some(1));
}

#[test]
fn sip_is_answered_over_udp_and_tcp() {
    let server = Server::start("sip");
    let options = |transport: &str, local: &str| {
        format!(
            "OPTIONS sip:busyhour.local SIP/2.0\r\nVia: SIP/2.0/{transport} {local};branch=z9hG4bK-{transport};rport\r\n\
             From: <sip:probe@{local}>;tag=1\r\nTo: <sip:busyhour.local>\r\nCall-ID: {transport}@{local}\r\nCSeq: 1 OPTIONS\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let local = udp.local_addr().unwrap().to_string();
    udp.send_to(options("UDP", &local).as_bytes(), &server.sip).unwrap();
    let mut buffer = [0; 4096];
    let size = udp.recv(&mut buffer).unwrap();
    assert!(buffer[..size].starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&buffer[..size]));

    let mut tcp = TcpStream::connect(&server.sip).unwrap();
    tcp.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let message = options("TCP", &tcp.local_addr().unwrap().to_string());
    let (first, rest) = message.split_at(40);
    tcp.write_all(first.as_bytes()).unwrap();
    tcp.write_all(rest.as_bytes()).unwrap();
    let size = tcp.read(&mut buffer).unwrap();
    assert!(buffer[..size].starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&buffer[..size]));
    let page = server.http("GET", "/metrics").1;
    for transport in ["udp", "tcp"] {
        let series =
            format!("busyhour_sip_requests_total{{direction=\"in\",method=\"OPTIONS\",transport=\"{transport}\"}} 1");
        assert!(page.contains(&series), "{series} is not in\n{page}");
    }
}

#[test]
fn a_scanner_is_listed_and_forgiven() {
    let server = Server::start("bans");
    assert_eq!(out(&server.ask(&["ctl", "bans"])), "nobody is banned\n");
    // Not by a datagram, whose source anybody can forge.
    let mut tcp = TcpStream::connect(&server.sip).unwrap();
    let scan = "OPTIONS sip:100@1.1.1.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK-1;rport\r\n\
                From: <sip:100@1.1.1.1>;tag=1\r\nTo: <sip:100@1.1.1.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
                Max-Forwards: 70\r\nUser-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n";
    tcp.write_all(scan.as_bytes()).unwrap();
    server.until_metrics("busyhour_sip_refused_messages_total{reason=\"banned\"} 1");
    let listed = out(&server.ask(&["ctl", "bans"]));
    assert!(listed.contains("127.0.0.1") && listed.contains("scanner"), "{listed}");
    assert_eq!(out(&server.ask(&["ctl", "unban", "127.0.0.1"])), "127.0.0.1: answered again\n");
    let again = server.ask(&["ctl", "unban", "127.0.0.1"]);
    assert!(err(&again).contains("127.0.0.1 is not banned"), "{}", err(&again));
    assert_eq!(server.http("DELETE", "/api/bans/nobody").0, 400);
}

#[test]
fn a_reload_is_taken_whole_or_not_at_all() {
    let server = Server::start("reload");
    std::fs::write(&server.config, CONFIG.replace("1001-1002", "1001-1003")).unwrap();
    let output = server.ask(&["reload"]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), "reloaded\n"));
    assert!(out(&server.ask(&["agents"])).contains("1003"));

    std::fs::write(
        &server.config,
        CONFIG.replace("1001-1002", "1001-1004").replace("name = \"general\"", "nme = \"general\""),
    )
    .unwrap();
    let output = server.ask(&["reload"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(out(&output).starts_with("refused"), "{}", out(&output));
    assert!(err(&output).contains("did you mean `name`?"), "{}", err(&output));
    let agents = out(&server.ask(&["agents"]));
    assert!(agents.contains("1003") && !agents.contains("1004"), "{agents}");
    assert_eq!(server.http("POST", "/api/reload").0, 422);
    server.until_metrics("busyhour_config_reloads_total{result=\"rejected\"} 2");
}

#[test]
fn an_import_is_checked_shown_put_in_place_and_taken_over() {
    let server = Server::start("import");
    let folder = server.config.parent().unwrap().to_path_buf();
    let (config, list) = (server.config.to_str().unwrap().to_string(), folder.join("new.csv"));
    std::fs::write(&list, "number,password,skills\r\n2001,p1,enquiry=3\r\n2002,p2,\r\n").unwrap();
    let list = list.to_str().unwrap();
    let import = |extra: &[&str]| server.ask(&[&["import", list, "--config", &config], extra].concat());
    let output = import(&[]);
    assert!(err(&output).contains("names no file of agents"), "{}", err(&output));

    std::fs::write(&server.config, format!("agents = \"agents.csv\"\n{CONFIG}")).unwrap();
    let output = import(&["--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("+ 2001\n+ 2002\n"), "{}", out(&output));
    assert!(!folder.join("agents.csv").exists(), "a dry run touches nothing");

    let output = import(&[]);
    assert!(out(&output).ends_with("reloaded\n"), "{}{}", out(&output), err(&output));
    assert!(out(&server.ask(&["agents"])).contains("2002"));

    std::fs::write(list, "number,password,skills\n2001,p1,enqiry=3\n2003,p3,\n").unwrap();
    let output = import(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("new.csv:2:9") && err(&output).contains("`enquiry`?"), "{}", err(&output));
    assert!(std::fs::read_to_string(folder.join("agents.csv")).unwrap().contains("2002"), "nothing is changed");

    std::fs::write(list, "number,password,skills\n2001,p1,enquiry=4\n2003,p3,\n").unwrap();
    let output = import(&[]);
    assert!(out(&output).starts_with("+ 2003\n~ 2001\n- 2002\n1 added, 1 changed, 1 removed\n"), "{}", out(&output));
    let before = std::fs::read_to_string(folder.join("agents.csv.before")).unwrap();
    assert!(before.contains("2002") && !before.contains("2003"), "the file before is kept");
}

#[test]
fn one_agent_or_queue_is_changed_while_running_and_stays_so() {
    let server = Server::start("amended");
    let shows = |output: &Output, line: &str| out(output).lines().any(|shown| shown == line);
    let changed = server.ask(&["ctl", "agent", "1001", "skills.complaint=3", "weight=4"]);
    assert!(changed.status.success() && shows(&changed, "weight = 4"), "{}", err(&changed));
    let state = server.ask(&["ctl", "agent", "1001"]);
    assert!(shows(&state, "# state: signed_out") && shows(&state, "# contacts: 0"), "{}", out(&state));
    let queue = server.ask(&["ctl", "queue", "enquiry", "order=fewest_calls", "need=enquiry and not complaint>=2"]);
    assert!(queue.status.success() && shows(&queue, "order = \"fewest_calls\""), "{}", err(&queue));
    let added = server.ask(&["ctl", "agent", "1099", "--add", "password=a-good-one", "skills.general=2"]);
    assert!(added.status.success() && !out(&added).contains("a-good-one"), "{}{}", out(&added), err(&added));
    assert!(server.ask(&["ctl", "agent", "1002", "--remove"]).status.success());

    // Everything wrong at once, and nothing changed.
    let wrong = server.ask(&["ctl", "agent", "1001", "skills.complait=3", "weight=x"]);
    for told in ["no skill is named `complait`", "did you mean `complaint`?", "expected a whole number"] {
        assert!(err(&wrong).contains(told), "{told}: {}", err(&wrong));
    }
    let table = [
        (vec!["ctl", "agent", "1002", "weight=2"], "no agent is called `1002`"),
        (vec!["ctl", "agent", "1099", "--add", "password=x"], "an agent has the number `1099` already"),
        (vec!["ctl", "queue", "enquirry", "weight=2"], "did you mean `enquiry`?"),
        (vec!["ctl", "queue", "enquiry", "ordr=linear"], "did you mean `order`?"),
    ];
    for (args, told) in table {
        let refused = server.ask(&args);
        assert!(!refused.status.success() && err(&refused).contains(told), "{args:?}: {}", err(&refused));
    }
    assert_eq!(server.http("DELETE", "/api/agents/4711").0, 404);
    assert_eq!(server.http("PATCH", "/api/queues/enquiry").0, 400, "nothing was sent");

    let folder = server.config.parent().unwrap().to_path_buf();
    let kept = folder.join("data/live.toml");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600, "there is a password in it");
    let as_changed = |server: &Server| {
        assert!(shows(&server.ask(&["ctl", "agent", "1001"]), "skills = { complaint = 3, enquiry = 3, general = 2 }"));
        assert!(shows(&server.ask(&["ctl", "queue", "enquiry"]), "need = \"enquiry and not complaint>=2\""));
        let agents = out(&server.ask(&["agents"]));
        assert!(agents.contains("1099") && !agents.contains("1002"), "{agents}");
    };
    as_changed(&server);
    let status = out(&server.ask(&["ctl", "status", "--json"]));
    let status: String = status.split_whitespace().collect();
    assert!(status.contains("\"changed\":{\"agents\":3,\"queues\":1}"), "{status}");
    assert!(server.ask(&["reload"]).status.success());
    as_changed(&server);
    assert_eq!(server.stop(), 0);
    let journal = std::fs::read_to_string(folder.join("data/journal.jsonl")).unwrap();
    assert!(journal.contains(" at 127.0.0.1:"), "the facts tell from where a change came");
    let replayed = busyhour(&["journal", "check", folder.join("data").to_str().unwrap()]);
    assert!(replayed.status.success(), "{}", out(&replayed));
    let again = Server::start_in(&folder);
    as_changed(&again);
    std::fs::remove_file(kept).unwrap();
    assert!(again.ask(&["reload"]).status.success());
    assert!(shows(&again.ask(&["ctl", "agent", "1001"]), "weight = 1"), "as configured");
}
