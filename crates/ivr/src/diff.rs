//! What changed between two versions of a dialplan: its meaning, not its lines.

use crate::parse::Parsed;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use toml::{Table, Value};

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// A node came or went.
    Node,
    /// An outcome leads elsewhere.
    Target,
    /// Callers hear something else.
    Prompt,
    /// Anything else a node says.
    Setting,
    /// A test inside.
    Test,
    /// Outside of nodes: lists, variables, the first node.
    Plan,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change {
    /// What it is about.
    pub aspect: Aspect,
    /// The node, test or section.
    pub of: String,
    /// The key in it; empty: all of it.
    pub key: String,
    /// As it was; `None`: it is new.
    pub old: Option<String>,
    /// As it is; `None`: it is gone.
    pub new: Option<String>,
}

impl Parsed {
    /// What becomes different when this takes the place of `old`, nodes first. The texts are those the two were read from:
    /// their comments, their order and their spaces mean nothing.
    pub fn changes(&self, text: &str, old: &Parsed, old_text: &str) -> Vec<Change> {
        let table = |text: &str| text.parse::<Table>().unwrap_or_default();
        let (before, after) = (sections(&table(old_text)), sections(&table(text)));
        let mut changes = Vec::new();
        for at in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            match (before.get(at), after.get(at)) {
                (Some(was), Some(is)) => changes.extend(self.inside(old, at, was, is)),
                (was, is) => {
                    let verb = |leaves: &Leaves| leaves.keys().next().cloned().unwrap_or_default();
                    let (aspect, of) = at.clone();
                    let shown = |leaves: Option<&Leaves>, plan: &Parsed| {
                        leaves.map(|leaves| if aspect == Aspect::Node { plan.verb(&of) } else { verb(leaves) })
                    };
                    let (old, new) = (shown(was, old), shown(is, self));
                    changes.push(Change { aspect, of, key: String::new(), old, new });
                }
            }
        }
        changes
    }

    fn inside(&self, old: &Parsed, (aspect, of): &(Aspect, String), was: &Leaves, is: &Leaves) -> Vec<Change> {
        let keys: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        let changed = keys.into_iter().filter(|key| was.get(*key) != is.get(*key));
        let change = |key: &String| {
            let (old_value, new_value) = (was.get(key), is.get(key));
            let aspect = match aspect {
                Aspect::Node if old.leads(of, key) || self.leads(of, key) => Aspect::Target,
                Aspect::Node if old.is_heard(old_value) || self.is_heard(new_value) => Aspect::Prompt,
                Aspect::Node => Aspect::Setting,
                other => *other,
            };
            Change { aspect, of: of.clone(), key: key.clone(), old: shown(old_value), new: shown(new_value) }
        };
        match aspect {
            // How a test runs is for its reader; that it is another one is enough here.
            Aspect::Test if was != is => {
                vec![Change { aspect: *aspect, of: of.clone(), key: "steps".into(), old: None, new: None }]
            }
            _ => changed.map(change).collect(),
        }
    }

    fn verb(&self, node: &str) -> String {
        let node = self.plan.nodes.iter().find(|own| *own.name == *node);
        node.map_or_else(String::new, |node| node.verb.described().0.into())
    }

    /// Whether a key of a node is one of its outcomes.
    fn leads(&self, node: &str, key: &str) -> bool {
        let last = key.rsplit('.').next().unwrap_or(key);
        let node = self.plan.nodes.iter().find(|own| *own.name == *node);
        let outcomes = node.map(|node| node.verb.outcomes()).unwrap_or_default();
        ["goto", "else"].contains(&last) || outcomes.iter().any(|outcome| *outcome.label == *last)
    }

    fn is_heard(&self, value: Option<&Value>) -> bool {
        match value {
            Some(Value::String(id)) => self.prompts.contains(&**id),
            Some(Value::Array(items)) => items.iter().any(|item| self.is_heard(Some(item))),
            Some(Value::Table(item)) => item.values().any(|value| self.is_heard(Some(value))),
            _ => false,
        }
    }
}

/// Keys of one node, test or section with their values.
type Leaves = BTreeMap<String, Value>;

fn sections(plan: &Table) -> BTreeMap<(Aspect, String), Leaves> {
    let mut sections: BTreeMap<(Aspect, String), Leaves> = BTreeMap::new();
    let mut put = |aspect, of: &str, value: &Value| {
        let leaves = sections.entry((aspect, of.to_string())).or_default();
        flatten(leaves, "", value);
    };
    for (key, value) in plan {
        match (key.as_str(), value) {
            ("node", Value::Table(nodes)) => nodes.iter().for_each(|(name, node)| put(Aspect::Node, name, node)),
            ("test", Value::Array(tests)) => {
                for test in tests {
                    put(Aspect::Test, test.get("name").and_then(Value::as_str).unwrap_or_default(), test);
                }
            }
            ("variables" | "lists" | "survey", _) => put(Aspect::Plan, key, value),
            _ => put(Aspect::Plan, "", &Value::Table([(key.clone(), value.clone())].into_iter().collect())),
        }
    }
    sections
}

