//! When queues are open.

use super::*;
use busyhour_model::calendar::{day, days, midnight};
use busyhour_model::{Days, Schedule};
use busyhour_switch::Closing;

const HOURS: &str = r#"server.utc_offset = "+08:00"

[[schedule]]
name = "office"
open = [{ days = "mon-fri", time = ["09:00-12:00", "13:30-18:00"] }, { days = ["sat", "holiday"], time = "10:00-15:00" }]
holidays = ["2026-10-01..2026-10-07", "2027-01-01"]
workdays = "2026-10-10"

[[schedule]]
name = "new-york"
utc_offset = "-05:00"
open = [{ days = "mon-sun", time = "22:00-06:00" }]

[[number]]
number = "*"
dialplan = "hotline"

[[agent]]
number = "1001"
password = "secret"

[[queue]]
name = "enquiry"
schedule = "office"
closing = "overflow"

[[queue]]
name = "complaint"
schedule = "none"

[[queue]]
name = "general"
"#;

#[test]
fn schedules_are_read_whole_and_queues_are_open_by_them() {
    assert_eq!(told(HOURS), Vec::<String>::new());
    let setup = read("centre.toml", HOURS, Path::new("/nowhere")).site.unwrap().setup;
    let [(_, office), (_, night)] = &setup.schedules[..] else { panic!("{:?}", setup.schedules) };
    assert_eq!(office.utc_offset_minutes, 480);
    assert_eq!(office.open.len(), 3, "{:?}", office.open);
    assert_eq!(office.open[2].days, Days(0b1010_0000));
    assert_eq!(office.holidays, [days("2026-10-01..2026-10-07").unwrap(), days("2027-01-01").unwrap()]);
    assert_eq!(office.workdays, [days("2026-10-10").unwrap()]);
    assert_eq!((night.utc_offset_minutes, night.open[0].clock.from), (-300, 22 * 60));
    let noon = |date: &str, schedule: &Schedule| {
        schedule.is_open(midnight(day(date).unwrap(), 480) + Duration::from_secs(14 * 3600))
    };
    assert!(noon("2026-10-10", office) && noon("2026-10-01", office) && !noon("2026-10-11", office));
    let queues: Vec<_> = setup.queues.iter().map(|q| (q.schedule.as_deref(), q.closing)).collect();
    assert_eq!(queues, [(Some("office"), Closing::Overflow), (None, Closing::Stay), (None, Closing::Stay)]);
}

const MISTAKES: &[(&str, &str, &str)] = &[
    ("\"+08:00\"", "\"8\"", "error centre.toml:1:21 `8` is no offset from UTC like \"+08:00\""),
    (
        "\"mon-fri\"",
        "\"mo-fr\"",
        "error centre.toml:5:18 `mo-fr` is no day: \"mon\", \"mon-fri\", \"sat-sun\" or \"holiday\"",
    ),
    ("\"13:30-18:00\"", "\"13.30-18\"", "error centre.toml:5:52 `13.30-18` is no time of day like \"09:00-18:00\""),
    ("days = \"mon-fri\", ", "", "error centre.toml:5:9 [[open]] needs `days`"),
    (
        "time = \"10:00-15:00\"",
        "tim = \"10:00-15:00\"",
        "error centre.toml:5:99 unknown key `tim` in [[open]] (did you mean `time`?)",
    ),
    ("open = [{ days = \"mon-sun\", time = \"22:00-06:00\" }]", "", "error centre.toml:9:1 [[schedule]] needs `open`"),
    (
        "\"2027-01-01\"",
        "\"2027-02-29\"",
        "error centre.toml:6:39 `2027-02-29` is no date like \"2026-10-10\" or \"2026-10-01..2026-10-07\"",
    ),
    (
        "\"2026-10-10\"",
        "\"2026-10-07..2026-10-10\"",
        "error centre.toml:7:12 a day is either among `holidays` or among `workdays`",
    ),
    (
        "\"new-york\"",
        "\"office\"",
        "error centre.toml:10:8 a second schedule is named `office` (the first one is on line 4; names are unique)",
    ),
    (
        "schedule = \"office\"",
        "schedule = \"offise\"",
        "error centre.toml:24:12 no schedule is named `offise` (did you mean `office`?)",
    ),
    (
        "closing = \"overflow\"",
        "closing = \"kick\"",
        "error centre.toml:25:11 `kick` does nothing to those who wait: \"stay\" or \"overflow\"",
    ),
];

#[test]
fn schedules_may_share_a_calendar_and_add_days_of_their_own() {
    let shared = "[[calendar]]\nname = \"prc\"\nholidays = \"2026-10-01..2026-10-07\"\nworkdays = \"2026-10-10\"\n";
    let source = format!("{HOURS}\n{shared}").replace(
        "holidays = [\"2026-10-01..2026-10-07\", \"2027-01-01\"]\nworkdays = \"2026-10-10\"",
        "holidays = \"2027-01-01\"\ncalendar = \"prc\"",
    );
    assert_eq!(told(&source), Vec::<String>::new());
    let setup = read("centre.toml", &source, Path::new("/nowhere")).site.unwrap().setup;
    let office = &setup.schedules[0].1;
    assert_eq!(office.holidays, [days("2027-01-01").unwrap(), days("2026-10-01..2026-10-07").unwrap()]);
    assert_eq!(office.workdays, [days("2026-10-10").unwrap()]);
    assert_eq!(setup.schedules[1].1.holidays, []);

    let unknown = told(&source.replace("calendar = \"prc\"", "calendar = \"prd\""));
    assert_eq!(unknown, ["error centre.toml:7:12 no calendar is named `prd` (did you mean `prc`?)"]);
    let both = told(&source.replace("holidays = \"2027-01-01\"", "holidays = \"2026-10-10\""));
    assert!(both[0].ends_with("a day is either among `holidays` or among `workdays`"), "{both:?}");
    let twice = told(&format!("{source}\n{shared}"));
    assert!(twice[0].contains("a second calendar is named `prc`"), "{twice:?}");
}

#[test]
fn every_mistake_in_a_schedule_is_located() {
    all_told(HOURS, MISTAKES);
}
