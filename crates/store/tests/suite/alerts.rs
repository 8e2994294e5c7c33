//! Alerts: nothing is said twice, whoever asks and whenever it is killed.

use super::{Bench, Fixture, NOW, end};
use model::{Problem, TaskState};
use store::{
    AlertChange, AlertSend, Alerts as _, AuditEntry, AuditFilter, Caps, Draw, NewMessage, Next, SendEnd, Store,
};

fn message(alert: &str, at: i64, targets: &[&str]) -> NewMessage {
    NewMessage {
        alert: alert.to_owned(),
        what: "firing".to_owned(),
        at,
        body: format!("{{\"at\":{at}}}"),
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
    }
}

fn change(name: &str, state: &str, version: i64, message: Option<NewMessage>) -> AlertChange {
    AlertChange { name: name.to_owned(), rule: "{}".to_owned(), state: state.to_owned(), version, message }
}

fn audit(what: &str) -> AuditEntry {
    AuditEntry {
        id: 0,
        at: NOW,
        who: "ann".to_owned(),
        origin: "here".to_owned(),
        what: what.to_owned(),
        subject: "a".to_owned(),
        details: None,
    }
}

fn problem() -> Problem {
    Problem::new("receiver_refused", "the receiver answered 503")
}

/// Who may look: one engine at a time, until its turn runs out.
pub(crate) async fn a_turn_is_one_engines<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let take = async |what: &str, engine: &str, now: i64| {
        bench.store().take_turn(what.to_owned(), engine.to_owned(), NOW + now, NOW + now + 60).await.unwrap()
    };
    assert!(take("alerts", "one", 0).await);
    assert!(!take("alerts", "two", 30).await);
    assert!(take("other", "two", 30).await);
    assert!(take("alerts", "one", 59).await, "its own is kept");
    assert!(!take("alerts", "two", 118).await);
    assert!(take("alerts", "two", 119).await, "it ran out");
    assert!(!take("alerts", "one", 120).await);
}

/// A state and what follows from it are one commit, and of two that know the same version one writes.
pub(crate) async fn a_state_is_written_by_one<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let write = async |changes: Vec<AlertChange>| bench.store().change_alerts(changes).await.unwrap();
    let said = || Some(message("a", NOW, &["x"]));
    assert_eq!(write(vec![change("a", "1", 0, said()), change("b", "1", 0, None)]).await, [true, true]);
    // Another one that knew nothing of it says nothing.
    assert_eq!(write(vec![change("a", "2", 0, said()), change("b", "2", 1, None)]).await, [false, true]);
    assert_eq!(write(vec![change("a", "2", 1, None), change("a", "3", 1, said())]).await, [true, false]);
    assert_eq!(write(vec![change("gone", "1", 4, said())]).await, [false], "it was forgotten meanwhile");
    let rows = bench.store().alert_rows().await.unwrap();
    let shown: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.state.as_str(), row.version)).collect();
    assert_eq!(shown, [("a", "2", 2), ("b", "2", 2)]);
    assert_eq!(bench.store().alert_messages(None, None, 100).await.unwrap().len(), 1);
    let bench = bench.kill().await;
    assert_eq!(bench.store().alert_rows().await.unwrap(), rows);
}

