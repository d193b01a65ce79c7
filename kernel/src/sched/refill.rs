//! The refill arithmetic of scheduling contexts, exactly as in abi.md 9.7.
//!
//! A scheduling context holds its budget as a queue of refills: amounts that may be used from a time on. Using time
//! takes it from the head and schedules it again one period later, so that no window of one period sees more than the
//! budget. What the operations keep, for a budget not greater than the period:
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
    #[inline]
    pub fn head(&self) -> Refill {
        self.get(0)
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
    #[inline]
    pub fn capacity(&self, used: u64) -> u64 {
        self.head().amount.saturating_sub(used)
    }

    /// Whether the head holds at least `min_budget` beyond the `used` ticks that are not charged yet.
    #[inline]
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
    pub fn round_robin_commit(&self, used: u64) {
        let (head, tail) = (self.head(), self.tail());
        if self.count.get() < 2 {
            return;
        }
        let moved = used.min(head.amount);
        self.set(0, Refill { amount: head.amount - moved, ..head });
        self.set(self.last(), Refill { amount: tail.amount.saturating_add(moved), ..tail });
    }

    /// Round robin, at the end of the slice and at Yield: the next slice is a full one.
    pub fn round_robin_exhaust(&self) {
        let (head, tail) = (self.head(), self.tail());
        if self.count.get() < 2 {
            return;
        }
        self.set(0, Refill { amount: head.amount.saturating_add(tail.amount), ..head });
        self.set(self.last(), Refill { amount: 0, ..tail });
    }

    /// *Unblock check*: if the head is ready, it starts at `now`, and the entries that its use would run into join it.
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Storage as inside a scheduling context.
    struct Context {
        ring: Vec<Cell<Refill>>,
        head: Cell<u64>,
        count: Cell<u64>,
    }

    impl Context {
        fn new(max: usize) -> Context {
            let ring = vec![Cell::new(Refill::default()); max];
            Context { ring, head: Cell::new(0), count: Cell::new(0) }
        }

        /// A ring whose head is at `head`, so that the entries wrap around.
        fn with(max: usize, head: u64, entries: &[(u64, u64)]) -> Context {
            let context = Context::new(max);
            context.head.set(head);
            for &(time, amount) in entries {
                context.refills().append(Refill { time, amount });
            }
            context
        }

        fn refills(&self) -> Refills<'_> {
            Refills { ring: &self.ring, head: &self.head, count: &self.count }
        }

        fn entries(&self) -> Vec<(u64, u64)> {
            let refills = self.refills();
            let entries = (0..self.count.get()).map(|place| refills.get(place));
            entries.map(|refill| (refill.time, refill.amount)).collect()
        }
    }

    #[test]
    fn refills_have_the_size_of_the_abi() {
        assert_eq!(size_of::<Refill>() as u64, sel_abi::REFILL_BYTES);
    }

    #[test]
    fn new_starts_with_the_whole_budget() {
        let context = Context::with(4, 3, &[(1, 2), (3, 4)]);
        context.refills().new_budget(100, 30, false);
        assert_eq!(context.entries(), [(100, 30)]);
        context.refills().new_budget(100, 30, true);
        assert_eq!(context.entries(), [(100, 30), (100, 0)]);
    }

    #[test]
    fn ready_and_sufficient() {
        let context = Context::with(2, 1, &[(100, 30)]);
        let refills = context.refills();
        assert!(!refills.ready(99) && refills.ready(100));
        assert!(
            refills.sufficient(10, 20) && !refills.sufficient(10, 21) && !refills.sufficient(10, u64::MAX)
        );
        assert_eq!((refills.capacity(12), refills.capacity(31)), (18, 0));
    }

    #[test]
    fn update_keeps_the_head() {
        // Ready, and more left than the new budget.
        let context = Context::with(5, 4, &[(100, 30), (200, 10)]);
        context.refills().update(150, 500, 20);
        assert_eq!(context.entries(), [(150, 20)]);
        // Not ready, and less left.
        let context = Context::with(5, 4, &[(100, 30), (200, 10)]);
        context.refills().update(50, 500, 90);
        assert_eq!(context.entries(), [(100, 30), (600, 60)]);
        // A shorter ring holds the result.
        let short = Refills { ring: &context.ring[..2], ..context.refills() };
        assert_eq!((short.head().amount, short.tail().amount), (30, 60));
    }

    #[test]
    fn schedule_used_merges_appends_or_delays_the_tail() {
        let context = Context::with(2, 1, &[(100, 10)]);
        assert!(context.refills().schedule_used(Refill { time: 110, amount: 5 }));
        assert_eq!(context.entries(), [(100, 15)]);
        assert!(!context.refills().schedule_used(Refill { time: 116, amount: 5 }));
        assert_eq!(context.entries(), [(100, 15), (116, 5)]);
        assert!(context.refills().schedule_used(Refill { time: 200, amount: 7 }));
        assert_eq!(context.entries(), [(100, 15), (195, 12)]);
    }

    #[test]
    fn charge_splits_the_head() {
        let context = Context::with(3, 2, &[(100, 50)]);
        context.refills().charge(20, 1000, 10);
        assert_eq!(context.entries(), [(120, 30), (1100, 20)]);
        // What is left is too small to be a slice of its own.
        context.refills().charge(25, 1000, 10);
        assert_eq!(context.entries(), [(1095, 50)]);
        // Just the whole budget.
        context.refills().charge(50, 1000, 10);
        assert_eq!(context.entries(), [(2095, 50)]);
    }

    #[test]
    fn charge_moves_used_entries_to_the_end() {
        let context = Context::with(4, 2, &[(100, 20), (200, 30), (400, 50)]);
        context.refills().charge(35, 1000, 10);
        assert_eq!(context.entries(), [(215, 15), (400, 50), (1100, 20), (1200, 15)]);
    }

    #[test]
    fn charge_is_quick_for_any_amount() {
        let entries = [(100, 20), (200, 30), (400, 50)];
        let context = Context::with(4, 2, &entries);
        context.refills().charge(100 << 40, 1000, 10);
        assert_eq!(context.entries(), entries.map(|(time, amount)| (time + (1000 << 40), amount)));
        for (used, period) in [(u64::MAX, 1), (u64::MAX, u64::MAX), (u64::MAX, 0), (0, 0)] {
            let context = Context::with(4, 2, &[(7, 0), (7, 1), (8, 0)]);
            context.refills().charge(used, period, 1);
            assert_eq!(context.refills().total(), 1);
            let context = Context::with(4, 2, &[(7, 0), (7, 0)]);
            context.refills().charge(used, period, 1);
            assert_eq!(context.refills().total(), 0);
        }
    }

    #[test]
    fn round_robin_moves_the_slice_there_and_back() {
        let context = Context::new(2);
        let refills = context.refills();
        refills.new_budget(100, 50, true);
        refills.round_robin_commit(20);
        assert_eq!(context.entries(), [(100, 30), (100, 20)]);
        refills.round_robin_commit(40);
        assert_eq!(context.entries(), [(100, 0), (100, 50)]);
        refills.round_robin_exhaust();
        assert_eq!(context.entries(), [(100, 50), (100, 0)]);
        assert!(refills.ready(100));
    }

    #[test]
    fn unblock_check_joins_what_is_due() {
        let entries = [(100, 20), (215, 30), (290, 5), (400, 50)];
        let context = Context::with(4, 2, &entries);
        context.refills().unblock_check(99);
        assert_eq!(context.entries(), entries);
        context.refills().unblock_check(200);
        assert_eq!(context.entries(), [(200, 50), (290, 5), (400, 50)]);
        context.refills().unblock_check(1000);
        assert_eq!(context.entries(), [(1000, 105)]);
    }

    /// *Charge* as the text of abi.md has it, on a list, without the short cut for whole rounds.
    fn charge_by_the_book(entries: &mut Vec<(u64, u64)>, max: usize, mut used: u64, period: u64, min: u64) {
        fn schedule(entries: &mut Vec<(u64, u64)>, max: usize, time: u64, amount: u64) {
            let full = entries.len() == max;
            let tail = entries.last_mut().unwrap();
            if tail.0 + tail.1 >= time {
                tail.1 += amount;
            } else if full {
                *tail = (time - tail.1, tail.1 + amount);
            } else {
                entries.push((time, amount));
            }
        }
        while entries[0].1 <= used {
            let (time, amount) = entries[0];
            used -= amount;
            if entries.len() == 1 {
                entries[0].0 += period;
            } else {
                entries.remove(0);
                schedule(entries, max, time + period, amount);
            }
        }
        if used > 0 {
            let time = entries[0].0;
            entries[0] = (time + used, entries[0].1 - used);
            schedule(entries, max, time + period, used);
        }
        while entries[0].1 < min {
            let (_, amount) = entries.remove(0);
            entries[0] = (entries[0].0 - amount, entries[0].1 + amount);
        }
    }

    const MIN_BUDGET: u64 = 20;

    #[derive(Clone, Debug)]
    enum Op {
        Wait(u64),
        Charge(u64),
        /// All of the head, as Yield does.
        ChargeHead,
        Unblock,
        Update {
            budget: u64,
            slack: u64,
        },
        New,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            3 => (0..3000u64).prop_map(Op::Wait),
            6 => (0..120u64).prop_map(Op::Charge),
            1 => (0..100_000u64).prop_map(Op::Charge),
            2 => Just(Op::ChargeHead),
            3 => Just(Op::Unblock),
            1 => (MIN_BUDGET..500, 0..2000u64).prop_map(|(budget, slack)| Op::Update { budget, slack }),
            1 => Just(Op::New),
        ]
    }

    proptest! {
        /// Whatever a valid scheduling context goes through, the amounts add up to its budget and the entries are in
        /// order; charging gives what abi.md says.
        #[test]
        fn budget_is_kept(
            max in 2..10usize, budget in MIN_BUDGET..500, slack in 0..2000u64, start in 0..1000u64,
            late in any::<bool>(), ops in prop::collection::vec(op(), 1..120),
        ) {
            let context = Context::new(max);
            let refills = context.refills();
            // Times near the end of the clock have to keep order and budget too.
            let mut now = if late { u64::MAX - 5000 + start } else { start };
            let (mut budget, mut period) = (budget, budget + slack);
            refills.new_budget(now, budget, false);
            for op in ops {
                match op {
                    Op::Wait(ticks) => now = now.saturating_add(ticks),
                    Op::Charge(_) | Op::ChargeHead => {
                        let used = if let Op::Charge(used) = op { used } else { refills.head().amount };
                        let mut expected = context.entries();
                        refills.charge(used, period, MIN_BUDGET);
                        if !late {
                            charge_by_the_book(&mut expected, max, used, period, MIN_BUDGET);
                            prop_assert_eq!(context.entries(), expected);
                        }
                        prop_assert!(refills.sufficient(MIN_BUDGET, 0));
                        now = now.saturating_add(used);
                    }
                    Op::Unblock => refills.unblock_check(now),
                    Op::Update { budget: new_budget, slack } => {
                        (budget, period) = (new_budget, new_budget + slack);
                        refills.update(now, period, budget);
                    }
                    Op::New => refills.new_budget(now, budget, false),
                }
                let entries = context.entries();
                prop_assert!((1..=max).contains(&entries.len()));
                prop_assert_eq!(entries.iter().map(|entry| entry.1).sum::<u64>(), budget);
                for pair in entries.windows(2) {
                    prop_assert!(pair[0].0 <= pair[1].0, "{:?}", entries);
                    prop_assert!(late || pair[0].0 + pair[0].1 <= pair[1].0, "{:?}", entries);
                }
            }
        }

        /// The short cut for whole rounds gives what the rounds would have given, also where entries touch.
        #[test]
        fn many_rounds_follow_the_book(
            gaps in prop::collection::vec((0..3u64, 1..5u64), 1..6), spare in 0..3usize, used in 0..200u64,
            slack in 0..4u64,
        ) {
            let mut now = 0;
            let mut entries = Vec::new();
            for (gap, amount) in gaps {
                entries.push((now + gap, amount));
                now += gap + amount;
            }
            let max = (entries.len() + spare).max(2);
            let context = Context::with(max, 1, &entries);
            context.refills().charge(used, now + slack, 1);
            charge_by_the_book(&mut entries, max, used, now + slack, 1);
            prop_assert_eq!(context.entries(), entries);
        }

        /// Nothing overflows, hangs or breaks the ring, even if the contents make no sense.
        #[test]
        fn operations_are_total(
            max in 2..6usize, head in 0..6u64, now in any::<u64>(), used in any::<u64>(), period in any::<u64>(),
            min_budget in any::<u64>(), shift in 0..64u32,
            entries in prop::collection::vec((any::<u64>(), any::<u64>(), 0..64u32), 1..6),
            ops in prop::collection::vec(0..7, 1..20),
        ) {
            let entries: Vec<_> = entries.iter().take(max).map(|&(time, amount, by)| (time, amount >> by)).collect();
            let context = Context::with(max, head % max as u64, &entries);
            let refills = context.refills();
            for op in ops {
                match op {
                    0 => refills.charge(used, period >> shift, min_budget),
                    1 => refills.charge(used >> shift, period, min_budget >> shift),
                    2 => refills.update(now, period, used),
                    3 => refills.unblock_check(now),
                    4 => refills.round_robin_commit(used),
                    5 => refills.round_robin_exhaust(),
                    _ => { refills.schedule_used(Refill { time: now, amount: used }); }
                }
                prop_assert!((1..=max as u64).contains(&context.count.get()));
                prop_assert!(context.head.get() < max as u64);
            }
        }
    }
}
