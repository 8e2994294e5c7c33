//! Plans: what applying would change.

use crate::{fake, parse, stored};
use engine::definitions::{Name, Plan, from_stored, plan};
use serde_json::json;
use store::{DefinitionChange, StoredDefinition};

const CLIENT: &str = r#"{"prototype":"mistral","base_uri":"https://api.mistral.ai","api_key":"${secret:KEY}"}"#;
const OUTGOING: &str = r#"{"publisher":{"type":"none"}}"#;

fn planned(text: &str, stored: &[StoredDefinition], prune: bool) -> Plan {
    plan(parse("a.yaml", text).unwrap(), stored, &fake::registry(), prune).unwrap()
}

fn change(kind: &str, name: &str, body: Option<&str>) -> DefinitionChange {
    DefinitionChange { kind: kind.to_owned(), name: name.to_owned(), body: body.map(str::to_owned) }
}

#[test]
fn each_definition_is_created_changed_kept_or_left_alone() {
    let text = "outgoing:\n  same: { publisher: { type: none } }\n  new: { publisher: { type: none } }\nhttp_clients:\n  c:\n    prototype: mistral\n    base_uri: https://other.host\n    api_key: ${secret:KEY}\n";
    let before = [
        stored("http_clients", "c", CLIENT),
        stored("outgoing", "old", OUTGOING),
        stored("outgoing", "same", OUTGOING),
    ];
    let kept = planned(text, &before, false);
    assert_eq!(
        kept.to_string(),
        "+ outgoing.new\n\
         ~ http_clients.c\n    base_uri: \"https://api.mistral.ai\" -> \"https://other.host\"\n\
         1 to create, 1 to change, 1 unchanged, 1 not in the files and left alone\n"
    );
    let new_client = CLIENT.replace("api.mistral.ai", "other.host");
    let changes = [change("http_clients", "c", Some(&new_client)), change("outgoing", "new", Some(OUTGOING))];
    assert_eq!(kept.changes, changes);
    assert_eq!(kept.definitions.outgoing.len(), 3);

    let pruned = planned(text, &before, true);
    assert_eq!(pruned.deleted, [Name { kind: "outgoing".to_owned(), name: "old".to_owned() }]);
    assert_eq!(pruned.changes[2], change("outgoing", "old", None));
    assert!(pruned.left_alone.is_empty());
    assert_eq!(pruned.definitions.outgoing.len(), 2);
}

#[test]
fn what_is_pruned_can_no_longer_be_referred_to() {
    let draft = parse("a.yaml", "routes:\n  r: { incoming: i, outgoing: o }\n").unwrap();
    let before = [
        stored("incoming", "i", r#"{"subscriber":{"type":"inline","payloads":[]}}"#),
        stored("outgoing", "o", OUTGOING),
    ];
    assert!(plan(draft.clone(), &before, &fake::registry(), false).is_ok());
    assert_eq!(plan(draft, &before, &fake::registry(), true).unwrap_err().len(), 2);
}

#[test]
fn differences_are_named_member_by_member() {
    let from = r#"{"incoming":"i","outgoing":"o","transformers":[{"type":"jq","filter":".a\n| .b"}],"retry":{"attempts":3,"first":"1s"},"parallel":4}"#;
    let before = [
        stored("incoming", "i", r#"{"subscriber":{"type":"inline","payloads":[]}}"#),
        stored("outgoing", "o", OUTGOING),
        stored("routes", "r", from),
    ];
    let text = "\
routes:
  r:
    outgoing: o
    incoming: i
    transformers:
      - type: jq
        filter: |-
          .a
          | .c
      - { type: copy, from: x }
    retry: { attempts: 5, first: 1s }
";
    let plan = planned(text, &before, false);
    assert_eq!(
        plan.to_string(),
        "~ routes.r\n    \
             parallel: removed 4\n    \
             transformers[0].filter: from line 2 on: \"| .b\" -> \"| .c\"\n    \
             transformers[1]: added {\"type\":\"copy\",\"from\":\"x\"}\n    \
             retry.attempts: 3 -> 5\n    \
             the members in another order\n\
         1 to change, 2 not in the files and left alone\n"
    );
    assert_eq!(
        serde_json::to_value(&plan).unwrap()["changed"][0]["differences"][3],
        json!({"what": "changed", "place": "retry.attempts", "from": 3, "to": 5})
    );
}

#[test]
fn a_key_in_the_open_is_never_shown() {
    let before = [
        stored("http_clients", "a", &CLIENT.replace("${secret:KEY}", "hunter2")),
        stored("http_clients", "b", &CLIENT.replace("\"${secret:KEY}\"", "null")),
    ];
    let text = "http_clients:\n  a: { prototype: mistral, base_uri: \"https://api.mistral.ai\", api_key: \"${secret:KEY}\" }\n  b: { prototype: mistral, base_uri: \"https://api.mistral.ai\", api_key: hunter3, user_key: hunter4 }\n";
    let plan = planned(text, &before, false);
    let shown = format!("{plan}{}{:?}", serde_json::to_string(&plan).unwrap(), plan.changed);
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(shown.contains("api_key: \"***\" -> \"${secret:KEY}\""), "{shown}");
    assert!(plan.changes[1].body.as_deref().unwrap().contains("hunter3"));
}

#[test]
fn defaults_are_not_written_in_and_references_stay() {
    let plan = planned(
        "http_clients:\n  c: { prototype: mistral, base_uri: \"https://api.mistral.ai\", api_key: \"${secret:KEY}\" }\n",
        &[],
        false,
    );
    assert_eq!(plan.changes, [change("http_clients", "c", Some(CLIENT))]);
}

#[test]
fn an_empty_plan_says_so() {
    let plan = planned("", &[], false);
    assert!(plan.is_empty());
    assert_eq!(plan.to_string(), "no definitions\n");
}

#[test]
fn stored_definitions_are_read_back() {
    let all = [stored("http_clients", "c", CLIENT), stored("outgoing", "o", OUTGOING)];
    let definitions = from_stored(&all).unwrap();
    assert_eq!(definitions.http_clients["c"].api_key.as_deref(), Some("${secret:KEY}"));
    let broken = [stored("outgoing", "a", "{"), stored("outgoing", "b", "{}"), stored("gadgets", "c", "{}")];
    assert_eq!(from_stored(&broken).unwrap_err().len(), 2);
    assert_eq!(from_stored(&broken[1..2]).unwrap_err()[0].place, "outgoing.b");
}
