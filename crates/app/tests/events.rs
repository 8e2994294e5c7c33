//! The event stream as a page follows it: what it knows in the end is what is in the store.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::mpsc::channel;
use world::listener::{Event, Listener};
use world::serving::{Serving, wait_for};
use world::{World, server};

const FLOW: &str = r#"
incoming:
  rows: { subscriber: { type: file, path: rows.jsonl } }
outgoing:
  nothing: { transformers: [{ type: jq, filter: 'if .n % 7 == 0 then error("no") else . end' }], publisher: { type: none } }
routes:
  save: { incoming: rows, outgoing: nothing }
"#;

fn token(world: &World, name: &str, more: &[&str]) -> String {
    world.run(&[&["people", "add", name, "--role", "operator"], more].concat()).expect(0);
    let made = world.run(&["tokens", "add", name, "--json"]).expect(0).json();
    made["token"].as_str().unwrap().to_owned()
}

fn add_rows(world: &World, from: usize, count: usize) {
    let mut text = std::fs::read_to_string(world.path("rows.jsonl")).unwrap_or_default();
    for number in from..from + count {
        text.push_str(&format!("{}\n", json!({ "n": number })));
    }
    world.write("rows.jsonl", text);
}

fn get(serving: &Serving, token: &str, path: &str) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    serving.send("GET", path, &[("authorization", &bearer)], b"")
}

/// What a page knows of the tasks.
#[derive(Default)]
struct Page {
    tasks: BTreeMap<i64, String>,
    /// The last event that it saw, and how many of each life.
    last: Option<String>,
    seen: BTreeSet<String>,
    resets: usize,
}

impl Page {
    /// Takes an event in. None comes twice, none of a life is left out.
    fn take(&mut self, serving: &Serving, token: &str, event: &Event) {
        match event.name.as_str() {
            "reset" => {
                self.resets += 1;
                self.look(serving, token);
            }
            "tasks.changed" => self.look(serving, token),
            "task.changed" => {
                let id = event.data["id"].as_i64().unwrap();
                match event.data["state"].as_str().unwrap() {
                    "deleted" => drop(self.tasks.remove(&id)),
                    state => drop(self.tasks.insert(id, state.to_owned())),
                }
            }
            _ => {}
        }
        if event.name != "reset" {
            assert!(self.seen.insert(event.id.clone()), "{event:?} came twice");
            let (life, number) = event.id.split_once('-').unwrap();
            let before = self.last.as_deref().and_then(|last| last.split_once('-')).unwrap();
            assert_eq!((life, number.parse::<u64>().unwrap()), (before.0, before.1.parse::<u64>().unwrap() + 1));
        }
        self.last = Some(event.id.clone());
    }

    fn look(&mut self, serving: &Serving, token: &str) {
        self.tasks.clear();
        let mut path = "/api/v1/tasks?limit=1000".to_owned();
        loop {
            let (status, page) = get(serving, token, &path);
            assert_eq!(status, 200, "{page}");
            for task in page["items"].as_array().unwrap() {
                self.tasks.insert(task["id"].as_i64().unwrap(), task["state"].as_str().unwrap().to_owned());
            }
            let Some(next) = page["next"].as_str() else { return };
            path = format!("/api/v1/tasks?limit=1000&cursor={next}");
        }
    }

    /// Follows until it knows what is in the store, and that is what is expected there.
    fn follow(
        &mut self,
        serving: &Serving,
        token: &str,
        listener: &Listener,
        done: impl Fn(&BTreeMap<i64, String>) -> bool,
    ) {
        wait_for("the page to know what is in the store", || {
            while let Some(event) = listener.next() {
                self.take(serving, token, &event);
            }
            done(&self.tasks).then_some(())
        });
        let known = std::mem::take(&mut self.tasks);
        self.look(serving, token);
        assert_eq!(known, self.tasks, "what the page knows is what is there");
    }
}

fn in_state(tasks: &BTreeMap<i64, String>, state: &str) -> usize {
    tasks.values().filter(|own| *own == state).count()
}

