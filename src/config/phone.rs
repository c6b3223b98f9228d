//! `[[phone]]`: phones that are nobody's own, at which agents sign in by PIN.

use super::agent::{agent_number, range};
use super::sheet::{Read, Section, Sheet, text};
use busyhour_switch::Account;

/// A phone's account, and where its number stands.
pub(super) struct Phone {
    pub(super) number: Read<String>,
    pub(super) account: Account,
}

pub(super) fn phones(mut section: Section, sheet: &mut Sheet) -> Vec<Phone> {
    let numbers = match section.read(sheet, "numbers", range) {
        Some(range) => range.value.into_iter().map(|value| Read { value, at: range.at }).collect(),
        None => section.need(sheet, "number", agent_number).into_iter().collect::<Vec<_>>(),
    };
    let password = section.need(sheet, "password", text);
    section.finish(sheet);
    let Some(password) = password else { return Vec::new() };
    let phone = |number: Read<String>| {
        let account = Account { user: number.value.as_str().into(), password: password.value.as_str().into() };
        Phone { number, account }
    };
    numbers.into_iter().map(phone).collect()
}
