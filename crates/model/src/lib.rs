//! The nouns of Tramontane and the traits of its parts.
//!
//! Nothing here touches a database, a network or a clock: what a part needs of the world is handed to it. The words
//! are those of `docs/concepts.md` and mean the same in YAML, tables, API and CLI.

pub mod catalogue_facts;
pub mod component;
pub mod definition;
pub mod driver;
pub mod form;
pub mod http;
pub mod ids;
pub mod media_type;
pub mod money;
pub mod outcome;
pub mod problem;
pub mod registry;
pub mod request;
mod role;
pub mod schema;
mod scope;
pub mod storages;
pub mod suggest;
pub mod task;
pub mod transform;

pub use catalogue_facts::{Credential, Effect};
pub use component::{Component, Side};
pub use http::{Connector, HttpAnswer, HttpRequest, ModelCard, Operation, Prepared, Reading};
pub use ids::{Millis, RunId, TaskId};
pub use money::Money;
pub use outcome::{Evidence, Usage};
pub use problem::{Problem, Severity};
pub use registry::Registry;
pub use request::Request;
pub use role::Role;
pub use scope::Scope;
pub use storages::{EntryKey, Storages};
pub use task::{TaskKind, TaskState};
pub use transform::{StorageUse, Transform, TransformContext, Transformer};
