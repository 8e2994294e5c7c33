//! Random histories against a small model: every answer of the store must be the model's.

use super::{Fixture, decided, end, new_run, start};
use bytes::Bytes;
use model::{Problem, RunId, TaskId, TaskKind, TaskState};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::collections::{BTreeMap, HashSet};
use store::{Claim, ClaimRequest, Decision, Ending, LaneId, NewTask, Next, Store, TaskFilter, Token};

const LEASE: i64 = 4;

#[derive(Clone, Debug)]
enum Step {
    Insert {
        lane: usize,
        priority: i64,
        wait: i64,
        key: Option<u8>,
        born_failed: bool,
    },
    Claim {
        first: usize,
        most: [u32; 2],
    },
    Start(usize),
    Renew(usize),
    HandBack(usize),
    /// `of_interrupted`: under the number of the attempt that was cut, where there is one.
    Finish {
        token: usize,
        next: Next,
        makes: u8,
        of_interrupted: bool,
    },
    TakeOver {
        all: bool,
    },
    Decide {
        task: usize,
        decision: Decision,
    },
    Wait(i64),
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    let wait = 0..6_i64;
    // `Next`'s times count from the step's own.
    let next = (0..7_u8, wait.clone()).prop_map(|(kind, wait)| match kind {
        0 => Next::Finished,
        1 => Next::Failed,
        2 => Next::Unknown,
        3 => Next::Skipped,
        4 => Next::Retry(wait),
        5 => Next::Again(wait),
        _ => Next::Waiting(wait),
    });
    let decision = (0..Decision::ALL.len()).prop_map(|at| Decision::ALL[at]);
    prop_oneof![
        4 => (0..2_usize, 0..3_i64, wait, proptest::option::weighted(0.3, 0..6_u8), proptest::bool::weighted(0.1))
            .prop_map(|(lane, priority, wait, key, born_failed)| Step::Insert { lane, priority, wait, key, born_failed }),
        4 => (0..2_usize, [0..3_u32, 0..3_u32]).prop_map(|(first, most)| Step::Claim { first, most }),
        4 => any::<usize>().prop_map(Step::Start),
        1 => any::<usize>().prop_map(Step::Renew),
        1 => any::<usize>().prop_map(Step::HandBack),
        4 => (any::<usize>(), next, 0..3_u8, any::<bool>())
            .prop_map(|(token, next, makes, of_interrupted)| Step::Finish { token, next, makes, of_interrupted }),
        2 => any::<bool>().prop_map(|all| Step::TakeOver { all }),
        2 => (any::<usize>(), decision).prop_map(|(task, decision)| Step::Decide { task, decision }),
        2 => (1..LEASE).prop_map(Step::Wait),
        1 => Just(Step::Kill),
    ]
}

#[derive(Clone, Debug)]
struct Task {
    lane: LaneId,
    priority: i64,
    due_at: i64,
    state: TaskState,
    attempt: u32,
    tries: u32,
    claims: u32,
    last_start: u32,
    last_end: u32,
    starts: HashSet<u32>,
}

impl Task {
    fn new(lane: LaneId, priority: i64, due_at: i64, state: TaskState) -> Self {
        let (attempt, tries, claims, last_start, last_end) = (0, 0, 0, 0, 0);
        Self { lane, priority, due_at, state, attempt, tries, claims, last_start, last_end, starts: HashSet::new() }
    }

    fn is_claimable(&self) -> bool {
        self.state.is_open() && self.state != TaskState::Processing
    }

    fn interrupted(&self) -> Option<u32> {
        (self.last_start > self.last_end).then_some(self.last_start)
    }
}

/// What of a claim the model foretells: token, lane, tries, claims, and the attempt that was cut.
type Foretold = (Token, LaneId, u32, u32, Option<u32>);

fn seen(claim: &Claim) -> Foretold {
    let interrupted = claim.interrupted.as_ref().map(|attempt| attempt.attempt);
    (claim.token, claim.lane, claim.tries, claim.claims, interrupted)
}