/// Claims before it is sent; what was claimed and never ended may have arrived.
pub(crate) async fn nothing_is_sent_twice<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let claim =
        async |bench: &Bench<F>, at: i64| bench.store().claim_sends(NOW + at, NOW + at + 180, 10).await.unwrap();
    assert_eq!(bench.store().next_send().await.unwrap(), None);
    let said = vec![change("a", "1", 0, Some(message("a", NOW + 5, &["x", "y", "z"])))];
    bench.store().change_alerts(said).await.unwrap();
    assert_eq!(bench.store().next_send().await.unwrap(), Some(NOW + 5));
    assert_eq!(claim(&bench, 4).await, []);
    let (one, other) = tokio::join!(claim(&bench, 5), claim(&bench, 5));
    let mut claimed: Vec<AlertSend> = one.into_iter().chain(other).collect();
    claimed.sort_by_key(|send| send.place);
    let shown: Vec<_> = claimed.iter().map(|send| (send.place, send.shown.as_str(), send.attempt)).collect();
    assert_eq!(shown, [(0, "x", 1), (1, "y", 1), (2, "z", 1)], "each is claimed once");
    assert_eq!((claimed[0].alert.as_str(), claimed[0].what.as_str(), claimed[0].at), ("a", "firing", NOW + 5));
    assert_eq!(claimed[0].body, format!("{{\"at\":{}}}", NOW + 5));

    let finish = async |bench: &Bench<F>, send: &AlertSend, how: SendEnd, at: i64| {
        bench.store().end_send(send.id, send.attempt, how, NOW + at).await.unwrap()
    };
    assert!(finish(&bench, &claimed[0], SendEnd::Sent, 6).await);
    assert!(!finish(&bench, &claimed[0], SendEnd::Failed(problem()), 7).await, "it has ended");
    assert!(finish(&bench, &claimed[1], SendEnd::Again(NOW + 50, problem()), 7).await);
    // The third one is being sent when everything ends.
    let bench = bench.kill().await;
    assert_eq!(claim(&bench, 49).await, []);
    let again = claim(&bench, 50).await;
    assert_eq!((again.len(), again[0].place, again[0].attempt), (1, 1, 2));
    assert!(!finish(&bench, &claimed[1], SendEnd::Sent, 51).await, "an old claim can do nothing");
    assert!(finish(&bench, &again[0], SendEnd::Failed(problem()), 51).await);
    assert_eq!(claim(&bench, 184).await, []);
    assert_eq!(bench.store().next_send().await.unwrap(), Some(NOW + 185), "the claim of the third runs out");
    assert_eq!(claim(&bench, 185).await, [], "it is not sent again");
    assert!(!finish(&bench, &claimed[2], SendEnd::Sent, 186).await);
    assert_eq!(bench.store().next_send().await.unwrap(), None);

    let told = bench.store().alert_messages(Some("a".to_owned()), None, 10).await.unwrap();
    let sends: Vec<_> = told[0].sends.iter().map(|send| (send.state.as_str(), send.attempts, send.ended_at)).collect();
    assert_eq!(sends, [("sent", 1, Some(NOW + 6)), ("failed", 2, Some(NOW + 51)), ("unknown", 1, Some(NOW + 185))]);
    assert_eq!(told[0].sends[1].problem, Some(problem()));
    assert_eq!(told[0].sends[2].problem.as_ref().unwrap().code, "send_unknown");
}

/// Muted, tried, forgotten; each is recorded.
pub(crate) async fn alerts_are_muted_tried_and_forgotten<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    store.mute_alert("a".to_owned(), Some((NOW + 60, "ann".to_owned())), audit("alert.mute")).await.unwrap();
    let row = async || store.alert_rows().await.unwrap().remove(0);
    assert_eq!((row().await.version, row().await.muted), (0, Some((NOW + 60, "ann".to_owned()))));
    // It goes on looking, and stays muted.
    assert_eq!(store.change_alerts(vec![change("a", "1", 0, None)]).await.unwrap(), [true]);
    assert_eq!((row().await.version, row().await.muted.is_some()), (1, true));
    store.mute_alert("a".to_owned(), None, audit("alert.unmute")).await.unwrap();
    assert_eq!((row().await.state.as_str(), row().await.muted), ("1", None));

    let claimed = store.say_claimed(message("a", NOW, &["x", "y"]), NOW + 180, audit("alert.try")).await.unwrap();
    assert_eq!(claimed.iter().map(|send| (send.place, send.attempt)).collect::<Vec<_>>(), [(0, 1), (1, 1)]);
    assert_eq!(store.claim_sends(NOW + 1, NOW + 181, 10).await.unwrap(), [], "they are claimed already");
    assert!(store.end_send(claimed[0].id, 1, SendEnd::Sent, NOW + 2).await.unwrap());

    store.change_alerts(vec![change("a", "2", 1, Some(message("a", NOW, &["x"])))]).await.unwrap();
    store.forget_alerts(vec!["a".to_owned(), "nobody".to_owned()], NOW + 3).await.unwrap();
    assert_eq!(store.alert_rows().await.unwrap(), []);
    assert_eq!(store.claim_sends(NOW + 4, NOW + 184, 10).await.unwrap(), [], "what was not sent yet is not");
    let told = store.alert_messages(Some("a".to_owned()), None, 10).await.unwrap();
    assert_eq!((told[0].sends[0].state.as_str(), told[1].sends[1].state.as_str()), ("failed", "sending"));
    let record = store.find_audit(AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap();
    let done: Vec<&str> = record.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(done, ["alert.try", "alert.unmute", "alert.mute"]);
}

