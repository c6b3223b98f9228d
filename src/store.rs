//! Call records in SQLite: one thread owns the connection, writes many records per transaction and answers queries.

mod conversions;
mod copies;
mod messages;
mod recordings;
mod surveys;

use busyhour_ledger::CallRecord;
use busyhour_media::Filed;
use busyhour_model::{CallId, Fact, Message, Name, TapeId, Time};
pub use conversions::{Turn, Unconverted};
pub use copies::{Step, Uncopied};
use prometheus::{IntCounter, IntGauge};
pub use recordings::{Done, Draw, Kept, KeptState, Search, Stratum};
use rusqlite::{Connection, Transaction, params};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Orders on their way to the thread.
const QUEUE_MAX: usize = 8_192;
/// Rows kept while the database refuses; further ones are counted as lost and are still in the journal.
const SPOOL_MAX: usize = 100_000;
/// Rows of one transaction.
const GROUP_MAX: usize = 512;
/// After a failure the database is tried again this often.
const RETRY: Duration = Duration::from_secs(1);
/// Records gather for so long before they are written in one transaction.
const GATHER: Duration = Duration::from_millis(10);
/// Recordings removed in one go.
const EXPIRED_MAX: u32 = 1_000;
/// Recordings copied to storage, or removed from there, or converted, in one go.
const COPIES_MAX: u32 = 100;
/// Rows of one answer.
pub const ROWS_MAX: u32 = 10_000;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS calls (
  id INTEGER PRIMARY KEY, call INTEGER NOT NULL, arrived_us INTEGER NOT NULL, ended_us INTEGER NOT NULL,
  origin TEXT NOT NULL, from_number TEXT NOT NULL, to_number TEXT NOT NULL, cause TEXT NOT NULL, queue TEXT, agent TEXT,
  customer_wait_ms INTEGER, queue_wait_ms INTEGER, ring_ms INTEGER NOT NULL, talk_ms INTEGER NOT NULL,
  hold_ms INTEGER NOT NULL, record TEXT NOT NULL, UNIQUE (arrived_us, call));
CREATE TABLE IF NOT EXISTS legs (
  call_id INTEGER NOT NULL REFERENCES calls (id), leg INTEGER NOT NULL, side TEXT NOT NULL, party TEXT NOT NULL,
  opened_us INTEGER NOT NULL, answered_us INTEGER, ended_us INTEGER, status INTEGER NOT NULL,
  packets_in INTEGER NOT NULL, packets_out INTEGER NOT NULL, lost_in INTEGER NOT NULL, jitter_us INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS legs_by_call ON legs (call_id);
CREATE INDEX IF NOT EXISTS calls_by_queue ON calls (queue, arrived_us);
CREATE INDEX IF NOT EXISTS calls_by_id ON calls (call, arrived_us);
";

/// What the store counts.
#[derive(Clone, Debug)]
pub struct StoreCounts {
    /// Failed transactions.
    pub errors: IntCounter,
    /// Records given up.
    pub lost: IntCounter,
    /// Records waiting for a database that refuses.
    pub spooled: IntGauge,
}

/// The way to the records. Clones lead to the same thread.
#[derive(Clone)]
pub struct Store {
    orders: SyncSender<Order>,
    counts: StoreCounts,
}

enum Order {
    Put(Row),
    Messages(oneshot::Sender<Result<Vec<Message>, String>>),
    Query(Wanted, oneshot::Sender<Result<Vec<CallRecord>, String>>),
    Look(Look),
    Close,
}

/// What is to be written.
enum Row {
    Record(Box<CallRecord>),
    /// A fact about a message or a conversation's recording.
    Fact(Box<Fact>),
    /// A recording that was completed at the start.
    Mended(TapeId, Filed),
}

/// What is asked of the tables, and answered.
type Look = Box<dyn FnOnce(&Connection) + Send>;

/// Which records; the newest come first.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// Calls that arrived then or later, at most so many.
    Since(Time, u32),
    /// Calls of this id: it is used again after each restart.
    Id(CallId),
}