struct History<F> {
    fixture: F,
    lanes: Vec<LaneId>,
    run: RunId,
    now: i64,
    tasks: BTreeMap<TaskId, Task>,
    keys: HashSet<u8>,
    /// Every token ever given.
    tokens: Vec<Token>,
}

pub(crate) async fn random_histories_are_as_the_model_says<F: Fixture>() {
    // On a thread of its own: the runner is not asynchronous, and blocks.
    let played = std::thread::spawn(|| {
        let mut runner =
            TestRunner::new(Config { cases: F::HISTORIES, failure_persistence: None, ..Config::default() });
        runner.run(&prop::collection::vec(step(), 1..80), |steps| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(play::<F>(steps))
        })
    });
    if let Err(failure) = played.join().unwrap() {
        panic!("{failure}");
    }
}

async fn play<F: Fixture>(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let fixture = F::fresh().await;
    let names = ["a", "b"].map(|name| (TaskKind::Push, name.to_owned()));
    let lanes = fixture.store().lanes(names.to_vec()).await.unwrap();
    let pull = fixture.store().lanes(vec![(TaskKind::Pull, "p".to_owned())]).await.unwrap()[0];
    let (run, pull_task) = fixture.store().begin_run(new_run(pull)).await.unwrap();
    let tasks = BTreeMap::from([(pull_task, Task::new(pull, 0, super::NOW, TaskState::New))]);
    let mut history = History { fixture, lanes, run, now: super::NOW, tasks, keys: HashSet::new(), tokens: vec![] };
    for step in steps {
        history = history.play(step).await?;
    }
    history.compare().await
}

impl<F: Fixture> History<F> {
    async fn play(mut self, step: Step) -> Result<Self, TestCaseError> {
        match step {
            Step::Insert { lane, priority, wait, key, born_failed } => {
                self.insert(self.lanes[lane], priority, self.now + wait, key, born_failed).await?;
            }
            Step::Claim { first, most } => self.claim(first, most).await?,
            Step::TakeOver { all } => self.take_over(all).await?,
            Step::Decide { task, decision } => self.decide(task, decision).await?,
            Step::Wait(wait) => self.now += wait,
            Step::Kill => self.fixture = self.fixture.kill().await,
            Step::Start(token) | Step::Renew(token) | Step::HandBack(token) | Step::Finish { token, .. } => {
                if !self.tokens.is_empty() {
                    // Half of the time one of the latest, so that histories get somewhere.
                    let among = if token % 2 == 0 { self.tokens.len().min(4) } else { self.tokens.len() };
                    let token = self.tokens[self.tokens.len() - 1 - token / 2 % among];
                    self.play_token(step, token).await?;
                }
            }
        }
        Ok(self)
    }

    fn new_task(&self, lane: LaneId, priority: i64, due_at: i64) -> NewTask {
        NewTask {
            lane,
            run: self.run,
            source: None,
            priority,
            due_at,
            order_key: None,
            unique_key: None,
            identifier: None,
            state: TaskState::New,
            payload: Bytes::from_static(b"{}"),
            problem: None,
        }
    }

    async fn insert(
        &mut self,
        lane: LaneId,
        priority: i64,
        due_at: i64,
        key: Option<u8>,
        born_failed: bool,
    ) -> Result<(), TestCaseError> {
        let state = if born_failed { TaskState::Failed } else { TaskState::New };
        let problem = born_failed.then(|| Problem::new("too_large", "too large"));
        let unique_key = key.map(|key| key.to_string());
        let task = NewTask { unique_key, state, problem, ..self.new_task(lane, priority, due_at) };
        let id = self.fixture.store().insert(vec![task], self.now).await.unwrap()[0];
        let fresh = key.is_none_or(|key| self.keys.insert(key));
        prop_assert_eq!(id.is_some(), fresh);
        if let Some(id) = id {
            let known = self.tasks.insert(id, Task::new(lane, priority, due_at, state));
            prop_assert!(known.is_none(), "a number was given twice");
        }
        Ok(())
    }

