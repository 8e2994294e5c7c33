//! Definitions and revisions.

use super::{Fixture, NOW};
use store::{
    AuditEntry, AuditFilter, Declared, DefinitionChange, Revise, Revised, Revision, RevisionFilter, Revisions, Store,
    StoreError,
};

fn change(kind: &str, name: &str, body: Option<&str>) -> DefinitionChange {
    DefinitionChange { kind: kind.to_owned(), name: name.to_owned(), body: body.map(str::to_owned) }
}

fn audit(what: &str) -> AuditEntry {
    AuditEntry {
        id: 0,
        at: NOW,
        who: "ann".to_owned(),
        origin: "192.0.2.7".to_owned(),
        what: what.to_owned(),
        subject: "a subject".to_owned(),
        details: Some("{}".to_owned()),
    }
}

fn revise(expected: i64, changes: Vec<DefinitionChange>) -> Revise {
    Revise { expected, changes, why: Some("because".to_owned()), audit: audit("definitions.apply") }
}

async fn list(store: &impl Store, filter: RevisionFilter) -> Vec<Revision> {
    store.revisions(filter).await.unwrap()
}

fn of(kind: &str, name: &str) -> RevisionFilter {
    RevisionFilter { of: Some((kind.to_owned(), name.to_owned())), before: None, limit: 10 }
}

pub(crate) async fn changes_make_revisions<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    assert_eq!(store.definitions().await.unwrap(), (0, vec![]));
    let first =
        vec![change("routes", "b", Some("{}")), change("incoming", "z", Some("1")), change("routes", "a", Some("2"))];
    assert_eq!(store.revise(revise(0, first)).await.unwrap(), 1);
    assert_eq!(store.revise(revise(1, vec![])).await.unwrap(), 1, "no change, no revision");
    let second = vec![change("routes", "b", Some("3")), change("incoming", "z", None), change("routes", "none", None)];
    assert_eq!(store.revise(revise(1, second)).await.unwrap(), 2);
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
    let plan = |name: &str| store.revise(revise(0, vec![change("routes", name, Some("{}"))]));
    let (one, two) = tokio::join!(plan("a"), plan("b"));
    assert!(one.is_ok() != two.is_ok(), "one of two that race");
    let conflict = one.err().or(two.err()).unwrap();
    assert!(matches!(conflict, StoreError::Conflict { expected: 0, present: 1 }), "{conflict:?}");
    assert_eq!(store.definitions().await.unwrap().1.len(), 1);
    let twice = vec![change("routes", "c", Some("1")), change("routes", "c", Some("2"))];
    assert!(store.revise(revise(1, twice)).await.is_err(), "one change per definition");
    let (revision, all) = store.definitions().await.unwrap();
    assert_eq!((revision, all.len()), (1, 1), "all or nothing");
    let recorded = store.find_audit(AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap();
    assert_eq!(recorded.len(), 1, "what was not done is not recorded");
}

pub(crate) async fn a_revision_says_who_made_it_and_why<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    store.revise(revise(0, vec![change("routes", "a", Some("1"))])).await.unwrap();
    let unsaid = Revise { why: None, ..revise(1, vec![change("routes", "a", None)]) };
    store.revise(unsaid).await.unwrap();
    store.revise(revise(2, vec![])).await.unwrap();
    let fixture = fixture.kill().await;
    let store = fixture.store();
    let all = list(store, RevisionFilter { limit: 10, ..RevisionFilter::default() }).await;
    let said: Vec<_> = all
        .iter()
        .map(|one| (one.number, one.at, one.who.as_deref(), one.origin.as_deref(), one.why.as_deref()))
        .collect();
    let (who, origin) = (Some("ann"), Some("192.0.2.7"));
    assert_eq!(said, [(2, NOW, who, origin, None), (1, NOW, who, origin, Some("because"))]);
    assert!(all[0].names[0].is_deleted && !all[1].names[0].is_deleted);
    let recorded = store.find_audit(AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap();
    assert_eq!(recorded.len(), 2, "together with the change, and where nothing changes not at all");
    assert_eq!(AuditEntry { id: 0, ..recorded[0].clone() }, audit("definitions.apply"));
}

