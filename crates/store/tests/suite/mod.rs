//! What an adapter of the store must do. A file of tests names a fixture and expands [`on`].

pub(crate) mod access;
pub(crate) mod activities;
pub(crate) mod alerts;
pub(crate) mod blobs;
pub(crate) mod claims;
pub(crate) mod decisions;
pub(crate) mod definitions;
pub(crate) mod entries;
pub(crate) mod histories;
pub(crate) mod keep;
pub(crate) mod models;
pub(crate) mod people;
pub(crate) mod search;
pub(crate) mod secrets;
pub(crate) mod sign_in;
pub(crate) mod standing;
pub(crate) mod tasks;
pub(crate) mod unattended;

use bytes::Bytes;
use model::{Evidence, Problem, RunId, TaskId, TaskKind, TaskState};
use store::{
    AttemptEnd, Claim, ClaimRequest, Decided, Decision, Ending, Entries, Finish, LaneId, NewRun, NewTask, Next, Start,
    Store, TaskFilter, TaskRow, TaskStory, Token,
};

/// A store that starts empty and can be killed.
#[allow(async_fn_in_trait, reason = "nobody but the tests implements or calls it")]
pub(crate) trait Fixture: Sized {
    type Store: Store;
    /// How many random histories are lived through: a kill is dearer for some than for others.
    const HISTORIES: u32;
    /// Whether this machine can run such a store. Where it says no, it has told why.
    fn available() -> bool {
        true
    }
    /// An empty store.
    async fn fresh() -> Self;
    fn store(&self) -> &Self::Store;
    /// What a kill at this moment leaves, opened anew.
    async fn kill(self) -> Self;
    /// Loses every blob.
    fn lose_blobs(&self);
    /// Runs a statement behind the store's back; what the database says where it refuses.
    fn run(&self, sql: &str) -> Result<(), String>;
}

