//! The suite on PostgreSQL.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod cluster;
mod suite;

use cluster::Cluster;
use std::fs;
use std::sync::{Mutex, PoisonError};
use store::PostgresStore;
use suite::Fixture;
use tempfile::TempDir;

/// Clusters that wait for the next test of this process.
static IDLE: Mutex<Vec<Cluster>> = Mutex::new(Vec::new());

struct Database {
    store: Option<PostgresStore>,
    /// `None` only while dropping.
    cluster: Option<Cluster>,
    url: String,
    blobs: TempDir,
}

impl Database {
    async fn connect(mut cluster: Cluster) -> Self {
        let blobs = tempfile::tempdir().unwrap();
        let url = cluster.empty();
        let store = PostgresStore::connect(&url, blobs.path()).await.unwrap();
        Self { store: Some(store), cluster: Some(cluster), url, blobs }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.store = None;
        if let Some(cluster) = self.cluster.take().filter(|_| !std::thread::panicking()) {
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(cluster);
        }
    }
}

impl Fixture for Database {
    type Store = PostgresStore;
    const HISTORIES: u32 = 12;

    fn available() -> bool {
        cluster::available()
    }

    async fn fresh() -> Self {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut cluster = idle.unwrap_or_else(Cluster::start);
        cluster.clear();
        Self::connect(cluster).await
    }

    fn store(&self) -> &PostgresStore {
        self.store.as_ref().unwrap()
    }

    /// Server and client both end on the spot.
    async fn kill(mut self) -> Self {
        self.store = None;
        let cluster = self.cluster.as_mut().unwrap();
        cluster.crash();
        cluster.restart();
        self.store = Some(PostgresStore::connect(&self.url, self.blobs.path()).await.unwrap());
        self
    }

    fn lose_blobs(&self) {
        fs::remove_dir_all(self.blobs.path()).unwrap();
    }

    fn run(&self, sql: &str) -> Result<(), String> {
        let schema = self.url.rsplit("%3D").next().unwrap();
        self.cluster.as_ref().unwrap().try_sql(&format!("SET search_path TO {schema}; {sql}")).map(|_| ())
    }
}

on!(Database);
