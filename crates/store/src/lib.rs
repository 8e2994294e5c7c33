//! The durable side: definitions, tasks, attempts, cursors and blobs.
//!
//! The border is [`Store`]: hot operations are batches, everything else plain queries for people. One behaviour suite
//! (`tests/suite`) says what an adapter must do, and runs on each.

pub mod activities;
pub mod alerts;
pub mod blobs;
mod bodies;
pub mod border;
mod changes;
pub mod copy;
pub mod crash;
pub mod engines;
pub mod entries;
pub mod error;
pub mod kept_answers;
mod keys;
pub mod limits;
mod lost;
mod misfit;
pub mod models;
pub mod people;
pub mod postgres;
pub mod revisions;
pub mod runs;
pub mod seal;
pub mod search;
pub mod secrets;
pub mod settings;
pub mod sign_in;
pub mod sqlite;
pub mod standing;
pub mod types;
pub mod views;

pub use activities::{Activities, Activity, Holder, NewActivity, Phase, Slice, SliceEnd};
pub use alerts::{
    AlertChange, AlertMessage, AlertRow, AlertSend, Alerts, DayDrawn, KeyRefused, NewMessage, SendEnd, SendStory,
};
pub use border::Store;
pub use engines::{Attending, Engine};
pub use entries::{Ending, Entries, Entry, EntryFilter, EntryWrite};
pub use error::StoreError;
pub use kept_answers::{KeptAnswer, KeptAnswers, KeyedCall, Known};
pub use limits::{Caps, Draw, Drawn, Settle};
pub use model::EntryKey;
pub use models::{ModelCheck, ModelUse, Models, ModelsSeen, SeenModel};
pub use people::{AccessToken, AuditEntry, AuditFilter, Bearer, NewAccessToken, Person};
pub use postgres::PostgresStore;
pub use revisions::{Declared, Revise, Revised, Revision, RevisionFilter, Revisions};
pub use runs::Runs;
pub use search::{
    Body, BodyOf, BucketsBy, Compare, Condition, Count, Found, FoundTask, Histogram, Search, Searching, SuggestOf,
    Suggested, Test, UsageBucket,
};
pub use secrets::{NewSecret, Sealing, Secrets, StoredSecret};
pub use settings::Settings;
pub use sign_in::{Credentials, Factor, LinkUse, NewLink, NewSession, Session, SignIn, SignedIn, WaysIn};
pub use sqlite::{Access, SqliteStore};
pub use standing::{Standings, TaskStanding};
pub use types::*;
pub use views::{SavedView, Views};
