//! Which recordings are in storage too, which wait to be, and which are to be removed from there.

use super::conversions;
use busyhour_model::{Name, TapeId, Time};
use rusqlite::{Connection, params};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS copies (
  tape INTEGER PRIMARY KEY, place TEXT, copied_us INTEGER, fault TEXT, local INTEGER NOT NULL DEFAULT 1,
  doomed INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS copies_waiting ON copies (tape) WHERE copied_us IS NULL AND fault IS NULL AND doomed = 0;
CREATE INDEX IF NOT EXISTS copies_local ON copies (copied_us) WHERE local = 1 AND copied_us IS NOT NULL;
CREATE INDEX IF NOT EXISTS copies_doomed ON copies (tape) WHERE doomed = 1;
";

/// A recording that is to be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncopied {
    /// The tape.
    pub tape: TapeId,
    /// Below the folder of recordings.
    pub file: Name,
    /// SHA-256 of the file.
    pub sha256: Name,
}

/// What became of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// From now on something may be at this place.
    Begun(String),
    /// It is there.
    Copied(Time),
    /// It cannot be made before the next start.
    Failed(String),
    /// The file here is removed.
    Away,
    /// Nothing is there any more.
    Gone,
}

/// A database from before there were copies has none of its recordings here.
pub(super) fn fill(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO copies (tape) SELECT tape FROM recordings WHERE state = 'complete'";
    connection.execute(sql, []).map(drop)
}

/// At the start: what failed is tried again.
pub(super) fn begin_anew(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE copies SET fault = NULL WHERE fault IS NOT NULL", []).map(drop)
}

/// A recording is complete.
pub(super) fn complete(connection: &Connection, tape: TapeId) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO copies (tape) SELECT tape FROM recordings WHERE tape = ?1";
    connection.prepare_cached(sql)?.execute([tape.0 as i64]).map(drop)
}

/// A recording was removed: so is its copy, if there may be one.
pub(super) fn doom(connection: &Connection, tape: TapeId) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM copies WHERE tape = ?1 AND place IS NULL", [tape.0 as i64])?;
    connection.execute("UPDATE copies SET doomed = 1 WHERE tape = ?1", [tape.0 as i64]).map(drop)
}

pub(super) fn step(connection: &Connection, tape: TapeId, step: &Step) -> rusqlite::Result<()> {
    let tape = tape.0 as i64;
    let done = match step {
        Step::Begun(place) => connection.execute("UPDATE copies SET place = ?2 WHERE tape = ?1", params![tape, place]),
        Step::Copied(at) => {
            let at = at.as_micros() as i64;
            connection.execute("UPDATE copies SET copied_us = ?2 WHERE tape = ?1", params![tape, at])
        }
        Step::Failed(why) => connection.execute("UPDATE copies SET fault = ?2 WHERE tape = ?1", params![tape, why]),
        Step::Away => connection.execute("UPDATE copies SET local = 0 WHERE tape = ?1", [tape]),
        Step::Gone => connection.execute("DELETE FROM copies WHERE tape = ?1", [tape]),
    };
    done.map(drop)
}

/// How many wait to be copied, and some of them, the oldest first.
pub(super) fn waiting(connection: &Connection, limit: u32) -> rusqlite::Result<(u64, Vec<Uncopied>)> {
    let waiting = format!(
        "FROM copies WHERE copied_us IS NULL AND fault IS NULL AND doomed = 0 AND tape NOT IN ({})",
        conversions::DUE
    );
    let count = connection.query_row(&format!("SELECT count(*) {waiting}"), [], |row| row.get::<_, i64>(0))?;
    let sql = format!(
        "SELECT tape, file, sha256 FROM (SELECT tape {waiting} ORDER BY tape LIMIT ?1) JOIN recordings USING (tape)
         ORDER BY tape"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([limit], |row| {
        let [file, sha256] = [1, 2].map(|column| row.get::<_, String>(column).map(Name::from));
        Ok(Uncopied { tape: TapeId(row.get::<_, i64>(0)? as u64), file: file?, sha256: sha256? })
    })?;
    Ok((count as u64, rows.collect::<rusqlite::Result<_>>()?))
}

