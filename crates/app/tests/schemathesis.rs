//! Schemathesis makes requests of the API's document, right ones and wrong ones, and judges the answers: no 5xx, nothing that
//! the document does not say.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes and say what they saw"
)]

mod world;

use std::path::{Path, PathBuf};
use std::process::Command;
use world::World;
use world::serving::Serving;

const FLOW: &str = r#"
http_clients:
  mistral: { prototype: mistral, base_uri: "http://127.0.0.1:9", api_key: any, allow_private_addresses: true }
incoming:
  rows: { subscriber: { type: inline, payloads: [{ n: 1, word: "SESAME" }, { n: 2, word: "SESAME" }] } }
schedules:
  nightly: { run: rows, cron: "15 2 * * *", time_zone: Europe/Amsterdam }
outgoing:
  nothing: { publisher: { type: none } }
routes:
  fine: { incoming: rows, outgoing: nothing }
storages:
  seen: {}
"#;
/// Who asks, and how much of the cases.
const ROLES: [(&str, &str); 4] =
    [("viewer", "fuzzing"), ("operator", "fuzzing"), ("editor", "fuzzing"), ("admin", "examples,coverage,fuzzing")];

/// The program in the environment that `.ci/run` makes.
fn program() -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/schemathesis-venv/bin/schemathesis");
    place.exists().then_some(place)
}

/// How many cases there are to be.
fn wanted() -> usize {
    std::env::var("TRAMONTANE_API_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(5_000)
}

#[test]
fn no_request_that_can_be_made_of_the_document_breaks_it() {
    let Some(program) = program() else {
        eprintln!(
            "NOT TESTED: schemathesis is missing; python3 -m venv target/schemathesis-venv && \
             target/schemathesis-venv/bin/pip install -r crates/app/tests/schemathesis/requirements.txt"
        );
        return;
    };
    let world = World::new();
    world.write("flow.yaml", FLOW);
    world.run(&["apply", "flow.yaml"]).expect(0);
    world.run(&["run", "rows"]).expect(0);
    let serving = Serving::start(&mut world.command(&[]));
    let mut cases = 0;
    let operations = world::contract::operations(&world.run(&["openapi"]).expect(0).json()).len();
    for (role, phases) in ROLES {
        world.run(&["people", "add", role, "--role", role]).expect(0);
        // Numbers of tokens are guessed from below: theirs is not among the first.
        for _ in 0..20 {
            world.run(&["tokens", "add", role]).expect(0);
        }
        let token =
            world.run(&["tokens", "add", role, "--json"]).expect(0).json()["token"].as_str().unwrap().to_owned();
        let examples = (wanted() / ROLES.len()).div_ceil(operations).max(1);
        let output = Command::new(&program)
            .arg("--config-file")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis/schemathesis.toml"))
            .arg("run")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/tramontane.json"))
            .args(["--url", &format!("http://{}/api/v1", serving.address)])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .args(["--checks", "all", "--phases", phases, "--max-examples", &examples.to_string()])
            .args(["--seed", "4711", "--continue-on-failure", "--no-color", "--suppress-health-check", "all"])
            // Streams do not end by themselves; tests/events.rs reads them.
            .args(["--exclude-path-regex", "/events$", "--request-timeout", "30"])
            .current_dir(world.folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let made = said.split(" generated,").next().and_then(|before| before.rsplit(' ').next()?.parse::<usize>().ok());
        assert!(output.status.success(), "as {role}:\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
        cases += made.unwrap_or_else(|| panic!("{said}"));
    }
    println!("{cases} cases");
    assert!(cases >= wanted(), "only {cases} cases were made");
    serving.stop();
}
