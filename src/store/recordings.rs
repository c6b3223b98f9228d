//! Conversations' recordings in SQLite: whose they are, for how long they are kept, who listened to them.

use super::{conversions, copies};
use busyhour_media::Filed;
use busyhour_model::{CallId, Conversation, Deed, Fact, Handled, Name, Number, TapeId, Time, What};
use busyhour_switch::{CONVERSATION, DEFAULT_RETENTION};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS recordings (
  tape INTEGER PRIMARY KEY, call INTEGER NOT NULL, began_us INTEGER NOT NULL, from_number TEXT NOT NULL, to_number TEXT NOT NULL,
  left_agent TEXT, right_agent TEXT, queue TEXT, retention TEXT NOT NULL, held TEXT, state TEXT NOT NULL, ms INTEGER NOT NULL,
  gap_ms INTEGER NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL, conversation TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS recordings_by_time ON recordings (began_us);
CREATE INDEX IF NOT EXISTS recordings_by_retention ON recordings (retention, began_us);
CREATE TABLE IF NOT EXISTS audit (
  at_us INTEGER NOT NULL, tape INTEGER NOT NULL, deed TEXT NOT NULL, by TEXT NOT NULL, detail TEXT NOT NULL,
  UNIQUE (at_us, tape, deed, by));
CREATE INDEX IF NOT EXISTS audit_by_tape ON audit (tape);
";

/// One recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Whose.
    #[serde(flatten)]
    pub conversation: Conversation,
    /// How far it is.
    pub state: KeptState,
    /// Milliseconds of sound.
    pub ms: u64,
    /// Of them silence because the disk was too slow.
    pub gap_ms: u64,
    /// Below the folder of recordings.
    pub file: Name,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: Name,
    /// Why it is kept whatever its retention says.
    pub held: Option<Name>,
    /// Where else it is, in storage: `s3://bucket/key`.
    pub place: Option<Name>,
    /// Since when.
    pub uploaded: Option<Time>,
    /// Why it is not there.
    pub fault: Option<Name>,
    /// Its file is here.
    pub local: bool,
}

/// How far a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptState {
    /// Still under way.
    Rolling,
    /// A whole file.
    Complete,
    /// It could not be written.
    Lost,
}

/// One thing somebody did with a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// When.
    pub at: Time,
    /// `played`, `held`, `released`, `retained`, `removed`, `paused`, `resumed`, `converted`.
    pub deed: Name,
    /// Who.
    pub by: Name,
    /// Reason, retention, or what the file was.
    pub detail: Name,
}

/// Which recordings; all that is said holds of each.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Search {
    /// Of this call.
    pub call: Option<CallId>,
    /// With this agent.
    pub agent: Option<Name>,
    /// From this queue.
    pub queue: Option<Name>,
    /// From or to this number.
    pub number: Option<Name>,
    /// Kept for this.
    pub retention: Option<Name>,
    /// Only those held, or only those not.
    pub held: Option<bool>,
    /// Begun then or later.
    pub since: Option<Time>,
    /// Begun before.
    pub until: Option<Time>,
    /// At least so long, in milliseconds.
    pub longer_ms: Option<u64>,
}

/// How a sample is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// So many.
    pub count: usize,
    /// The same seed draws the same.
    pub seed: u64,
    /// As many of each as there are enough.
    pub by: Option<Stratum>,
}

/// What recordings are drawn evenly by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stratum {
    /// The agent who was called, else who called.
    Agent,
    /// The queue.
    Queue,
}

impl Kept {
    /// The same as people without the right to numbers may see it.
    pub fn masked(mut self) -> Kept {
        let masked = |number: &str| Name::from(Number::parse(number).masked());
        (self.conversation.from, self.conversation.to) =
            (masked(&self.conversation.from), masked(&self.conversation.to));
        self
    }
}

/// What a fact does to the tables; `false`: nothing.
pub(super) fn concerns(what: &What) -> bool {
    match what {
        What::Recorded { name, .. } => **name == *CONVERSATION,
        What::ConversationTaped(_) | What::RecordingLost { .. } | What::RecordingHandled(_) => true,
        _ => false,
    }
}

