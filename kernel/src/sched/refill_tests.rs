//! Tests of the refill arithmetic.
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
    assert!(refills.sufficient(10, 20) && !refills.sufficient(10, 21) && !refills.sufficient(10, u64::MAX));
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
