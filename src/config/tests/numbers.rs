//! Identities and rewriting of trunks.

use super::*;
use busyhour_switch::{Form, PassedOn, Place, Present, Rewrite, Telling};

const TRUNK: &str = with_hotline!(
    r#"
[[trunk]]
name = "ct"
sources = "203.0.113.0/24"
caller_id = "02151234500"
owned = ["021512345*"]
allowed = ["00852*"]
identity = "pai"
form = "user_phone"
present = "caller"
passed_on = ["diversion", "history_info"]
read_ppi = true
rewrite_in = [
  { header = "request_uri", number = "02151234500", to = "4008671888" },
  { header = ["from", "pai"], number = "12583*", length = 17, strip = 6 },
]
rewrite_out = [
  { number = "0*", length = "10-12", strip = 1, add = "+86" },
  { number = "*", as = "e164" },
]
"#
);

#[test]
fn what_a_trunk_makes_of_numbers_is_read_whole() {
    assert_eq!(told(TRUNK), Vec::<String>::new());
    let setup = read("centre.toml", TRUNK, Path::new("/nowhere")).site.unwrap().setup;
    let policy = &setup.trunks[0].policy;
    assert_eq!((policy.identity, policy.form, policy.present), (Telling::Pai, Form::UserPhone, Present::Caller));
    assert_eq!(policy.passed_on, [PassedOn::Diversion, PassedOn::HistoryInfo]);
    assert!(policy.trusted && policy.preferred && !policy.clir);
    assert_eq!(policy.rewrite_in.apply(Place::RequestUri, "02151234500"), "4008671888");
    assert_eq!(policy.rewrite_in.apply(Place::Pai, "12583113800138000"), "13800138000");
    assert_eq!(policy.rewrite_out.apply(Place::From, "02112345678"), "+862112345678");
    assert_eq!(policy.rewrite_out.apply(Place::From, "13800138000"), "+8613800138000");
    assert_eq!(policy.rewrite_in.0[0].change, Rewrite::To("4008671888".into()));
}

const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "\"021512345*\"",
        "\"0215123451*\"",
        "error centre.toml:5:13 `02151234500` is not among the numbers `owned` (add it there, or choose one of them)",
    ),
    (
        "caller_id = \"02151234500\"\n",
        "",
        "error centre.toml:2:1 `owned` names no whole number (add `caller_id = \"…\"`, shown when the number at hand is not ours)",
    ),
    (
        "\"pai\"\n",
        "\"p-a-i\"\n",
        "error centre.toml:8:12 `p-a-i` is no header for identities: \"none\", \"pai\", \"ppi\" or \"rpid\"",
    ),
    (
        "header = \"request_uri\"",
        "header = \"uri\"",
        "error centre.toml:14:14 `uri` names no header: \"request_uri\", \"to\", \"from\", \"pai\", \"ppi\", \"rpid\" or \"diversion\"",
    ),
    (
        "to = \"4008671888\"",
        "to = \"4008671888\", strip = 1",
        "error centre.toml:14:3 a rule says `strip` and `add`, or `to`, or `as`: one of the three",
    ),
    (
        ", strip = 6",
        "",
        "error centre.toml:15:3 this rule changes nothing (add `strip` and `add`, or `to`, or `as`; a rule that only keeps a number says strip = 0)",
    ),
    (
        "length = 17, strip = 6",
        "strip = 6",
        "error centre.toml:15:58 6 characters are more than the shortest number here has: 5 (make `number` longer or say a `length`)",
    ),
    (
        "\"0*\", length",
        "\"0x\", length",
        "error centre.toml:18:14 `0x` is no number; write digits, \"+86*\", a prefix like \"0*\", or \"*\"",
    ),
    ("\"10-12\"", "\"12-10\"", "error centre.toml:18:29 numbers have 1 to 32 characters, the fewer first"),
    ("\"10-12\"", "\"10\"", "error centre.toml:18:29 `10` is no range of lengths; write \"7-8\""),
    (
        "add = \"+86\"",
        "add = \"86+\"",
        "error centre.toml:18:55 `86+` is no number; write digits, or \"+86\" before them",
    ),
    (
        "as = \"e164\"",
        "as = \"e146\"",
        "error centre.toml:19:24 `e146` is no form of numbers: \"e164\", \"digits\" or \"national\"",
    ),
    ("read_ppi", "read_ppj", "error centre.toml:12:1 unknown key `read_ppj` in [[trunk]] (did you mean `read_ppi`?)"),
];

#[test]
fn every_mistake_in_numbers_is_located() {
    all_told(TRUNK, MISTAKES);
}
