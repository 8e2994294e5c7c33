//! Places for connections: so many in all, so many for each address. Where it is full, whoever has been idle for the
//! longest goes, so that those who hold connections open without asking anything keep nobody out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) all: usize,
    /// From one address.
    pub(crate) each: usize,
}

/// All places there are.
#[derive(Debug)]
pub(crate) struct Room {
    limits: Limits,
    taken: Mutex<Taken>,
    /// Counts how often a connection became idle: the smaller its number, the longer it has been.
    rests: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Taken {
    seats: HashMap<u64, Arc<Seat>>,
    addresses: HashMap<IpAddr, usize>,
    last: u64,
}

#[derive(Debug)]
struct Seat {
    number: u64,
    address: Option<IpAddr>,
    /// Since when it has been idle; 0 while a request is worked on.
    idle_since: AtomicU64,
    leave: Notify,
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<Room>,
    seat: Arc<Seat>,
}

impl Room {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, taken: Mutex::default(), rests: AtomicU64::new(1), refused: AtomicU64::new(0) })
    }

    /// A place; `address` is not given for those who are not counted each. `None` where everybody else is at work.
    pub(crate) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Place> {
        let mut taken = self.taken();
        let of_address = address.and_then(|address| taken.addresses.get(&address)).copied().unwrap_or(0);
        let has_room = (of_address < self.limits.each || taken.dismiss(|seat| seat.address == address))
            && (taken.seats.len() < self.limits.all || taken.dismiss(|_| true));
        if !has_room {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        taken.last += 1;
        let (number, idle_since) = (taken.last, AtomicU64::new(self.rests.fetch_add(1, Ordering::Relaxed)));
        let seat = Arc::new(Seat { number, address, idle_since, leave: Notify::new() });
        taken.seats.insert(number, seat.clone());
        if let Some(address) = address {
            *taken.addresses.entry(address).or_default() += 1;
        }
        Some(Place { room: self.clone(), seat })
    }

    /// Sends one away: something else ran short.
    pub(crate) fn make_room(&self) {
        self.taken().dismiss(|_| true);
    }

    /// How many are taken.
    pub(crate) fn taken_places(&self) -> usize {
        self.taken().seats.len()
    }

    /// How many were sent away at the door.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Sends away whoever of these has been idle for the longest; `false` where nobody is.
    fn dismiss(&mut self, of: impl Fn(&Seat) -> bool) -> bool {
        let idle = self.seats.values().filter(|seat| of(seat)).filter_map(|seat| {
            let since = seat.idle_since.load(Ordering::Acquire);
            (since > 0).then_some((since, seat.number))
        });
        let Some((_, number)) = idle.min() else { return false };
        if let Some(seat) = self.free(number) {
            seat.leave.notify_one();
        }
        true
    }

    fn free(&mut self, number: u64) -> Option<Arc<Seat>> {
        let seat = self.seats.remove(&number)?;
        if let Some(address) = seat.address
            && let Some(count) = self.addresses.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&address);
            }
        }
        Some(seat)
    }
}

impl Place {
    /// A request has come whole and is worked on.
    pub(super) fn works(&self) {
        self.seat.idle_since.store(0, Ordering::Release);
    }

    /// It was answered.
    pub(super) fn rests(&self) {
        self.seat.idle_since.store(self.room.rests.fetch_add(1, Ordering::Relaxed), Ordering::Release);
    }

    /// Returns when the place is needed for somebody else.
    pub(super) async fn to_leave(&self) {
        self.seat.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.taken().free(self.seat.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_goes_and_who_works_stays() {
        let room = Room::new(Limits { all: 4, each: 2 });
        let address = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let left = |place: &Place| !room.taken().seats.contains_key(&place.seat.number);
        let (first, second) = (room.take(address(1)).unwrap(), room.take(address(1)).unwrap());
        first.works();
        let third = room.take(address(1)).unwrap();
        assert!(!left(&first) && left(&second) && !left(&third), "of its own address, the idle one");
        third.works();
        assert!(room.take(address(1)).is_none(), "all of this address are at work");
        first.rests();
        third.rests();
        let others: Vec<Place> = (0..2).map(|_| room.take(None).unwrap()).collect();
        assert_eq!(room.taken_places(), 4);
        let _last = room.take(address(9)).unwrap();
        assert!(left(&first) && !left(&third), "who rests since longer");
        drop((second, others));
        assert_eq!(room.taken_places(), 2);
        drop((first, third));
        assert_eq!((room.taken_places(), room.refused()), (1, 1));
        assert_eq!(room.taken().addresses.len(), 1);
    }
}
