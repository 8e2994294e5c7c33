//! Tasks run again: with other data, many at once, and what that would come to before it is done.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and read its files")]

mod world;

use serde_json::json;
use world::{Ran, Simulator, World, lines};

const FLOW: &str = r#"
http_clients: { m: { prototype: mistral, base_uri: "${MISTRAL_BASE_URI}", api_key: "${secret:MISTRAL_API_KEY}", allow_private_addresses: true } }
incoming:
  rows: { subscriber: { type: file, path: rows.jsonl } }
  answers: { subscriber: { type: answers, route: ask } }
outgoing:
  ask:
    transformers: [{ type: jq, filter: "{payload: {model: \"mistral-small-latest\", messages: [{role: \"user\", content: .name}]}}" }]
    publisher: { type: mistral, http_client: m, method: POST, entity: Chat Completion }
  out: { publisher: { type: file, path: out.jsonl } }
routes:
  ask: { incoming: rows, outgoing: ask }
  save: { incoming: answers, outgoing: out }
"#;

/// Three good rows, and three whose name is none: their tasks fail before anything is sent.
struct Shop {
    world: World,
    simulator: Simulator,
}

impl Shop {
    fn new() -> Self {
        let world = World::new();
        let simulator = Simulator::start(&world, &["--ledger", "ledger.jsonl"]);
        world.write("flow.yaml", FLOW);
        let rows = [json!("oak"), json!(1), json!("elm"), json!(2), json!("ash"), json!(3)];
        let rows: Vec<String> = rows.iter().map(|name| json!({ "name": name }).to_string()).collect();
        world.write("rows.jsonl", rows.join("\n") + "\n");
        let shop = Self { world, simulator };
        shop.run(&["apply", "flow.yaml"]).expect(0);
        shop.run(&["run", "rows"]).expect(6);
        shop
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.world.run_at(&self.simulator.url, arguments)
    }

    fn of_state(&self, state: &str) -> Vec<String> {
        let tasks = self.run(&["tasks", "list", "--state", state, "--route", "ask", "--json"]).expect(0).json();
        tasks.as_array().unwrap().iter().map(|task| task["id"].to_string()).collect()
    }

    fn asked(&self) -> usize {
        lines(&self.world.path("ledger.jsonl")).iter().filter(|line| line["path"] == "/v1/chat/completions").count()
    }
}

