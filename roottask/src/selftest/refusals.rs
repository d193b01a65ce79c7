//! Slots that an invocation has to refuse as its destination.

use libsel::bootinfo::initial;
use libsel::{AbsoluteSlot, Error, LookupFailure};

use super::fixture::Fixture;
use super::harness::{Outcome, fails, lookup};

/// Slots that cannot be found, one for each way in which a lookup can fail, and how it fails (abi.md 6.5): depth 0 and
/// 65, a root that is no CNode, a wrong guard, too few bits, bits left behind a slot.
pub fn bad_slots(t: &mut Fixture<'_>) -> libsel::Result<[(AbsoluteSlot, Result<LookupFailure, Error>); 6]> {
    let good = t.place();
    let small = t.cnode(4)?;
    let guard_bits = t.machine.root_guard_bits();
    let depths = Error::RangeError { min: 1, max: 64 };
    Ok([
        (AbsoluteSlot { depth: 0, ..good }, Err(depths)),
        (AbsoluteSlot { depth: 65, ..good }, Err(depths)),
        (AbsoluteSlot { root: initial::TCB.cast(), ..good }, Ok(LookupFailure::InvalidRoot)),
        (
            AbsoluteSlot { index: good.index | 1 << 40, ..good },
            Ok(LookupFailure::GuardMismatch { bits_left: 64, guard: 0, guard_bits }),
        ),
        (
            AbsoluteSlot { depth: 63, ..good },
            Ok(LookupFailure::DepthMismatch { bits_left: 63, bits_found: 64 }),
        ),
        (small.slot(0x30, 8), Ok(LookupFailure::DepthMismatch { bits_left: 4, bits_found: 0 })),
    ])
}

/// `operation` has to fail for each of [`bad_slots`] as a destination lookup does.
#[track_caller]
pub fn refuses_bad_slots<T: core::fmt::Debug>(
    t: &mut Fixture<'_>,
    mut operation: impl FnMut(AbsoluteSlot) -> libsel::Result<T>,
) -> Outcome {
    for (slot, failure) in bad_slots(t)? {
        fails(operation(slot), failure.map_or_else(|error| error, lookup))?;
    }
    Ok(())
}
