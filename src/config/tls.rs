//! `[[certificate]]` and the `tls` of a trunk: files read and looked through, so that a bad one is found before it is used.

use super::sheet::{Read, Section, Sheet, text};
use crate::net::{Identity, TrunkTls, certificates};
use bytes::Bytes;

/// `[[certificate]]`, any number of times, the first for peers that name none of them.
pub(super) fn identities(root: &mut Section, sheet: &mut Sheet) -> Vec<Identity> {
    let sections = root.sections(sheet, "certificate");
    let read = |mut section: Section, sheet: &mut Sheet| {
        let chain = section.need(sheet, "chain", text);
        let key = section.need(sheet, "key", text);
        section.finish(sheet);
        identity(sheet, &chain?, &key?)
    };
    sections.into_iter().filter_map(|section| read(section, sheet)).collect()
}

/// `tls = { … }` of a trunk.
pub(super) fn trunk(section: &mut Section, sheet: &mut Sheet, name: &str) -> Option<TrunkTls> {
    let given = section.has("tls");
    let mut section = section.section(sheet, "tls");
    let ca = section.read(sheet, "ca", text).and_then(|path| {
        let pem = file(sheet, &path)?;
        certificates(&pem).map_err(|why| sheet.error(path.at, format!("{}: {why}", path.value))).ok()?;
        Some(pem)
    });
    let (chain, key) = (section.read(sheet, "certificate", text), section.read(sheet, "key", text));
    let identity = match (&chain, &key) {
        (Some(chain), Some(key)) => identity(sheet, chain, key),
        (Some(alone), None) | (None, Some(alone)) => {
            sheet.error(alone.at, "`certificate` and `key` go together");
            None
        }
        (None, None) => None,
    };
    let client_names = section.list(sheet, "client_names", text).unwrap_or_default();
    let tls = TrunkTls {
        trunk: name.into(),
        ca,
        server_name: section.read(sheet, "server_name", super::server::host).map(|read| read.value),
        identity,
        client_names: client_names.into_iter().map(|read| read.value).collect(),
    };
    section.finish(sheet);
    given.then_some(tls)
}

fn identity(sheet: &mut Sheet, chain: &Read<String>, key: &Read<String>) -> Option<Identity> {
    let at = chain.at;
    let found = Identity { chain: file(sheet, chain)?, key: file(sheet, key)? };
    match found.check() {
        Ok(()) => Some(found),
        Err(why) => {
            sheet.error(at, format!("{} with {}: {why}", chain.value, key.value));
            None
        }
    }
}

fn file(sheet: &mut Sheet, path: &Read<String>) -> Option<Bytes> {
    let found = super::read_bytes(&sheet.folder.join(&path.value));
    found.map_err(|why| sheet.error(path.at, format!("{}: {why}", path.value))).ok().map(Bytes::from)
}
