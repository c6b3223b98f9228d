//! Which recordings are still to be made into smaller files, and which files of theirs are left over from that.

use busyhour_model::{Name, TapeId, Time};
use rusqlite::{Connection, params};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS conversions (tape INTEGER PRIMARY KEY, fault TEXT, left_over TEXT);
";

/// From now on each conversation that becomes complete is to be converted, whatever says that it is.
const FROM_NOW_ON: &str = "
CREATE TEMP TRIGGER IF NOT EXISTS conversion_due AFTER UPDATE OF state ON main.recordings
WHEN NEW.state = 'complete' AND OLD.state <> 'complete'
BEGIN INSERT OR IGNORE INTO conversions (tape) VALUES (NEW.tape); END;
";

/// What is held stays as it was recorded, and what is in storage as it is there.
pub(super) const DUE: &str = "SELECT tape FROM conversions JOIN recordings USING (tape) LEFT JOIN copies USING (tape)
  WHERE conversions.fault IS NULL AND left_over IS NULL AND held IS NULL AND place IS NULL";

/// A recording that is to be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unconverted {
    /// The tape.
    pub tape: TapeId,
    /// Below the folder of recordings.
    pub file: Name,
    /// SHA-256 of the file.
    pub sha256: Name,
}

/// What became of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// From now on this is the recording's file; the one before is left over.
    Made {
        /// When.
        at: Time,
        /// What it was made of.
        of: Unconverted,
        /// Below the folder of recordings.
        file: String,
        /// SHA-256 of it.
        sha256: String,
        /// Milliseconds of sound.
        ms: u64,
    },
    /// It stays as it is until the next start.
    Failed(TapeId, String),
    /// Nothing is left over.
    Done(TapeId),
}

/// At the start. What failed is tried again; where nothing is converted any more, all stays as it is.
pub(super) fn begin(connection: &Connection, convert: bool) -> rusqlite::Result<()> {
    match convert {
        true => connection.execute_batch(&format!("{FROM_NOW_ON} UPDATE conversions SET fault = NULL;")),
        false => connection.execute("DELETE FROM conversions", []).map(drop),
    }
}

/// A recording was removed.
pub(super) fn forget(connection: &Connection, tape: TapeId) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM conversions WHERE tape = ?1", [tape.0 as i64]).map(drop)
}

/// Writes down what became of one; `false`: the recording is gone, held, or on its way to storage as it was.
pub(super) fn turn(connection: &Connection, turn: &Turn) -> rusqlite::Result<bool> {
    let done = match turn {
        Turn::Made { .. } => return made(connection, turn),
        Turn::Failed(tape, why) => {
            connection.execute("UPDATE conversions SET fault = ?2 WHERE tape = ?1", params![tape.0 as i64, why])
        }
        Turn::Done(tape) => connection.execute("DELETE FROM conversions WHERE tape = ?1", [tape.0 as i64]),
    };
    done.map(|rows| rows > 0)
}

/// Whoever reads the row finds the file it names, whole, before and after.
fn made(connection: &Connection, turn: &Turn) -> rusqlite::Result<bool> {
    let Turn::Made { at, of: Unconverted { tape, file: before, sha256: was }, file, sha256, ms } = turn else {
        return Ok(false);
    };
    let (tape, at) = (tape.0 as i64, at.as_micros() as i64);
    // The file before is removed next: that this is written must outlast a power cut.
    connection.pragma_update(None, "synchronous", "full")?;
    let transaction = connection.unchecked_transaction()?;
    let sql = format!(
        "UPDATE recordings SET file = ?2, sha256 = ?3, ms = ?4 WHERE tape = ?1 AND file = ?5 AND tape IN ({DUE})"
    );
    let rows = transaction.execute(&sql, params![tape, file, sha256, *ms as i64, &**before])?;
    if rows > 0 {
        let left_over = "UPDATE conversions SET left_over = ?2 WHERE tape = ?1";
        transaction.execute(left_over, params![tape, &**before])?;
        let audit = "INSERT OR IGNORE INTO audit VALUES (?1, ?2, 'converted', 'busyhour', ?3)";
        transaction.execute(audit, params![at, tape, format!("was {before} sha256 {was}")])?;
    }
    transaction.commit()?;
    connection.pragma_update(None, "synchronous", "normal")?;
    Ok(rows > 0)
}

/// How many wait to be converted, and some of them, the oldest first.
pub(super) fn waiting(connection: &Connection, limit: u32) -> rusqlite::Result<(u64, Vec<Unconverted>)> {
    let count = connection.query_row(&format!("SELECT count(*) FROM ({DUE})"), [], |row| row.get::<_, i64>(0))?;
    let sql = format!("SELECT tape, file, sha256 FROM recordings WHERE tape IN ({DUE}) ORDER BY tape LIMIT ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([limit], |row| {
        let [file, sha256] = [1, 2].map(|column| row.get::<_, String>(column).map(Name::from));
        Ok(Unconverted { tape: TapeId(row.get::<_, i64>(0)? as u64), file: file?, sha256: sha256? })
    })?;
    Ok((count as u64, rows.collect::<rusqlite::Result<_>>()?))
}