#[test]
fn a_task_runs_again_with_other_data() {
    let shop = Shop::new();
    let failed = shop.of_state("failed");
    assert_eq!((failed.len(), shop.asked()), (3, 3));
    let id = failed[0].as_str();
    shop.world.write("fixed.json", r#"{"name": "yew"}"#);
    shop.run(&["tasks", "retry", id, "--payload", "@fixed.json", "--why", "a name at last"]).expect(0);
    shop.run(&["run", "rows"]).expect(6);
    assert_eq!((shop.of_state("failed").len(), shop.asked()), (2, 4));
    let story = shop.run(&["tasks", "show", id, "--json"]).expect(0).json();
    assert_eq!((&story["state"], &story["payload"]), (&json!("finished"), &json!({"name": "yew"})));
    let decision = &story["decisions"][0];
    assert_eq!((&decision["payload_before"], &decision["why"]), (&json!({"name": 3}), &json!("a name at last")));
    let answers = lines(&shop.world.path("out.jsonl"));
    assert!(answers.iter().any(|line| line.to_string().contains("yew")), "{answers:?}");
}

#[test]
fn wrong_edits_change_nothing() {
    let shop = Shop::new();
    let failed = shop.of_state("failed");
    let id = failed[0].as_str();
    let table: [(&[&str], &str); 4] = [
        (&["tasks", "retry", id, "--payload", "{"], "json_wrong"),
        (&["tasks", "retry", id, "--payload", "@missing.json"], "file_unreadable"),
        (&["tasks", "retry", id, &failed[1], "--payload", "1"], "payload_for_many"),
        (&["tasks", "retry", "1", "--payload", "1"], "payload_of_pull"),
    ];
    for (arguments, code) in table {
        let ran = shop.run(arguments).expect(3);
        assert!(ran.stderr.contains(&format!("[{code}]")), "{ran:?}");
    }
    assert_eq!(shop.run(&["tasks", "retry", id, "--payload", "1", "--from-answer"]).code, Some(2));
    assert_eq!(shop.of_state("failed"), failed);
}

#[test]
fn many_are_decided_by_their_state() {
    let shop = Shop::new();
    let foreseen =
        shop.run(&["tasks", "retry", "--state", "finished", "--route", "ask", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(foreseen["tasks"].as_array().map(Vec::len), Some(3));
    let spent = shop.run(&["usage", "--json"]).expect(0).json()[0]["cost"].clone();
    assert_eq!((&foreseen["spent"], &foreseen["currency"]), (&spent, &json!("USD")), "{foreseen}");
    let said = shop.run(&["tasks", "retry", "--state", "failed", "--dry-run"]).expect(0).stdout;
    assert_eq!(said, "3 tasks would run again\n");
    assert_eq!((shop.of_state("failed").len(), shop.asked()), (3, 3), "nothing was changed");

    shop.run(&["tasks", "retry", "--state", "finished", "--route", "ask"]).expect(0);
    shop.run(&["run", "rows"]).expect(6);
    assert_eq!(shop.asked(), 6);
    let skipped = shop.run(&["tasks", "skip", "--state", "failed", "--route", "ask", "--json"]).expect(0).json();
    assert_eq!(skipped["tasks"].as_array().map(Vec::len), Some(3));
    assert_eq!((shop.of_state("failed").len(), shop.of_state("skipped").len()), (0, 3));

    let none = shop.run(&["tasks", "retry", "--state", "unknown"]).expect(0);
    assert!(none.stderr.contains("0 tasks: done"), "{none:?}");
    let wrong = shop.run(&["tasks", "retry", "--state", "failed", "--route", "aks"]).expect(3);
    assert!(wrong.stderr.contains("did you mean"), "{wrong:?}");
    for arguments in [
        &["tasks", "retry"][..],
        &["tasks", "retry", "1", "--state", "failed"],
        &["tasks", "skip", "1", "--route", "ask"],
    ] {
        assert_eq!(shop.run(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn unknown_outcomes_are_resolved_by_a_rule() {
    let world = World::new();
    world.write("faults.yaml", "rules:\n  - match: { operation: Chat Completion }\n    do: { reset: after_reading }\n");
    let faults = world.path("faults.yaml");
    let simulator = Simulator::start(&world, &["--faults", faults.to_str().unwrap()]);
    let run = |arguments: &[&str]| world.run_at(&simulator.url, arguments);
    world.write("flow.yaml", FLOW);
    world.write("rows.jsonl", (0..9).map(|n| format!("{{\"name\":\"tree {n}\"}}\n")).collect::<String>());
    run(&["apply", "flow.yaml"]).expect(0);
    run(&["run", "rows"]).expect(7);
    let states =
        |rule: &str| run(&["tasks", "list", "--where", rule, "--json"]).expect(0).json().as_array().unwrap().len();
    assert_eq!(states(".state == \"unknown\""), 9);
    let rule =
        ".problem.code == \"connection_lost\" and (.payload.name | ltrimstr(\"tree \") | tonumber) < 4 and .age_s >= 0";
    let resolve = ["tasks", "resolve", "--as", "failed", "--where", rule];
    let foreseen = run(&[&resolve[..], &["--dry-run", "--json"]].concat()).expect(0).json();
    assert_eq!(foreseen["tasks"].as_array().unwrap().len(), 4);
    assert_eq!(states(".state == \"unknown\""), 9, "nothing was changed");
    run(&[&resolve[..], &["--by", "anna", "--why", "the shop is closed"]].concat()).expect(0);
    assert_eq!(states(".state == \"failed\""), 4);
    let decided = run(&["tasks", "list", "--state", "failed", "--limit", "1", "--json"]).expect(0).json();
    let story = run(&["tasks", "show", &decided[0]["id"].to_string(), "--json"]).expect(0).json();
    let decision = &story["decisions"][0];
    assert_eq!((&decision["by"], &decision["why"]), (&json!("anna"), &json!("the shop is closed")));
    // What the rule no longer fits is left alone.
    let again = run(&[&resolve[..], &["--json"]].concat()).expect(0).json();
    assert_eq!(again["tasks"], json!([]));
    // A rule that is none, and one that fails for a task: nothing is decided.
    for (rule, place) in [(".state ==", "--where"), (".payload.name + 1 > 2", "--where")] {
        let ran = run(&["tasks", "resolve", "--as", "failed", "--where", rule, "--json"]).expect(3).json();
        assert!(ran["problems"][0]["place"].as_str().unwrap().starts_with(place), "{ran}");
    }
    assert_eq!(states(".state == \"unknown\""), 5);
}
