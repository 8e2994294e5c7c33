//! Alerts and models as people see them, the same for the CLI and the API.

use crate::print::time;
use crate::server::schema::{self, Finding};
use engine::alert::{Body, State, Subject, title};
use model::{Millis, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{AlertMessage, AlertRow, ModelCheck, ModelUse, SendEnd, SendStory};
use utoipa::ToSchema;

/// How an alert stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alert {
    pub(crate) name: String,
    /// `quiet`, `firing`, `muted` or `off`.
    pub(crate) state: &'static str,
    /// What it watches for, as defined.
    #[schema(schema_with = schema::any)]
    when: Value,
    /// Since when that holds.
    #[schema(schema_with = schema::time_or_null)]
    pub(crate) since: Option<String>,
    /// What it holds for.
    subjects: Vec<About>,
    /// Until when nothing is sent.
    muted: Option<Muted>,
    /// What it said last, the latest first.
    pub(crate) messages: Vec<Message>,
}

/// Something that an alert is about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertSubject)]
pub(crate) struct About {
    /// `route ocr`.
    name: String,
    /// `7 tasks failed within 10m`.
    says: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertMuted)]
pub(crate) struct Muted {
    #[schema(schema_with = schema::time)]
    until: String,
    by: String,
}

/// What an alert said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertMessage)]
pub(crate) struct Message {
    id: i64,
    /// `firing`, `more`, `still`, `resolved` or `test`.
    what: String,
    #[schema(schema_with = schema::time)]
    pub(crate) at: String,
    /// In one line.
    pub(crate) title: String,
    subjects: Vec<About>,
    pub(crate) sends: Vec<Sent>,
}

/// How it went with one target.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertSend)]
pub(crate) struct Sent {
    /// Where to, without what is secret.
    pub(crate) to: String,
    /// `due`, `sending`, `sent`, `failed`, or `unknown`: it may have arrived.
    pub(crate) state: String,
    attempts: u32,
    /// Of one that is due: not before.
    #[schema(schema_with = schema::time_or_null)]
    due_at: Option<String>,
    #[schema(schema_with = schema::time_or_null)]
    ended_at: Option<String>,
    /// Why it was not sent, or not yet.
    #[schema(value_type = Option<Finding>)]
    pub(crate) problem: Option<Problem>,
}

/// How an alert stands; a state that cannot be read is none.
fn state(row: Option<&AlertRow>) -> State {
    row.and_then(|row| serde_json::from_str(&row.state).ok()).unwrap_or_default()
}

fn about(subjects: Vec<Subject>) -> Vec<About> {
    subjects.into_iter().map(|Subject { name, says }| About { name, says }).collect()
}

impl Alert {
    pub(crate) fn new(
        name: &str,
        alert: &model::definition::Alert,
        row: Option<&AlertRow>,
        messages: &[AlertMessage],
        now: Millis,
    ) -> Self {
        let State { since, subjects, .. } = if alert.enabled { state(row) } else { State::default() };
        let muted = row.and_then(|row| row.muted.clone()).filter(|(until, _)| *until > now);
        Self {
            name: name.to_owned(),
            state: match (alert.enabled, &muted, since) {
                (false, ..) => "off",
                (_, Some(_), _) => "muted",
                (_, _, Some(_)) => "firing",
                (_, _, None) => "quiet",
            },
            when: serde_json::to_value(&alert.when).unwrap_or_default(),
            since: since.map(time),
            subjects: about(subjects),
            muted: muted.map(|(until, by)| Muted { until: time(until), by }),
            messages: messages.iter().map(Message::from).collect(),
        }
    }
}

impl From<&AlertMessage> for Message {
    fn from(message: &AlertMessage) -> Self {
        let body: Option<Body> = serde_json::from_str(&message.body).ok();
        Self {
            id: message.id,
            what: message.what.clone(),
            at: time(message.at),
            title: body.as_ref().map(title).unwrap_or_default(),
            subjects: body.map(|body| about(body.subjects)).unwrap_or_default(),
            sends: message.sends.iter().map(Sent::from).collect(),
        }
    }
}

impl From<&SendStory> for Sent {
    fn from(send: &SendStory) -> Self {
        Self {
            to: send.shown.clone(),
            state: send.state.clone(),
            attempts: send.attempts,
            due_at: send.due_at.filter(|_| send.state == "due").map(time),
            ended_at: send.ended_at.map(time),
            problem: send.problem.clone(),
        }
    }
}

