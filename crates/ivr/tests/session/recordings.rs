//! Callers record, leave messages and listen to them.

use crate::call::{Call, START};
use busyhour_ivr::Input;
use busyhour_model::{CallId, Mailbox, Message, TapeId};
use std::time::Duration;

const RECORD: &str =
    "record = \"message\"\nlongest = \"30s\"\nend_keys = \"*#\"\nthen = \"hear\"\ntoo_short = \"n2\"\nfailed = \"n3\"
[node.hear]
menu = [\"p\", { recording = \"$message\" }]
keys = { 1 = \"n1\", 2 = \"start\" }

too_many = \"n4\"";

fn recorded(tape: Option<u64>, millis: u64) -> Input {
    Input::Recorded { tape: tape.map(TapeId), voice: Duration::from_millis(millis) }
}

#[test]
fn a_caller_records_hears_it_and_records_again() {
    let mut call = Call::new(RECORD);
    assert_eq!(call.start(), "@start answer play[:system/beep]");
    assert_eq!(call.press("5"), "", "keys during the beep are for nobody");
    assert_eq!(call.tell(Input::PlayEnded), "record(message 30 4 \"*#\")");
    assert_eq!(call.press("1"), "", "the recording ends at its keys, not here");
    assert_eq!(call.tell(recorded(Some(7), 5000)), "@hear play[zh:p tape7]");
    assert_eq!(call.press("2"), "stop @start play[:system/beep]");
    call.tell(Input::PlayEnded);
    assert_eq!(call.tell(recorded(Some(8), 2000)), "discard(tape7) @hear play[zh:p tape8]");
    assert_eq!(call.press("1"), "stop @n1 bye601");
}

#[test]
fn a_recording_too_short_failed_or_never_filed_leads_elsewhere() {
    let begun = || {
        let mut call = Call::new(RECORD);
        call.start();
        call.tell(Input::PlayEnded);
        call
    };
    assert_eq!(begun().tell(recorded(Some(7), 999)), "discard(tape7) @n2 bye602");
    assert_eq!(begun().tell(recorded(None, 0)), "@n3 bye603");
    let mut call = begun();
    assert_eq!(call.wait(35_000), "@n3 bye603");
    assert_eq!(call.tell(recorded(Some(7), 5000)), "discard(tape7)", "too late");
    let mut call = Call::new(&RECORD.replace("record =", "beep = false\nsilence = \"0s\"\nrecord ="));
    assert_eq!(call.start(), "@start answer record(message 30 0 \"*#\")");
}

const VOICEMAIL: &str =
    "voicemail = \"q\"\ngreeting = \"hello\"\nthen = \"n1\"\ntoo_short = \"n2\"\nfailed = \"n3\"\nfull = \"n4\"";

#[test]
fn a_message_is_left_after_greeting_and_beep() {
    let mut call = Call::new(VOICEMAIL);
    assert_eq!(call.start(), "@start answer open(queue q)");
    assert_eq!(call.tell(Input::Mailbox { open: true }), "play[zh:hello]");
    assert_eq!(call.tell(Input::PlayEnded), "play[:system/beep]");
    assert_eq!(call.tell(Input::PlayEnded), "record(queue q 180 4 \"#\")");
    assert_eq!(call.tell(recorded(Some(7), 5000)), "@n1 bye601");
    let mut call = Call::new(VOICEMAIL);
    call.start();
    call.tell(Input::Mailbox { open: true });
    assert_eq!(call.press("1"), "stop play[:system/beep]", "who knows the greeting");
    call.tell(Input::PlayEnded);
    assert_eq!(call.tell(recorded(Some(7), 900)), "discard(tape7) @n2 bye602");
}

#[test]
fn a_full_mailbox_takes_no_message_and_nobodys_neither() {
    let mut call = Call::new(VOICEMAIL);
    call.start();
    assert_eq!(call.tell(Input::Mailbox { open: false }), "@n4 bye604");
    assert_eq!(call.tell(Input::Mailbox { open: true }), "", "once");
    let nobody = VOICEMAIL.replace("\"q\"", "{ agent = \"$whom\" }");
    let mut call = Call::new(&format!("set = {{ whom = \"\" }}\nthen = \"leave\"\n[node.leave]\n{nobody}"));
    assert_eq!(call.start(), "@start @leave answer @n4 bye604", "no agent was named");
}

#[test]
fn what_was_recorded_before_becomes_a_message() {
    let into = "then = \"leave\"\nelse = \"n2\"\n[node.leave]\nvoicemail = { agent = \"1001\" }\nrecording = \"$x\"\n\
                then = \"n1\"\nfull = \"n4\"\nelse = \"n3\"";
    let mut call = Call::new(&format!("record = \"x\"\n{into}"));
    call.start();
    call.tell(Input::PlayEnded);
    assert_eq!(call.tell(recorded(Some(7), 5000)), "@leave open(agent 1001)");
    assert_eq!(call.tell(Input::Mailbox { open: true }), "deposit(agent 1001 tape7) @n1 bye601");
}

fn message(tape: u64, heard: bool) -> Message {
    let (mailbox, left) = (Mailbox::Queue("q".into()), START - Duration::from_secs(tape * 3600));
    let (tape, from) = (TapeId(tape), if tape == 1 { "".into() } else { "10086".into() });
    Message { tape, mailbox, call: CallId(1), from, left, ms: 2000, file: "".into(), heard }
}

const LISTEN: &str = "messages = \"q\"\nthen = \"n1\"";

#[test]
fn messages_are_heard_new_ones_first_and_kept_deleted_or_heard_again() {
    let mut call = Call::new(LISTEN);
    assert_eq!(call.start(), "@start answer messages(queue q)");
    let heard = call.tell(Input::Messages(vec![message(1, false), message(2, true), message(3, false)]));
    assert!(heard.starts_with("play[zh:vm/new zh:digits/2 zh:digits/1y"), "{heard}");
    assert!(heard.ends_with("tape3 zh:vm/keys]"), "the older of the new ones: {heard}");
    assert_eq!(call.tell(Input::PlayEnded), "heard(tape3)");
    let again = call.press("1");
    assert!(again.starts_with("stop heard(tape3) play[zh:digits/1y"), "{again}");
    let next = call.press("3");
    assert!(next.starts_with("stop delete(tape3) play[zh:vm/deleted zh:"), "{next}");
    assert!(next.contains(" tape1 ") && !next.contains("digits/1y"), "a withheld number is not read: {next}");
    assert!(call.press("2").starts_with("stop heard(tape1) play["));
    assert_eq!(call.press("#"), "stop heard(tape2) play[zh:vm/end]");
    assert_eq!(call.press("1"), "", "there is nothing to hear again");
    assert_eq!(call.tell(Input::PlayEnded), "@n1 bye601");
}

#[test]
fn who_has_listened_enough_or_has_no_messages_goes_on() {
    let mut call = Call::new(LISTEN);
    call.start();
    assert_eq!(call.tell(Input::Messages(vec![])), "play[zh:vm/none]");
    assert_eq!(call.tell(Input::PlayEnded), "@n1 bye601");
    let listening = || {
        let mut call = Call::new(LISTEN);
        call.start();
        call.tell(Input::Messages(vec![message(1, false)]));
        call
    };
    assert_eq!(listening().press("*"), "stop heard(tape1) @n1 bye601");
    let mut call = listening();
    call.tell(Input::PlayEnded);
    assert_eq!(call.wait(10_000), "@n1 bye601", "who falls asleep");
}
