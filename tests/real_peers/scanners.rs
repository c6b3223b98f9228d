//! sipvicious finds nothing: no device, no account, no password, under its own name and under another, while phones and carriers
//! are served.

use crate::exchange::{CARRIER, Exchange, PASSWORD, PHONES};
use crate::process::{Process, output, until};
use crate::{SECOND, sipp, wanted};
use std::fs;
use std::process::Command;

/// Runs a tool of sipvicious from an address and under a name; two of the tools have no options for these that work.
const TOOL: &str = "import sys, socket, importlib
sys.path.append('/usr/share/sipvicious')
from sipvicious.libs import svhelper
address, agent, tool = (sys.argv.pop(1) for _ in range(3))
names = svhelper.makeRequest.__defaults__
svhelper.makeRequest.__defaults__ = tuple(agent if name == 'friendly-scanner' else name for name in names)
bind = socket.socket.bind
socket.socket.bind = lambda it, at: bind(it, (address, at[1]))
importlib.import_module('sipvicious.' + tool).main()";
/// What the tools call themselves, and what they might.
const OWN: &str = "friendly-scanner";
const OTHER: &str = "Softphone/1.0";

/// From where, under which name, which tool and how; what it is to find of us (nothing, when empty).
type Probe = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// Side by side, each from an address of its own.
const PROBES: [Probe; 10] = [
    ("127.0.1.1", OWN, "svmap", "", ""),
    ("127.0.1.2", OWN, "svwar", "-m REGISTER -e1000-1012", ""),
    ("127.0.1.3", OWN, "svwar", "-m INVITE -e1000-1012", ""),
    ("127.0.1.4", OWN, "svwar", "-m OPTIONS -e1000-1012", ""),
    ("127.0.1.5", OWN, "svcrack", "-u1001 -d short.txt", ""),
    // Who asks politely learns that something speaks SIP here, and not what.
    ("127.0.1.6", OTHER, "svmap", "", "unknown"),
    ("127.0.1.7", OTHER, "svwar", "-m REGISTER -e1000-1012", ""),
    ("127.0.1.8", OTHER, "svwar", "-m INVITE -e1000-1012", ""),
    ("127.0.1.9", OTHER, "svwar", "-m OPTIONS -e1000-1012", ""),
    // It can find a password among its first few tries: what stops it below is their number.
    ("127.0.1.10", OTHER, "svcrack", "-u1006 -d short.txt", PASSWORD),
];

fn scan(exchange: &Exchange, (from, name, tool, how, _): Probe) -> String {
    let mut command = Command::new("python3");
    command.current_dir(&exchange.folder).args(["-c", TOOL, from, name, tool]);
    command.args(["-p", &exchange.sip.to_string(), "-P", "27900"]).args(how.split_whitespace()).arg("127.0.0.1");
    output(&mut command)
}

/// The names and passwords in the table it prints of what it found.
fn found(said: &str) -> String {
    said.lines().filter(|line| line.starts_with('|')).skip(1).collect()
}

#[test]
fn scanners_find_nothing_while_phones_and_carriers_are_served() {
    if !wanted() {
        return;
    }
    let exchange = Exchange::start("scanners");
    let file = |name: &str, text: &str| fs::write(exchange.folder.join(name), text).unwrap();
    let guesses = |count: usize| (0..count).map(|n| format!("guess-{n}\n")).collect::<String>();
    file("short.txt", &format!("{}{PASSWORD}\nlast\n", guesses(3)));
    file("long.txt", &format!("{}{PASSWORD}\n{}", guesses(15), guesses(15)));
    file("agents.csv", &format!("SEQUENTIAL\n1001;[authentication username=1001 password={PASSWORD}]\n"));
    file("numbers.csv", "SEQUENTIAL\n95118\n");
    let sign_in = |name: &str| {
        let mut register = sipp(&exchange, "register.xml", PHONES, 27_000);
        register.args(["-inf", "agents.csv", "-m", "1"]);
        Process::start(name, &exchange.folder, &mut register).succeeds_within(10 * SECOND);
    };
    sign_in("register");
    until("the agent is ready", 5 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    let mut answer = sipp(&exchange, "agent.xml", PHONES, 27_000);
    answer.args(["-mp", "27100", "-rtp_echo", "-m", "1"]);
    let phone = Process::start("phone", &exchange.folder, &mut answer).listens(27_000);
    crate::sound::write_call(&exchange.folder.join("caller.pcap"), crate::CALLER_HERTZ, 12, &[(2.0, 1), (4.0, 1)]);
    let mut dial = sipp(&exchange, "carrier.xml", CARRIER, 27_200);
    dial.args(["-mp", "27300", "-inf", "numbers.csv", "-m", "1"]);
    let carrier = Process::start("carrier", &exchange.folder, &mut dial);

    std::thread::scope(|scope| {
        let exchange = &exchange;
        let scans = PROBES.map(|probe| (probe, scope.spawn(move || scan(exchange, probe))));
        // One guesser: an account is locked after ten tries, the source banned at the third account.
        for how in [
            "-u1001 -d long.txt --maximumtime=2",
            "-u1002 -d long.txt --maximumtime=2",
            "-u1003 -d long.txt --maximumtime=2",
        ] {
            let said = scan(exchange, ("127.0.1.11", OTHER, "svcrack", how, ""));
            assert_eq!(found(&said), "", "{how}: {said}");
        }
        for (probe, scan) in scans {
            let said = scan.join().unwrap();
            let (found, expected) = (found(&said), probe.4);
            assert!(found.is_empty() == expected.is_empty() && found.contains(expected), "{probe:?}: {said}");
            assert!(!said.contains("busyhour"), "{probe:?}: {said}");
        }
    });
    let bans = exchange.rows("/api/bans");
    assert_eq!(bans.len(), 1, "{bans:?}");
    assert_eq!((&bans[0]["source"], &bans[0]["reason"]), (&"127.0.1.11".into(), &"guessing".into()), "{bans:?}");

    carrier.succeeds_within(40 * SECOND);
    phone.succeeds_within(20 * SECOND);
    sign_in("register-again");
    assert_eq!(exchange.records(1)[0]["agent"], "1001");
}