/// Expands every test of the suite for a fixture.
#[macro_export]
macro_rules! on {
    ($fixture:ty) => {
        $crate::on!($fixture;
            tasks: numbers_are_given_in_order_and_kept, a_task_is_born_new_or_ended, a_unique_key_is_used_once,
                a_run_begins_with_its_pull_task, an_end_leads_where_it_says, the_end_carries_everything_or_nothing,
                a_lost_item_does_not_spoil_its_batch, the_place_to_go_on_is_kept_until_replaced, bodies_come_back_as_given;
            claims: a_claim_takes_what_is_due_in_order, racing_claims_share_nothing, an_old_token_can_do_nothing,
                an_attempt_starts_once, a_claim_can_be_renewed, what_is_handed_back_was_never_claimed,
                the_next_due_time_is_the_earliest, take_over_leaves_running_claims_alone,
                take_over_returns_what_was_started, the_latest_attempt_is_the_one_that_was_cut,
                three_claims_without_an_end_park_a_task, an_end_counts_claims_anew,
                a_handed_back_interruption_is_not_forgotten;
            decisions: each_decision_fits_some_states, a_decision_is_recorded, a_finished_task_run_again_begins_anew,
                an_edit_keeps_what_was_before;
            access: people_and_their_tokens_are_kept, what_was_done_is_recorded_once_and_in_order,
                what_was_done_is_found_by_what_is_asked, what_was_done_stays, there_is_always_an_administrator;
            sign_in: a_password_ends_what_was_begun_before_it, a_link_counts_once, the_first_administrator_is_made_once,
                sessions_are_kept_until_they_end, a_factor_is_asked_for_once_it_is_confirmed, steps_and_codes_count_once,
                a_setting_is_kept;
            search: every_test_finds_what_it_asks, a_task_is_found_by_what_people_call_it,
                a_search_is_walked_page_by_page, times_bound_a_search,
                a_histogram_counts_by_time_and_state, bodies_are_fetched_one_by_one,
                values_are_suggested_and_usage_stands_in_buckets;
            activities: an_activity_comes_on_slice_by_slice, an_activity_is_paused_and_goes_on,
                views_are_kept_by_their_owners, a_call_with_a_key_is_carried_out_once;
            people: counts_and_sums_are_kept, lists_are_pages_newest_first, a_story_tells_everything,
                runs_are_open_until_their_last_task, lanes_keep_their_numbers, cursors_are_set_and_cleared,
                nothing_is_found_in_an_empty_store, usage_is_summed_by_what_is_asked, every_count_of_usage_is_kept_and_summed,
                the_first_currency_stays;
            secrets: secrets_are_kept_and_recorded, a_store_has_one_key_at_a_time,
                a_value_in_another_row_does_not_open, a_second_factor_is_resealed_too;
            standing: tasks_stand_as_they_do_now;
            entries: entries_are_written_with_an_end, an_end_is_overtaken_where_what_it_read_has_changed,
                ends_of_one_batch_see_each_other, an_entry_expires, entries_are_found;
            definitions: changes_make_revisions, an_outdated_plan_changes_nothing, a_revision_says_who_made_it_and_why,
                the_past_of_a_definition_is_kept, revisions_are_pages_newest_first, declared_variables_are_replaced_whole;
            blobs: long_bodies_are_blobs, a_body_like_a_reference_is_no_reference, what_nothing_refers_to_is_swept,
                a_task_without_its_blob_stops_alone, named_files_are_kept;
            keep: ended_tasks_are_looked_through_newest_first, sizes_are_those_of_bodies_and_blobs,
                what_is_deleted_is_gone_whole, open_and_unknown_tasks_are_never_deleted,
                a_run_goes_with_its_last_task, expired_entries_can_be_deleted;
            unattended: engines_know_of_each_other, runs_wait_for_each_other_where_order_counts, one_task_of_a_key_at_a_time, a_run_with_a_key_begins_once, a_run_is_found_by_its_key, a_schedule_is_paused_and_begins_anew,
                an_address_is_given_once, what_is_drawn_is_remembered;
            alerts: a_turn_is_one_engines, a_state_is_written_by_one, nothing_is_sent_twice,
                alerts_are_muted_tried_and_forgotten, messages_are_bounded_and_paged, facts_for_alerts_are_counted;
            models: a_look_at_models_is_taken_on_once, models_are_kept_until_the_next_list, models_in_use_are_counted;
            histories: random_histories_are_as_the_model_says;
        );
    };
    ($fixture:ty; $($file:ident: $($test:ident),+;)+) => {
        $(mod $file {
            use super::*;
            $(#[test]
            fn $test() {
                if <$fixture as $crate::suite::Fixture>::available() {
                    $crate::suite::run($crate::suite::$file::$test::<$fixture>());
                }
            })+
        })+
    };
}

/// Runs a test on a runtime of its own.
pub(crate) fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

pub(crate) const NOW: i64 = 1_790_000_000_000;
pub(crate) const LEASE: i64 = 60_000;

/// A store with a run, its pull task in `pull`, and a lane to push in.
pub(crate) struct Bench<F> {
    pub(crate) fixture: F,
    pub(crate) pull: LaneId,
    pub(crate) push: LaneId,
    pub(crate) run: RunId,
    pub(crate) pull_task: TaskId,
}

impl<F: Fixture> Bench<F> {
    pub(crate) async fn new() -> Self {
        let fixture = F::fresh().await;
        let names = vec![(TaskKind::Pull, "products".to_owned()), (TaskKind::Push, "describe".to_owned())];
        let lanes = fixture.store().lanes(names).await.unwrap();
        let (run, pull_task) = fixture.store().begin_run(new_run(lanes[0])).await.unwrap();
        Self { fixture, pull: lanes[0], push: lanes[1], run, pull_task }
    }

    pub(crate) fn store(&self) -> &F::Store {
        self.fixture.store()
    }

    pub(crate) async fn kill(self) -> Self {
        Self { fixture: self.fixture.kill().await, ..self }
    }

    /// A new task in the push lane, due now.
    pub(crate) fn task(&self) -> NewTask {
        NewTask {
            lane: self.push,
            run: self.run,
            source: None,
            priority: 0,
            due_at: NOW,
            order_key: None,
            unique_key: None,
            identifier: None,
            state: TaskState::New,
            payload: Bytes::from_static(b"{}"),
            problem: None,
        }
    }

    pub(crate) async fn insert(&self, task: NewTask) -> TaskId {
        self.store().insert(vec![task], NOW).await.unwrap()[0].unwrap()
    }

