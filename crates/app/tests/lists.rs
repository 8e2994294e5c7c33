//! Lists as sources: page by page, up to a limit or to what is known already.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and read its files")]

mod world;

use serde_json::Value;
use world::{Ran, Simulator, World, lines};

struct Shelf {
    world: World,
    simulator: Simulator,
}

impl Shelf {
    /// A service with seven files.
    fn new() -> Self {
        let world = World::new();
        let simulator = Simulator::start(&world, &["--ledger", "ledger.jsonl"]);
        let shelf = Self { world, simulator };
        for index in 0..7 {
            let payload = format!(r#"{{"purpose": "ocr", "file": {{"$base64": "YQ==", "filename": "{index}.txt"}}}}"#);
            shelf.run(&["call", "Upload File", "--payload", &payload]).expect(0);
        }
        shelf
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.world.run_at(&self.simulator.url, arguments)
    }

    /// Applies a subscriber of the list with these options.
    fn apply(&self, options: &str) -> Ran {
        self.world.write(
            "flow.yaml",
            format!(
                "http_clients: {{ m: {{ prototype: mistral, base_uri: \"${{MISTRAL_BASE_URI}}\", api_key: \"${{secret:MISTRAL_API_KEY}}\", allow_private_addresses: true }} }}
incoming: {{ files: {{ subscriber: {{ type: mistral, http_client: m, method: GET, {options} }}, retry: {{ first: 1ms, max: 2ms }} }} }}
outgoing: {{ out: {{ publisher: {{ type: file, path: out.jsonl }} }} }}
routes: {{ keep: {{ incoming: files, outgoing: out }} }}
"
            ),
        );
        self.run(&["apply", "flow.yaml"])
    }

    /// Runs it: the names of the files that came, and how many requests for pages there were.
    fn names(&self, options: &str) -> (Vec<String>, usize) {
        let pages = |ledger: &[Value]| ledger.iter().filter(|line| line["method"] == "GET").count();
        self.apply(&format!("entity: List Files, {options}")).expect(0);
        let _ = std::fs::remove_file(self.world.path("out.jsonl"));
        let before = pages(&lines(&self.world.path("ledger.jsonl")));
        self.run(&["run", "files", "--again"]).expect(0);
        let names = lines(&self.world.path("out.jsonl"));
        let names = names.iter().map(|line| line["filename"].as_str().unwrap().to_owned()).collect();
        (names, pages(&lines(&self.world.path("ledger.jsonl"))) - before)
    }
}

#[test]
fn a_list_is_walked_as_far_as_it_is_asked_for() {
    let shelf = Shelf::new();
    let (all, pages) = shelf.names("split: true");
    assert_eq!((all.len(), pages), (7, 1));
    let stop = format!("page_size: 2, stop_when: '.filename == \"{}\"'", all[3]);
    let table = [
        ("page_size: 2", 7, 4),
        ("page_size: 2, limit: 3", 3, 2),
        ("page_size: 7", 7, 1),
        ("limit: 1", 1, 1),
        (&stop, 3, 2),
        ("page_size: 3, stop_when: 'false'", 7, 3),
        ("page_size: 3, stop_when: 'empty'", 7, 3),
        ("page_size: 3, stop_when: 'true'", 0, 1),
    ];
    for (options, count, pages) in table {
        assert_eq!(shelf.names(options), (all[..count].to_vec(), pages), "{options}");
    }
}

#[test]
fn a_condition_that_fails_fails_the_run_and_takes_nothing() {
    let shelf = Shelf::new();
    shelf.apply("entity: List Files, stop_when: '.filename | tonumber | error'").expect(0);
    let ran = shelf.run(&["run", "files"]).expect(6);
    assert!(lines(&shelf.world.path("out.jsonl")).is_empty(), "{ran:?}");
    let shown = shelf.run(&["tasks", "show", "1", "--json"]).json();
    assert_eq!(shown["problem"]["place"], "stop_when", "{shown}");
}

#[test]
fn options_of_a_walk_are_refused_where_there_is_none() {
    let shelf = Shelf::new();
    for (options, problem) in [
        ("entity: List Models, page_size: 5", "subscriber.page_size: the operation has no pages"),
        ("entity: List Files, page_size: 0", "subscriber.page_size"),
        ("entity: List Files, stop_when: '.a +'", "subscriber.stop_when"),
        ("entity: List Files, limit: 0", "subscriber.limit"),
    ] {
        let ran = shelf.apply(options).expect(3);
        assert!(ran.stderr.contains(problem), "{options}: {}", ran.stderr);
    }
}

/// Killed anywhere in the walk and started again, every item comes once, in its order.
#[test]
fn a_walk_that_is_killed_takes_every_item_once() {
    let shelf = Shelf::new();
    let (all, _) = shelf.names("page_size: 2");
    let points =
        ["after_claim", "after_start", "after_headers", "after_body", "before_outcome", "in_commit", "after_outcome"];
    for point in points {
        let mut killed = 0;
        for count in 1..=4 {
            let data = shelf.world.path(&format!("data-{point}-{count}"));
            let out = shelf.world.path("out.jsonl");
            let _ = std::fs::remove_file(&out);
            let run = |arguments: &[&str], crash: Option<String>| {
                let mut command = shelf.world.command(arguments);
                command.env("MISTRAL_BASE_URI", &shelf.simulator.url).env("TRAMONTANE_DATA", &data);
                command.envs(crash.map(|crash| ("TRAMONTANE_CRASH_AT", crash)));
                Ran::of(command.output().unwrap())
            };
            run(&["apply", "flow.yaml"], None).expect(0);
            killed += u32::from(run(&["run", "files"], Some(format!("{point}:{count}"))).code.is_none());
            run(&["run", "files"], None).expect(0);
            let names: Vec<String> =
                lines(&out).iter().map(|line| line["filename"].as_str().unwrap().to_owned()).collect();
            // The run that was cut is finished first; the next one begins at the start of the list.
            let walks: Vec<&[String]> = names.chunks(all.len()).collect();
            assert!([1, 2].contains(&walks.len()), "{point}:{count}: {names:?}");
            for walk in walks {
                let (mut found, mut expected) = (walk.to_vec(), all.clone());
                found.sort();
                expected.sort();
                assert_eq!(found, expected, "{point}:{count}");
            }
        }
        assert!(killed > 0, "{point} was never met");
    }
}
