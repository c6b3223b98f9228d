//! The JSON Schema of dialplans, made from the language's own tables, for editors that complete and check TOML.

use busyhour_ivr::language::{Key, Kind, NODES, STEPS, TABLES, Tables};
use serde_json::{Map, Value, json};

/// What `dialplans/schema.json` says; a test keeps the file in step.
pub fn dialplans() -> Value {
    let table = |(name, keys): &(&'static str, &'static [&'static [Key]])| (name.to_string(), object(keys));
    let mut definitions: Map<String, Value> = TABLES.iter().map(table).collect();
    definitions.insert("node".into(), one_of(NODES));
    definitions.insert("step".into(), one_of(STEPS));
    definitions.insert("duration".into(), json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$" }));
    definitions.insert("phrase".into(), json!({ "anyOf": [piece(), { "type": "array", "items": piece() }] }));
    let key = json!({ "type": "string", "description": "a node" });
    definitions.insert(
        "keys".into(),
        json!({
            "type": "object", "patternProperties": { "^[0-9A-D*#]$": key }, "additionalProperties": false
        }),
    );
    let mut schema = definitions.get("plan").cloned().unwrap_or_default();
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("A busyhour dialplan");
    schema["definitions"] = Value::Object(definitions);
    schema
}

/// A prompt id, or something read aloud.
fn piece() -> Value {
    json!({ "anyOf": [{ "type": "string" }, { "$ref": "#/definitions/item" }] })
}

fn one_of(tables: Tables) -> Value {
    json!({ "anyOf": tables.iter().map(|(_, keys)| object(keys)).collect::<Vec<_>>() })
}

fn object(keys: &[&[Key]]) -> Value {
    let all = || keys.iter().flat_map(|group| group.iter());
    let property = |key: &Key| {
        let mut shape = shape(key.kind);
        shape["description"] = json!(key.says);
        (key.name.to_string(), shape)
    };
    let mut object = json!({
        "type": "object",
        "properties": all().map(property).collect::<Map<_, _>>(),
        "required": all().filter(|key| key.needed).map(|key| key.name).collect::<Vec<_>>(),
        "additionalProperties": false,
    });
    // A case of `branch` also asks about variables.
    if all().any(|key| key.name == "goto" && key.needed) && all().count() > 1 {
        object["patternProperties"] = json!({ "^\\$": shape(Kind::Texts) });
    }
    object
}

fn shape(kind: Kind) -> Value {
    let of = |name: &str| json!({ "allOf": [{ "$ref": format!("#/definitions/{name}") }] });
    let text = || json!({ "type": "string" });
    let value = || json!({ "type": ["string", "integer"] });
    let any_of = |shapes: Vec<Value>| json!({ "anyOf": shapes });
    match kind {
        Kind::True => json!({ "const": true }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Text | Kind::Node => text(),
        Kind::Value => value(),
        Kind::TrueOrValue => any_of(vec![json!({ "const": true }), value()]),
        Kind::Status => any_of(vec![json!({ "const": true }), shape(Kind::Number(400, 699))]),
        Kind::Texts => any_of(vec![text(), json!({ "type": "array", "items": text() })]),
        Kind::Duration => of("duration"),
        Kind::Number(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Comparisons => any_of(vec![value(), json!({ "type": "array", "items": value() })]),
        Kind::Phrase => of("phrase"),
        Kind::Length => {
            let (number, both) =
                (json!({ "type": "integer" }), json!({ "type": "array", "items": { "type": "integer" } }));
            any_of(vec![number, both])
        }
        Kind::Button => json!({ "type": "string", "pattern": "^[0-9A-D*#]?$" }),
        Kind::Buttons => of("keys"),
        Kind::Values => json!({ "type": "object", "additionalProperties": value() }),
        Kind::Ways => json!({ "type": "object", "additionalProperties": text() }),
        Kind::Skills => json!({ "type": "object", "additionalProperties": shape(Kind::Number(1, 100)) }),
        Kind::Lists => json!({ "type": "object", "additionalProperties": shape(Kind::Texts) }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Table(name) => of(name),
        Kind::ValueOrTable(name) => any_of(vec![value(), of(name)]),
        Kind::Tables(name) => json!({ "type": "array", "items": of(name) }),
        Kind::Named(name) => json!({ "type": "object", "additionalProperties": of(name) }),
        Kind::Scores => json!({
            "type": "object", "patternProperties": { "^[0-9A-D*#]$": { "type": "integer" } }, "additionalProperties": false
        }),
        Kind::Conditions => shape(Kind::Lists),
        Kind::Nodes => json!({ "type": "object", "additionalProperties": of("node") }),
        Kind::Steps => json!({ "type": "array", "items": of("step") }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
