//! Where tasks are looked for: in a store, or at a server.

use super::filter::{lane_named, lanes};
use super::server::{Items, PAGE, Server};
use super::{Context, Failure};
use crate::filter::{self, Names};
use crate::settings;
use crate::story::{Lanes, TaskStory, TaskSummary};
use model::{Problem, TaskId, TaskKind, TaskState};
use serde_json::{Value, json};
use std::sync::Arc;
use store::{LaneId, Search, Store, TaskFilter};

/// A store with the names of its lanes, or a server.
#[derive(Clone)]
pub(super) enum Place {
    Store(Arc<dyn Store>, Arc<Lanes>),
    Server(Arc<Server>),
}

/// Which tasks are looked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Sought {
    pub(super) state: Option<TaskState>,
    pub(super) route: Option<String>,
    pub(super) incoming: Option<String>,
    pub(super) filter: Option<String>,
}

/// Their pages, newest first, and up to where they were read.
pub(super) struct Pages {
    place: Place,
    sought: Sought,
    /// What a store is asked: a search, or the lane.
    search: Option<Search>,
    lane: Option<LaneId>,
    before: Option<TaskId>,
    is_over: bool,
}

impl Place {
    /// For looking.
    pub(super) async fn to_read(context: &Context) -> Result<Self, Failure> {
        match context.server()? {
            Some(server) => Ok(Self::Server(Arc::new(server))),
            None => Self::of(context.read_store().await?).await,
        }
    }

    /// For deciding.
    pub(super) async fn to_write(context: &Context) -> Result<Self, Failure> {
        match context.server()? {
            Some(server) => Ok(Self::Server(Arc::new(server))),
            None => Self::of(context.engine_store().await?).await,
        }
    }

    async fn of(store: Arc<dyn Store>) -> Result<Self, Failure> {
        let lanes = lanes(store.as_ref()).await?;
        Ok(Self::Store(store, Arc::new(lanes)))
    }

    /// The whole story of a task, as JSON.
    pub(super) async fn story(&self, id: TaskId) -> Result<Option<Value>, Failure> {
        match self {
            Self::Store(store, lanes) => {
                let Some(story) = store.task(id).await? else { return Ok(None) };
                let mut shown = TaskStory::of(&story, lanes);
                if shown.has_cost() {
                    shown = shown.in_currency(store.currency(None).await?);
                }
                Ok(Some(json!(shown)))
            }
            Self::Server(server) => {
                let mut story: Option<Value> = server.find(&["tasks", &id.to_string()], "task_unknown").await?;
                if let Some(members) = story.as_mut().and_then(Value::as_object_mut)
                    && members.get("payloads_hidden") == Some(&Value::Bool(false))
                {
                    members.shift_remove("payloads_hidden");
                }
                Ok(story)
            }
        }
    }

    /// Begins to look for tasks.
    pub(super) async fn look_for(&self, sought: Sought) -> Result<Pages, Failure> {
        let (mut search, mut lane) = (None, None);
        if let Self::Store(store, lanes) = self {
            lane = match (&sought.route, &sought.incoming) {
                (Some(route), _) => Some(lane_named(lanes, TaskKind::Push, route)?),
                (_, Some(incoming)) => Some(lane_named(lanes, TaskKind::Pull, incoming)?),
                _ => None,
            };
            if let Some(text) = &sought.filter {
                search = Some(searched(store.as_ref(), text).await?);
            }
        }
        Ok(Pages { place: self.clone(), sought, search, lane, before: None, is_over: false })
    }
}

impl Pages {
    /// The next page, which may be empty; `None` at the end.
    pub(super) async fn next(&mut self, most: u64) -> Result<Option<Vec<TaskSummary>>, Failure> {
        if self.is_over {
            return Ok(None);
        }
        let limit = most.min(PAGE);
        let (page, next) = match &self.place {
            Place::Store(store, lanes) => self.read(store.as_ref(), lanes, limit).await?,
            Place::Server(server) => {
                let query = [
                    ("state", self.sought.state.map(|state| state.as_str().to_owned())),
                    ("route", self.sought.route.clone()),
                    ("incoming", self.sought.incoming.clone()),
                    ("filter", self.sought.filter.clone()),
                    ("limit", Some(limit.to_string())),
                    ("cursor", self.before.map(|before| before.to_string())),
                ];
                let Items { items, next } = server.get(&["tasks"], &query).await?;
                let next = next.map(|next| next.parse().map(TaskId).map_err(|_| server.strange(200)));
                (items, next.transpose()?)
            }
        };
        self.before = next;
        self.is_over = next.is_none();
        Ok(Some(page))
    }

    async fn read(
        &self,
        store: &dyn Store,
        lanes: &Lanes,
        limit: u64,
    ) -> Result<(Vec<TaskSummary>, Option<TaskId>), Failure> {
        let (before, limit) = (self.before, u32::try_from(limit).unwrap_or(u32::MAX));
        let summary = |row| TaskSummary::of(row, lanes);
        if let Some(search) = &self.search {
            let found = store.search(Search { before, limit, ..search.clone() }).await?;
            return Ok((found.tasks.iter().map(|task| summary(&task.row)).collect(), found.next));
        }
        let filter = TaskFilter { state: self.sought.state, lane: self.lane, run: None, before, limit };
        let page = store.tasks(filter).await?;
        Ok((page.iter().map(summary).collect(), page.last().map(|last| last.id)))
    }
}

/// The search that a filter means.
async fn searched(store: &dyn Store, text: &str) -> Result<Search, Failure> {
    let refused = |problem: Problem| Failure::refused(vec![problem]);
    let filter = filter::parse(text).map_err(refused)?;
    let names = Names::of(store, &filter).await?;
    let wanted = filter::resolve(&filter, &names, [None, None], settings::clock().now()).map_err(refused)?;
    Ok(wanted.search)
}