    /// Claims whatever is due in the push lane.
    pub(crate) async fn claim(&self, most: u32) -> Vec<Claim> {
        self.claim_at(NOW, most).await
    }

    pub(crate) async fn claim_at(&self, now: i64, most: u32) -> Vec<Claim> {
        self.store()
            .claim(ClaimRequest { lanes: vec![(self.push, most)], now, lease_until: now + LEASE })
            .await
            .unwrap()
    }

    /// Inserts one task, before all others, and claims it.
    pub(crate) async fn claimed(&self) -> Claim {
        let id = self.insert(NewTask { priority: -1, ..self.task() }).await;
        let claim = self.claim(1).await.remove(0);
        assert_eq!(claim.token.task, id);
        claim
    }

    pub(crate) async fn start(&self, token: Token) -> bool {
        self.store().start(vec![start(token)]).await.unwrap()[0]
    }

    pub(crate) async fn finish(&self, finish: Finish) -> bool {
        self.store().finish(vec![finish]).await.unwrap()[0] == Ending::Kept
    }

    pub(crate) async fn story(&self, id: TaskId) -> TaskStory {
        self.store().task(id).await.unwrap().unwrap()
    }

    pub(crate) async fn row(&self, id: TaskId) -> TaskRow {
        self.story(id).await.row
    }

    pub(crate) async fn decide(&self, id: TaskId, decision: Decision) -> Result<(), Problem> {
        self.store().decide(vec![id], decided(decision)).await.unwrap().remove(0)
    }

    /// A task that has come to this state.
    pub(crate) async fn task_in(&self, state: TaskState) -> TaskId {
        let next = match state {
            TaskState::New => return self.insert(self.task()).await,
            TaskState::Rejected => return self.insert(NewTask { state, ..self.task() }).await,
            TaskState::Processing => return self.claimed().await.token.task,
            TaskState::Retry => Next::Retry(NOW + 1),
            TaskState::Waiting => Next::Waiting(NOW + 1),
            TaskState::Finished => Next::Finished,
            TaskState::Failed => Next::Failed,
            TaskState::Skipped => Next::Skipped,
            TaskState::Unknown => Next::Unknown,
        };
        let claim = self.claimed().await;
        assert!(self.start(claim.token).await);
        assert!(self.finish(end(claim.token, next)).await);
        claim.token.task
    }

    /// Every task, and the counts that must fit them.
    pub(crate) async fn check_tally(&self) {
        let filter = TaskFilter { limit: 1000, ..TaskFilter::default() };
        let tasks = self.store().tasks(filter).await.unwrap();
        for run in [None, Some(self.run)] {
            for tally in self.store().tally(run).await.unwrap() {
                let counted = tasks.iter().filter(|task| {
                    task.lane == tally.lane && task.state == tally.state && run.is_none_or(|run| run == task.run)
                });
                assert_eq!(counted.count() as u64, tally.count, "{tally:?}");
            }
            let sum: u64 = self.store().tally(run).await.unwrap().iter().map(|tally| tally.count).sum();
            let all = tasks.iter().filter(|task| run.is_none_or(|run| run == task.run)).count();
            assert_eq!(sum, all as u64, "every task is counted");
        }
    }
}

pub(crate) fn new_run(lane: LaneId) -> NewRun {
    NewRun::now(lane, "cli", NOW, Bytes::from_static(b"{}"))
}

pub(crate) fn start(token: Token) -> Start {
    Start { token, at: NOW, revision: 1, request: None, mark: None }
}

/// An answered attempt, under the token's number.
pub(crate) fn end(token: Token, next: Next) -> Finish {
    let end = AttemptEnd {
        number: token.attempt,
        at: NOW,
        evidence: Evidence::Answered,
        status: Some(200),
        problem: None,
        answer: None,
        headers: None,
        usage: None,
        request: None,
    };
    Finish { token, end, next, new_tasks: Vec::new(), cursor: None, resume: None, entries: Entries::default() }
}

pub(crate) fn decided(decision: Decision) -> Decided {
    Decided {
        decision,
        by: "cli".to_owned(),
        why: Some("because".to_owned()),
        at: NOW + 5,
        resume: None,
        payload: None,
        before: None,
    }
}