/// How a try went with one target.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = AlertTried)]
pub(crate) struct Tried {
    /// Where to, without what is secret.
    pub(crate) to: String,
    /// `sent`, `failed`, or `unknown`: it may have arrived.
    pub(crate) state: String,
    /// Why it was not sent.
    #[schema(value_type = Option<Finding>)]
    pub(crate) problem: Option<Problem>,
}

impl From<engine::alert::Tried> for Tried {
    fn from(tried: engine::alert::Tried) -> Self {
        let (state, problem) = match tried.end {
            SendEnd::Sent => ("sent", None),
            SendEnd::Again(_, problem) | SendEnd::Failed(problem) => ("failed", Some(problem)),
            SendEnd::Unknown(problem) => ("unknown", Some(problem)),
        };
        Self { to: tried.shown, state: state.to_owned(), problem }
    }
}

/// What is known of models.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Models {
    /// Models in use; all, where that was asked for.
    pub(crate) items: Vec<Model>,
    /// How the looks at the lists of models went.
    pub(crate) clients: Vec<Look>,
    /// Models that answered of late and are in no list.
    pub(crate) unlisted: Vec<Unlisted>,
    /// Outgoings that name no model that is known: the data chooses it, or an agent.
    pub(crate) not_visible: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Model {
    /// The HTTP client that sees it.
    pub(crate) client: String,
    pub(crate) id: String,
    pub(crate) aliases: Vec<String>,
    /// Whether a definition names it, or it answered within thirty days before the last look.
    pub(crate) used: bool,
    /// Where definitions name it.
    pub(crate) places: Vec<String>,
    /// Routes and incomings that use it.
    pub(crate) routes: Vec<String>,
    /// Calls that it answered in those thirty days.
    pub(crate) calls: u64,
    /// When it goes.
    #[schema(schema_with = schema::time_or_null)]
    pub(crate) retires_at: Option<String>,
    /// The model that the service names for it.
    pub(crate) replacement: Option<String>,
    #[schema(schema_with = schema::time_or_null)]
    pub(crate) created_at: Option<String>,
    /// What it can do, in the service's words.
    pub(crate) capabilities: Vec<String>,
    #[schema(schema_with = schema::time)]
    pub(crate) seen_at: String,
}

/// How the look at the models of an HTTP client went.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ModelLook)]
pub(crate) struct Look {
    pub(crate) client: String,
    #[schema(schema_with = schema::time_or_null)]
    pub(crate) checked_at: Option<String>,
    #[schema(schema_with = schema::time)]
    pub(crate) due_at: String,
    /// Why it failed.
    #[schema(value_type = Option<Finding>)]
    pub(crate) problem: Option<Problem>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = UnlistedModel)]
pub(crate) struct Unlisted {
    pub(crate) id: String,
    /// The route or incoming that asked; empty where its task is gone.
    pub(crate) route: String,
    pub(crate) calls: u64,
}

impl Models {
    pub(crate) fn new(known: engine::models::Known, not_visible: Vec<String>, all: bool) -> Self {
        let shown = known.models.into_iter().filter(|model| all || model.is_used());
        let unlisted = known.unlisted.into_iter();
        Self {
            items: shown.map(Model::from).collect(),
            clients: known.checks.into_iter().map(Look::from).collect(),
            unlisted: unlisted.map(|ModelUse { model, route, calls }| Unlisted { id: model, route, calls }).collect(),
            not_visible,
        }
    }
}

impl From<engine::models::Model> for Model {
    fn from(model: engine::models::Model) -> Self {
        let used = model.is_used();
        let engine::models::Model { seen, places, routes, calls } = model;
        Self {
            client: seen.client,
            id: seen.id,
            aliases: seen.aliases,
            used,
            places,
            routes,
            calls,
            retires_at: seen.retires_at.map(time),
            replacement: seen.replacement,
            created_at: seen.created_at.map(time),
            capabilities: seen.capabilities,
            seen_at: time(seen.seen_at),
        }
    }
}

impl From<ModelCheck> for Look {
    fn from(check: ModelCheck) -> Self {
        Self {
            client: check.client,
            checked_at: check.checked_at.map(time),
            due_at: time(check.due_at),
            problem: check.problem,
        }
    }
}
