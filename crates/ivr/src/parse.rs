//! A dialplan file read whole: all its mistakes at once, each where it is.

use crate::check;
use crate::phrase::Text;
use crate::plan::{Dialplan, NODES_MAX, Node, NodeId, SHOWN_MAX};
use crate::source::{Fields, Report, Value};
use crate::step::Names;
use crate::sum::Sum;
use crate::template::Template;
use busyhour_model::calendar;
use busyhour_model::{Diagnostic, Name, Pattern, Severity};
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeTable;

/// Variables of one dialplan.
pub const VARIABLES_MAX: usize = 200;
/// Variables every call has and no plan can set.
const GIVEN: [&str; 7] = ["caller", "dialled", "origin", "today", "now", "served_by", "waited"];
/// Variables with a meaning of their own.
const SPECIAL: [&str; 3] = ["language", "priority", "tier"];

/// A dialplan without errors, and what is odd about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The plan.
    pub plan: Dialplan,
    /// Warnings, in the order of the file.
    pub warnings: Vec<Diagnostic>,
    /// Ids of the prompts its nodes name.
    pub prompts: BTreeSet<Name>,
}

impl Dialplan {
    /// Read a dialplan. `file` is its name for people, `names` what it may refer to.
    ///
    /// # Errors
    /// Everything wrong with it, in the order of the file, warnings included.
    pub fn parse(file: &str, source: &str, names: &Names) -> Result<Parsed, Vec<Diagnostic>> {
        let (table, broken) = DeTable::parse_recoverable(source);
        let mut report = Report::new(file, source);
        for error in broken {
            let offset = error.span().map_or(0, |span| span.start);
            report.error(offset, error.message().replace('\n', "; "));
        }
        let mut reader = Reader::new(report, names);
        let plan = reader.plan(table.get_ref());
        let prompts = reader.played.into_iter().map(|played| played.id).collect();
        let found = reader.report.into_found();
        if found.iter().any(|mistake| mistake.severity == Severity::Error) {
            return Err(found);
        }
        Ok(Parsed { plan, warnings: found, prompts })
    }
}

/// Reads one file against the names it may use.
pub(crate) struct Reader<'t> {
    pub(crate) report: Report<'t>,
    pub(crate) names: &'t Names,
    nodes: BTreeMap<&'t str, NodeId>,
    lists: BTreeMap<&'t str, List>,
    pub(crate) surveys: BTreeMap<&'t str, SurveyTable<'t>>,
    written: BTreeMap<Name, usize>,
    secret: BTreeSet<Name>,
    read: Vec<Read>,
    /// Variables with PINs, and where they are used.
    pins: Vec<(Name, usize)>,
    /// The node being read.
    inside: Option<NodeId>,
    pub(crate) played: Vec<Played>,
    /// Texts for a synthesizer.
    pub(crate) spoken: Vec<Template>,
}

/// One of `[lists]`.
struct List {
    patterns: Vec<Pattern>,
    offset: usize,
    used: bool,
}

/// One `[survey.NAME]`, read where a node asks it.
pub(crate) struct SurveyTable<'t> {
    pub(crate) table: &'t Value<'t>,
    offset: usize,
    pub(crate) used: bool,
}

/// A prompt named in a node.
pub(crate) struct Played {
    pub(crate) node: NodeId,
    pub(crate) id: Name,
    /// In this one, whatever the caller's.
    pub(crate) language: Option<Name>,
    pub(crate) offset: usize,
}

/// A variable used somewhere.
struct Read {
    name: Name,
    offset: usize,
    /// It would be heard, dialled or sent.
    leaks: bool,
}

