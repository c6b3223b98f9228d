//! Surveys in SQLite: a row for each, and one for each answer.

use busyhour_ledger::Survey;
use busyhour_model::Time;
use rusqlite::{Transaction, params};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS surveys (
  id INTEGER PRIMARY KEY, call_id INTEGER NOT NULL REFERENCES calls (id), survey TEXT NOT NULL, begun_us INTEGER NOT NULL,
  ended_us INTEGER NOT NULL, outcome TEXT NOT NULL, agent TEXT, queue TEXT);
CREATE TABLE IF NOT EXISTS survey_answers (
  survey_id INTEGER NOT NULL REFERENCES surveys (id), at_us INTEGER NOT NULL, question TEXT NOT NULL, key TEXT NOT NULL,
  score INTEGER NOT NULL, satisfied INTEGER);
CREATE INDEX IF NOT EXISTS surveys_by_queue ON surveys (queue, begun_us);
CREATE INDEX IF NOT EXISTS surveys_by_agent ON surveys (agent, begun_us);
CREATE INDEX IF NOT EXISTS answers_by_survey ON survey_answers (survey_id);
";

/// Those of one call, in the transaction of its record.
pub(super) fn insert(transaction: &Transaction, call: i64, surveys: &[Survey]) -> rusqlite::Result<()> {
    let us = |time: Time| time.as_micros() as i64;
    for s in surveys {
        let mut survey = transaction.prepare_cached(
            "INSERT INTO surveys (call_id, survey, begun_us, ended_us, outcome, agent, queue)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let outcome = s.end.map_or("", |end| end.word());
        let (agent, queue) = (s.agent.as_deref(), s.queue.as_deref());
        survey.execute(params![call, &*s.survey, us(s.begun), us(s.ended), outcome, agent, queue])?;
        let id = transaction.last_insert_rowid();
        let mut answer = transaction.prepare_cached("INSERT INTO survey_answers VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for a in &s.answers {
            answer.execute(params![id, us(a.at), &*a.question, a.key.to_string(), a.score, a.satisfied])?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use busyhour_ledger::{Answer, SurveyEnd};
    use rusqlite::Connection;

    #[test]
    fn satisfaction_by_agent_is_one_query() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE calls (id INTEGER PRIMARY KEY); INSERT INTO calls VALUES (1)").unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let transaction = connection.transaction().unwrap();
        for (agent, score) in [("1001", 5), ("1001", 2), ("1002", 4)] {
            let at = Time::from_secs(9);
            let satisfied = Some(score >= 4);
            let survey = Survey {
                survey: "service".into(),
                begun: at,
                ended: at,
                end: Some(SurveyEnd::Complete),
                agent: Some(agent.into()),
                queue: Some("credit".into()),
                answers: vec![Answer { at, question: "mark".into(), key: '1', score, satisfied }],
            };
            insert(&transaction, 1, &[survey]).unwrap();
        }
        let sql = "SELECT agent, count(*), sum(satisfied), sum(score) FROM surveys JOIN survey_answers
                   ON survey_id = surveys.id WHERE satisfied IS NOT NULL AND outcome = 'complete' GROUP BY agent";
        let mut statement = transaction.prepare(sql).unwrap();
        let row =
            |row: &rusqlite::Row| Ok((row.get::<_, String>(0)?, [row.get(1)?, row.get(2)?, row.get::<_, u32>(3)?]));
        let rows: Vec<_> = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows, [("1001".into(), [2, 1, 7]), ("1002".into(), [1, 1, 4])]);
    }
}
