//! Streams of operations on 2 GiB of memory.
use crate::common::random::Random;

/// Pages of the memory: 2 GiB.
pub const FRAMES: u64 = 1 << 19;

/// One operation on the block in `slot`: takes 2^`order` pages, or gives the block back.
#[derive(Clone, Copy)]
pub struct Op {
    pub slot: u32,
    pub order: u8,
    pub take: bool,
}

/// Operations, of which the first `prefill` are not timed.
pub struct Stream {
    pub name: &'static str,
    pub ops: Vec<Op>,
    pub prefill: usize,
}

/// All workloads.
pub fn streams(quick: bool) -> Vec<Stream> {
    let count = if quick { 200_000 } else { 1_000_000 };
    let geometric = |random: &mut Random| (0..10).take_while(|_| random.below(2) == 0).count() as u8;
    let uniform = |random: &mut Random| random.below(11) as u8;
    vec![
        mix("mix-geometric", count, 7, geometric),
        mix("mix-uniform", count, 8, uniform),
        churn(count),
        mix("page-random", count, 9, |_| 0),
        drain("drain-fifo", |_| {}),
        drain("drain-lifo", <[u32]>::reverse),
        drain("drain-random", shuffle),
    ]
}

/// Blocks of random orders, as many as fit in 90 % of the memory; then as many are taken as are given back, at random.
fn mix(name: &'static str, count: usize, seed: u64, order: impl Fn(&mut Random) -> u8) -> Stream {
    let mut random = Random::new(seed);
    let limit = FRAMES * 9 / 10;
    let (mut ops, mut live, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    let (mut used, mut slots, mut prefill) = (0, 0, None);
    while prefill.is_none_or(|prefill| ops.len() < prefill + count) {
        let order = order(&mut random);
        let fits = used + (1 << order) <= limit;
        if fits && (prefill.is_none() || live.is_empty() || random.below(2) == 0) {
            let slot = empty.pop().unwrap_or_else(|| {
                slots += 1;
                slots - 1
            });
            ops.push(Op { slot, order, take: true });
            live.push((slot, order));
            used += 1 << order;
        } else if prefill.is_none() {
            prefill = Some(ops.len());
        } else if !live.is_empty() {
            let (slot, order) = live.swap_remove(random.index(live.len()));
            ops.push(Op { slot, order, take: false });
            empty.push(slot);
            used -= 1 << order;
        }
    }
    Stream { name, ops, prefill: prefill.unwrap_or(0) }
}

/// 90 % in single pages; then one at random goes and one is taken, in turn.
fn churn(count: usize) -> Stream {
    let mut random = Random::new(11);
    let live = (FRAMES * 9 / 10) as u32;
    let mut ops: Vec<Op> = (0..live).map(|slot| Op { slot, order: 0, take: true }).collect();
    for _ in 0..count / 2 {
        let slot = random.below(live.into()) as u32;
        ops.push(Op { slot, order: 0, take: false });
        ops.push(Op { slot, order: 0, take: true });
    }
    Stream { name: "page-churn", ops, prefill: live as usize }
}

/// Takes every page, and gives all back in another order.
fn drain(name: &'static str, arrange: impl Fn(&mut [u32])) -> Stream {
    let mut order: Vec<u32> = (0..FRAMES as u32).collect();
    let op = |take| move |slot: &u32| Op { slot: *slot, order: 0, take };
    let mut ops: Vec<Op> = order.iter().map(op(true)).collect();
    arrange(&mut order);
    ops.extend(order.iter().map(op(false)));
    Stream { name, ops, prefill: 0 }
}

fn shuffle(order: &mut [u32]) {
    let mut random = Random::new(99);
    for end in (2..=order.len()).rev() {
        let pick = random.index(end);
        order.swap(pick, end - 1);
    }
}
