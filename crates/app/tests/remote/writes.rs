//! What is changed through a server is changed in its store, by whoever the token speaks for.

use crate::desk::Desk;
use crate::world::Ran;
use crate::world::serving::wait_for;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

#[test]
fn what_is_changed_through_the_server_is_changed() {
    let desk = Desk::new();
    let through = |line: &str| desk.through(&line.split(' ').collect::<Vec<_>>()).expect(0);
    let beside = |line: &str| {
        let arguments: Vec<&str> = line.split(' ').chain(["--json"]).collect();
        desk.beside(&arguments).expect(0).json()
    };

    let planned = beside("plan changed.yaml");
    let applied = through("apply changed.yaml --why earlier --json").json();
    assert_eq!(applied, planned, "an apply says what its plan said");
    assert_eq!(beside("schedules list")[0]["cron"], "15 3 * * *");
    assert!(through("apply flow.yaml").stderr.contains("the definitions are at revision 3"));

    through("schedules pause nightly");
    assert_eq!(beside("schedules list")[0]["paused"]["by"], "admin");
    through("schedules resume nightly");
    assert_eq!(beside("schedules list")[0]["paused"], Value::Null);

    through("people add ann --role editor --no-payloads");
    let ann = |of: &str| {
        beside("people list").as_array().unwrap().iter().find(|one| one["name"] == "ann").unwrap()[of].clone()
    };
    assert_eq!((ann("role"), ann("sees_payloads")), (json!("editor"), json!(false)));
    through("people disable ann");
    assert_eq!(ann("is_disabled"), true);
    through("people enable ann");
    assert_eq!(ann("is_disabled"), false);
    let link = through("people link ann --json").json()["link"].as_str().unwrap().to_owned();
    assert!(link.starts_with(&format!("{}/setup?token=", desk.url())), "{link}");
    let link = through("people link ann --url https://engine.example/").stdout;
    assert!(link.starts_with("https://engine.example/setup?token="), "{link}");

    let made = through("tokens add ann --label laptop --role viewer --scope read --expires 90d --json").json();
    let token = made["token"].as_str().unwrap();
    crate::desk::at(&desk.world, &desk.url(), token, &["usage"]).expect(0);
    let listed = beside("tokens list");
    let kept = listed.as_array().unwrap().iter().find(|one| one["id"] == made["id"]).unwrap();
    assert_eq!((&kept["label"], &kept["role"], &kept["scope"]), (&json!("laptop"), &json!("viewer"), &json!(["read"])));
    through(&format!("tokens delete {}", made["id"]));
    crate::desk::at(&desk.world, &desk.url(), token, &["usage"]).expect(3);

    through("environment set production --colour red");
    assert_eq!(beside("environment show"), json!({ "name": "production", "colour": "red" }));

    through("tasks skip 4 --why enough");
    assert_eq!(beside("tasks show 4")["state"], "skipped");
    let decision = &beside("tasks show 4")["decisions"][0];
    assert_eq!((&decision["by"], &decision["why"]), (&json!("admin"), &json!("enough")));
    let by = desk.through(&["tasks", "skip", "4", "--by", "ann", "--json"]).expect(3);
    assert_eq!(crate::desk::code(&by), "option_wrong", "nobody decides in another's name");
    let retried = through("tasks retry 4 --payload {\"n\":1} --json").json();
    assert_eq!(retried, json!({ "decision": "retry", "tasks": [4], "problems": [] }));
    wait_for("the task with other data", || (beside("tasks show 4")["state"] == "finished").then_some(()));

    through("storages set seen x/../y%2f {\"z\":1}");
    assert_eq!(beside("storages get seen x/../y%2f")["value"], json!({ "z": 1 }));
    through("storages delete seen x/../y%2f");
    desk.beside(&["storages", "get", "seen", "x/../y%2f"]).expect(3);
    assert_eq!(through("storages delete seen --all --json").json()["deleted"], 4);
    assert_eq!(beside("storages show seen"), json!([]));

    let mut set = desk.command("admin", &["secrets", "set", "OTHER"]);
    let mut child = set.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a value that nobody sees").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(beside("secrets list")[0]["name"], "OTHER");
    through("secrets delete OTHER");
    assert_eq!(beside("secrets list"), json!([]));

    through("alerts mute failures --for 2h");
    assert_eq!(beside("alerts list")[0]["state"], "muted");
    through("alerts unmute failures");
    assert_ne!(beside("alerts list")[0]["state"], "muted");

    let recorded = beside("audit list --who admin");
    for what in ["definitions.apply", "schedule.pause", "person.write", "token.add", "setting.write"] {
        assert!(recorded.as_array().unwrap().iter().any(|deed| deed["what"] == what), "{what}");
    }
    desk.serving.stop();
}

