//! Definitions and revisions.

use super::{Fixture, NOW};
use store::{DefinitionChange, Store, StoreError};

fn change(kind: &str, name: &str, body: Option<&str>) -> DefinitionChange {
    DefinitionChange { kind: kind.to_owned(), name: name.to_owned(), body: body.map(str::to_owned) }
}

pub(crate) async fn changes_make_revisions<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    assert_eq!(store.definitions().await.unwrap(), (0, vec![]));
    let first =
        vec![change("routes", "b", Some("{}")), change("incoming", "z", Some("1")), change("routes", "a", Some("2"))];
    assert_eq!(store.change_definitions(0, first, NOW).await.unwrap(), 1);
    assert_eq!(store.change_definitions(1, vec![], NOW).await.unwrap(), 1, "no change, no revision");
    let second = vec![change("routes", "b", Some("3")), change("incoming", "z", None), change("routes", "none", None)];
    assert_eq!(store.change_definitions(1, second, NOW).await.unwrap(), 2);
    let fixture = fixture.kill().await;
    let (revision, all) = fixture.store().definitions().await.unwrap();
    let all: Vec<_> =
        all.iter().map(|one| (one.kind.as_str(), one.name.as_str(), one.body.as_str(), one.revision)).collect();
    assert_eq!(revision, 2);
    assert_eq!(all, [("routes", "a", "2", 1), ("routes", "b", "3", 2)], "by kind and name, each with its own revision");
}

pub(crate) async fn an_outdated_plan_changes_nothing<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let plan = |name: &str| store.change_definitions(0, vec![change("routes", name, Some("{}"))], NOW);
    let (one, two) = tokio::join!(plan("a"), plan("b"));
    assert!(one.is_ok() != two.is_ok(), "one of two that race");
    let conflict = one.err().or(two.err()).unwrap();
    assert!(matches!(conflict, StoreError::Conflict { expected: 0, present: 1 }), "{conflict:?}");
    assert_eq!(store.definitions().await.unwrap().1.len(), 1);
    let twice = vec![change("routes", "c", Some("1")), change("routes", "c", Some("2"))];
    assert!(store.change_definitions(1, twice, NOW).await.is_err(), "one change per definition");
    let (revision, all) = store.definitions().await.unwrap();
    assert_eq!((revision, all.len()), (1, 1), "all or nothing");
}
