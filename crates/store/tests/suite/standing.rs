//! How tasks stand.

use super::{Bench, Fixture, NOW};
use model::{TaskId, TaskState};
use store::{Standings as _, Store as _};

pub(crate) async fn tasks_stand_as_they_do_now<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    let made = store.insert(vec![bench.task(), bench.task(), bench.task()], NOW).await.unwrap();
    let made: Vec<TaskId> = made.into_iter().flatten().collect();
    let asked = vec![made[2], TaskId(i64::MAX), made[0]];
    let found = store.standings(asked).await.unwrap();
    let ids: Vec<TaskId> = found.iter().map(|one| one.id).collect();
    assert_eq!(ids, [made[2], made[0]], "in the order asked, without what is not there");
    assert!(found.iter().all(|one| one.lane == bench.push && one.state == TaskState::New));
    let newer = store.newer_tasks(bench.pull_task, 2).await.unwrap();
    assert_eq!(newer.iter().map(|one| one.id).collect::<Vec<_>>(), [made[2], made[1]], "newest first");
    assert!(store.newer_tasks(made[2], 10).await.unwrap().is_empty());
    assert!(store.standings(Vec::new()).await.unwrap().is_empty());
}
