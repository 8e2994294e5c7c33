//! Every example works as its first lines say, against the simulator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and read its files")]

mod world;

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use world::{Simulator, World, lines};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if entry.file_name() != "out" {
                copy(&entry.path(), &target);
            }
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Runs an example in a folder of its own: what its result file has in the end.
fn result(name: &str, incoming: &str, file: &str) -> Vec<Value> {
    let world = World::new();
    let simulator = Simulator::start(&world, &["--speed", "100"]);
    copy(&examples().join(name), &world.path(name));
    let run = |arguments: &[&str]| world.run_at(&simulator.url, arguments);
    // For the examples that look at what is there.
    let payload = r#"{"purpose": "ocr", "file": {"$base64": "YQ==", "filename": "old.txt"}}"#;
    run(&["call", "Upload File", "--payload", payload]).expect(0);
    let applied = run(&["apply", name]).expect(0);
    assert!(!applied.stderr.contains("warning"), "{name}: {}", applied.stderr);
    run(&["run", incoming]).expect(0);
    lines(&world.path(name).join("out").join(file))
}

/// Name, incoming, result file, how many lines it has in the end, and a member that each of them has.
const EXAMPLES: [(&str, &str, &str, usize, &str); 11] = [
    ("alerts", "questions", "answers.jsonl", 2, "/text"),
    ("batch", "lists", "descriptions.jsonl", 3, "/text"),
    ("classify", "mails", "topics.jsonl", 3, "/topic"),
    ("delete-old-files", "old-files", "deleted.jsonl", 1, "/deleted"),
    ("embed-table", "articles", "vectors.jsonl", 3, "/vector/1023"),
    ("library", "libraries", "documents.jsonl", 2, "/document"),
    ("list-models", "models", "models.jsonl", 1, "/id"),
    ("ocr-folder", "documents", "pages.jsonl", 2, "/text"),
    ("quickstart", "products", "descriptions.jsonl", 20, "/description"),
    ("transcribe", "recordings", "texts.jsonl", 2, "/text"),
    ("upload-folder", "documents", "uploads.jsonl", 3, "/id"),
];

#[test]
fn every_example_is_in_the_table() {
    let folders = std::fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().file_name());
    let folders: BTreeSet<String> =
        folders.map(|name| name.into_string().unwrap()).filter(|name| name != "README.md").collect();
    assert_eq!(folders, EXAMPLES.iter().map(|row| row.0.to_owned()).collect());
    let readme = std::fs::read_to_string(examples().join("README.md")).unwrap();
    for (name, incoming, ..) in EXAMPLES {
        assert!(readme.contains(&format!("[{name}]({name}/)")), "README.md has no paragraph on {name}");
        let text = std::fs::read_to_string(examples().join(name).join(format!("{name}.yaml"))).unwrap();
        assert!(text.contains(&format!("#   tramontane run {incoming}")), "{name} does not say how to run it");
    }
}

macro_rules! examples_work {
    ($($name:ident = $index:literal),*) => { $(
        #[test]
        fn $name() {
            let (name, incoming, file, count, member) = EXAMPLES[$index];
            let found = result(name, incoming, file);
            assert!(found.len() >= count, "{name}: {} lines, {count} expected", found.len());
            for line in &found {
                assert!(line.pointer(member).is_some_and(|value| !value.is_null()), "{name}: nothing at {member} in {line}");
            }
        }
    )* };
}

examples_work!(
    alerts = 0,
    batch = 1,
    classify = 2,
    delete_old_files = 3,
    embed_table = 4,
    library = 5,
    list_models = 6,
    ocr_folder = 7,
    quickstart = 8,
    transcribe = 9,
    upload_folder = 10
);