#[test]
fn a_page_that_follows_knows_in_the_end_what_is_in_the_store() {
    let world = World::new();
    world.write("flow.yaml", FLOW);
    world.run(&["apply", "flow.yaml"]).expect(0);
    add_rows(&world, 1, 30);
    let token = token(&world, "ann", &[]);
    let serving = Serving::start(&mut world.command(&[]));
    let mut page = Page::default();
    let listener = Listener::begin(&serving.address, "/api/v1/events", &token, None);
    assert!(listener.head.contains("200 ok") && listener.head.contains("x-accel-buffering: no"), "{}", listener.head);
    page.take(&serving, &token, &listener.wait_for("reset"));
    // What happens is named, one by one.
    world.run(&["run", "rows"]);
    page.follow(&serving, &token, &listener, |tasks| {
        in_state(tasks, "finished") == 27 && in_state(tasks, "failed") == 4
    });
    assert_eq!(page.resets, 1);
    let counts = serving.send("GET", "/api/v1/health", &[("authorization", &format!("Bearer {token}"))], b"").1;
    assert!(counts["sentence"].as_str().unwrap().contains("4 tasks of route \"save\" have failed"), "{counts}");
    // The line is cut for a moment: what was missed comes, and nothing twice.
    drop(listener);
    let failed: Vec<String> =
        page.tasks.iter().filter(|(_, state)| *state == "failed").map(|(id, _)| id.to_string()).collect();
    world.run(&["tasks", "skip", &failed[0], &failed[1]]).expect(0);
    let listener = Listener::begin(&serving.address, "/api/v1/events", &token, page.last.as_deref());
    page.follow(&serving, &token, &listener, |tasks| in_state(tasks, "skipped") == 2);
    assert_eq!(page.resets, 1, "it was not told to begin anew");
    // More than are named.
    add_rows(&world, 101, 1_000);
    world.run(&["run", "rows"]);
    page.follow(&serving, &token, &listener, |tasks| {
        tasks.len() == 31 + 1_001 && in_state(tasks, "new") == 0 && in_state(tasks, "processing") == 0
    });
    // The server is gone for a while, and much happens meanwhile.
    serving.signal("-KILL");
    assert!(listener.ends());
    drop(serving);
    add_rows(&world, 2_001, 20);
    world.run(&["run", "rows"]);
    world.run(&["tasks", "skip", &failed[2]]).expect(0);
    let serving = Serving::start(&mut world.command(&[]));
    let listener = Listener::begin(&serving.address, "/api/v1/events", &token, page.last.as_deref());
    page.take(&serving, &token, &listener.wait_for("reset"));
    assert_eq!(page.resets, 2);
    world.run(&["tasks", "skip", &failed[3]]).expect(0);
    page.follow(&serving, &token, &listener, |tasks| in_state(tasks, "skipped") == 4);
    assert_eq!(page.tasks.len(), 31 + 1_001 + 21);
    serving.stop();
}

#[test]
fn definitions_and_counts_are_told() {
    let world = World::new();
    world.write("flow.yaml", FLOW);
    add_rows(&world, 1, 3);
    let token = token(&world, "ann", &[]);
    let serving = Serving::start(&mut world.command(&[]));
    let listener = Listener::begin(&serving.address, "/api/v1/events", &token, None);
    listener.wait_for("reset");
    world.run(&["apply", "flow.yaml"]).expect(0);
    let changed = listener.wait_for("definition.changed").data;
    assert!(changed["changed"].as_array().unwrap().contains(&json!({ "kind": "routes", "name": "save" })), "{changed}");
    world.run(&["run", "rows"]).expect(0);
    wait_for("the counts", || {
        let counts = listener.wait_for("counts").data;
        (counts["states"] == json!({ "finished": 4 })).then_some(())
    });
    serving.stop();
}

#[test]
fn who_may_no_longer_listen_is_told_no_more() {
    let world = World::new();
    let (ann, bob) = (token(&world, "ann", &[]), token(&world, "bob", &[]));
    // A minute takes a second.
    let serving = Serving::start(world.command(&[]).env("TRAMONTANE_CLOCK_SPEED", "60"));
    let both = [&ann, &bob].map(|token| Listener::begin(&serving.address, "/api/v1/events", token, None));
    both.iter().for_each(|listener| drop(listener.wait_for("reset")));
    world.run(&["people", "disable", "ann"]).expect(0);
    assert!(both[0].ends());
    world.write("flow.yaml", FLOW);
    add_rows(&world, 1, 1);
    world.run(&["apply", "flow.yaml"]).expect(0);
    both[1].wait_for("definition.changed");
    assert_eq!(get(&serving, &ann, "/api/v1/events").0, 401);
    assert_eq!(get(&serving, &bob, "/api/v1/tasks/1/events").0, 404);
    serving.stop();
}

