//! What is changed through a server is changed in its store, by whoever the token speaks for.

use crate::desk::Desk;
use serde_json::{Value, json};

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

    let recorded = beside("audit list --who admin");
    for what in ["definitions.apply", "schedule.pause", "person.write", "token.add", "setting.write"] {
        assert!(recorded.as_array().unwrap().iter().any(|deed| deed["what"] == what), "{what}");
    }
    desk.serving.stop();
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
