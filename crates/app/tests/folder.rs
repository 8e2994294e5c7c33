//! A folder of files through the binary: into blobs, up to the service, and only once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and read its files")]

mod world;

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::Path;
use world::{Ran, Simulator, World, lines};

fn run(world: &World, simulator: &Simulator, arguments: &[&str]) -> Ran {
    let mut command = world.command(arguments);
    Ran::of(command.env("MISTRAL_BASE_URI", &simulator.url).output().unwrap())
}

/// The example's folder, copied into a world.
fn copy(world: &World, folder: &Path, to: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let to = format!("{to}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            copy(world, &entry.path(), &to);
        } else {
            world.write(&to, std::fs::read(entry.path()).unwrap());
        }
    }
}

fn example(world: &World) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/upload-folder");
    copy(world, &folder, "example");
}

/// Names of the uploads so far, sorted; each with the size and hash of the file in the folder.
fn uploaded(world: &World) -> Vec<String> {
    let mut names = Vec::new();
    for line in lines(&world.path("example/out/uploads.jsonl")) {
        let name = line["name"].as_str().unwrap();
        let content = std::fs::read(world.path("example/in").join(name)).unwrap();
        let sha256: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((&line["bytes"], &line["sha256"]), (&Value::from(content.len()), &Value::from(sha256)), "{line}");
        assert!(line["id"].is_string(), "{line}");
        names.push(name.to_owned());
    }
    names.sort();
    names
}

#[test]
fn each_file_of_the_example_goes_up_once() {
    let world = World::new();
    let simulator = Simulator::start(&world, &["--ledger", "ledger.jsonl"]);
    example(&world);
    run(&world, &simulator, &["apply", "example"]).expect(0);
    run(&world, &simulator, &["run", "documents"]).expect(0);
    assert_eq!(uploaded(&world), ["2026/offer.pdf", "delivery-note.pdf", "invoice.pdf"]);

    let requests = lines(&world.path("ledger.jsonl")).len();
    run(&world, &simulator, &["run", "documents"]).expect(0);
    assert_eq!(lines(&world.path("ledger.jsonl")).len(), requests, "a second run sends nothing");

    // Bytes that are no text, longer than what a column of the store holds.
    world.write("example/in/late.pdf", vec![0xff; 3 << 20]);
    world.write("example/in/late.pdf.part", "half of it");
    run(&world, &simulator, &["run", "documents"]).expect(0);
    assert_eq!(uploaded(&world), ["2026/offer.pdf", "delivery-note.pdf", "invoice.pdf", "late.pdf"]);
}

#[test]
fn a_file_that_cannot_be_taken_in_fails_by_itself() {
    let world = World::new();
    let simulator = Simulator::start(&world, &[]);
    example(&world);
    let flow = std::fs::read_to_string(world.path("example/upload-folder.yaml")).unwrap();
    let limited = flow.replace("glob: \"**/*.pdf\"", "glob: \"**/*.pdf\", max_bytes: 1000");
    world.write("example/upload-folder.yaml", &limited);
    world.write("example/in/big.pdf", vec![b'x'; 1001]);
    run(&world, &simulator, &["apply", "example"]).expect(0);
    let ran = run(&world, &simulator, &["run", "documents"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert_eq!(uploaded(&world).len(), 3);
    let tasks = run(&world, &simulator, &["tasks", "list", "--state", "failed", "--json"]).expect(0).stdout;
    assert!(tasks.contains("file_too_large") && tasks.contains("big.pdf"), "{tasks}");

    // The same problem with the same file is said, not counted, until the limit is another one.
    run(&world, &simulator, &["run", "documents"]).expect(0);
    world.write("example/upload-folder.yaml", &flow);
    run(&world, &simulator, &["apply", "example"]).expect(0);
    run(&world, &simulator, &["run", "documents"]).expect(0);
    assert_eq!(uploaded(&world).len(), 4);
}
