//! What is asked of many tasks, and activities, beside an engine: reading from the files, turning through its socket.

use super::HeldStore;
use crate::server::control::Ask;
use async_trait::async_trait;
use model::{Millis, RunId, TaskId};
use store::blobs::BlobId;
use store::{
    Activities, Activity, AuditEntry, Body, BodyOf, BucketsBy, Count, Found, Histogram, Holder, KeptAnswer,
    KeptAnswers, KeyedCall, Known, NewActivity, Phase, Run, SavedView, Search, Searching, Slice, StoreError, SuggestOf,
    Suggested, UsageBucket, Views,
};

#[async_trait]
impl Searching for HeldStore {
    async fn search(&self, search: Search) -> Result<Found, StoreError> {
        self.reading.search(search).await
    }

    async fn count(&self, search: Search) -> Result<Count, StoreError> {
        self.reading.count(search).await
    }

    async fn histogram(&self, search: Search, width: Millis) -> Result<Histogram, StoreError> {
        self.reading.histogram(search, width).await
    }

    async fn next_number(&self) -> Result<TaskId, StoreError> {
        self.reading.next_number().await
    }

    async fn body(&self, task: TaskId, of: BodyOf) -> Result<Option<Body>, StoreError> {
        self.reading.body(task, of).await
    }

    async fn names_blob(&self, task: TaskId, blob: BlobId) -> Result<bool, StoreError> {
        self.reading.names_blob(task, blob).await
    }

    async fn suggest(&self, of: SuggestOf, text: String) -> Result<Vec<Suggested>, StoreError> {
        self.reading.suggest(of, text).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.reading.run(id).await
    }

    async fn usage_buckets(
        &self,
        by: BucketsBy,
        since: i64,
        until: i64,
        hours: i64,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        self.reading.usage_buckets(by, since, until, hours).await
    }
}

#[async_trait]
impl Activities for HeldStore {
    async fn add_activity(&self, new: NewActivity, audit: AuditEntry) -> Result<i64, StoreError> {
        self.reading.add_activity(new, audit).await
    }

    async fn activities(&self, before: Option<i64>, limit: u32) -> Result<Vec<Activity>, StoreError> {
        self.reading.activities(before, limit).await
    }

    async fn activity(&self, id: i64) -> Result<Option<Activity>, StoreError> {
        self.reading.activity(id).await
    }

    async fn turn_activity(&self, id: i64, to: Phase, audit: AuditEntry) -> Result<Option<bool>, StoreError> {
        self.ask(Ask::TurnActivity { id, to, audit }).await
    }

    async fn hold_activity(&self, holder: Holder, all: bool) -> Result<Option<Activity>, StoreError> {
        self.reading.hold_activity(holder, all).await
    }

    async fn advance_activity(&self, slice: Slice) -> Result<bool, StoreError> {
        self.reading.advance_activity(slice).await
    }
}

#[async_trait]
impl Views for HeldStore {
    async fn views(&self, owner: String) -> Result<Vec<SavedView>, StoreError> {
        self.reading.views(owner).await
    }

    async fn write_view(&self, view: SavedView, audit: AuditEntry) -> Result<bool, StoreError> {
        self.reading.write_view(view, audit).await
    }

    async fn delete_view(&self, owner: String, name: String, audit: AuditEntry) -> Result<bool, StoreError> {
        self.reading.delete_view(owner, name, audit).await
    }
}

#[async_trait]
impl KeptAnswers for HeldStore {
    async fn take_key(&self, call: KeyedCall) -> Result<Known, StoreError> {
        self.reading.take_key(call).await
    }

    async fn keep_answer(&self, key: [u8; 32], answer: KeptAnswer) -> Result<(), StoreError> {
        self.reading.keep_answer(key, answer).await
    }

    async fn free_key(&self, key: [u8; 32]) -> Result<(), StoreError> {
        self.reading.free_key(key).await
    }
}
