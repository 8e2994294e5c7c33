//! The API as strangers, colleagues and programs meet it: real processes, real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use serde_json::{Value, json};
use world::World;
use world::contract::{committed, operations};
use world::serving::{Serving, request, wait_for};

const FLOW: &str = r#"
incoming:
  rows: { subscriber: { type: inline, payloads: [{ n: 1, word: "SESAME" }, { n: 2, word: "SESAME" }] } }
schedules:
  nightly: { run: rows, cron: "15 2 * * *", time_zone: Europe/Amsterdam }
outgoing:
  nothing: { publisher: { type: none } }
  broken: { transformers: [{ type: jq, filter: 'error("no: " + .word)' }], publisher: { type: none } }
routes:
  fine: { incoming: rows, outgoing: nothing }
  wrong: { incoming: rows, outgoing: broken }
"#;

fn serve(world: &World) -> Serving {
    world.write("flow.yaml", FLOW);
    world.run(&["apply", "flow.yaml"]).expect(0);
    world.run(&["run", "rows"]);
    Serving::start(&mut world.command(&[]))
}

/// A person of this role with this name, and a token of theirs.
fn person(world: &World, name: &str, role: &str, more: &[&str]) -> String {
    world.run(&["people", "add", name, "--role", role]).expect(0);
    token(world, name, more)
}

fn token(world: &World, name: &str, more: &[&str]) -> String {
    let mut arguments = vec!["tokens", "add", name, "--json"];
    arguments.extend(more);
    world.run(&arguments).expect(0).json()["token"].as_str().unwrap().to_owned()
}

fn ask(serving: &Serving, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    serving.send(method, path, &headers, body.as_bytes())
}

