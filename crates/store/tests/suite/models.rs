//! Models: which there are, which are in use, and when to look again.

use super::{Bench, Fixture, NOW, end};
use model::{Problem, Usage};
use store::{Alerts as _, ModelUse, Models as _, ModelsSeen, Next, SeenModel};

fn seen(client: &str, id: &str) -> SeenModel {
    SeenModel {
        client: client.to_owned(),
        id: id.to_owned(),
        aliases: vec![format!("{id}-latest")],
        created_at: None,
        retires_at: Some(NOW + 5),
        replacement: Some("new".to_owned()),
        capabilities: vec!["vision".to_owned()],
        seen_at: NOW,
    }
}

/// A look is one engine's, and comes again.
pub(crate) async fn a_look_at_models_is_taken_on_once<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let claim = async |bench: &Bench<F>, client: &str, now: i64| {
        let now = NOW + now;
        bench.store().claim_model_check(client.to_owned(), now, now + 10, now + 100).await.unwrap()
    };
    assert!(!claim(&bench, "eu", 0).await, "a new client is not due at once");
    assert!(!claim(&bench, "eu", 9).await);
    let (one, other) = tokio::join!(claim(&bench, "eu", 10), claim(&bench, "eu", 10));
    assert!(one != other, "one of them");
    let bench = bench.kill().await;
    assert!(!claim(&bench, "eu", 109).await);
    assert!(claim(&bench, "eu", 110).await, "a look that never ended is due again");
    let write = ModelsSeen { client: "eu".to_owned(), at: NOW + 120, due_at: NOW + 1_000, found: Ok(Vec::new()) };
    bench.store().write_models(write).await.unwrap();
    assert!(!claim(&bench, "eu", 999).await);
    assert!(claim(&bench, "eu", 1_000).await);
}

/// A list takes the place of the one before; a failed look leaves it.
pub(crate) async fn models_are_kept_until_the_next_list<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    let write = async |client: &str, found: Result<Vec<SeenModel>, Problem>| {
        let seen = ModelsSeen { client: client.to_owned(), at: NOW, due_at: NOW + 9, found };
        store.write_models(seen).await.unwrap();
        store
            .models()
            .await
            .unwrap()
            .into_iter()
            .map(|model| format!("{}/{}", model.client, model.id))
            .collect::<Vec<_>>()
    };
    assert_eq!(write("us", Ok(vec![seen("us", "b"), seen("us", "a"), seen("us", "a")])).await, ["us/a", "us/b"]);
    assert_eq!(store.models().await.unwrap()[0], seen("us", "a"));
    assert_eq!(write("eu", Ok(vec![seen("eu", "a")])).await, ["eu/a", "us/a", "us/b"]);
    let problem = Problem::new("models_refused", "the service answered 401");
    assert_eq!(write("us", Err(problem.clone())).await, ["eu/a", "us/a", "us/b"]);
    let checks = store.model_checks().await.unwrap();
    assert_eq!((checks[0].client.as_str(), checks[0].problem.as_ref()), ("eu", None));
    assert_eq!(
        (checks[1].checked_at, checks[1].due_at, checks[1].problem.as_ref()),
        (Some(NOW), NOW + 9, Some(&problem))
    );
    assert_eq!(write("us", Ok(vec![seen("us", "c")])).await, ["eu/a", "us/c"]);
    let keys = ["eu", "us"].map(|client| (client.to_owned(), Some(401))).to_vec();
    store.note_keys(keys, NOW).await.unwrap();
    store.keep_model_clients(vec!["us".to_owned()]).await.unwrap();
    assert_eq!(store.models().await.unwrap().len(), 1);
    assert_eq!(store.model_checks().await.unwrap().len(), 1);
    assert_eq!(store.keys_refused().await.unwrap().len(), 1);
    store.keep_model_clients(Vec::new()).await.unwrap();
    assert_eq!(store.models().await.unwrap(), []);
}

/// Counted by what answered, and for whom.
pub(crate) async fn models_in_use_are_counted<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    for (model, at) in [("b", NOW), ("a", NOW), ("a", NOW + 1), ("ü", NOW + 1)] {
        let mut finish = end(bench.claimed().await.token, Next::Finished);
        finish.end.at = at;
        finish.end.usage = Some(Usage { model: Some(model.to_owned()), ..Usage::default() });
        assert!(bench.finish(finish).await);
    }
    bench.task_in(model::TaskState::Finished).await;
    let used = |model: &str, calls| ModelUse { model: model.to_owned(), route: "describe".to_owned(), calls };
    assert_eq!(store.count_model_uses(NOW).await.unwrap(), [used("a", 2), used("b", 1), used("ü", 1)]);
    let later = store.count_model_uses(NOW + 1).await.unwrap();
    assert_eq!(later, [used("a", 1), used("ü", 1)]);
    assert_eq!(store.model_uses().await.unwrap(), []);
    store.write_model_uses(store.count_model_uses(NOW).await.unwrap()).await.unwrap();
    store.write_model_uses(later.clone()).await.unwrap();
    assert_eq!(store.model_uses().await.unwrap(), later, "a count takes the place of the one before");
}
