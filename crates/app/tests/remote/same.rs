//! A command through a server prints what it prints beside the store.

use crate::desk::{Desk, timeless};

/// What looks, as a text and as JSON, and how it ends.
const LOOKS: &[(&str, i32)] = &[
    ("plan flow.yaml", 0),
    ("plan changed.yaml", 0),
    ("plan changed.yaml --prune", 0),
    ("plan bad.yaml", 3),
    ("plan missing.yaml", 3),
    ("apply changed.yaml --dry-run", 0),
    ("export", 0),
    ("try routes describe --sample {\"n\":7}", 0),
    ("try outgoing describe --sample {\"n\":3}", 6),
    ("try incoming rows --sample {\"n\":1}", 0),
    ("try outgoing nobody --sample {\"n\":3}", 3),
    ("schedules list", 0),
    ("schedules list --next 3", 0),
    ("schedules pause nobody", 3),
    ("usage", 0),
    ("usage --by model", 0),
    ("usage --by day --since 2020-01-01 --until 2099-01-01", 0),
    ("usage --since 2099-01-01", 0),
    ("people list", 0),
    ("people disable nobody", 3),
    ("people remove-factor viewer", 3),
    ("people add a/b --role viewer", 3),
    ("tokens list", 0),
    ("tokens add nobody", 3),
    ("tokens delete 4711", 3),
    ("audit list --what person.write", 0),
    ("audit list --limit 2 --until 2099-01-01 --who cli --what token.add", 0),
    ("audit list --who nobody", 0),
    ("audit export --what person.write --since 2020-01-01", 0),
    ("environment show", 0),
    ("tasks list", 0),
    ("tasks list --state failed --route describe", 0),
    ("tasks list --incoming rows", 0),
    ("tasks list --limit 2", 0),
    ("tasks list --limit 0", 0),
    ("tasks list --where .payload.n==2", 0),
    ("tasks list --filter status:finished --limit 1", 0),
    ("tasks list --route nobody", 3),
    ("tasks list --filter stat:finished", 3),
    ("tasks list --where .[", 3),
    ("tasks show 1", 0),
    ("tasks show 2", 0),
    ("tasks show 4", 0),
    ("tasks show 4711", 3),
    ("tasks retry --state failed --dry-run", 0),
    ("tasks retry 1 2 4711 --dry-run", 0),
    ("tasks skip --where .payload.n==3 --dry-run", 0),
    ("tasks cancel 1", 3),
    ("tasks cancel 2 4711", 3),
    ("tasks retry 2 3 --payload {}", 3),
    ("tasks retry 1 --payload {}", 3),
    ("tasks retry 4 --payload {", 3),
    ("activities list", 0),
    ("activities show 4711", 3),
    ("activities pause 4711", 3),
    ("webhooks", 0),
    ("storages list", 0),
    ("storages show seen", 0),
    ("storages show seen --limit 2", 0),
    ("storages show seen --search nothing-like-it", 0),
    ("storages show nobody", 3),
    ("storages get seen a/b", 0),
    ("storages get seen 4711", 3),
    ("storages set nobody a 1", 3),
    ("storages set seen a {", 3),
    ("storages delete seen a/b 4711", 3),
    ("storages delete seen a/b --dry-run", 0),
    ("storages delete seen --all --dry-run", 0),
    ("secrets list", 0),
    ("secrets delete nobody", 3),
    ("alerts list", 0),
    ("alerts list --messages 0", 0),
    ("alerts try nobody", 3),
    ("alerts mute nobody", 3),
    ("models list", 0),
    ("models list --all", 0),
    ("run nobody", 3),
    ("run hook", 3),
];

#[test]
fn a_command_prints_the_same_beside_the_store_and_through_its_server() {
    let desk = Desk::new();
    // When a token was last used is known to about a minute: let all of them have been.
    crate::desk::ROLES.iter().for_each(|who| drop(desk.through_as(who, &["environment", "show"]).expect(0)));
    for (line, code) in LOOKS {
        for json in [&[][..], &["--json"]] {
            let arguments = [&line.split(' ').collect::<Vec<_>>()[..], json].concat();
            let beside = desk.beside(&arguments).expect(*code);
            let through = desk.through(&arguments).expect(*code);
            if *code == 3 {
                // Each says what is wrong in its own words.
                assert_eq!(through.stdout.is_empty(), beside.stdout.is_empty(), "{arguments:?}: {through:?}");
                continue;
            }
            let untimed = |text: &str| without_durations(&timeless(text));
            assert_eq!(untimed(&through.stdout), untimed(&beside.stdout), "{arguments:?}: {through:?}");
        }
    }
    desk.serving.stop();
}

/// How long a step took is another thing each time.
fn without_durations(text: &str) -> String {
    let line = |line: &str| match (line.split_once("\"microseconds\": "), line.rsplit_once("  ")) {
        (Some((before, _)), _) => before.to_owned(),
        (_, Some((before, after))) if after.ends_with(" µs") => before.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(|text| line(text) + "\n").collect()
}
