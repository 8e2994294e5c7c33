//! Entries of storages: read, checked again with the end of a task, written in the same commit.

use super::{Bench, Fixture, NOW, end};
use bytes::Bytes;
use store::{Ending, Entries, Entry, EntryFilter, EntryKey, EntryWrite, Finish, NewTask, Next, Store};

fn key(storage: &str, key: &str) -> EntryKey {
    EntryKey { storage: storage.to_owned(), key: key.to_owned() }
}

fn set(of: EntryKey, value: &str) -> EntryWrite {
    EntryWrite { of, value: Some(Bytes::copy_from_slice(value.as_bytes())), expires_at: None }
}

fn read(of: EntryKey, value: Option<&str>) -> (EntryKey, Option<Bytes>) {
    (of, value.map(|value| Bytes::copy_from_slice(value.as_bytes())))
}

async fn value<F: Fixture>(bench: &Bench<F>, of: EntryKey, now: i64) -> Option<String> {
    let entry = bench.store().entries(vec![of], now).await.unwrap().remove(0)?;
    Some(String::from_utf8(entry.value.to_vec()).unwrap())
}

/// The end of a task of its own, with these entries.
async fn ending<F: Fixture>(
    bench: &Bench<F>,
    read: Vec<(EntryKey, Option<Bytes>)>,
    written: Vec<EntryWrite>,
) -> Finish {
    bench.insert(bench.task()).await;
    let claim = bench.claimed().await;
    assert!(bench.start(claim.token).await);
    Finish { entries: Entries { at: NOW, read, written }, ..end(claim.token, Next::Finished) }
}

pub(crate) async fn entries_are_written_with_an_end<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let odd = "Ä\u{0}\" ' %_\u{1f600}";
    let first = ending(&bench, vec![read(key("s", "a"), None)], vec![set(key("s", "a"), "1"), set(key("s", odd), "2")]);
    let first = first.await;
    assert!(bench.finish(first.clone()).await);
    assert_eq!(bench.store().finish(vec![first]).await.unwrap(), [Ending::Lost], "once");
    let bench = bench.kill().await;
    assert_eq!(value(&bench, key("s", "a"), NOW).await.as_deref(), Some("1"));
    assert_eq!(value(&bench, key("s", odd), NOW).await.as_deref(), Some("2"));
    assert_eq!(value(&bench, key("t", "a"), NOW).await, None, "each storage has its own keys");
    let delete = EntryWrite { of: key("s", "a"), value: None, expires_at: None };
    let second = ending(&bench, vec![read(key("s", "a"), Some("1"))], vec![set(key("s", odd), "3"), delete]).await;
    assert!(bench.finish(second).await);
    assert_eq!(value(&bench, key("s", "a"), NOW).await, None);
    let there = bench.store().entries(vec![key("s", "a"), key("s", odd)], NOW).await.unwrap();
    let expected =
        Entry { key: odd.to_owned(), value: Bytes::from_static(b"3"), at: NOW, expires_at: None, version: 2 };
    assert_eq!(there, [None, Some(expected)]);
}

pub(crate) async fn an_end_is_overtaken_where_what_it_read_has_changed<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    bench.store().write_entries(vec![set(key("s", "a"), "1")], NOW).await.unwrap();
    for (seen, overtaken) in [(Some("1"), false), (None, true), (Some("2"), true)] {
        let mut finish = ending(&bench, vec![read(key("s", "a"), seen)], vec![set(key("s", "b"), "true")]).await;
        finish.new_tasks = vec![NewTask { source: Some(finish.token.task), ..bench.task() }];
        let expected = if overtaken { Ending::Overtaken } else { Ending::Kept };
        assert_eq!(bench.store().finish(vec![finish.clone()]).await.unwrap(), [expected], "{seen:?}");
        let story = bench.story(finish.token.task).await;
        assert_eq!(story.made.len(), usize::from(!overtaken), "{seen:?}: all of it or nothing");
        assert_eq!(value(&bench, key("s", "b"), NOW).await.is_some(), !overtaken, "{seen:?}");
        // The claim holds: what was made anew of what is there now can end it.
        finish.entries.read = vec![read(key("s", "a"), Some("1"))];
        let again = if overtaken { Ending::Kept } else { Ending::Lost };
        assert_eq!(bench.store().finish(vec![finish]).await.unwrap(), [again], "{seen:?}");
        let delete = EntryWrite { of: key("s", "b"), value: None, expires_at: None };
        bench.store().write_entries(vec![delete], NOW).await.unwrap();
        // Tasks that were made are out of the way.
        for claim in bench.claim(100).await {
            assert!(bench.finish(end(claim.token, Next::Finished)).await);
        }
    }
    bench.check_tally().await;
}

