//! The official Python SDK as a client of the simulator: what it cannot read is a fault of ours.
//!
//! It needs `target/sdk-venv`, which `.ci/run` makes:
//! `python3 -m venv target/sdk-venv && target/sdk-venv/bin/pip install -r crates/app/tests/sdk/requirements.txt`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it saw"
)]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and an interpreter")]

mod world;

use std::path::Path;
use std::process::Command;
use world::{Simulator, World};

#[test]
fn the_official_sdk_has_a_session() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = home.join("../../target/sdk-venv/bin/python");
    if !python.exists() {
        eprintln!("SKIPPED: the official SDK is not here; see the first lines of this test on how to install it");
        return;
    }
    let world = World::new();
    let simulator = Simulator::start(&world, &["--speed", "1000"]);
    let session = Command::new(python).arg(home.join("tests/sdk/session.py")).arg(&simulator.url).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let steps = text(&session.stdout);
    assert!(session.status.success(), "after the steps {steps:?}:\n{}", text(&session.stderr));
    assert!(steps.ends_with("done\n"), "{steps}");
}