    async fn claim(&mut self, first: usize, most: [u32; 2]) -> Result<(), TestCaseError> {
        let lanes: Vec<_> = [first, 1 - first].map(|at| (self.lanes[at], most[at])).to_vec();
        let mut foretold = Vec::new();
        for (lane, most) in &lanes {
            let now = self.now;
            let mut due: Vec<_> = self
                .tasks
                .iter_mut()
                .filter(|(_, task)| task.lane == *lane && task.is_claimable() && task.due_at <= now)
                .collect();
            due.sort_by_key(|(id, task)| (task.priority, task.due_at, **id));
            for (at, (id, task)) in due.into_iter().take(*most as usize).enumerate() {
                // One that was claimed before and came to no end is claimed alone.
                let suspect = task.claims > 0;
                if suspect && at > 0 {
                    break;
                }
                prop_assert_eq!(task.interrupted(), None, "what was cut must not be claimed as if it were new");
                task.state = TaskState::Processing;
                task.due_at = self.now + LEASE;
                task.attempt += 1;
                task.claims += 1;
                foretold.push((Token { task: *id, attempt: task.attempt }, *lane, task.tries, task.claims, None));
                if suspect {
                    break;
                }
            }
        }
        let request = ClaimRequest { lanes, now: self.now, lease_until: self.now + LEASE };
        let claims = self.fixture.store().claim(request).await.unwrap();
        self.tokens.extend(claims.iter().map(|claim| claim.token));
        prop_assert_eq!(claims.iter().map(seen).collect::<Vec<_>>(), foretold);
        Ok(())
    }

    async fn take_over(&mut self, all: bool) -> Result<(), TestCaseError> {
        let mut foretold = Vec::new();
        for (id, task) in &mut self.tasks {
            if task.state != TaskState::Processing || (!all && task.due_at > self.now) {
                continue;
            }
            if let Some(cut) = task.interrupted() {
                task.attempt += 1;
                task.claims += 1;
                task.due_at = self.now + LEASE;
                let token = Token { task: *id, attempt: task.attempt };
                foretold.push((token, task.lane, task.tries, task.claims, Some(cut)));
            } else if task.claims >= 3 {
                (task.state, task.due_at, task.claims, task.last_end) = (TaskState::Failed, self.now, 0, task.attempt);
            } else {
                (task.state, task.due_at) = (TaskState::New, self.now);
            }
        }
        foretold.sort_by_key(|(token, lane, ..)| (*lane, self.tasks[&token.task].priority, token.task));
        let claims = self.fixture.store().take_over(all, self.now, self.now + LEASE).await.unwrap();
        self.tokens.extend(claims.iter().map(|claim| claim.token));
        prop_assert_eq!(claims.iter().map(seen).collect::<Vec<_>>(), foretold);
        Ok(())
    }

    async fn decide(&mut self, task: usize, decision: Decision) -> Result<(), TestCaseError> {
        let id = *self.tasks.keys().nth(task % self.tasks.len()).unwrap();
        let task = self.tasks.get_mut(&id).unwrap();
        let leads_to = decision.leads_to(task.state);
        if let Some(to) = leads_to {
            (task.state, task.due_at) = (to, decided(decision).at);
            if to == TaskState::New {
                (task.tries, task.claims) = (0, 0);
            }
        }
        let result = self.fixture.store().decide(vec![id], decided(decision)).await.unwrap().remove(0);
        prop_assert_eq!(result.is_ok(), leads_to.is_some());
        Ok(())
    }

