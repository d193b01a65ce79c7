//! Computed workloads, in the manner of well-known allocator benchmarks.

use std::collections::VecDeque;

use super::workload::Builder;

/// All of them. `syn-badbin` is about the worst operation, `syn-grow` about memory: speed goals leave them out.
pub const NAMES: [&str; 8] = [
    "syn-random",
    "syn-larson",
    "syn-sh6",
    "syn-pareto64k",
    "syn-msgq",
    "syn-phases",
    "syn-badbin",
    "syn-grow",
];

/// The stream called `name`.
pub fn build(name: &str) -> Option<Builder> {
    let mut builder = Builder::default();
    let make = match name {
        "syn-random" => random,
        "syn-larson" => larson,
        "syn-sh6" => sh6,
        "syn-pareto64k" => pareto,
        "syn-msgq" => message_queues,
        "syn-phases" => phases,
        "syn-badbin" => bad_bin,
        "syn-grow" => grow,
        _ => return None,
    };
    make(&mut builder, &mut Random(0x9e37_79b9_7f4a_7c15));
    Some(builder)
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u32) -> u32 {
        (((self.next() >> 32) * u64::from(end)) >> 32) as u32
    }

    fn between(&mut self, from: u32, to: u32) -> u32 {
        from + self.below(to - from)
    }
}

/// Talc's random actions: allocate or free, as likely, now and then resize; sizes up to 8 KiB.
fn random(builder: &mut Builder, random: &mut Random) {
    let mut live = Vec::new();
    while builder.len() < 500_000 {
        match random.below(16) {
            0 if !live.is_empty() => {
                let index = random.below(live.len() as u32) as usize;
                builder.realloc(live[index], random.between(1, 8_000));
            }
            1..8 if live.len() > 500 => {
                let index = random.below(live.len() as u32) as usize;
                builder.free(live.swap_remove(index));
            }
            _ if live.len() < 2_000 => live.push(builder.alloc(random.between(1, 8_000), 3)),
            _ => {}
        }
    }
}

/// Larson's server: 5,000 blocks of 10 to 500 bytes, replaced at random.
fn larson(builder: &mut Builder, random: &mut Random) {
    let mut live: Vec<u32> = (0..5_000).map(|_| builder.alloc(random.between(10, 500), 3)).collect();
    while builder.len() < 1_000_000 {
        let index = random.below(5_000) as usize;
        builder.free(live[index]);
        live[index] = builder.alloc(random.between(10, 500), 3);
    }
}

/// MicroQuill's sh6bench: groups of one size, more of the small ones, into a buffer of 1,000 blocks. When it is full a fifth
/// of it stays; what is before is freed in order, what is behind in reverse.
fn sh6(builder: &mut Builder, _: &mut Random) {
    const BLOCKS: usize = 1_000;
    let mut buffer: Vec<Option<u32>> = vec![None; BLOCKS];
    let (mut at, mut kept) = (0, BLOCKS..BLOCKS);
    let mut base = 1;
    while builder.len() < 1_000_000 {
        let mut size = base;
        while size > 0 {
            for _ in 0..if size < 100 { 250 } else { 50 } {
                buffer[at] = Some(builder.alloc(size, 3));
                at += 1;
                if kept.contains(&at) {
                    at = kept.end;
                }
                if at < BLOCKS {
                    continue;
                }
                let start = if kept.end >= BLOCKS { 0 } else { kept.end };
                kept = start..start + BLOCKS / 5;
                let freed = (0..kept.start).chain((kept.end..BLOCKS).rev());
                for slot in freed.filter_map(|index| buffer[index].take()) {
                    builder.free(slot);
                }
                at = if kept.start == 0 { kept.end } else { 0 };
            }
            size /= 2;
        }
        base = if base < 1_000 { base * 3 / 2 + 1 } else { 1 };
    }
}

/// alloc-test: sizes by a Pareto distribution up to 64 KiB, replaced at random.
fn pareto(builder: &mut Builder, random: &mut Random) {
    let size = |random: &mut Random| {
        let uniform = f64::from(random.between(1, 1 << 24)) / f64::from(1 << 24);
        (16.0 / uniform) as u32
    };
    let mut live: Vec<u32> = (0..8_000).map(|_| builder.alloc(size(random).min(65_536), 3)).collect();
    while builder.len() < 1_000_000 {
        // Recent blocks die first, more often than not.
        let index = random.below(8_000).min(random.below(8_000)) as usize;
        builder.free(live[index]);
        live[index] = builder.alloc(size(random).min(65_536), 3);
    }
}

/// A server with 64 queues: a message is a header, a body and now and then a buffer that grows while it is filled.
fn message_queues(builder: &mut Builder, random: &mut Random) {
    let mut queues: Vec<VecDeque<[u32; 2]>> = (0..64).map(|_| VecDeque::new()).collect();
    while builder.len() < 800_000 {
        let queue = &mut queues[random.below(64) as usize];
        if queue.len() < 4 || (queue.len() < 60 && random.below(2) == 0) {
            let header = builder.alloc(64, 3);
            let most = if random.below(8) == 0 { 4_000 } else { 600 };
            let size = random.between(40, most);
            let body = builder.alloc(size, 3);
            if random.below(8) == 0 {
                builder.realloc(body, 2 * size);
            }
            queue.push_back([header, body]);
        } else if let Some([header, body]) = queue.pop_front() {
            builder.free(body);
            builder.free(header);
        }
    }
}

/// A program whose sizes change: each phase fills 1 MiB with its size, then frees nine blocks of ten.
fn phases(builder: &mut Builder, random: &mut Random) {
    let mut old: Vec<u32> = Vec::new();
    for _ in 0..4 {
        for size in [24, 400, 56, 1200, 104, 3000, 40, 200, 8000, 72] {
            let count = (1 << 20) / size;
            let mut live: Vec<u32> =
                (0..count).map(|_| builder.alloc(size - random.below(size / 4), 3)).collect();
            old.drain(..).for_each(|slot| builder.free(slot));
            while live.len() as u32 > count / 10 {
                let index = random.below(live.len() as u32) as usize;
                builder.free(live.swap_remove(index));
            }
            old = live;
        }
    }
}

/// 20,000 free blocks, each a little too small for what is asked for.
fn bad_bin(builder: &mut Builder, random: &mut Random) {
    let mut small = Vec::new();
    for _ in 0..20_000 {
        small.push(builder.alloc(random.between(1_984, 2_032), 3));
        // Keeps the blocks apart.
        builder.alloc(24, 3);
    }
    small.into_iter().for_each(|slot| builder.free(slot));
    for _ in 0..100_000 {
        let slot = builder.alloc(random.between(2_040, 2_048), 3);
        builder.free(slot);
    }
}

/// One buffer that grows by a page per step to 16 MiB; nothing else allocates.
fn grow(builder: &mut Builder, _: &mut Random) {
    let buffer = builder.alloc(4_096, 3);
    for pages in 2..=4_096 {
        builder.realloc(buffer, pages * 4_096);
    }
    builder.free(buffer);
}
