//! People as they come in: the first administrator, passwords, sessions, second factors, tokens, and the record of it all.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rusqlite::types::Value as Cell;
use serde_json::{Value, json};
use sha1::Sha1;
use world::World;
use world::people::{PASSWORD, cookie, page, program, set_password, sign_in, signed_in, token, with_password};
use world::serving::{Answer, Serving, exchange};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A process whose clock the test moves.
fn serve_with_clock(world: &World) -> Serving {
    world.write("ahead", "0");
    Serving::start(world.command(&[]).env("TRAMONTANE_CLOCK_SHIFT", world.path("ahead")))
}

/// Moves its clock to so far ahead of the machine's.
fn ahead(world: &World, by: i64) {
    std::fs::rename(world.write("ahead.new", by.to_string()), world.path("ahead")).unwrap();
}

fn me(serving: &Serving, cookie: &str) -> u16 {
    page(serving, cookie, "GET", "/api/v1/me", &Value::Null).status
}

#[track_caller]
fn is(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.json()["code"].as_str().unwrap_or("")), (status, code), "{answer:?}");
}

/// The code that an app shows at a time.
fn code(secret: &str, at: i64) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(&BASE32_NOPAD.decode(secret.as_bytes()).unwrap()).unwrap();
    mac.update(&(at / 30_000).to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let place = usize::from(hash[19] & 15);
    let number = u32::from_be_bytes(hash[place..place + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn machine_time() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[test]
fn the_first_start_offers_a_link_that_makes_the_administrator_once() {
    let world = World::new();
    world.write("ahead", "0");
    let (serving, announced) =
        Serving::announced(world.command(&[]).env("TRAMONTANE_CLOCK_SHIFT", world.path("ahead")), &[]);
    let link = announced["setup"].as_str().unwrap();
    let (url, bits) = link.split_once("/setup?token=").unwrap();
    assert_eq!((url, bits.len()), (announced["url"].as_str().unwrap(), 43));
    let set_up = |token: &str, name: &str, password: &str| {
        page(&serving, "", "POST", "/api/v1/setup", &json!({ "token": token, "name": name, "password": password }))
    };
    is(&set_up(&"A".repeat(43), "ada", PASSWORD), 401, "link_wrong");
    is(&set_up("", "ada", PASSWORD), 401, "link_wrong");
    is(&set_up(bits, "ada", "short"), 422, "password_weak");
    is(&set_up(bits, "ada", "administrator"), 422, "password_weak");
    is(&set_up(bits, "a\nda", PASSWORD), 422, "name_wrong");
    let unnamed = json!({ "token": bits, "password": PASSWORD });
    is(&page(&serving, "", "POST", "/api/v1/setup", &unnamed), 422, "body_wrong");
    let extra = json!({ "token": bits, "name": "ada", "password": PASSWORD, "role": "admin" });
    is(&page(&serving, "", "POST", "/api/v1/setup", &extra), 422, "body_wrong");
    ahead(&world, HOUR);
    is(&set_up(bits, "ada", PASSWORD), 401, "link_wrong");
    ahead(&world, 0);
    let made = set_up(bits, "ada", PASSWORD);
    assert_eq!((&made.json()["name"], &made.json()["role"]), (&json!("ada"), &json!("admin")));
    assert_eq!(me(&serving, &cookie(&made)), 200);
    is(&set_up(bits, "eve", PASSWORD), 401, "link_wrong");
    serving.stop();
    let (serving, announced) = Serving::announced(&mut world.command(&[]), &[]);
    assert_eq!(announced["setup"], Value::Null, "somebody can come in");
    serving.stop();
    // A token is a way in too.
    let other = World::new();
    other.run(&["people", "add", "ada", "--role", "admin"]).expect(0);
    token(&other, "ada", &[]);
    let (serving, announced) = Serving::announced(&mut other.command(&[]), &[]);
    assert_eq!(announced["setup"], Value::Null);
    serving.stop();
}

#[test]
fn people_sign_in_and_out() {
    let world = World::new();
    let serving = Serving::start(&mut world.command(&[]));
    with_password(&world, "ada", "admin");
    with_password(&world, "vera", "viewer");
    let first = sign_in(&serving, "ada", PASSWORD, None);
    let set = first.headers("set-cookie")[0].to_owned();
    for flag in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(set.contains(flag), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains("Domain"), "this is not TLS, and for no other host: {set}");
    let first = cookie(&first);
    assert_eq!(first.len(), "tramontane_session=".len() + 43);
    // Whoever signs in gets another session than they came with.
    let second =
        cookie(&page(&serving, &first, "POST", "/api/v1/session", &json!({ "name": "ada", "password": PASSWORD })));
    assert!(second != first && me(&serving, &first) == 401 && me(&serving, &second) == 200);
    // What is wrong is said the same way, whatever it is.
    let wrong: Vec<Answer> = [("ada", "correct horse batter"), ("nobody", PASSWORD), ("", ""), ("a\nb", PASSWORD)]
        .into_iter()
        .map(|(name, password)| sign_in(&serving, name, password, None))
        .collect();
    assert!(wrong.iter().all(|answer| answer.status == 401 && answer.body == wrong[0].body), "{wrong:?}");
    let out = page(&serving, &second, "DELETE", "/api/v1/session", &Value::Null);
    assert!(out.status == 204 && out.headers("set-cookie")[0].contains("Max-Age=0"), "{out:?}");
    assert_eq!(me(&serving, &second), 401);
    // What an administrator changes holds at the next request.
    let vera = cookie(&sign_in(&serving, "vera", PASSWORD, None));
    assert_eq!(page(&serving, &vera, "GET", "/api/v1/audit", &Value::Null).status, 403);
    world.run(&["people", "add", "vera", "--role", "admin"]).expect(0);
    assert_eq!(page(&serving, &vera, "GET", "/api/v1/audit", &Value::Null).status, 200);
    world.run(&["people", "disable", "vera"]).expect(0);
    assert_eq!(me(&serving, &vera), 401);
    is(&sign_in(&serving, "vera", PASSWORD, None), 401, "sign_in_wrong");
    world.run(&["people", "enable", "vera"]).expect(0);
    assert_eq!(me(&serving, &vera), 401, "what ended stays ended");
    serving.stop();
}

#[test]
fn a_password_is_changed_and_ends_every_session() {
    let world = World::new();
    let serving = Serving::start(&mut world.command(&[]));
    with_password(&world, "ada", "admin");
    let [one, two] = [(); 2].map(|()| cookie(&sign_in(&serving, "ada", PASSWORD, None)));
    let change = |cookie: &str, present: &str, new: &str| {
        page(&serving, cookie, "PUT", "/api/v1/me/password", &json!({ "present": present, "new": new }))
    };
    is(&change(&one, "correct horse", "another fine one"), 403, "password_wrong");
    is(&change(&one, PASSWORD, "short"), 422, "password_weak");
    let three = cookie(&change(&one, PASSWORD, "another fine one"));
    assert_eq!([&one, &two, &three].map(|cookie| me(&serving, cookie)), [401, 401, 200]);
    is(&sign_in(&serving, "ada", PASSWORD, None), 401, "sign_in_wrong");
    assert_eq!(sign_in(&serving, "ada", "another fine one", None).status, 200);
    // On the command line, too; what is weak is refused there.
    assert!(set_password(&world, "ada", "administrator").expect(3).stderr.contains("[password_weak]"));
    assert!(set_password(&world, "eve", PASSWORD).expect(3).stderr.contains("[person_unknown]"));
    set_password(&world, "ada", PASSWORD).expect(0);
    assert_eq!(me(&serving, &three), 401);
    // A link sets a forgotten one, once.
    let made = world.run(&["people", "link", "ada", "--json"]).expect(0).json();
    let bits = made["link"].as_str().unwrap().split("token=").nth(1).unwrap().to_owned();
    let use_link = |name: Value| {
        let body = json!({ "token": bits, "name": name, "password": "a third fine one" });
        page(&serving, "", "POST", "/api/v1/setup", &body)
    };
    is(&use_link(json!("eve")), 401, "link_wrong");
    let four = cookie(&use_link(Value::Null));
    assert_eq!(me(&serving, &four), 200);
    is(&use_link(Value::Null), 401, "link_wrong");
    let by_api = page(&serving, &four, "POST", "/api/v1/people/ada/link", &Value::Null);
    assert!(by_api.status == 201 && by_api.json()["path"].as_str().unwrap().starts_with("/setup?token="), "{by_api:?}");
    serving.stop();
}

#[test]
fn a_session_ends_by_itself() {
    let world = World::new();
    let serving = serve_with_clock(&world);
    with_password(&world, "ada", "admin");
    let [used, unused] = [(); 2].map(|()| cookie(&sign_in(&serving, "ada", PASSWORD, None)));
    // Used now and then it lives on, for seven days.
    for hours in (11..24 * 7).step_by(11) {
        ahead(&world, hours * HOUR);
        assert_eq!(me(&serving, &used), 200, "after {hours} h");
    }
    ahead(&world, 7 * DAY - 60_000);
    assert_eq!(me(&serving, &used), 200);
    ahead(&world, 7 * DAY);
    assert_eq!(me(&serving, &used), 401);
    ahead(&world, 12 * HOUR);
    assert_eq!(me(&serving, &unused), 401, "not used for twelve hours");
    ahead(&world, 12 * HOUR - 60_000);
    assert_eq!(me(&serving, &unused), 200);
    serving.stop();
    // Both are settings.
    let mut command = world.command(&[]);
    command.env("TRAMONTANE_CLOCK_SHIFT", world.path("ahead"));
    let serving = Serving::start_with(&mut command, &["--session-idle", "1h", "--session-end", "2h"]);
    ahead(&world, 0);
    let answer = sign_in(&serving, "ada", PASSWORD, None);
    assert!(answer.headers("set-cookie")[0].contains("Max-Age=7200"));
    ahead(&world, HOUR);
    assert_eq!(me(&serving, &cookie(&answer)), 401);
    serving.stop();
}

/// A thousand guesses take days, and answers say nothing about which names there are.
#[test]
fn guesses_are_slowed_down() {
    let world = World::new();
    let serving = serve_with_clock(&world);
    with_password(&world, "ada", "admin");
    with_password(&world, "bob", "viewer");
    let (mut now, mut delays, mut refused) = (0, 0, 0);
    for guess in 0..1_000 {
        // Every name is asked for in turn; one of them is somebody's.
        let name = if guess % 2 == 0 { "ada" } else { "nobody" };
        let answer = sign_in(&serving, name, &format!("guess number {guess}"), None);
        match answer.status {
            401 => refused += 1,
            429 => {
                delays += 1;
                let [after] = answer.headers("retry-after")[..] else { panic!("{answer:?}") };
                assert_eq!(answer.json()["code"], "sign_in_delayed");
                // Some of them wait as they are told.
                if guess % 8 == 0 {
                    now += after.parse::<i64>().unwrap() * 1_000;
                    ahead(&world, now);
                }
            }
            _ => panic!("{answer:?}"),
        }
    }
    assert!(now > 8 * HOUR && delays > 800 && refused < 200, "{now} ms, {delays} delayed, {refused} tried");
    is(&sign_in(&serving, "ada", PASSWORD, None), 429, "sign_in_delayed");
    ahead(&world, now + HOUR);
    assert_eq!(sign_in(&serving, "ada", PASSWORD, None).status, 200, "the wait is over");
    // The record is not flooded: each wait of an account once.
    let what = |what: &str| {
        world
            .run(&["audit", "list", "--what", what, "--limit", "2000", "--json"])
            .expect(0)
            .json()
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(what("session.refused"), refused);
    assert!((1..=2 * refused).contains(&what("session.delayed")), "{}", what("session.delayed"));
    serving.stop();
}

#[test]
fn a_second_factor_is_asked_for() {
    let world = World::new();
    let serving = serve_with_clock(&world);
    with_password(&world, "ada", "admin");
    let session = cookie(&sign_in(&serving, "ada", PASSWORD, None));
    let post = |path: &str, body: Value| page(&serving, &session, "POST", path, &body);
    is(&post("/api/v1/me/factor/confirm", json!({ "code": "123456" })), 409, "factor_none");
    is(&post("/api/v1/me/factor", json!({ "password": "not the password" })), 403, "password_wrong");
    let offer = post("/api/v1/me/factor", json!({ "password": PASSWORD })).json();
    let secret = offer["secret"].as_str().unwrap().to_owned();
    assert!(offer["address"].as_str().unwrap().contains(&secret));
    assert_eq!(sign_in(&serving, "ada", PASSWORD, None).status, 200, "it is not asked for yet");
    is(&post("/api/v1/me/factor/confirm", json!({ "code": "000000x" })), 422, "code_wrong");
    // Far enough from each other that what failed before is forgotten.
    let mut now = 0;
    let mut next = || {
        now += 2 * HOUR;
        ahead(&world, now);
        code(&secret, machine_time() + now)
    };
    let confirmed = post("/api/v1/me/factor/confirm", json!({ "code": next() })).json();
    let recovery: Vec<String> = serde_json::from_value(confirmed["recovery_codes"].clone()).unwrap();
    assert_eq!(recovery.len(), 10);
    is(&post("/api/v1/me/factor", json!({ "password": PASSWORD })), 409, "factor_there");
    is(&sign_in(&serving, "ada", PASSWORD, None), 401, "code_needed");
    is(&sign_in(&serving, "ada", "not the password", None), 401, "sign_in_wrong");
    let good = next();
    is(&sign_in(&serving, "ada", "not the password", Some(&good)), 401, "sign_in_wrong");
    let signed = sign_in(&serving, "ada", PASSWORD, Some(&good));
    assert_eq!((signed.status, &signed.json()["has_factor"]), (200, &json!(true)), "{signed:?}");
    is(&sign_in(&serving, "ada", PASSWORD, Some(&good)), 401, "code_wrong");
    // Each recovery code counts once.
    let signed = sign_in(&serving, "ada", PASSWORD, Some(&recovery[0].to_uppercase()));
    assert_eq!(signed.status, 200, "{signed:?}");
    let left = page(&serving, &cookie(&signed), "GET", "/api/v1/me", &Value::Null).json();
    assert_eq!(left["recovery_codes_left"], 9);
    is(&sign_in(&serving, "ada", PASSWORD, Some(&recovery[0])), 401, "code_wrong");
    // A link sets a password, and is no way around the second factor.
    let made = world.run(&["people", "link", "ada", "--json"]).expect(0).json();
    let bits = made["link"].as_str().unwrap().split("token=").nth(1).unwrap().to_owned();
    let mut body = json!({ "token": bits, "password": PASSWORD });
    is(&page(&serving, "", "POST", "/api/v1/setup", &body), 401, "code_needed");
    body["code"] = json!(recovery[1]);
    let session = cookie(&page(&serving, "", "POST", "/api/v1/setup", &body));
    // It goes with the password, or by an administrator.
    let remove =
        |password: &str| page(&serving, &session, "POST", "/api/v1/me/factor/remove", &json!({ "password": password }));
    is(&remove("not the password"), 403, "password_wrong");
    assert_eq!(remove(PASSWORD).status, 204);
    assert_eq!(sign_in(&serving, "ada", PASSWORD, None).status, 200);
    is(&page(&serving, &session, "DELETE", "/api/v1/people/ada/factor", &Value::Null), 404, "factor_none");
    serving.stop();
}

#[test]
fn tokens_and_sessions_are_their_owners_own() {
    let world = World::new();
    let serving = Serving::start(&mut world.command(&[]));
    for (name, role) in [("ada", "admin"), ("otto", "operator"), ("vera", "viewer")] {
        with_password(&world, name, role);
    }
    let [ada, otto, vera] = ["ada", "otto", "vera"].map(|name| cookie(&sign_in(&serving, name, PASSWORD, None)));
    let items = |cookie: &str, path: &str| {
        page(&serving, cookie, "GET", path, &Value::Null).json()["items"].as_array().unwrap().clone()
    };
    let owners = |cookie: &str, path: &str| {
        items(cookie, path).iter().map(|one| one["person"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(owners(&vera, "/api/v1/sessions"), ["vera"]);
    assert_eq!(owners(&ada, "/api/v1/sessions"), ["ada", "otto", "vera"]);
    let ottos = items(&otto, "/api/v1/sessions")[0].clone();
    assert_eq!(
        (&ottos["agent"], &ottos["origin"], &ottos["is_present"]),
        (&json!("A Browser/1.0"), &json!("127.0.0.1"), &json!(true))
    );
    let delete = |cookie: &str, path: String| page(&serving, cookie, "DELETE", &path, &Value::Null);
    is(&delete(&vera, format!("/api/v1/sessions/{}", ottos["id"])), 404, "session_unknown");
    assert_eq!(me(&serving, &otto), 200, "another's session is not theirs to end");
    assert_eq!(delete(&ada, format!("/api/v1/sessions/{}", ottos["id"])).status, 204);
    assert_eq!(me(&serving, &otto), 401);
    // Tokens likewise.
    let make = |cookie: &str, wish: Value| page(&serving, cookie, "POST", "/api/v1/tokens", &wish);
    is(&make(&vera, json!({ "person": "ada" })), 403, "forbidden");
    is(&make(&vera, json!({ "role": "operator" })), 422, "token_exceeds");
    is(&make(&vera, json!({ "label": "a\nb" })), 422, "label_wrong");
    is(&make(&vera, json!({ "scope": ["everything"] })), 422, "body_wrong");
    is(&make(&vera, json!({ "expires_at": "2020-01-01T00:00:00Z" })), 422, "body_wrong");
    is(&make(&ada, json!({ "person": "otot" })), 404, "person_unknown");
    let veras = make(&vera, json!({ "label": "laptop" }));
    assert_eq!(veras.status, 201, "{veras:?}");
    assert_eq!(owners(&vera, "/api/v1/tokens"), ["vera"]);
    let adas = make(&ada, json!({ "role": "viewer", "scope": ["read"] })).json();
    is(&delete(&vera, format!("/api/v1/tokens/{}", adas["id"])), 404, "token_unknown");
    assert_eq!(owners(&ada, "/api/v1/tokens"), ["vera", "ada"]);
    assert_eq!(delete(&vera, format!("/api/v1/tokens/{}", veras.json()["id"])).status, 204);
    is(
        &program(&serving, veras.json()["token"].as_str().unwrap(), "GET", "/api/v1/me", &Value::Null),
        401,
        "unauthorised",
    );
    let denied = world.run(&["audit", "list", "--what", "denied", "--who", "vera", "--json"]).expect(0).json();
    assert_eq!(denied.as_array().unwrap().len(), 3, "{denied}");
    serving.stop();
}

#[test]
fn a_token_does_what_its_scope_says_and_makes_none_that_does_more() {
    let world = World::new();
    let serving = Serving::start(&mut world.command(&[]));
    world.run(&["people", "add", "ada", "--role", "admin"]).expect(0);
    let with = |scope: &str| token(&world, "ada", &["--scope", scope, "--expires", "1d"]);
    let tokens = [("read", with("read")), ("tasks", with("tasks")), ("runs", with("runs")), ("people", with("people"))];
    let run = json!({ "incoming": "none" });
    let decision = json!({ "decision": "retry" });
    let label = json!({ "label": "more" });
    // Method, path, body, and the scopes that may.
    let cases: [(&str, &str, &Value, &[&str]); 7] = [
        ("GET", "/api/v1/tasks", &Value::Null, &["read", "tasks"]),
        ("GET", "/api/v1/people", &Value::Null, &["read", "people"]),
        ("GET", "/api/v1/operations", &Value::Null, &["read"]),
        ("POST", "/api/v1/tasks/9/decisions", &decision, &["tasks"]),
        ("POST", "/api/v1/runs", &run, &["runs"]),
        ("POST", "/api/v1/tokens", &label, &["people"]),
        ("DELETE", "/api/v1/tokens/999", &Value::Null, &["people"]),
    ];
    for (method, path, body, may) in cases {
        for (scope, token) in &tokens {
            let answer = program(&serving, token, method, path, body);
            let is_kept_out = answer.status == 403 && answer.json()["title"].as_str().unwrap().contains("scope");
            // A token that may make others still makes none that may do more.
            assert_eq!(!is_kept_out, may.contains(scope), "{scope}: {method} {path}: {answer:?}");
        }
    }
    let people = &tokens[3].1;
    let soon = machine_time() + HOUR;
    let soon = json!(jiff_text(soon));
    let wishes = [
        (json!({}), 422, "token_exceeds"),
        (json!({ "scope": ["read"] }), 422, "token_exceeds"),
        (json!({ "scope": ["people"] }), 422, "token_exceeds"),
        (json!({ "scope": ["people"], "expires_at": "2999-01-01T00:00:00Z" }), 422, "token_exceeds"),
        (json!({ "scope": ["people"], "expires_at": soon }), 201, ""),
    ];
    for (wish, status, code) in wishes {
        is(&program(&serving, people, "POST", "/api/v1/tokens", &wish), status, code);
    }
    let listed = world.run(&["tokens", "list", "--json"]).expect(0).json();
    assert_eq!(listed[1]["scope"], json!(["tasks"]));
    serving.stop();
}

/// RFC 3339.
fn jiff_text(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).unwrap().to_string()
}

#[test]
fn people_are_added_and_changed_and_one_administrator_stays() {
    let world = World::new();
    let serving = Serving::start(&mut world.command(&[]));
    world.run(&["people", "add", "ada", "--role", "admin"]).expect(0);
    let ada = signed_in(&world, &serving, "ada");
    let ask =
        |method: &str, path: &str, body: Value| page(&serving, &ada, method, &format!("/api/v1/people/{path}"), &body);
    assert_eq!(ask("PUT", "bob", json!({ "role": "editor", "sees_payloads": false })).status, 201);
    let bob = ask("PUT", "bob", json!({ "role": "viewer" }));
    assert_eq!(
        (bob.status, &bob.json()["sees_payloads"], &bob.json()["has_password"]),
        (200, &json!(true), &json!(false))
    );
    let bob = ask("PATCH", "bob", json!({ "sees_payloads": false })).json();
    assert_eq!((&bob["role"], &bob["sees_payloads"]), (&json!("viewer"), &json!(false)));
    let refused = [
        ("PUT", "a%0ab", json!({ "role": "viewer" }), 422, "name_wrong"),
        ("PUT", "bob", json!({ "role": "king" }), 422, "body_wrong"),
        ("PUT", "bob", json!({ "role": "viewer", "is_disabled": true }), 422, "body_wrong"),
        ("PATCH", "bob", json!({ "created_at": "2020-01-01T00:00:00Z" }), 422, "body_wrong"),
        ("PATCH", "eve", json!({}), 404, "person_unknown"),
        ("GET", "eve", Value::Null, 404, "person_unknown"),
        ("POST", "eve/link", Value::Null, 404, "person_unknown"),
        ("PATCH", "ada", json!({ "role": "editor" }), 409, "last_admin"),
        ("PUT", "ada", json!({ "role": "viewer" }), 409, "last_admin"),
        ("POST", "ada/disable", Value::Null, 409, "last_admin"),
    ];
    for (method, path, body, status, code) in refused {
        is(&ask(method, path, body), status, code);
    }
    assert!(world.run(&["people", "disable", "ada"]).code != Some(0), "nor on the command line");
    assert_eq!(ask("POST", "bob/disable", Value::Null).json()["is_disabled"], true);
    assert_eq!(ask("POST", "bob/enable", Value::Null).json()["is_disabled"], false);
    assert_eq!(ask("PATCH", "bob", json!({ "role": "admin" })).status, 200);
    assert_eq!(ask("PATCH", "ada", json!({ "role": "viewer" })).status, 200, "now there is another");
    is(&ask("GET", "bob", Value::Null), 403, "forbidden");
    serving.stop();
}

/// Thirty things that people do are thirty lines of the record, with who, what, whom and from where.
#[test]
fn everything_that_is_done_is_recorded_once() {
    let world = World::new();
    let flow = "incoming:\n  rows: { subscriber: { type: inline, payloads: [{ n: 1 }] } }\n\
                outgoing:\n  nothing: { publisher: { type: none } }\n\
                schedules:\n  nightly: { run: rows, cron: \"15 2 * * *\" }\n\
                storages:\n  seen: {}\n\
                routes:\n  fine: { incoming: rows, outgoing: nothing }\n";
    world.write("flow.yaml", flow);
    world.run(&["apply", "flow.yaml"]).expect(0);
    world.run(&["run", "rows"]).expect(0);
    let serving = Serving::start(&mut world.command(&[]));
    with_password(&world, "ada", "admin");
    with_password(&world, "vera", "viewer");
    let from = last_entry(&world);
    let mut expected: Vec<(&str, &str, &str, &str)> = Vec::new();
    let (mut ada, mut vera) = (String::new(), String::new());
    let act = |cookie: &str, method: &str, path: &str, body: Value| {
        page(&serving, cookie, method, &format!("/api/v1{path}"), &body)
    };
    let mut note = |entries: &[(&'static str, &'static str, &'static str, &'static str)]| expected.extend(entries);
    sign_in(&serving, "ada", "not the password", None);
    sign_in(&serving, "nobody", "not the password", None);
    note(&[("ada", "127.0.0.1", "session.refused", "ada"), ("", "127.0.0.1", "session.refused", "")]);
    ada.push_str(&cookie(&sign_in(&serving, "ada", PASSWORD, None)));
    vera.push_str(&cookie(&sign_in(&serving, "vera", PASSWORD, None)));
    note(&[("ada", "127.0.0.1", "session.begin", "ada"), ("vera", "127.0.0.1", "session.begin", "vera")]);
    act(&ada, "PUT", "/people/bob", json!({ "role": "operator" }));
    act(&ada, "PATCH", "/people/bob", json!({ "role": "editor" }));
    act(&ada, "PATCH", "/people/bob", json!({ "sees_payloads": false }));
    act(&ada, "POST", "/people/bob/disable", Value::Null);
    act(&ada, "POST", "/people/bob/enable", Value::Null);
    act(&ada, "POST", "/people/bob/link", Value::Null);
    note(&[
        ("ada", "127.0.0.1", "person.write", "bob"),
        ("ada", "127.0.0.1", "person.write", "bob"),
        ("ada", "127.0.0.1", "person.write", "bob"),
        ("ada", "127.0.0.1", "person.disable", "bob"),
        ("ada", "127.0.0.1", "person.enable", "bob"),
        ("ada", "127.0.0.1", "link.add", "bob"),
    ]);
    let made = act(&ada, "POST", "/tokens", json!({ "person": "bob", "label": "laptop" })).json();
    act(&ada, "DELETE", &format!("/tokens/{}", made["id"]), Value::Null);
    note(&[("ada", "127.0.0.1", "token.add", "bob"), ("ada", "127.0.0.1", "token.delete", "1")]);
    act(&ada, "PUT", "/settings/environment", json!({ "name": "production", "colour": "red" }));
    act(&ada, "POST", "/runs", json!({ "incoming": "rows", "again": true }));
    act(&ada, "POST", "/schedules/nightly/pause", Value::Null);
    act(&ada, "POST", "/schedules/nightly/resume", Value::Null);
    note(&[
        ("ada", "127.0.0.1", "setting.write", "environment"),
        ("ada", "127.0.0.1", "run.begin", "rows 2"),
        ("ada", "127.0.0.1", "schedule.pause", "nightly"),
        ("ada", "127.0.0.1", "schedule.resume", "nightly"),
    ]);
    act(&ada, "GET", "/tasks/1", Value::Null);
    act(&ada, "GET", "/storages/seen", Value::Null);
    act(&ada, "POST", "/tasks/2/decisions", json!({ "decision": "retry" }));
    note(&[
        ("ada", "127.0.0.1", "task.see_payload", "1"),
        ("ada", "127.0.0.1", "storage.see_entries", "seen"),
        ("ada", "127.0.0.1", "task.retry", "2"),
    ]);
    act(&vera, "GET", "/people", Value::Null);
    act(&vera, "POST", "/runs", json!({ "incoming": "rows" }));
    act(&vera, "POST", "/tokens", json!({ "person": "ada" }));
    act(&vera, "PUT", "/settings/environment", json!({ "name": "mine", "colour": "red" }));
    note(&[
        ("vera", "127.0.0.1", "denied", "GET /api/v1/people"),
        ("vera", "127.0.0.1", "denied", "POST /api/v1/runs"),
        ("vera", "127.0.0.1", "denied", "POST token of ada"),
        ("vera", "127.0.0.1", "denied", "PUT /api/v1/settings/environment"),
    ]);
    act(&vera, "PUT", "/me/password", json!({ "present": "not it", "new": "another fine one" }));
    let changed = act(&vera, "PUT", "/me/password", json!({ "present": PASSWORD, "new": "another fine one" }));
    vera = cookie(&changed);
    act(&vera, "DELETE", "/session", Value::Null);
    note(&[
        ("vera", "127.0.0.1", "denied", "password"),
        ("vera", "127.0.0.1", "password.set", "vera"),
        ("vera", "127.0.0.1", "session.begin", "vera"),
    ]);
    act(&ada, "GET", "/audit/export?who=vera", Value::Null);
    world.run(&["people", "disable", "bob"]).expect(0);
    world.run(&["people", "link", "vera"]).expect(0);
    set_password(&world, "vera", PASSWORD).expect(0);
    world.run(&["environment", "set", "test"]).expect(0);
    note(&[
        ("ada", "127.0.0.1", "audit.export", "audit"),
        ("cli", "cli", "person.disable", "bob"),
        ("cli", "cli", "link.add", "vera"),
        ("cli", "cli", "password.set", "vera"),
        ("cli", "cli", "setting.write", "environment"),
    ]);
    let all = world.run(&["audit", "list", "--limit", "1000", "--json"]).expect(0).json();
    let found: Vec<&Value> =
        all.as_array().unwrap().iter().rev().filter(|one| one["id"].as_i64().unwrap() > from).collect();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let lines: Vec<_> = found
        .iter()
        .map(|one| (text(one, "who"), text(one, "origin"), text(one, "what"), text(one, "subject")))
        .collect();
    let mut lines: Vec<_> = lines.iter().map(|(a, b, c, d)| (a.as_str(), b.as_str(), c.as_str(), d.as_str())).collect();
    // The last session of vera has a number that is not of interest.
    lines.retain(|line| line.2 != "session.end");
    assert_eq!(lines, expected);
    assert!(lines.len() >= 30, "{}", lines.len());
    let patched = found.iter().filter(|one| one["what"] == "person.write").nth(1).unwrap();
    let details = &patched["details"];
    assert_eq!((&details["before"]["role"], &details["after"]["role"]), (&json!("operator"), &json!("editor")));
    for secret in [PASSWORD, "not the password", "another fine one", made["token"].as_str().unwrap()] {
        assert!(!all.to_string().contains(secret), "{secret}");
    }
    // The export has the same lines, and nothing takes any of them away.
    let exported = page(&serving, &ada, "GET", "/api/v1/audit/export", &Value::Null);
    assert_eq!(exported.headers("content-type"), ["application/x-ndjson"]);
    let ids: Vec<i64> = exported
        .body
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, (1..=ids.len() as i64).rev().collect::<Vec<_>>(), "newest first, none missing");
    for method in ["PUT", "PATCH", "DELETE", "POST"] {
        assert_eq!(page(&serving, &ada, method, "/api/v1/audit", &json!({})).status, 405);
    }
    let by_command = world.run(&["audit", "export", "--who", "vera"]).expect(0);
    assert!(by_command.stdout.lines().count() >= 7 && by_command.stdout.lines().all(|line| line.contains("vera")));
    serving.stop();
}

fn last_entry(world: &World) -> i64 {
    world.run(&["audit", "list", "--limit", "1", "--json"]).expect(0).json()[0]["id"].as_i64().unwrap()
}

/// Who reads the whole store comes in with nothing of it.
#[test]
fn a_copy_of_the_store_lets_nobody_in() {
    let world = World::new();
    let serving = serve_with_clock(&world);
    with_password(&world, "ada", "admin");
    let session = cookie(&sign_in(&serving, "ada", PASSWORD, None));
    // Sent so that it is carried out once; nothing of it is kept for that.
    let keyed = |path: &str, body: &Value| {
        let origin = format!("http://{}", serving.address);
        let headers = [
            ("content-type", "application/json"),
            ("x-tramontane", "1"),
            ("origin", &origin),
            ("cookie", &session),
            ("idempotency-key", path),
        ];
        exchange(&serving.address, "POST", path, &headers, body.to_string().as_bytes()).unwrap()
    };
    let offer = keyed("/api/v1/me/factor", &json!({ "password": PASSWORD })).json();
    let secret = offer["secret"].as_str().unwrap().to_owned();
    let other_link = keyed("/api/v1/people/ada/link", &json!({})).json()["path"].as_str().unwrap().to_owned();
    let good = code(&secret, machine_time());
    let confirmed = page(&serving, &session, "POST", "/api/v1/me/factor/confirm", &json!({ "code": good }));
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    let recovery: Vec<String> = serde_json::from_value(confirmed.json()["recovery_codes"].clone()).unwrap();
    let token = token(&world, "ada", &[]);
    let link = world.run(&["people", "link", "ada", "--json"]).expect(0).json()["link"].as_str().unwrap().to_owned();
    let secret_bytes = BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    // Nothing that was shown is anywhere in it, in any form.
    let shown = [
        session.trim_start_matches("tramontane_session=").to_owned(),
        token.trim_start_matches("tramontane_").to_owned(),
        link.split("token=").nth(1).unwrap().to_owned(),
        other_link.split("token=").nth(1).unwrap().to_owned(),
        secret.clone(),
        PASSWORD.to_owned(),
        recovery[0].clone(),
        recovery[0].replace('-', ""),
    ];
    let mut needles: Vec<Vec<u8>> = shown.iter().map(|text| text.clone().into_bytes()).collect();
    needles.extend(shown[..4].iter().map(|text| base64_bytes(text)));
    needles.push(secret_bytes);
    for file in std::fs::read_dir(world.path("data")).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        for needle in &needles {
            let is_there = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!is_there, "{} has {}", file.path().display(), String::from_utf8_lossy(needle));
        }
    }
    // And nothing that is in it opens anything.
    let values = values(&world.path("data/tramontane.db"));
    assert!(values.len() > 30, "{}", values.len());
    for value in &values {
        for text in forms(value) {
            let cookie = format!("tramontane_session={text}");
            assert!(matches!(me(&serving, &cookie), 401 | 400), "{text}");
            for bearer in [text.clone(), format!("tramontane_{text}")] {
                let answer = program(&serving, &bearer, "GET", "/api/v1/me", &Value::Null);
                assert!(matches!(answer.status, 401 | 400), "{text}: {answer:?}");
            }
            let body = json!({ "token": text, "name": "ada", "password": PASSWORD });
            let answer = page(&serving, "", "POST", "/api/v1/setup", &body);
            assert!(matches!(answer.status, 400 | 401 | 422), "{text}: {answer:?}");
        }
    }
    // As passwords and codes too; the clock is moved past every wait.
    for (number, value) in (1..).zip(&values) {
        ahead(&world, number * 2 * HOUR);
        let text = forms(value).remove(0);
        is(&sign_in(&serving, "ada", &text, None), 401, "sign_in_wrong");
        is(&sign_in(&serving, "ada", PASSWORD, Some(&text)), 401, "code_wrong");
    }
    serving.stop();
}

fn base64_bytes(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Every text and every blob of every table that has to do with people.
fn values(database: &std::path::Path) -> Vec<Vec<u8>> {
    let db = rusqlite::Connection::open(database).unwrap();
    let mut tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let mut found = std::collections::BTreeSet::new();
    for table in tables {
        let mut rows = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let width = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..width {
                match row.get(column).unwrap() {
                    Cell::Text(text) => found.insert(text.into_bytes()),
                    Cell::Blob(bytes) => found.insert(bytes),
                    _ => false,
                };
            }
        }
    }
    found.into_iter().filter(|value| !value.is_empty()).collect()
}

/// A value as somebody would try it, fit for a header.
fn forms(value: &[u8]) -> Vec<String> {
    use base64::Engine as _;
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms =
        vec![base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(value), hex, BASE32_NOPAD.encode(value).to_lowercase()];
    forms.extend(String::from_utf8(value.to_vec()).ok().filter(|text| !text.chars().any(char::is_control)));
    forms.retain(|form| form.len() < 4_000);
    if forms.is_empty() {
        forms.push("too long".to_owned());
    }
    forms
}