impl Store {
    /// Opens `folder`/calls.sqlite, or a database in memory. An error means no record could be written there now.
    pub fn open(folder: Option<&Path>, counts: StoreCounts) -> rusqlite::Result<(Store, JoinHandle<()>)> {
        let connection = match folder {
            Some(folder) => Connection::open(folder.join("calls.sqlite"))?,
            None => Connection::open_in_memory()?,
        };
        connection.busy_timeout(RETRY)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch(messages::SCHEMA)?;
        connection.execute_batch(surveys::SCHEMA)?;
        connection.execute_batch(recordings::SCHEMA)?;
        connection.execute_batch(copies::SCHEMA)?;
        connection.execute_batch(conversions::SCHEMA)?;
        if connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))? == 0 {
            copies::fill(&connection)?;
            connection.pragma_update(None, "user_version", 1)?;
        }
        // Finds a read-only file or full disk now, not at the first call.
        connection.execute_batch("BEGIN IMMEDIATE; CREATE TABLE probe (x); DROP TABLE probe; COMMIT")?;
        let (orders, queue) = sync_channel(QUEUE_MAX);
        let mut writer = Writer { connection, spool: VecDeque::new(), failing: false, counts: counts.clone() };
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || writer.run(&queue));
        let thread = thread.map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        Ok((Store { orders, counts }, thread))
    }

    /// Hands a record over; never waits.
    pub fn put(&self, record: CallRecord) {
        if self.orders.try_send(Order::Put(Row::Record(Box::new(record)))).is_err() {
            self.counts.lost.inc();
        }
    }

    /// Hands a fact over, when it is about a message or a conversation's recording; never waits.
    pub fn fact(&self, fact: &Fact) {
        let concerns = messages::concerns(&fact.what) || recordings::concerns(&fact.what);
        if concerns && self.orders.try_send(Order::Put(Row::Fact(Box::new(fact.clone())))).is_err() {
            self.counts.lost.inc();
        }
    }

    /// A recording that a killed process left is complete now.
    pub fn mended(&self, tape: TapeId, filed: Filed) {
        // Before the first call there is room.
        let _ = self.orders.try_send(Order::Put(Row::Mended(tape, filed)));
    }

    /// Messages left before this start.
    pub fn messages(&self) -> Result<Vec<Message>, String> {
        let (reply, answer) = oneshot::channel();
        self.orders.try_send(Order::Messages(reply)).map_err(|_| "the store is busy".to_string())?;
        answer.blocking_recv().map_err(|_| "the store has stopped".to_string())?
    }

    /// Calls that arrived at `since` or later, newest first, at most `limit`.
    pub async fn calls(&self, limit: u32, since: Time) -> Result<Vec<CallRecord>, String> {
        self.query(Wanted::Since(since, limit.min(ROWS_MAX))).await
    }

    /// Calls of this id, one of each run of the program at most, newest first.
    pub async fn calls_of_id(&self, call: CallId) -> Result<Vec<CallRecord>, String> {
        self.query(Wanted::Id(call)).await
    }

    async fn query(&self, wanted: Wanted) -> Result<Vec<CallRecord>, String> {
        let (reply, answer) = oneshot::channel();
        self.orders.try_send(Order::Query(wanted, reply)).map_err(|_| "the store is busy".to_string())?;
        answer.await.map_err(|_| "the store has stopped".to_string())?
    }

    /// Recordings of conversations, the newest first, at most `limit`.
    pub async fn recordings(&self, wanted: Search, limit: u32) -> Result<Vec<Kept>, String> {
        self.look(move |tables| recordings::search(tables, &wanted, limit.min(ROWS_MAX))).await
    }

    /// Some of all that are complete.
    pub async fn sample(&self, wanted: Search, draw: Draw) -> Result<Vec<Kept>, String> {
        self.look(move |tables| recordings::sample(tables, &wanted, &draw)).await
    }

    /// One recording, if it is still there, and all that was done with it.
    pub async fn recording(&self, tape: TapeId) -> Result<(Option<Kept>, Vec<Done>), String> {
        self.look(move |tables| recordings::find(tables, tape)).await
    }

    /// Recordings kept for as long as their class says, some of them.
    pub async fn expired(&self, now: Time, keep: Vec<(Name, Duration)>) -> Result<Vec<TapeId>, String> {
        self.look(move |tables| recordings::expired(tables, now, &keep, EXPIRED_MAX)).await
    }

    /// How many recordings wait to be copied to storage, and the oldest of them.
    pub async fn uncopied(&self) -> Result<(u64, Vec<Uncopied>), String> {
        self.look(|tables| copies::waiting(tables, COPIES_MAX)).await
    }

    /// Where copies of removed recordings may be, some of them.
    pub async fn doomed(&self) -> Result<Vec<(TapeId, String)>, String> {
        self.look(|tables| copies::doomed(tables, COPIES_MAX)).await
    }

    /// Recordings that were copied before and are still here, some of them, none that is held.
    pub async fn twofold(&self, before: Time) -> Result<Vec<TapeId>, String> {
        self.look(move |tables| copies::twofold(tables, before, COPIES_MAX)).await
    }

    /// Writes down what became of a copy.
    pub async fn step(&self, tape: TapeId, step: Step) -> Result<(), String> {
        self.look(move |tables| copies::step(tables, tape, &step)).await
    }

    /// At the start: whether conversations that become complete are to be converted.
    pub fn convert(&self, on: bool) {
        let begin = move |tables: &Connection| {
            if let Err(e) = conversions::begin(tables, on) {
                tracing::error!("recordings are kept as they are: {e}");
            }
        };
        // Before the first call there is room.
        let _ = self.orders.try_send(Order::Look(Box::new(begin)));
    }

    /// How many recordings wait to be converted, and the oldest of them.
    pub async fn unconverted(&self) -> Result<(u64, Vec<Unconverted>), String> {
        self.look(|tables| conversions::waiting(tables, COPIES_MAX)).await
    }

    /// Files that others were made of, some of them.
    pub async fn left_over(&self) -> Result<Vec<(TapeId, String)>, String> {
        self.look(|tables| conversions::left_over(tables, COPIES_MAX)).await
    }

    /// Writes down what became of a conversion; `false`: the recording is not to be changed any more.
    pub async fn turn(&self, turn: Turn) -> Result<bool, String> {
        self.look(move |tables| conversions::turn(tables, &turn)).await
    }

    async fn look<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let (reply, answer) = oneshot::channel();
        // Whoever asked may have left.
        let look = move |tables: &Connection| {
            drop(reply.send(ask(tables).map_err(|e| format!("the store cannot be asked: {e}"))));
        };
        self.orders.try_send(Order::Look(Box::new(look))).map_err(|_| "the store is busy".to_string())?;
        answer.await.map_err(|_| "the store has stopped".to_string())?
    }

    /// Writes what is left and ends the thread; join it afterwards.
    pub fn close(&self) {
        // The thread ends with its last sender as well.
        let _ = self.orders.send(Order::Close);
    }
}

