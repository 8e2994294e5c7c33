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
