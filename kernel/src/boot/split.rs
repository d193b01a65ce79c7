//! Splitting physical ranges into naturally aligned pieces, as the list of untyped memory needs them (abi.md 8.5).
#![forbid(unsafe_code)]

use sel_abi::{MAX_UNTYPED_BITS, MIN_UNTYPED_BITS};

/// 2^`size_bits` bytes of physical memory at an address that is a multiple of their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Physical address of the first byte.
    pub paddr: u64,
    /// log2 of the size in bytes.
    pub size_bits: u64,
}

/// The pieces of one range, in ascending order: at each address the largest piece that is aligned there and fits.
#[derive(Clone, Debug)]
pub struct Pieces {
    next: u64,
    end: u64,
}

/// Splits the bytes from `start` up to, not including, `end` into pieces of 2^4 to 2^47 bytes.
///
/// Bytes in front of the first and behind the last multiple of the smallest size are left out. An empty or reversed
/// range has no pieces.
pub fn split(start: u64, end: u64) -> Pieces {
    let smallest = 1 << MIN_UNTYPED_BITS;
    // A start that cannot be rounded up lies behind every multiple: nothing is left.
    let next = start.checked_next_multiple_of(smallest).unwrap_or(u64::MAX);
    Pieces { next, end: end & !(smallest - 1) }
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let paddr = self.next;
        let left = self.end.checked_sub(paddr)?;
        let fits = u64::from(left.checked_ilog2()?);
        // Address 0 counts as aligned to 2^64.
        let aligned = u64::from(paddr.trailing_zeros());
        let size_bits = aligned.min(fits).min(MAX_UNTYPED_BITS);
        self.next = paddr + (1 << size_bits);
        Some(Piece { paddr, size_bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(start: u64, end: u64) -> Vec<(u64, u64)> {
        split(start, end).map(|piece| (piece.paddr, piece.size_bits)).collect()
    }

    /// The device list of abi.md A.3 below 2^39, range by range.
    #[test]
    fn device_list_of_a_512_mib_machine() {
        assert_eq!(pieces(0, 0x10_0000), [(0, 20)]);
        assert_eq!(pieces(0x1FFD_F000, 0x2000_0000), [(0x1FFD_F000, 12), (0x1FFE_0000, 17)]);
        assert_eq!(
            pieces(0x2000_0000, 0xFEC0_0000),
            [
                (0x2000_0000, 29),
                (0x4000_0000, 30),
                (0x8000_0000, 30),
                (0xC000_0000, 29),
                (0xE000_0000, 28),
                (0xF000_0000, 27),
                (0xF800_0000, 26),
                (0xFC00_0000, 25),
                (0xFE00_0000, 23),
                (0xFE80_0000, 22),
            ]
        );
        assert_eq!(
            pieces(0xFEC0_1000, 0xFEE0_0000),
            [
                (0xFEC0_1000, 12),
                (0xFEC0_2000, 13),
                (0xFEC0_4000, 14),
                (0xFEC0_8000, 15),
                (0xFEC1_0000, 16),
                (0xFEC2_0000, 17),
                (0xFEC4_0000, 18),
                (0xFEC8_0000, 19),
                (0xFED0_0000, 20),
            ]
        );
        // Up to the 8 reserved bytes, whose block of 16 is lost by rounding.
        assert_eq!(
            pieces(0xFEE0_1000, 0xFFFF_FFF8),
            [
                (0xFEE0_1000, 12),
                (0xFEE0_2000, 13),
                (0xFEE0_4000, 14),
                (0xFEE0_8000, 15),
                (0xFEE1_0000, 16),
                (0xFEE2_0000, 17),
                (0xFEE4_0000, 18),
                (0xFEE8_0000, 19),
                (0xFEF0_0000, 20),
                (0xFF00_0000, 23),
                (0xFF80_0000, 22),
                (0xFFC0_0000, 21),
                (0xFFE0_0000, 20),
                (0xFFF0_0000, 19),
                (0xFFF8_0000, 18),
                (0xFFFC_0000, 17),
                (0xFFFE_0000, 16),
                (0xFFFF_0000, 15),
                (0xFFFF_8000, 14),
                (0xFFFF_C000, 13),
                (0xFFFF_E000, 12),
                (0xFFFF_F000, 11),
                (0xFFFF_F800, 10),
                (0xFFFF_FC00, 9),
                (0xFFFF_FE00, 8),
                (0xFFFF_FF00, 7),
                (0xFFFF_FF80, 6),
                (0xFFFF_FFC0, 5),
                (0xFFFF_FFE0, 4),
            ]
        );
        let above_4_gib: Vec<_> = (32..39).map(|bits| (1 << bits, bits)).collect();
        assert_eq!(pieces(1 << 32, 1 << 39), above_4_gib);
    }

    #[test]
    fn ram_of_a_512_mib_machine() {
        let list = pieces(0xA5_B000, 0x0800_0000);
        assert_eq!(list[..4], [(0xA5_B000, 12), (0xA5_C000, 14), (0xA6_0000, 17), (0xA8_0000, 19)]);
        assert_eq!(
            list[4..],
            [(0xB0_0000, 20), (0xC0_0000, 22), (0x100_0000, 24), (0x200_0000, 25), (0x400_0000, 26)]
        );
    }

    #[test]
    fn the_largest_size_limits_pieces() {
        assert_eq!(pieces(0, 1 << 47), [(0, 47)]);
        assert_eq!(pieces(0, 1 << 48), [(0, 47), (1 << 47, 47)]);
    }

    #[test]
    fn ranges_without_a_whole_piece() {
        assert!(pieces(0x1000, 0x1000).is_empty());
        assert!(pieces(0x2000, 0x1000).is_empty());
        assert!(pieces(0x1008, 0x1018).is_empty());
        assert!(pieces(0x1001, 0x100f).is_empty());
        assert!(pieces(u64::MAX - 8, u64::MAX).is_empty());
        assert_eq!(pieces(u64::MAX - 31, u64::MAX), [(u64::MAX - 31, 4)]);
    }

    proptest! {
        /// The pieces tile the rounded range without gap, are aligned, and no aligned larger piece would have fitted.
        #[test]
        fn pieces_tile_the_range(
            start_bits in 0..64u32, end_bits in 0..64u32, start in any::<u64>(), end in any::<u64>(),
        ) {
            let (start, end) = (start >> start_bits, end >> end_bits);
            let mut next = start.checked_next_multiple_of(16).unwrap_or(u64::MAX);
            // No range below 2^48 has more; ranges above have one for each 2^47 bytes.
            for piece in split(start, end).take(1000) {
                prop_assert_eq!(piece.paddr, next);
                prop_assert!((4..=47).contains(&piece.size_bits));
                prop_assert_eq!(piece.paddr % (1 << piece.size_bits), 0);
                next += 1 << piece.size_bits;
                prop_assert!(next <= end);
                let double = 2u64 << piece.size_bits;
                prop_assert!(
                    piece.size_bits == 47
                        || piece.paddr % double != 0
                        || piece.paddr.checked_add(double).is_none_or(|top| top > end & !15)
                );
            }
            if end < 1 << 48 {
                prop_assert!(next >= end & !15);
            }
        }
    }
}