/// Writes what a fact says. The same fact a second time changes nothing.
pub(super) fn apply(connection: &Connection, Fact { at, what }: &Fact) -> rusqlite::Result<()> {
    match what {
        What::ConversationTaped(conversation) => begin(connection, conversation),
        What::Recorded { tape, file, ms, gap_ms, sha256, .. } => {
            let filed = Filed { file: file.clone(), ms: *ms, gap_ms: *gap_ms, sha256: sha256.clone() };
            complete(connection, *tape, &filed)
        }
        What::RecordingLost { tape, .. } => set(connection, *tape, "state", &"lost"),
        What::RecordingHandled(Handled { tape, deed, by }) => {
            match deed {
                Deed::Paused | Deed::Resumed | Deed::Played => {}
                Deed::Held(reason) => set(connection, *tape, "held", &&**reason)?,
                Deed::Released => set(connection, *tape, "held", &None::<String>)?,
                Deed::Retained(retention) => set(connection, *tape, "retention", &&**retention)?,
                Deed::Removed => {
                    connection.execute("DELETE FROM recordings WHERE tape = ?1", [tape.0 as i64])?;
                    copies::doom(connection, *tape)?;
                    conversions::forget(connection, *tape)?;
                }
            }
            let ((word, detail), at) = (deed.words(), at.as_micros() as i64);
            let row = params![at, tape.0 as i64, word, &**by, detail];
            let mut audit = connection.prepare_cached("INSERT OR IGNORE INTO audit VALUES (?1, ?2, ?3, ?4, ?5)")?;
            audit.execute(row).map(drop)
        }
        _ => Ok(()),
    }
}

fn begin(connection: &Connection, of: &Conversation) -> rusqlite::Result<()> {
    let json = serde_json::to_string(of).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    let mut statement = connection.prepare_cached(
        "INSERT OR IGNORE INTO recordings
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, 'rolling', 0, 0, '', '', ?10)",
    )?;
    let done = statement.execute(params![
        of.tape.0 as i64,
        of.call.0 as i64,
        of.began.as_micros() as i64,
        &*of.from,
        &*of.to,
        of.left.agent().map(|agent| &**agent),
        of.right.agent().map(|agent| &**agent),
        of.queue.as_deref(),
        &*of.retention,
        json,
    ]);
    done.map(drop)
}

/// `column` is one of ours.
fn set(connection: &Connection, tape: TapeId, column: &str, value: &dyn ToSql) -> rusqlite::Result<()> {
    let sql = format!("UPDATE recordings SET {column} = ?2 WHERE tape = ?1");
    connection.prepare_cached(&sql)?.execute(params![tape.0 as i64, value]).map(drop)
}

/// The file is whole; also one that a killed process left.
pub(super) fn complete(connection: &Connection, tape: TapeId, filed: &Filed) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "UPDATE recordings SET state = 'complete', ms = ?2, gap_ms = ?3, file = ?4, sha256 = ?5
         WHERE tape = ?1 AND state <> 'complete'",
    )?;
    let Filed { file, ms, gap_ms, sha256 } = filed;
    statement.execute(params![tape.0 as i64, *ms as i64, *gap_ms as i64, &**file, &**sha256])?;
    copies::complete(connection, tape)
}

/// At the start: what was under way when the program was killed, and has no file, is lost.
pub(super) fn begin_anew(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE recordings SET state = 'lost' WHERE state = 'rolling'", [])?;
    copies::begin_anew(connection)
}

/// Recordings, and whether they are in storage.
const TABLES: &str = "recordings LEFT JOIN copies USING (tape)";

/// What of a search is asked for.
const WANTED: &str = "(?1 IS NULL OR call = ?1) AND (?2 IS NULL OR left_agent = ?2 OR right_agent = ?2)
  AND (?3 IS NULL OR queue = ?3) AND (?4 IS NULL OR from_number = ?4 OR to_number = ?4)
  AND (?5 IS NULL OR retention = ?5) AND (?6 IS NULL OR (held IS NOT NULL) = ?6)
  AND began_us >= ?7 AND began_us < ?8 AND ms >= ?9";

impl Search {
    /// Carries out what begins with `select`, and takes each row.
    fn rows<T>(
        &self,
        connection: &Connection,
        (select, rest): (&str, &str),
        limit: u32,
        take: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let us = |time: Time| time.as_micros() as i64;
        let sql = format!("SELECT {select} FROM {TABLES} WHERE {WANTED} {rest} LIMIT ?10");
        let mut statement = connection.prepare_cached(&sql)?;
        let asked = params![
            self.call.map(|call| call.0 as i64),
            self.agent.as_deref(),
            self.queue.as_deref(),
            self.number.as_deref(),
            self.retention.as_deref(),
            self.held,
            self.since.map_or(0, us),
            self.until.map_or(i64::MAX, us),
            self.longer_ms.map_or(0, |ms| i64::try_from(ms).unwrap_or(i64::MAX)),
            limit,
        ];
        statement.query_map(asked, take)?.collect()
    }
}

