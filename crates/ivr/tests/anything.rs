//! Whatever is in the file and whatever the world says, nothing panics and every session stays bounded.
#![allow(clippy::unwrap_used)]

use busyhour_ivr::{AgentAvailability, CHAIN_MAX, Caller, Dialplan, Input, Names, Session, Step};
use busyhour_model::{DequeueReason, Name, Number, OfferOutcome, Time};
use proptest::prelude::*;
use std::time::Duration;

const HOTLINE: &str = include_str!("../../../dialplans/hotline.toml");

fn names() -> Names {
    let list = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect();
    Names { queues: list(&["enquiry", "complaint", "general"]), languages: list(&["zh", "en"]), ..Names::default() }
}

fn input() -> impl Strategy<Value = Input> {
    let dequeued = [DequeueReason::TimedOut, DequeueReason::Full, DequeueReason::NoAgents];
    let availability = [AgentAvailability::Busy, AgentAvailability::Offline, AgentAvailability::Unknown];
    let failed = [OfferOutcome::NoAnswer, OfferOutcome::Refused, OfferOutcome::Unreachable, OfferOutcome::Answered];
    prop_oneof![
        1 => Just(Input::Start),
        6 => prop::sample::select("0123456789*#".chars().collect::<Vec<_>>()).prop_map(Input::Digit),
        1 => any::<char>().prop_map(Input::Digit),
        6 => Just(Input::PlayEnded),
        4 => Just(Input::Timeout),
        2 => (any::<u32>(), prop::option::of(any::<u64>()))
            .prop_map(|(ahead, wait)| Input::Place { ahead, wait: wait.map(Duration::from_secs) }),
        1 => prop::sample::select(dequeued.to_vec()).prop_map(Input::Dequeued),
        1 => prop::sample::select(availability.to_vec()).prop_map(Input::AgentUnavailable),
        1 => prop::sample::select(failed.to_vec()).prop_map(Input::DialFailed),
        1 => Just(Input::PartnerLeft),
    ]
}

/// Words of the language.
const WORDS: &str = "[node.a]\n~[node.b]\n~[[test]]\n~[lists]\n~[variables]\n~name = ~start = ~\"a\"\n~\"b\"\n~play = ~menu = \
    ~keys = ~{ 1 = \"a\" }\n~queue = ~collect = ~length = ~[1, 4]\n~true\n~branch = ~[{ time = \"1-2\" }]\n~set = ~{}\n~then = \
    ~else = ~\"$v\"\n~99999999999999999999\n~dial = ~goto = ~\"零\"\n~\"~{~[~=~\n~steps = ~say = ~2026-01-01\n~1e9\n~'";

/// They come in any order.
fn gibberish() -> impl Strategy<Value = String> {
    let words: Vec<&str> = WORDS.split('~').collect();
    prop::collection::vec(prop::sample::select(words), 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(source in prop_oneof![gibberish(), any::<String>()]) {
        match Dialplan::parse("f", &source, &names()) {
            Ok(parsed) => drop(parsed.plan.test()),
            Err(mistakes) => prop_assert!(!mistakes.is_empty()),
        }
    }

    #[test]
    fn a_damaged_dialplan_is_read_or_refused(at in 0..HOTLINE.len(), len in 0..40usize, with in gibberish()) {
        let (mut from, mut to) = (at, (at + len).min(HOTLINE.len()));
        while !HOTLINE.is_char_boundary(from) { from -= 1 }
        while !HOTLINE.is_char_boundary(to) { to += 1 }
        let source = format!("{}{with}{}", &HOTLINE[..from], &HOTLINE[to..]);
        if let Err(mistakes) = Dialplan::parse("f", &source, &names()) {
            mistakes.iter().for_each(|mistake| drop(mistake.to_string()));
        }
    }

    #[test]
    fn a_session_survives_anything_said_to_it(inputs in prop::collection::vec((input(), 0..20_000u64), 0..200)) {
        let plan = Dialplan::parse("hotline.toml", HOTLINE, &names()).unwrap().plan;
        let caller = Caller { from: Number::parse("13800138000"), to: Number::parse("95118"), origin: "t".into(), tier: None };
        let mut now = Time::from_secs(1_800_000_000);
        let mut session = Session::new(now, &plan, caller);
        let mut ended = false;
        for (input, millis) in std::iter::once((Input::Start, 0)).chain(inputs) {
            now += Duration::from_millis(millis);
            session.handle(now, &plan, input);
            let steps: Vec<Step> = std::iter::from_fn(|| session.poll_step()).collect();
            prop_assert!(steps.len() <= 3 * CHAIN_MAX as usize);
            prop_assert!(!ended || steps.is_empty(), "{steps:?} after the end");
            ended |= steps.iter().any(|step| matches!(step, Step::HangUp { .. }));
            prop_assert!(!ended || session.poll_timeout().is_none());
        }
    }
}
