//! Memory that is only promised: what the tag of an address range says of it, and how much of it a first access gets.

use crate::loader::PAGE;

/// Set in the tag of a range that is promised; the tag of any other range is the number of a piece.
const LAZY: u32 = 1 << 31;
const WRITE: u32 = 1;
const EXECUTE: u32 = 2;
const LARGE: u32 = 4;

/// Bytes that the first access in a neighbourhood gets.
const FIRST_BYTES: u64 = 64 << 10;
/// Bytes that an access right behind memory in use gets.
const NEXT_BYTES: u64 = 256 << 10;
/// Bytes of a large page.
pub const LARGE_BYTES: u64 = 2 << 20;

/// What memory will allow when it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lazy {
    /// Writing.
    pub write: bool,
    /// Execution.
    pub execute: bool,
    /// Large pages are welcome.
    pub large: bool,
}

impl Lazy {
    /// The tag of a range.
    pub const fn to_tag(self) -> u32 {
        LAZY | if self.write { WRITE } else { 0 }
            | if self.execute { EXECUTE } else { 0 }
            | if self.large { LARGE } else { 0 }
    }

    /// What a tag says; None: it is no promise.
    pub const fn from_tag(tag: u32) -> Option<Self> {
        if tag & LAZY == 0 {
            return None;
        }
        Some(Lazy { write: tag & WRITE != 0, execute: tag & EXECUTE != 0, large: tag & LARGE != 0 })
    }

    /// The addresses (start and end) that an access at `address` may get, best first, in a promised range
    /// `start..end` that holds it. `follows(at)`: memory in use ends at `at`. The last is a single page.
    pub fn windows(
        self,
        (start, end): (u64, u64),
        address: u64,
        follows: impl Fn(u64) -> bool,
    ) -> impl Iterator<Item = (u64, u64)> {
        let whole = move |bytes: u64| {
            let at = address & !(bytes - 1);
            (at >= start && end - at >= bytes).then_some((at, at + bytes))
        };
        let large = whole(LARGE_BYTES).filter(|_| self.large);
        let next = whole(NEXT_BYTES).filter(|(at, _)| follows(*at));
        let first = address & !(FIRST_BYTES - 1);
        let first = (first.max(start), (first + FIRST_BYTES).min(end));
        let page = address & !(PAGE - 1);
        [large, next, Some(first), Some((page, page + PAGE))].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LARGE_DATA: Lazy = Lazy { write: true, execute: false, large: true };

    #[test]
    fn a_tag_says_what_was_promised() {
        for bits in 0..8 {
            let lazy = Lazy { write: bits & 1 != 0, execute: bits & 2 != 0, large: bits & 4 != 0 };
            assert_eq!(Lazy::from_tag(lazy.to_tag()), Some(lazy));
        }
        assert_eq!(Lazy::from_tag(7), None);
    }

    #[test]
    fn the_more_is_used_the_more_comes() {
        let small = Lazy { large: false, ..LARGE_DATA };
        let windows =
            |lazy: Lazy, range, address, used| lazy.windows(range, address, |_| used).collect::<Vec<_>>();
        let range = (0x10_0000, 0x100_0000);
        let page = (0x41_2000, 0x41_3000);
        assert_eq!(windows(small, range, 0x41_2345, false), [(0x41_0000, 0x42_0000), page]);
        assert_eq!(
            windows(small, range, 0x41_2345, true),
            [(0x40_0000, 0x44_0000), (0x41_0000, 0x42_0000), page]
        );
        assert_eq!(windows(LARGE_DATA, range, 0x41_2345, false)[0], (0x40_0000, 0x60_0000));
        // No large page fits there.
        assert_eq!(windows(LARGE_DATA, range, 0x10_2000, false)[0], (0x10_0000, 0x11_0000));
        assert_eq!(windows(small, (0x3000, 0x5000), 0x4fff, true), [(0x3000, 0x5000), (0x4000, 0x5000)]);
    }

    proptest! {
        #[test]
        fn windows_hold_the_address_and_stay_in_the_range(
            start in 0u64..4096, pages in 1u64..4096, at in any::<prop::sample::Index>(), used in any::<bool>(),
        ) {
            let (start, end) = (start * PAGE, (start + pages) * PAGE);
            let address = start + at.index((end - start) as usize) as u64;
            let mut last = u64::MAX;
            for (from, to) in LARGE_DATA.windows((start, end), address, |_| used) {
                prop_assert!(from >= start && to <= end && (from..to).contains(&address));
                prop_assert!(from.is_multiple_of(PAGE) && to.is_multiple_of(PAGE) && to - from <= last);
                last = to - from;
            }
            prop_assert_eq!(last, PAGE);
        }
    }
}