#[test]
fn a_task_is_followed_to_the_words_of_its_answer() {
    let world = World::new();
    let (say, next) = channel::<Option<String>>();
    let (url, _requests) = server::serve(move |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n");
        while let Ok(Some(word)) = next.recv() {
            let chunk = json!({ "id": "1", "model": "m", "choices": [{ "index": 0, "delta": { "content": word } }] });
            let _ = stream.write_all(format!("data: {chunk}\n\n").as_bytes());
        }
        let last =
            json!({ "id": "1", "model": "m", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
        let _ = stream.write_all(format!("data: {last}\n\ndata: [DONE]\n\n").as_bytes());
    });
    world.write(
        "flow.yaml",
        format!(
            r#"
http_clients:
  mistral: {{ prototype: mistral, base_uri: "{url}", api_key: "${{secret:MISTRAL_API_KEY}}", allow_private_addresses: true }}
incoming:
  rows: {{ subscriber: {{ type: inline, payloads: [{{ q: hello }}] }} }}
outgoing:
  ask:
    transformers:
      - {{ type: jq, filter: '{{payload: {{model: "mistral-small-latest", stream: true, messages: [{{role: "user", content: .q}}]}}}}' }}
    publisher: {{ type: mistral, http_client: mistral, method: POST, entity: Chat Completion }}
routes:
  chat: {{ incoming: rows, outgoing: ask }}
"#
        ),
    );
    world.run(&["apply", "flow.yaml"]).expect(0);
    let (ann, bob) = (token(&world, "ann", &[]), token(&world, "bob", &["--no-payloads"]));
    let serving = Serving::start(&mut world.command(&[]));
    let bearer = format!("Bearer {ann}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    assert_eq!(serving.send("POST", "/api/v1/runs", &headers, br#"{"incoming": "rows"}"#).0, 202);
    let task = wait_for("the push task", || {
        let page = get(&serving, &ann, "/api/v1/tasks?route=chat&state=processing").1;
        page["items"][0]["id"].as_i64()
    });
    let path = format!("/api/v1/tasks/{task}/events");
    let [sees, hears_not] = [&ann, &bob].map(|token| Listener::begin(&serving.address, &path, token, None));
    assert_eq!(sees.wait_for("state").data, json!({ "id": task, "state": "processing" }));
    assert_eq!(hears_not.wait_for("state").data["state"], "processing");
    for word in ["SESAME ", "open"] {
        say.send(Some(word.to_owned())).unwrap();
        assert_eq!(sees.wait_for("text").data, json!({ "text": word }));
    }
    say.send(None).unwrap();
    assert_eq!(sees.wait_for("state").data["state"], "finished");
    let mut heard = Vec::new();
    while let Some(event) = hears_not.next() {
        heard.push(event);
    }
    assert_eq!(heard.last().unwrap().data["state"], "finished");
    assert!(!format!("{heard:?}").contains("SESAME"), "{heard:?}");
    let story = get(&serving, &ann, &format!("/api/v1/tasks/{task}")).1;
    assert!(story.to_string().contains("SESAME open"), "what was heard is what was kept: {story}");
    let audit = world.run(&["tasks", "show", &task.to_string(), "--json"]).expect(0).json();
    assert_eq!(audit["state"], "finished");
    serving.stop();
}

#[test]
fn what_the_log_says_is_found_by_task_and_cannot_be_forged() {
    let world = World::new();
    world.write("flow.yaml", FLOW);
    world.run(&["apply", "flow.yaml"]).expect(0);
    add_rows(&world, 1, 21);
    let token = token(&world, "ann", &[]);
    let log = world.path("log");
    let file = std::fs::File::create(&log).unwrap();
    let mut command = world.command(&["--log-format", "json"]);
    let serving = Serving::start(command.env("TRAMONTANE_LOG", "debug").stderr(file));
    world.run(&["run", "rows"]);
    let failed = wait_for("the failed tasks", || {
        let page = get(&serving, &token, "/api/v1/tasks?state=failed").1;
        page["items"][2]["id"].as_i64()
    });
    let page = wait_for("its record", || {
        let page = get(&serving, &token, &format!("/api/v1/logs?task={failed}")).1;
        (page["items"].as_array()?.len() == 1).then_some(page)
    });
    let record = &page["items"][0];
    assert_eq!(record["message"], "a task failed");
    assert_eq!((&record["fields"]["task"], &record["fields"]["route"]), (&json!(failed), &json!("save")));
    assert!(record["fields"]["run"].is_i64() && record["fields"]["code"].is_string(), "{record}");
    let wrong = ["limit=0", "limit=501", "level=loud", "cursor=x", "since=yesterday", "nonsense=1", "task=x"];
    for query in wrong {
        let (status, problem) = get(&serving, &token, &format!("/api/v1/logs?{query}"));
        assert_eq!((status, &problem["code"]), (400, &json!("query_wrong")), "{query}");
    }
    // One page after the other, newest first, each once.
    let mut numbers = Vec::new();
    let mut path = "/api/v1/logs?limit=2".to_owned();
    loop {
        let page = get(&serving, &token, &path).1;
        numbers.extend(page["items"].as_array().unwrap().iter().map(|record| record["number"].as_i64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/logs?limit=2&cursor={next}");
    }
    assert!(numbers.len() > 3 && numbers.windows(2).all(|pair| pair[0] > pair[1]), "{numbers:?}");
    let text = get(&serving, &token, "/api/v1/logs?text=A+TASK+failed&level=info").1;
    assert_eq!(text["items"].as_array().unwrap().len(), 3, "{text}");
    assert_eq!(get(&serving, &token, "/api/v1/logs?level=error").1["items"], json!([]));
    serving.stop();
    // Every line is one record, whatever was sent.
    let written = std::fs::read_to_string(&log).unwrap();
    for line in written.lines() {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(record["level"].is_string() && record["message"].is_string(), "{line}");
    }
    assert!(written.contains("a task finished") && !written.contains("SESAME"), "{written}");
}
