//! Who calls by a `[[trunk]]`, who may be called, and how that is said.

use super::sheet::{Read, Section, Sheet, flag, integer, one_of, text};
use super::{causes, rewriting};
use busyhour_model::Pattern;
use busyhour_switch::{Form, PassedOn, Present, Telling, TrunkPolicy};
use toml::de::DeValue;

/// Numbers in one list.
const PATTERNS_MAX: usize = 10_000;

pub(super) fn policy(section: &mut Section, sheet: &mut Sheet) -> TrunkPolicy {
    let caller_id = section.read(sheet, "caller_id", text);
    let owned = section.list(sheet, "owned", pattern).unwrap_or_default();
    owned_id(sheet, section.at(), &owned, caller_id.as_ref());
    let mut policy = TrunkPolicy {
        owned: values(owned, sheet),
        caller_id: caller_id.map(|id| id.value.into()),
        barred: patterns(section, sheet, "barred"),
        allowed: patterns(section, sheet, "allowed"),
        rewrite_in: rewriting::table(section, sheet, "rewrite_in"),
        rewrite_out: rewriting::table(section, sheet, "rewrite_out"),
        causes_in: causes::table(section, sheet, "causes_in"),
        causes_out: causes::table(section, sheet, "causes_out"),
        ..TrunkPolicy::default()
    };
    section.lay(sheet, "trusted", flag, &mut policy.trusted);
    section.lay(sheet, "read_ppi", flag, &mut policy.preferred);
    section.lay(sheet, "identity", telling, &mut policy.identity);
    section.lay(sheet, "form", form, &mut policy.form);
    section.lay(sheet, "clir", flag, &mut policy.clir);
    section.lay(sheet, "redirects", redirects, &mut policy.redirects);
    section.lay(sheet, "present", present, &mut policy.present);
    let passed_on = section.list(sheet, "passed_on", passed_on).unwrap_or_default();
    policy.passed_on = passed_on.into_iter().map(|how| how.value).collect();
    policy
}

fn redirects(value: &DeValue) -> Result<u8, String> {
    let most = 5;
    integer::<u8>(value)?
        .le(&most)
        .then_some(())
        .ok_or(format!("at most {most} redirections of one call are followed"))?;
    integer(value)
}

fn patterns(section: &mut Section, sheet: &mut Sheet, key: &'static str) -> Vec<Pattern> {
    let list = section.list(sheet, key, pattern).unwrap_or_default();
    values(list, sheet)
}

fn values(list: Vec<Read<Pattern>>, sheet: &mut Sheet) -> Vec<Pattern> {
    sheet.at_most(list.first().map_or(0, |first| first.at), "numbers", list.len(), PATTERNS_MAX);
    list.into_iter().map(|read| read.value).collect()
}

/// Something must go out when the number at hand is not ours, and that must be ours.
fn owned_id(sheet: &mut Sheet, at: usize, owned: &[Read<Pattern>], caller_id: Option<&Read<String>>) {
    let number = |id: &Read<String>| busyhour_model::Number::parse(&id.value);
    match caller_id {
        _ if owned.is_empty() => {}
        None if owned.iter().all(|pattern| pattern.value.prefix) => {
            let help = "add `caller_id = \"…\"`, shown when the number at hand is not ours";
            sheet.note(sheet.at(at, "`owned` names no whole number").help(help));
        }
        Some(id) if !owned.iter().any(|pattern| pattern.value.matches(&number(id))) => {
            let message = format!("`{}` is not among the numbers `owned`", id.value);
            sheet.note(sheet.at(id.at, message).help("add it there, or choose one of them"));
        }
        _ => {}
    }
}

/// A number, or the beginning of numbers, in national form or with `+`.
pub(super) fn pattern(value: &DeValue) -> Result<Pattern, String> {
    let number = text(value)?;
    let wrong =
        || format!("`{number}` is no number; write digits, \"+8613800138000\", or a prefix like \"021512345*\"");
    Pattern::parse(&number).ok_or_else(wrong)
}

fn telling(value: &DeValue) -> Result<Telling, String> {
    let known = [("none", Telling::None), ("pai", Telling::Pai), ("ppi", Telling::Ppi), ("rpid", Telling::Rpid)];
    one_of(value, "is no header for identities", &known)
}

fn form(value: &DeValue) -> Result<Form, String> {
    let known = [("sip", Form::Sip), ("user_phone", Form::UserPhone), ("tel", Form::Tel)];
    one_of(value, "is no form of addresses", &known)
}

fn present(value: &DeValue) -> Result<Present, String> {
    one_of(value, "says not whose number is shown", &[("own", Present::Own), ("caller", Present::Caller)])
}

fn passed_on(value: &DeValue) -> Result<PassedOn, String> {
    let known = [("diversion", PassedOn::Diversion), ("history_info", PassedOn::HistoryInfo)];
    one_of(value, "is no header for that", &known)
}
