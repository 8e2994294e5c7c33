//! Looks at the list of models of an HTTP client: once a day, and when somebody asks.

use crate::clock::Clock;
use crate::engine::Parts;
use crate::exchange::{Client, Exchanged, Files, Pass};
use crate::flow::Flows;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::driver::Kept;
use model::http::Preflight;
use model::{Connector, Evidence, HttpAnswer, Millis, ModelCard, Money, Operation, Problem, Registry, Request};
use std::io::Read;
use std::sync::Arc;
use store::{Draw, ModelsSeen, SeenModel, Store, StoreError};

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;
/// A new client is first looked at so long after it came: what it is for comes first.
const FIRST: Millis = HOUR;
/// Models that answered within this time are in use.
const USED: Millis = 30 * DAY;
/// The most models that are kept of one list.
const MOST: usize = 5_000;
/// The longest text that is kept of a card.
const LONGEST: usize = 200;

/// Looks at the models of those clients that are due, each by one engine.
pub(crate) async fn look_if_due(parts: &Parts, flows: &Flows) -> Result<(), StoreError> {
    let (store, now) = (&parts.store, parts.clock.now());
    let clients: Vec<&Arc<Client>> =
        flows.clients.values().filter(|client| connector(flows, client, &parts.registry).is_some()).collect();
    let known = store.model_checks().await?;
    if known.iter().any(|check| !clients.iter().any(|client| client.name() == check.client)) {
        store.keep_model_clients(clients.iter().map(|client| client.name().to_owned()).collect()).await?;
    }
    let mut has_looked = false;
    for client in clients {
        let check = known.iter().find(|check| check.client == client.name());
        let is_due = check.is_none_or(|check| check.due_at <= now);
        let Some(connector) = connector(flows, client, &parts.registry).filter(|_| is_due) else { continue };
        let name = client.name().to_owned();
        if !store.claim_model_check(name, now, now + FIRST, now + HOUR).await? {
            continue;
        }
        match check_with(store.as_ref(), parts.clock.as_ref(), client, connector.as_ref()).await? {
            Ok(_) => has_looked = true,
            Err(problem) => tracing::warn!(client = client.name(), %problem, "its models could not be looked at"),
        }
    }
    if has_looked { count(store.as_ref(), parts.clock.now()).await } else { Ok(()) }
}

/// Looks at the models of a client now, and keeps what there is; how many, or why not.
///
/// # Errors
/// What the store says.
pub async fn check(
    store: &dyn Store,
    clock: &dyn Clock,
    client: &Client,
    connector: &dyn Connector,
) -> Result<Result<usize, Problem>, StoreError> {
    let found = check_with(store, clock, client, connector).await?;
    count(store, clock.now()).await?;
    Ok(found)
}

async fn count(store: &dyn Store, now: Millis) -> Result<(), StoreError> {
    let uses = store.count_model_uses(now - USED).await?;
    store.write_model_uses(uses).await
}

async fn check_with(
    store: &dyn Store,
    clock: &dyn Clock,
    client: &Client,
    connector: &dyn Connector,
) -> Result<Result<usize, Problem>, StoreError> {
    let found = match connector.models() {
        Some(operation) => read(store, clock, client, connector, operation.as_ref()).await?,
        None => Err(Problem::new("models_unknown", "this system has no list of models")),
    };
    let at = clock.now();
    let due_at = at + if found.is_ok() { DAY } else { HOUR };
    let count = found.as_ref().map(Vec::len).map_err(Clone::clone);
    store.write_models(ModelsSeen { client: client.name().to_owned(), at, due_at, found }).await?;
    Ok(count)
}

/// The connector of a client, where it can list models with the key that the client has.
fn connector(flows: &Flows, client: &Client, registry: &Registry) -> Option<Arc<dyn Connector>> {
    let definition = flows.definitions.http_clients.get(client.name())?;
    let connector = registry.connectors.get(definition.prototype.as_str())?;
    let operation = connector.models()?;
    client.has_key(operation.credential()).then(|| connector.clone())
}