struct Writer {
    connection: Connection,
    spool: VecDeque<Row>,
    failing: bool,
    counts: StoreCounts,
}

impl Writer {
    fn run(&mut self, queue: &Receiver<Order>) {
        loop {
            let mut going = match queue.recv_timeout(RETRY) {
                Ok(order) => {
                    let going = self.take(order);
                    std::thread::sleep(GATHER);
                    going
                }
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            for order in queue.try_iter().take(GROUP_MAX) {
                going &= self.take(order);
            }
            while self.flush() {}
            if !going {
                return;
            }
        }
    }

    fn take(&mut self, order: Order) -> bool {
        match order {
            Order::Put(_) if self.spool.len() >= SPOOL_MAX => self.counts.lost.inc(),
            Order::Put(row) => self.spool.push_back(row),
            Order::Look(look) => {
                while self.flush() {}
                look(&self.connection);
            }
            Order::Messages(reply) => {
                while self.flush() {}
                let begun = recordings::begin_anew(&self.connection);
                let all = begun.and_then(|()| messages::all(&self.connection));
                let _ = reply.send(all.map_err(|e| e.to_string()));
            }
            Order::Query(wanted, reply) => {
                while self.flush() {}
                let answer = self.query(wanted).map_err(|e| format!("the store cannot be read: {e}"));
                // Whoever asked may have left.
                let _ = reply.send(answer);
            }
            Order::Close => return false,
        }
        true
    }

    /// Writes one group; true when there is more and the database takes it.
    fn flush(&mut self) -> bool {
        if self.spool.is_empty() {
            return false;
        }
        let group = self.spool.len().min(GROUP_MAX);
        let outcome = write(&mut self.connection, self.spool.iter().take(group));
        match &outcome {
            Ok(()) => {
                self.spool.drain(..group);
                if std::mem::take(&mut self.failing) {
                    tracing::info!("call records are stored again");
                }
            }
            Err(e) => {
                self.counts.errors.inc();
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!("call records cannot be stored: {e}; calls go on, records wait");
                }
            }
        }
        self.counts.spooled.set(self.spool.len() as i64);
        outcome.is_ok() && !self.spool.is_empty()
    }