    async fn play_token(&mut self, step: Step, token: Token) -> Result<(), TestCaseError> {
        let now = self.now;
        let task = self.tasks.get_mut(&token.task).unwrap();
        let holds = task.state == TaskState::Processing && task.attempt == token.attempt;
        match step {
            Step::Start(_) => {
                let starts = holds && task.starts.insert(token.attempt);
                if starts {
                    task.last_start = token.attempt;
                }
                let started = self.fixture.store().start(vec![start(token)]).await.unwrap();
                prop_assert_eq!(started, [starts]);
            }
            Step::Renew(_) => {
                if holds {
                    task.due_at = now + LEASE;
                }
                let renewed = self.fixture.store().renew(vec![token], now + LEASE).await.unwrap();
                prop_assert_eq!(renewed, [holds]);
            }
            Step::HandBack(_) => {
                if holds && task.interrupted().is_none() {
                    (task.state, task.due_at, task.claims) = (TaskState::New, now, task.claims - 1);
                }
                self.fixture.store().hand_back(vec![token], now).await.unwrap();
            }
            Step::Finish { next, makes, of_interrupted, .. } => {
                self.finish(token, holds, next, makes, of_interrupted).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn finish(
        &mut self,
        token: Token,
        holds: bool,
        next: Next,
        makes: u8,
        of_interrupted: bool,
    ) -> Result<(), TestCaseError> {
        let (now, lane) = (self.now, self.lanes[0]);
        let next = match next {
            Next::Retry(wait) => Next::Retry(now + wait),
            Next::Again(wait) => Next::Again(now + wait),
            Next::Waiting(wait) => Next::Waiting(now + wait),
            ended => ended,
        };
        let mut finish = end(token, next);
        finish.end.at = now;
        finish.new_tasks = vec![self.new_task(lane, 1, now); makes.into()];
        let task = self.tasks.get_mut(&token.task).unwrap();
        if let Some(cut) = task.interrupted().filter(|_| of_interrupted) {
            finish.end.number = cut;
        }
        if holds {
            task.last_end = task.last_end.max(finish.end.number);
            (task.state, task.due_at, task.tries) = match next {
                Next::Finished => (TaskState::Finished, now, task.tries),
                Next::Failed => (TaskState::Failed, now, task.tries),
                Next::Unknown => (TaskState::Unknown, now, task.tries),
                Next::Skipped => (TaskState::Skipped, now, task.tries),
                Next::Retry(at) => (TaskState::Retry, at, task.tries + 1),
                Next::Again(at) => (TaskState::New, at, 0),
                Next::Waiting(at) => (TaskState::Waiting, at, 0),
            };
            task.claims = 0;
        }
        let finished = self.fixture.store().finish(vec![finish]).await.unwrap();
        prop_assert_eq!(finished, [if holds { Ending::Kept } else { Ending::Lost }]);
        if holds {
            self.adopt(usize::from(makes), lane).await?;
        }
        Ok(())
    }

    /// Learns the numbers of tasks that an end made: the newest ones.
    async fn adopt(&mut self, made: usize, lane: LaneId) -> Result<(), TestCaseError> {
        let limit = u32::try_from(made).unwrap();
        for row in self.fixture.store().tasks(TaskFilter { limit, ..TaskFilter::default() }).await.unwrap() {
            let known = self.tasks.insert(row.id, Task::new(lane, 1, self.now, TaskState::New));
            prop_assert!(known.is_none(), "an end made fewer tasks than it should");
        }
        Ok(())
    }

    /// Nothing is lost, nothing is invented, and the counts are those of the tasks.
    async fn compare(&self) -> Result<(), TestCaseError> {
        let store = self.fixture.store();
        let rows = store.tasks(TaskFilter { limit: 1000, ..TaskFilter::default() }).await.unwrap();
        let found: Vec<_> = rows.iter().rev().map(|row| (row.id, row.lane, row.state, row.due_at)).collect();
        let expected: Vec<_> = self.tasks.iter().map(|(id, task)| (*id, task.lane, task.state, task.due_at)).collect();
        prop_assert_eq!(found, expected);
        let mut counts: BTreeMap<_, u64> = BTreeMap::new();
        for task in self.tasks.values() {
            *counts.entry((task.lane, task.state)).or_default() += 1;
        }
        for run in [None, Some(self.run)] {
            let tally = store.tally(run).await.unwrap();
            let tally: BTreeMap<_, _> = tally.iter().map(|tally| ((tally.lane, tally.state), tally.count)).collect();
            prop_assert_eq!(&tally, &counts);
        }
        for (at, lane) in self.lanes.iter().enumerate() {
            let due = self.tasks.values().filter(|task| task.lane == *lane && task.is_claimable());
            let due = due.map(|task| task.due_at).min();
            prop_assert_eq!(store.next_due(vec![self.lanes[at]]).await.unwrap(), due);
        }
        prop_assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
        Ok(())
    }
}