impl<'t> Reader<'t> {
    fn new(report: Report<'t>, names: &'t Names) -> Reader<'t> {
        Reader {
            report,
            names,
            nodes: BTreeMap::new(),
            lists: BTreeMap::new(),
            surveys: BTreeMap::new(),
            written: BTreeMap::new(),
            secret: BTreeSet::new(),
            read: Vec::new(),
            pins: Vec::new(),
            inside: None,
            played: Vec::new(),
            spoken: Vec::new(),
        }
    }

    fn plan(&mut self, table: &'t DeTable<'t>) -> Dialplan {
        let mut fields = Fields::new(table, 0, "the dialplan");
        let name = fields.need("name", &mut self.report).and_then(|v| self.report.text(v)).unwrap_or_default();
        let language = fields.take("language").and_then(|value| self.language(value));
        let utc_offset_minutes = fields.take("utc_offset").and_then(|v| self.utc_offset(v)).unwrap_or(480);
        let variables = fields.take("variables").map(|v| self.variables(v)).unwrap_or_default();
        let show = fields.take("show").map(|v| self.shown(v)).unwrap_or_default();
        if let Some(lists) = fields.take("lists") {
            self.lists(lists);
        }
        if let Some(surveys) = fields.take("survey") {
            self.survey_tables(surveys);
        }
        let tables = fields.need("node", &mut self.report).map(|v| self.node_tables(v)).unwrap_or_default();
        let start = self.target(&mut fields, "start");
        let on_fax = fields.take("on_fax").map(|value| self.node_id(value));
        let (offsets, nodes): (Vec<usize>, Vec<Node>) =
            tables.into_iter().map(|(name, at, value)| (at, self.node(name, at, value))).unzip();
        let scripts = fields.take("test").map(|v| self.scripts(v, utc_offset_minutes)).unwrap_or_default();
        fields.finish(&mut self.report);
        self.check_variables();
        self.check_lists();
        self.check_surveys();
        let language = language.unwrap_or_else(|| "zh".into());
        let name = name.into();
        let plan = Dialplan { name, start, on_fax, language, utc_offset_minutes, variables, show, nodes, scripts };
        check::graph(&plan, &offsets, &mut self.report);
        check::translations(&plan, &self.played, self.names, &mut self.report);
        plan
    }

    /// Name, place and body of each node, by name; the names are known from here on.
    fn node_tables(&mut self, value: &'t Value<'t>) -> Vec<(&'t str, usize, &'t Value<'t>)> {
        let Some(table) = self.report.table(value) else { return Vec::new() };
        if table.len() > NODES_MAX {
            self.report.error(value.span().start, format!("more than {NODES_MAX} nodes"));
        }
        let nodes = table.iter().map(|(name, value)| (name.get_ref().as_ref(), name.span().start, value));
        let mut nodes: Vec<_> = nodes.take(NODES_MAX).collect();
        nodes.sort_unstable_by_key(|(name, ..)| *name);
        self.nodes = nodes.iter().zip(0..).map(|((name, ..), id)| (*name, NodeId(id))).collect();
        nodes
    }

    fn node(&mut self, name: &'t str, offset: usize, value: &'t Value<'t>) -> Node {
        let what = format!("node `{name}`");
        let Some(mut fields) = self.report.fields(value, &what) else {
            return Node { name: name.into(), verb: crate::verb::UNREAD };
        };
        fields.offset = offset;
        self.inside = self.nodes.get(name).copied();
        let verb = self.verb(&mut fields, &what);
        self.inside = None;
        fields.finish(&mut self.report);
        Node { name: name.into(), verb }
    }

    /// The node named by `value`.
    pub(crate) fn node_id(&mut self, value: &'t Value<'t>) -> NodeId {
        let Some(name) = self.report.text(value) else { return NodeId::NOWHERE };
        self.nodes.get(name).copied().unwrap_or_else(|| {
            let mistake = self.report.at(value.span().start, format!("no node is named `{name}`"));
            self.report.note(mistake.suggest(name, self.nodes.keys().copied()));
            NodeId::NOWHERE
        })
    }

    /// Where outcome `key` goes; it must be given.
    pub(crate) fn target(&mut self, fields: &mut Fields<'t>, key: &'static str) -> NodeId {
        fields.need(key, &mut self.report).map_or(NodeId::NOWHERE, |value| self.node_id(value))
    }

    /// Where outcome `key` goes, or `fallback` when it is not given.
    pub(crate) fn target_or(&mut self, fields: &mut Fields<'t>, key: &'static str, fallback: Option<NodeId>) -> NodeId {
        match (fields.has(key), fallback) {
            (false, Some(fallback)) => {
                fields.take(key);
                fallback
            }
            _ => self.target(fields, key),
        }
    }

    /// A name out of `known`, with a suggestion when it is not; an empty `known` accepts all when `lenient`.
    pub(crate) fn known(&mut self, offset: usize, kind: &str, name: &str, known: &[Name], lenient: bool) {
        if (known.is_empty() && lenient) || known.iter().any(|k| **k == *name) {
            return;
        }
        let mistake = self.report.at(offset, format!("no {kind} is named `{name}`"));
        self.report.note(mistake.suggest(name, known.iter().map(|known| &**known)));
    }

    pub(crate) fn language(&mut self, value: &'t Value<'t>) -> Option<Name> {
        let language = self.report.text(value)?;
        self.known(value.span().start, "language", language, &self.names.languages, true);
        Some(language.into())
    }

    /// `+08:00` in minutes.
    fn utc_offset(&mut self, value: &'t Value<'t>) -> Option<i32> {
        let text = self.report.text(value)?;
        let minutes = calendar::utc_offset(text);
        if minutes.is_none() {
            let mistake = self.report.at(value.span().start, format!("`{text}` is not an offset from UTC"));
            self.report.note(mistake.help("write it as \"+08:00\""));
        }
        minutes
    }

    fn variables(&mut self, value: &'t Value<'t>) -> BTreeMap<Name, Name> {
        let Some(table) = self.report.table(value) else { return BTreeMap::new() };
        let mut variables = BTreeMap::new();
        for (name, value) in table {
            let (name, offset) = (name.get_ref().as_ref(), name.span().start);
            self.write(name, offset, false);
            match self.scalar(value, true) {
                Some(Text::Literal(text)) => self.initial(&mut variables, name, text, offset),
                Some(Text::Variable(_) | Text::Sum(_)) => {
                    self.report.error(value.span().start, "a variable begins with a plain value")
                }
                None => {}
            }
        }
        variables
    }

    /// Variables agents are told.
    fn shown(&mut self, value: &'t Value<'t>) -> Vec<Name> {
        let values = self.report.one_or_more(value);
        if values.len() > SHOWN_MAX {
            self.report.error(value.span().start, format!("more than {SHOWN_MAX} variables to show"));
        }
        let mut names = Vec::new();
        for value in values {
            let Some(text) = self.report.text(value) else { continue };
            let name = text.strip_prefix('$').unwrap_or(text);
            self.read(name, value.span().start, true);
            names.push(name.into());
        }
        names
    }

    fn initial(&mut self, variables: &mut BTreeMap<Name, Name>, name: &str, text: Name, offset: usize) {
        match name {
            "language" => self.report.error(offset, "the first language is the dialplan's own key `language`"),
            "priority" if text.parse::<i32>().is_err() => self.report.error(offset, "a priority is a number of points"),
            "tier" => {
                self.known(offset, "tier", &text, &self.names.tiers, false);
                variables.insert(name.into(), text);
            }
            _ => drop(variables.insert(name.into(), text)),
        }
    }

    fn lists(&mut self, value: &'t Value<'t>) {
        let Some(table) = self.report.table(value) else { return };
        for (name, value) in table {
            let (patterns, offset) = (self.patterns(value), name.span().start);
            self.lists.insert(name.get_ref(), List { patterns, offset, used: false });
        }
    }

    fn survey_tables(&mut self, value: &'t Value<'t>) {
        for (name, table) in self.report.table(value).into_iter().flatten() {
            let offset = name.span().start;
            self.surveys.insert(name.get_ref(), SurveyTable { table, offset, used: false });
        }
    }

    /// Every survey is asked.
    fn check_surveys(&mut self) {
        for (name, survey) in self.surveys.iter().filter(|(_, survey)| !survey.used) {
            let warning = self.report.at(survey.offset, format!("the survey `{name}` is never asked")).warning();
            self.report.note(warning.help(format!("a node asks it: survey = \"{name}\"")));
        }
    }

    /// Numbers, prefixes with `*`, and `@list`s.
    pub(crate) fn patterns(&mut self, value: &'t Value<'t>) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        for value in self.report.one_or_more(value) {
            let (Some(text), offset) = (self.report.text(value), value.span().start) else { continue };
            if let Some(list) = text.strip_prefix('@') {
                match self.lists.get_mut(list) {
                    Some(list) => {
                        list.used = true;
                        patterns.extend(list.patterns.iter().cloned());
                    }
                    None => {
                        let mistake = self.report.at(offset, format!("no list is named `{list}`"));
                        self.report.note(mistake.suggest(list, self.lists.keys().copied()));
                    }
                }
            } else if let Some(pattern) = Pattern::parse(text) {
                patterns.push(pattern);
            } else {
                let mistake = self.report.at(offset, format!("`{text}` is not a number"));
                self.report.note(mistake.help("write digits, a prefix like \"138*\", or a list like \"@vip\""));
            }
        }
        patterns
    }

    /// Text, a number, or `$variable`; `leaks` when it would be heard, dialled or sent.
    pub(crate) fn scalar(&mut self, value: &'t Value<'t>, leaks: bool) -> Option<Text> {
        if value.get_ref().is_integer() {
            return self.report.integer(value, i64::MIN, i64::MAX).map(|n| Text::Literal(n.to_string().into()));
        }
        let text = self.report.text(value)?;
        Some(match text.strip_prefix('$') {
            Some(name) => {
                self.read(name, value.span().start, leaks);
                Text::Variable(name.into())
            }
            None => Text::Literal(text.into()),
        })
    }

    /// Note that the node being read plays this.
    pub(crate) fn plays(&mut self, id: &str, language: Option<&Name>, offset: usize) {
        if let Some(node) = self.inside {
            self.played.push(Played { node, id: id.into(), language: language.cloned(), offset });
        }
    }

    /// As `scalar`, or a sum: `"$tries + 1"`.
    pub(crate) fn expression(&mut self, value: &'t Value<'t>) -> Option<Text> {
        let Some(text) = value.get_ref().as_str().filter(|text| Sum::is_meant(text)) else {
            return self.scalar(value, true);
        };
        let offset = value.span().start;
        match Sum::parse(text) {
            Ok(sum) => {
                sum.variables().for_each(|name| self.read(name, offset, true));
                Some(Text::Sum(Box::new(sum)))
            }
            Err(message) => {
                let mistake = self.report.at(offset, message);
                self.report.note(mistake.help("write it as \"$tries + 1\", \"$limit - $used\" or \"$age >= 18\""));
                None
            }
        }
    }

    /// Note that a variable is used.
    pub(crate) fn read(&mut self, name: &str, offset: usize, leaks: bool) {
        self.read.push(Read { name: name.into(), offset, leaks });
    }

    /// Note that a PIN is read; a variable with one is to be secret.
    pub(crate) fn pin_read(&mut self, pin: &Text, offset: usize) {
        if let Text::Variable(name) = pin {
            self.pins.push((name.clone(), offset));
        }
    }

    /// Note that a variable is given a value.
    pub(crate) fn write(&mut self, name: &str, offset: usize, secret: bool) {
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if GIVEN.contains(&name) || name.is_empty() || !name.chars().all(plain) {
            self.report.error(offset, format!("`{name}` cannot be set"));
        }
        if secret {
            self.secret.insert(name.into());
        }
        self.written.entry(name.into()).or_insert(offset);
        if self.written.len() == VARIABLES_MAX + 1 {
            self.report.error(offset, format!("more than {VARIABLES_MAX} variables"));
        }
    }

    /// Every list is used.
    fn check_lists(&mut self) {
        for (name, list) in self.lists.iter().filter(|(_, list)| !list.used) {
            let warning = self.report.at(list.offset, format!("the list `{name}` is never used")).warning();
            self.report.note(warning.help(format!("a branch asks for it: {{ caller = \"@{name}\", goto = \"…\" }}")));
        }
    }

    /// Every variable used is set somewhere, is not given away when secret, and is used when set.
    fn check_variables(&mut self) {
        let known: Vec<Name> =
            self.written.keys().cloned().chain(GIVEN.into_iter().chain(SPECIAL).map(Name::from)).collect();
        let read = std::mem::take(&mut self.read);
        for Read { name, offset, leaks } in &read {
            if !known.contains(name) {
                let mistake = self.report.at(*offset, format!("nothing sets the variable `{name}`"));
                self.report.note(mistake.suggest(name, known.iter().map(|name| &**name)));
            } else if *leaks && self.secret.contains(name) {
                let mistake =
                    self.report.at(*offset, format!("the variable `{name}` is secret: it can only be compared"));
                self.report.note(mistake);
            }
        }
        for (name, offset) in self.pins.iter().filter(|(name, _)| known.contains(name) && !self.secret.contains(name)) {
            let warning = self.report.at(*offset, format!("the variable `{name}` holds a PIN and is not secret"));
            self.report.note(warning.help("say `secret = true` where it is collected").warning());
        }
        let used: BTreeSet<&Name> = read.iter().map(|read| &read.name).collect();
        for (name, offset) in std::mem::take(&mut self.written) {
            if !used.contains(&name) && !SPECIAL.contains(&&*name) {
                let warning = self.report.at(offset, format!("the variable `{name}` is set and never used")).warning();
                self.report.note(warning);
            }
        }
    }
}
