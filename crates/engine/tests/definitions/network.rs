//! Definitions that come over the network: objects instead of files, keys that are not shown, what they may reach.

use crate::{brief, fake, stored};
use engine::definitions::variables::{Variables, WithDeclared};
use engine::definitions::{
    Allowed, Draft, KEY_MASK, Kind, compare, export, locate, masked, needed, plan, plan_deletion, portable, used_by,
    uses,
};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use store::{Declared, DefinitionChange, StoredDefinition};

/// Forms of paths that lead elsewhere; `{root}` and `{abs}` stand for a folder and a file outside of it.
const TRAVERSAL: &str = include_str!("../../../app/tests/definitions/traversal.txt");

#[allow(clippy::needless_pass_by_value, reason = "it is written down where it is called")]
fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

struct Environment;

impl Variables for Environment {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/srv/ann".to_owned())
    }

    fn secret(&self, _: &str) -> Option<SecretString> {
        None
    }
}

fn flow() -> Vec<StoredDefinition> {
    vec![
        stored("http_clients", "c", r#"{"prototype":"mistral","base_uri":"https://api.mistral.ai","api_key":"k"}"#),
        stored("http_clients", "spare", r#"{"prototype":"mistral","base_uri":"https://api.mistral.ai"}"#),
        stored("incoming", "a", r#"{"subscriber":{"type":"answers","route":"first"}}"#),
        stored("incoming", "i", r#"{"subscriber":{"type":"inline","payloads":[]}}"#),
        stored(
            "outgoing",
            "o",
            r#"{"publisher":{"type":"mistral","http_client":"c","method":"POST","entity":"Chat Completion"}}"#,
        ),
        stored("outgoing", "p", r#"{"publisher":{"type":"none"}}"#),
        stored("routes", "first", r#"{"incoming":"i","outgoing":"o"}"#),
        stored("routes", "second", r#"{"incoming":"a","outgoing":"p"}"#),
        stored("schedules", "s", r#"{"run":"i","cron":"@daily"}"#),
    ]
}

#[test]
fn objects_are_taken_as_they_are_or_refused_with_a_place() {
    let draft =
        Draft::from_values(object(json!({ "outgoing": { "o": { "publisher": { "type": "none" } } } }))).unwrap();
    let planned = plan(draft, &[], &fake::registry(), false).unwrap();
    assert_eq!(planned.changes[0].body.as_deref(), Some(r#"{"publisher":{"type":"none"}}"#));
    let deep = (0..100).fold(json!(1), |value, _| json!([value]));
    let cases = [
        (json!({ "gadgets": {} }), "unknown_kind", "gadgets"),
        (json!({ "schemas": {} }), "kind_not_built", "schemas"),
        (json!({ "routes": [] }), "wrong_type", "routes"),
        (json!({ "routes": null }), "wrong_type", "routes"),
        (json!({ "routes": { "r": deep } }), "yaml_too_deep", "routes.r"),
    ];
    for (value, code, place) in cases {
        let found = brief(&Draft::from_values(object(value)).unwrap_err());
        assert_eq!(found, [(code.to_owned(), place.to_owned(), None)]);
    }
    let draft = Draft::one(Kind::Routes, "../r", json!({ "incoming": "i", "outgoing": "o", "parallel": 0 })).unwrap();
    let found = plan(draft, &flow(), &fake::registry(), false).unwrap_err();
    assert!(found.iter().any(|problem| problem.code == "name_wrong" && problem.line.is_none()), "{found:?}");
    assert!(found.iter().any(|problem| problem.place == "routes.../r.parallel"), "{found:?}");
}

#[test]
fn what_is_as_deep_as_a_file_may_be_is_written_and_read_again() {
    let nested = |levels: usize| (0..levels).fold(json!(1), |value, _| json!([value]));
    // Subscriber, payloads, and the definition itself; two for kind and name.
    let body = |levels| json!({ "subscriber": { "type": "inline", "payloads": [nested(levels)] } });
    let deepest = (0..64).take_while(|levels| Draft::one(Kind::Incoming, "i", body(*levels)).is_ok()).last().unwrap();
    assert_eq!(deepest, 64 - 5);
    let text = export(&[stored("incoming", "i", &body(deepest).to_string())]).unwrap();
    assert!(crate::parse("a.yaml", &text).is_ok());
    let text = export(&[stored("incoming", "i", &body(deepest + 1).to_string())]).unwrap();
    assert_eq!(crate::parse("a.yaml", &text).unwrap_err()[0].code, "yaml_too_deep");
}

#[test]
fn a_key_in_the_open_is_hidden_and_kept_where_the_mask_comes_back() {
    let client = json!({ "prototype": "mistral", "base_uri": "https://a.example", "api_key": "hunter2", "user_key": "${secret:K}" });
    let webhook = json!({ "subscriber": { "type": "webhook", "token": "hunter2", "signing_secret": "a${secret:K}" } });
    let shown = masked(Kind::HttpClients, &client);
    assert_eq!((&shown["api_key"], &shown["user_key"]), (&json!(KEY_MASK), &json!("${secret:K}")));
    let hook = masked(Kind::Incoming, &webhook);
    assert_eq!(
        (&hook["subscriber"]["token"], &hook["subscriber"]["signing_secret"]),
        (&json!(KEY_MASK), &json!(KEY_MASK))
    );
    let all = [stored("http_clients", "c", &client.to_string()), stored("incoming", "w", &webhook.to_string())];
    let draft =
        Draft::from_values(object(json!({ "http_clients": { "c": shown }, "incoming": { "w": hook } }))).unwrap();
    let planned = plan(draft, &all, &fake::registry(), false).unwrap();
    assert!(planned.is_empty(), "{planned}");
    let draft = Draft::one(Kind::HttpClients, "other", shown).unwrap();
    assert_eq!(brief(&plan(draft, &all, &fake::registry(), false).unwrap_err())[0].0, "key_masked");
    let other = json!({ "subscriber": { "type": "webhook", "token": "hunter3" } });
    for (kind, from, to) in [
        (Kind::Incoming, &webhook, &other),
        (Kind::Incoming, &other, &json!(null)),
        (Kind::HttpClients, &client, &json!({})),
    ] {
        let text = serde_json::to_string(&compare(kind, from, to)).unwrap();
        assert!(!text.contains("hunter") && text.contains(KEY_MASK), "{text}");
    }
}

#[test]
fn who_names_whom_is_known() {
    let registry = fake::registry();
    let all = flow();
    let names = |of: &StoredDefinition| {
        let kind = Kind::from_word(&of.kind).unwrap();
        let used = uses(kind, &serde_json::from_str(&of.body).unwrap(), &registry);
        used.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let found: Vec<Vec<String>> = all.iter().map(names).collect();
    let expected: [&[&str]; 9] = [
        &[],
        &[],
        &["routes.first"],
        &[],
        &["http_clients.c"],
        &[],
        &["incoming.i", "outgoing.o"],
        &["incoming.a", "outgoing.p"],
        &["incoming.i"],
    ];
    assert_eq!(found, expected);
    let users = used_by(&all, &registry);
    let of = |kind: &str, name: &str| {
        let name = engine::definitions::Name { kind: kind.to_owned(), name: name.to_owned() };
        users.get(&name).into_iter().flatten().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(of("incoming", "i"), ["routes.first", "schedules.s"]);
    assert_eq!(of("http_clients", "spare"), [""; 0]);
    let with = needed(&all, |one| one.kind == "routes" && one.name == "second", &registry);
    let with: Vec<String> = with.iter().map(|one| format!("{}.{}", one.kind, one.name)).collect();
    let everything =
        ["http_clients.c", "incoming.a", "incoming.i", "outgoing.o", "outgoing.p", "routes.first", "routes.second"];
    assert_eq!(with, everything, "the route, what it listens to, and all that these need");
}

#[test]
fn a_deletion_is_planned_against_what_is_left() {
    let registry = fake::registry();
    let spare = plan_deletion(Kind::HttpClients, "spare", &flow(), &registry).unwrap();
    assert_eq!(spare.to_string(), "- http_clients.spare\n1 to delete, 8 not in the files and left alone\n");
    assert_eq!(
        spare.changes,
        [DefinitionChange { kind: "http_clients".to_owned(), name: "spare".to_owned(), body: None }]
    );
    let used = plan_deletion(Kind::Incoming, "i", &flow(), &registry).unwrap_err();
    let mut wrong = used.iter().filter(|problem| problem.is_error());
    assert!(wrong.all(|problem| problem.code == "reference_unknown"), "{used:?}");
    assert!(plan_deletion(Kind::Incoming, "none", &flow(), &registry).unwrap().is_empty());
}

/// Problems of a change that comes over the network.
fn refused(roots: &[PathBuf], kind: &str, body: &Value, before: &[StoredDefinition]) -> Vec<String> {
    let declared = [
        Declared { name: "REGION".to_owned(), value: Some("eu".to_owned()) },
        Declared { name: "HOME".to_owned(), value: None },
    ];
    let allowed = Allowed { roots, declared: &declared, variables: &Environment };
    let change = DefinitionChange { kind: kind.to_owned(), name: "x".to_owned(), body: Some(body.to_string()) };
    let problems = allowed.problems(&[change], before, &fake::registry());
    problems.iter().map(|problem| format!("{} {}", problem.code, problem.place)).collect()
}

#[test]
fn only_declared_variables_and_files_under_a_root_can_be_named() {
    let roots = [PathBuf::from("/srv/files"), PathBuf::from("/srv/ann/files")];
    let file = |path: &str| json!({ "subscriber": { "type": "file", "path": path } });
    let outside = ["path_outside incoming.x.subscriber.path"];
    let undeclared = ["variable_undeclared incoming.x.subscriber.path"];
    let cases: [(&str, &[&str]); 12] = [
        ("/srv/files/a.jsonl", &[]),
        ("/srv/files", &[]),
        ("/srv/files/${REGION}/a.jsonl", &[]),
        ("${HOME}/files/a.jsonl", &[]),
        ("${HOME}/a.jsonl", &outside),
        ("${REGION}/a.jsonl", &outside),
        ("/srv/files/${PATH}", &undeclared),
        ("/srv/filesx/a.jsonl", &outside),
        ("/srv/files/../a.jsonl", &outside),
        ("a.jsonl", &outside),
        ("/srv/files/${secret:K}", &[]),
        ("/srv/files/${", &["variable_syntax incoming.x.subscriber.path"]),
    ];
    for (path, expected) in cases {
        assert_eq!(refused(&roots, "incoming", &file(path), &[]), expected, "{path}");
    }
    let before = [stored("incoming", "x", &file("/etc/x.jsonl").to_string())];
    assert_eq!(refused(&roots, "incoming", &file("/etc/x.jsonl"), &before), [""; 0], "it was allowed before");
    assert_eq!(refused(&roots, "incoming", &file("/etc/y.jsonl"), &before), outside);
    let outgoing = json!({ "publisher": { "type": "file", "path": "/etc/x.jsonl" } });
    assert_eq!(refused(&roots, "outgoing", &outgoing, &before).len(), 1, "of another definition");
    let client = |base_uri: &str, key: &str| json!({ "prototype": "mistral", "base_uri": base_uri, "api_key": key });
    let found = refused(&roots, "http_clients", &client("https://${HOST}", "${AWS_SECRET}"), &[]);
    assert_eq!(found, ["variable_undeclared http_clients.x.api_key", "variable_undeclared http_clients.x.base_uri"]);
    assert_eq!(refused(&roots, "http_clients", &client("https://${REGION}.example", "${secret:K}"), &[]), [""; 0]);
    assert_eq!(refused(&roots, "routes", &json!({ "incoming": "${PATH}", "outgoing": "../.." }), &[]), [""; 0]);
}

#[test]
fn no_form_of_a_path_leads_out_of_the_roots() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().canonicalize().unwrap().join(path);
    let (root, canary) = (at("data/files"), at("outside/canary.jsonl"));
    for made in ["data/files/deep", "data/files/ok", "outside"] {
        std::fs::create_dir_all(at(made)).unwrap();
    }
    std::fs::write(&canary, "{}\n").unwrap();
    std::fs::write(at("data/tramontane.db"), "").unwrap();
    for (link, to) in [
        ("link", "../../outside"),
        ("dangling", "../../outside/none"),
        ("loop", "loop"),
        ("deep/link", "../../../outside"),
    ] {
        std::os::unix::fs::symlink(to, root.join(link)).unwrap();
    }
    let mut refusals = 0;
    let forms: Vec<String> = TRAVERSAL.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(forms.len() >= 80);
    for form in &forms {
        let path = form.replace("{abs}", canary.to_str().unwrap()).replace("{root}", root.to_str().unwrap());
        let body = json!({ "subscriber": { "type": "file", "path": path } });
        let draft = Draft::one(Kind::Incoming, "x", body).unwrap().in_folder(root.clone());
        // Some are no options at all, and come no further.
        let Ok(planned) = plan(draft, &[], &fake::registry(), false) else { continue };
        let body: Value = serde_json::from_str(planned.changes[0].body.as_deref().unwrap()).unwrap();
        if !refused(std::slice::from_ref(&root), "incoming", &body, &[]).is_empty() {
            refusals += 1;
            continue;
        }
        // What is allowed is a strange name within the root.
        let path = Path::new(body["subscriber"]["path"].as_str().unwrap());
        assert!(path.starts_with(&root), "{form:?}");
        assert!(path.components().all(|step| step.as_os_str() != ".."), "{form:?}");
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        assert!(real.starts_with(&root), "{form:?} is {}", real.display());
    }
    assert!(refusals > 50, "{refusals}");
}

#[test]
fn an_export_for_elsewhere_names_files_from_the_root_and_no_key() {
    let roots = [PathBuf::from("/srv/files")];
    let file = |path: &str| format!(r#"{{"subscriber":{{"type":"file","path":"{path}"}}}}"#);
    let cases = [
        ("/srv/files/in/a.jsonl", "in/a.jsonl"),
        ("/srv/files", "."),
        ("/srv/filesx/a", "/srv/filesx/a"),
        ("/srv/files/${A}", "/srv/files/${A}"),
        ("${A}/a", "${A}/a"),
    ];
    for (path, expected) in cases {
        let moved = portable(&[stored("incoming", "x", &file(path))], &roots, &fake::registry());
        assert_eq!(moved[0].body, file(expected));
    }
    let moved = portable(&flow(), &roots, &fake::registry());
    assert!(moved[0].body.contains(r#""api_key":"***""#));
}

#[test]
fn declared_values_come_before_those_of_the_environment() {
    let declared = [
        Declared { name: "HOME".to_owned(), value: Some("/srv".to_owned()) },
        Declared { name: "REGION".to_owned(), value: None },
    ];
    let with = WithDeclared { declared: &declared, otherwise: &Environment };
    assert_eq!(with.variable("HOME").as_deref(), Some("/srv"));
    assert_eq!(with.variable("REGION"), None);
    assert_eq!(WithDeclared { declared: &[], ..with }.variable("HOME").as_deref(), Some("/srv/ann"));
}

#[test]
fn a_problem_is_found_in_its_definition() {
    let body = json!({ "retry": { "attempts": 0 } });
    let found = locate("routes.a.b.retry.attempts", [(Kind::Routes, "a.b", &body)].into_iter()).unwrap();
    assert_eq!((found.name.to_string().as_str(), found.pointer.as_str()), ("routes.a.b", "/retry/attempts"));
}
