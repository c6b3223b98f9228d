//! A caller dials a phone directly over a lossy virtual network: tones both ways, hang-up from either side.

use super::{
    AGENT_HZ, Action, Answering, CALLER_HZ, Caller, CallerSetup, EndedBy, Ending, Out, Outcome, Phone, PhoneSetup,
};
use busyhour_model::Seed;
use busyhour_model::{G711, Time};
use std::net::SocketAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const START: Time = Time::from_secs(1_700_000_000);

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn phone(answering: Answering, ending: Ending) -> PhoneSetup {
    PhoneSetup {
        number: "1001".into(),
        password: "secret".into(),
        domain: "127.0.0.1".into(),
        sip: at("127.0.0.1:5071"),
        media: at("127.0.0.1:6000"),
        registrar: None,
        expires: SECOND * 60,
        codecs: vec![G711::Mu, G711::A],
        tone_hz: AGENT_HZ,
        listen_hz: CALLER_HZ,
        answering,
        ending,
        hold: None,
    }
}

fn caller(script: &[Action]) -> CallerSetup {
    CallerSetup {
        number: "13800138000".into(),
        withheld: false,
        dialled: "95118".into(),
        domain: "127.0.0.1:5071".into(),
        sip: at("127.0.0.2:5060"),
        media: at("127.0.0.2:7000"),
        target: at("127.0.0.1:5071"),
        codecs: vec![G711::A],
        tone_hz: CALLER_HZ,
        listen_hz: AGENT_HZ,
        script: script.to_vec(),
    }
}

/// Runs both until nothing is left to do, losing `loss` percent of everything; each packet takes 1 to 4 ms.
fn run(phone: PhoneSetup, caller: CallerSetup, seed: u64, loss: u64) -> (Outcome, Option<Outcome>) {
    let (phone_sip, caller_sip) = (phone.sip, caller.sip);
    let mut dice = Seed(seed);
    let mut now = START;
    let mut phone = Phone::new(now, phone, dice.draw());
    let mut caller = Caller::new(now, caller, dice.draw());
    let mut wire: Vec<(Time, Out, bool)> = Vec::new();
    let end = START + SECOND * 300;
    while now < end {
        let sent = std::iter::from_fn(|| caller.poll_transmit()).map(|out| (out, true));
        let back: Vec<Out> = std::iter::from_fn(|| phone.poll_transmit()).collect();
        for (out, to_phone) in sent.chain(back.into_iter().map(|out| (out, false))) {
            if dice.draw() % 100 >= loss {
                wire.push((now + Duration::from_micros(1000 + dice.draw() % 3000), out, to_phone));
            }
        }
        let arrival = wire.iter().map(|(at, ..)| *at).min();
        let Some(next) = arrival.into_iter().chain(phone.poll_timeout()).chain(caller.poll_timeout()).min() else {
            break;
        };
        now = now.max(next);
        match wire.iter().position(|(at, ..)| *at <= now) {
            Some(first) => match wire.remove(first) {
                (_, Out::Sip { bytes, .. }, true) => phone.handle_datagram(now, caller_sip, &bytes),
                (_, Out::Sip { bytes, .. }, false) => caller.handle_datagram(now, phone_sip, &bytes),
                (_, Out::Rtp { bytes, .. }, true) => phone.handle_rtp(now, &bytes),
                (_, Out::Rtp { bytes, .. }, false) => caller.handle_rtp(now, &bytes),
            },
            None => {
                phone.handle_timeout(now);
                caller.handle_timeout(now);
            }
        }
    }
    (caller.outcome(), phone.poll_outcome())
}

const PROMPTLY: Answering = Answering::After(Duration::from_millis(300), Duration::from_millis(900));

#[test]
fn both_hear_each_other_and_either_may_hang_up_whatever_the_network_loses() {
    let talk = [
        Action::AwaitAnswer(SECOND * 60),
        Action::Press('1'),
        Action::AwaitTone(SECOND * 10),
        Action::Wait(SECOND * 2),
    ];
    let caller_ends = [&talk[..], &[Action::HangUp]].concat();
    let agent_ends = Ending::HangUp(SECOND * 3, SECOND * 4);
    for seed in 0..200 {
        let (script, ending, by) = match seed % 2 {
            0 => (&caller_ends[..], Ending::Wait, EndedBy::Us),
            _ => (&talk[..], agent_ends, EndedBy::Them),
        };
        let loss = [0, 5, 20][seed as usize % 3];
        let (caller, phone) = run(phone(PROMPTLY, ending), caller(script), seed, loss);
        let phone = phone.unwrap_or_else(|| panic!("seed {seed}: the phone's call never ended; caller: {caller:?}"));
        assert!(caller.heard_partner() && phone.heard_partner(), "seed {seed}: {caller:?}\n{phone:?}");
        assert!((4000.0..7000.0).contains(&caller.heard.tone_level), "seed {seed}: {caller:?}");
        assert_eq!((caller.status, phone.status), (200, 200), "seed {seed}");
        if loss <= 5 {
            assert_eq!(caller.ended_by, Some(by), "seed {seed}: {caller:?}");
            assert!(caller.clean && phone.clean, "seed {seed}: {caller:?}\n{phone:?}");
            assert_eq!((&caller.complaints, &phone.complaints), (&vec![], &vec![]), "seed {seed}");
        }
    }
}