pub(crate) async fn ends_of_one_batch_see_each_other<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let a = || key("s", "a");
    let first = ending(&bench, vec![read(a(), None)], vec![set(a(), "1")]).await;
    let late = ending(&bench, vec![read(a(), None)], vec![set(a(), "9")]).await;
    let second = ending(&bench, vec![read(a(), Some("1"))], vec![set(a(), "2")]).await;
    let ends = bench.store().finish(vec![first, late, second]).await.unwrap();
    assert_eq!(ends, [Ending::Kept, Ending::Overtaken, Ending::Kept]);
    assert_eq!(value(&bench, a(), NOW).await.as_deref(), Some("2"));
}

pub(crate) async fn an_entry_expires<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let short = EntryWrite { expires_at: Some(NOW + 10), ..set(key("s", "a"), "1") };
    bench.store().write_entries(vec![short, set(key("s", "b"), "1")], NOW).await.unwrap();
    assert_eq!(value(&bench, key("s", "a"), NOW + 9).await.as_deref(), Some("1"));
    assert_eq!(value(&bench, key("s", "a"), NOW + 10).await, None);
    assert_eq!(bench.store().entry_counts(NOW).await.unwrap(), [("s".to_owned(), 2)]);
    assert_eq!(bench.store().entry_counts(NOW + 10).await.unwrap(), [("s".to_owned(), 1)]);
    let mut gone = ending(&bench, vec![read(key("s", "a"), None)], vec![set(key("s", "a"), "2")]).await;
    assert_eq!(bench.store().finish(vec![gone.clone()]).await.unwrap(), [Ending::Overtaken]);
    gone.entries.at = NOW + 10;
    assert!(bench.finish(gone).await, "it had expired by then");
    assert_eq!(bench.store().delete_expired(NOW + 20, 500).await.unwrap(), 0, "written anew, for ever");
}

pub(crate) async fn entries_are_found<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let mut written: Vec<EntryWrite> =
        (0..25).map(|at| set(key("s", &format!("sku-{at:02}")), &format!("{{\"price\":{at}}}"))).collect();
    written.push(set(key("other", "sku-01"), "1"));
    bench.store().write_entries(written, NOW).await.unwrap();
    let find = |text: Option<&str>, after: Option<&str>, limit| {
        let filter = EntryFilter {
            storage: "s".to_owned(),
            text: text.map(str::to_owned),
            after: after.map(str::to_owned),
            limit,
        };
        bench.store().find_entries(filter, NOW)
    };
    let keys = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>();
    assert_eq!(keys(find(None, None, 2).await.unwrap()), ["sku-00", "sku-01"]);
    assert_eq!(keys(find(None, Some("sku-22"), 9).await.unwrap()), ["sku-23", "sku-24"]);
    assert_eq!(keys(find(Some("-2"), Some("sku-22"), 9).await.unwrap()), ["sku-23", "sku-24"]);
    assert_eq!(keys(find(Some("\"price\":7}"), None, 9).await.unwrap()), ["sku-07"]);
    assert!(find(Some("SKU"), None, 9).await.unwrap().is_empty(), "to the letter");
    assert!(find(Some("%"), None, 9).await.unwrap().is_empty());
}
