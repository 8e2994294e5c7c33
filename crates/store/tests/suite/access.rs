//! Who may use the server, and what they did.

use super::{Bench, Fixture, NOW};
use model::{Role, Scope};
use store::{AuditEntry, AuditFilter, NewAccessToken, Person, SignIn, Store, StoreError};

pub(crate) fn audited(what: &str, at: i64) -> AuditEntry {
    let text = str::to_owned;
    AuditEntry {
        id: 0,
        at,
        who: text("ann"),
        origin: text("cli"),
        what: text(what),
        subject: text("bob"),
        details: None,
    }
}

pub(crate) async fn people_and_their_tokens_are_kept<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    let bob =
        |role, is_disabled| Person { name: "bob".to_owned(), role, sees_payloads: true, is_disabled, created_at: NOW };
    let token = |byte| NewAccessToken {
        person: "bob".to_owned(),
        label: format!("key {byte}"),
        role: Role::Operator,
        scope: if byte == 2 { vec![Scope::Read, Scope::Tasks] } else { Vec::new() },
        hash: [byte; 32],
        expires_at: (byte == 2).then_some(NOW + 9),
    };
    assert_eq!(store.add_access_token(token(1), audited("token.add", NOW)).await.unwrap(), None, "nobody of that name");
    store.write_person(bob(Role::Admin, false), audited("person.write", NOW)).await.unwrap();
    let first = store.add_access_token(token(1), audited("token.add", NOW + 1)).await.unwrap().unwrap();
    let second = store.add_access_token(token(2), audited("token.add", NOW + 2)).await.unwrap().unwrap();
    assert!(second > first);
    assert!(store.add_access_token(token(1), audited("token.add", NOW)).await.is_err(), "a token is one person's");
    let bearer = store.bearer([2; 32]).await.unwrap().unwrap();
    assert_eq!((bearer.person.clone(), bearer.token.expires_at), (bob(Role::Admin, false), Some(NOW + 9)));
    assert_eq!(bearer.token.scope, [Scope::Read, Scope::Tasks]);
    assert_eq!(store.bearer([3; 32]).await.unwrap(), None);
    // Somebody else has to be an administrator before bob steps down.
    let ann = Person { name: "ann".to_owned(), ..bob(Role::Admin, false) };
    store.write_person(ann.clone(), audited("person.write", NOW)).await.unwrap();
    store.access_token_used(first, NOW + 5).await.unwrap();
    store.access_token_used(first, NOW + 4).await.unwrap();
    // A change keeps tokens and the day on which somebody came.
    let changed = Person { created_at: NOW + 100, ..bob(Role::Viewer, true) };
    store.write_person(changed, audited("person.write", NOW + 3)).await.unwrap();
    let bench = bench.kill().await;
    let store = bench.store();
    assert_eq!(store.people().await.unwrap(), [ann, bob(Role::Viewer, true)]);
    let tokens = store.access_tokens().await.unwrap();
    assert_eq!(
        tokens.iter().map(|token| (token.id, token.used_at)).collect::<Vec<_>>(),
        [(first, Some(NOW + 5)), (second, None)]
    );
    assert!(store.delete_access_token(first, audited("token.delete", NOW + 6)).await.unwrap());
    assert!(!store.delete_access_token(first, audited("token.delete", NOW + 7)).await.unwrap());
    assert_eq!(store.bearer([1; 32]).await.unwrap(), None);
}