/// Of each alert the latest messages are kept; pages go from the newest.
pub(crate) async fn messages_are_bounded_and_paged<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    for number in 0..105 {
        let said = vec![change("a", "1", number, Some(message("a", NOW + number, &["x", "y"])))];
        assert_eq!(store.change_alerts(said).await.unwrap(), [true]);
    }
    store.change_alerts(vec![change("b", "1", 0, Some(message("b", NOW, &[])))]).await.unwrap();
    let all = store.alert_messages(Some("a".to_owned()), None, 1_000).await.unwrap();
    assert_eq!((all.len(), all[0].at, all[99].at), (100, NOW + 104, NOW + 5));
    assert_eq!(all[99].sends.len(), 2);
    assert_eq!(
        store.claim_sends(NOW + 500, NOW + 600, 1_000).await.unwrap().len(),
        200,
        "none of a message that is gone"
    );
    let page = store.alert_messages(Some("a".to_owned()), Some(all[9].id), 10).await.unwrap();
    assert_eq!(
        page.iter().map(|one| one.id).collect::<Vec<_>>(),
        all[10..20].iter().map(|one| one.id).collect::<Vec<_>>()
    );
    assert_eq!(store.alert_messages(None, None, 1).await.unwrap()[0].alert, "b");
}

/// What rules are held against.
pub(crate) async fn facts_for_alerts_are_counted<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    for _ in 0..3 {
        bench.task_in(TaskState::Failed).await;
    }
    bench.task_in(TaskState::Finished).await;
    bench.task_in(TaskState::Unknown).await;
    let failed = bench.task_in(TaskState::Failed).await;
    assert_eq!(store.failed_since(NOW).await.unwrap(), [(bench.push, 4)]);
    assert_eq!(store.failed_since(NOW + 1).await.unwrap(), []);
    bench.decide(failed, store::Decision::Retry).await.unwrap();
    assert_eq!(store.failed_since(NOW - 1).await.unwrap(), [(bench.push, 3)], "one that goes on has not failed");
    let claim = bench.claim_at(NOW + 5, 1).await.remove(0);
    let mut again = end(claim.token, Next::Failed);
    again.end.at = NOW + 6;
    assert!(bench.finish(again).await);
    assert_eq!(store.failed_since(NOW + 6).await.unwrap(), [(bench.push, 1)]);

    let caps = Caps { calls_per_day: Some(10), ..Caps::default() };
    let draw = |client: &str, calls| Draw {
        client: client.to_owned(),
        now: NOW,
        calls,
        tokens: 0,
        cost: model::Money(7),
        caps,
    };
    assert_eq!(store.drawn_of_day(NOW).await.unwrap(), []);
    store.draw(draw("eu", 2)).await.unwrap();
    store.draw(draw("us", 1)).await.unwrap();
    let drawn = store.drawn_of_day(NOW).await.unwrap();
    let shown: Vec<_> = drawn.iter().map(|one| (one.client.as_str(), one.calls, one.cost)).collect();
    assert_eq!(shown, [("eu", 2, 14), ("us", 1, 7)]);
    assert_eq!(store.drawn_of_day(NOW + 86_400_000).await.unwrap(), [], "a day begins with nothing");

    let note = async |client: &str, status, at| {
        store.note_keys(vec![(client.to_owned(), status)], NOW + at).await.unwrap();
        let all = store.keys_refused().await.unwrap();
        all.into_iter().map(|one| (one.client, one.status, one.since - NOW)).collect::<Vec<_>>()
    };
    assert_eq!(note("eu", None, 0).await, []);
    assert_eq!(note("eu", Some(401), 1).await, [("eu".to_owned(), 401, 1)]);
    assert_eq!(note("eu", Some(403), 2).await, [("eu".to_owned(), 403, 1)], "since it was first refused");
    assert_eq!(note("eu", None, 3).await, []);
    assert_eq!(note("eu", Some(401), 4).await, [("eu".to_owned(), 401, 4)]);
}
