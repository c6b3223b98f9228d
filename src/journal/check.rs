//! `busyhour journal check`: plays a journal again and says where it first differs.

use busyhour_switch::{Entry, Replay, Replayed};
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes of one line; the snapshot of the largest centre is a tenth of it.
const LINE_MAX: u64 = 256 << 20;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Nothing differs.
    pub ok: bool,
    /// Files read.
    pub files: u64,
    /// Entries read.
    pub entries: u64,
    /// Last lines of runs that broke off while writing them.
    pub torn: u64,
    /// What was played.
    #[serde(flatten)]
    pub replayed: Replayed,
    /// The first line that differs; nothing after it was played.
    pub difference: Option<Spot>,
}

/// A line and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spot {
    /// Which file.
    pub file: PathBuf,
    /// Which line, from 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// Plays a journal file, or all of a folder in the order they were written. An error means it cannot be read.
pub fn check(path: &Path) -> io::Result<Verdict> {
    let files = if path.is_dir() { journals(path)? } else { vec![path.to_path_buf()] };
    let mut check = Check::default();
    for file in files {
        check.verdict.files += 1;
        if check.file(&file)?.is_some() {
            break;
        }
    }
    let Check { replay, broken, mut verdict } = check;
    // What breaks off at the very end was being written when the program ended, or is now.
    verdict.torn += u64::from(broken.is_some() && verdict.difference.is_none());
    verdict.ok = verdict.difference.is_none();
    verdict.replayed = replay.tally();
    Ok(verdict)
}

/// Closed files by number, then the one being written.
fn journals(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let closed = super::closed(folder)?.into_iter().map(|number| super::closed_path(folder, number));
    let current = Some(folder.join(super::CURRENT)).filter(|file| file.exists());
    let files: Vec<PathBuf> = closed.chain(current).collect();
    match files.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::NotFound, "there is no journal in this folder")),
        false => Ok(files),
    }
}

#[derive(Default)]
struct Check {
    replay: Replay,
    /// The last line was no entry: torn, if a run ends there.
    broken: Option<Spot>,
    verdict: Verdict,
}

impl Check {
    /// Plays one file, up to the first difference.
    fn file(&mut self, file: &Path) -> io::Result<Option<()>> {
        let mut reader = BufReader::new(File::open(file)?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if (&mut reader).take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let spot = |what: String| Spot { file: file.into(), line: number, what };
            if let Err(difference) = self.line(line.trim_ascii(), spot) {
                self.verdict.difference = Some(difference);
                return Ok(Some(()));
            }
        }
        Ok(None)
    }

    fn line(&mut self, line: &[u8], spot: impl Fn(String) -> Spot) -> Result<(), Spot> {
        if line.is_empty() {
            return Ok(());
        }
        let entry = match serde_json::from_slice::<Entry>(line) {
            Ok(entry) => entry,
            Err(e) => match self.broken.replace(spot(format!("this is no entry of a journal: {e}"))) {
                Some(broken) => return Err(broken),
                None => return Ok(()),
            },
        };
        if let Some(broken) = self.broken.take() {
            if !matches!(entry, Entry::Began(..)) {
                return Err(broken);
            }
            self.verdict.torn += 1;
        }
        self.verdict.entries += 1;
        self.replay.take(&entry).map_err(|difference| spot(difference.to_string()))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Replayed { runs, commands, decisions, marks, skipped, foreign } = self.replayed;
        if let Some(Spot { file, line, what }) = &self.difference {
            writeln!(f, "{}:{line}: {what}", file.display())?;
        }
        let word = if self.ok { "ok" } else { "up to there" };
        let [runs, commands, decisions, marks] =
            [(runs, "run"), (commands, "command"), (decisions, "decision"), (marks, "mark")].map(counted);
        write!(f, "{word}: {commands} of {runs}, {decisions}, {marks} right")?;
        for (count, what) in [
            (skipped, "commands before the first readable snapshot, not played"),
            (foreign, "snapshots of another version, not read"),
            (self.torn, "lines torn when a run ended, left out"),
        ] {
            if count > 0 {
                write!(f, "\n{count} {what}")?;
            }
        }
        Ok(())
    }
}

/// `1 run`, `2 runs`.
fn counted((count, one): (u64, &str)) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use busyhour_sim::{STORM, Scenario, World};
    use std::fs;
    use std::time::Duration;

    fn storm(seed: u64) -> Vec<String> {
        let mut world = World::new(Scenario::storm(seed));
        world.run(STORM);
        world.settle(Duration::from_secs(700));
        let mark = world.switch.mark();
        world.journal.iter().chain([&mark]).map(|entry| serde_json::to_string(entry).unwrap()).collect()
    }

    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Folder {
            let folder = std::env::temp_dir().join(format!("busyhour-check-{test}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }

        fn write(&self, name: &str, text: &str) -> &Folder {
            fs::write(self.0.join(name), text).unwrap();
            self
        }

        fn check(&self) -> Verdict {
            check(&self.0).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_journal_in_several_files_is_one_journal() {
        let (lines, folder) = (storm(3), Folder::new("files"));
        let (first, rest) = lines.split_at(lines.len() / 3);
        let (second, third) = rest.split_at(rest.len() / 2);
        folder.write("journal-000009.jsonl", &first.join("\n")).write("journal-000010.jsonl", &second.join("\n"));
        let verdict = folder.write("journal.jsonl", &third.join("\n")).check();
        assert!(verdict.ok && verdict.replayed.marks > 1, "{verdict}");
        assert_eq!((verdict.files, verdict.entries, verdict.replayed.skipped), (3, lines.len() as u64, 0));
        fs::remove_file(folder.0.join("journal-000009.jsonl")).unwrap();
        let verdict = folder.check();
        assert!(verdict.ok && verdict.replayed.skipped > 0, "the oldest file was removed: {verdict}");
    }

    #[test]
    fn a_torn_line_is_left_out_where_a_run_ends_and_nowhere_else() {
        let (lines, folder) = (storm(3), Folder::new("torn"));
        let text = lines.join("\n");
        let torn = &text[..text.len() - 5];
        let verdict = folder.write("journal.jsonl", torn).check();
        assert!(verdict.ok && verdict.torn == 1, "{verdict}");
        let verdict = folder.write("journal.jsonl", &format!("{torn}\n{text}\n")).check();
        assert!(verdict.ok && (verdict.torn, verdict.replayed.runs) == (1, 2), "{verdict}");
        let half = &lines[10][..lines[10].len() / 2];
        let middle = [&lines[..10], &[half.to_string()], &lines[11..]].concat().join("\n");
        let difference = folder.write("journal.jsonl", &middle).check().difference.unwrap();
        assert_eq!((difference.line, difference.file), (11, folder.0.join("journal.jsonl")));
        assert!(difference.what.starts_with("this is no entry of a journal"), "{}", difference.what);
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        let (lines, folder) = (storm(3), Folder::new("differs"));
        let at = lines.iter().rposition(|line| line.starts_with(r#"{"command""#)).unwrap();
        let without = [&lines[..at], &lines[at + 1..]].concat().join("\n");
        let verdict = folder.write("journal.jsonl", &without).check();
        let difference = verdict.difference.clone().unwrap();
        assert!(!verdict.ok && difference.line > at as u64, "{verdict}");
        assert!(verdict.to_string().contains(&format!("journal.jsonl:{}: ", difference.line)), "{verdict}");
    }

    #[test]
    fn a_folder_without_a_journal_is_told() {
        assert!(check(&Folder::new("empty").0).unwrap_err().to_string().contains("no journal"));
    }
}
