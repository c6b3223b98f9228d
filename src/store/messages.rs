//! Callers' messages in SQLite: written as the facts come, read once at the start.

use busyhour_media::Filed;
use busyhour_model::{Message, TapeId, What};
use rusqlite::{Connection, OptionalExtension, params};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS voicemail (
  tape INTEGER PRIMARY KEY, mailbox TEXT NOT NULL, call INTEGER NOT NULL, from_number TEXT NOT NULL,
  left_us INTEGER NOT NULL, ms INTEGER NOT NULL, heard INTEGER NOT NULL, message TEXT NOT NULL);
";

/// What a fact does to the table; `false`: nothing.
pub(super) fn concerns(what: &What) -> bool {
    matches!(
        what,
        What::RecordingBegan { message: Some(_), .. }
            | What::MessageLeft { .. }
            | What::MessageHeard { .. }
            | What::MessageDeleted { .. }
            | What::Discarded { .. }
    )
}

/// Writes what a fact says. The same fact a second time changes nothing.
pub(super) fn apply(connection: &Connection, what: &What) -> rusqlite::Result<()> {
    match what {
        What::RecordingBegan { message: Some(message), .. } => put(connection, message),
        What::MessageLeft { message } => put(connection, message),
        What::MessageHeard { tape, .. } => match find(connection, *tape)? {
            Some(message) => put(connection, &Message { heard: true, ..message }),
            None => Ok(()),
        },
        What::MessageDeleted { tape, .. } | What::Discarded { tape, .. } => {
            connection.execute("DELETE FROM voicemail WHERE tape = ?1", [tape.0 as i64]).map(drop)
        }
        _ => Ok(()),
    }
}

/// A recording that a killed process left was completed: what was to be a message is one.
pub(super) fn complete(connection: &Connection, tape: TapeId, filed: &Filed) -> rusqlite::Result<()> {
    match find(connection, tape)? {
        Some(message) if message.ms == 0 => {
            put(connection, &Message { ms: filed.ms, file: filed.file.clone(), ..message })
        }
        _ => Ok(()),
    }
}

/// All that were left; recordings that came to nothing are forgotten.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Message>> {
    connection.execute("DELETE FROM voicemail WHERE ms = 0", [])?;
    let mut statement = connection.prepare("SELECT message FROM voicemail ORDER BY tape")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| row.and_then(|text| parse(&text))).collect()
}

fn put(connection: &Connection, message: &Message) -> rusqlite::Result<()> {
    let json = serde_json::to_string(message).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO voicemail VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    let done = statement.execute(params![
        message.tape.0 as i64,
        message.mailbox.to_string(),
        message.call.0 as i64,
        &*message.from,
        message.left.as_micros() as i64,
        message.ms as i64,
        message.heard,
        json,
    ]);
    done.map(drop)
}

fn find(connection: &Connection, tape: TapeId) -> rusqlite::Result<Option<Message>> {
    let mut statement = connection.prepare_cached("SELECT message FROM voicemail WHERE tape = ?1")?;
    let found = statement.query_row([tape.0 as i64], |row| row.get::<_, String>(0)).optional()?;
    found.map(|text| parse(&text)).transpose()
}

fn parse(text: &str) -> rusqlite::Result<Message> {
    serde_json::from_str(text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, e.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use busyhour_model::{CallId, Mailbox, Time};

    fn message(tape: u64, ms: u64) -> Message {
        let mailbox = Mailbox::Agent("1001".into());
        let (call, from, left) = (CallId(7), "13800138000".into(), Time::from_secs(tape));
        Message { tape: TapeId(tape), mailbox, call, from, left, ms, file: "x.wav".into(), heard: false }
    }

    #[test]
    fn messages_come_back_as_they_were_left_heard_or_mended_and_the_deleted_do_not() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let (name, call) = ("voicemail".into(), CallId(7));
        let began = |tape| What::RecordingBegan {
            call,
            tape: TapeId(tape),
            name: busyhour_model::Name::clone(&name),
            message: Some(Box::new(message(tape, 0))),
        };
        let left = |tape| What::MessageLeft { message: Box::new(message(tape, 5000)) };
        let mailbox = || Mailbox::Agent("1001".into());
        let tape = TapeId(2);
        let heard = What::MessageHeard { tape, mailbox: mailbox() };
        let deleted = What::MessageDeleted { tape: TapeId(3), mailbox: mailbox(), expired: false };
        let facts = [began(1), left(1), left(2), heard, left(3), deleted, began(4), began(5)];
        for fact in facts.iter().chain(&facts) {
            assert!(concerns(fact));
            apply(&connection, fact).unwrap();
        }
        apply(&connection, &left(1)).unwrap();
        let filed = Filed { file: "x.wav".into(), ms: 900, ..Filed::default() };
        complete(&connection, TapeId(4), &filed).unwrap();
        complete(&connection, TapeId(1), &filed).unwrap();
        let expected = [message(1, 5000), Message { heard: true, ..message(2, 5000) }, message(4, 900)];
        assert_eq!(all(&connection).unwrap(), expected);
    }
}
