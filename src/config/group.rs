//! `[[trunk_group]]`: trunks that stand for each other when we call out.

use super::sheet::{Read, Section, Sheet, integer, text};
use busyhour_switch::{GroupMember, NEXT_ON, TrunkGroup};
use toml::de::DeValue;

/// A group, and where its names stand.
pub(super) struct Group {
    pub(super) name: Read<String>,
    pub(super) members: Vec<Read<String>>,
    pub(super) setup: TrunkGroup,
}

pub(super) fn group(mut section: Section, sheet: &mut Sheet) -> Option<Group> {
    let name = section.need(sheet, "name", text);
    let mut names = Vec::new();
    let mut members = Vec::new();
    if !section.has("trunks") {
        sheet.error(section.at(), "[[trunk_group]] needs `trunks`");
    }
    for mut member in section.sections_if_any(sheet, "trunks").unwrap_or_default() {
        let trunk = member.need(sheet, "trunk", text);
        let priority = member.or(sheet, "priority", integer, 1);
        let weight = member.or(sheet, "weight", weight, 1);
        member.finish(sheet);
        let Some(trunk) = trunk else { continue };
        members.push(GroupMember { trunk: trunk.value.as_str().into(), priority, weight });
        names.push(trunk);
    }
    let next_on = section.list(sheet, "next_on", status);
    let next_on = next_on.map_or_else(|| NEXT_ON.to_vec(), |list| list.into_iter().map(|read| read.value).collect());
    section.finish(sheet);
    let name = name?;
    let setup = TrunkGroup { name: name.value.as_str().into(), members, next_on };
    Some(Group { name, members: names, setup })
}

fn weight(value: &DeValue) -> Result<u32, String> {
    match integer::<u32>(value)? {
        weight @ 1..=10_000 => Ok(weight),
        other => Err(format!("{other} is no weight: 1 to 10000")),
    }
}

/// A status, or a cause of Q.850. A busy callee is busy by any trunk.
fn status(value: &DeValue) -> Result<u16, String> {
    match integer::<u16>(value)? {
        on @ (1..=127 | 400..=485 | 487..=599) => Ok(on),
        486 | 600.. => Err("this is the callee's answer, whatever the trunk: no other is tried after it".into()),
        other => Err(format!("{other} refuses no call: 400 to 599, or 1 to 127 for a cause of Q.850")),
    }
}
