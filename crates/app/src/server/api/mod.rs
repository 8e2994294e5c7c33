//! The API, `/api/v1`: a file per resource, and one table of all routes in [`routes`].
//!
//! A handler takes what it needs from [`extract`], who asks as an `Actor`, and answers with a type that the document
//! ([`schema`]) describes. Whatever goes wrong is a `Refused`.

#![allow(unused_qualifications, reason = "what is written for `utoipa::path` names types in full")]

mod activities;
mod actor;
mod alerts;
mod answers;
mod audit;
mod bodies;
mod bulk;
mod bundle;
mod caller;
mod calls;
mod choices;
mod definitions;
mod document;
mod events;
mod extract;
mod factor;
mod filters;
mod health;
mod logs;
mod me;
mod models;
mod noted;
mod once;
mod operations;
mod people;
mod plans;
mod preconditions;
mod problem;
mod proxy;
mod revisions;
mod routes;
mod runs;
mod schedules;
pub(crate) mod schema;
mod secrets;
mod sessions;
mod settings;
mod sign_in;
mod storages;
mod task_events;
mod tasks;
mod tokens;
mod trace;
mod usage;
mod variables;
mod views;
mod webhooks;

pub(crate) use activities::Activity;
pub(crate) use audit::Deed;
pub(crate) use choices::Lists;
pub(crate) use people::{Person, rights};
pub(super) use problem::{Refused, refuse};
pub(crate) use proxy::Turns;
pub(crate) use routes::document;
pub(super) use routes::router;
pub(crate) use tokens::Token;
pub(crate) use trace::Trace;
