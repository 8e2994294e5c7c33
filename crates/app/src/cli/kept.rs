//! What transformers remembered: in a store, or at a server.

use super::server::{Items, Server};
use super::{Context, Failure};
use crate::settings;
use crate::storages::{Storage, known};
use crate::story;
use bytes::Bytes;
use model::EntryKey;
use model::definition::Span;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{EntryFilter, EntryWrite, Store};

pub(super) enum Kept {
    Store(Arc<dyn Store>),
    Server(Box<Server>),
}

impl Kept {
    /// For looking.
    pub(super) async fn to_read(context: &Context) -> Result<Self, Failure> {
        match context.server()? {
            Some(server) => Ok(Self::Server(Box::new(server))),
            None => Ok(Self::Store(context.read_store().await?)),
        }
    }

    /// For changing.
    pub(super) async fn to_write(context: &Context) -> Result<Self, Failure> {
        match context.server()? {
            Some(server) => Ok(Self::Server(Box::new(server))),
            None => Ok(Self::Store(context.engine_store().await?)),
        }
    }

    /// Every storage.
    pub(super) async fn storages(&self) -> Result<Vec<Storage>, Failure> {
        match self {
            Self::Store(store) => Ok(known(store.as_ref(), settings::clock().now()).await?),
            Self::Server(server) => Ok(server.get::<Items<Storage>>(&["storages"], &[]).await?.items),
        }
    }

    /// Entries of a storage, by key.
    pub(super) async fn entries(&self, filter: EntryFilter) -> Result<Vec<Value>, Failure> {
        match self {
            Self::Store(store) => {
                let found = store.find_entries(filter, settings::clock().now()).await?;
                Ok(found.iter().map(|entry| json!(story::Entry::from(entry))).collect())
            }
            Self::Server(server) => {
                let EntryFilter { storage, text, after, limit } = filter;
                let query = [("search", text), ("cursor", after), ("limit", Some(limit.to_string()))];
                Ok(server.get::<Items<Value>>(&["storages", &storage], &query).await?.items)
            }
        }
    }

    /// One entry.
    pub(super) async fn entry(&self, of: &EntryKey) -> Result<Option<Value>, Failure> {
        match self {
            Self::Store(store) => {
                let found = store.entries(vec![of.clone()], settings::clock().now()).await?.pop().flatten();
                Ok(found.map(|entry| json!(story::Entry::from(&entry))))
            }
            Self::Server(server) => server.find(&["storages", &of.storage, &of.key], "entry_unknown").await,
        }
    }

    /// Writes an entry, for so long.
    pub(super) async fn write(&self, of: EntryKey, value: &Value, ttl: Option<Span>) -> Result<(), Failure> {
        match self {
            Self::Store(store) => {
                let now = settings::clock().now();
                let expires_at = ttl.map(|ttl| now + ttl.0);
                let written = EntryWrite { of, value: Some(Bytes::from(value.to_string())), expires_at };
                Ok(store.write_entries(vec![written], now).await?)
            }
            Self::Server(server) => {
                let path = ["storages", &of.storage, &of.key];
                server.send::<Value>("PUT", &path, Some(&json!({ "value": value }))).await.map(drop)
            }
        }
    }

    /// Deletes entries.
    pub(super) async fn delete(&self, all: Vec<EntryKey>) -> Result<(), Failure> {
        match self {
            Self::Store(store) => {
                let gone = all.into_iter().map(|of| EntryWrite { of, value: None, expires_at: None });
                Ok(store.write_entries(gone.collect(), settings::clock().now()).await?)
            }
            Self::Server(server) => {
                for of in all {
                    server.delete(&["storages", &of.storage, &of.key], &[]).await?;
                }
                Ok(())
            }
        }
    }
}
