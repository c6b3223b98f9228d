//! Agents in a CSV file.

use super::*;
use crate::config::Staff;
use busyhour_model::calendar::{day, midnight};

const CONFIG: &str = r#"agents = "agents.csv"
skills = ["enquiry", "complaint", "vip"]
sites = ["shanghai"]
teams = ["service"]
[[number]]
number = "*"
dialplan = "hotline"
[[queue]]
name = "enquiry"
skills = { enquiry = 1 }
[[queue]]
name = "complaint"
[[queue]]
name = "general"
[[agent]]
number = "9001"
password = "secret"
"#;

const AGENTS: &str = "number,name,password,team,site,skills,queues,auto_ready\r
1001,张三,p1,service,shanghai,enquiry=3 complaint=1 vip=2@2026-12-31,enquiry=50,yes\r
1002,\"Li, Si\",\"p\"\"2\",,,enquiry,,\r
";

fn loaded(agents: &[u8]) -> Loaded {
    let staff = Staff::new("agents.csv".into(), agents.to_vec()).unwrap();
    read_with("centre.toml", CONFIG, Path::new("/nowhere"), Some(&staff))
}

fn told_of(agents: &str) -> Vec<String> {
    let shown = |d: &Diagnostic| {
        let help = d.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
        format!("{}:{}:{} {}{help}", d.file, d.line, d.column, d.message)
    };
    loaded(agents.as_bytes()).diagnostics.iter().map(shown).collect()
}

#[test]
fn agents_come_from_a_spreadsheet() {
    assert_eq!(told_of(AGENTS), Vec::<String>::new());
    for source in [AGENTS.to_string(), format!("\u{feff}{AGENTS}")] {
        let site = loaded(source.as_bytes()).site.unwrap();
        assert_eq!(site.staff.unwrap().bytes(), source.as_bytes(), "it is put in place as it came");
        let agents = site.setup.agents;
        let numbers: Vec<&str> = agents.iter().map(|a| &*a.number).collect();
        assert_eq!(numbers, ["9001", "1001", "1002"]);
        let first = &agents[1];
        assert_eq!((&*first.name, &*first.password, &*first.team), ("张三", "p1", "service"));
        assert_eq!((first.site.as_deref(), first.auto_ready), (Some("shanghai"), true));
        assert_eq!(first.skills, [("enquiry".into(), 3), ("complaint".into(), 1), ("vip".into(), 2)]);
        assert_eq!(first.expires, [("vip".into(), midnight(day("2027-01-01").unwrap(), 480))]);
        assert_eq!(first.prefers, [("enquiry".into(), 50)]);
        let second = &agents[2];
        assert_eq!((&*second.name, &*second.password, &*second.team), ("Li, Si", "p\"2", "default"));
        assert_eq!(second.skills, [("enquiry".into(), 1)]);
    }
}

/// What is replaced in AGENTS, by what, and what is said.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("number,name", "numer,name", "agents.csv:1:1 no column is named `numer` (did you mean `number`?)"),
    ("number,name", "numer,name", "agents.csv:1:1 the header needs `number`"),
    ("queues,auto", "team,auto", "agents.csv:1:39 a second column is named `team`"),
    ("1001,", "10 01,", "agents.csv:2:1 `10 01` is no agent number; use letters, digits, `-`, `_`, `.`"),
    ("1001,", "1002,", "agents.csv:3:1 a second agent is named `1002` (the first one is on line 2; names are unique)"),
    (
        "1001,",
        "9001,",
        "agents.csv:2:1 agent `9001` has an [[agent]] too (on line 16 of the configuration; leave one of them out)",
    ),
    (",p1,", ",,", "agents.csv:2:9 a password may not be empty"),
    (",service,", ",servise,", "agents.csv:2:12 no team is named `servise` (did you mean `service`?)"),
    ("shanghai,", "shangai,", "agents.csv:2:20 no site is named `shangai` (did you mean `shanghai`?)"),
    ("complaint=1", "complant=1", "agents.csv:2:39 no skill is named `complant` (did you mean `complaint`?)"),
    ("complaint=1", "complaint=0", "agents.csv:2:39 0 is no skill level: 1 (lowest) to 100"),
    ("complaint=1", "complaint=x", "agents.csv:2:39 `x` is no skill level: 1 (lowest) to 100"),
    ("complaint=1", "enquiry=1", "agents.csv:2:39 a second level of `enquiry`"),
    ("@2026-12-31", "@31.12.", "agents.csv:2:51 `31.12.` is no date like \"2026-12-31\""),
    ("enquiry=50", "enqiry=50", "agents.csv:2:68 no queue is named `enqiry` (did you mean `enquiry`?)"),
    ("enquiry=50", "enquiry", "agents.csv:2:68 `enquiry` is no queue with points like `enquiry=50`"),
    (",yes", ",ja", "agents.csv:2:79 `ja` is neither `yes` nor `no`"),
    (
        "\"Li, Si\"",
        "Li, Si",
        "agents.csv:3:1 9 fields under 8 columns (a field with a comma in it stands in double quotes)",
    ),
    ("\"Li, Si\"", "\"Li, Si", "agents.csv:3:15 after a closing quote comes a comma or the end of the line"),
];

