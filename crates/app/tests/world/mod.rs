//! A private world for a test: a folder, the binary, a simulator with a ledger.
#![allow(dead_code, unreachable_pub, reason = "a module of several test files, each of which uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and read its files")]

pub mod contract;
pub mod listener;
pub mod people;
pub mod server;
pub mod serving;

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_tramontane")
}

/// A folder of its own, with a data folder in it.
pub struct World {
    pub folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The binary in this world: its data folder, nothing of the environment but what is added.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("TRAMONTANE_DATA", self.path("data")).env("MISTRAL_API_KEY", "test-key");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// As `run`, with a service at this address.
    pub fn run_at(&self, url: &str, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).env("MISTRAL_BASE_URI", url).output().unwrap())
    }
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Its stdout as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// A simulator in a process of its own, so that it outlives the engine's.
pub struct Simulator {
    child: Child,
    pub url: String,
}

impl Simulator {
    pub fn start(world: &World, arguments: &[&str]) -> Self {
        let mut all = vec!["simulator"];
        all.extend(arguments);
        let mut child = world.command(&all).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let first: Value = serde_json::from_str(&line).unwrap();
        Self { child, url: first["url"].as_str().unwrap().to_owned() }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every line of a JSONL file; a torn or broken one fails the test.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "{} has a torn last line", path.display());
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}
