//! `[[bot]]`: who talks with callers.

use super::*;

/// GOOD with this before its ninth line.
fn with(section: &str) -> String {
    GOOD.replace("[media]", &format!("{section}\n[media]"))
}

#[test]
fn a_bot_is_known_to_dialplans_and_reached_at_its_address() {
    let source = with("[[bot]]\nname = \"robin\"\nurl = \"wss://bots.example/talk\"\ntoken = \"s3cret\"");
    let site = read("centre.toml", &source, Path::new("/nowhere")).site.unwrap();
    let (name, url) = ("robin".into(), "wss://bots.example/talk".into());
    assert_eq!(site.bots, [BotSetup { name, url, token: Some("s3cret".into()) }]);
}

const ROBIN: &str = "[[bot]]\nname = \"robin\"\nurl = \"ws://x/\"\n";

#[test]
fn a_bot_is_an_agent_without_a_phone_and_ready_by_itself() {
    let source =
        with(&format!("{ROBIN}[[agent]]\nnumbers = \"9001-9003\"\nbot = \"robin\"\nskills = {{ enquiry = 2 }}"));
    let site = read("centre.toml", &source, Path::new("/nowhere")).site.unwrap();
    let bots: Vec<_> = site.setup.agents.iter().filter(|agent| agent.bot.as_deref() == Some("robin")).collect();
    assert_eq!(bots.iter().map(|bot| &*bot.number).collect::<Vec<_>>(), ["9001", "9002", "9003"]);
    assert!(bots.iter().all(|bot| bot.auto_ready && bot.password.is_empty() && bot.skills.len() == 1));
    let table = [
        ("bot = \"wren\"", "error centre.toml:14:7 no bot is named `wren`"),
        (
            "bot = \"robin\"\npassword = \"x\"",
            "error centre.toml:15:12 a bot has no phone: `password` means nothing beside `bot` (leave one of them out)",
        ),
        (
            "auto_answer = true\nbot = \"robin\"",
            "error centre.toml:14:15 a bot has no phone: `auto_answer` means nothing beside `bot` (leave one of them out)",
        ),
    ];
    for (keys, words) in table {
        let told = told(&with(&format!("{ROBIN}[[agent]]\nnumber = \"9001\"\n{keys}")));
        assert!(told.len() == 1 && told[0].starts_with(words), "{keys}: {told:?}");
    }
}

#[test]
fn a_wrong_bot_is_told_where_it_is() {
    let table = [
        ("[[bot]]\nurl = \"ws://x/\"", "error centre.toml:9:1 [[bot]] needs `name`"),
        ("[[bot]]\nname = \"robin\"", "error centre.toml:9:1 [[bot]] needs `url`"),
        (
            "[[bot]]\nname = \"robin\"\nurl = \"http://x/\"",
            "error centre.toml:11:7 `http://x/` is no address like \"ws://127.0.0.1:9000/talk\"",
        ),
        (
            "[[bot]]\nname = \"robin\"\nurl = \"wss://x/\"\ntoken = \"a b\"",
            "error centre.toml:12:9 a token is of printable ASCII characters",
        ),
        (
            "[[bot]]\nname = \"robin\"\nurl = \"ws://x/\"\ntoken = \"ab\"",
            "warning centre.toml:12:9 this token goes over the network readable for all",
        ),
        (
            "[[bot]]\nname = \"robin\"\nurl = \"ws://x/\"\n[[bot]]\nname = \"robin\"\nurl = \"ws://y/\"",
            "error centre.toml:13:8 a second bot is named `robin`",
        ),
    ];
    for (section, words) in table {
        let told = told(&with(section));
        assert!(told.len() == 1 && told[0].starts_with(words), "{section}: {told:?}");
    }
}
