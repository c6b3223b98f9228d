//! What can become of a node, as the tables have it.

use super::{Key, Kind, NODES, TABLES};
use std::collections::BTreeSet;

/// Every outcome there is: a verb, and its key that says where the call goes on; a verb without such a key stands for itself.
pub fn outcomes() -> BTreeSet<(&'static str, &'static str)> {
    let of = |(verb, keys): &(&'static str, &'static [&'static [Key]])| {
        let leading: Vec<_> = keys.iter().copied().flatten().filter(|key| key.leads()).map(|key| key.name).collect();
        let leading = if leading.is_empty() { vec![*verb] } else { leading };
        leading.into_iter().map(|key| (*verb, key)).collect::<Vec<_>>()
    };
    NODES.iter().flat_map(of).collect()
}

impl Key {
    /// Whether it names nodes of its own: an `else` nobody needs stands for others.
    fn leads(&self) -> bool {
        match self.kind {
            Kind::Node => self.needed || self.name != "else",
            Kind::Buttons | Kind::Ways => true,
            Kind::Tables(name) | Kind::Table(name) | Kind::ValueOrTable(name) => {
                let table = TABLES.iter().filter(|(table, _)| *table == name).flat_map(|(_, keys)| keys.iter());
                table.copied().flatten().any(Key::leads)
            }
            _ => false,
        }
    }
}
