//! Streams of requests for address ranges.
use crate::common::random::Random;

/// One operation on the range in `slot`: takes `pages` pages at a multiple of `align` pages, or, if `pages` is zero,
/// gives the range back.
#[derive(Clone, Copy)]
pub struct Op {
    pub slot: u32,
    pub pages: u32,
    pub align: u32,
}

/// Operations, of which the first `prefill` are not timed.
pub struct Stream {
    pub name: &'static str,
    pub ops: Vec<Op>,
    pub prefill: usize,
    pub slots: usize,
    /// Pages of the address space.
    pub pages: u64,
}

/// All workloads.
pub fn streams(quick: bool) -> Vec<Stream> {
    let count = if quick { 60_000 } else { 200_000 };
    vec![
        random("100k-full", 100_000, count, Some(80)),
        random("100k-sparse", 100_000, count, None),
        random("1k-full", 1000, count, Some(80)),
        random("100-sparse", 100, count, None),
        stacks(count),
    ]
}

/// Lengths as programs map them, mostly a few pages; every tenth request wants 64 KiB, 256 KiB or 2 MiB alignment.
fn request(random: &mut Random) -> (u32, u32) {
    let pages = match random.below(100) {
        0..60 => 1 + random.below(8),
        60..85 => 9 + random.below(24),
        85..95 => 33 + random.below(96),
        _ => 129 + random.below(384),
    };
    let align = match random.below(100) {
        0..90 => 1,
        90..96 => 16,
        96..99 => 64,
        _ => 512,
    };
    (pages as u32, align)
}

/// `live` ranges; then one at random goes and one of another length comes, in turn. Twice as many operations as there
/// are ranges pass before time is taken. The address space is as large as makes the fullest moment `percent` full, or
/// a hundred times that.
fn random(name: &'static str, live: usize, count: usize, percent: Option<u64>) -> Stream {
    let mut random = Random::new(31 * live as u64 + 5);
    let mut ops = Vec::new();
    let mut held = vec![0u64; live];
    let (mut used, mut peak) = (0, 0);
    let prefill = live * 5;
    for step in 0..live + (4 * live + count) / 2 {
        let slot = if step < live { step } else { random.index(live) };
        if step >= live {
            ops.push(Op { slot: slot as u32, pages: 0, align: 0 });
            used -= held[slot];
        }
        let (pages, align) = request(&mut random);
        ops.push(Op { slot: slot as u32, pages, align });
        held[slot] = pages.into();
        used += held[slot];
        peak = peak.max(used);
    }
    Stream {
        name,
        ops,
        prefill,
        slots: live,
        pages: percent.map_or(peak * 100, |percent| peak * 100 / percent),
    }
}

/// 1000 stacks of 16 pages and a guard; the oldest goes, a new one comes.
fn stacks(count: usize) -> Stream {
    let take = |slot: usize| Op { slot: slot as u32, pages: 17, align: 1 };
    let mut ops: Vec<Op> = (0..1000).map(take).collect();
    for step in 0..count / 2 {
        let slot = step % 1000;
        ops.extend([Op { pages: 0, ..take(slot) }, take(slot)]);
    }
    Stream { name: "fifo-stacks", ops, prefill: 1000, slots: 1000, pages: 17 * 4000 }
}
