//! `busyhour ctl agent 1001 …` and `ctl queue enquiry …`: shown, or changed while calls run.

use super::show::user;
use crate::client::{Server, escaped};
use crate::table::moment;
use busyhour_model::Time;
use serde_json::Value;
use toml::Table;

/// Shows what stands at `path`, or changes it when there is something to change.
pub(super) fn amend(server: &Server, path: &str, method: &str, keys: &[String], json: bool) -> Result<(), String> {
    if method == "PATCH" && keys.is_empty() {
        let shown = server.get(path).map_err(|e| e.to_string())?;
        print(&shown, json);
        return Ok(());
    }
    let body = match method {
        "DELETE" => Value::Null,
        _ => serde_json::to_value(table(keys)?).map_err(|e| e.to_string())?,
    };
    let done = server.send(method, &format!("{path}?who={}", escaped(&user())), &body).map_err(|e| e.to_string())?;
    for warning in done["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        eprintln!("{warning}\n");
    }
    match &done["now"] {
        Value::Null => println!("done"),
        now => print(now, json),
    }
    Ok(())
}

/// Keys whose values are texts whatever they look like: a password of digits is one.
const TEXTS: [&str; 8] = ["name", "password", "pin", "team", "site", "schedule", "need", "prefer"];

/// `skills.card=3`: a key and a value of TOML; what is no value is a text.
fn table(keys: &[String]) -> Result<Table, String> {
    let mut all = Table::new();
    for given in keys {
        let (key, value) = given.split_once('=').ok_or_else(|| format!("`{given}` is not KEY=VALUE"))?;
        let read = |value: &str| format!("{key} = {value}").parse::<Table>();
        let one = if TEXTS.contains(&key) && !value.starts_with(['"', '\'']) { None } else { read(value).ok() };
        let one = one.map_or_else(|| read(&toml::Value::from(value).to_string()), Ok);
        let one = one.map_err(|_| format!("`{key}` is no key; write it like skills.card=3"))?;
        for (key, value) in one {
            match (all.get_mut(&key), value) {
                (Some(toml::Value::Table(known)), toml::Value::Table(more)) => known.extend(more),
                (_, value) => drop(all.insert(key, value)),
            }
        }
    }
    Ok(all)
}

/// As it would stand in the configuration.
fn print(shown: &Value, json: bool) {
    if json {
        return println!("{shown}");
    }
    let lines = |part: &str| -> Vec<String> {
        let table: Table = serde_json::from_value(shown[part].clone()).unwrap_or_default();
        table.iter().map(|(key, value)| format!("{key} = {value}")).collect()
    };
    if let Some(state) = shown["state"].as_object() {
        let fresh = state.iter().filter(|(key, value)| shown["now"].get(key).is_none() && !value.is_null());
        fresh.for_each(|(key, value)| println!("# {key}: {}", told(key, value)));
    }
    lines("now").iter().for_each(|line| println!("{line}"));
    let changed = lines("changed");
    if !changed.is_empty() {
        let kept = if shown["kept"] == true { "kept in live.toml of the data folder" } else { "until the next reload" };
        println!("\n# otherwise than configured, {kept}:");
        changed.iter().for_each(|line| println!("# {line}"));
    }
}

/// A figure for people.
fn told(key: &str, value: &Value) -> String {
    match (key, value.as_u64(), value.as_str()) {
        ("since" | "oldest", Some(at), _) => moment(Time::from_micros(at)),
        (_, _, Some(text)) => text.into(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_typed_as_in_the_configuration_or_are_texts() {
        let keys = [
            "skills.card=3",
            "skills.vip={ level = 2 }",
            "team=service",
            "need=card and not sales",
            "wait_max=8m",
            "password=123456",
        ];
        let read = table(&keys.map(String::from)).expect("keys and values");
        let expected = "password = \"123456\"\nneed = \"card and not sales\"\nteam = \"service\"\nwait_max = \"8m\"\n[skills]\ncard = 3\nvip = { level = 2 }";
        assert_eq!(read, expected.parse::<Table>().expect("TOML"));
        assert!(table(&["team".into()]).is_err());
        assert!(table(&["=1".into()]).is_err());
    }
}
