//! Storages as transformers see them: what stands in the store, and on top of it what was written and not yet committed.

use crate::Problem;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Which entry of which storage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryKey {
    /// Name of the storage's definition.
    pub storage: String,
    /// Key in it.
    pub key: String,
}

/// The longest key, in bytes.
pub const LONGEST_KEY: usize = 1_024;
/// The largest value, in bytes of its JSON text.
pub const LARGEST_VALUE: usize = 256 << 10;

/// What transformers read and write of storages.
///
/// Nothing is waited for: an entry that is not known yet is noted as wanted, and the transformers are run again, from
/// the start, when it is. So they see each other's writes in order, and run the same way every time.
#[derive(Clone, Debug, Default)]
pub struct Storages {
    /// JSON texts as they stand in the store, or were left by tasks before this one.
    known: HashMap<EntryKey, Option<Bytes>>,
    wanted: BTreeSet<EntryKey>,
    read: BTreeMap<EntryKey, Option<Bytes>>,
    written: BTreeMap<EntryKey, Option<Bytes>>,
    undo: Vec<(EntryKey, Option<Option<Bytes>>)>,
}

impl Storages {
    /// Over what is known of the store.
    #[must_use]
    pub fn over(known: HashMap<EntryKey, Option<Bytes>>) -> Self {
        Self { known, ..Self::default() }
    }

    /// The value of an entry; `None` where there is none.
    ///
    /// # Errors
    /// Where it is not known yet: then all that was made is to be thrown away, and made again when it is.
    pub fn get(&mut self, of: &EntryKey) -> Result<Option<Value>, Problem> {
        let text = match (self.written.get(of), self.known.get(of)) {
            (Some(written), _) => written.clone(),
            (None, Some(known)) => {
                self.read.entry(of.clone()).or_insert_with(|| known.clone());
                known.clone()
            }
            (None, None) => {
                self.wanted.insert(of.clone());
                return Err(Problem::new("storage_unread", "the storage was not read yet"));
            }
        };
        let Some(text) = text else { return Ok(None) };
        let broken = |error| Problem::new("entry_broken", format!("entry \"{}\" is no JSON: {error}", of.key));
        serde_json::from_slice(&text).map(Some).map_err(broken)
    }

    /// Writes an entry; `None` deletes it.
    ///
    /// # Errors
    /// `value_too_large`.
    pub fn set(&mut self, of: EntryKey, value: Option<&Value>) -> Result<(), Problem> {
        let text = value.map(|value| Bytes::from(value.to_string()));
        if let Some(size) = text.as_ref().map(Bytes::len).filter(|size| *size > LARGEST_VALUE) {
            let reason = format!("the value has {size} bytes, {LARGEST_VALUE} are allowed");
            return Err(Problem::new("value_too_large", reason).hint("remember what is needed of it: give \"value\""));
        }
        let before = self.written.insert(of.clone(), text);
        self.undo.push((of, before));
        Ok(())
    }

    /// A point to go back to.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.undo.len()
    }

    /// Takes back what was written since.
    pub fn back_to(&mut self, mark: usize) {
        for (of, before) in self.undo.drain(mark..).rev() {
            match before {
                Some(before) => self.written.insert(of, before),
                None => self.written.remove(&of),
            };
        }
    }

    /// What has to be read before the transformers can be run.
    #[must_use]
    pub fn wanted(&self) -> &BTreeSet<EntryKey> {
        &self.wanted
    }

    /// Ends a task: what it read and wrote. Those after it see what it wrote.
    pub fn take(&mut self) -> (BTreeMap<EntryKey, Option<Bytes>>, BTreeMap<EntryKey, Option<Bytes>>) {
        self.undo.clear();
        let (read, written) = (std::mem::take(&mut self.read), std::mem::take(&mut self.written));
        self.known.extend(written.iter().map(|(of, value)| (of.clone(), value.clone())));
        (read, written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(key: &str) -> EntryKey {
        EntryKey { storage: "s".to_owned(), key: key.to_owned() }
    }

    #[test]
    fn writes_are_seen_and_can_be_taken_back() {
        let known = HashMap::from([(key("a"), Some(Bytes::from_static(b"1"))), (key("b"), None)]);
        let mut storages = Storages::over(known);
        assert_eq!(storages.get(&key("a")).unwrap(), Some(json!(1)));
        let mark = storages.mark();
        storages.set(key("a"), Some(&json!(2))).unwrap();
        storages.set(key("a"), None).unwrap();
        storages.set(key("b"), Some(&json!([3]))).unwrap();
        assert_eq!(storages.get(&key("a")).unwrap(), None);
        assert_eq!(storages.get(&key("b")).unwrap(), Some(json!([3])));
        storages.back_to(mark);
        assert_eq!(storages.get(&key("a")).unwrap(), Some(json!(1)));
        assert_eq!(storages.get(&key("b")).unwrap(), None);
        storages.set(key("c"), Some(&json!(4))).unwrap();
        let (read, written) = storages.take();
        assert_eq!(read.into_keys().collect::<Vec<_>>(), [key("a"), key("b")]);
        assert_eq!(written.into_keys().collect::<Vec<_>>(), [key("c")], "written without being read");
        assert_eq!(storages.get(&key("c")).unwrap(), Some(json!(4)), "seen by those after it");
        assert!(storages.wanted().is_empty());
    }

    #[test]
    fn what_is_not_known_is_wanted() {
        let mut storages = Storages::default();
        assert_eq!(storages.get(&key("a")).unwrap_err().code, "storage_unread");
        assert_eq!(storages.wanted().iter().collect::<Vec<_>>(), [&key("a")]);
    }
}
