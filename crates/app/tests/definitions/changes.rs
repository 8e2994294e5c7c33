//! Definitions made, changed, taken back, planned, and taken elsewhere.

use crate::desk::Desk;
use crate::world::World;
use crate::world::serving::{Serving, wait_for};
use serde_json::{Value, json};

const FLOW: &str = r#"
http_clients:
  mistral: { prototype: mistral, base_uri: "https://api.mistral.ai", api_key: "hunter2" }
incoming:
  rows: { subscriber: { type: inline, payloads: [{ n: 1 }, { n: 2 }] } }
  models: { subscriber: { type: mistral, http_client: mistral, method: GET, entity: List Models } }
outgoing:
  nothing: { publisher: { type: none } }
routes:
  fine: { incoming: rows, outgoing: nothing }
schedules:
  nightly: { run: rows, cron: "15 2 * * *" }
"#;

fn none() -> Value {
    json!({ "publisher": { "type": "none" } })
}

#[test]
fn a_list_says_what_there_is() {
    let desk = Desk::with(FLOW);
    let all = desk.get("viewer", "/definitions");
    assert_eq!(all["revision"], 1);
    let names: Vec<String> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{}.{}", row["kind"], row["name"]).replace('"', ""))
        .collect();
    let expected = [
        "http_clients.mistral",
        "incoming.models",
        "incoming.rows",
        "outgoing.nothing",
        "routes.fine",
        "schedules.nightly",
    ];
    assert_eq!(names, expected, "by kind and name");
    let row = |name: &str| all["items"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    assert_eq!((&row("mistral")["used_by"], &row("mistral")["type"]), (&json!(1), &json!("mistral")));
    assert_eq!(
        (&row("models")["operation"], &row("models")["http_client"]),
        (&json!("GET List Models"), &json!("mistral"))
    );
    assert_eq!((&row("rows")["used_by"], &row("rows")["type"]), (&json!(2), &json!("inline")));
    assert_eq!((&row("fine")["incoming"], &row("fine")["outgoing"]), (&json!("rows"), &json!("nothing")));
    assert_eq!(row("nightly")["paused"], false);
    assert_eq!(desk.send("operator", "POST", "/schedules/nightly/pause", &[], &Value::Null).0, 200);
    assert_eq!(desk.get("viewer", "/definitions?kind=schedules")["items"][0]["paused"], true);
    assert_eq!(desk.get("viewer", "/definitions?search=LIST")["items"].as_array().unwrap().len(), 1);
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let page = desk.get("viewer", &format!("/definitions?limit=4{cursor}"));
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 6);
    for wrong in ["kind=gadgets", "limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=gadgets/x", "unknown=1"] {
        assert_eq!(desk.send("viewer", "GET", &format!("/definitions?{wrong}"), &[], &Value::Null).0, 400, "{wrong}");
    }
}

#[test]
fn one_is_shown_with_what_names_it_and_without_its_key() {
    let desk = Desk::with(FLOW);
    let client = desk.get("viewer", "/definitions/http_clients/mistral");
    assert_eq!((&client["definition"]["api_key"], &client["revision"]), (&json!("***"), &json!(1)));
    assert_eq!(client["used_by"], json!([{ "kind": "incoming", "name": "models" }]));
    assert_eq!(client["problems"][0]["code"], "secret_in_the_open");
    assert_eq!(client["problems"][0]["pointer"], "/api_key");
    let route = desk.get("viewer", "/definitions/routes/fine");
    let names = json!([{ "kind": "incoming", "name": "rows" }, { "kind": "outgoing", "name": "nothing" }]);
    assert_eq!((&route["uses"], &route["problems"]), (&names, &json!([])));
    for unknown in ["/definitions/routes/none", "/definitions/gadgets/none", "/definitions/routes/FINE"] {
        assert_eq!(desk.send("viewer", "GET", unknown, &[], &Value::Null).0, 404, "{unknown}");
    }
}

