//! Engines that work on one store, and what they know of each other.

use model::Millis;

/// What an engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attending {
    /// What tells it from all others.
    pub name: String,
    /// The largest number of an engine that it has heard of and made room for; 0: none.
    pub heard: i64,
    /// It is taken for gone then, unless it says so again. Not after the present time: it leaves.
    pub until: Millis,
}

/// An engine that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Given in the order in which they came; one that was taken for gone and comes back has a new one.
    pub number: i64,
    /// What tells it from all others.
    pub name: String,
    /// The largest number of an engine that it has heard of and made room for.
    pub heard: i64,
}
