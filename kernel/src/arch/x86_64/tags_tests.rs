//! The tags against a model of the processor's TLB, which keeps whatever it may.
use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

/// A TLB that forgets only what it must: pages known under each tag.
#[derive(Default)]
struct Tlb {
    known: HashMap<u64, HashSet<u8>>,
    tag: u64,
}

impl Tlb {
    fn write_cr3(&mut self, value: u64) {
        self.tag = value & TAG_MASK;
        if value & KEEP == 0 {
            self.known.remove(&self.tag);
        }
    }
}

fn space(asid: u16) -> AddressSpace {
    AddressSpace::new(PhysAddr(0x10_0000 + 0x1000 * u64::from(asid)), asid)
}

/// As the kernel switches.
fn switch(tags: &Tags, tlb: &mut Tlb, to: AddressSpace) {
    if tags.loaded() != to {
        tlb.write_cr3(tags.switch(to));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Switch(u16),
    /// The processor uses a page of the address space in use, and remembers it if it is mapped.
    Use(u8),
    Map(u16, u8),
    Unmap(u16, u8),
    /// All pages at once, as when a table is unmapped or the address space is destroyed.
    UnmapAll(u16),
    /// All address spaces but the kernel's, which is used from here on.
    ForgetPool,
}

fn step() -> impl Strategy<Value = Step> {
    let (asid, page) = (0..5u16, 0..4u8);
    prop_oneof![
        asid.clone().prop_map(Step::Switch),
        page.clone().prop_map(Step::Use),
        (asid.clone(), page.clone()).prop_map(|(asid, page)| Step::Map(asid, page)),
        (asid.clone(), page).prop_map(|(asid, page)| Step::Unmap(asid, page)),
        asid.prop_map(Step::UnmapAll),
        Just(Step::ForgetPool),
    ]
}

proptest! {
    #[test]
    fn no_page_is_used_after_it_was_unmapped(tagged: bool, steps in prop::collection::vec(step(), 0..200)) {
        let (tags, mut tlb) = (Tags::new(), Tlb::default());
        switch(&tags, &mut tlb, space(0));
        if tagged {
            tags.enable();
        }
        let mut mapped: HashSet<(u16, u8)> = HashSet::new();
        let mut current = 0;
        for step in steps {
            match step {
                Step::Switch(asid) => {
                    switch(&tags, &mut tlb, space(asid));
                    current = asid;
                    prop_assert_eq!(tags.loaded().asid(), asid);
                }
                Step::Use(page) => {
                    if mapped.contains(&(current, page)) {
                        tlb.known.entry(tlb.tag).or_default().insert(page);
                    }
                    let known = tlb.known.get(&tlb.tag).is_some_and(|pages| pages.contains(&page));
                    prop_assert!(!known || mapped.contains(&(current, page)), "a stale page is used");
                }
                Step::Map(asid, page) => {
                    mapped.insert((asid, page));
                }
                Step::Unmap(asid, page) => {
                    mapped.remove(&(asid, page));
                    if tags.changed(asid) == Invalidation::Now {
                        // INVLPG: the current tag's.
                        if let Some(pages) = tlb.known.get_mut(&tlb.tag) {
                            pages.remove(&page);
                        }
                    }
                }
                Step::ForgetPool => {
                    switch(&tags, &mut tlb, space(0));
                    current = 0;
                    mapped.retain(|(owner, _)| *owner == 0);
                    tags.forget_pool(0);
                }
                Step::UnmapAll(asid) => {
                    mapped.retain(|(owner, _)| *owner != asid);
                    if tags.changed(asid) == Invalidation::Now {
                        tlb.write_cr3(tags.reload());
                    }
                }
            }
        }
    }
}

#[test]
fn a_switch_keeps_what_is_known_unless_something_changed() {
    let tags = Tags::new();
    assert_eq!(tags.switch(space(1)), 0x10_1000, "without tags everything goes");
    assert_eq!(tags.reload(), 0x10_1000);
    assert_eq!(tags.switch(space(0)), 0x10_0000);
    tags.enable();
    assert_eq!(tags.switch(space(1)), 0x10_1001 | KEEP);
    assert_eq!((tags.loaded(), tags.reload()), (space(1), 0x10_1001));
    assert_eq!(tags.changed(2), Invalidation::Later);
    assert_eq!(tags.changed(1), Invalidation::Now);
    assert_eq!(tags.switch(space(2)), 0x10_2002, "tag 2 is stale");
    assert_eq!(tags.switch(space(1)), 0x10_1001 | KEEP);
    assert_eq!(tags.switch(space(2)), 0x10_2002 | KEEP, "and is not any more");
}