/// Reads the list, as one call within the client's limits.
async fn read(
    store: &dyn Store,
    clock: &dyn Clock,
    client: &Client,
    connector: &dyn Connector,
    operation: &dyn Operation,
) -> Result<Result<Vec<SeenModel>, Problem>, StoreError> {
    let (gate, now) = (client.gate(), clock.now());
    let busy = |reason: &str| Ok(Err(Problem::new("models_busy", reason).hint("it is looked at again in an hour")));
    let Some(_permit) = gate.permit_now() else { return busy("as many calls are under way as may be") };
    match gate.pass(now) {
        Pass::Go => {}
        Pass::Probe => {
            gate.give_up_probe();
            return busy("the service is left alone for now");
        }
        Pass::Wait(_) => return busy("the service is left alone for now"),
    }
    let caps = gate.caps(now);
    if caps.any() {
        let asked = Draw { client: client.name().to_owned(), now, calls: 1, tokens: 0, cost: Money::default(), caps };
        if store.draw(asked).await?.calls == 0 {
            return busy("the client's limits allow no call now");
        }
    }
    let prepared = match operation.prepare(&Request::default(), Preflight::Off) {
        Ok(prepared) => prepared,
        Err(mut problems) => {
            let problem = problems.pop();
            return Ok(Err(problem.unwrap_or_else(|| Problem::new("models_unknown", "it cannot be asked for models"))));
        }
    };
    let files: Arc<dyn Files> = Arc::new(Nothing);
    let exchanged = client.exchange(&prepared.http, operation.credential(), None, &files).await;
    let (evidence, found) = judge(exchanged, operation);
    gate.report(evidence, None, false, clock.now());
    let at = clock.now();
    let answer = match found {
        Ok(answer) => answer,
        Err(problem) => return Ok(Err(problem)),
    };
    let cards = connector.model_cards(&answer).into_iter().take(MOST);
    let seen: Vec<SeenModel> = cards.filter_map(|card| seen(client.name(), card, at)).collect();
    if seen.is_empty() {
        return Ok(Err(Problem::new("models_unreadable", "the service's list of models has none in it")));
    }
    Ok(Ok(seen))
}

fn judge(exchanged: Exchanged, operation: &dyn Operation) -> (Evidence, Result<serde_json::Value, Problem>) {
    match exchanged {
        Exchanged::Answer(answer) => {
            let reading = operation.read(&answer);
            let status = |answer: &HttpAnswer| format!("the service answered {}", answer.status);
            match (reading.evidence, reading.problem) {
                (Evidence::Answered, None) => (Evidence::Answered, Ok(reading.answer)),
                (evidence, Some(problem)) if problem.is_error() => (evidence, Err(problem)),
                (Evidence::Answered, _) => (Evidence::Answered, Ok(reading.answer)),
                (evidence, _) => (evidence, Err(Problem::new("models_refused", status(&answer)))),
            }
        }
        Exchanged::Lost { evidence, problem, .. } => (evidence, Err(problem)),
        Exchanged::Unkept { error, .. } => (Evidence::Unknown, Err(error.problem())),
    }
}

/// A card as it is kept. What is longer than any name is no name.
fn seen(client: &str, card: ModelCard, seen_at: Millis) -> Option<SeenModel> {
    let fits = |text: &String| !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
    Some(SeenModel {
        client: client.to_owned(),
        id: Some(card.id).filter(fits)?,
        aliases: card.aliases.into_iter().filter(fits).take(50).collect(),
        created_at: card.created_at,
        retires_at: card.retires.as_deref().and_then(time),
        replacement: card.replacement.filter(fits),
        capabilities: card.capabilities.into_iter().filter(fits).take(50).collect(),
        seen_at,
    })
}

/// A time, or the beginning of a day.
fn time(text: &str) -> Option<Millis> {
    let day = || Some(text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    text.parse().ok().or_else(day).map(jiff::Timestamp::as_millisecond)
}

/// A list of models names no files.
struct Nothing;

impl Files for Nothing {
    fn open(&self, _: &str) -> Result<std::fs::File, Problem> {
        Err(Problem::new("blob_missing", "there are no files here"))
    }

    fn keep(&self, _: &mut dyn Read) -> Result<Kept, StoreError> {
        Err(StoreError::ReadOnly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_they_come() {
        let cases = [
            ("2026-11-30T12:00:00Z", Some(1_796_040_000_000)),
            ("2026-11-30T13:00:00+01:00", Some(1_796_040_000_000)),
            ("2026-11-30T12:00:00.000000+00:00", Some(1_796_040_000_000)),
            ("2026-11-30", Some(1_795_996_800_000)),
            ("soon", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(time(text), expected, "{text}");
        }
    }
}