/// The newest first.
pub(super) fn search(connection: &Connection, wanted: &Search, limit: u32) -> rusqlite::Result<Vec<Kept>> {
    wanted.rows(connection, ("*", "ORDER BY began_us DESC, tape DESC"), limit, kept)
}

/// As many of all that are complete as `draw` says, drawn evenly by its stratum.
pub(super) fn sample(connection: &Connection, wanted: &Search, draw: &Draw) -> rusqlite::Result<Vec<Kept>> {
    let stratum = match draw.by {
        Some(Stratum::Agent) => "COALESCE(right_agent, left_agent)",
        Some(Stratum::Queue) => "queue",
        None => "NULL",
    };
    let select = format!("tape, {stratum}");
    let all = wanted.rows(connection, (&select, "AND state = 'complete'"), u32::MAX, |row| {
        Ok((row.get::<_, i64>(0)? as u64, row.get::<_, Option<String>>(1)?))
    })?;
    let drawn = busyhour_ledger::sample(all, draw.count, draw.seed);
    let found = drawn.into_iter().map(|tape| find(connection, TapeId(tape)).map(|(kept, _)| kept));
    found.filter_map(Result::transpose).collect()
}

/// One, and what was done with it, the oldest first.
pub(super) fn find(connection: &Connection, tape: TapeId) -> rusqlite::Result<(Option<Kept>, Vec<Done>)> {
    let mut one = connection.prepare_cached(&format!("SELECT * FROM {TABLES} WHERE tape = ?1"))?;
    let found = one.query_row([tape.0 as i64], kept).optional()?;
    let mut deeds = connection.prepare_cached("SELECT * FROM audit WHERE tape = ?1 ORDER BY at_us, rowid")?;
    let deeds = deeds.query_map([tape.0 as i64], |row| {
        let [deed, by, detail] = [2, 3, 4].map(|column| row.get::<_, String>(column).map(Name::from));
        Ok(Done { at: Time::from_micros(row.get::<_, i64>(0)? as u64), deed: deed?, by: by?, detail: detail? })
    })?;
    Ok((found, deeds.collect::<rusqlite::Result<_>>()?))
}

