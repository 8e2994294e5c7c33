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
    world.run_at(&simulator.url, arguments)
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

    // The same problem with the same file is said, not counted.
    run(&world, &simulator, &["run", "documents"]).expect(0);
    let pulls = run(&world, &simulator, &["tasks", "list", "--incoming", "documents", "--json"]).expect(0).json();
    let (newest, problem) = (&pulls[0], &pulls[0]["problem"]);
    assert_eq!(
        (&newest["state"], &problem["severity"]),
        (&Value::from("finished"), &Value::from("warning")),
        "{newest}"
    );
    assert_eq!(problem["code"], "file_too_large", "{newest}");

    // The failed task, tried again with a larger limit, takes the file in.
    world.write("example/upload-folder.yaml", &flow);
    run(&world, &simulator, &["apply", "example"]).expect(0);
    retry_failed(&world, &simulator);
    run(&world, &simulator, &["run", "documents"]).expect(0);
    assert_eq!(uploaded(&world).len(), 4);
}

fn retry_failed(world: &World, simulator: &Simulator) {
    let failed = run(world, simulator, &["tasks", "list", "--state", "failed", "--json"]).expect(0).json();
    for task in failed.as_array().unwrap() {
        run(world, simulator, &["tasks", "retry", &task["id"].to_string()]).expect(0);
    }
}

const INTO_A_FILE: &str = r#"
incoming: { files: { subscriber: { type: folder, path: in, glob: "**" } } }
outgoing: { out: { publisher: { type: file, path: out.jsonl } } }
routes: { keep: { incoming: files, outgoing: out } }
"#;

/// Whatever is killed, and whenever: each file arrives once, and its blob is there and whole.
#[test]
fn kills_lose_no_file_and_double_none() {
    const FILES: usize = 600;
    let world = World::new();
    let simulator = Simulator::start(&world, &[]);
    world.write("flow.yaml", INTO_A_FILE);
    run(&world, &simulator, &["apply", "flow.yaml"]).expect(0);
    let mut killed = 0;
    for round in 0..15_u64 {
        for number in (0..FILES).skip(usize::try_from(round).unwrap()).step_by(15) {
            world.write(&format!("in/{}/{number}", number % 7), format!("content of {number}"));
        }
        let mut child = world.command(&["run", "files"]).stderr(std::process::Stdio::null()).spawn().unwrap();
        // Spread over what a run takes: the walk, the blobs, the commit, the lines.
        std::thread::sleep(std::time::Duration::from_millis(10 + round * 67 % 120));
        killed += u32::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
    }
    println!("killed in the middle: {killed} of 15");
    assert!(killed > 0);
    for _ in 0..3 {
        run(&world, &simulator, &["run", "files"]);
        retry_failed(&world, &simulator);
    }
    run(&world, &simulator, &["run", "files"]).expect(0);
    let mut names = Vec::new();
    for line in lines(&world.path("out.jsonl")) {
        let (name, id) = (line["name"].as_str().unwrap(), line["$blob"].as_str().unwrap());
        let kept = std::fs::read(world.path("data/blobs").join(&id[..2]).join(id)).unwrap();
        assert!(kept == std::fs::read(world.path("in").join(name)).unwrap(), "{line}");
        names.push(name.to_owned());
    }
    names.sort();
    let mut expected: Vec<String> = (0..FILES).map(|number| format!("{}/{number}", number % 7)).collect();
    expected.sort();
    assert!(names == expected, "{} lines for {FILES} files", names.len());
}
