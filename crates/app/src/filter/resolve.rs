//! From a filter to a search: names become lanes, ages become times.

use super::{Filter, Is, Word, wrong};
use crate::story::Lanes;
use model::{Millis, Problem, TaskId, TaskKind, TaskState, suggest};
use serde_json::Value;
use std::collections::BTreeMap;
use store::{Compare, Condition, LaneId, Search, Store, StoreError, StoredDefinition, Test};

/// The names that a filter may use.
pub(crate) struct Names {
    lanes: Lanes,
    definitions: Vec<StoredDefinition>,
}

/// A search, and what it means for whoever asks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    /// Without page.
    pub(crate) search: Search,
    /// It tells what stands in payloads and answers.
    pub(crate) looks_into_data: bool,
}

impl Names {
    /// What a filter needs to know: definitions only where it names something of theirs.
    pub(crate) async fn of(store: &dyn Store, filter: &Filter) -> Result<Self, StoreError> {
        let lanes = store.all_lanes().await?.into_iter().map(|lane| (lane.id, lane)).collect();
        let names = |word: &Word| matches!(word.is, Is::Route(_) | Is::Incoming(_) | Is::Operation(_) | Is::Client(_));
        let definitions = match filter.words.iter().any(names) {
            true => store.definitions().await?.1,
            false => Vec::new(),
        };
        Ok(Self { lanes, definitions })
    }

    #[cfg(test)]
    pub(super) fn for_tests(lanes: Lanes, definitions: Vec<StoredDefinition>) -> Self {
        Self { lanes, definitions }
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    fn of_kind(&self, kind: TaskKind) -> Vec<LaneId> {
        let mut lanes: Vec<LaneId> = self.lanes.values().filter(|lane| lane.kind == kind).map(|lane| lane.id).collect();
        lanes.sort_unstable();
        lanes
    }

    /// The lane of a name. One that is defined and has no tasks yet has none.
    fn named(&self, kind: TaskKind, name: &str, at: usize) -> Result<Vec<LaneId>, Problem> {
        if let Some(lane) = self.lanes.values().find(|lane| lane.kind == kind && lane.name == name) {
            return Ok(vec![lane.id]);
        }
        let (word, section) = if kind == TaskKind::Push { ("route", "routes") } else { ("incoming", "incoming") };
        let defined: Vec<&str> = self.section(section).map(|one| one.name.as_str()).collect();
        if defined.contains(&name) {
            return Ok(Vec::new());
        }
        let known = self.lanes.values().filter(|lane| lane.kind == kind).map(|lane| lane.name.as_str());
        let known: Vec<&str> = known.chain(defined).collect();
        let mut problem = wrong(at, format!("there is no {word} \"{}\"", name.escape_debug()));
        problem.hint = suggest::hint(name, known.iter().copied());
        Err(problem)
    }

    fn section(&self, kind: &'static str) -> impl Iterator<Item = &StoredDefinition> {
        self.definitions.iter().filter(move |one| one.kind == kind)
    }

    /// What each lane calls, by this option of its subscriber or publisher: the operation, or the HTTP client.
    fn calls(&self, option: &str) -> BTreeMap<LaneId, String> {
        let side = |kind: &'static str, side: &str| -> BTreeMap<String, String> {
            let of = |one: &StoredDefinition| {
                let body: Value = serde_json::from_str(&one.body).ok()?;
                Some((one.name.clone(), body[side][option].as_str()?.to_owned()))
            };
            self.section(kind).filter_map(of).collect()
        };
        let (pulls, pushes) = (side("incoming", "subscriber"), side("outgoing", "publisher"));
        let outgoing: BTreeMap<String, String> = self
            .section("routes")
            .filter_map(|one| {
                let body: Value = serde_json::from_str(&one.body).ok()?;
                Some((one.name.clone(), body["outgoing"].as_str()?.to_owned()))
            })
            .collect();
        let called = self.lanes.values().filter_map(|lane| {
            let called = match lane.kind {
                TaskKind::Pull => pulls.get(&lane.name),
                TaskKind::Push => outgoing.get(&lane.name).and_then(|outgoing| pushes.get(outgoing)),
            };
            Some((lane.id, called?.clone()))
        });
        called.collect()
    }

