//! Keys: menus and entries.

use crate::call::Call;
use busyhour_ivr::Input;

const MENU: &str =
    "menu = \"m\"\nkeys = { 1 = \"n1\", \"*\" = \"n2\" }\ntimeout = \"3s\"\nretries = 1\ntoo_many = \"n3\"";

#[test]
fn a_menu_takes_a_key_during_or_after_its_prompt() {
    let mut call = Call::new(MENU);
    assert_eq!(call.start(), "@start answer play[zh:m]");
    assert_eq!(call.press("1"), "stop @n1 bye601");
    let mut call = Call::new(MENU);
    call.start();
    assert_eq!(call.tell(Input::PlayEnded), "");
    assert_eq!(call.press("*"), "@n2 bye602");
    assert_eq!(call.tell(Input::Digit('1')), "");
}

#[test]
fn a_menu_repeats_after_silence_and_wrong_keys_and_then_gives_up() {
    let mut call = Call::new(MENU);
    call.start();
    call.tell(Input::PlayEnded);
    assert_eq!(call.wait(3000), "play[zh:ivr/timeout zh:m]");
    assert_eq!(call.session.poll_timeout(), None);
    assert_eq!(call.press("7"), "stop @n3 bye603");
    let mut call = Call::new(MENU);
    call.start();
    assert_eq!(call.press("7"), "stop play[zh:ivr/invalid zh:m]");
}

#[test]
fn a_menu_that_must_be_heard_takes_the_key_at_its_end() {
    let mut call = Call::new(&format!("{MENU}\ninterrupt = false"));
    call.start();
    assert_eq!(call.press("1"), "");
    assert_eq!(call.tell(Input::PlayEnded), "@n1 bye601");
}

#[test]
fn keys_typed_ahead_skip_prompts_unless_the_menu_forbids_it() {
    let welcome = "play = \"w\"\nthen = \"menu\"\n[node.menu]\n";
    let mut call = Call::new(&format!("{welcome}{MENU}"));
    call.start();
    assert_eq!(call.press("1"), "stop @menu @n1 bye601");
    let mut call = Call::new(&format!("{welcome}{MENU}\ntype_ahead = false"));
    call.start();
    assert_eq!(call.press("1"), "stop @menu play[zh:m]");
    let mut call = Call::new(&format!("interrupt = false\n{welcome}{MENU}"));
    call.start();
    assert_eq!(call.press("1"), "");
    assert_eq!(call.tell(Input::PlayEnded), "@menu @n1 bye601");
}

const COLLECT: &str = "collect = \"v\"\nprompt = \"c\"\nlength = [2, 4]\ntimeout = \"8s\"\ndigit_timeout = \"2s\"\nretries = 1\n\
                       then = \"said\"\ntoo_many = \"n3\"\n[node.said]\nsay = { digits = \"$v\" }\nthen = \"n1\"";

#[test]
fn an_entry_ends_by_its_terminator_its_length_or_silence() {
    let heard = |digits: &str| {
        let ids: Vec<_> = digits.chars().map(|digit| format!("zh:digits/{digit}")).collect();
        format!("@said play[{}]", ids.join(" "))
    };
    let mut call = Call::new(COLLECT);
    assert_eq!(call.start(), "@start answer play[zh:c]");
    assert_eq!(call.press("12#"), format!("stop {}", heard("12")));
    let mut call = Call::new(COLLECT);
    call.start();
    assert_eq!(call.press("1234"), format!("stop {}", heard("1234")));
    assert_eq!(call.press("#"), "", "the terminator after a full entry belongs to it");
    assert_eq!(call.press("#"), "stop @n1 bye601");
    let mut call = Call::new(COLLECT);
    call.start();
    call.tell(Input::PlayEnded);
    call.press("123");
    assert_eq!(call.wait(2000), heard("123"));
}

#[test]
fn an_entry_too_short_or_missing_is_asked_again_and_then_given_up() {
    let mut call = Call::new(COLLECT);
    call.start();
    assert_eq!(call.press("1#"), "stop play[zh:ivr/invalid zh:c]");
    call.tell(Input::PlayEnded);
    assert_eq!(call.wait(8000), "@n3 bye603");
    let mut call = Call::new(COLLECT);
    call.start();
    call.press("1");
    assert_eq!(call.wait(2000), "play[zh:ivr/invalid zh:c]");
}

#[test]
fn a_secret_entry_is_compared_but_never_shown() {
    let nodes = "collect = \"pin\"\nsecret = true\nlength = 4\nthen = \"check\"\ntoo_many = \"n3\"\n\
                 [node.check]\nbranch = [{ \"$pin\" = \"4711\", goto = \"menu\" }]\nelse = \"n2\"\n[node.menu]\nmenu = \"m\"\nkeys = {}\ntoo_many = \"n1\"";
    let mut call = Call::new(nodes);
    call.start();
    call.press("471");
    let typing = format!("{:?}", call.session);
    assert_eq!(call.press("1"), "@check @menu play[zh:m]");
    let stored = format!("{:?}", call.session);
    assert!(!typing.contains("471") && !stored.contains("4711") && stored.contains("(secret)"), "{typing} {stored}");
}
