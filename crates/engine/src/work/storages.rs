//! Transformers that read and write storages: run until all that they ask for is known.

use super::dispatch::Shared;
use model::{EntryKey, Millis, Storages, TransformContext};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use store::{Entry, StoreError};

/// Does `work` off the async threads, at this time, again and again until every entry that it reads is there. What the
/// last time made is what counts: the work must be the same each time.
///
/// # Errors
/// What the store says.
pub(super) async fn with_storages<T: Send + 'static>(
    shared: &Shared,
    now: Millis,
    work: impl Fn(&mut TransformContext) -> T + Send + Sync + 'static,
) -> Result<T, StoreError> {
    let fetch = |keys: Vec<EntryKey>| shared.insist_to_the_end(keys, |keys| shared.parts.store.entries(keys, now));
    known(now, work, fetch).await
}

/// As [`with_storages`], with the store asked by `fetch`.
///
/// # Errors
/// What `fetch` says.
pub(crate) async fn known<T: Send + 'static, F: Future<Output = Result<Vec<Option<Entry>>, StoreError>>>(
    now: Millis,
    work: impl Fn(&mut TransformContext) -> T + Send + Sync + 'static,
    fetch: impl Fn(Vec<EntryKey>) -> F,
) -> Result<T, StoreError> {
    let work = Arc::new(work);
    let mut known = HashMap::new();
    loop {
        let (work, storages) = (work.clone(), Storages::over(known.clone()));
        let run = tokio::task::spawn_blocking(move || {
            let mut context = TransformContext { now, storages };
            (work(&mut context), context.storages)
        });
        // Transformers catch their own panics; another one is ours, and ends the work.
        let (made, storages) = run.await.map_err(|_| StoreError::Closed)?;
        if storages.wanted().is_empty() {
            return Ok(made);
        }
        let keys: Vec<EntryKey> = storages.wanted().iter().cloned().collect();
        let found = fetch(keys.clone()).await?;
        known.extend(keys.into_iter().zip(found.into_iter().map(|entry| entry.map(|entry| entry.value))));
    }
}
