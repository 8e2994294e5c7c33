//! Objects of all collections: kept in memory, bounded, found by id, listed in the order of their making.

use crate::fingerprint;
use crate::refusal::Refusal;
use crate::state::collections::{COLLECTIONS, Id};
use crate::state::lock;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// Its number, which no other object ever had; lists go by it.
    pub(crate) number: u64,
    /// When it was made or last set to work, in milliseconds of the simulator's clock.
    pub(crate) at: u64,
    /// Its id as text.
    pub(crate) id: String,
    /// What clients said of it and were told.
    pub(crate) fields: Map<String, Value>,
}

/// All objects.
#[derive(Debug)]
pub(crate) struct Objects {
    kept: Mutex<Kept>,
    most: usize,
    examples: usize,
}

#[derive(Debug, Default)]
struct Kept {
    /// By collection and the ids of all its parents.
    lists: BTreeMap<(usize, String), BTreeMap<u64, Object>>,
    /// Where an object is: by collection and the ids that its own path shows.
    index: HashMap<(usize, String), (String, u64)>,
    made: u64,
    count: usize,
}

/// Ids on the way to an object, as one key.
fn joined(ids: &[String]) -> String {
    ids.join("\n")
}

impl Objects {
    /// Keeps at most `most` objects; what is more is refused.
    pub(crate) fn new(most: usize, examples: usize) -> Self {
        Self { kept: Mutex::default(), most, examples }
    }

    /// How many items lists show that nothing can be added to.
    pub(crate) fn examples(&self) -> usize {
        self.examples
    }

    /// Makes an object below its parents, or replaces the one of the same name. `wanted` is the name that the client
    /// gives. `fill` says what the object is, once its id and number are known.
    ///
    /// # Errors
    /// There are too many objects, or one of that name which is not to be replaced.
    pub(crate) fn create(
        &self,
        collection: usize,
        parents: &[String],
        wanted: Option<String>,
        fill: impl FnOnce(&Value, u64) -> Object,
    ) -> Result<Object, Refusal> {
        let mut kept = lock(&self.kept);
        if kept.count >= self.most {
            return Err(Refusal::Forbidden(format!("the simulator is full: it keeps at most {} objects", self.most)));
        }
        let number = kept.made;
        let list = kept.lists.get(&(collection, joined(parents)));
        let id: Value = match (COLLECTIONS[collection].form, wanted) {
            (Id::Given | Id::Own, Some(wanted)) => wanted.into(),
            (Id::Uuid(prefix), _) => format!("{prefix}{}", made_id(collection, number, prefix)).into(),
            (Id::Given | Id::Own, None) => fingerprint::uuid(OBJECTS ^ number).into(),
            (Id::Number(first), _) => (first + list.map_or(0, |list| list.len() as u64)).into(),
        };
        let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let key = key(collection, parents, &text);
        if COLLECTIONS[collection].form == Id::Own && kept.index.contains_key(&(collection, key.clone())) {
            return Err(Refusal::Taken { what: COLLECTIONS[collection].what, id: text });
        }
        let object = fill(&id, number);
        let place = match kept.index.get(&(collection, key.clone())) {
            Some((_, before)) => *before,
            None => number,
        };
        let object = Object { number: place, id: text, ..object };
        let scope = joined(parents);
        let before = kept.lists.entry((collection, scope.clone())).or_default().insert(place, object.clone());
        if before.is_none() {
            kept.made += 1;
            kept.count += 1;
            kept.index.insert((collection, key), (scope, place));
        }
        Ok(object)
    }

    /// The object that the ids lead to; `ids` are all slots of its own path.
    pub(crate) fn with<T>(
        &self,
        collection: usize,
        ids: &[String],
        change: impl FnOnce(&mut Object) -> T,
    ) -> Result<T, Refusal> {
        let mut kept = lock(&self.kept);
        let found = kept.find(collection, ids);
        let object = found.and_then(|(scope, number)| kept.lists.get_mut(&(collection, scope))?.get_mut(&number));
        object.map(change).ok_or_else(|| missing(collection, ids))
    }

    /// Deletes an object with everything below it.
    pub(crate) fn delete(&self, collection: usize, ids: &[String]) -> Result<Object, Refusal> {
        let mut kept = lock(&self.kept);
        let found = kept.find(collection, ids);
        let object = found.and_then(|(scope, number)| kept.lists.get_mut(&(collection, scope))?.remove(&number));
        let Some(object) = object else { return Err(missing(collection, ids)) };
        let (parents, _) = ids.split_at(ids.len().saturating_sub(1));
        kept.index.remove(&(collection, key(collection, parents, &object.id)));
        kept.count -= 1;
        let item = COLLECTIONS[collection].item;
        let below = |number: usize| number != collection && creates_below(number, item);
        let path = joined(&[parents, std::slice::from_ref(&object.id)].concat());
        let inner = format!("{path}\n");
        let gone: Vec<(usize, String)> = kept
            .lists
            .keys()
            .filter(|(number, scope)| below(*number) && (*scope == path || scope.starts_with(&inner)))
            .cloned()
            .collect();
        for scope in gone {
            let list = kept.lists.remove(&scope).unwrap_or_default();
            kept.count -= list.len();
            kept.index.retain(|(number, _), (place, _)| (*number, place.as_str()) != (scope.0, scope.1.as_str()));
        }
        Ok(object)
    }

    /// Objects of a list, oldest first.
    pub(crate) fn list(&self, collection: usize, parents: &[String]) -> Vec<Object> {
        let kept = lock(&self.kept);
        kept.lists.get(&(collection, joined(parents))).map(|list| list.values().cloned().collect()).unwrap_or_default()
    }
}

impl Kept {
    fn find(&self, collection: usize, ids: &[String]) -> Option<(String, u64)> {
        let (parents, id) = ids.split_at(ids.len().checked_sub(1)?);
        if let Some(found) = self.index.get(&(collection, key(collection, parents, &id[0]))) {
            return Some(found.clone());
        }
        let also = COLLECTIONS[collection].also;
        let scope = joined(parents);
        let list = self.lists.get(&(collection, scope.clone())).filter(|_| !also.is_empty())?;
        list.values()
            .find(|object| object.fields.get(also) == Some(&Value::from(id[0].as_str())))
            .map(|object| (scope, object.number))
    }
}

/// Whether objects of a collection are made below an item's path.
fn creates_below(collection: usize, item: &str) -> bool {
    let one = &COLLECTIONS[collection];
    let paths = one.create.iter().map(|(_, path)| *path).chain(one.lists.iter().copied());
    paths.into_iter().any(|path| path.strip_prefix(item).is_some_and(|rest| rest.starts_with('/')))
}

/// The key of the index: as many parents as the object's own path shows.
fn key(collection: usize, parents: &[String], id: &str) -> String {
    let item = COLLECTIONS[collection].item;
    let shown = item.matches("{}").count() - usize::from(item.ends_with("{}"));
    let mut ids = parents[..shown.min(parents.len())].to_vec();
    ids.push(id.to_owned());
    joined(&ids)
}

fn made_id(collection: usize, number: u64, prefix: &str) -> String {
    let id = fingerprint::uuid(OBJECTS ^ ((collection as u64) << 40) ^ number);
    if prefix.is_empty() { id } else { id.replace('-', "") }
}

/// Keeps ids of objects apart from others that are made of small numbers.
const OBJECTS: u64 = 0x0b1e_0000_0000_0000;

fn missing(collection: usize, ids: &[String]) -> Refusal {
    let id = ids.last().cloned().unwrap_or_default();
    Refusal::Missing { what: COLLECTIONS[collection].what, id }
}