/// Whose time is over, at most `limit`, the oldest first; `keep` by retention, others as the default.
pub(super) fn expired(
    connection: &Connection,
    now: Time,
    keep: &[(Name, Duration)],
    limit: u32,
) -> rusqlite::Result<Vec<TapeId>> {
    let kept_for = |retention: &str| keep.iter().find(|(name, _)| **name == *retention).map(|(_, keep)| *keep);
    let Some(default) = kept_for(DEFAULT_RETENTION) else { return Ok(Vec::new()) };
    let mut retentions = connection.prepare_cached("SELECT DISTINCT retention FROM recordings")?;
    let retentions = retentions.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut old = connection.prepare_cached(
        "SELECT tape FROM recordings WHERE retention = ?1 AND began_us <= ?2 AND held IS NULL AND state <> 'rolling'
         ORDER BY began_us LIMIT ?3",
    )?;
    let mut tapes = Vec::new();
    for retention in retentions {
        let before = now - kept_for(&retention).unwrap_or(default);
        let rows = old.query_map(params![retention, before.as_micros() as i64, limit], |row| row.get::<_, i64>(0))?;
        for tape in rows {
            tapes.push(TapeId(tape? as u64));
        }
    }
    tapes.sort_unstable();
    tapes.truncate(limit as usize);
    Ok(tapes)
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let text = |column: &str| row.get::<_, String>(column);
    let unreadable =
        |e: serde_json::Error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, e.into());
    let mut conversation: Conversation = serde_json::from_str(&text("conversation")?).map_err(unreadable)?;
    conversation.retention = text("retention")?.into();
    Ok(Kept {
        conversation,
        state: serde_json::from_value(text("state")?.into()).map_err(unreadable)?,
        ms: row.get::<_, i64>("ms")? as u64,
        gap_ms: row.get::<_, i64>("gap_ms")? as u64,
        file: text("file")?.into(),
        sha256: text("sha256")?.into(),
        held: row.get::<_, Option<String>>("held")?.map(Name::from),
        place: row.get::<_, Option<String>>("place")?.map(Name::from),
        uploaded: row.get::<_, Option<i64>>("copied_us")?.map(|us| Time::from_micros(us as u64)),
        fault: row.get::<_, Option<String>>("fault")?.map(Name::from),
        local: row.get::<_, Option<bool>>("local")?.unwrap_or(true),
    })
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use busyhour_model::Party;

    const DAY: u64 = 24 * 3600;

    pub(crate) fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection.execute_batch(copies::SCHEMA).unwrap();
        connection.execute_batch(conversions::SCHEMA).unwrap();
        connection
    }

    fn conversation(tape: u64, agent: &str, retention: &str) -> Conversation {
        Conversation {
            tape: TapeId(tape),
            call: CallId(tape * 10),
            began: Time::from_secs(tape * DAY),
            from: format!("138001380{tape:02}").into(),
            to: "95118".into(),
            left: Party::Trunk("ct".into()),
            right: Party::Agent(agent.into()),
            queue: Some("enquiry".into()),
            retention: retention.into(),
        }
    }

    /// Each of these twice: replay may bring them again.
    pub(crate) fn told(connection: &Connection, facts: impl IntoIterator<Item = What>) {
        for (at, what) in facts.into_iter().enumerate() {
            let fact = Fact { at: Time::from_secs(at as u64), what };
            assert!(concerns(&fact.what), "{fact:?}");
            apply(connection, &fact).unwrap();
            apply(connection, &fact).unwrap();
        }
    }

    pub(crate) fn taped(tape: u64, agent: &str, retention: &str) -> [What; 2] {
        let (call, file, sha256) = (CallId(tape * 10), format!("{tape}.wav").into(), "ab".into());
        let recorded = What::Recorded {
            call,
            tape: TapeId(tape),
            name: CONVERSATION.into(),
            file,
            ms: tape * 1000,
            gap_ms: 0,
            sha256,
        };
        [What::ConversationTaped(Box::new(conversation(tape, agent, retention))), recorded]
    }

    fn tapes(found: &[Kept]) -> Vec<u64> {
        found.iter().map(|kept| kept.conversation.tape.0).collect()
    }

    #[test]
    fn recordings_are_found_by_call_agent_queue_number_time_and_length_the_newest_first() {
        let connection = table();
        told(
            &connection,
            [taped(1, "1001", "default"), taped(2, "1002", "default"), taped(3, "1001", "case")].concat(),
        );
        let found = |wanted: Search| tapes(&search(&connection, &wanted, 10).unwrap());
        let any = Search::default;
        assert_eq!(found(any()), [3, 2, 1]);
        assert_eq!(found(Search { agent: Some("1001".into()), ..any() }), [3, 1]);
        assert_eq!(found(Search { call: Some(CallId(20)), ..any() }), [2]);
        assert_eq!(found(Search { number: Some("13800138002".into()), ..any() }), [2]);
        assert_eq!(found(Search { number: Some("95118".into()), retention: Some("case".into()), ..any() }), [3]);
        assert_eq!(found(Search { queue: Some("loans".into()), ..any() }), [0; 0]);
        let (since, until) = (Some(Time::from_secs(2 * DAY)), Some(Time::from_secs(3 * DAY)));
        assert_eq!(found(Search { since, until, ..any() }), [2]);
        assert_eq!(found(Search { longer_ms: Some(2000), ..any() }), [3, 2]);
        assert_eq!(search(&connection, &any(), 10).unwrap()[0].sha256, "ab".into());
        assert_eq!(tapes(&search(&connection, &any(), 1).unwrap()), [3]);
    }

    #[test]
    fn samples_are_drawn_from_all_that_are_complete_and_numbers_are_masked() {
        let connection = table();
        told(&connection, (1..=40).flat_map(|tape| taped(tape, if tape < 36 { "1001" } else { "1002" }, "default")));
        told(&connection, taped(50, "1002", "default").into_iter().take(1));
        let draw = |count, by| sample(&connection, &Search::default(), &Draw { count, seed: 3, by }).unwrap();
        let agents =
            |found: &[Kept]| found.iter().filter(|kept| kept.conversation.right.name() == &"1002".into()).count();
        assert_eq!((draw(8, Some(Stratum::Agent)).len(), agents(&draw(8, Some(Stratum::Agent)))), (8, 4));
        assert_eq!(draw(99, None).len(), 40, "what is under way is not drawn");
        assert_eq!(draw(5, Some(Stratum::Queue)), draw(5, None), "one queue");
        let masked = search(&connection, &Search::default(), 1).unwrap().remove(0).masked().conversation;
        assert_eq!((&*masked.from, &*masked.to), ("138****8050", "95118"));
    }

    #[test]
    fn what_is_done_with_a_recording_stays_known_after_it_is_removed() {
        let connection = table();
        let tape = TapeId(1);
        let handled = |deed| What::RecordingHandled(Handled { tape, deed, by: "alice".into() });
        let deeds = [Deed::Paused, Deed::Resumed, Deed::Played, Deed::Held("case 7".into())].map(handled);
        told(&connection, taped(1, "1001", "default").into_iter().chain(deeds));
        let held = find(&connection, tape).unwrap().0.unwrap();
        assert_eq!((held.held, held.state, held.ms), (Some("case 7".into()), KeptState::Complete, 1000));
        told(&connection, [Deed::Released, Deed::Retained("case".into())].map(handled));
        let retained = find(&connection, tape).unwrap().0.unwrap();
        assert_eq!((retained.held, retained.conversation.retention), (None, "case".into()));
        told(&connection, [handled(Deed::Removed)]);
        let (gone, deeds) = find(&connection, tape).unwrap();
        let mut deeds: Vec<&str> = deeds.iter().map(|deed| &*deed.deed).collect();
        deeds.sort_unstable();
        assert_eq!(gone, None);
        assert_eq!(deeds, ["held", "paused", "played", "released", "removed", "resumed", "retained"]);
    }

    #[test]
    fn each_retention_has_its_own_time_and_what_is_held_or_under_way_stays() {
        let connection = table();
        let rolling = taped(5, "1001", "default").into_iter().take(1);
        let held = What::RecordingHandled(Handled { tape: TapeId(2), deed: Deed::Held("r".into()), by: "a".into() });
        let all = [taped(1, "1001", "default"), taped(2, "1001", "default"), taped(3, "1001", "case")].concat();
        told(&connection, all.into_iter().chain(taped(4, "1001", "forgotten")).chain([held]).chain(rolling));
        let day = Duration::from_secs(DAY);
        let keep = [(Name::from(DEFAULT_RETENTION), day * 10), ("case".into(), day * 100)];
        let expired = |days: u64| {
            let tapes = expired(&connection, Time::from_secs(days * DAY), &keep, 10).unwrap();
            tapes.into_iter().map(|tape| tape.0).collect::<Vec<_>>()
        };
        assert_eq!(expired(10), [0; 0]);
        assert_eq!(expired(12), [1]);
        assert_eq!(expired(20), [1, 4], "what is not configured any more is as the default");
        assert_eq!(expired(500), [1, 3, 4]);
        begin_anew(&connection).unwrap();
        assert_eq!(expired(500), [1, 3, 4, 5], "lost: its row goes in time");
    }

    #[test]
    fn what_a_killed_program_left_is_complete_or_lost() {
        let connection = table();
        told(&connection, [1, 2].into_iter().flat_map(|tape| taped(tape, "1001", "default").into_iter().take(1)));
        let filed = Filed { file: "1.wav".into(), ms: 900, ..Filed::default() };
        complete(&connection, TapeId(1), &filed).unwrap();
        begin_anew(&connection).unwrap();
        let states: Vec<_> =
            search(&connection, &Search::default(), 9).unwrap().iter().map(|k| (k.state, k.ms)).collect();
        assert_eq!(states, [(KeptState::Lost, 0), (KeptState::Complete, 900)]);
    }

    /// As lines of the journal: one flat object each.
    #[test]
    fn facts_of_conversations_are_read_as_they_are_written() {
        let (taped, tape) = (conversation(9, "1001", "default"), TapeId(9));
        let handled = |deed| What::RecordingHandled(Handled { tape, deed, by: "alice".into() });
        let held = handled(Deed::Held("case 7".into()));
        for what in [What::ConversationTaped(Box::new(taped)), held, handled(Deed::Removed)] {
            let fact = Fact { at: Time::from_secs(1), what };
            let line = serde_json::to_string(&fact).unwrap();
            assert!(line.contains("\"tape\":9") && line.starts_with("{\"at\":"), "{line}");
            assert_eq!(serde_json::from_str::<Fact>(&line).unwrap(), fact);
        }
    }
}