/// Nothing but the matched route decides: no form of a path, no header of a client.
#[test]
fn no_form_of_a_request_goes_around_the_question_who_asks() {
    let world = World::new();
    let serving = serve(&world);
    let forms: [&dyn Fn(&str) -> String; 16] = [
        &|path| format!("/{path}"),
        &|path| format!("{path}/"),
        &|path| format!("{path}/."),
        &|path| format!("{path}/../tasks"),
        &|path| format!("/healthz/..{path}"),
        &|path| format!("/webhooks/..%2f..{path}"),
        &|path| path.replace("/v1/", "/v1//"),
        &|path| path.replace("/v1/", "/v1/./"),
        &|path| path.replace("/v1/", "/v1%2f"),
        &|path| path.replace("/api/", "/%61pi/"),
        &|path| path.replace("/api/", "/%2561pi/"),
        &|path| path.to_uppercase(),
        &|path| format!("{path};x=/healthz"),
        &|path| format!("{path}?/healthz"),
        &|path| format!("{path}%00"),
        &|path| format!("{path}#/healthz"),
    ];
    let headers: [&[(&str, &str)]; 9] = [
        &[],
        &[("x-original-url", "/healthz")],
        &[("x-rewrite-url", "/healthz")],
        &[("x-forwarded-for", "127.0.0.1"), ("x-forwarded-user", "admin")],
        &[("x-http-method-override", "GET"), ("x-request-from", "internal")],
        &[("authorization", "Basic YWRtaW46YWRtaW4=")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Bearer null"), ("authorization", "Bearer undefined")],
        &[("cookie", "session=admin; token=admin")],
    ];
    let mut probes = 0;
    for operation in operations(&serde_json::from_str(&committed()).unwrap()).iter().filter(|one| one.role.is_some()) {
        let (method, path) = (operation.method.as_str(), operation.path.as_str());
        for form in std::iter::once(&(&|path: &str| path.to_owned()) as &dyn Fn(&str) -> String).chain(forms) {
            for headers in headers {
                let (status, answer) = request(&serving.address, method, &form(path), headers, b"{}").unwrap();
                assert!(
                    matches!(status, 400 | 401 | 404 | 405),
                    "{method} {} {headers:?}: {status} {answer}",
                    form(path)
                );
                probes += 1;
            }
        }
    }
    assert!(probes > 1_500);
    assert_eq!(serving.send("GET", "/healthz", &[], b"").0, 200);
}

#[test]
fn tasks_are_listed_shown_and_decided_about() {
    let world = World::new();
    let serving = serve(&world);
    let viewer = person(&world, "vera", "viewer", &[]);
    let operator = person(&world, "otto", "operator", &[]);
    let admin = person(&world, "ada", "admin", &[]);
    let get = |token: &str, path: &str| ask(&serving, token, "GET", path, &Value::Null);
    let (_, failed) = get(&viewer, "/api/v1/tasks?state=failed&route=wrong");
    assert_eq!(failed["items"].as_array().unwrap().len(), 2);
    let id = failed["items"][0]["id"].as_i64().unwrap();
    // Pages follow each other until there are no more.
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let (status, page) = get(&viewer, &format!("/api/v1/tasks?limit=2{cursor}"));
        assert_eq!(status, 200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|task| task["id"].as_i64().unwrap()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (1..=5).rev().collect::<Vec<_>>());
    let decide =
        |token: &str, body: Value| ask(&serving, token, "POST", &format!("/api/v1/tasks/{id}/decisions"), &body);
    assert_eq!(decide(&operator, json!({ "decision": "resolve_finished" })).0, 409, "it is not unknown");
    assert_eq!(decide(&operator, json!({ "decision": "retry", "why": "again", "by": "me" })).0, 422, "unknown field");
    assert_eq!(decide(&operator, json!({ "decision": "retry", "why": "again" })).0, 200);
    let path = format!("/api/v1/tasks/{id}");
    let story = wait_for("the second attempt", || {
        let (_, story) = get(&viewer, &path);
        (story["attempts"].as_array().unwrap().len() == 2).then_some(story)
    });
    let decision = &story["decisions"][0];
    assert_eq!((&decision["by"], &decision["why"]), (&json!("otto"), &json!("again")));
    assert_eq!((&story["payload"]["word"], &story["payloads_hidden"]), (&json!("SESAME"), &json!(false)));
    // Without the permission for payloads nothing of one is in the story, not even in what is wrong.
    world.run(&["people", "add", "vera", "--role", "viewer", "--no-payloads"]).expect(0);
    let (_, story) = get(&viewer, &path);
    assert_eq!(story["payloads_hidden"], json!(true));
    assert!(!story.to_string().contains("SESAME"), "{story}");
    let (_, audit) = get(&admin, "/api/v1/audit?limit=1000");
    let did = |who: &str, what: &str| {
        audit["items"].as_array().unwrap().iter().any(|entry| entry["who"] == who && entry["what"] == what)
    };
    assert!(did("otto", "task.retry") && did("vera", "task.see_payload") && did("cli", "person.write"), "{audit}");
    let (_, runs) = get(&viewer, "/api/v1/runs?incoming=rows");
    assert_eq!((&runs["items"][0]["trigger"], &runs["items"][0]["tasks"]["finished"]), (&json!("cli"), &json!(3)));
    let (_, route) = get(&viewer, "/api/v1/definitions/routes/fine");
    assert_eq!(route["definition"]["incoming"], json!("rows"));
    serving.stop();
}

#[test]
fn runs_are_begun_and_schedules_paused() {
    let world = World::new();
    let serving = serve(&world);
    let operator = person(&world, "otto", "operator", &[]);
    let post = |path: &str, body: Value| ask(&serving, &operator, "POST", path, &body);
    let get = |path: &str| ask(&serving, &operator, "GET", path, &Value::Null).1;
    assert_eq!(post("/api/v1/runs", json!({ "incoming": "rwos" })).0, 404);
    assert_eq!(post("/api/v1/runs", json!({ "incoming": "rows", "agian": true })).0, 422);
    let (status, begun) = post("/api/v1/runs", json!({ "incoming": "rows", "again": true }));
    assert_eq!((status, &begun["run"]), (202, &json!(2)));
    wait_for("the run", || {
        let runs = get("/api/v1/runs");
        let run = &runs["items"][0];
        assert_eq!(run["trigger"], json!("api otto"));
        (run["tasks"] == json!({ "finished": 3, "failed": 2 })).then_some(())
    });
    let nightly = |schedules: &Value| schedules["items"][0].clone();
    let listed = nightly(&get("/api/v1/schedules?next=3"));
    assert_eq!((listed["next"].as_array().unwrap().len(), &listed["paused"]), (3, &Value::Null));
    assert_eq!(post("/api/v1/schedules/nigthly/pause", Value::Null).0, 404);
    let (status, paused) = post("/api/v1/schedules/nightly/pause", Value::Null);
    assert_eq!((status, &paused["paused"]["by"]), (200, &json!("otto")));
    let (_, resumed) = post("/api/v1/schedules/nightly/resume", Value::Null);
    assert_eq!(resumed["paused"], Value::Null);
    assert_eq!(get("/api/v1/usage?by=day")["items"], json!([]));
    assert_eq!(ask(&serving, &operator, "GET", "/api/v1/usage?since=yesterday", &Value::Null).0, 400);
    serving.stop();
}

#[test]
fn entries_of_storages_are_shown_to_those_who_may_see_data() {
    let world = World::new();
    let serving = serve(&world);
    world.write("more.yaml", "storages:\n  seen: {}\n");
    world.run(&["apply", "more.yaml"]).expect(0);
    for key in ["a", "b", "c"] {
        world.run(&["storages", "set", "seen", key, "\"SESAME\""]).expect(0);
    }
    let vera = person(&world, "vera", "viewer", &[]);
    let get = |path: &str| ask(&serving, &vera, "GET", path, &Value::Null);
    let (_, storages) = get("/api/v1/storages");
    assert_eq!((&storages["items"][0]["name"], &storages["items"][0]["entries"]), (&json!("seen"), &json!(3)));
    let (_, first) = get("/api/v1/storages/seen?limit=2");
    let keys =
        |page: &Value| page["items"].as_array().unwrap().iter().map(|one| one["key"].clone()).collect::<Vec<_>>();
    assert_eq!((keys(&first), &first["next"]), (vec![json!("a"), json!("b")], &json!("b")));
    assert_eq!(keys(&get("/api/v1/storages/seen?limit=2&cursor=b").1), [json!("c")]);
    assert_eq!(get("/api/v1/storages/seen?search=nothing").1["items"], json!([]));
    world.run(&["people", "add", "vera", "--role", "viewer", "--no-payloads"]).expect(0);
    let (status, answer) = get("/api/v1/storages/seen");
    assert_eq!((status, answer.to_string().contains("SESAME")), (403, false));
    serving.stop();
}

#[test]
fn operations_are_found_and_each_shows_its_form() {
    let world = World::new();
    let serving = serve(&world);
    let viewer = person(&world, "vera", "viewer", &[]);
    let get = |path: &str| ask(&serving, &viewer, "GET", path, &Value::Null);
    let (_, all) = get("/api/v1/operations");
    let all = all["items"].as_array().unwrap();
    assert_eq!(all.len(), 284);
    for one in all {
        let (method, title) = (one["method"].as_str().unwrap(), one["title"].as_str().unwrap());
        let (status, form) = get(&format!("/api/v1/operations/{method}/{}", title.replace(' ', "%20")));
        assert_eq!((status, &form["path"]), (200, &one["path"]), "{method} {title}");
    }
    let (_, found) = get("/api/v1/operations?method=delete&search=model");
    assert!(found["items"].as_array().unwrap().iter().any(|one| one["title"] == "Delete Model"));
    let (status, problem) = get("/api/v1/operations/DELETE/Delete%20Modell");
    assert_eq!((status, &problem["hint"]), (404, &json!("did you mean \"Delete Model\"?")));
    assert_eq!(get("/api/v1/operations?method=fetch").0, 400);
    serving.stop();
}

#[test]
fn what_is_wrong_is_said_and_is_never_our_fault() {
    let world = World::new();
    let serving = serve(&world);
    let admin = person(&world, "ada", "admin", &[]);
    let queries = [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=x",
        "state=done",
        "route=none",
        "incoming=none",
        "cursor=x",
        "route=fine&incoming=rows",
        "colour=red",
        "limit=1&limit=2",
        "run=x",
        "cursor=99999999999999999999",
        "state=%ff",
    ];
    for query in queries {
        let (status, answer) = ask(&serving, &admin, "GET", &format!("/api/v1/tasks?{query}"), &Value::Null);
        assert_eq!((status, &answer["code"]), (400, &json!("query_wrong")), "{query}: {answer}");
    }
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let long = format!("{{\"decision\":\"retry\",\"why\":\"{}\"}}", "x".repeat(2_000));
    let huge = "x".repeat(2 << 20);
    for (body, expected) in [("", 400), ("{", 400), ("[]", 422), (&*deep, 422), (&*long, 400), (&*huge, 413)] {
        let authorization = format!("Bearer {admin}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let (status, answer) = serving.send("POST", "/api/v1/tasks/1/decisions", &headers, body.as_bytes());
        assert!(status == expected || (expected >= 400 && status / 100 == 4), "{status} {answer}");
        assert!(answer["code"].is_string() || status == 0, "{answer}");
    }
    for path in
        ["/api/v1/tasks/x", "/api/v1/tasks/-1", "/api/v1/tasks/99", "/api/v1/definitions/routes/none", "/api/v1/x"]
    {
        let (status, answer) = ask(&serving, &admin, "GET", path, &Value::Null);
        assert!(matches!(status, 400 | 404) && answer["code"].is_string(), "{path}: {status} {answer}");
    }
    serving.stop();
}

/// Who reads the whole store can make no session of it.
#[test]
fn the_store_holds_no_token() {
    let world = World::new();
    let serving = serve(&world);
    let admin = person(&world, "ada", "admin", &[]);
    assert_eq!(ask(&serving, &admin, "GET", "/api/v1/me", &Value::Null).0, 200);
    serving.stop();
    let secret = admin.trim_start_matches("tramontane_").as_bytes().to_vec();
    for file in std::fs::read_dir(world.path("data")).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", file.path().display());
    }
    let listed = world.run(&["tokens", "list", "--json"]).expect(0);
    assert!(!listed.stdout.contains(admin.as_str()));
}

#[test]
fn people_and_tokens_on_the_command_line_say_what_is_wrong() {
    let world = World::new();
    world.run(&["people", "add", "ann", "--role", "operator"]).expect(0);
    let cases: [(&[&str], i32, &str); 7] = [
        (&["people", "add", "a b", "--role", "viewer"], 3, "[name_wrong]"),
        (&["people", "add", "bob", "--role", "viwer"], 2, "did you mean viewer?"),
        (&["people", "disable", "anm"], 3, "did you mean \"ann\"?"),
        (&["tokens", "add", "anm"], 3, "[person_unknown]"),
        (&["tokens", "add", "ann", "--expires", "soon"], 2, "soon"),
        (&["tokens", "delete", "7"], 3, "[token_unknown]"),
        (&["people", "add", "ann"], 2, "--role"),
    ];
    for (arguments, code, said) in cases {
        let ran = world.run(arguments).expect(code);
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
    let people = world.run(&["people", "list", "--json"]).expect(0).json();
    assert_eq!((people.as_array().unwrap().len(), &people[0]["role"]), (1, &json!("operator")));
}
