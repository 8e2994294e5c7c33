//! Bad definitions: every mistake is said with its place, its line and what to do.

use crate::{brief, fake, parse, source};
use engine::definitions::{Draft, check};
use model::{Problem, Severity};

/// Good definitions beside which the bad ones stand.
const GOOD: &str = r#"
http_clients:
  mistral: { prototype: mistral, base_uri: "https://api.mistral.ai", api_key: "${secret:KEY}" }
incoming:
  products: { subscriber: { type: file, path: /data/products.jsonl } }
outgoing:
  sink: { publisher: { type: none } }
routes:
  describe: { incoming: products, outgoing: sink }
"#;

/// A text, and for each problem its code, place, line and a piece of its hint.
type Case = (&'static str, &'static [(&'static str, &'static str, u64, &'static str)]);

fn problems_beside_good(text: &str) -> Vec<Problem> {
    let draft = match Draft::parse([source("bad.yaml", text), source("good.yaml", GOOD)]) {
        Ok(draft) => draft,
        Err(problems) => return problems,
    };
    match check(&draft, &[], &fake::registry()) {
        Ok(checked) => checked.warnings,
        Err(problems) => problems,
    }
}

#[track_caller]
fn expect(cases: &[Case]) {
    for (text, expected) in cases {
        let found = problems_beside_good(text);
        let shown: Vec<(&str, &str, u64, &str)> = found
            .iter()
            .map(|problem| {
                assert_eq!(problem.file.as_deref(), Some("bad.yaml"), "{text}\n{problem:?}");
                let hint = problem.hint.as_deref().unwrap_or_default();
                (&*problem.code, &*problem.place, problem.line.unwrap_or_default(), hint)
            })
            .collect();
        let fits = shown.len() == expected.len()
            && shown.iter().zip(*expected).all(|(found, expected)| {
                (found.0, found.1, found.2) == (expected.0, expected.1, expected.2) && found.3.contains(expected.3)
            });
        assert!(fits, "{text}\nfound:    {shown:#?}\nexpected: {expected:#?}");
    }
}

#[test]
fn the_good_ones_are_good() {
    assert_eq!(problems_beside_good(""), Vec::new());
}

#[test]
fn kinds_and_names() {
    expect(&[
        ("route:\n  a: {}\n", &[("unknown_kind", "route", 1, "did you mean \"routes\"?")]),
        ("\nschemas:\n  order: {}\n", &[("kind_not_built", "schemas", 2, "leave it out")]),
        ("- a\n- b\n", &[("no_definitions", "", 1, "begin with http_clients")]),
        ("just text\n", &[("no_definitions", "", 1, "begin with")]),
        ("routes: [a]\n", &[("wrong_type", "routes", 1, "")]),
        ("outgoing:\n  -x: { publisher: { type: none } }\n", &[("name_wrong", "outgoing.-x", 2, "letter or digit")]),
        ("outgoing:\n  a b: { publisher: { type: none } }\n", &[("name_wrong", "outgoing.a b", 2, "")]),
    ]);
}

#[test]
fn schedules_and_webhooks() {
    let schedule = |line: &str| {
        format!("incoming:\n  p: {{ subscriber: {{ type: inline, payloads: [] }} }}\nschedules:\n  s: {{ {line} }}\n")
    };
    let found = |text: &str| brief(&problems_beside_good(text));
    let at = |code: &str, place: &str, line| vec![(code.to_owned(), place.to_owned(), Some(line))];
    let cases = [
        ("run: p, cron: \"0 0 30 2 *\"", "cron_never", "schedules.s.cron"),
        ("run: p, cron: \"0 0 30 *\"", "cron_wrong", "schedules.s.cron"),
        ("run: p, cron: \"@daily\", time_zone: Europe/Amsterdm", "time_zone_unknown", "schedules.s.time_zone"),
        ("run: q, cron: \"@daily\"", "reference_unknown", "schedules.s.run"),
        ("run: p, cron: \"@daily\", jitter: 5", "span_wrong", "schedules.s.jitter"),
        ("run: p, cron: \"@daily\", at_most: 0", "schema_range", "schedules.s.at_most"),
        ("run: p, cron: \"@daily\", misfire: twice", "schema_enum", "schedules.s.misfire"),
    ];
    for (line, code, place) in cases {
        assert_eq!(found(&schedule(line)), at(code, place, 4), "{line}");
    }
    let incoming = |line: &str| format!("incoming:\n  w: {{ subscriber: {{ type: webhook, {line} }} }}\n");
    assert_eq!(found(&incoming("max_bytes: 5")), at("webhook_open", "incoming.w.subscriber", 2));
    let header = "token: \"${secret:T}\", id_header: \"a b\"";
    assert_eq!(found(&incoming(header)), at("header_wrong", "incoming.w.subscriber.id_header", 2));
    assert_eq!(found(&incoming("token: \"${secret:T}\"")), Vec::new());
    assert_eq!(found(&incoming("token: open")), at("secret_in_the_open", "incoming.w.subscriber.token", 2));
    let run = incoming("token: \"${secret:T}\"") + "schedules:\n  s: { run: w, cron: \"@daily\" }\n";
    assert_eq!(found(&run), at("incoming_not_runnable", "schedules.s.run", 4));
    let limits =
        "http_clients:\n  m: { prototype: mistral, base_uri: http://a.example, limits: { requests_per_second: 0 } }\n";
    assert_eq!(found(limits)[0].1, "http_clients.m.limits.requests_per_second");
}

#[test]
fn alerts() {
    let clients =
        "http_clients:\n  m: { prototype: mistral, base_uri: \"http://a.example\", limits: { calls_per_day: 9 } }\n";
    let alert = |line: &str| format!("alerts:\n  a: {{ {line} }}\n{clients}");
    let slack = "send: [{ type: slack, url: \"${secret:S}\" }]";
    let when = |line: &str| alert(&format!("when: {{ {line} }}, {slack}"));
    let send = |line: &str| alert(&format!("when: {{ type: unknown_outcomes }}, send: [{{ {line} }}]"));
    let mail = |line: &str| send(&format!("type: email, from: a@example.com, to: [b@example.com], {line}"));
    let good = [
        when("type: failed_tasks, route: describe, count: 5, within: 10m"),
        when("type: budget, client: m, percent: 80"),
        when("type: disk, free_below: 10%"),
        when("type: disk, free_below: 5GiB"),
        when("type: oldest_waiting, longer_than: 5m"),
        when("type: model_retirement"),
        send("type: webhook, url: \"https://${HOST}/x?y=z\", signing_secret: \"${secret:S}\""),
        send("type: webhook, url: \"http://127.0.0.1:1/\", allow_private_addresses: true"),
        mail("smtp: \"smtps://mail.example.com\", username: u, password: \"${secret:S}\""),
        mail("smtp: \"smtp://${HOST}:25\", tls: none"),
        alert(&format!(
            "when: {{ type: key_refused }}, {slack}, repeat: 1d, group_for: 0s, at_most: 1, enabled: false"
        )),
    ];
    for text in good {
        assert_eq!(problems_beside_good(&text), Vec::new(), "{text}");
    }
    let bad = [
        (alert(slack), "schema_missing", "alerts.a.when"),
        (alert("when: { type: key_refused }, send: []"), "schema_size", "alerts.a.send"),
        (alert(&format!("when: {{ type: key_refused }}, {slack}, repeat: soon")), "span_wrong", "alerts.a.repeat"),
        (alert(&format!("when: {{ type: key_refused }}, {slack}, at_most: 0")), "schema_range", "alerts.a.at_most"),
        (alert(&format!("when: {{ type: key_refused }}, {slack}, evry: 1h")), "schema_unknown_field", "alerts.a.evry"),
        (when("type: failed_task"), "schema_enum", "alerts.a.when.type"),
        (when("type: failed_tasks, within: 10"), "span_wrong", "alerts.a.when.within"),
        (when("type: failed_tasks, count: 0"), "schema_range", "alerts.a.when.count"),
        (when("type: failed_tasks, route: descrieb"), "reference_unknown", "alerts.a.when.route"),
        (when("type: schedule_missed, schedule: nightly"), "reference_unknown", "alerts.a.when.schedule"),
        (when("type: key_refused, client: n"), "reference_unknown", "alerts.a.when.client"),
        (when("type: budget, client: n"), "reference_unknown", "alerts.a.when.client"),
        (when("type: budget, client: mistral"), "budget_missing", "alerts.a.when.client"),
        (when("type: oldest_waiting"), "schema_missing", "alerts.a.when.longer_than"),
        (when("type: disk, free_below: 5GB"), "schema_pattern", "alerts.a.when.free_below"),
        (send("type: pigeon"), "schema_enum", "alerts.a.send[0].type"),
        (send("type: webhook, url: example.com"), "url_wrong", "alerts.a.send[0].url"),
        (send("type: webhook, url: \"http://169.254.169.254/\""), "address_private", "alerts.a.send[0].url"),
        (send("type: webhook, url: \"https://a.example/${secret:S}\""), "secret_misplaced", "alerts.a.send[0].url"),
        (send("type: webhook, url: \"https://${HOST/\""), "variable_syntax", "alerts.a.send[0].url"),
        (
            send("type: webhook, url: \"https://a.example\", signing_secret: open"),
            "secret_in_the_open",
            "alerts.a.send[0].signing_secret",
        ),
        (send("type: slack, url: \"https://a.example/open\""), "secret_in_the_open", "alerts.a.send[0].url"),
        (mail("smtp: mail.example.com"), "mail_server", "alerts.a.send[0].smtp"),
        (mail("smtp: \"smtp://localhost\""), "address_private", "alerts.a.send[0].smtp"),
        (mail("smtp: \"smtp://a.example\", username: u"), "password_alone", "alerts.a.send[0].password"),
        (
            mail("smtp: \"smtp://a.example\", tls: none, username: u, password: \"${secret:S}\""),
            "mail_in_the_open",
            "alerts.a.send[0].tls",
        ),
        (mail("smtp: \"smtps://a.example\", tls: none"), "mail_in_the_open", "alerts.a.send[0].tls"),
        (
            send("type: email, smtp: \"smtp://a.example\", from: nobody, to: [b@example.com]"),
            "mail_address",
            "alerts.a.send[0].from",
        ),
        (
            send(
                "type: email, smtp: \"smtp://a.example\", from: a@example.com, to: [\"b@example.com\\r\\nBcc: c@example.com\"]",
            ),
            "mail_address",
            "alerts.a.send[0].to[0]",
        ),
    ];
    for (text, code, place) in bad {
        let found = problems_beside_good(&text);
        let shown = found.iter().map(|problem| (&*problem.code, &*problem.place, problem.line));
        assert_eq!(shown.collect::<Vec<_>>(), [(code, place, Some(2))], "{text}");
    }
}

#[test]
fn a_name_twice_names_both_places() {
    let found = problems_beside_good("incoming:\n  products:\n    subscriber: { type: inline, payloads: [] }\n");
    assert_eq!(brief(&found), [("defined_twice".to_owned(), "incoming.products".to_owned(), Some(5))]);
    assert_eq!(found[0].file.as_deref(), Some("good.yaml"));
    assert_eq!(found[0].reason, "already defined in bad.yaml, line 2");
}

#[test]
fn a_name_may_have_a_hundred_letters() {
    let outgoing = |length: usize| format!("outgoing:\n  {}: {{ publisher: {{ type: none }} }}\n", "x".repeat(length));
    assert_eq!(problems_beside_good(&outgoing(100)), Vec::new());
    assert_eq!(problems_beside_good(&outgoing(101))[0].code, "name_wrong");
}

#[test]
fn shapes() {
    expect(&[
        (
            "routes:\n  r:\n    incoming: products\n    outgoing: sink\n    retry:\n      attempts: 0\n",
            &[("schema_range", "routes.r.retry.attempts", 6, "")],
        ),
        (
            "routes:\n  r:\n    incoming: products\n    outgoing: sink\n    retry:\n      atempts: 3\n",
            &[("schema_unknown_field", "routes.r.retry.atempts", 6, "did you mean \"attempts\"?")],
        ),
        (
            "routes:\n  r:\n    incoming: products\n    outgoing: sink\n    parallel: many\n",
            &[("schema_type", "routes.r.parallel", 5, "")],
        ),
        ("routes:\n  r:\n    incoming: products\n", &[("schema_missing", "routes.r.outgoing", 2, "")]),
        (
            "routes:\n  r: { incoming: products, outgoing: sink, on_unknown: retry }\n",
            &[("schema_enum", "routes.r.on_unknown", 2, "")],
        ),
        (
            "\n\nroutes:\n  r: { incoming: products, outgoing: sink, parallel: 16.0 }\n",
            &[("definition_unreadable", "routes.r", 4, "")],
        ),
        ("routes:\n  r:\n", &[("schema_type", "routes.r", 2, "")]),
        ("incoming:\n  i:\n    subscriber: {}\n", &[("schema_missing", "incoming.i.subscriber.type", 3, "")]),
        (
            "routes:\n  r: { incoming: products, outgoing: sink, retry: { first: 10, max: 5 weeks } }\n",
            &[
                ("span_wrong", "routes.r.retry.first", 2, "for example 250ms"),
                ("span_wrong", "routes.r.retry.max", 2, "write a number and a unit"),
            ],
        ),
    ]);
}

#[test]
fn http_clients() {
    let client = |more: &'static str| format!("http_clients:\n  c:\n    prototype: mistral\n    {more}\n");
    let cases: [(&str, &str, &str, u64, &str); 14] = [
        ("base_uri: http://127.0.0.1:80", "address_private", "base_uri", 4, "allow_private_addresses"),
        ("base_uri: https://host\n    request_id_header: a b", "header_name", "request_id_header", 5, ""),
        ("base_uri: api.mistral.ai", "base_uri_wrong", "base_uri", 4, "https://api.mistral.ai"),
        ("base_uri: ftp://host", "base_uri_wrong", "base_uri", 4, ""),
        ("base_uri: https://me:hunter2@host", "base_uri_wrong", "base_uri", 4, ""),
        ("base_uri: \"https://me:hunter2@ho st\"", "base_uri_wrong", "base_uri", 4, ""),
        ("base_uri: https://host?a=b", "base_uri_wrong", "base_uri", 4, ""),
        ("base_uri: https://host#a", "base_uri_wrong", "base_uri", 4, ""),
        ("base_uri: https://${HOST", "variable_syntax", "base_uri", 4, "${NAME}"),
        ("base_uri: https://${secret:HOST}", "secret_misplaced", "base_uri", 4, "api_key"),
        ("base_uri: https://host\n    api_key: ${secret:}", "variable_syntax", "api_key", 5, "${secret:NAME}"),
        ("base_uri: https://host\n    api_key: 12345678", "schema_type", "api_key", 5, "quote it"),
        ("base_uri: https://host\n    apikey: ${secret:A}", "secret_misplaced", "apikey", 5, ""),
        ("base_uri: https://host\n    timeouts: { idle: 1x }", "span_wrong", "timeouts.idle", 5, "1d"),
    ];
    for (more, code, place, line, hint) in cases {
        let found = problems_beside_good(&client(more));
        let expected = (code.to_owned(), format!("http_clients.c.{place}"), Some(line));
        assert_eq!(brief(&found)[0], expected, "{more}\n{found:#?}");
        assert!(found[0].hint.as_deref().unwrap_or_default().contains(hint), "{more}\n{found:#?}");
        for problem in &found {
            let said = format!("{problem:?}");
            assert!(!said.contains("hunter2") && !said.contains("12345678"), "a key is repeated: {said}");
        }
    }
    expect(&[(
        "http_clients:\n  c: { prototype: mistrall, base_uri: \"https://host/prefix/\" }\n",
        &[("prototype_unknown", "http_clients.c.prototype", 2, "did you mean \"mistral\"?")],
    )]);
}

#[test]
fn good_http_clients() {
    for uri in ["https://host/prefix/", "http://[2606:4700::1]:8080", "${ANY}", "https://${HOST}:${PORT}/v1"] {
        let text = format!("http_clients:\n  c: {{ prototype: mistral, base_uri: \"{uri}\" }}\n");
        assert_eq!(problems_beside_good(&text), Vec::new(), "{uri}");
    }
    let local =
        "http_clients:\n  c: { prototype: mistral, base_uri: \"http://127.0.0.1:1\", allow_private_addresses: true }\n";
    assert_eq!(problems_beside_good(local), Vec::new());
}

#[test]
fn a_key_in_the_open_is_a_warning() {
    let text = "http_clients:\n  c: { prototype: mistral, base_uri: \"https://host\", api_key: hunter2 }\n";
    let found = problems_beside_good(text);
    assert_eq!(found.len(), 1);
    assert_eq!((&*found[0].code, found[0].severity), ("secret_in_the_open", Severity::Warning));
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[test]
fn parts_and_references() {
    expect(&[
        (
            "incoming:\n  i: { subscriber: { type: fille, path: a } }\n",
            &[("part_unknown", "incoming.i.subscriber.type", 2, "did you mean \"file\"?")],
        ),
        (
            "incoming:\n  i: { subscriber: { type: none } }\n",
            &[(
                "part_unknown",
                "incoming.i.subscriber.type",
                2,
                "known are: inline, answers, webhook, proxy, file, mistral, other",
            )],
        ),
        (
            "incoming:\n  i:\n    subscriber:\n      type: file\n      pth: a\n",
            &[
                ("schema_missing", "incoming.i.subscriber.path", 3, ""),
                ("schema_unknown_field", "incoming.i.subscriber.pth", 5, "did you mean \"path\"?"),
            ],
        ),
        (
            "incoming:\n  i: { subscriber: { type: file, path: a.exe } }\n",
            &[("file_format", "incoming.i.subscriber.path", 2, "")],
        ),
        (
            "incoming:\n  i: { subscriber: { type: file, path: \"${A\" } }\n",
            &[("variable_syntax", "incoming.i.subscriber.path", 2, "")],
        ),
        (
            "incoming:\n  i: { subscriber: { type: inline, payloads: 3 } }\n",
            &[("schema_type", "incoming.i.subscriber.payloads", 2, "")],
        ),
        (
            "incoming:\n  i:\n    subscriber: { type: answers, route: descrbe, on: ended }\n",
            &[
                ("reference_unknown", "incoming.i.subscriber.route", 3, "did you mean \"describe\"?"),
                ("schema_enum", "incoming.i.subscriber.on", 3, ""),
            ],
        ),
        (
            "routes:\n  r:\n    incoming: product\n    outgoing: nowhere\n",
            &[
                ("reference_unknown", "routes.r.incoming", 3, "did you mean \"products\"?"),
                ("reference_unknown", "routes.r.outgoing", 4, "known are: sink"),
            ],
        ),
        (
            "outgoing:\n  o:\n    publisher: { type: mistral, http_client: mistrl, method: POST, entity: Chat Completion }\n",
            &[("reference_unknown", "outgoing.o.publisher.http_client", 3, "did you mean \"mistral\"?")],
        ),
        (
            "outgoing:\n  o:\n    publisher: { type: other, http_client: mistral, method: POST, entity: Chat Completion }\n",
            &[("prototype_mismatch", "outgoing.o.publisher.http_client", 3, "define one with prototype: other")],
        ),
        (
            "outgoing:\n  o:\n    publisher:\n      type: mistral\n      http_client: mistral\n      method: POST\n      entity: Chat Competion\n",
            &[("entity_unknown", "outgoing.o.publisher.entity", 7, "did you mean \"Chat Completion\"?")],
        ),
        (
            "outgoing:\n  o:\n    publisher:\n      type: mistral\n      http_client: mistral\n      method: POST\n      entity: Chat Completion\n      imput: payload\n",
            &[("schema_unknown_field", "outgoing.o.publisher.imput", 8, "did you mean \"input\"?")],
        ),
        (
            "outgoing:\n  o:\n    publisher:\n      type: mistral\n      http_client: mistral\n      method: POST\n      entity: Chat Completion\n      request_parameters:\n        body: {}\n",
            &[("request_unknown_member", "outgoing.o.publisher.request_parameters.body", 9, "path, query, payload")],
        ),
    ]);
}

#[test]
fn a_request_that_is_known_now_is_checked_now() {
    let incoming = |more: &str| {
        format!(
            "incoming:\n  i:\n    subscriber:\n      type: mistral\n      http_client: mistral\n      method: GET\n      entity: Retrieve Model\n{more}"
        )
    };
    let place = "incoming.i.subscriber.request_parameters.path.model_id".to_owned();
    let found = problems_beside_good(&incoming("      request_parameters:\n        path: {}\n"));
    assert_eq!(brief(&found), [("path_slot_empty".to_owned(), place, Some(9))]);
    let fine = [
        "      request_parameters: { path: { model_id: m } }\n",
        "      input_transformers: [{ type: copy, from: a }]\n",
    ];
    for more in fine {
        assert_eq!(problems_beside_good(&incoming(more)), Vec::new(), "{more}");
    }
}

#[test]
fn transformers_say_which_one_and_where() {
    expect(&[
        (
            "routes:\n  r:\n    incoming: products\n    outgoing: sink\n    transformers:\n      - { type: jq, filter: . }\n      -\n        type: jq\n        filter: |\n          .a\n          | (.b\n",
            &[("jq_syntax", "routes.r.transformers[1].filter", 9, "")],
        ),
        (
            "outgoing:\n  o:\n    transformers:\n      - type: jq\n        fliter: .\n      - type: cpy\n      - type: copy\n    publisher: { type: none }\n",
            &[
                ("schema_missing", "outgoing.o.transformers[0].filter", 4, ""),
                ("schema_unknown_field", "outgoing.o.transformers[0].fliter", 5, "did you mean \"filter\"?"),
                ("part_unknown", "outgoing.o.transformers[1].type", 6, "did you mean \"copy\"?"),
                ("copy_nothing", "outgoing.o.transformers[2].from", 7, ""),
            ],
        ),
        (
            "outgoing:\n  o:\n    publisher:\n      type: mistral\n      http_client: mistral\n      method: POST\n      entity: Chat Completion\n      request_transformers:\n        - type: jq\n          filter: \"(\"\n",
            &[("jq_syntax", "outgoing.o.publisher.request_transformers[0].filter", 10, "")],
        ),
    ]);
}

#[test]
fn secrets_stand_in_credentials_alone() {
    expect(&[(
        "incoming:\n  i:\n    subscriber:\n      type: inline\n      payloads:\n        - ${HOME}\n        - a: [\"x ${secret:KEY}\"]\n        - $${secret:KEY}\n",
        &[("secret_misplaced", "incoming.i.subscriber.payloads[1].a[0]", 7, "api_key, admin_key, user_key")],
    )]);
}

#[test]
fn a_key_with_dots_has_its_own_line() {
    expect(&[(
        "incoming:\n  i:\n    subscriber:\n      type: inline\n      payloads:\n        - a: x\n          a.b: ${secret:KEY}\n",
        &[("secret_misplaced", "incoming.i.subscriber.payloads[0].a.b", 7, "")],
    )]);
}

#[test]
fn routes_that_feed_themselves() {
    let routes = "incoming:\n  of-a: { subscriber: { type: answers, route: a } }\n  of-b: { subscriber: { type: answers, route: b } }\nroutes:\n  a: { incoming: of-b, outgoing: sink }\n  b: { incoming: of-a, outgoing: sink }\n  c: { incoming: of-a, outgoing: sink }\n";
    let found = problems_beside_good(routes);
    assert_eq!(brief(&found), [("answers_cycle".to_owned(), "routes.a".to_owned(), Some(5))]);
    assert!(found[0].reason.ends_with("a -> b -> a"), "{}", found[0].reason);
    let itself = "incoming:\n  own: { subscriber: { type: answers, route: r } }\nroutes:\n  r: { incoming: own, outgoing: sink }\n";
    assert!(problems_beside_good(itself)[0].reason.ends_with("r -> r"));
}

#[test]
fn all_is_said_at_once() {
    let text = "\
http_clients:
  c: { prototype: mistral, base_uri: nowhere, colour: red }
incoming:
  i: { subscriber: { type: mistral, http_client: d, method: GET, entity: Nothing } }
outgoing:
  o: { publisher: { type: file }, transformers: [{ type: jq, filter: ( }] }
routes:
  r: { incoming: j, outgoing: o, parallel: 0, retry: { attempts: -1, first: soon } }
";
    let lines: Vec<u64> = problems_beside_good(text).iter().filter_map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 2, 4, 4, 6, 6, 8, 8, 8, 8]);
}

#[test]
fn files_refer_to_what_is_stored() {
    let draft = parse("a.yaml", "routes:\n  r: { incoming: there, outgoing: gone }\n").unwrap();
    let stored = [crate::stored("incoming", "there", r#"{"subscriber":{"type":"inline","payloads":[]}}"#)];
    let found = check(&draft, &stored, &fake::registry()).unwrap_err();
    assert_eq!(brief(&found), [("reference_unknown".to_owned(), "routes.r.outgoing".to_owned(), Some(2))]);
}
