//! A server with something of everything, somebody of each role before it, and commands beside it and through it.

use crate::world::people::token;
use crate::world::serving::Serving;
use crate::world::{Ran, Simulator, World};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

pub(crate) const ROLES: [&str; 4] = ["viewer", "operator", "editor", "admin"];

const FLOW: &str = r#"
http_clients:
  mistral:
    prototype: mistral
    base_uri: URL
    api_key: ${secret:MISTRAL_API_KEY}
    allow_private_addresses: true
incoming:
  rows:
    subscriber: { type: inline, payloads: [{ n: 1 }, { n: 2 }, { n: 3 }] }
    transformers: [ { type: only_new, storage: seen, key: n } ]
  hook: { subscriber: { type: webhook, token: "${secret:MISTRAL_API_KEY}" } }
outgoing:
  describe:
    transformers:
      - type: jq
        filter: >-
          if .n == 3 then {payload: {}}
          else {payload: {model: "mistral-small-latest", messages: [{role: "user", content: "Describe \(.n)"}]}} end
    publisher: { type: mistral, http_client: mistral, method: POST, entity: Chat Completion }
  nothing: { publisher: { type: none } }
routes:
  describe: { incoming: rows, outgoing: describe }
  heard: { incoming: hook, outgoing: nothing }
schedules:
  nightly: { run: rows, cron: "15 2 * * *", time_zone: Europe/Amsterdam }
storages:
  seen: {}
  empty: { ttl: 1d }
alerts:
  failures:
    when: { type: failed_tasks, route: describe, count: 100, within: 1h }
    send: [ { type: webhook, url: "https://alerts.example/here" } ]
"#;

pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) serving: Serving,
    tokens: BTreeMap<&'static str, String>,
    _simulator: Simulator,
}

impl Desk {
    /// Two tasks have worked, one has failed.
    pub(crate) fn new() -> Self {
        let world = World::new();
        let simulator = Simulator::start(&world, &[]);
        let flow = FLOW.replace("URL", &simulator.url);
        world.write("flow.yaml", &flow);
        world.write("changed.yaml", flow.replace("15 2", "15 3"));
        world.write("bad.yaml", flow.replace("incoming: rows", "incoming: rowz"));
        world.run(&["apply", "flow.yaml"]).expect(0);
        world.run(&["run", "rows"]).expect(6);
        world.run(&["models", "check"]);
        world.run(&["storages", "set", "seen", "a/b", "{\"c\": [1.50, null]}"]).expect(0);
        world.run(&["environment", "set", "test", "--colour", "green"]).expect(0);
        let serving = Serving::start(&mut world.command(&[]));
        let mut tokens = BTreeMap::new();
        for who in ROLES {
            world.run(&["people", "add", who, "--role", who]).expect(0);
            tokens.insert(who, token(&world, who, &[]));
        }
        Self { world, serving, tokens, _simulator: simulator }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.serving.address)
    }

    /// A command beside the store.
    pub(crate) fn beside(&self, arguments: &[&str]) -> Ran {
        self.world.run(arguments)
    }

    /// A command through the server, to be fed.
    pub(crate) fn command(&self, who: &str, arguments: &[&str]) -> Command {
        let mut command = self.world.command(arguments);
        command.env("TRAMONTANE_SERVER", self.url()).env("TRAMONTANE_TOKEN", &self.tokens[who]);
        command
    }

    /// The same through the server, as an administrator.
    pub(crate) fn through(&self, arguments: &[&str]) -> Ran {
        self.through_as("admin", arguments)
    }

    pub(crate) fn through_as(&self, who: &str, arguments: &[&str]) -> Ran {
        at(&self.world, &self.url(), &self.tokens[who], arguments)
    }
}

/// A command to a server. It makes no store, and whatever comes of it, its token is not told.
pub(crate) fn at(world: &World, url: &str, token: &str, arguments: &[&str]) -> Ran {
    let mut command = world.command(arguments);
    command.env("TRAMONTANE_DATA", world.path("elsewhere")).env("TRAMONTANE_SERVER", url);
    command.env("TRAMONTANE_TOKEN", token).env("TRAMONTANE_LOG", "trace");
    let ran = Ran::of(command.output().unwrap());
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(token.is_empty() || !said.contains(token), "{arguments:?}: {said}");
    assert!(!world.path("elsewhere").exists(), "{arguments:?} has made a store");
    // What is logged is of no interest from here on.
    let is_said = |line: &&str| !line.contains(" TRACE ") && !line.contains(" DEBUG ") && !line.contains(" INFO ");
    Ran { stderr: ran.stderr.lines().filter(is_said).map(|line| format!("{line}\n")).collect(), ..ran }
}

/// A text with what time does to it taken out.
pub(crate) fn timeless(text: &str) -> String {
    let word = |word: &str| {
        let is_time = word.len() >= 20 && word.as_bytes()[4] == b'-' && word.contains('T') && word.ends_with('Z');
        if is_time { "TIME".to_owned() } else { word.to_owned() }
    };
    text.split_inclusive([' ', '"', '\n', ','])
        .map(|piece| {
            let bare = piece.trim_end_matches([' ', '"', '\n', ',']);
            format!("{}{}", word(bare), &piece[bare.len()..])
        })
        .collect()
}

/// The code of the first problem.
#[track_caller]
pub(crate) fn code(ran: &Ran) -> String {
    let said: Value = ran.json();
    said["problems"][0]["code"].as_str().unwrap_or_else(|| panic!("{ran:?}")).to_owned()
}
