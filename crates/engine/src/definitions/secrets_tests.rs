use super::*;
use serde_json::json;

fn client(base_uri: &str, api_key: &str) -> Value {
    json!({ "prototype": "mistral", "base_uri": base_uri, "api_key": api_key })
}

fn stored(clients: &[(&str, Value)]) -> Vec<StoredDefinition> {
    let one = |(name, body): &(&str, Value)| StoredDefinition {
        kind: "http_clients".to_owned(),
        name: (*name).to_owned(),
        body: body.to_string(),
        revision: 1,
    };
    clients.iter().map(one).collect()
}

fn change(name: &str, body: Option<&Value>) -> DefinitionChange {
    DefinitionChange { kind: "http_clients".to_owned(), name: name.to_owned(), body: body.map(Value::to_string) }
}

#[test]
fn each_use_of_a_secret_is_named() {
    let mut all = stored(&[
        ("a", client("https://a", "${secret:ONE}")),
        (
            "b",
            json!({ "base_uri": "https://b", "api_key": "x${secret:ONE}-${secret:TWO}", "admin_key": "$${secret:NO}" }),
        ),
    ]);
    let hook = json!({ "subscriber": { "type": "webhook", "token": "${secret:TWO}" } });
    all.push(StoredDefinition { kind: "incoming".into(), name: "hook".into(), body: hook.to_string(), revision: 1 });
    let used = used_secrets(&all);
    assert_eq!(used.keys().collect::<Vec<_>>(), ["ONE", "TWO"]);
    assert_eq!(used["ONE"], ["http_clients.a.api_key", "http_clients.b.api_key"]);
    assert_eq!(used["TWO"], ["http_clients.b.api_key", "incoming.hook.subscriber.token"]);
}

/// What is stored: one client `a` at `https://a.example/v1` with `${secret:KEY}`, another `o` with a key in the open.
#[test]
fn a_key_stays_with_its_host() {
    let stored =
        stored(&[("a", client("https://a.example/v1", "${secret:KEY}")), ("o", client("https://o.example", "sk-1"))]);
    // The name of a client, where it leads, its key; whether the key leaves its host, and whether it had one.
    let table = [
        ("a", "https://a.example/v2", "${secret:KEY}", None),
        ("a", "https://A.example:443", "${secret:KEY}", None),
        ("a", "http://a.example/v1", "${secret:KEY}", Some(true)),
        ("a", "https://a.example:8443", "${secret:KEY}", Some(true)),
        ("a", "https://evil.example", "${secret:KEY}", Some(true)),
        ("a", "https://a.example.evil.example", "${secret:KEY}", Some(true)),
        ("a", "https://a.example@evil.example", "${secret:KEY}", Some(true)),
        ("a", "https://${HOST}/v1", "${secret:KEY}", Some(true)),
        ("a", "https://a.example/${OTHER}", "${secret:KEY}", None),
        ("a", "https://a.example${OTHER}", "${secret:KEY}", Some(true)),
        ("a", "https://evil.example", "Bearer ${secret:KEY}", Some(true)),
        ("new", "https://evil.example", "${secret:KEY}", Some(true)),
        ("new", "https://a.example", "${secret:KEY}", None),
        ("new", "https://evil.example", "${secret:UNUSED}", Some(false)),
        ("new", "https://evil.example", "${PATH}", Some(false)),
        ("new", "https://evil.example/${PATH}", "sk-own", None),
        ("new", "https://evil.example", "sk-own", None),
        ("new", "https://evil.example", "sk-1", Some(true)),
        ("o", "https://evil.example", "sk-1", Some(true)),
        ("o", "https://o.example/x", "sk-1", None),
    ];
    for (name, base_uri, key, expected) in table {
        let found = reached(&stored, &[change(name, Some(&client(base_uri, key)))]);
        assert_eq!(found.is_empty(), expected.is_none(), "{name} {base_uri} {key}: {found:?}");
        if expected == Some(true) {
            assert!(found.iter().any(|reach| !reach.before.is_empty()) || base_uri.contains("${"), "{found:?}");
        }
        for reach in found {
            let problem = reach.problem();
            assert_eq!(problem.code, "key_leaves_host");
            assert!(!problem.to_string().contains("sk-1"), "{problem}");
        }
    }
    assert_eq!(reached(&stored, &[change("a", None)]), []);
}

/// An alert tells a password to a mail server, and what stands in an address to its host; what signs goes nowhere.
#[test]
fn a_key_does_not_leave_by_an_alert() {
    let stored = stored(&[("a", client("https://a.example", "${secret:KEY}"))]);
    let mail = |smtp: &str| json!({ "type": "email", "smtp": smtp, "password": "${secret:KEY}" });
    let table = [
        (mail("smtps://evil.example"), true),
        (mail("smtps://a.example"), true),
        (json!({ "type": "email", "smtp": "smtps://evil.example", "password": "mine" }), false),
        (json!({ "type": "slack", "url": "https://evil.example/${secret:KEY}" }), true),
        (json!({ "type": "slack", "url": "https://evil.example/x" }), false),
        (json!({ "type": "slack", "url": "${secret:CHANNEL}" }), false),
        (json!({ "type": "webhook", "url": "https://evil.example", "signing_secret": "${secret:KEY}" }), false),
    ];
    for (target, leaves) in table {
        let body = json!({ "send": [{ "type": "webhook", "url": "https://x" }, target] });
        let change = DefinitionChange { kind: "alerts".into(), name: "x".into(), body: Some(body.to_string()) };
        let found = reached(&stored, &[change]);
        assert_eq!(!found.is_empty(), leaves, "{body}: {found:?}");
        assert!(found.iter().all(|reach| reach.place.starts_with("alerts.x.send[1].")), "{found:?}");
    }
}
