//! How a branch is written: cases in order, each with its conditions.

use crate::condition::{Comparison, Condition, QueueTest};
use crate::parse::Reader;
use crate::plan::{Case, Verb};
use crate::source::{Fields, Value, parse_duration};
use busyhour_model::calendar::{self, Clock};
use busyhour_model::{Name, NumberKind, Schedule};
use toml::de::DeTable;

/// What a case can ask of a queue, beside whether it is open.
const QUEUE_TESTS: [&str; 4] = ["waiting", "wait", "agents", "ready"];

impl<'t> Reader<'t> {
    pub(crate) fn branch(&mut self, fields: &mut Fields<'t>, value: &'t Value<'t>) -> Verb {
        let cases = self.report.array(value).unwrap_or_default();
        let cases = cases.iter().filter_map(|case| self.case(case)).collect();
        Verb::Branch { cases, otherwise: self.target(fields, "else") }
    }

    fn case(&mut self, value: &'t Value<'t>) -> Option<Case> {
        let says = self.report.table(value).map(|table| self.case_says(table)).unwrap_or_default();
        let mut fields = Fields::new(value.get_ref().as_table()?, value.span().start, "a case of `branch`");
        let mut conditions = Vec::new();
        conditions.extend(fields.take("caller").map(|v| Condition::Caller(self.patterns(v))));
        conditions.extend(fields.take("dialled").map(|v| Condition::Dialled(self.patterns(v))));
        conditions.extend(fields.take("origin").map(|v| self.origin(v)));
        conditions.extend(fields.take("kind").map(|v| {
            Condition::Kind(self.each(v, "a kind of number: mobile, landline, short, international, anonymous", kind))
        }));
        let days = |days: Vec<u8>| Condition::Weekdays(days.into_iter().fold(0, |all, days| all | days));
        conditions.extend(
            fields
                .take("weekday")
                .map(|v| days(self.each(v, "a weekday like \"mon\" or \"mon-fri\"", calendar::weekdays))),
        );
        conditions.extend(
            fields
                .take("time")
                .map(|v| Condition::Clock(self.each(v, "a time of day like \"09:00-18:00\"", Clock::parse))),
        );
        conditions.extend(fields.take("date").map(|v| {
            Condition::Dates(self.each(v, "a date like \"2026-10-01\" or \"2026-10-01..2026-10-07\"", calendar::days))
        }));
        conditions.extend(fields.take("schedule").map(|v| Condition::Open(self.schedules(v))));
        conditions.extend(fields.take("tier").map(|v| self.tiers(v)));
        conditions.extend(self.queue_condition(&mut fields));
        let goto = self.target(&mut fields, "goto");
        for (key, offset, value) in fields.rest() {
            if let Some(name) = key.strip_prefix('$') {
                self.read(name, offset, false);
                let comparisons = self.comparisons(value);
                conditions.push(Condition::Variable(name.into(), comparisons));
            }
        }
        if conditions.is_empty() {
            let mistake = self.report.at(value.span().start, "this case has no condition");
            self.report.note(mistake.help("use `else` for what holds always"));
        }
        fields.finish_except(&mut self.report, |key| key.starts_with('$'));
        Some(Case { says, conditions, goto })
    }

    /// `caller @vip, weekday mon-fri`
    fn case_says(&self, table: &DeTable) -> Name {
        let conditions = table.iter().filter(|(key, _)| key.get_ref() != "goto");
        let says = conditions.map(|(key, value)| {
            let written = self.report.written(value).replace(['"', '\'', '[', ']', '\n'], "");
            format!("{} {}", key.get_ref(), written.split_whitespace().collect::<Vec<_>>().join(" "))
        });
        says.collect::<Vec<_>>().join(", ").into()
    }

    /// What a variable is compared with.
    pub(crate) fn comparisons(&mut self, value: &'t Value<'t>) -> Vec<Comparison> {
        self.each(value, "a comparison like \"card\", \"!card\" or \">=10\"", Comparison::parse)
    }

    fn origin(&mut self, value: &'t Value<'t>) -> Condition {
        let mut names = Vec::new();
        for value in self.report.one_or_more(value) {
            if let Some(name) = self.report.text(value) {
                self.known(value.span().start, "trunk", name, &self.names.trunks, true);
                names.push(name.into());
            }
        }
        Condition::Origin(names)
    }

