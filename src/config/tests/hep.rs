//! `[hep]`: where messages are mirrored to.

use super::{GOOD, read, told};
use crate::trace::HepSetup;
use std::path::Path;

fn with(section: &str) -> String {
    GOOD.replace("[media]", &format!("[hep]\n{section}\n[media]"))
}

#[test]
fn only_the_collector_must_be_said() {
    let setup = |source: &str| read("centre.toml", source, Path::new("/nowhere")).site.unwrap().shell.hep;
    assert_eq!(setup(GOOD), None, "nothing is mirrored unless wished");
    let collector = "10.0.0.9:9060".parse().unwrap();
    let plain = HepSetup { collector, by_tcp: false, capture_id: 2_001, key: None, unmasked: false, rtcp: true };
    assert_eq!(setup(&with("collector = \"10.0.0.9:9060\"")), Some(plain));
    let whole = HepSetup { collector, by_tcp: true, capture_id: 7, key: Some("k".into()), unmasked: true, rtcp: false };
    let said = "collector = \"10.0.0.9:9060\"\ntransport = \"tcp\"\ncapture_id = 7\nkey = \"k\"\nunmasked = true\n\
                rtcp = false";
    assert_eq!(setup(&with(said)), Some(whole));
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (section, wanted) in [
        ("key = \"k\"", "9:1 [hep] needs `collector`"),
        ("collector = \"0.0.0.0:9060\"", "10:13 0.0.0.0:9060 is nowhere"),
        (
            &format!("collector = \"10.0.0.9:9060\"\nkey = \"{}\"", "k".repeat(65)),
            "11:7 a collector's key has at most 64 characters",
        ),
        ("collector = \"10.0.0.9:9060\"\ncapture_id = -1", "11:14"),
        (
            "collector = \"10.0.0.9:9060\"\ntransport = \"sctp\"",
            "11:13 `sctp` is no way to a collector: \"udp\" or \"tcp\"",
        ),
    ] {
        let told = told(&with(section));
        assert!(told.iter().any(|line| line.contains(wanted)), "{section}: {told:?}");
    }
}