/// Where copies of removed recordings may be, at most `limit`.
pub(super) fn doomed(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<(TapeId, String)>> {
    let mut statement = connection.prepare_cached("SELECT tape, place FROM copies WHERE doomed = 1 LIMIT ?1")?;
    let rows = statement.query_map([limit], |row| Ok((TapeId(row.get::<_, i64>(0)? as u64), row.get(1)?)))?;
    rows.collect()
}

/// Copied before, still here, and not held; at most `limit`, the oldest copies first.
pub(super) fn twofold(connection: &Connection, before: Time, limit: u32) -> rusqlite::Result<Vec<TapeId>> {
    let mut statement = connection.prepare_cached(
        "SELECT tape FROM copies JOIN recordings USING (tape)
         WHERE local = 1 AND copied_us <= ?1 AND doomed = 0 AND held IS NULL ORDER BY copied_us LIMIT ?2",
    )?;
    let rows = statement.query_map(params![before.as_micros() as i64, limit], |row| row.get::<_, i64>(0))?;
    rows.map(|tape| tape.map(|tape| TapeId(tape as u64))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::recordings::begin_anew as start;
    use super::super::recordings::tests::{table, taped, told};
    use super::*;
    use busyhour_model::{Deed, Handled, What};

    fn handled(tape: u64, deed: Deed) -> What {
        What::RecordingHandled(Handled { tape: TapeId(tape), deed, by: "alice".into() })
    }

    fn waits(connection: &Connection) -> (u64, Vec<u64>) {
        let (count, some) = waiting(connection, 2).unwrap();
        (count, some.into_iter().map(|one| one.tape.0).collect())
    }

    #[test]
    fn the_oldest_complete_recordings_wait_until_they_are_copied_or_cannot_be() {
        let tables = table();
        let all = [taped(3, "1001", "default"), taped(1, "1001", "default"), taped(2, "1001", "default")].concat();
        told(&tables, all.into_iter().chain(taped(4, "1001", "default").into_iter().take(1)));
        assert_eq!(waits(&tables), (3, vec![1, 2]));
        assert_eq!(&*waiting(&tables, 1).unwrap().1[0].file, "1.wav");
        step(&tables, TapeId(1), &Step::Begun("s3://b/1.wav".into())).unwrap();
        assert_eq!(waits(&tables), (3, vec![1, 2]), "begun is not done");
        step(&tables, TapeId(1), &Step::Copied(Time::from_secs(50))).unwrap();
        step(&tables, TapeId(2), &Step::Failed("its file is gone".into())).unwrap();
        assert_eq!(waits(&tables), (1, vec![3]));
        start(&tables).unwrap();
        assert_eq!(waits(&tables), (2, vec![2, 3]), "what failed is tried again at the next start");
        tables.execute("DELETE FROM copies", []).unwrap();
        fill(&tables).unwrap();
        assert_eq!(waits(&tables).0, 3, "a database from before there were copies");
    }

    #[test]
    fn a_copy_goes_with_its_recording_and_a_held_one_stays_in_both_places() {
        let tables = table();
        told(&tables, (1..=4).flat_map(|tape| taped(tape, "1001", "default")));
        for tape in 1..=3 {
            step(&tables, TapeId(tape), &Step::Begun(format!("s3://b/{tape}.wav"))).unwrap();
            step(&tables, TapeId(tape), &Step::Copied(Time::from_secs(tape * 10))).unwrap();
        }
        told(&tables, [handled(1, Deed::Held("case 7".into())), handled(3, Deed::Removed), handled(4, Deed::Removed)]);
        let away = |secs| twofold(&tables, Time::from_secs(secs), 9).unwrap();
        assert_eq!((away(19), away(99)), (vec![], vec![TapeId(2)]));
        step(&tables, TapeId(2), &Step::Away).unwrap();
        assert_eq!(away(99), []);
        told(&tables, [handled(1, Deed::Released)]);
        assert_eq!(away(99), [TapeId(1)]);
        assert_eq!(doomed(&tables, 9).unwrap(), [(TapeId(3), "s3://b/3.wav".to_owned())], "4 was never begun");
        step(&tables, TapeId(3), &Step::Gone).unwrap();
        assert_eq!((doomed(&tables, 9).unwrap(), waits(&tables).0), (vec![], 0));
    }
}
