//! Which of our crates may see which, and which libraries each of them must never see.
//!
//! A crate of ours exists only because something is forbidden to it. Here the forbidden is checked.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One of our crates and what holds for it.
struct Rule {
    name: &'static str,
    /// Our crates that it may see, in any kind of dependency.
    sees: &'static [&'static str],
    /// Libraries that may not be in it at run time, by whatever way they come.
    never: &'static [&'static str],
    /// Libraries that it may not name itself at run time; a crate that it sees may have them.
    not_itself: &'static [&'static str],
}

/// Sockets of the client side, and databases.
const OUTSIDE: &[&str] = &["reqwest", "rusqlite", "sqlx"];

/// What a crate without any I/O must not have.
const ANY_IO: &[&str] = &["reqwest", "rusqlite", "sqlx", "tokio", "mio", "socket2", "hyper", "axum"];

const RULES: [Rule; 8] = [
    Rule { name: "model", sees: &[], never: ANY_IO, not_itself: &["jiff"] },
    Rule { name: "store", sees: &["model"], never: &["reqwest", "hyper", "axum"], not_itself: &[] },
    Rule { name: "connectors", sees: &["model"], never: ANY_IO, not_itself: &["jiff"] },
    Rule { name: "systems", sees: &["model"], never: OUTSIDE, not_itself: &[] },
    Rule { name: "engine", sees: &["model", "store"], never: &["clap", "axum"], not_itself: &["rusqlite", "sqlx"] },
    Rule { name: "simulator", sees: &["model", "connectors"], never: OUTSIDE, not_itself: &[] },
    Rule {
        name: "app",
        sees: &["model", "store", "connectors", "systems", "engine", "simulator"],
        never: &[],
        not_itself: OUTSIDE,
    },
    Rule { name: "xtask", sees: &["model", "connectors"], never: ANY_IO, not_itself: &[] },
];

/// What `cargo metadata` says.
struct Graph {
    /// Names by package id.
    names: BTreeMap<String, String>,
    /// What a package depends on: package id, and whether at run time.
    edges: BTreeMap<String, Vec<(String, bool)>>,
    /// Ids of our packages.
    ours: Vec<String>,
}

impl Graph {
    fn read(metadata: &Value) -> Self {
        let list = |value: &Value| value.as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let edge = |edge: &Value| {
            let at_run_time = list(&edge["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            (text(&edge["pkg"]), at_run_time)
        };
        Self {
            names: list(&metadata["packages"]).iter().map(|one| (text(&one["id"]), text(&one["name"]))).collect(),
            edges: list(&metadata["resolve"]["nodes"])
                .iter()
                .map(|node| (text(&node["id"]), list(&node["deps"]).iter().map(edge).collect()))
                .collect(),
            ours: list(&metadata["workspace_members"]).iter().map(text).collect(),
        }
    }

    fn at_run_time<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a str> {
        self.edges[id].iter().filter(|(_, at_run_time)| *at_run_time).map(|(id, _)| id.as_str())
    }

    /// Everything that is in a package at run time.
    fn beneath(&self, id: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = self.at_run_time(id).collect();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(self.at_run_time(next));
            }
        }
        seen.into_iter().map(|id| self.names[id].as_str()).collect()
    }

    /// Everything that breaks a rule, in words.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for id in &self.ours {
            let name = &self.names[id];
            let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
                wrong.push(format!("{name} has no rule: say in RULES what it may see"));
                continue;
            };
            for (seen, _) in self.edges[id].iter().filter(|(seen, _)| self.ours.contains(seen)) {
                if !rule.sees.contains(&self.names[seen].as_str()) {
                    wrong.push(format!("{name} must not see {}", self.names[seen]));
                }
            }
            let beneath = self.beneath(id);
            wrong.extend(
                rule.never.iter().filter(|lib| beneath.contains(*lib)).map(|lib| format!("{name} has {lib} in it")),
            );
            let itself: BTreeSet<&str> = self.at_run_time(id).map(|id| self.names[id].as_str()).collect();
            wrong.extend(
                rule.not_itself.iter().filter(|lib| itself.contains(*lib)).map(|lib| format!("{name} names {lib}")),
            );
        }
        wrong
    }
}

#[allow(clippy::disallowed_methods, reason = "the dependency graph is what cargo says it is")]
fn cargo(arguments: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_crate_sees_only_what_it_may() {
    // For this platform: what others need has not been downloaded, and the test asks no network.
    let about = cargo(&["-vV"]);
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = cargo(&["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", host]);
    let graph = Graph::read(&serde_json::from_str(&metadata).unwrap());
    assert_eq!(graph.ours.len(), RULES.len(), "a crate came or went");
    assert_eq!(graph.wrong(), Vec::<String>::new());
}

/// The check finds what it is for, in a graph made to break every rule.
#[test]
fn wrong_graphs_are_found() {
    let edge = |id: &str, kind: Value| serde_json::json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
    let (run_time, in_tests) = (Value::Null, Value::from("dev"));
    let node = |id: &str, deps: Vec<Value>| serde_json::json!({"id": id, "deps": deps});
    let nodes = [
        node("model", vec![edge("jiff", run_time.clone())]),
        node("engine", vec![edge("connectors", in_tests.clone()), edge("rusqlite", run_time.clone())]),
        node("connectors", vec![edge("model", run_time.clone()), edge("between", run_time.clone())]),
        node("store", vec![edge("reqwest", in_tests)]),
        node("other", vec![]),
        node("between", vec![edge("tokio", run_time)]),
        node("jiff", vec![]),
        node("rusqlite", vec![]),
        node("reqwest", vec![]),
        node("tokio", vec![]),
    ];
    let packages: Vec<Value> =
        nodes.iter().map(|node| serde_json::json!({"id": node["id"], "name": node["id"]})).collect();
    let graph = Graph::read(&serde_json::json!({
        "packages": packages,
        "resolve": {"nodes": nodes},
        "workspace_members": ["model", "engine", "connectors", "store", "other"],
    }));
    let expected = [
        "model names jiff",
        "engine must not see connectors",
        "engine names rusqlite",
        "connectors has tokio in it",
        "other has no rule: say in RULES what it may see",
    ];
    assert_eq!(graph.wrong(), expected);
}
