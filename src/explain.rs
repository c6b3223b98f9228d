//! A call by its id, going on or recorded, and its story.

use crate::desk::Desk;
use crate::table::moment;
use busyhour_ledger::{CallRecord, Language, Line};
use busyhour_model::{CallId, Time};
use serde::{Deserialize, Serialize};

/// A call and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// Which.
    pub call: CallId,
    /// When; ids begin anew at each start of the program.
    pub arrived: Time,
    /// It has not ended: the record is as far as the call has come.
    pub going_on: bool,
    /// Arrivals of other calls of this id, newest first.
    pub others: Vec<Time>,
    /// What happened, in words.
    pub story: Vec<Line>,
    /// What happened, for machines; numbers masked.
    pub record: CallRecord,
}

/// Why there is nothing to explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What is wrong.
    pub error: String,
    /// What to do.
    pub help: String,
}

/// The newest call of this id whose arrival, as shown, begins with `arrived`. The outer error: records cannot be read.
pub async fn find(
    desk: &Desk,
    call: CallId,
    arrived: Option<&str>,
    language: Language,
) -> Result<Result<Explained, Unknown>, String> {
    let open = desk.recorder().ledger().open_call(call).cloned();
    let going_on = open.as_ref().map(|record| record.arrived);
    let mut records: Vec<CallRecord> = desk.store().calls_of_id(call).await?;
    records.retain(|record| Some(record.arrived) != going_on);
    records.splice(..0, open);
    Ok(choose(records, call, arrived, language, going_on))
}

fn choose(
    mut records: Vec<CallRecord>,
    call: CallId,
    arrived: Option<&str>,
    language: Language,
    going_on: Option<Time>,
) -> Result<Explained, Unknown> {
    let times: Vec<String> = records.iter().map(|record| moment(record.arrived)).collect();
    let Some(index) = times.iter().position(|time| time.starts_with(arrived.unwrap_or_default().trim())) else {
        return Err(unknown(call, &times));
    };
    let record = records.remove(index).masked();
    let going_on = going_on == Some(record.arrived);
    Ok(Explained {
        call,
        arrived: record.arrived,
        going_on,
        others: records.iter().map(|record| record.arrived).collect(),
        story: busyhour_ledger::explain(&record, language, going_on),
        record,
    })
}

fn unknown(call: CallId, times: &[String]) -> Unknown {
    if times.is_empty() {
        let help = "`busyhour calls` lists those that ended, `busyhour ctl calls` those going on";
        return Unknown { error: format!("no call {call} is going on or recorded"), help: help.into() };
    }
    let help = format!("calls {call} arrived at {}", times.join(", "));
    Unknown { error: format!("no call {call} arrived then"), help }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use busyhour_ledger::Ledger;
    use busyhour_model::{Cause, Fact, LegId, Number, Party, What};

    const CALL: CallId = CallId(42);

    fn record(secs: u64) -> CallRecord {
        let mut ledger = Ledger::new();
        let (origin, sip_call_id) = (Party::Trunk("ct".into()), "x".into());
        let (from, to) = (Number::parse("13800138000"), Number::parse("95118"));
        let arrived =
            What::Arrived { call: CALL, leg: Some(LegId(1)), callback_of: None, origin, from, to, sip_call_id };
        ledger.apply(&Fact { at: Time::from_secs(secs), what: arrived });
        let ended = What::Ended { call: CALL, cause: Cause::CallerHungUp };
        ledger.apply(&Fact { at: Time::from_secs(secs + 5), what: ended }).unwrap()
    }

    fn chosen(arrived: Option<&str>, going_on: Option<Time>) -> Result<Explained, Unknown> {
        choose(vec![record(951_782_400), record(60)], CALL, arrived, Language::En, going_on)
    }

    #[test]
    fn the_newest_call_of_an_id_is_explained_and_others_are_named() {
        let newest = chosen(None, None).unwrap();
        assert_eq!((newest.arrived, newest.going_on), (Time::from_secs(951_782_400), false));
        assert_eq!(newest.others, [Time::from_secs(60)]);
        assert!(!serde_json::to_string(&newest).unwrap().contains("13800138000"), "numbers are masked");
        assert_eq!(newest.story.last().unwrap().says, "the call ended: the caller hung up");
        let open = chosen(None, Some(newest.arrived)).unwrap();
        assert!(open.going_on && open.story.len() == 1, "{open:?}");
        assert_eq!(chosen(Some("1970-01-01 00:01"), None).unwrap().arrived, Time::from_secs(60));
    }

    #[test]
    fn what_is_unknown_is_said_with_what_could_be_meant() {
        let wrong = chosen(Some("2031"), None).unwrap_err();
        assert_eq!(wrong.error, "no call c42 arrived then");
        assert_eq!(wrong.help, "calls c42 arrived at 2000-02-29 00:00:00Z, 1970-01-01 00:01:00Z");
        let none = choose(Vec::new(), CALL, None, Language::En, None).unwrap_err();
        assert!(none.help.contains("busyhour calls"), "{none:?}");
    }
}
