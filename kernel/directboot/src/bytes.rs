//! Little-endian numbers in byte slices, with `None` in place of a panic.

/// The `u32` at byte `offset`.
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let field = bytes.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

/// The `u64` at byte `offset`.
pub fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let field = bytes.get(offset..offset.checked_add(8)?)?;
    Some(u64::from_le_bytes(field.try_into().ok()?))
}

/// Writes `value` at byte `offset`; `None` where it does not fit.
pub fn put_u64(bytes: &mut [u8], offset: usize, value: u64) -> Option<()> {
    bytes.get_mut(offset..offset.checked_add(8)?)?.copy_from_slice(&value.to_le_bytes());
    Some(())
}

/// `value` rounded up to a multiple of `unit`, a power of two.
pub fn round_up(value: u64, unit: u64) -> Option<u64> {
    Some(value.checked_add(unit.wrapping_sub(1))? & !unit.wrapping_sub(1))
}

/// `value` rounded down to a multiple of `unit`, a power of two.
pub fn round_down(value: u64, unit: u64) -> u64 {
    value & !unit.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stop_at_the_end() {
        let bytes = [1, 0, 0, 0, 2, 0, 0, 0, 3];
        assert_eq!(u32_at(&bytes, 4), Some(2));
        assert_eq!(u32_at(&bytes, 6), None);
        assert_eq!(u64_at(&bytes, 0), Some(0x2_0000_0001));
        assert_eq!(u64_at(&bytes, 2), None);
        assert_eq!(u64_at(&bytes, usize::MAX), None);
    }

    #[test]
    fn rounding() {
        assert_eq!(round_up(1, 4096), Some(4096));
        assert_eq!(round_up(4096, 4096), Some(4096));
        assert_eq!(round_up(u64::MAX, 4096), None);
        assert_eq!(round_down(8191, 4096), 4096);
    }
}
