//! The refill arithmetic of scheduling contexts, exactly as in abi.md 9.7.
//!
//! A scheduling context holds its budget as a queue of refills: amounts that may be used from a time on. Using time
//! takes it from the head and schedules it again one period later, so that no window of one period sees more than the
//! budget (but for interruptions: see [`turn_begins`](crate::addr::KernelPtr::turn_begins)). What the operations keep, for
//! a budget not greater than the period:
//!
//! * the amounts add up to the budget;
//! * the entries are ordered by time and do not overlap: `time + amount` of one is not after `time` of the next;
//! * there are 1 to `ring.len()` entries.
//!
//! A period of 0 stands for round robin (budget = period). Such a context always has two entries: what is left of the
//! slice and what was used of it. [`Refills::charge`], [`Refills::schedule_used`] and [`Refills::unblock_check`] are
//! not for it; the `round_robin_…` operations are for no other.
//!
//! Times and amounts are TSC ticks. Every operation ends and cannot overflow, whatever the values. Sums saturate:
//! configured budgets and periods are at most 2^61 ticks (abi.md 3.1), so a sum past 2^64 means a time that never comes,
//! and the greatest value says just that.
#![forbid(unsafe_code)]

use core::cell::Cell;

/// `amount` ticks that may be used from `time` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Refill {
    /// First TSC tick at which the amount may be used.
    pub time: u64,
    /// TSC ticks.
    pub amount: u64,
}

impl Refill {
    /// The first tick behind this refill if it is used without a break.
    fn end(self) -> u64 {
        self.time.saturating_add(self.amount)
    }
}

/// The refills of one scheduling context.
pub struct Refills<'a> {
    /// Storage; its length is the greatest number of refills, at least 2.
    pub ring: &'a [Cell<Refill>],
    /// Index of the head in `ring`.
    pub head: &'a Cell<u64>,
    /// Number of entries, at least 1 once configured.
    pub count: &'a Cell<u64>,
}