#[test]
fn a_command_that_is_stopped_leaves_its_run_going() {
    let desk = Desk::new();
    // A service that never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let call = r#"{payload: {model: "mistral-small-latest", messages: [{role: "user", content: "Hello"}]}}"#;
    let flow = json!({
        "http_clients": { "silent": {
            "prototype": "mistral", "base_uri": format!("http://{}", silent.local_addr().unwrap()),
            "api_key": "${secret:MISTRAL_API_KEY}", "allow_private_addresses": true,
        } },
        "incoming": { "one": { "subscriber": { "type": "inline", "payloads": [{ "n": 1 }] } } },
        "outgoing": { "asks": {
            "transformers": [{ "type": "jq", "filter": call }],
            "publisher": { "type": "mistral", "http_client": "silent", "method": "POST", "entity": "Chat Completion" },
        } },
        "routes": { "asks": { "incoming": "one", "outgoing": "asks" } },
    });
    let flow = flow.to_string();
    desk.world.write("silent.json", flow);
    desk.through(&["apply", "silent.json"]).expect(0);
    let child = desk
        .command("operator", &["run", "one", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It is under way when it has come to the service, which may be asked for its models too.
    let mut asked = silent.incoming().map(Result::unwrap);
    let is_call = |socket: &mut TcpStream| {
        let mut method = [0; 4];
        socket.read_exact(&mut method).unwrap();
        method == *b"POST"
    };
    let _call = asked.find_map(|mut socket| is_call(&mut socket).then_some(socket)).unwrap();
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let ran = Ran::of(child.wait_with_output().unwrap()).expect(130);
    assert!(ran.stderr.contains("goes on at http://"), "{ran:?}");
    assert_eq!((&ran.json()["end"], &ran.json()["states"]["processing"]), (&json!("stopped"), &json!(1)));
}

/// What a run says but for its number and its time.
fn came_to(summary: &Value) -> Value {
    let mut summary = summary.clone();
    let members = summary.as_object_mut().unwrap();
    assert!(members.remove("run").is_some() && members.remove("seconds").is_some());
    summary
}

#[test]
fn a_run_is_begun_watched_and_summed_up() {
    let desk = Desk::new();
    let beside = desk.beside(&["run", "rows", "--again", "--json"]).expect(0).json();
    let through = desk.through(&["run", "rows", "--again", "--json"]).expect(0).json();
    assert_eq!(came_to(&through), came_to(&beside));
    assert_eq!(through["end"], "idle");
    assert!(through["run"].as_i64() > beside["run"].as_i64());
    // Every row is new again: two are described, and paid for, and one fails.
    desk.beside(&["storages", "delete", "seen", "--all"]).expect(0);
    let beside = desk.beside(&["run", "rows", "--again", "--json"]).expect(6).json();
    desk.beside(&["storages", "delete", "seen", "--all"]).expect(0);
    let through = desk.through(&["run", "rows", "--again", "--json"]).expect(6).json();
    assert_eq!(came_to(&through), came_to(&beside));
    assert_eq!(through["states"], json!({ "finished": 3, "failed": 1 }));
    assert_eq!(through["usage"]["calls"], 2);
    desk.beside(&["storages", "delete", "seen", "--all"]).expect(0);
    let text = desk.through(&["run", "rows", "--again", "--limit", "1"]).expect(0);
    assert!(text.stdout.contains("push describe") && text.stdout.contains("estimated"), "{text:?}");
    assert!(text.stderr.contains("stopping this command does not stop it"), "{text:?}");
    desk.serving.stop();
}

#[test]
fn many_tasks_are_decided_together_and_each_is_told() {
    let desk = Desk::new();
    let many: Vec<Value> = (0..150).map(|n| json!({ "n": n })).collect();
    let flow = json!({
        "incoming": { "many": { "subscriber": { "type": "inline", "payloads": many } } },
        "outgoing": { "never": { "transformers": [{ "type": "jq", "filter": "error" }], "publisher": { "type": "none" } } },
        "routes": { "never": { "incoming": "many", "outgoing": "never" } },
    });
    desk.world.write("many.json", flow.to_string());
    desk.through(&["apply", "many.json"]).expect(0);
    desk.through(&["run", "many"]).expect(6);
    let listed = desk.through(&["tasks", "list", "--route", "never", "--limit", "1000", "--json"]).expect(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 150);
    let skipped = desk.through(&["tasks", "skip", "--route", "never", "--state", "failed", "--json"]).expect(0).json();
    assert_eq!((skipped["tasks"].as_array().unwrap().len(), &skipped["problems"]), (150, &json!([])));
    let activities = desk.beside(&["activities", "list", "--json"]).expect(0).json();
    assert_eq!((&activities[0]["done"], &activities[0]["phase"]), (&json!(150), &json!("done")));
    for line in [&["activities", "list"][..], &["activities", "show", "1"]] {
        assert_eq!(desk.through(line).expect(0).stdout, desk.beside(line).expect(0).stdout);
    }
    desk.through(&["activities", "cancel", "1"]).expect(3);
    desk.serving.stop();
}