    fn query(&self, wanted: Wanted) -> rusqlite::Result<Vec<CallRecord>> {
        let (which, key, limit) = match wanted {
            Wanted::Since(since, limit) => ("arrived_us >= ?1", since.as_micros(), limit),
            Wanted::Id(call) => ("call = ?1", call.0, ROWS_MAX),
        };
        let sql = format!("SELECT record FROM calls WHERE {which} ORDER BY arrived_us DESC, call DESC LIMIT ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![key as i64, limit], |row| row.get::<_, String>(0))?;
        let parse = |text: String| {
            serde_json::from_str(&text)
                .map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, e.into()))
        };
        rows.map(|row| row.and_then(parse)).collect()
    }
}

fn write<'r>(connection: &mut Connection, rows: impl Iterator<Item = &'r Row>) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for row in rows {
        match row {
            Row::Record(record) => insert(&transaction, record)?,
            Row::Fact(fact) => {
                messages::apply(&transaction, &fact.what)?;
                recordings::apply(&transaction, fact)?;
            }
            Row::Mended(tape, filed) => {
                messages::complete(&transaction, *tape, filed)?;
                recordings::complete(&transaction, *tape, filed)?;
            }
        }
    }
    transaction.commit()
}

/// One call and its legs. The same record a second time changes nothing: replay may bring it again.
fn insert(transaction: &Transaction, record: &CallRecord) -> rusqlite::Result<()> {
    let json = |value: serde_json::Result<String>| value.map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()));
    let word = |value: String| value.trim_matches('"').to_string();
    let us = |time: Time| time.as_micros() as i64;
    let mut call = transaction.prepare_cached(
        "INSERT OR IGNORE INTO calls (call, arrived_us, ended_us, origin, from_number, to_number, cause, queue, agent,
         customer_wait_ms, queue_wait_ms, ring_ms, talk_ms, hold_ms, record)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    let new = call.execute(params![
        record.call.0 as i64,
        us(record.arrived),
        us(record.ended),
        &**record.origin.name(),
        record.from.national,
        record.to.national,
        word(json(serde_json::to_string(&record.cause))?),
        record.queue.as_deref(),
        record.agent.as_deref(),
        record.customer_wait_ms.map(|ms| ms as i64),
        record.queue_wait_ms.map(|ms| ms as i64),
        record.ring_ms as i64,
        record.talk_ms as i64,
        record.hold_ms as i64,
        json(serde_json::to_string(record))?,
    ])?;
    if new == 0 {
        return Ok(());
    }
    let id = transaction.last_insert_rowid();
    surveys::insert(transaction, id, &record.surveys)?;
    let mut leg =
        transaction.prepare_cached("INSERT INTO legs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")?;
    for l in &record.legs {
        leg.execute(params![
            id,
            l.leg.0 as i64,
            word(json(serde_json::to_string(&l.side))?),
            &**l.party.name(),
            us(l.opened),
            l.answered.map(us),
            l.ended.map(us),
            l.status,
            l.stats.packets_in as i64,
            l.stats.packets_out as i64,
            l.stats.lost_in as i64,
            l.stats.jitter_us,
        ])?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use busyhour_ledger::Ledger;
    use busyhour_model::{Cause, LegId, Number, Party, What};

    fn counts() -> StoreCounts {
        let counter = |name: &str| IntCounter::new(name, "test").unwrap();
        StoreCounts {
            errors: counter("errors"),
            lost: counter("lost"),
            spooled: IntGauge::new("spooled", "test").unwrap(),
        }
    }

    fn record(call: u64, secs: u64) -> CallRecord {
        let mut ledger = Ledger::new();
        let arrived = What::Arrived {
            call: CallId(call),
            leg: Some(LegId(call)),
            callback_of: None,
            origin: Party::Trunk("ct".into()),
            from: Number::parse("13800138000"),
            to: Number::parse("95118"),
            sip_call_id: "x".into(),
        };
        ledger.apply(&Fact { at: Time::from_secs(secs), what: arrived });
        let ended = What::Ended { call: CallId(call), cause: Cause::CallerHungUp };
        ledger.apply(&Fact { at: Time::from_secs(secs + 5), what: ended }).unwrap()
    }

    fn asked(store: &Store, limit: u32, since: u64) -> Vec<CallRecord> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(store.calls(limit, Time::from_secs(since))).unwrap()
    }

    fn writer() -> Writer {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection.execute_batch(surveys::SCHEMA).unwrap();
        Writer { connection, spool: VecDeque::new(), failing: false, counts: counts() }
    }

    #[test]
    fn records_come_back_whole_newest_first() {
        let (store, thread) = Store::open(None, counts()).unwrap();
        (1..=5).for_each(|i| store.put(record(i, 100 * i)));
        let found = asked(&store, 3, 0);
        assert_eq!(found, [record(5, 500), record(4, 400), record(3, 300)]);
        assert_eq!(asked(&store, 100, 400).len(), 2);
        store.close();
        thread.join().unwrap();
    }

    #[test]
    fn a_record_told_twice_is_one_row_and_ids_of_another_run_are_another_call() {
        let mut writer = writer();
        for record in [record(1, 100), record(1, 100), record(1, 900)] {
            writer.take(Order::Put(Row::Record(Box::new(record))));
        }
        writer.flush();
        let rows = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            writer.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!((rows("calls"), rows("legs")), (2, 2));
        assert_eq!(writer.query(Wanted::Id(CallId(1))).unwrap(), [record(1, 900), record(1, 100)], "the newest first");
        assert_eq!(writer.query(Wanted::Id(CallId(2))).unwrap(), []);
    }

    #[test]
    fn a_database_that_refuses_is_counted_and_the_records_wait() {
        let mut writer = writer();
        writer.connection.pragma_update(None, "query_only", true).unwrap();
        writer.take(Order::Put(Row::Record(Box::new(record(1, 100)))));
        assert!(!writer.flush());
        assert_eq!((writer.counts.errors.get(), writer.counts.spooled.get()), (1, 1));
        writer.connection.pragma_update(None, "query_only", false).unwrap();
        writer.flush();
        assert_eq!((writer.counts.lost.get(), writer.counts.spooled.get()), (0, 0));
        assert_eq!(writer.query(Wanted::Since(Time::ZERO, 10)).unwrap(), [record(1, 100)]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_at_once() {
        assert!(Store::open(Some(Path::new("/proc/busyhour")), counts()).is_err());
    }
}