    /// Lanes that call something of which this is a part.
    fn calling(&self, option: &str, part: &str, at: usize) -> Result<Vec<LaneId>, Problem> {
        let calls = self.calls(option);
        let part_of = |called: &String| called.to_lowercase().contains(&part.to_lowercase());
        let found: Vec<LaneId> = calls.iter().filter(|(_, called)| part_of(called)).map(|(lane, _)| *lane).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let word = if option == "entity" { "operation" } else { "HTTP client" };
        let reason = format!("no route and no incoming with tasks calls an {word} \"{}\"", part.escape_debug());
        let mut problem = wrong(at, reason.replace("an HTTP", "with an HTTP"));
        problem.hint = suggest::hint(part, calls.values().map(String::as_str));
        Err(problem)
    }
}

/// Puts a search together.
///
/// # Errors
/// `filter_wrong` for names that are not in use, `filter_needs_time` where data is looked into without a span of time.
pub(crate) fn resolve(
    filter: &Filter,
    names: &Names,
    [since, until]: [Option<Millis>; 2],
    now: Millis,
) -> Result<Wanted, Problem> {
    let mut search = Search { since, until, ..Search::default() };
    let mut groups: Vec<(Group, Condition)> = Vec::new();
    let mut looks_into_data = None;
    for word in &filter.words {
        if matches!(word.is, Is::Data(..) | Is::Text(_)) {
            looks_into_data = looks_into_data.or(Some(word.at));
        }
        for condition in conditions(word, names, now)? {
            narrow(&mut search, word, &condition);
            let group = Group::of(word);
            let place = groups.iter_mut().find(|(known, _)| group.is_some() && Some(known) == group.as_ref());
            match place {
                Some((_, known)) => known.any.extend(condition.any),
                None => groups.push((group.unwrap_or_default(), condition)),
            }
        }
    }
    search.all = groups.into_iter().map(|(_, condition)| condition).collect();
    match looks_into_data {
        Some(at) if search.since.is_none() && search.until.is_none() => {
            Err(Problem::new("filter_needs_time", "text and data are looked for within a span of time")
                .at(format!("filter[{at}]"))
                .hint("add since and until, or created:>2026-11-01, or age:<1d"))
        }
        at => Ok(Wanted { search, looks_into_data: at.is_some() }),
    }
}

/// Words of which one holds: those of the same key, or path, that are not compared.
#[derive(Clone, Debug, Default, PartialEq)]
struct Group {
    key: &'static str,
    path: Vec<String>,
    is_not: bool,
}

impl Group {
    /// `None`: the word holds by itself.
    fn of(word: &Word) -> Option<Self> {
        let (key, path) = match &word.is {
            Is::Status(_) => ("status", Vec::new()),
            Is::Kind(_) => ("kind", Vec::new()),
            Is::Route(_) => ("route", Vec::new()),
            Is::Incoming(_) => ("incoming", Vec::new()),
            Is::Operation(_) => ("operation", Vec::new()),
            Is::Client(_) => ("client", Vec::new()),
            Is::Run(_) => ("run", Vec::new()),
            Is::Id(_) => ("id", Vec::new()),
            Is::Source(_) => ("source", Vec::new()),
            Is::Identifier(_) => ("identifier", Vec::new()),
            Is::Code(_) | Is::HttpStatus(_) => ("code", Vec::new()),
            Is::Model(_) => ("model", Vec::new()),
            Is::Data(path, _) => ("data", path.clone()),
            _ => return None,
        };
        Some(Self { key, path, is_not: word.is_not })
    }
}