impl Refills<'_> {
    /// The entry that is used now or next.
    #[inline(always)]
    pub fn head(&self) -> Refill {
        self.ring.get(self.head.get() as usize).map_or(Refill::default(), Cell::get)
    }

    /// The entry with the latest time.
    #[inline]
    pub fn tail(&self) -> Refill {
        self.get(self.last())
    }

    /// Whether the head may be used at `now`.
    #[inline]
    pub fn ready(&self, now: u64) -> bool {
        self.head().time <= now
    }

    /// What is left of the head once `used` ticks, not charged yet, are taken off.
    #[inline(always)]
    pub fn capacity(&self, used: u64) -> u64 {
        self.head().amount.saturating_sub(used)
    }

    /// Whether the head holds at least `min_budget` beyond the `used` ticks that are not charged yet.
    #[inline(always)]
    pub fn sufficient(&self, min_budget: u64, used: u64) -> bool {
        self.capacity(used) >= min_budget
    }

    /// *New*: the full budget is there at `now`. For a first configuration, a context that is not in use, a change of
    /// core, and every change to round robin.
    pub fn new_budget(&self, now: u64, budget: u64, round_robin: bool) {
        self.restart(Refill { time: now, amount: budget });
        if round_robin {
            self.append(Refill { time: now, amount: 0 });
        }
    }

    /// *Update*: a new budget and period (not round robin) for a context whose thread is runnable; what is left of the
    /// head is carried over.
    ///
    /// The ring must include the present head, so its length is the one before the change or a greater one. The entries
    /// are in `ring[0]` and `ring[1]` afterwards: any new length of at least 2 fits.
    pub fn update(&self, now: u64, new_period: u64, new_budget: u64) {
        let mut head = self.head();
        if head.time <= now {
            head.time = now;
        }
        let left = head.amount.min(new_budget);
        self.restart(Refill { time: head.time, amount: left });
        if left < new_budget {
            let time = head.time.saturating_add(new_period);
            self.append(Refill { time, amount: new_budget - left });
        }
    }

    /// *Charge*: takes `used` ticks from the front and schedules them one `period` later. Afterwards the head holds at
    /// least `min_budget`, provided the whole budget does.
    pub fn charge(&self, used: u64, period: u64, min_budget: u64) {
        let mut left = used;
        // Entries in a row that went from the front to the back without being merged.
        let mut moved_alone = 0;
        loop {
            let head = self.head();
            if head.amount > left {
                break;
            }
            if moved_alone >= self.count.get() {
                // A whole round changed nothing but the times, and so would every further round: take them at once.
                let Some(rounds) = left.checked_div(self.total()) else {
                    left = 0;
                    break;
                };
                left -= rounds * self.total();
                self.postpone_all(rounds.saturating_mul(period));
                moved_alone = 0;
                continue;
            }
            left -= head.amount;
            let again = Refill { time: head.time.saturating_add(period), amount: head.amount };
            if self.count.get() <= 1 {
                self.set(0, again);
                moved_alone += 1;
            } else {
                self.pop();
                moved_alone = if self.schedule_used(again) { 0 } else { moved_alone + 1 };
            }
        }
        if left > 0 {
            let head = self.head();
            self.set(0, Refill { time: head.time.saturating_add(left), amount: head.amount - left });
            self.schedule_used(Refill { time: head.time.saturating_add(period), amount: left });
        }
        while self.head().amount < min_budget && self.count.get() > 1 {
            let head = self.pop();
            let next = self.head();
            self.set(
                0,
                Refill {
                    time: next.time.saturating_sub(head.amount),
                    amount: next.amount.saturating_add(head.amount),
                },
            );
        }
    }

    /// *Schedule used*: a used amount becomes available again at the end of the queue. Returns whether it was merged
    /// into the tail: because the two touch, or because the queue is full, where the tail is delayed instead.
    pub fn schedule_used(&self, used: Refill) -> bool {
        let tail = self.tail();
        let amount = tail.amount.saturating_add(used.amount);
        if tail.end() >= used.time {
            self.set(self.last(), Refill { time: tail.time, amount });
            true
        } else if self.count.get() < self.ring.len() as u64 {
            self.append(used);
            false
        } else {
            // The tail ends before the new time, which is therefore the greater of the two.
            self.set(self.last(), Refill { time: used.time - tail.amount, amount });
            true
        }
    }

    /// Round robin, commit: `used` ticks of the slice are gone, at most all of it.
    #[inline]
    pub fn round_robin_commit(&self, used: u64) {
        let Some((head, tail)) = self.slice() else { return };
        let moved = used.min(head.get().amount);
        head.update(|head| Refill { amount: head.amount - moved, ..head });
        tail.update(|tail| Refill { amount: tail.amount.saturating_add(moved), ..tail });
    }

    /// Round robin, at the end of the slice and at Yield: the next slice is a full one.
    #[inline]
    pub fn round_robin_exhaust(&self) {
        let Some((head, tail)) = self.slice() else { return };
        let used = tail.get().amount;
        head.update(|head| Refill { amount: head.amount.saturating_add(used), ..head });
        tail.update(|tail| Refill { amount: 0, ..tail });
    }

    /// Round robin, at Yield: as [`Refills::round_robin_exhaust`]. False if the slice has not begun: nothing was done.
    #[inline(always)]
    pub fn renew_slice(&self, now: u64) -> bool {
        let Some((head, tail)) = self.slice() else { return false };
        let (left, used) = (head.get(), tail.get());
        if left.time > now {
            return false;
        }
        // The sum is the budget.
        head.set(Refill { amount: left.amount.wrapping_add(used.amount), ..left });
        tail.set(Refill { amount: 0, ..used });
        true
    }

    /// Round robin: as [`Refills::round_robin_commit`], of no more than is left.
    #[inline(always)]
    pub fn use_of_slice(&self, used: u64) {
        let Some((head, tail)) = self.slice() else { return };
        debug_assert!(used <= head.get().amount, "more is used than there is");
        head.update(|head| Refill { amount: head.amount.wrapping_sub(used), ..head });
        // The sum is the budget.
        tail.update(|tail| Refill { amount: tail.amount.wrapping_add(used), ..tail });
    }

    /// Round robin: what is left of the slice.
    #[inline(always)]
    pub fn slice_left(&self) -> u64 {
        self.slice().map_or(0, |(head, _)| head.get().amount)
    }

    /// Round robin: what is left of the slice and what was used of it. The two never move: the head is at the start.
    #[inline(always)]
    fn slice(&self) -> Option<(&Cell<Refill>, &Cell<Refill>)> {
        match self.ring {
            [head, tail, ..] => Some((head, tail)),
            _ => None,
        }
    }

    /// *Unblock check*: if the head is ready, it starts at `now`, and the entries that its use would run into join it.
    #[inline]
    pub fn unblock_check(&self, now: u64) {
        if !self.ready(now) {
            return;
        }
        let mut head = Refill { time: now, ..self.head() };
        while self.count.get() > 1 && self.get(1).time <= head.end() {
            self.pop();
            head.amount = head.amount.saturating_add(self.head().amount);
        }
        self.set(0, head);
    }

    /// Place of the last entry.
    fn last(&self) -> u64 {
        self.count.get().saturating_sub(1)
    }

    /// The cell of the `place`-th entry, counted from the head.
    #[inline]
    fn cell(&self, place: u64) -> Option<&Cell<Refill>> {
        let length = self.ring.len() as u64;
        let index = self.head.get().wrapping_add(place);
        // Head and place are below the length, so one subtraction replaces a division.
        let index = if index >= length { index.wrapping_sub(length) } else { index };
        self.ring.get(index as usize)
    }

    #[inline]
    fn get(&self, place: u64) -> Refill {
        self.cell(place).map_or(Refill::default(), Cell::get)
    }

    #[inline]
    fn set(&self, place: u64, refill: Refill) {
        if let Some(cell) = self.cell(place) {
            cell.set(refill);
        }
    }

    /// Leaves one entry, in `ring[0]`.
    fn restart(&self, only: Refill) {
        self.head.set(0);
        self.count.set(1);
        self.set(0, only);
    }

    /// Adds an entry behind the tail; there is room.
    fn append(&self, refill: Refill) {
        let place = self.count.get();
        self.count.set(place + 1);
        self.set(place, refill);
    }

    /// Removes the head; it is not the only entry.
    fn pop(&self) -> Refill {
        let head = self.head();
        let next = self.head.get() + 1;
        self.head.set(if next >= self.ring.len() as u64 { 0 } else { next });
        self.count.set(self.last());
        head
    }

    fn total(&self) -> u64 {
        (0..self.count.get()).fold(0, |sum, place| self.get(place).amount.saturating_add(sum))
    }

    fn postpone_all(&self, ticks: u64) {
        for place in 0..self.count.get() {
            let refill = self.get(place);
            self.set(place, Refill { time: refill.time.saturating_add(ticks), ..refill });
        }
    }
}

#[cfg(test)]
#[path = "refill_tests.rs"]
mod tests;