/// Files that others were made of, at most `limit`.
pub(super) fn left_over(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<(TapeId, String)>> {
    let sql = "SELECT tape, left_over FROM conversions WHERE left_over IS NOT NULL LIMIT ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([limit], |row| Ok((TapeId(row.get::<_, i64>(0)? as u64), row.get(1)?)))?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::copies;
    use super::super::recordings::tests::{table, taped, told};
    use super::super::recordings::{find, search};
    use super::super::{Search, Step};
    use super::*;
    use busyhour_model::{Deed, Handled, What};

    fn handled(tape: u64, deed: Deed) -> What {
        What::RecordingHandled(Handled { tape: TapeId(tape), deed, by: "alice".into() })
    }

    fn waits(tables: &Connection) -> (u64, Vec<u64>) {
        let (count, some) = waiting(tables, 2).unwrap();
        (count, some.into_iter().map(|one| one.tape.0).collect())
    }

    fn uncopied(tables: &Connection) -> Vec<(u64, String)> {
        copies::waiting(tables, 9).unwrap().1.into_iter().map(|one| (one.tape.0, one.file.to_string())).collect()
    }

    fn opus(tables: &Connection, tape: u64) -> bool {
        let of = Unconverted { tape: TapeId(tape), file: format!("{tape}.wav").into(), sha256: "ab".into() };
        let (file, sha256, at) = (format!("{tape}.opus"), "cd".into(), Time::from_secs(9));
        turn(tables, &Turn::Made { at, of, file, sha256, ms: 1 }).unwrap()
    }

    #[test]
    fn what_becomes_complete_is_due_and_its_copy_waits_until_it_is_made_or_cannot_be() {
        let tables = table();
        told(&tables, taped(1, "1001", "default"));
        begin(&tables, true).unwrap();
        told(&tables, (2..=4).flat_map(|tape| taped(tape, "1001", "default")));
        assert_eq!(waits(&tables), (3, vec![2, 3]), "what was there before stays as it is");
        assert_eq!(uncopied(&tables), [(1, "1.wav".into())]);
        assert!(opus(&tables, 2));
        assert!(!opus(&tables, 2), "made once");
        turn(&tables, &Turn::Failed(TapeId(3), "no room".into())).unwrap();
        assert_eq!(uncopied(&tables), [(1, "1.wav"), (2, "2.opus"), (3, "3.wav")].map(|(t, f)| (t, f.to_owned())));
        // The same facts again change nothing.
        told(&tables, taped(2, "1001", "default"));
        let (kept, deeds) = find(&tables, TapeId(2)).unwrap();
        let kept = kept.unwrap();
        assert_eq!((&*kept.file, &*kept.sha256, kept.ms), ("2.opus", "cd", 1));
        assert_eq!((&*deeds[0].deed, &*deeds[0].detail), ("converted", "was 2.wav sha256 ab"));
        assert_eq!(left_over(&tables, 9).unwrap(), [(TapeId(2), "2.wav".to_owned())]);
        turn(&tables, &Turn::Done(TapeId(2))).unwrap();
        assert_eq!((left_over(&tables, 9).unwrap(), waits(&tables)), (vec![], (1, vec![4])));
        begin(&tables, true).unwrap();
        assert_eq!(waits(&tables), (2, vec![3, 4]), "what failed is tried again at the next start");
        begin(&tables, false).unwrap();
        assert_eq!((waits(&tables).0, uncopied(&tables).len()), (0, 4));
    }

    #[test]
    fn what_is_held_removed_or_being_copied_is_not_changed() {
        let tables = table();
        begin(&tables, true).unwrap();
        told(&tables, (1..=3).flat_map(|tape| taped(tape, "1001", "default")));
        told(&tables, [handled(1, Deed::Held("case 7".into())), handled(2, Deed::Removed)]);
        copies::step(&tables, TapeId(3), &Step::Begun("s3://b/3.wav".into())).unwrap();
        assert_eq!((waits(&tables).0, [1, 2, 3].map(|tape| opus(&tables, tape))), (0, [false; 3]));
        assert_eq!(uncopied(&tables).len(), 2, "a copy does not wait for what is not due");
        let files: Vec<_> = search(&tables, &Search::default(), 9).unwrap().into_iter().map(|kept| kept.file).collect();
        assert_eq!(files, ["3.wav".into(), "1.wav".into()]);
        told(&tables, [handled(1, Deed::Released)]);
        assert!(opus(&tables, 1));
    }
}