    fn schedules(&mut self, value: &'t Value<'t>) -> Vec<Schedule> {
        let mut schedules = Vec::new();
        for value in self.report.one_or_more(value) {
            let Some(name) = self.report.text(value) else { continue };
            match self.names.schedules.iter().find(|(known, _)| **known == *name) {
                Some((_, schedule)) => schedules.push(schedule.clone()),
                None => {
                    let mistake = self.report.at(value.span().start, format!("no schedule is named `{name}`"));
                    let known = self.names.schedules.iter().map(|(known, _)| &**known);
                    self.report.note(mistake.suggest(name, known));
                }
            }
        }
        schedules
    }

    /// One text or several, each of which `parse` must understand.
    fn each<T>(&mut self, value: &'t Value<'t>, wanted: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let mut all = Vec::new();
        for value in self.report.one_or_more(value) {
            let Some(text) = self.report.text(value) else { continue };
            match parse(text) {
                Some(one) => all.push(one),
                None => self.report.error(value.span().start, format!("`{text}` is not {wanted}")),
            }
        }
        all
    }

    fn tiers(&mut self, value: &'t Value<'t>) -> Condition {
        let mut names = Vec::new();
        for value in self.report.one_or_more(value) {
            if let Some(name) = self.report.text(value) {
                if !name.is_empty() {
                    self.known(value.span().start, "tier", name, &self.names.tiers, false);
                }
                names.push(name.into());
            }
        }
        Condition::Tier(names)
    }

    /// `queue = "card", waiting = ">=20", wait = ">10m", agents = "<1", ready = 0, open = true`.
    fn queue_condition(&mut self, fields: &mut Fields<'t>) -> Option<Condition> {
        let queue = fields.take("queue");
        let (mut tests, mut asked) = (Vec::new(), None);
        if let Some(value) = fields.take("open") {
            asked = Some(("open", value.span().start));
            tests.extend(self.report.flag(value).map(QueueTest::Open));
        }
        for key in QUEUE_TESTS {
            let Some(value) = fields.take(key) else { continue };
            asked = Some((key, value.span().start));
            let comparisons = match value.get_ref().is_integer() && key != "wait" {
                true => self.report.integer(value, 0, 1_000_000).map(Comparison::number).into_iter().collect(),
                false if key == "wait" => self.each(value, "a comparison like \">10m\"", long),
                false => self.each(value, "a comparison like 0 or \">=20\"", count),
            };
            tests.push(match key {
                "waiting" => QueueTest::Waiting(comparisons),
                "wait" => QueueTest::Wait(comparisons),
                "agents" => QueueTest::Agents(comparisons),
                _ => QueueTest::Ready(comparisons),
            });
        }
        match (queue, asked) {
            (None, None) => return None,
            (None, Some((key, offset))) => {
                let mistake = self.report.at(offset, format!("`{key}` is asked of a queue"));
                self.report.note(mistake.help("name it: queue = \"…\""));
            }
            (Some(value), None) => {
                let mistake = self.report.at(value.span().start, "nothing is asked of this queue");
                self.report.note(mistake.help(format!("one of: open, {}", QUEUE_TESTS.join(", "))));
            }
            (Some(_), Some(_)) => {}
        }
        let (value, name) = (queue?, self.report.text(queue?)?);
        self.known(value.span().start, "queue", name, &self.names.queues, false);
        Some(Condition::Queue(name.into(), tests))
    }
}

/// A comparison with a number of calls or agents.
fn count(text: &str) -> Option<Comparison> {
    Comparison::parse(text).filter(Comparison::is_of_numbers)
}

/// A comparison with a duration, as one of milliseconds.
fn long(text: &str) -> Option<Comparison> {
    let digits = text.find(|c: char| c.is_ascii_digit())?;
    let (order, span) = text.split_at(digits);
    let millis = parse_duration(span)?.as_millis();
    (!order.trim().is_empty()).then(|| count(&format!("{}{millis}", order.trim())))?
}

fn kind(text: &str) -> Option<NumberKind> {
    match text {
        "mobile" => Some(NumberKind::Mobile),
        "landline" => Some(NumberKind::Landline),
        "short" => Some(NumberKind::Short),
        "international" => Some(NumberKind::International),
        "anonymous" => Some(NumberKind::Anonymous),
        _ => None,
    }
}
