//! What the loop and a lane share.

use model::Millis;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use store::{Claim, StoreError};
use tokio::sync::{Notify, mpsc};

/// A lane as the loop sees it.
pub(super) struct LaneState {
    /// How many of its tasks may be in hand: under way and claimed ahead.
    capacity: usize,
    in_hand: AtomicUsize,
    /// Whether there may be something to claim.
    hot: AtomicBool,
    /// Whether to look again when something is released: a claim may stop short of a task that must be claimed alone.
    look_again: AtomicBool,
    sender: mpsc::UnboundedSender<Vec<Claim>>,
}

impl LaneState {
    pub(super) fn new(capacity: usize) -> (Self, mpsc::UnboundedReceiver<Vec<Claim>>) {
        // Bounded by `capacity`: the loop claims no more than there is room for.
        let (sender, receiver) = mpsc::unbounded_channel();
        (
            Self {
                capacity,
                in_hand: AtomicUsize::new(0),
                hot: AtomicBool::new(true),
                look_again: AtomicBool::new(false),
                sender,
            },
            receiver,
        )
    }

    /// How many tasks to claim now: 0 where nothing may be there, or where so little room is free that a later claim
    /// of more is cheaper.
    pub(super) fn wants(&self) -> usize {
        let in_hand = self.in_hand.load(Ordering::Acquire);
        let room = self.capacity.saturating_sub(in_hand);
        if room * 2 < self.capacity || !self.hot.swap(false, Ordering::AcqRel) {
            return 0;
        }
        room
    }

    /// Hands over what was claimed; `asked` tells whether there may be more.
    pub(super) fn accept(&self, claims: Vec<Claim>, asked: usize) {
        if claims.len() == asked {
            self.heat();
        }
        self.look_again.store(true, Ordering::Release);
        self.in_hand.fetch_add(claims.len(), Ordering::AcqRel);
        // A lane lives as long as the loop; its end would be the loop's.
        let _ = self.sender.send(claims);
    }

    /// Something may be there to claim.
    pub(super) fn heat(&self) {
        self.hot.store(true, Ordering::Release);
    }

    pub(super) fn release(&self, count: usize) {
        if self.look_again.swap(false, Ordering::AcqRel) {
            self.heat();
        }
        self.in_hand.fetch_sub(count, Ordering::AcqRel);
    }

    pub(super) fn in_hand(&self) -> usize {
        self.in_hand.load(Ordering::Acquire)
    }
}

/// What wakes the loop.
pub(super) struct Signals {
    /// Something changed: room in a lane, new tasks, a failure.
    pub(super) wake: Notify,
    /// The earliest time at which a retry made in this process comes due.
    next_timer: AtomicI64,
    /// The first failure of the store; ends the loop.
    failed: AtomicBool,
    failure: Mutex<Option<StoreError>>,
}

impl Signals {
    pub(super) fn new() -> Self {
        Self {
            wake: Notify::new(),
            next_timer: AtomicI64::new(Millis::MAX),
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    pub(super) fn due_at(&self, at: Millis) {
        self.next_timer.fetch_min(at, Ordering::AcqRel);
    }

    pub(super) fn take_timer(&self) -> Millis {
        self.next_timer.load(Ordering::Acquire)
    }

    pub(super) fn clear_timer(&self) {
        self.next_timer.store(Millis::MAX, Ordering::Release);
    }

    /// The store failed: nothing more is claimed or sent.
    pub(super) fn fail(&self, error: StoreError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(super) fn take_failure(&self) -> Option<StoreError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
