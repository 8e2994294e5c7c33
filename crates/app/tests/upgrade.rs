//! An older store that is brought up to date is killed at each step, and everything is found again.
#![cfg(feature = "crash-points")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

mod world;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use world::World;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/golden/version-1.db")
}

/// Every row of every table of the first version, in the columns that it had then.
fn rows(database: &Path) -> BTreeMap<String, Vec<Vec<Value>>> {
    let then = Connection::open_with_flags(golden(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    // A killed process leaves a log, which a reader may have to put in order.
    let now = Connection::open(database).unwrap();
    let check: String = now.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let mut tables = then
        .prepare(
            "SELECT tables.name, group_concat('\"' || columns.name || '\"', ', ')
             FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns
             WHERE tables.type = 'table' GROUP BY tables.name",
        )
        .unwrap();
    let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let read = |table: rusqlite::Result<(String, String)>| {
        let (table, columns) = table.unwrap();
        let mut statement = now.prepare(&format!("SELECT {columns} FROM {table} ORDER BY {columns}")).unwrap();
        let width = statement.column_count();
        let rows = statement.query_map([], |row| (0..width).map(|column| row.get(column)).collect()).unwrap();
        (table, rows.collect::<Result<Vec<Vec<Value>>, _>>().unwrap())
    };
    tables.map(read).collect()
}

fn version(database: &Path) -> i64 {
    Connection::open(database).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// Opens the store for writing and changes nothing: there is no such task. Whether it was killed.
fn open(world: &World, crash: Option<u32>) -> bool {
    let mut command = world.command(&["tasks", "skip", "999999"]);
    if let Some(step) = crash {
        command.env("TRAMONTANE_CRASH_AT", format!("in_migration:{step}"));
    }
    match command.output().unwrap().status.code() {
        Some(3) => false,
        None => true,
        other => panic!("exit code {other:?}"),
    }
}

fn prepared() -> World {
    let world = World::new();
    let data = world.path("data");
    store::blobs::make_private_folder(&data).unwrap();
    std::fs::copy(golden(), data.join("tramontane.db")).unwrap();
    world
}

#[test]
fn a_kill_at_any_step_of_an_upgrade_loses_nothing() {
    let then = rows(&golden());
    let newest = {
        let world = prepared();
        assert!(!open(&world, None));
        version(&world.path("data/tramontane.db"))
    };
    let mut steps = 0;
    for step in 1.. {
        let world = prepared();
        let (database, copy) =
            (world.path("data/tramontane.db"), world.path(&format!("data/before-version-{newest}.db")));
        if !open(&world, Some(step)) {
            break;
        }
        steps += 1;
        assert!(rows(&database) == then, "step {step}: nothing is lost by the first kill");
        if copy.exists() {
            assert!(version(&copy) == 1 && rows(&copy) == then, "step {step}: a copy that has its name is whole");
        } else {
            assert_eq!(version(&database), 1, "step {step}: nothing is changed before there is a copy");
        }
        // Once more, in what the second attempt does.
        open(&world, Some(1 + step % 3));
        assert!(rows(&database) == then, "step {step}: nor by a second one");
        assert!(!open(&world, None));
        assert_eq!(version(&database), newest);
        assert!(rows(&database) == then, "step {step}: everything is found again");
        assert!(version(&copy) == 1 && rows(&copy) == then, "step {step}: as it was before the first attempt");
        assert_eq!(
            world.run(&["tasks", "list", "--limit", "9999", "--json"]).expect(0).json().as_array().unwrap().len(),
            300
        );
    }
    assert_eq!(steps, 3 + 2 * (newest - 1), "the copy's three, and two of each version");
}

#[test]
fn an_upgrade_says_where_the_copy_is() {
    let world = prepared();
    let said = world.run(&["doctor", "--json"]).expect(6).json();
    assert!(said["problems"].as_array().unwrap().iter().any(|problem| problem["code"] == "store_older"), "{said:#}");
    let said = world.run(&["tasks", "skip", "999999"]).expect(3).stderr;
    assert!(said.starts_with("the store was brought from version 1 to "), "{said}");
    assert!(said.contains("before-version-"), "{said}");
    let again = world.run(&["tasks", "skip", "999999"]).expect(3).stderr;
    assert!(!again.contains("before-version-"), "{again}");
}

#[test]
fn an_older_store_is_backed_up_as_it_is() {
    let world = prepared();
    let made = world.run(&["backup", "old.backup", "--json"]).expect(0).json();
    assert_eq!(
        (&made["backup"]["tasks"], made["backup"]["lost"].as_u64().unwrap() > 0),
        (&serde_json::json!(300), true)
    );
    assert_eq!(version(&world.path("data/tramontane.db")), 1, "nothing is changed");
    world.run(&["--data", "back", "restore", "old.backup"]).expect(0);
    assert!(
        version(&world.path("back/tramontane.db")) == 1 && rows(&world.path("back/tramontane.db")) == rows(&golden())
    );
}