/// What a word asks of a task. Most are one condition; a day, written without a sign, is two.
fn conditions(word: &Word, names: &Names, now: Millis) -> Result<Vec<Condition>, Problem> {
    let lanes = |lanes: Vec<LaneId>| lanes.into_iter().map(Test::Lane).collect::<Vec<_>>();
    let any = match &word.is {
        Is::Status(state) => vec![Test::State(*state)],
        Is::Kind(kind) => lanes(names.of_kind(*kind)),
        Is::Route(name) => lanes(names.named(TaskKind::Push, name, word.at)?),
        Is::Incoming(name) => lanes(names.named(TaskKind::Pull, name, word.at)?),
        Is::Operation(part) => lanes(names.calling("entity", part, word.at)?),
        Is::Client(part) => lanes(names.calling("http_client", part, word.at)?),
        Is::Run(run) => vec![Test::Run(model::RunId(*run))],
        Is::Id(id) => vec![Test::Id(TaskId(*id))],
        Is::Source(id) => vec![Test::Source(TaskId(*id))],
        Is::Identifier(value) => vec![Test::Identifier(value.clone())],
        Is::Code(code) => vec![Test::Code(code.clone())],
        Is::HttpStatus(status) => vec![Test::Status(*status)],
        Is::Model(model) => vec![Test::Model(model.clone())],
        Is::Cost(compare, cost) => vec![Test::Cost(*compare, i64::try_from(cost.0).unwrap_or(i64::MAX))],
        Is::Duration(compare, span) => vec![Test::Duration(*compare, *span)],
        Is::Attempts(compare, count) => vec![Test::Attempts(*compare, *count)],
        Is::Created(compare, times) => return Ok(timed(word, Test::Created, *compare, *times)),
        Is::Finished(compare, times) => return Ok(timed(word, Test::Finished, *compare, *times)),
        Is::Age(compare, span) => {
            // Older is longer ago.
            let compare = match compare {
                Compare::Less => Compare::More,
                Compare::AtMost => Compare::AtLeast,
                Compare::Equal => Compare::Equal,
                Compare::AtLeast => Compare::AtMost,
                Compare::More => Compare::Less,
            };
            vec![Test::Created(compare, now - span)]
        }
        Is::Data(path, text) => vec![Test::Data(path.clone(), text.clone())],
        Is::Text(text) => vec![Test::Text(text.clone())],
    };
    Ok(vec![Condition { is_not: word.is_not, any }])
}

/// A comparison with a day or a moment.
fn timed(word: &Word, test: fn(Compare, Millis) -> Test, compare: Compare, times: super::Times) -> Vec<Condition> {
    let (single, at) = times.compared(compare);
    let condition = |is_not, any| Condition { is_not, any };
    match (compare, word.is_not) {
        (Compare::Equal, false) => {
            vec![condition(false, vec![test(Compare::AtLeast, times.from)]), condition(false, vec![test(single, at)])]
        }
        (Compare::Equal, true) => {
            vec![condition(false, vec![test(Compare::Less, times.from), test(Compare::AtLeast, times.before)])]
        }
        (_, is_not) => vec![condition(is_not, vec![test(single, at)])],
    }
}

/// A condition on the time of acceptance leads to the tasks at once.
fn narrow(search: &mut Search, word: &Word, condition: &Condition) {
    if word.is_not {
        return;
    }
    let [Test::Created(compare, at)] = condition.any[..] else { return };
    let (since, until) = match compare {
        Compare::AtLeast => (Some(at), None),
        Compare::More => (Some(at.saturating_add(1)), None),
        Compare::Less => (None, Some(at)),
        Compare::AtMost => (None, Some(at.saturating_add(1))),
        Compare::Equal => (Some(at), Some(at.saturating_add(1))),
    };
    search.since = search.since.max(since);
    search.until = match (search.until, until) {
        (Some(known), Some(new)) => Some(known.min(new)),
        (known, new) => known.or(new),
    };
}

/// The states that tasks must be in so that a decision may fit; for searches of what is decided about.
pub(crate) fn fitting(decision: store::Decision) -> Condition {
    let fits = |state: &TaskState| decision.leads_to(*state).is_some();
    Condition { is_not: false, any: TaskState::ALL.into_iter().filter(fits).map(Test::State).collect() }
}