/// `keys.4`, `announce.after`, `branch.time 09:00-18:00.goto`: a case is known by its conditions, not by its number.
fn flatten(leaves: &mut Leaves, key: &str, value: &Value) {
    let below = |part: &str| if key.is_empty() { part.to_string() } else { format!("{key}.{part}") };
    match value {
        Value::Table(table) => table.iter().for_each(|(part, value)| flatten(leaves, &below(part), value)),
        Value::Array(cases) if cases.iter().any(|case| case.get("goto").is_some()) => {
            for case in cases {
                let conditions = case.as_table().into_iter().flatten().filter(|(key, _)| *key != "goto");
                let conditions = conditions.map(|(key, value)| format!("{key} {}", plain(value)));
                flatten(leaves, &below(&conditions.collect::<Vec<_>>().join(", ")), case.get("goto").unwrap_or(case));
            }
        }
        value => drop(leaves.insert(key.into(), value.clone())),
    }
}

fn shown(value: Option<&Value>) -> Option<String> {
    value.map(plain)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.aspect {
            Aspect::Node | Aspect::Target | Aspect::Prompt | Aspect::Setting => "node",
            Aspect::Test => "test",
            Aspect::Plan => "plan",
        };
        let sign = match (self.key.is_empty(), &self.old, &self.new) {
            (true, None, _) => "+",
            (true, _, None) => "-",
            _ => "~",
        };
        write!(f, "{sign} {what}")?;
        if !self.of.is_empty() {
            write!(f, " {}", self.of)?;
        }
        if self.key.is_empty() {
            let verb =
                self.new.as_ref().or(self.old.as_ref()).filter(|verb| self.aspect == Aspect::Node && !verb.is_empty());
            return verb.iter().try_for_each(|verb| write!(f, " ({verb})"));
        }
        if self.aspect == Aspect::Test {
            return write!(f, ": does other things");
        }
        let nothing = String::from("(not given)");
        let (old, new) = (self.old.as_ref().unwrap_or(&nothing), self.new.as_ref().unwrap_or(&nothing));
        write!(f, ": {}: {old} -> {new}", self.key)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::plan::Dialplan;
    use crate::step::Names;

    const OLD: &str = "name = \"p\"\nstart = \"a\"\n[lists]\nvip = [\"138*\"]\n[node.a]\nmenu = [\"x/hello\"]\nkeys = { 1 = \"b\", 2 = \"c\" }\n\
        too_many = \"c\"\ntimeout = \"5s\"\n[node.b]\nbranch = [{ caller = \"@vip\", goto = \"a\" }]\nelse = \"c\"\n[node.c]\nhangup = true\n\
        [[test]]\nname = \"t\"\nsteps = [{ press = \"1\" }]\n";

    fn changes(new: &str) -> Vec<String> {
        let read = |text: &str| Dialplan::parse("p.toml", text, &Names::default()).unwrap();
        read(new).changes(new, &read(OLD), OLD).iter().map(Change::to_string).collect()
    }

    #[test]
    fn what_means_the_same_is_no_change() {
        let other = OLD.replace("keys = { 1 = \"b\", 2 = \"c\" }", "keys.2 = 'c' # two\nkeys.1   = \"b\"");
        assert_ne!(other, OLD);
        assert_eq!(changes(&other), [""; 0]);
    }

    #[test]
    fn each_change_is_told_for_what_it_is() {
        let table = [
            ("2 = \"c\"", "2 = \"a\"", vec!["~ node a: keys.2: c -> a"]),
            ("too_many = \"c\"", "too_many = \"b\"", vec!["~ node a: too_many: c -> b"]),
            ("[\"x/hello\"]", "[\"x/hello\", \"x/more\"]", vec!["~ node a: menu: x/hello -> x/hello, x/more"]),
            ("timeout = \"5s\"\n", "", vec!["~ node a: timeout: 5s -> (not given)"]),
            ("goto = \"a\"", "goto = \"c\"", vec!["~ node b: branch.caller @vip: a -> c"]),
            ("[\"138*\"]", "[\"138*\", \"139*\"]", vec!["~ plan lists: vip: 138* -> 138*, 139*"]),
            ("[node.c]", "[node.d]\nring = true\nthen = \"c\"\n[node.c]", vec!["+ node d (ring)"]),
            ("name = \"t\"", "name = \"u\"", vec!["- test t", "+ test u"]),
            ("press = \"1\"", "press = \"2\"", vec!["~ test t: does other things"]),
            ("start = \"a\"", "start = \"b\"", vec!["~ plan: start: a -> b"]),
        ];
        for (old, new, told) in table {
            assert_eq!(changes(&OLD.replacen(old, new, 1)), told, "{new}");
        }
    }

    #[test]
    fn targets_and_prompts_are_told_apart() {
        let new = OLD
            .replace("2 = \"c\"", "2 = \"a\"")
            .replace("x/hello", "x/hi")
            .replace("5s", "6s")
            .replace("goto = \"a\"", "goto = \"c\"");
        let read = |text: &str| Dialplan::parse("p.toml", text, &Names::default()).unwrap();
        let aspects: Vec<_> = read(&new).changes(&new, &read(OLD), OLD).iter().map(|change| change.aspect).collect();
        assert_eq!(aspects, [Aspect::Target, Aspect::Prompt, Aspect::Setting, Aspect::Target]);
    }
}