#[test]
fn a_change_asks_for_a_precondition_and_holds_together_or_is_refused() {
    let desk = Desk::with(FLOW);
    let path = "/definitions/outgoing/new";
    let wish = json!({ "definition": none(), "why": "to try" });
    assert_eq!(desk.put(path, &[], &wish).0, 428);
    assert_eq!(desk.put(path, &[("if-match", "*")], &wish).0, 400);
    assert_eq!(desk.put(path, &[("if-match", "\"1\"")], &wish).0, 404);
    let (status, made) = desk.put(path, &[("if-none-match", "*")], &wish);
    assert_eq!((status, &made["revision"]), (201, &json!(2)), "{made}");
    assert_eq!(made["plan"]["created"], json!([{ "kind": "outgoing", "name": "new" }]));
    let (status, there) = desk.put(path, &[("if-none-match", "*")], &wish);
    assert_eq!((status, &there["code"], &there["revision"]), (412, &json!("precondition_failed"), &json!(2)));
    let (status, old) = desk.put(path, &[("if-match", "\"1\"")], &wish);
    assert_eq!((status, &old["revision"]), (412, &json!(2)));
    // The same again makes no revision.
    assert_eq!(desk.put(path, &[("if-match", "\"2\"")], &wish).1["revision"], 2);
    let wrong = json!({ "definition": { "incoming": "rows", "outgoing": "nowhere", "retry": { "attempts": 0 } } });
    let (status, refused) = desk.put("/definitions/routes/fine", &[("if-match", "\"1\"")], &wrong);
    assert_eq!((status, &refused["code"]), (422, &json!("definitions_wrong")));
    let mut found: Vec<(&str, &str)> = refused["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["code"].as_str().unwrap(), one["pointer"].as_str().unwrap()))
        .filter(|(code, _)| *code != "secret_in_the_open")
        .collect();
    found.sort_unstable();
    assert_eq!(found, [("reference_unknown", "/outgoing"), ("schema_range", "/retry/attempts")]);
    assert_eq!(desk.get("viewer", "/definitions")["revision"], 2, "nothing of it was changed");
    for (body, status) in [
        (json!({}), 422),
        (json!({ "definition": none(), "unknown": 1 }), 422),
        (json!({ "definition": 7 }), 422),
        (json!({ "definition": none(), "why": "x".repeat(1_001) }), 422),
        (json!([]), 422),
    ] {
        assert_eq!(desk.put(path, &[("if-match", "\"2\"")], &body).0, status, "{body}");
    }
    assert_eq!(desk.put("/definitions/gadgets/x", &[("if-none-match", "*")], &wish).0, 404);
    assert_eq!(desk.put("/definitions/outgoing/..%2fx", &[("if-none-match", "*")], &wish).0, 422);
    assert_eq!(desk.put("/definitions/outgoing/%00", &[("if-none-match", "*")], &wish).0, 422);
}

#[test]
fn two_who_change_the_same_do_not_overwrite_each_other() {
    let desk = Desk::with(FLOW);
    let mut revision = 1;
    for round in 0..5 {
        let tag = format!("\"{revision}\"");
        let wish = |by: &str| json!({ "definition": { "incoming": "rows", "outgoing": "nothing", "parallel": round + 1 }, "why": by });
        let change = |by: &'static str| desk.put("/definitions/routes/fine", &[("if-match", tag.as_str())], &wish(by));
        let answers = std::thread::scope(|scope| {
            let both = [scope.spawn(|| change("a")), scope.spawn(|| change("b"))];
            both.map(|one| one.join().unwrap())
        });
        let mut statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "{answers:?}");
        revision = answers.iter().find(|(status, _)| *status == 200).unwrap().1["revision"].as_i64().unwrap();
    }
    // Those who change others meanwhile are in nobody's way.
    let make = |name: usize| {
        desk.put(&format!("/definitions/outgoing/o{name}"), &[("if-none-match", "*")], &json!({ "definition": none() }))
    };
    let statuses = std::thread::scope(|scope| {
        let all: Vec<_> = (0..3).map(|name| scope.spawn(move || make(name).0)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(statuses, [201, 201, 201]);
}

#[test]
fn what_is_used_or_has_open_tasks_is_not_deleted() {
    let desk = Desk::with(FLOW);
    let delete = |path: &str, tag: &str| desk.send("editor", "DELETE", path, &[("if-match", tag)], &Value::Null);
    let (status, used) = delete("/definitions/outgoing/nothing", "\"1\"");
    assert_eq!((status, &used["code"]), (409, &json!("definition_used")));
    assert_eq!(used["used_by"], json!([{ "kind": "routes", "name": "fine" }]));
    assert_eq!(desk.send("editor", "DELETE", "/definitions/routes/fine", &[], &Value::Null).0, 428);
    assert_eq!(delete("/definitions/routes/fine", "\"7\"").0, 412);
    assert_eq!(delete("/definitions/routes/none", "\"1\"").0, 404);
    // Tasks that wait for a day that does not come.
    let late = json!({ "definition": { "incoming": "rows", "outgoing": "nothing", "delay": "1d" } });
    assert_eq!(desk.put("/definitions/routes/fine", &[("if-match", "\"1\"")], &late).0, 200);
    wait_for("the change is taken up", || {
        let begun = desk.send("operator", "POST", "/runs", &[], &json!({ "incoming": "rows" }));
        assert_eq!(begun.0, 202);
        let open = desk.get("viewer", "/tasks?state=new&route=fine")["items"].as_array().unwrap().len();
        (open > 0).then_some(())
    });
    let (status, open) = delete("/definitions/routes/fine", "\"2\"");
    assert_eq!((status, &open["code"]), (409, &json!("tasks_open")));
    assert_eq!(desk.get("viewer", "/definitions")["revision"], 2);
    let (status, gone) = delete("/definitions/routes/fine?cancel_open=true&why=tidy", "\"2\"");
    assert_eq!((status, &gone["plan"]["deleted"][0]["name"]), (200, &json!("fine")), "{gone}");
    wait_for("its tasks are cancelled", || {
        let open = desk.get("viewer", "/tasks?state=new")["items"].as_array().unwrap().len();
        (open == 0).then_some(())
    });
    assert_eq!(desk.send("viewer", "GET", "/definitions/routes/fine", &[], &Value::Null).0, 404);
}

#[test]
fn the_past_is_listed_compared_and_restored() {
    let desk = Desk::with(FLOW);
    let path = "/definitions/http_clients/mistral";
    let change = |tag: &str, base_uri: &str, why: Option<&str>| {
        let client = json!({ "prototype": "mistral", "base_uri": base_uri, "api_key": "***" });
        let (status, answer) =
            desk.send("admin", "PUT", path, &[("if-match", tag)], &json!({ "definition": client, "why": why }));
        assert_eq!(status, 200, "{answer}");
    };
    change("\"1\"", "https://api.eu.example", Some("moved"));
    change("\"2\"", "https://api.us.example", None);
    let all = desk.get("viewer", "/revisions");
    let brief: Vec<Value> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!([one["revision"], one["by"], one["origin"], one["why"], one["changed"]]))
        .collect();
    let expected = [
        json!([3, "admin", "127.0.0.1", null, 1]),
        json!([2, "admin", "127.0.0.1", "moved", 1]),
        json!([1, "cli", "cli", null, 6]),
    ];
    assert_eq!(brief, expected);
    let page = desk.get("viewer", "/revisions?limit=2");
    assert_eq!(
        desk.get("viewer", &format!("/revisions?cursor={}", page["next"].as_str().unwrap()))["items"][0]["revision"],
        1
    );
    let past = desk.get("viewer", &format!("{path}/revisions"));
    assert_eq!(past["items"].as_array().unwrap().len(), 3);
    assert_eq!(desk.send("viewer", "GET", "/definitions/routes/none/revisions", &[], &Value::Null).0, 404);
    let first = desk.get("viewer", &format!("{path}/revisions/1"));
    assert_eq!(first["definition"]["base_uri"], "https://api.mistral.ai");
    assert_eq!(first["definition"]["api_key"], "***");
    assert_eq!(desk.send("viewer", "GET", &format!("{path}/revisions/0"), &[], &Value::Null).0, 404);
    let last = json!([{ "what": "changed", "place": "base_uri", "from": "https://api.eu.example", "to": "https://api.us.example" }]);
    assert_eq!(desk.get("viewer", &format!("{path}/diff"))["differences"], last, "the last change");
    let both = desk.get("viewer", &format!("{path}/diff?from=1&to=2"));
    assert_eq!(
        (&both["from"], &both["to"], &both["differences"][0]["from"]),
        (&json!(1), &json!(2), &json!("https://api.mistral.ai"))
    );
    assert_eq!(desk.get("viewer", &format!("{path}/diff?from=2&to=2"))["differences"], json!([]));
    let made = desk.get("viewer", &format!("{path}/diff?to=1"));
    assert_eq!((&made["from"], &made["differences"][0]["to"]["api_key"]), (&Value::Null, &json!("***")));
    // Back to the first.
    let restore = |who: &str, path: &str, headers: &[(&str, &str)], revision: i64| {
        desk.send(who, "POST", &format!("{path}/restore"), headers, &json!({ "revision": revision }))
    };
    assert_eq!(restore("admin", path, &[], 1).0, 428);
    assert_eq!(restore("admin", path, &[("if-match", "\"2\"")], 1).0, 412);
    let (status, back) = restore("admin", path, &[("if-match", "\"3\"")], 1);
    assert_eq!((status, &back["revision"]), (200, &json!(4)), "{back}");
    let now = desk.get("viewer", path);
    assert_eq!(now["definition"]["base_uri"], "https://api.mistral.ai");
    assert_eq!(desk.get("viewer", "/revisions?limit=1")["items"][0]["why"], "back to revision 1");
    // What was deleted comes back too, and what was deleted then does not.
    let schedule = "/definitions/schedules/nightly";
    assert_eq!(desk.send("editor", "DELETE", schedule, &[("if-match", "\"1\"")], &Value::Null).0, 200);
    assert_eq!(restore("editor", schedule, &[("if-none-match", "*")], 5).0, 409);
    assert_eq!(restore("editor", schedule, &[("if-none-match", "*")], 4).0, 200);
    assert_eq!(desk.get("viewer", schedule)["revision"], 6);
    let recorded = desk.get("admin", "/audit?what=definition.restore");
    assert_eq!(recorded["items"].as_array().unwrap().len(), 2);
    assert_eq!(recorded["items"][1]["subject"], "http_clients.mistral");
    assert!(!desk.get("admin", "/audit?limit=1000").to_string().contains("hunter2"));
    let stored = desk.world.run(&["export"]).expect(0).stdout;
    assert!(stored.contains("hunter2"), "the key that the mask stood for was kept");
}

#[test]
fn a_bundle_is_planned_and_applied_whole_or_not_at_all() {
    let desk = Desk::with(FLOW);
    let text = "outgoing:\n  o: { publisher: { type: none } }\nroutes:\n  new: { incoming: rows, outgoing: o }\n";
    let files = json!({ "files": [{ "name": "a.yaml", "text": text }] });
    let planned = desk.post("viewer", "/plan", &files);
    assert_eq!(planned.0, 200, "{}", planned.1);
    assert_eq!((&planned.1["revision"], &planned.1["plan"]["created"].as_array().unwrap().len()), (&json!(1), &2));
    assert_eq!(planned.1["problems"], json!([]));
    assert_eq!(desk.get("viewer", "/definitions")["revision"], 1, "a plan changes nothing");
    assert_eq!(desk.post("viewer", "/apply", &files).0, 403);
    let mut bundle = files.clone();
    bundle["expected_revision"] = json!(1);
    bundle["why"] = json!("more");
    let (status, applied) = desk.post("editor", "/apply", &bundle);
    assert_eq!((status, &applied["revision"]), (200, &json!(2)), "{applied}");
    let (status, old) = desk.post("editor", "/apply", &bundle);
    assert_eq!((status, &old["code"], &old["revision"]), (409, &json!("definitions_changed"), &json!(2)));
    assert_eq!(desk.post("editor", "/apply", &files).1["revision"], 2, "nothing left to change");
    // Objects instead of files, and nothing of what does not hold together.
    let objects = json!({ "definitions": { "outgoing": { "p": none() }, "routes": { "bad": { "incoming": "rows", "outgoing": "q" } } } });
    let (status, refused) = desk.post("editor", "/apply", &objects);
    assert_eq!((status, &refused["problems"][1]["definition"]["name"]), (422, &json!("bad")), "{refused}");
    assert_eq!(desk.send("viewer", "GET", "/definitions/outgoing/p", &[], &Value::Null).0, 404);
    let (_, lines) = desk.post(
        "editor",
        "/plan",
        &json!({ "files": [{ "name": "b.yaml", "text": "routes:\n  r:\n    incoming: rows\n    outgoing: q\n" }] }),
    );
    let wrong = lines["problems"].as_array().unwrap().iter().find(|one| one["severity"] == "error").unwrap();
    assert_eq!((&wrong["file"], &wrong["line"], &wrong["pointer"]), (&json!("b.yaml"), &json!(4), &json!("/outgoing")));
    let checked = desk.post("viewer", "/definitions/check", &objects).1;
    assert_eq!((&checked["is_good"], &checked["problems"][1]["pointer"]), (&json!(false), &json!("/outgoing")));
    assert_eq!(desk.post("viewer", "/definitions/check", &files).1["is_good"], true);
    let pruned = json!({ "files": [{ "name": "a.yaml", "text": FLOW }], "prune": true });
    let (_, pruned) = desk.post("editor", "/apply", &pruned);
    assert_eq!((&pruned["revision"], &pruned["plan"]["deleted"].as_array().unwrap().len()), (&json!(3), &2));
    for (body, status) in [
        (json!({}), 422),
        (json!({ "files": [], "definitions": {} }), 422),
        (json!({ "files": [{ "name": "a.yaml", "text": "", "path": "/etc/passwd" }] }), 422),
        (json!({ "files": [{ "name": "", "text": "" }] }), 422),
        (json!({ "files": [{ "name": "a\nb", "text": "" }] }), 422),
        (json!({ "files": [{ "name": "a.yaml", "text": "a: [" }] }), 422),
        (json!({ "definitions": { "gadgets": {} } }), 422),
        (json!({ "definitions": [] }), 422),
        (json!({ "definitions": {}, "prune": "yes" }), 422),
        (json!({ "definitions": {}, "expected_revision": "1" }), 422),
        (json!({ "files": [{ "name": "big.yaml", "text": "x".repeat((4 << 20) + 1) }] }), 422),
        (json!({ "files": [{ "name": "big.yaml", "text": "x".repeat(9 << 20) }] }), 413),
    ] {
        for path in ["/plan", "/apply"] {
            assert_eq!(desk.post("editor", path, &body).0, status, "{path} {:.100}", body.to_string());
        }
    }
    let bomb = format!("a: &a [{}]\n", "x,".repeat(100))
        + &(0..9)
            .map(|at| {
                format!(
                    "b{at}: &b{at} [{}]\n",
                    if at == 0 { "*a,".repeat(100) } else { format!("*b{},", at - 1).repeat(100) }
                )
            })
            .collect::<String>();
    assert_eq!(desk.post("editor", "/apply", &json!({ "files": [{ "name": "a.yaml", "text": bomb }] })).0, 422);
}

#[test]
fn an_export_can_be_applied_again_and_elsewhere() {
    let desk = Desk::with(FLOW);
    let file = json!({ "definition": { "subscriber": { "type": "file", "path": "in/rows.jsonl" } } });
    assert_eq!(desk.put("/definitions/incoming/rows-file", &[("if-none-match", "*")], &file).0, 201);
    let text = desk.text("viewer", "/export");
    assert!(
        text.contains("path: in/rows.jsonl") && text.contains("api_key: \"***\"") && !text.contains("hunter2"),
        "{text}"
    );
    let bundle = json!({ "files": [{ "name": "export.yaml", "text": text }], "prune": true });
    let planned = desk.post("viewer", "/plan", &bundle).1;
    assert_eq!(planned["plan"]["unchanged"].as_array().unwrap().len(), 7, "{planned}");
    let part = desk.text("viewer", "/export?kind=schedules&name=nightly");
    assert!(part.contains("nightly") && part.contains("rows:") && !part.contains("mistral"), "{part}");
    for (wrong, status) in [("kind=gadgets", 400), ("name=x", 400), ("kind=routes&name=none", 404), ("x=1", 400)] {
        assert_eq!(desk.send("viewer", "GET", &format!("/export?{wrong}"), &[], &Value::Null).0, status, "{wrong}");
    }
    // Another environment, asked by the command line: with files, and with all that is stored here.
    let elsewhere = World::new();
    let url = format!("http://{}", desk.serving.address);
    let against = |arguments: &[&str]| {
        let mut all = vec!["plan"];
        all.extend(arguments);
        all.extend(["--against", url.as_str(), "--token", desk.token("viewer")]);
        elsewhere.run(&all)
    };
    elsewhere.write("flow.yaml", FLOW.replace("n: 2", "n: 3"));
    let shown = against(&["flow.yaml"]).expect(0).stdout;
    assert!(shown.contains("~ incoming.rows") && shown.contains("subscriber.payloads[1].n: 2 -> 3"), "{shown}");
    elsewhere.run(&["apply", "flow.yaml"]).expect(0);
    let stored = against(&["--json"]);
    assert_eq!(stored.code, Some(0), "{stored:?}");
    assert_eq!(stored.json()["plan"]["changed"].as_array().unwrap().len(), 1);
    elsewhere.write("bad.yaml", "routes: { r: { incoming: none, outgoing: none } }");
    let refused = against(&["bad.yaml"]).expect(3);
    assert!(refused.stderr.contains("reference_unknown"), "{refused:?}");
    let nobody = elsewhere.run(&["plan", "flow.yaml", "--against", &url, "--token", "nonsense"]).expect(3);
    assert!(nobody.stderr.contains("unauthorised"), "{nobody:?}");
    elsewhere.run(&["plan", "--against", "http://127.0.0.1:1", "--token", "x"]).expect(4);
    elsewhere.run(&["plan", "--against", &url]).expect(3);
    elsewhere.run(&["plan"]).expect(2);
}

#[test]
fn only_declared_variables_can_be_named() {
    let desk = Desk::with(FLOW);
    let path = "/definitions/incoming/x";
    let named = |name: &str| json!({ "definition": { "subscriber": { "type": "file", "path": format!("in/${{{name}}}.jsonl") } } });
    let codes = |answer: &Value| {
        answer["problems"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["severity"] == "error")
            .map(|one| one["code"].clone())
            .collect::<Vec<_>>()
    };
    let (status, refused) = desk.put(path, &[("if-none-match", "*")], &named("PATH"));
    assert_eq!((status, codes(&refused)), (422, vec![json!("variable_undeclared")]), "{refused}");
    assert_eq!(desk.get("editor", "/settings/variables")["variables"], json!({}));
    let declare = |who: &str, variables: Value| {
        desk.send(who, "PUT", "/settings/variables", &[], &json!({ "variables": variables }))
    };
    assert_eq!(declare("editor", json!({ "REGION": "eu" })).0, 403);
    assert_eq!(declare("admin", json!({ "REGION": "eu", "PATH": null })).0, 200);
    assert_eq!(desk.put(path, &[("if-none-match", "*")], &named("REGION")).0, 201);
    // The environment's PATH leads nowhere within the roots, whatever it says.
    let (status, outside) = desk.put(
        "/definitions/incoming/y",
        &[("if-none-match", "*")],
        &json!({ "definition": { "subscriber": { "type": "file", "path": "${PATH}", "format": "jsonl" } } }),
    );
    assert_eq!((status, codes(&outside)), (422, vec![json!("path_outside")]), "{outside}");
    for wrong in [
        json!({ "1A": "x" }),
        json!({ "A-B": "x" }),
        json!({ "": "x" }),
        json!({ "A": "x\ny" }),
        json!({ "A": 7 }),
        json!([]),
    ] {
        assert_eq!(declare("admin", wrong.clone()).0, 422, "{wrong}");
    }
    let recorded = desk.get("admin", "/audit?what=variables.write");
    assert_eq!(recorded["items"][0]["subject"], "PATH REGION");
    // And the value is used.
    desk.world.write("data/files/in/eu.jsonl", "{\"n\": 7}\n");
    let route = json!({ "definition": { "incoming": "x", "outgoing": "nothing" } });
    assert_eq!(desk.put("/definitions/routes/from-file", &[("if-none-match", "*")], &route).0, 201);
    wait_for("the row comes in", || {
        let _ = desk.send("operator", "POST", "/runs", &[], &json!({ "incoming": "x", "again": true }));
        let tasks = desk.get("viewer", "/tasks?route=from-file&state=finished");
        (!tasks["items"].as_array().unwrap().is_empty()).then_some(())
    });
}

#[test]
fn only_an_admin_lets_a_key_go_to_another_host() {
    let desk = Desk::with(
        "http_clients:\n  mistral: { prototype: mistral, base_uri: \"https://api.mistral.ai\", api_key: \"${secret:MISTRAL_API_KEY}\" }\n",
    );
    let client = |base_uri: &str| {
        let client = json!({ "prototype": "mistral", "base_uri": base_uri, "api_key": "${secret:MISTRAL_API_KEY}" });
        json!({ "definition": client })
    };
    let (path, new) = ("/definitions/http_clients/mistral", "/definitions/http_clients/new");
    let (at, absent) = ([("if-match", "\"1\"")], [("if-none-match", "*")]);
    let evil = client("https://evil.example");
    let (status, refused) = desk.put(path, &at, &evil);
    assert_eq!((status, &refused["code"]), (403, &json!("key_leaves_host")), "{refused}");
    assert_eq!(desk.put(new, &absent, &evil).0, 403, "nor with a client of its own");
    assert_eq!(desk.put(new, &absent, &client("https://api.mistral.ai/eu")).0, 201, "where it goes anyway");
    let bundle = json!({ "definitions": { "http_clients": { "mistral": evil["definition"] } } });
    assert_eq!(desk.post("editor", "/apply", &bundle).0, 403);
    let planned = desk.post("editor", "/plan", &bundle);
    assert_eq!((planned.0, &planned.1["problems"][0]["code"]), (200, &json!("key_leaves_host")));
    let recorded = desk.get("admin", "/audit?what=denied");
    assert_eq!(recorded["items"].as_array().unwrap().len(), 3, "{recorded}");
    assert_eq!(desk.send("admin", "PUT", path, &at, &evil).0, 200);
}

#[test]
fn file_roots_are_named_or_refused() {
    let world = World::new();
    let mut refused = world.command(&["serve", "--listen", "127.0.0.1:0", "--file-roots", "none"]);
    assert!(!refused.output().unwrap().status.success());
    std::fs::create_dir_all(world.path("shared")).unwrap();
    let serving = Serving::start(&mut world.command(&["--data", "data"]).env("TRAMONTANE_FILE_ROOTS", "shared"));
    let desk = Desk::over(world, serving);
    let file = |path: String| json!({ "definition": { "subscriber": { "type": "file", "path": path } } });
    let put = |name: &str, path: String| {
        desk.put(&format!("/definitions/incoming/{name}"), &[("if-none-match", "*")], &file(path)).0
    };
    assert_eq!(put("a", "a.jsonl".to_owned()), 201);
    assert_eq!(put("b", desk.world.path("shared/b.jsonl").display().to_string()), 201);
    assert_eq!(put("c", desk.world.path("data/files/c.jsonl").display().to_string()), 422);
}
