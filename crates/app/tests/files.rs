//! Files on their way: from the disk into a form, from an answer into a blob, and back byte by byte.
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
use world::server::follow;
use world::{Ran, Simulator, World, lines};

/// Bytes that are no text, with everything in them that a form must not take for its own.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| b"\r\n--\0\xff\"abc"[(index * 7 + index / 11) % 10]).collect()
}

fn run(world: &World, simulator: &Simulator, arguments: &[&str]) -> Ran {
    world.run_at(&simulator.url, arguments)
}

#[test]
fn a_file_goes_up_and_comes_down_the_same() {
    let world = World::new();
    let simulator = Simulator::start(&world, &[]);
    let sent = content(3 << 20);
    world.write("a \"strange\" näme.jsonl", &sent);
    let file =
        ["call", "Upload File", "--file", "file=a \"strange\" näme.jsonl", "--payload", r#"{"purpose":"batch"}"#];
    let answer = run(&world, &simulator, &file).expect(0).json();
    assert_eq!((&answer["bytes"], &answer["purpose"]), (&Value::from(sent.len()), &Value::from("batch")));

    let id = format!("file_id={}", answer["id"].as_str().unwrap());
    let down = ["call", "Download File", "--path", &id, "--out", "down.bin"];
    run(&world, &simulator, &down).expect(0);
    assert!(std::fs::read(world.path("down.bin")).unwrap() == sent);
}

#[test]
fn a_file_that_is_not_there_is_refused_before_anything_is_sent() {
    let world = World::new();
    let simulator = Simulator::start(&world, &["--ledger", "ledger.jsonl"]);
    for (arguments, code) in [
        (&["--file", "file=missing.pdf"][..], "file_unreadable"),
        (&["--file", "file=."][..], "file_unreadable"),
        (&["--payload", r#"{"file": "missing.pdf"}"#][..], "file_wrong"),
        (&["--payload", r#"{"purpose": "ocr"}"#][..], "schema_missing"),
    ] {
        let ran = run(&world, &simulator, &[&["call", "Upload File"][..], arguments].concat());
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(ran.stderr.contains(&format!("[{code}]")), "{}", ran.stderr);
    }
    let blob = r#"{"file": {"$blob": "0123456789abcdef0123456789abcdef"}}"#;
    let ran = run(&world, &simulator, &["call", "Upload File", "--payload", blob]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stderr.contains("[blob_missing]"), "{}", ran.stderr);
    assert_eq!(lines(&world.path("ledger.jsonl")), Vec::<Value>::new());
}

const FLOW: &str = r#"
http_clients:
  m: { prototype: mistral, base_uri: "${MISTRAL_BASE_URI}", api_key: "${secret:MISTRAL_API_KEY}", allow_private_addresses: true }
incoming:
  documents: { subscriber: { type: inline, payloads: [{ file: { $base64: "JVBERi0xLjQgc2FtcGxl", filename: a.pdf } }] } }
  uploaded: { subscriber: { type: answers, route: upload }, transformers: [{ type: jq, filter: "{path: {file_id: .answer.id}}" }] }
  downloaded: { subscriber: { type: answers, route: download }, transformers: [{ type: jq, filter: "{file: .answer, purpose: \"ocr\"}" }] }
  again: { subscriber: { type: answers, route: upload-again } }
outgoing:
  up: { publisher: { type: mistral, http_client: m, method: POST, entity: Upload File, input: payload } }
  down: { publisher: { type: mistral, http_client: m, method: GET, entity: Download File } }
  out: { publisher: { type: file, path: out.jsonl } }
routes:
  upload: { incoming: documents, outgoing: up }
  download: { incoming: uploaded, outgoing: down }
  upload-again: { incoming: downloaded, outgoing: up }
  keep: { incoming: again, outgoing: out }
"#;

/// Up, down into a blob, up again out of the blob: the same bytes all the way.
#[test]
fn files_travel_through_routes_as_blobs() {
    let world = World::new();
    let simulator = Simulator::start(&world, &[]);
    world.write("flow.yaml", FLOW);
    run(&world, &simulator, &["apply", "flow.yaml"]).expect(0);
    run(&world, &simulator, &["run", "documents"]).expect(0);
    let line = lines(&world.path("out.jsonl")).remove(0);
    let (file, uploaded) = (&line["data"]["file"], &line["answer"]);
    let kept = b"%PDF-1.4 sample";
    let sha256: String = Sha256::digest(kept).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((&file["size"], &file["sha256"]), (&Value::from(kept.len()), &Value::from(sha256)), "{line}");
    assert_eq!(uploaded["bytes"], kept.len());
    let id = file["$blob"].as_str().unwrap();
    assert_eq!(std::fs::read(world.path("data/blobs").join(&id[..2]).join(id)).unwrap(), kept);
}

/// Every blob in the world's store.
fn blobs(world: &World) -> usize {
    let shards = std::fs::read_dir(world.path("data/blobs")).into_iter().flatten();
    shards.map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count()).sum()
}

/// A service that answers a download with so many bytes, and promises more than it sends where it is to be cut.
fn download(sent: usize, promised: usize) -> String {
    let body: String = "0123456789".chars().cycle().take(sent).collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {promised}\r\n\r\n{body}")
}

const DOWNLOAD: &str = r#"
http_clients: { m: { prototype: mistral, base_uri: "${MISTRAL_BASE_URI}", api_key: "${secret:MISTRAL_API_KEY}", allow_private_addresses: true, max_file_bytes: 100000, max_answer_bytes: 1000 } }
incoming: { go: { subscriber: { type: inline, payloads: [{ path: { file_id: "123e4567-e89b-12d3-a456-426614174000" } }] } } }
outgoing: { down: { publisher: { type: mistral, http_client: m, method: GET, entity: Download File } } }
routes: { down: { incoming: go, outgoing: down, retry: { attempts: 1 } } }
"#;

#[test]
fn a_file_is_kept_whole_or_not_at_all() {
    // Larger than what is read of other answers, cut, and larger than a file may be.
    let table = [
        (50_000, 50_000, 0, 1, None),
        (50_000, 60_000, 7, 0, Some("answer_cut")),
        (100_001, 100_001, 6, 0, Some("answer_too_large")),
    ];
    for (sent, promised, code, kept, problem) in table {
        let world = World::new();
        world.write("flow.yaml", DOWNLOAD);
        let (url, _requests) = follow(vec![download(sent, promised)]);
        world.run_at(&url, &["apply", "flow.yaml"]).expect(0);
        let ran = world.run_at(&url, &["run", "go"]);
        assert_eq!(blobs(&world), kept, "{ran:?}");
        let task = world.run(&["tasks", "show", "2", "--json"]).expect(0).json();
        let attempt = &task["attempts"][0];
        assert_eq!(attempt["problem"]["code"].as_str(), problem, "{task}");
        assert_eq!(ran.code.unwrap() != 0, code != 0, "{ran:?}");
        if kept == 1 {
            assert_eq!(attempt["answer"]["size"], sent, "{task}");
        }
    }
}

#[test]
fn a_file_stands_under_its_name_only_when_it_is_whole() {
    let world = World::new();
    let call = |sent, promised, out: &str| {
        let (url, _requests) = follow(vec![download(sent, promised)]);
        world.run(&[
            "call",
            "Download File",
            "--path",
            "file_id=123e4567-e89b-12d3-a456-426614174000",
            "--base-uri",
            &url,
            "--out",
            out,
        ])
    };
    call(20, 20, "down.bin").expect(0);
    assert_eq!(call(50_000, 60_000, "down.bin").code, Some(7));
    assert_eq!(std::fs::read_to_string(world.path("down.bin")).unwrap(), "01234567890123456789", "the one before");
    let names: Vec<_> =
        std::fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["down.bin"]);
    assert_eq!(call(20, 20, "missing/down.bin").code, Some(1));
    assert_eq!(call(20, 20, "/dev/null").code, Some(0));
    assert_eq!(call(20, 20, "/dev/full").code, Some(1));
}
