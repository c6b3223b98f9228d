//! Which dialplans are in force, which were, and the way back.

use super::{Desk, Reloaded};
use crate::config;
use crate::dialplans::Source;
use crate::replace::replace;
use crate::versions::{Version, Versions};
use busyhour_ivr::Dialplan;
use busyhour_model::{Diagnostic, Name};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::PoisonError;

/// A dialplan new calls go through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// Its name.
    pub name: Name,
    /// The file it stands in.
    pub file: String,
    /// How many nodes it has.
    pub nodes: usize,
    /// Since when, and by whom; `None` when versions are not kept.
    pub version: Option<Version>,
}

/// Why there is no way back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWayBack {
    /// Nobody knows it.
    #[error("no dialplan `{0}` was ever in force here")]
    UnknownPlan(Name),
    /// It was forgotten, or never was.
    #[error("dialplan `{0}` has no version {1}")]
    UnknownVersion(Name, u32),
    /// It was never changed.
    #[error("dialplan `{0}` was never another")]
    NothingElse(Name),
    /// There is no data folder.
    #[error("versions of dialplans are not kept")]
    NotKept,
    /// It has no file.
    #[error("dialplan `{0}` is built in")]
    BuiltIn(Name),
    /// The system said no.
    #[error("{0}")]
    File(String),
}

impl NoWayBack {
    /// What to do.
    pub fn help(&self) -> &'static str {
        match self {
            NoWayBack::UnknownPlan(_) => "`busyhour dialplan versions` lists those in force",
            NoWayBack::UnknownVersion(..) | NoWayBack::NothingElse(_) => {
                "`busyhour dialplan versions NAME` lists what was kept"
            }
            NoWayBack::NotKept => "name a folder in `server.data`",
            NoWayBack::BuiltIn(_) => "copy it into a folder of your own and name that in `server.dialplans`",
            NoWayBack::File(_) => "see the rights of the file and its folder",
        }
    }
}

impl Desk {
    /// Those in force, in the order of their files.
    pub fn dialplans(&self) -> Vec<InForce> {
        let versions = self.versions();
        let row = |name: &Name, plan: &Dialplan, source: &Source| {
            let kept = versions.as_ref().and_then(|versions| versions.of(name).ok());
            let version = kept.and_then(|mut versions| versions.pop());
            InForce { name: name.clone(), file: source.file.clone(), nodes: plan.nodes().count(), version }
        };
        let site = self.site.lock().unwrap_or_else(PoisonError::into_inner);
        let plans = site.setup.dialplans.iter().zip(&site.sources);
        plans.map(|((name, plan), source)| row(name, plan, source)).collect()
    }

    /// Every version that was kept of a dialplan, the oldest first.
    ///
    /// # Errors
    /// There are none, or they cannot be read.
    pub fn versions_of(&self, name: &Name) -> Result<Vec<Version>, NoWayBack> {
        let versions = self.versions().ok_or(NoWayBack::NotKept)?;
        match versions.of(name).map_err(|e| NoWayBack::File(e.to_string()))? {
            none if none.is_empty() => Err(NoWayBack::UnknownPlan(name.clone())),
            kept => Ok(kept),
        }
    }

    /// The text in force, or of an older version.
    ///
    /// # Errors
    /// There is no such text.
    pub fn dialplan_text(&self, name: &Name, version: Option<u32>) -> Result<Source, NoWayBack> {
        let Some(number) = version else {
            return self.source_in_force(name).ok_or_else(|| NoWayBack::UnknownPlan(name.clone()));
        };
        let kept = self.versions_of(name)?;
        let unknown = || NoWayBack::UnknownVersion(name.clone(), number);
        let version = kept.iter().find(|version| version.version == number).ok_or_else(unknown)?;
        Ok(Source { file: version.file.clone(), text: self.kept_text(name, version)? })
    }

    /// Puts the text of an older version, or of the one before, into the file in force and reloads. When the text no longer
    /// checks, nothing changes and the mistakes are told.
    ///
    /// # Errors
    /// There is no such version, or its file cannot be written.
    pub async fn roll_back(&self, name: &Name, to: Option<u32>, who: &str) -> Result<(u32, Reloaded), NoWayBack> {
        let kept = self.versions_of(name)?;
        let now = kept.last().map(|last| last.hash.clone()).unwrap_or_default();
        let version = match to {
            Some(number) => kept.iter().find(|version| version.version == number),
            None => kept.iter().rev().find(|version| version.hash != now),
        };
        let missing = to.map_or(NoWayBack::NothingElse(name.clone()), |n| NoWayBack::UnknownVersion(name.clone(), n));
        let version = version.ok_or(missing)?;
        let text = self.kept_text(name, version)?;
        let file = self.source_in_force(name).map_or(version.file.clone(), |source| source.file);
        if file.starts_with('(') {
            return Err(NoWayBack::BuiltIn(name.clone()));
        }
        if let Err(diagnostics) = self.still_checks(&file, &text) {
            return Ok((version.version, Reloaded { ok: false, diagnostics }));
        }
        let path = Path::new(&file);
        let before = std::fs::read_to_string(path).ok();
        let cannot = |e: std::io::Error| NoWayBack::File(format!("{file} cannot be written: {e}"));
        replace(path, text.as_bytes()).map_err(cannot)?;
        let reloaded = self.reload(&format!("{who}: back to {}", version.version)).await;
        if !reloaded.ok {
            // Something else is wrong with the configuration: the file becomes what it was.
            let restored = before.map_or_else(|| std::fs::remove_file(path), |before| replace(path, before.as_bytes()));
            restored.map_err(cannot)?;
        }
        Ok((version.version, reloaded))
    }

    /// Notes which dialplans are in force from now on.
    pub(crate) fn keep_versions(&self, who: &str) {
        let Some(versions) = self.versions() else { return };
        let site = self.site.lock().unwrap_or_else(PoisonError::into_inner);
        for ((name, _), source) in site.setup.dialplans.iter().zip(&site.sources) {
            if let Err(e) = versions.keep(name, source, self.clock.now(), who) {
                tracing::warn!("this version of dialplan `{name}` is not kept: {e}");
            }
        }
    }

    fn versions(&self) -> Option<Versions> {
        let site = self.site.lock().unwrap_or_else(PoisonError::into_inner);
        site.shell.data.as_deref().map(Versions::below)
    }

    fn source_in_force(&self, name: &Name) -> Option<Source> {
        let site = self.site.lock().unwrap_or_else(PoisonError::into_inner);
        let at = site.setup.dialplans.iter().position(|(own, _)| own == name)?;
        site.sources.get(at).cloned()
    }

    fn kept_text(&self, name: &Name, version: &Version) -> Result<String, NoWayBack> {
        let versions = self.versions().ok_or(NoWayBack::NotKept)?;
        versions.text(name, version).map_err(|e| NoWayBack::File(e.to_string()))
    }

    fn still_checks(&self, file: &str, text: &str) -> Result<(), Vec<Diagnostic>> {
        let names = config::ground(self.config.as_deref())?.names;
        Dialplan::parse(file, text, &names).map(|_| ())
    }
}