pub(crate) async fn the_past_of_a_definition_is_kept<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let steps = [Some("1"), Some("2"), None, Some("4")];
    for (at, body) in (0..).zip(steps) {
        let changes = vec![change("routes", "a", body), change("routes", "other", Some(&at.to_string()))];
        store.revise(revise(at, changes)).await.unwrap();
    }
    store.revise(revise(4, vec![change("incoming", "a", Some("5"))])).await.unwrap();
    let body_at = async |name: &str, at| store.revised("routes".to_owned(), name.to_owned(), at).await.unwrap();
    let revised = |revision, body: Option<&str>| Some(Revised { revision, body: body.map(str::to_owned) });
    assert_eq!(body_at("a", 0).await, None);
    for (at, body) in (1..).zip(steps) {
        assert_eq!(body_at("a", at).await, revised(at, body));
    }
    assert_eq!(body_at("a", 5).await, revised(4, Some("4")), "as it stood then");
    assert_eq!(body_at("none", 5).await, None);
    let past = list(store, of("routes", "a")).await;
    let past: Vec<_> = past.iter().map(|one| (one.number, one.names.len(), one.names[0].is_deleted)).collect();
    assert_eq!(past, [(4, 1, false), (3, 1, true), (2, 1, false), (1, 1, false)], "of this one alone");
    assert_eq!(list(store, of("incoming", "a")).await.len(), 1);
    assert_eq!(list(store, of("incoming", "none")).await, []);
}

pub(crate) async fn revisions_are_pages_newest_first<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let many = (0..150).map(|number| change("routes", &format!("r{number:03}"), Some("{}"))).collect();
    store.revise(revise(0, many)).await.unwrap();
    for at in 1..5 {
        store.revise(revise(at, vec![change("routes", "r007", Some(&at.to_string()))])).await.unwrap();
    }
    let page = |before, limit| list(store, RevisionFilter { of: None, before, limit });
    let numbers = |page: Vec<Revision>| page.iter().map(|one| one.number).collect::<Vec<_>>();
    assert_eq!(numbers(page(None, 2).await), [5, 4]);
    assert_eq!(numbers(page(Some(4), 2).await), [3, 2]);
    let last = page(Some(2), 2).await;
    assert_eq!((last[0].changed, last[0].names.len()), (150, 100), "the first hundred are named");
    assert!(last[0].names.iter().map(|one| &one.name).is_sorted());
    let one = list(store, RevisionFilter { limit: 1, ..of("routes", "r149") }).await;
    assert_eq!((one[0].changed, one[0].names[0].name.as_str()), (150, "r149"));
}

pub(crate) async fn declared_variables_are_replaced_whole<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    assert_eq!(store.declared().await.unwrap(), []);
    let variable =
        |name: &str, value: Option<&str>| Declared { name: name.to_owned(), value: value.map(str::to_owned) };
    let first = vec![variable("B", None), variable("A", Some("")), variable("C", Some("3"))];
    store.declare(first, audit("variables.declare")).await.unwrap();
    assert_eq!(
        store.declared().await.unwrap(),
        [variable("A", Some("")), variable("B", None), variable("C", Some("3"))]
    );
    let twice = vec![variable("D", None), variable("D", Some("1"))];
    assert!(store.declare(twice, audit("variables.declare")).await.is_err());
    assert_eq!(store.declared().await.unwrap().len(), 3, "all or nothing");
    store.declare(vec![variable("A", None)], audit("variables.declare")).await.unwrap();
    let fixture = fixture.kill().await;
    assert_eq!(fixture.store().declared().await.unwrap(), [variable("A", None)]);
    let recorded = fixture.store().find_audit(AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap();
    assert_eq!(recorded.len(), 2);
}
