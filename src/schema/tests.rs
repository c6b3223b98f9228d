//! The file is the schema, the shipped dialplans pass it, and what the parser refuses it refuses too.

use super::*;
use std::path::Path;

/// As much of JSON Schema (draft 7) as the schema uses: what is wrong with `value`, if anything.
fn wrong(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let any = |schemas: &Value| schemas.as_array().unwrap().iter().any(|one| wrong(root, one, value).is_none());
    for (word, wanted) in schema.as_object().unwrap() {
        let fault = match word.as_str() {
            "$ref" => {
                let name = wanted.as_str().unwrap().strip_prefix("#/definitions/").unwrap();
                wrong(root, &root["definitions"][name], value)
            }
            "allOf" => wanted.as_array().unwrap().iter().find_map(|one| wrong(root, one, value)),
            "anyOf" => (!any(wanted)).then(|| format!("{value} is none of what it may be")),
            "type" => {
                let types = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
                let is = match value {
                    Value::String(_) => "string",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "integer",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                    Value::Null => "null",
                };
                (!types.contains(&json!(is))).then(|| format!("{value} is no {wanted}"))
            }
            "const" => (value != wanted).then(|| format!("{value} is not {wanted}")),
            "enum" => (!wanted.as_array().unwrap().contains(value)).then(|| format!("{value} is not in {wanted}")),
            "minimum" => (value.as_i64() < wanted.as_i64()).then(|| format!("{value} is too small")),
            "maximum" => (value.as_i64() > wanted.as_i64()).then(|| format!("{value} is too large")),
            "required" => {
                let mut keys = wanted.as_array().unwrap().iter().map(|key| key.as_str().unwrap());
                keys.find(|key| value.get(key).is_none()).map(|key| format!("{key} is missing in {value}"))
            }
            "items" => value.as_array().into_iter().flatten().find_map(|item| wrong(root, wanted, item)),
            "additionalProperties" => {
                let own = |key: &str| {
                    schema["properties"].get(key).or_else(|| pattern_property(&schema["patternProperties"], key))
                };
                value.as_object().into_iter().flatten().find_map(|(key, value)| match own(key) {
                    Some(schema) => wrong(root, schema, value),
                    None if *wanted == json!(false) => Some(format!("{key} is not known")),
                    None => wrong(root, wanted, value),
                })
            }
            "pattern" => {
                (!matches(wanted.as_str().unwrap(), value.as_str()?)).then(|| format!("{value} is not {wanted}"))
            }
            "properties" | "patternProperties" | "description" | "title" | "$schema" | "definitions" => None,
            other => panic!("{other} is not checked here"),
        };
        if fault.is_some() {
            return fault;
        }
    }
    None
}

fn pattern_property<'s>(patterns: &'s Value, key: &str) -> Option<&'s Value> {
    patterns.as_object()?.iter().find(|(pattern, _)| matches(pattern, key)).map(|(_, schema)| schema)
}

/// The patterns in use, by hand.
fn matches(pattern: &str, text: &str) -> bool {
    let is_key = |c: char| c.is_ascii_digit() || "ABCD*#".contains(c);
    match pattern {
        "^\\$" => text.starts_with('$'),
        "^[0-9A-D*#]$" => text.chars().count() == 1 && text.chars().all(is_key),
        "^[0-9A-D*#]?$" => text.chars().count() <= 1 && text.chars().all(is_key),
        "^([0-9]+(ms|s|m|h))+$" => crate::config::parse_duration(text).is_some(),
        other => panic!("{other} is not checked here"),
    }
}

fn toml_as_json(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
}

fn shipped() -> Vec<(String, String)> {
    fn below(folder: &Path, found: &mut Vec<(String, String)>) {
        for path in folder.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|e| e == "toml") {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("dialplans"), &mut found);
    found.retain(|(_, text)| text.contains("[node."));
    assert!(!found.is_empty());
    found
}

#[test]
fn the_file_is_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dialplans/schema.json");
    let made = format!("{:#}\n", dialplans());
    if std::env::var_os("BUSYHOUR_WRITE_SCHEMA").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(file == made, "dialplans/schema.json is out of step: busyhour dialplan schema > dialplans/schema.json");
}

#[test]
fn shipped_dialplans_pass_and_name_it() {
    let schema = dialplans();
    for (file, text) in shipped() {
        assert_eq!(wrong(&schema, &schema, &toml_as_json(&text)), None, "{file}");
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("#:schema ") && first.ends_with("schema.json"), "{file} begins with {first}");
    }
}

#[test]
fn what_is_wrong_is_found() {
    let schema = dialplans();
    let good = "name = 'p'\nstart = 'a'\n[node.a]\nmenu = 'x'\nkeys = { 1 = 'a' }\ntoo_many = 'a'\ntimeout = '5s'\n";
    assert_eq!(wrong(&schema, &schema, &toml_as_json(good)), None);
    for (right, mistake) in [
        ("name = 'p'\n", ""),
        ("menu", "menue"),
        ("too_many = 'a'\n", ""),
        ("1 = 'a'", "X = 'a'"),
        ("'5s'", "'5'"),
        ("timeout", "timeot"),
        ("'x'", "[{ digits = true }]"),
        ("'x'", "[{ number = 1, unit = 'stones' }]"),
    ] {
        let bad = good.replacen(right, mistake, 1);
        assert!(wrong(&schema, &schema, &toml_as_json(&bad)).is_some(), "{bad}");
    }
}
