//! Filters that try to run code, to read files or the environment, or to fill time and memory, each under a small budget.

use super::compile;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write as _;

/// Attempts of every kind of expression, one a line. `@FILE@` is a file that must not be read.
const ATTACKS: &str = include_str!("../../../tests/transformers/attacks.jsonl");
const SECRET: &str = "CANARY-OF-THE-FILE";
const STEPS: u64 = 100_000;
/// Nothing that is made may be larger, in bytes.
const LARGEST: usize = 16 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    kind: String,
    text: String,
}

fn attempt(filter: &str) -> Result<Vec<Value>, String> {
    let program = compile(filter).map_err(|problems| problems[0].code.to_string())?;
    program.run_within(&json!({ "items": [1, 2, 3] }), 0, STEPS).map_err(|problem| problem.code.into_owned())
}

#[test]
fn no_filter_gets_out_and_none_goes_on_for_ever() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(SECRET.as_bytes()).unwrap();
    let name = file.path().to_str().unwrap().to_owned();
    #[allow(clippy::disallowed_methods, reason = "what must not be seen")]
    let path = std::env::var("PATH").unwrap();
    let attacks = ATTACKS.lines().map(|line| serde_json::from_str::<Attack>(line).unwrap());
    let filters: Vec<String> =
        attacks.filter(|attack| attack.kind == "jq").map(|attack| attack.text.replace("@FILE@", &name)).collect();
    assert!(filters.len() >= 140, "{}", filters.len());
    let (mut nothing, mut wrong) = (0, Vec::new());
    for filter in filters {
        let run = {
            let filter = filter.clone();
            move || attempt(&filter)
        };
        // On a small thread, as the engine's workers are.
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap();
        match thread.join() {
            Err(_) => wrong.push(format!("{filter}: panicked")),
            Ok(Err(_)) => nothing += 1,
            Ok(Ok(made)) => {
                let made: String = made.iter().map(Value::to_string).collect();
                if made.contains(SECRET) || made.contains(&path) || made.len() > LARGEST {
                    let shown: String = made.chars().take(200).collect();
                    wrong.push(format!("{filter}: {} bytes, {shown}", made.len()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} came through:\n{}", wrong.len(), wrong.join("\n"));
    assert!(nothing > 80, "{nothing} made nothing");
}
