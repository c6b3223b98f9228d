//! `[recording]`: what is recorded and kept, and what is wrong with it.

use super::*;
use crate::tapes::Format;
use busyhour_switch::Recorded;
use std::time::Duration;

const RECORDING: &str = with_hotline!(
    r#"
[server]
data = "data"
[recording]
conversations = "all"
beep = true
keep = "90d"
retentions = { complaint = "20y" }
"#
);

fn read_as(text: &str) -> Loaded {
    read("centre.toml", text, Path::new("/nowhere"))
}

#[test]
fn what_is_recorded_and_for_how_long_is_as_it_says() {
    let setup = read_as(
        &RECORDING.replace("name = \"enquiry\"", "name = \"enquiry\"\nrecord = false\nretention = \"complaint\""),
    );
    let setup = setup.site.unwrap_or_else(|| panic!("{:?}", setup.diagnostics)).setup;
    let day = Duration::from_secs(24 * 3600);
    let keep = [("default", day * 90), ("complaint", day * 365 * 20)].map(|(name, keep)| (name.into(), keep));
    assert_eq!((setup.recording.conversations, setup.recording.beep), (Recorded::All, true));
    assert_eq!(setup.recording.keep, keep);
    let queue = &setup.queues[0];
    assert_eq!((queue.record, queue.retention.as_deref()), (Some(false), Some("complaint")));
}

#[test]
fn without_a_data_folder_nothing_is_recorded_unless_that_is_asked_for() {
    let silent = RECORDING.replace("data = \"data\"\n", "").replace("conversations = \"all\"\n", "");
    assert_eq!(read_as(&silent).site.unwrap().setup.recording.conversations, Recorded::None);
    let asked = read_as(&RECORDING.replace("data = \"data\"\n", ""));
    assert!(asked.site.is_none() && asked.diagnostics[0].message.contains("recordings are files"), "{asked:?}");
}

#[test]
fn mistakes_are_located() {
    for (right, wrong, message) in [
        (
            "\"all\"",
            "\"some\"",
            "error centre.toml:5:17 `some` are nobody's conversations: \"customers\", \"all\" or \"none\"",
        ),
        ("\"90d\"", "\"12h\"", "error centre.toml:7:8 recordings are kept for \"1d\" to \"100y\""),
        ("\"90d\"", "\"long\"", "error centre.toml:7:8 this is no time to keep something; write \"180d\" or \"20y\""),
        (
            "complaint =",
            "default =",
            "error centre.toml:8:16 what has no other retention has `default`; say `keep` instead",
        ),
        (
            "name = \"enquiry\"",
            "name = \"enquiry\"\nretention = \"complant\"",
            "error centre.toml:20:13 no retention is named `complant` (did you mean `complaint`?)",
        ),
    ] {
        let found = told(&RECORDING.replace(right, wrong));
        assert!(found.iter().any(|found| found == message), "{message}\n{found:#?}");
    }
}

#[test]
fn recordings_are_kept_as_it_says_where_that_is_built_in() {
    let kept_as = |format: &str| read_as(&RECORDING.replace("beep = true", &format!("format = \"{format}\"")));
    let format = |read: Loaded| read.site.unwrap().shell.filing.format;
    assert_eq!((format(read_as(RECORDING)), format(kept_as("wav"))), (Format::Wav, Format::Wav));
    let says = |read: &Loaded, words: &str| {
        read.diagnostics.iter().any(|found| (found.line, found.column) == (6, 10) && found.message.starts_with(words))
    };
    let wrong = kept_as("mp3");
    let words = "`mp3` is no format of recordings: \"wav\" or \"opus\"";
    assert!(wrong.site.is_none() && says(&wrong, words), "{wrong:?}");
    let opus = kept_as("opus");
    if cfg!(feature = "opus") {
        return assert_eq!(format(opus), Format::Opus);
    }
    let words = "this build has no Opus: `cargo build --release --features opus`";
    assert!(opus.site.is_none() && says(&opus, words), "{opus:?}");
}

#[test]
fn keys_that_cannot_be_read_are_told_and_calls_go_on_without_recordings() {
    let home = std::env::temp_dir().join(format!("busyhour-keys-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let sealed = RECORDING.replace("beep = true", "key_file = \"keys\"");
    let read_there = || read("centre.toml", &sealed, &home);
    let without = read_there();
    let told: Vec<_> = without.diagnostics.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|told| told.contains("centre.toml:6:12") && told.contains("keys in ")), "{told:?}");
    assert_eq!(without.site.unwrap().shell.filing.keys, Some(home.join("keys")));
    crate::tapes::new_key(&home.join("keys")).unwrap();
    let told = read_there().diagnostics;
    assert!(told.iter().all(|found| !found.message.contains("keys")), "{told:?}");
    std::fs::remove_dir_all(home).unwrap();
}

const UPLOAD: &str = "beep = true\n[recording.upload]\nendpoint = \"http://127.0.0.1:9000/\"\nbucket = \"calls\"
credentials = \"s3\"\nprefix = \"a/b\"\nkeep_local = \"7d\"";

fn uploaded() -> String {
    let after = "keep = \"90d\"\nretentions = { complaint = \"20y\" }\n";
    assert!(RECORDING.contains(after));
    RECORDING.replace("beep = true", UPLOAD).replace(after, "")
}

#[test]
fn recordings_are_copied_to_where_it_says() {
    let setup = read_as(&uploaded()).site.unwrap().shell.filing.upload.unwrap();
    let storage = &setup.storage;
    assert_eq!((&*storage.endpoint, &*storage.region), ("http://127.0.0.1:9000", "us-east-1"));
    assert_eq!((&*storage.bucket, &*storage.prefix, storage.path_style), ("calls", "a/b/", true));
    assert_eq!(
        (storage.credentials.as_path(), setup.keep_local.unwrap().as_secs()),
        (Path::new("/nowhere/s3"), 604_800)
    );
}

#[test]
fn mistakes_about_storage_are_located() {
    for (right, wrong, message) in [
        (
            "http://127.0.0.1:9000/",
            "http://127.0.0.1/calls",
            "`http://127.0.0.1/calls`: an endpoint ends before the path",
        ),
        ("http://127.0.0.1:9000/", "127.0.0.1", "`127.0.0.1` is no address"),
        ("\"calls\"", "\"my calls\"", "at most 63 letters, digits"),
        ("\"a/b\"", "\"/a\"", "begins without `/`"),
        ("keep_local", "keep", "unknown key `keep` in [upload]"),
        ("bucket = \"calls\"\n", "", "needs `bucket`"),
        ("credentials = \"s3\"\n", "", "needs `credentials`"),
    ] {
        let text = uploaded().replace(right, wrong);
        let found = told(&text);
        assert!(found.iter().any(|found| found.contains(message)), "{message}\n{found:#?}");
    }
}
