//! Alerts as those who are told meet them: real processes, a real mail server, real receivers.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

#[path = "../../store/tests/cluster/mod.rs"]
mod cluster;
#[path = "world/smtp.rs"]
mod smtp;
mod world;

use serde_json::{Value, json};
use smtp::{Manner, Smtp, Tls};
use std::process::Command;
use world::serving::{Serving, wait_for};
use world::{Ran, Simulator, World, lines, server};

/// A minute takes two seconds.
fn fast(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command(arguments);
    command.env("TRAMONTANE_CLOCK_SPEED", "30").env("HOOK", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    command
}

/// Another company's receiver: an incoming of our own kind, so that what we sign is held against how we check.
struct Receiver {
    world: World,
    serving: Serving,
    path: String,
}

impl Receiver {
    fn start() -> Self {
        let world = World::new();
        let flow = r#"
incoming:
  alerts: { subscriber: { type: webhook, signing_secret: "${secret:HOOK}" } }
outgoing:
  file: { publisher: { type: file, path: told.jsonl } }
routes:
  save: { incoming: alerts, outgoing: file }
"#;
        world.write("flow.yaml", flow);
        world.run(&["apply", "flow.yaml"]).expect(0);
        let path = world.run(&["webhooks", "--json"]).expect(0).json()[0]["path"].as_str().unwrap().to_owned();
        Self { serving: Serving::start(&mut fast(&world, &[])), world, path }
    }

    fn url(&self) -> String {
        format!("http://{}{}", self.serving.address, self.path)
    }

    /// What it was told: `ocr firing`.
    fn told(&self) -> Vec<String> {
        let text = |event: &Value, member: &str| event["data"][member].as_str().unwrap().to_owned();
        let told = lines(&self.world.path("told.jsonl"));
        told.iter().map(|event| format!("{} {}", text(event, "alert"), text(event, "what"))).collect()
    }
}

#[test]
fn what_has_come_is_told_once_and_its_end_too_whatever_happens_to_the_process() {
    let receiver = Receiver::start();
    let world = World::new();
    let simulator = Simulator::start(&world, &[]);
    let target = format!(
        r#"{{ type: webhook, url: "{}", signing_secret: "${{secret:HOOK}}", allow_private_addresses: true }}"#,
        receiver.url()
    );
    world.write(
        "flow.yaml",
        format!(
            r#"
http_clients:
  mistral: {{ prototype: mistral, base_uri: "{}", api_key: "${{secret:KEY}}", allow_private_addresses: true }}
incoming:
  rows: {{ subscriber: {{ type: inline, payloads: [1, 2, 3] }} }}
outgoing:
  ask:
    transformers:
      - {{ type: jq, filter: '{{payload: {{model: "mistral-small-latest", messages: [{{role: "user", content: "n \(.)"}}]}}}}' }}
    publisher: {{ type: mistral, http_client: mistral, method: POST, entity: Chat Completion }}
routes:
  ask: {{ incoming: rows, outgoing: ask }}
alerts:
  fails: {{ when: {{ type: failed_tasks, route: ask, count: 3, within: 10m }}, send: [{target}], group_for: 0s }}
  key: {{ when: {{ type: key_refused }}, send: [{target}], group_for: 0s, repeat: 10d }}
  off: {{ when: {{ type: failed_tasks }}, send: [{target}], enabled: false }}
  never: {{ when: {{ type: disk, free_below: 0% }}, send: [{target}] }}
"#,
            simulator.url
        ),
    );
    world.run(&["apply", "flow.yaml"]).expect(0);
    let serve = || Serving::start(fast(&world, &[]).env("KEY", "wrong"));
    let mut serving = serve();
    // The engine that serves does the work.
    assert_eq!(Ran::of(fast(&world, &["run", "rows"]).env("KEY", "wrong").output().unwrap()).code, Some(6));
    wait_for("both alerts", || (receiver.told().len() >= 2).then_some(()));
    let mut told = receiver.told();
    told.sort();
    assert_eq!(told, ["fails firing", "key firing"]);
    for _ in 0..3 {
        // Ended without a word, while it looks and sends.
        serving.signal("-KILL");
        serving.child.wait().unwrap();
        serving = serve();
    }
    // Ten minutes on, the tasks failed long ago; the key is refused still.
    wait_for("the end of it", || receiver.told().contains(&"fails resolved".to_owned()).then_some(()));
    let list = Ran::of(fast(&world, &["alerts", "list", "--json"]).output().unwrap()).expect(0).json();
    let of = |name: &str| list.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    assert_eq!((&of("fails")["state"], &of("key")["state"]), (&json!("quiet"), &json!("firing")));
    assert_eq!((&of("off")["state"], &of("never")["state"]), (&json!("off"), &json!("quiet")));
    assert_eq!(of("key")["subjects"][0]["name"], json!("key of mistral"));
    assert_eq!(of("fails")["messages"][0]["sends"][0]["state"], json!("sent"), "{list}");
    serving.stop();
    let mut told = receiver.told();
    told.sort();
    assert_eq!(told, ["fails firing", "fails resolved", "key firing"], "nothing was told twice");
    let event = lines(&receiver.world.path("told.jsonl")).remove(0);
    assert!(event["type"].as_str().unwrap().starts_with("alert.") && event["timestamp"].is_string(), "{event}");
}

/// Either of them may look and send; one that is killed while it has the turn gives it up by and by.
#[test]
fn two_engines_on_one_database_tell_once() {
    if !cluster::available() {
        return;
    }
    let (cluster, receiver, world) = (cluster::Cluster::start(), Receiver::start(), World::new());
    let text = format!(
        "alerts:\n  disk: {{ when: {{ type: disk, free_below: 100% }}, repeat: 2m, group_for: 0s, send: [{{ type: webhook, url: \"{}\", \
         signing_secret: \"${{secret:HOOK}}\", allow_private_addresses: true }}] }}\n",
        receiver.url()
    );
    world.write("flow.yaml", text);
    let url = cluster.url();
    let command = |arguments: &[&str]| {
        let mut command = fast(&world, arguments);
        command.env("TRAMONTANE_DATABASE", &url);
        command
    };
    assert!(command(&["apply", "flow.yaml"]).status().unwrap().success());
    let mut one = Serving::start(&mut command(&[]));
    let other = Serving::start(&mut command(&[]));
    let told = |count: usize| wait_for("what is told", || (receiver.told().len() >= count).then(|| receiver.told()));
    told(2);
    one.signal("-KILL");
    one.child.wait().unwrap();
    told(4);
    other.stop();
    let list = Ran::of(command(&["alerts", "list", "--json", "--messages", "100"]).output().unwrap()).expect(0).json();
    let messages = list[0]["messages"].as_array().unwrap();
    let sent = |message: &&Value| message["sends"][0]["state"] == "sent";
    let told = receiver.told();
    assert_eq!(told.iter().filter(|one| *one == "disk firing").count(), 1, "{told:?}");
    assert!(told.iter().all(|one| one == "disk firing" || one == "disk still"), "{told:?}");
    // The kill may have come between a send and its end: that one is nobody's to send again.
    assert!(told.len() <= messages.len() && messages.iter().filter(sent).count() + 1 >= told.len(), "{told:?} {list}");
}

/// A world with one alert that tells by mail.
fn with_mail(target: &str) -> World {
    let world = World::new();
    let text = format!(
        r#"
alerts:
  mail: {{ when: {{ type: disk, free_below: 100% }}, send: [{{ type: email, from: "Alerts <a@example.com>", {target} }}] }}
"#
    );
    world.write("flow.yaml", text);
    world.run(&["apply", "flow.yaml"]).expect(0);
    world
}

fn at(port: u16, more: &str) -> String {
    format!(
        "smtp: \"smtp://127.0.0.1:{port}\", allow_private_addresses: true, to: [ann@example.com, bob@example.com], {more}"
    )
}

#[test]
fn a_mail_arrives_or_it_is_known_that_it_did_not() {
    use Manner::{Drops, Good, Says, Shut, Slow};
    // How the server behaves; what is said, with which code, and how many mails it has in the end.
    let cases: [(Manner, i32, &str, &str, usize); 17] = [
        (Good, 0, "sent", "", 1),
        (Slow, 0, "sent", "", 1),
        (Shut, 6, "failed", "mail_unreachable", 0),
        (Drops("HELLO"), 6, "failed", "mail_unreachable", 0),
        (Drops("EHLO"), 6, "failed", "mail_unreachable", 0),
        (Drops("MAIL"), 6, "failed", "mail_unreachable", 0),
        (Drops("RCPT"), 6, "failed", "mail_unreachable", 0),
        (Drops("DATA"), 6, "failed", "mail_unreachable", 0),
        // It has the whole mail, and does not say that it took it.
        (Drops("END"), 7, "unknown", "send_unknown", 1),
        (Says("HELLO", "554 go away"), 6, "failed", "mail_refused", 0),
        (Says("HELLO", "not SMTP at all"), 6, "failed", "mail_unreachable", 0),
        (Says("MAIL", "451 later"), 6, "failed", "mail_refused", 0),
        (Says("RCPT", "450 greylisted"), 6, "failed", "mail_refused", 0),
        (Says("RCPT", "550 nobody"), 6, "failed", "mail_refused", 0),
        (Says("DATA", "452 full"), 6, "failed", "mail_refused", 0),
        (Says("END", "554 spam"), 6, "failed", "mail_refused", 0),
        (Says("QUIT", "500 what"), 0, "sent", "", 1),
    ];
    for (manner, exit, state, code, count) in cases {
        let server = Smtp::start(&[manner], Tls::Never);
        let world = with_mail(&at(server.port, "tls: none"));
        let tried = world.run(&["alerts", "try", "mail", "--json"]).expect(exit).json();
        let sent = &tried["sends"][0];
        assert_eq!(
            (sent["state"].as_str(), sent["problem"]["code"].as_str().unwrap_or_default()),
            (Some(state), code),
            "{manner:?}: {tried}"
        );
        assert_eq!(server.taken().len(), count, "{manner:?}");
        let kept = world.run(&["alerts", "list", "--json"]).expect(0).json();
        assert_eq!(
            (&kept[0]["messages"][0]["what"], &kept[0]["messages"][0]["sends"][0]["state"]),
            (&json!("test"), &json!(state))
        );
    }
    let world = with_mail(&at(1, "tls: none"));
    let tried = world.run(&["alerts", "try", "mail", "--json"]).expect(6).json();
    assert_eq!(tried["sends"][0]["problem"]["code"], "mail_unreachable", "nobody listens");
}

#[test]
fn a_mail_is_what_it_should_be() {
    let server = Smtp::start(&[Manner::Good], Tls::Never);
    let world = with_mail(&at(server.port, "tls: none"));
    world.run(&["alerts", "try", "mail"]).expect(0);
    let mail = server.taken().remove(0);
    assert_eq!(mail.from, "<a@example.com>");
    assert_eq!(mail.to, ["<ann@example.com>", "<bob@example.com>"]);
    for line in
        ["Subject: [tramontane] mail: this is a test", "From: Alerts <a@example.com>", "Auto-Submitted: auto-generated"]
    {
        assert!(mail.text.contains(&format!("{line}\r\n")), "{line} in {}", mail.text);
    }
}

#[test]
fn tls_is_asked_for_and_certificates_are_looked_at() {
    let trusts = ("SSL_CERT_FILE", smtp::certificate("authority.pem"));
    let login = r#"username: ann, password: "${secret:MAIL_PASSWORD}""#;
    let try_at = |smtp: String, trusted: bool| {
        let world =
            with_mail(&format!("smtp: \"{smtp}\", allow_private_addresses: true, to: [ann@example.com], {login}"));
        let mut command = world.command(&["alerts", "try", "mail", "--json"]);
        command.env("MAIL_PASSWORD", "hunter2");
        if trusted {
            command.env(trusts.0, &trusts.1);
        }
        let ran = Ran::of(command.output().unwrap());
        assert!(!format!("{ran:?}").contains("hunter2"));
        ran.json()["sends"][0].clone()
    };
    for (tls, scheme) in [(Tls::Offered, "smtp"), (Tls::FromTheStart, "smtps")] {
        let server = Smtp::start(&[Manner::Good], tls);
        let url = |host: &str| format!("{scheme}://{host}:{}", server.port);
        let sent = try_at(url("127.0.0.1"), true);
        assert_eq!((sent["state"].as_str(), server.taken().len()), (Some("sent"), 1), "{tls:?} {sent}");
        assert!(server.said().iter().any(|line| line.starts_with("AUTH PLAIN")));
        let before = server.said().len();
        let sent = try_at(url("127.0.0.1"), false);
        assert_eq!((sent["state"].as_str(), server.taken().len()), (Some("failed"), 1), "an unknown authority: {sent}");
        // 127.0.0.2 is not in the certificate.
        let sent = try_at(url("127.0.0.2"), true);
        assert_eq!((sent["state"].as_str(), server.taken().len()), (Some("failed"), 1), "another name: {sent}");
        assert!(!server.said()[before..].iter().any(|line| line.starts_with("AUTH")), "the password stays here");
    }
    // A server that offers no TLS gets neither mail nor password.
    let server = Smtp::start(&[Manner::Good], Tls::Never);
    let sent = try_at(format!("smtp://127.0.0.1:{}", server.port), true);
    assert_eq!(sent["problem"]["code"], "mail_in_the_open", "{sent}");
    assert!(!server.said().iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")));
    // One that repeats the password is not quoted.
    let server = Smtp::start(&[Manner::Says("AUTH", "535 no: hunter2 AGFubgBodW50ZXIy aHVudGVyMg==")], Tls::Offered);
    let sent = try_at(format!("smtp://127.0.0.1:{}", server.port), true);
    assert_eq!(sent["problem"]["code"], "mail_refused", "{sent}");
    assert!(!sent.to_string().contains("hunter2") && !sent.to_string().contains("aHVudGVyMg"), "{sent}");
}

#[test]
fn what_does_not_arrive_is_tried_again_and_then_shown() {
    let busy = Smtp::start(&[Manner::Says("RCPT", "450 later"), Manner::Shut, Manner::Good], Tls::Never);
    let never = Smtp::start(&[Manner::Says("MAIL", "550 never")], Tls::Never);
    let world = World::new();
    let target = |port: u16| format!("{{ type: email, from: a@example.com, tls: none, {} }}", at(port, ""));
    world.write(
        "flow.yaml",
        format!(
            "alerts:\n  disk: {{ when: {{ type: disk, free_below: 100% }}, repeat: 10d, send: [{}, {}] }}\n",
            target(busy.port),
            target(never.port)
        ),
    );
    world.run(&["apply", "flow.yaml"]).expect(0);
    let serving = Serving::start(&mut fast(&world, &[]));
    let list = || Ran::of(fast(&world, &["alerts", "list", "--json"]).output().unwrap()).expect(0).json();
    let sends = wait_for("both ends", || {
        let sends = list()[0]["messages"][0]["sends"].clone();
        (sends[0]["state"] == "sent" && sends[1]["state"] == "failed").then_some(sends)
    });
    assert_eq!((&sends[0]["attempts"], &sends[1]["attempts"]), (&json!(3), &json!(1)), "{sends}");
    assert_eq!((busy.taken().len(), never.taken().len()), (1, 0));
    assert!(
        busy.taken()[0].text.contains("Subject: [tramontane] disk: disk of the data folder: "),
        "{:?}",
        busy.taken()
    );
    // A restart says nothing of it again.
    serving.stop();
    let serving = Serving::start(&mut fast(&world, &[]));
    assert!(Ran::of(fast(&world, &["alerts", "mute", "disk", "--for", "1d"]).output().unwrap()).code == Some(0));
    assert_eq!((&list()[0]["state"], &list()[0]["muted"]["by"]), (&json!("muted"), &json!("cli")));
    assert!(Ran::of(fast(&world, &["alerts", "unmute", "disk"]).output().unwrap()).code == Some(0));
    assert_eq!((&list()[0]["state"], list()[0]["messages"].as_array().unwrap().len()), (&json!("firing"), 1));
    serving.stop();
    assert_eq!(busy.taken().len(), 1);
}

#[test]
fn a_channel_and_a_webhook_are_told_under_the_rules_of_every_call() {
    let cases: [(&str, &str, i32, &str); 5] = [
        ("200 OK", "", 0, ""),
        ("302 Found", "location: http://127.0.0.1:1/\r\n", 6, "receiver_refused"),
        ("404 Not Found", "", 6, "receiver_refused"),
        ("503 Unavailable", "", 6, "receiver_refused"),
        ("429 Too Many", "retry-after: 1\r\n", 6, "receiver_refused"),
    ];
    for (status, headers, exit, code) in cases {
        let (url, seen) = server::follow(vec![server::whole(status, headers, "ok")]);
        let world = World::new();
        let text = "alerts:\n  a: { when: { type: unknown_outcomes }, send: [{ type: slack, url: \"${secret:CHANNEL}\", \
                    allow_private_addresses: true }] }\n";
        world.write("flow.yaml", text);
        world.run(&["apply", "flow.yaml"]).expect(0);
        let mut command = world.command(&["alerts", "try", "a", "--json"]);
        let ran = Ran::of(command.env("CHANNEL", format!("{url}/services/hush")).output().unwrap()).expect(exit);
        assert_eq!(ran.json()["sends"][0]["problem"]["code"].as_str().unwrap_or_default(), code, "{status}");
        let request = seen.recv().unwrap();
        assert!(
            request.starts_with("post /services/hush http/1.1") && request.contains("application/json"),
            "{request}"
        );
        assert!(!request.contains("authorization"), "{request}");
        assert!(seen.try_recv().is_err(), "a redirect is not followed, a test is not repeated");
        let shown = format!("{ran:?}{:?}", world.run(&["alerts", "list", "--json"]));
        assert!(!shown.contains("hush"), "where the channel is stays a secret: {shown}");
    }
    // Nobody listens; a variable leads to a private address.
    let world = World::new();
    let text = "alerts:\n  a: { when: { type: unknown_outcomes }, send: [{ type: webhook, url: \"${WHERE}\" }] }\n";
    world.write("flow.yaml", text);
    world.run(&["apply", "flow.yaml"]).expect(0);
    let try_at = |place: &str| {
        let ran = Ran::of(world.command(&["alerts", "try", "a", "--json"]).env("WHERE", place).output().unwrap());
        ran.expect(6).json()["sends"][0]["problem"]["code"].clone()
    };
    for private in ["http://127.0.0.1:9/", "http://[::1]/", "http://169.254.169.254/latest", "http://localhost:9/"] {
        assert_eq!(try_at(private), "address_private", "{private}");
    }
    assert_eq!(try_at("ftp://example.com/"), "url_wrong");
    world.run(&["alerts", "try", "b"]).expect(3);
}

#[test]
fn the_api_shows_tries_and_mutes_for_those_who_may() {
    let server = Smtp::start(&[Manner::Good], Tls::Never);
    let world = with_mail(&at(server.port, "tls: none"));
    let token = |role: &str| {
        world.run(&["people", "add", role, "--role", role]).expect(0);
        let made = world.run(&["tokens", "add", role, "--json"]).expect(0).json();
        format!("Bearer {}", made["token"].as_str().unwrap())
    };
    let (viewer, operator, admin) = (token("viewer"), token("operator"), token("admin"));
    let serving = Serving::start(&mut world.command(&[]));
    let ask = |token: &str, method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("authorization", token), ("content-type", "application/json")];
        serving.send(method, &format!("/api/v1{path}"), &headers, body.as_bytes())
    };
    let (status, list) = ask(&viewer, "GET", "/alerts", Value::Null);
    assert_eq!((status, &list["items"][0]["name"]), (200, &json!("mail")));
    for path in ["/alerts/mail/try", "/alerts/mail/mute", "/alerts/mail/unmute"] {
        assert_eq!(ask(&viewer, "POST", path, json!({ "for": "1h" })).0, 403, "{path}");
    }
    let (status, muted) = ask(&operator, "POST", "/alerts/mail/mute", json!({ "for": "1h" }));
    assert_eq!((status, &muted["state"], &muted["muted"]["by"]), (200, &json!("muted"), &json!("operator")));
    for wrong in [
        json!({}),
        json!({ "for": "soon" }),
        json!({ "for": "0s" }),
        json!({ "for": "3000d" }),
        json!({ "for": "1h", "x": 1 }),
    ] {
        assert!(matches!(ask(&operator, "POST", "/alerts/mail/mute", wrong.clone()).0, 400 | 422), "{wrong}");
    }
    assert_eq!(ask(&operator, "POST", "/alerts/none/mute", json!({ "for": "1h" })).0, 404);
    let (status, tried) = ask(&operator, "POST", "/alerts/mail/try", Value::Null);
    assert_eq!((status, &tried["items"][0]["state"]), (200, &json!("sent")));
    assert!(server.taken().iter().any(|mail| mail.text.contains("this is a test")));
    assert_eq!(ask(&operator, "POST", "/alerts/mail/unmute", Value::Null).0, 200);
    for path in ["/alerts?messages=101", "/alerts?limit=1", "/models?all=perhaps", "/models?x=1"] {
        assert_eq!(ask(&viewer, "GET", path, Value::Null).0, 400, "{path}");
    }
    let (_, record) = ask(&admin, "GET", "/audit", Value::Null);
    let done: Vec<&str> = record["items"].as_array().unwrap().iter().filter_map(|one| one["what"].as_str()).collect();
    for what in ["alert.mute", "alert.try", "alert.unmute"] {
        assert!(done.contains(&what), "{what} in {done:?}");
    }
    serving.stop();
}