pub(crate) async fn what_was_done_is_recorded_once_and_in_order<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    bench.store().record((0..5).map(|at| audited("task.retry", NOW + at)).collect()).await.unwrap();
    let denied = AuditEntry { who: String::new(), details: Some("{}".to_owned()), ..audited("denied", NOW + 9) };
    bench.store().record(vec![denied.clone()]).await.unwrap();
    // What did not happen is not recorded.
    assert!(!bench.store().delete_access_token(9, audited("token.delete", NOW)).await.unwrap());
    let bench = bench.kill().await;
    let find = async |filter: AuditFilter| bench.store().find_audit(filter).await.unwrap();
    let newest = find(AuditFilter { limit: 2, ..AuditFilter::default() }).await;
    assert_eq!(AuditEntry { id: 0, ..newest[0].clone() }, denied);
    let older = find(AuditFilter { limit: 9, before: Some(newest[1].id), ..AuditFilter::default() }).await;
    assert_eq!(older.iter().map(|entry| entry.at).collect::<Vec<_>>(), [NOW + 3, NOW + 2, NOW + 1, NOW]);
    let anns = find(AuditFilter { limit: 9, who: Some("ann".to_owned()), ..AuditFilter::default() }).await;
    assert_eq!(anns.len(), 5);
    assert_eq!(
        find(AuditFilter { limit: 9, what: Some("denied".to_owned()), ..AuditFilter::default() }).await.len(),
        1
    );
}

pub(crate) async fn what_was_done_is_found_by_what_is_asked<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let entry = |who: &str, what: &str, subject: &str, at| AuditEntry {
        who: who.to_owned(),
        subject: subject.to_owned(),
        ..audited(what, NOW + at)
    };
    let entries = vec![
        entry("ann", "task.retry", "1", 0),
        entry("ann", "task.cancel", "2", 1),
        entry("bob", "task.retry", "2", 2),
        entry("bob", "denied", "2", 3),
    ];
    bench.store().record(entries).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    let all = AuditFilter { limit: 9, ..AuditFilter::default() };
    let cases = [
        (all.clone(), vec![3, 2, 1, 0]),
        (AuditFilter { who: text("ann"), ..all.clone() }, vec![1, 0]),
        (AuditFilter { subject: text("2"), ..all.clone() }, vec![3, 2, 1]),
        (AuditFilter { subject: text("2"), what: text("task.retry"), ..all.clone() }, vec![2]),
        (AuditFilter { since: Some(NOW + 2), ..all.clone() }, vec![3, 2]),
        (AuditFilter { until: Some(NOW + 2), ..all.clone() }, vec![1, 0]),
        (AuditFilter { since: Some(NOW + 1), until: Some(NOW + 2), ..all.clone() }, vec![1]),
        (AuditFilter { who: text("' OR 1 = 1 --"), ..all }, vec![]),
    ];
    for (filter, expected) in cases {
        let found = bench.store().find_audit(filter.clone()).await.unwrap();
        let times: Vec<i64> = found.iter().map(|entry| entry.at - NOW).collect();
        assert_eq!(times, expected, "{filter:?}");
    }
}

/// Not even who has the database changes what was recorded without taking the lock off first.
pub(crate) async fn what_was_done_stays<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    bench.store().record(vec![audited("task.retry", NOW)]).await.unwrap();
    for sql in ["UPDATE audit SET who = 'nobody'", "DELETE FROM audit", "DELETE FROM audit WHERE what = 'task.retry'"] {
        let said = bench.fixture.run(sql).unwrap_err();
        assert!(said.contains("only added to"), "{sql}: {said}");
    }
    let found = bench.store().find_audit(AuditFilter { limit: 9, ..AuditFilter::default() }).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].who, "ann");
}

pub(crate) async fn there_is_always_an_administrator<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    let write = async |name: &str, role, is_disabled| {
        let person = Person { name: name.to_owned(), role, sees_payloads: true, is_disabled, created_at: NOW };
        store.write_person(person, audited("person.write", NOW)).await
    };
    write("eve", Role::Viewer, false).await.unwrap();
    write("ann", Role::Admin, false).await.unwrap();
    for (role, is_disabled) in [(Role::Editor, false), (Role::Admin, true)] {
        let Err(StoreError::Refused(problem)) = write("ann", role, is_disabled).await else {
            panic!("she is the last")
        };
        assert_eq!(problem.code, "last_admin");
    }
    write("bob", Role::Admin, true).await.unwrap();
    assert!(write("ann", Role::Viewer, false).await.is_err(), "who is disabled cannot set things right");
    write("bob", Role::Admin, false).await.unwrap();
    write("ann", Role::Viewer, false).await.unwrap();
    assert!(write("bob", Role::Admin, true).await.is_err());
    assert_eq!(store.ways_in().await.unwrap().len(), 3);
}