#[test]
fn a_call_nobody_takes_ends_with_the_status_that_says_why() {
    let gives_up = [Action::Wait(SECOND * 5), Action::HangUp];
    let waits = [Action::AwaitAnswer(SECOND * 60)];
    let table = [
        (Answering::Refuse(486), &waits[..], 486, true),
        (Answering::Never, &gives_up[..], 487, true),
        (Answering::Never, &waits[..], 487, true),
        (Answering::Vanish, &waits[..], 408, false),
    ];
    for (answering, script, status, clean) in table {
        for seed in 0..20 {
            let (caller, _) = run(phone(answering, Ending::Wait), caller(script), seed, 5);
            assert_eq!((caller.status, caller.clean), (status, clean), "{answering:?} seed {seed}: {caller:?}");
            assert!(!caller.heard_partner());
        }
    }
}

#[test]
fn a_held_caller_hears_nothing_until_taken_back() {
    let mut holding = phone(PROMPTLY, Ending::Wait);
    holding.hold = Some((SECOND * 2, SECOND * 3));
    let script = [Action::AwaitAnswer(SECOND * 9), Action::Wait(SECOND * 8), Action::HangUp];
    for seed in 0..50 {
        let (caller, phone) = run(holding.clone(), caller(&script), seed, 2);
        let phone = phone.expect("an outcome");
        // The caller talks 8 s, less 3 s on hold during which it must not send; what it hears goes on (sendonly).
        assert!((230..=300).contains(&phone.heard.tone), "seed {seed}: {phone:?}");
        assert!(caller.clean && caller.complaints.is_empty(), "seed {seed}: {caller:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_call() {
    let script = [Action::AwaitAnswer(SECOND * 60), Action::AwaitTone(SECOND * 10), Action::HangUp];
    let once = || format!("{:?}", run(phone(PROMPTLY, Ending::Wait), caller(&script), 7, 10));
    assert_eq!(once(), once());
}

/// Answers a REGISTER as a registrar would that wants digest and renews its nonce after `uses` of it.
struct Registrar {
    nonce: u32,
    uses: u32,
    counts: Vec<String>,
}

impl Registrar {
    fn handle(&mut self, bytes: &[u8], uses_max: u32) -> Vec<u8> {
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let line = |name: &str| text.lines().find(|l| l.starts_with(name)).unwrap_or_default().to_owned();
        let head = ["Via", "From", "Call-ID", "CSeq"].map(|name| line(name) + "\r\n").concat();
        let auth = line("Authorization");
        let nonce = format!("nonce=\"n{}\"", self.nonce);
        if auth.contains(&nonce) && self.uses < uses_max {
            self.uses += 1;
            self.counts.extend(auth.split(", ").find_map(|p| p.strip_prefix("nc=")).map(str::to_owned));
            let to = line("To") + ";tag=r";
            return format!("SIP/2.0 200 OK\r\n{head}{to}\r\n{}\r\nContent-Length: 0\r\n\r\n", line("Contact"))
                .into_bytes();
        }
        (self.nonce, self.uses) = (self.nonce + 1, 0);
        let to = line("To") + ";tag=r";
        let challenge =
            format!("WWW-Authenticate: Digest realm=\"r\", nonce=\"n{}\", algorithm=SHA-256, qop=\"auth\"", self.nonce);
        format!("SIP/2.0 401 Unauthorized\r\n{head}{to}\r\n{challenge}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    }
}

#[test]
fn a_phone_stays_registered_counting_its_nonces_and_leaves_when_told() {
    let mut setup = phone(PROMPTLY, Ending::Wait);
    setup.registrar = Some(at("127.0.0.1:5060"));
    let mut registrar = Registrar { nonce: 0, uses: 0, counts: Vec::new() };
    let mut now = START;
    let mut phone = Phone::new(now, setup, 1);
    let mut settle = |phone: &mut Phone, now| {
        while let Some(Out::Sip { to, bytes }) = phone.poll_transmit() {
            phone.handle_datagram(now, to, &registrar.handle(&bytes, 20));
        }
        registrar.counts.clone()
    };
    let mut counts = Vec::new();
    for _ in 0..25 {
        counts = settle(&mut phone, now);
        assert!(phone.is_registered(), "after {counts:?}");
        now = phone.poll_timeout().expect("a refresh");
        phone.handle_timeout(now);
    }
    assert_eq!((counts[9].as_str(), counts[19].as_str(), counts[20].as_str()), ("0000000a", "00000014", "00000001"));
    assert!(now > START + SECOND * 60 * 10, "refreshed at half of 60 s, 25 times");
    phone.register(now, false);
    settle(&mut phone, now);
    assert!(!phone.is_registered() && phone.poll_timeout().is_none());
}
