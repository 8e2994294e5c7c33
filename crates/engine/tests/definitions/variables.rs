//! `${NAME}` and `${secret:NAME}`.

use crate::{fake, parse};
use engine::definitions::check;
use engine::definitions::variables::{Variables, missing, resolve, resolve_secret};
use secrecy::{ExposeSecret, SecretString};

struct Known;

impl Variables for Known {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "HOST").then(|| "api.mistral.ai".to_owned())
    }

    fn secret(&self, name: &str) -> Option<SecretString> {
        match name {
            "KEY" => Some("hunter2".into()),
            "EMPTY" => Some("".into()),
            _ => None,
        }
    }
}

#[test]
fn settings_are_resolved_at_use() {
    let cases = [
        ("https://${HOST}/v1", Ok("https://api.mistral.ai/v1")),
        ("${HOST}${HOST}", Ok("api.mistral.aiapi.mistral.ai")),
        ("plain $ and $HOME and }", Ok("plain $ and $HOME and }")),
        ("$${HOST} $${", Ok("${HOST} ${")),
        ("$$${HOST}", Ok("$${HOST}")),
        ("", Ok("")),
        ("${NOBODY}", Err("variable_missing")),
        ("${secret:KEY}", Err("secret_misplaced")),
        ("${}", Err("variable_syntax")),
        ("${A B}", Err("variable_syntax")),
        ("${1A}", Err("variable_syntax")),
        ("${HOST", Err("variable_syntax")),
        ("${secret:}", Err("variable_syntax")),
        ("${env:HOST}", Err("variable_syntax")),
        ("${${HOST}}", Err("variable_syntax")),
    ];
    for (text, expected) in cases {
        let found = resolve(text, &Known);
        let found = found.as_deref().map_err(|problem| &*problem.code);
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn secrets_are_resolved_in_secret_settings() {
    let cases = [
        ("${secret:KEY}", Ok("hunter2")),
        ("Bearer ${secret:KEY}", Ok("Bearer hunter2")),
        ("${HOST}", Ok("api.mistral.ai")),
        ("$${secret:KEY}", Ok("${secret:KEY}")),
        ("in the open", Ok("in the open")),
        ("${secret:NOBODY}", Err("secret_missing")),
        ("${secret:EMPTY}", Err("secret_missing")),
    ];
    for (text, expected) in cases {
        let found = resolve_secret(text, &Known);
        let found = found.as_ref().map(ExposeSecret::expose_secret).map_err(|problem| &*problem.code);
        assert_eq!(found, expected, "{text}");
    }
    let problem = resolve_secret("${secret:NOBODY}", &Known).unwrap_err();
    assert_eq!(problem.hint.as_deref(), Some("tramontane secrets set NOBODY, or set the environment variable NOBODY"));
}

#[test]
fn all_that_is_missing_is_said_with_its_place() {
    let text = "\
http_clients:
  c: { prototype: mistral, base_uri: \"https://${NOWHERE}\", api_key: \"${secret:A}\", user_key: \"${secret:KEY}\", admin_key: \"${secret:B}\" }
incoming:
  i: { subscriber: { type: file, path: \"${DATA}/x\" } }
  text: { subscriber: { type: inline, payloads: [\"${NOBODY}\"] } }
outgoing:
  o: { publisher: { type: file, path: \"${DATA}/y\" } }
";
    let checked = check(&parse("a.yaml", text).unwrap(), &[], &fake::registry()).unwrap();
    let found = missing(&checked.definitions, &fake::registry(), &Known);
    let found: Vec<(&str, &str)> = found.iter().map(|problem| (&*problem.code, &*problem.place)).collect();
    assert_eq!(
        found,
        [
            ("variable_missing", "http_clients.c.base_uri"),
            ("secret_missing", "http_clients.c.api_key"),
            ("secret_missing", "http_clients.c.admin_key"),
            ("variable_missing", "incoming.i.subscriber.path"),
            ("variable_missing", "outgoing.o.publisher.path"),
        ]
    );
}
