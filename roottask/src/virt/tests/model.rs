//! Random operations against a list of pages.

use super::*;
use proptest::prelude::*;

const PAGES: usize = 192;
/// Not the multiple of a large page, but one begins behind it.
const START: u64 = 450 * PAGE_BYTES;

#[derive(Clone, Debug)]
enum Op {
    Alloc { pages: u64, align_bits: u32 },
    Guarded { pages: u64 },
    Reserve { page: u64, pages: u64 },
    Release { pick: usize },
    Free { page: u64, pages: u64 },
    Trim,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (1u64..20, prop_oneof![4 => Just(0u32), 1 => 0u32..6, 1 => 6u32..10])
            .prop_map(|(pages, align_bits)| Op::Alloc { pages, align_bits }),
        1 => (1u64..8).prop_map(|pages| Op::Guarded { pages }),
        2 => (0u64..200, 1u64..20).prop_map(|(page, pages)| Op::Reserve { page, pages }),
        4 => any::<usize>().prop_map(|pick| Op::Release { pick }),
        3 => (0u64..200, 1u64..12).prop_map(|(page, pages)| Op::Free { page, pages }),
        1 => Just(Op::Trim),
    ]
}

/// What each page is: 0 free, otherwise the number of its range, negative on guards.
struct Model {
    pages: Vec<i64>,
    next: i64,
}

impl Model {
    fn page(addr: u64) -> usize {
        ((addr - START) / PAGE_BYTES) as usize
    }

    fn mark(&mut self, range: Range, guard: usize) {
        let (first, count) = (Self::page(range.start), (range.len / PAGE_BYTES) as usize);
        let id = self.next;
        self.next += 1;
        for page in first - guard..first + count + guard {
            assert_eq!(self.pages[page], 0, "page {page} was handed out twice");
            self.pages[page] = if (first..first + count).contains(&page) { id } else { -id };
        }
    }

    fn clear(&mut self, first: usize, count: usize) {
        let id = self.pages[first];
        for page in first..first + count {
            assert_eq!(self.pages[page], id);
            self.pages[page] = 0;
        }
        if first > 0 && self.pages[first - 1] == -id {
            self.pages[first - 1] = 0;
        }
        if self.pages.get(first + count) == Some(&-id) {
            self.pages[first + count] = 0;
        }
        // What is left above the hole is a range of its own.
        let fresh = self.next;
        self.next += 1;
        for page in first + count..self.pages.len() {
            if self.pages[page].abs() == id {
                self.pages[page] = fresh * self.pages[page].signum();
            }
        }
    }

    fn has_room(&self, count: usize, align: u64) -> bool {
        (0..=self.pages.len().saturating_sub(count)).any(|first| {
            (START + first as u64 * PAGE_BYTES).is_multiple_of(align)
                && self.pages[first..first + count].iter().all(|&page| page == 0)
        })
    }

    /// Whether the pages are all of one range, none of them a guard.
    fn is_part(&self, first: usize, count: usize) -> bool {
        self.pages
            .get(first..first + count)
            .is_some_and(|part| part[0] > 0 && part.iter().all(|p| *p == part[0]))
    }
}

/// Runs a sequence; returns how many requests succeeded.
fn run(ops: Vec<Op>) -> u64 {
    let mut succeeded = 0;
    let mut pool = pool(3);
    let end = START + PAGES as u64 * PAGE_BYTES;
    let mut space = AddressSpace::new(&mut pool, START, end).unwrap();
    let mut model = Model { pages: vec![0; PAGES], next: 1 };
    for op in ops {
        match op {
            Op::Alloc { pages, align_bits } => {
                let align = PAGE_BYTES << align_bits;
                match space.alloc(&mut pool, pages * PAGE_BYTES, align) {
                    Ok(range) => {
                        assert!(range.start.is_multiple_of(align));
                        model.mark(range, 0);
                        succeeded += 1;
                    }
                    Err(error) => {
                        assert_eq!(error, Error::OutOfSpace);
                        assert!(!model.has_room(pages as usize, align));
                    }
                }
            }
            Op::Guarded { pages } => match space.alloc_guarded(&mut pool, pages * PAGE_BYTES) {
                Ok(range) => {
                    model.mark(range, 1);
                    succeeded += 1;
                }
                Err(_) => assert!(!model.has_room(pages as usize + 2, PAGE_BYTES)),
            },
            Op::Reserve { page, pages } => {
                let part = model.pages.get(page as usize..(page + pages) as usize);
                let free = part.is_some_and(|part| part.iter().all(|&page| page == 0));
                let result = space.reserve(&mut pool, START + page * PAGE_BYTES, pages * PAGE_BYTES);
                assert_eq!(result.is_ok(), free);
                if let Ok(range) = result {
                    succeeded += 1;
                    model.mark(range, 0);
                }
            }
            Op::Release { pick } => {
                let live = check(&space, &pool, START, end);
                if !live.is_empty() {
                    let range = live[pick % live.len()];
                    space.release(&mut pool, range).unwrap();
                    succeeded += 1;
                    model.clear(Model::page(range.start), (range.len / PAGE_BYTES) as usize);
                    assert_eq!(space.release(&mut pool, range), Err(Error::NotAllocated));
                }
            }
            Op::Free { page, pages } => {
                let possible = model.is_part(page as usize, pages as usize);
                let result = space.free(&mut pool, START + page * PAGE_BYTES, pages * PAGE_BYTES);
                assert_eq!(result.is_ok(), possible, "{page}+{pages}: {result:?}");
                if possible {
                    succeeded += 1;
                    model.clear(page as usize, pages as usize);
                }
            }
            Op::Trim => {
                space.trim(&mut pool);
            }
        }
        check(&space, &pool, START, end);
        for (page, &owner) in model.pages.iter().enumerate() {
            let found = space.find(&pool, START + page as u64 * PAGE_BYTES + 5);
            assert_eq!(matches!(found, Some(Found::Range(_))), owner > 0, "page {page}");
            assert_eq!(matches!(found, Some(Found::Guard(_))), owner < 0, "page {page}");
        }
    }
    for range in check(&space, &pool, START, end) {
        space.release(&mut pool, range).unwrap();
    }
    space.trim(&mut pool);
    assert_eq!(space.stats(&pool).largest, PAGES as u64 * PAGE_BYTES);
    // One chunk, in one section.
    assert_eq!(pool.available() as usize + 2, pool.capacity());
    succeeded
}

/// One process of `cargo xtask fuzz --target virt`.
#[test]
#[ignore = "run by cargo xtask fuzz"]
fn long_run() {
    crate::fuzzing::work(op(), 400, run);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn agrees_with_a_list_of_pages(ops in proptest::collection::vec(op(), 1..if cfg!(miri) { 20 } else { 200 })) {
        run(ops);
    }
}
