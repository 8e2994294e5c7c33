//! Templates and data that try to run code, to read files or the environment, or to fill time and memory. Filters are
//! tried beside their interpreter, with less patience.

use super::{chain, context, part};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write as _;

/// One attempt a line. `@FILE@` is a file that must not be read.
const ATTACKS: &str = include_str!("attacks.jsonl");
const SECRET: &str = "CANARY-OF-THE-FILE";
/// Nothing of an attempt may grow beyond this, in bytes.
const LARGEST: usize = 80 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    kind: Kind,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// A filter.
    Jq,
    /// A template.
    Template,
    /// A text of the payload, which must come out as it came in.
    Data,
}

/// What became of an attempt: nothing was made, or these.
fn attempt(kind: Kind, text: &str) -> Result<Vec<Value>, String> {
    let parts = match kind {
        Kind::Jq => return Err("elsewhere".to_owned()),
        Kind::Template => vec![part("template", json!({ "to": "made", "template": text }))],
        Kind::Data => vec![
            part("jq", json!({ "filter": "{name, again: \"\\(.name)\"}" })),
            part("template", json!({ "to": "made", "template": "{{ name }}" })),
        ],
    };
    let chain = chain(&parts).map_err(|problems| problems[0].code.to_string())?;
    let payload = json!({ "name": text, "items": [1, 2, 3] });
    chain.apply(payload, &mut context()).map_err(|problem| problem.code.into_owned())
}

#[test]
fn no_expression_gets_out_and_none_goes_on_for_ever() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(SECRET.as_bytes()).unwrap();
    let name = file.path().to_str().unwrap().to_owned();
    #[allow(clippy::disallowed_methods, reason = "what must not be seen")]
    let path = std::env::var("PATH").unwrap();
    let attacks: Vec<Attack> = ATTACKS.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(attacks.len() >= 250, "{}", attacks.len());
    let (mut nothing, mut wrong) = (0, Vec::new());
    for Attack { kind, text } in attacks {
        let text = text.replace("@FILE@", &name);
        // On a small thread, as the engine's workers are.
        let run = {
            let text = text.clone();
            move || attempt(kind, &text)
        };
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap();
        match (thread.join(), kind) {
            (Err(_), _) => wrong.push(format!("{kind:?} {text}: panicked")),
            (Ok(Err(code)), Kind::Data) => wrong.push(format!("{text}: {code}")),
            (Ok(Err(_)), _) => nothing += 1,
            (Ok(Ok(made)), Kind::Data) => {
                let expected = json!({ "name": text, "again": text, "made": text });
                if made != [expected] {
                    wrong.push(format!("{text}: {made:?}"));
                }
            }
            (Ok(Ok(made)), _) => {
                let made: String = made.iter().map(Value::to_string).collect();
                if made.contains(SECRET) || made.contains(&path) || made.len() > LARGEST {
                    let shown: String = made.chars().take(200).collect();
                    wrong.push(format!("{kind:?} {text}: {} bytes, {shown}", made.len()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} came through:\n{}", wrong.len(), wrong.join("\n"));
    assert!(nothing > 180, "{nothing} made nothing");
}