#[test]
fn every_mistake_in_a_spreadsheet_is_located() {
    let mut wrong = String::new();
    for (from, to, expected) in MISTAKES {
        assert!(AGENTS.contains(*from), "{from}");
        let found = told_of(&AGENTS.replacen(from, to, 1));
        if !found.iter().any(|f| f == expected) {
            wrong += &format!("`{to}` should say\n  {expected}\nbut said\n  {}\n", found.join("\n  "));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let all = told_of(&AGENTS.replace("complaint=1", "complant=1").replace(",enquiry,,", ",enqury,,"));
    assert_eq!(all.len(), 2, "all at once: {all:?}");
    assert_eq!(
        told_of("number;name\r\n1001;a\r\n")[0],
        "agents.csv:1:1 the columns are not separated by commas (save it as \"CSV UTF-8 (comma delimited)\")"
    );
    assert!(told_of("")[0].starts_with("agents.csv:1:1 there is no header"), "{:?}", told_of(""));
}

#[test]
fn aliases_are_words_of_one_field() {
    let site = loaded(b"number,password,aliases\r\n1001,p1,601 li.na\r\n").site.unwrap();
    assert_eq!(site.setup.agents[1].aliases, ["601", "li.na"].map(Name::from));
    let told = |row: &str| told_of(&format!("number,password,aliases\r\n{row}\r\n")).pop().unwrap();
    assert!(told("1001,p1,601 9001").starts_with("agents.csv:2:13 `9001` is an agent's number already"));
    assert!(told("1001,p1,li#na").starts_with("agents.csv:2:9 `li#na` is no agent number"));
}

#[test]
fn a_file_in_gbk_is_refused_with_what_to_do() {
    let gbk = [b"number,name,password\n1001,".as_slice(), &[0xd5, 0xc5, 0xc8, 0xfd], b",x\n"].concat();
    let message = Staff::new("agents.csv".into(), gbk).unwrap_err();
    assert!(message.starts_with("line 2 is not in UTF-8, maybe in GBK: save it as"), "{message}");
}

#[test]
fn a_missing_file_of_agents_is_told_where_it_is_named() {
    let found = told(CONFIG);
    assert!(found[0].starts_with("error centre.toml:1:10 /nowhere/agents.csv: cannot read this file"), "{found:?}");
}

#[test]
fn no_spreadsheet_makes_the_reader_panic() {
    for cut in (0..AGENTS.len()).filter(|cut| AGENTS.is_char_boundary(*cut)) {
        let _ = told_of(&AGENTS[..cut]);
        let _ = told_of(&AGENTS[cut..]);
    }
}

#[test]
fn fifteen_hundred_agents_are_read() {
    let rows: String = (0..1500)
        .map(|n| format!("{},Agent {n},p{n},service,shanghai,enquiry={} vip=1\n", 20_000 + n, 1 + n % 9))
        .collect();
    let loaded = loaded(format!("number,name,password,team,site,skills\n{rows}").as_bytes());
    assert_eq!(loaded.site.unwrap().setup.agents.len(), 1501);
}
