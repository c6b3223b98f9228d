//! The recorded phrases: those inside the program, and a folder whose files replace them.

pub mod build;
pub mod check;
pub mod phrases;

use busyhour_media::{Country, Library};
use busyhour_model::{Diagnostic, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Language, id, WAV file.
static BUILT_IN: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/prompts.rs"));

/// Ids the media plane makes itself; they have no file and no language.
const SYNTHESISED: [&str; 8] = [
    "system/moh",
    "system/beep",
    "system/ringback",
    "system/busy",
    "system/congestion",
    "system/call-waiting",
    "system/ringback-450",
    "system/busy-450",
];
/// Files looked at in a prompts folder.
const FILES_MAX: usize = 20_000;

/// Which prompts there are, and where the sound of each is.
pub struct Catalogue {
    sounds: BTreeMap<Keyed, Sound>,
    unreadable: Option<Diagnostic>,
}

enum Sound {
    BuiltIn(&'static [u8]),
    File(PathBuf),
}

impl Catalogue {
    /// The built-in prompts, overlaid with `folder`/{language}/{id}.wav.
    pub fn of(folder: Option<&Path>) -> Catalogue {
        let built_in = |(language, id, wav): &(&str, &str, &'static [u8])| {
            ((language.to_string(), id.to_string()), Sound::BuiltIn(wav))
        };
        let mut catalogue = Catalogue { sounds: BUILT_IN.iter().map(built_in).collect(), unreadable: None };
        if let Some(folder) = folder
            && let Err(e) = catalogue.overlay(folder)
        {
            let message = format!("cannot read this folder of prompts: {e}");
            let help = "`server.prompts` names the folder with {zh,en}/<id>.wav; leave it out for the built-in ones";
            catalogue.unreadable = Some(Diagnostic::whole(&folder.display().to_string(), message).help(help));
        }
        catalogue
    }

    fn overlay(&mut self, folder: &Path) -> std::io::Result<()> {
        self.sounds.extend(walk(folder)?.into_iter().map(|(key, path)| (key, Sound::File(path))));
        Ok(())
    }

    /// All ids, of any language, and the synthesised ones.
    pub fn ids(&self) -> Vec<Name> {
        let ids: BTreeSet<&str> = self.sounds.keys().map(|(_, id)| id.as_str()).chain(SYNTHESISED).collect();
        ids.into_iter().map(Name::from).collect()
    }

    /// Languages with prompts.
    pub fn languages(&self) -> Vec<Name> {
        let languages: BTreeSet<&str> = self.sounds.keys().map(|(language, _)| language.as_str()).collect();
        languages.into_iter().map(Name::from).collect()
    }

    /// Language and id of every recording.
    pub fn recordings(&self) -> BTreeSet<(Name, Name)> {
        self.sounds.keys().map(|(language, id)| (language.as_str().into(), id.as_str().into())).collect()
    }

    /// A warning for each file of the folder that replaces no built-in prompt and that no dialplan names.
    pub fn unused(&self, named: &BTreeSet<Name>) -> Vec<Diagnostic> {
        let known = |id: &str| named.contains(id) || BUILT_IN.iter().any(|(_, built_in, _)| *built_in == id);
        let files = self.sounds.iter().filter_map(|((_, id), sound)| match sound {
            Sound::File(path) if !known(id) => Some((id, path)),
            _ => None,
        });
        let warning = |(id, path): (&String, &PathBuf)| {
            let built_in = BUILT_IN.iter().map(|(_, built_in, _)| *built_in);
            let message = format!("no dialplan plays the prompt `{id}`");
            Diagnostic::whole(&path.display().to_string(), message).warning().suggest(id, built_in)
        };
        files.map(warning).collect()
    }

    /// A folder that cannot be read. Prompts a dialplan names and nobody recorded are found when it is read.
    pub fn unreadable(&self) -> Option<&Diagnostic> {
        self.unreadable.as_ref()
    }

    /// Reads all sounds into memory, with the tones of a country; those that cannot be read are told and left out.
    pub fn library(&self, country: &Country) -> (Library, Vec<Diagnostic>) {
        let mut library = Library::in_country(country);
        let mut found = Vec::new();
        for ((language, id), sound) in &self.sounds {
            let taken = match sound {
                Sound::BuiltIn(wav) => library.insert(language, id, wav).map_err(|e| e.to_string()),
                Sound::File(path) => std::fs::read(path)
                    .map_err(|e| e.to_string())
                    .and_then(|wav| library.insert(language, id, &wav).map_err(|e| e.to_string())),
            };
            if let Err(e) = taken {
                let file = match sound {
                    Sound::BuiltIn(_) => format!("(built-in prompts/{language}/{id}.wav)"),
                    Sound::File(path) => path.display().to_string(),
                };
                let help = "prompts are WAV files, mono, 8 to 48 kHz, A-law, µ-law or 16-bit PCM";
                found.push(Diagnostic::whole(&file, format!("cannot be played: {e}")).help(help));
            }
        }
        (library, found)
    }
}

/// Language and id.
type Keyed = (String, String);

/// Every `{language}/{id}.wav` below a folder.
fn walk(folder: &Path) -> std::io::Result<Vec<(Keyed, PathBuf)>> {
    let (mut found, mut open, mut seen) = (Vec::new(), vec![folder.to_path_buf()], 0);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            seen += 1;
            if seen > FILES_MAX {
                return Err(std::io::Error::other(format!("more than {FILES_MAX} files")));
            }
            if path.is_dir() {
                open.push(path);
            } else if let Some(key) = key(folder, &path) {
                found.push((key, path));
            }
        }
    }
    Ok(found)
}

/// `folder/zh/ivr/welcome.wav` -> `zh`, `ivr/welcome`.
fn key(folder: &Path, path: &Path) -> Option<Keyed> {
    let below = path.strip_prefix(folder).ok()?.to_str()?;
    let (language, file) = below.split_once(std::path::MAIN_SEPARATOR)?;
    let id = file.strip_suffix(".wav")?.replace(std::path::MAIN_SEPARATOR, "/");
    Some((language.to_string(), id))
}
