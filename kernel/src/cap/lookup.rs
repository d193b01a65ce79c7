//! Finding slots by their address in a CSpace (abi.md 6.5).
use super::{CNodeCap, Cap, Slot};
use crate::addr::KernelPtr;
use crate::error::{LookupFailure, SyscallError};
use crate::object::tcb::Tcb;

/// A slot, and how many bits of the address were left when it was reached.
#[derive(Clone, Copy)]
pub struct Resolved {
    /// The slot.
    pub slot: KernelPtr<Slot>,
    /// Bits that no CNode resolved; 0 unless the slot does not hold a CNode.
    pub bits_left: u64,
}

impl CNodeCap {
    /// Number of slots.
    #[inline]
    pub fn slot_count(&self) -> u64 {
        1 << self.radix
    }

    /// The slot with this index.
    #[inline]
    pub fn slot(&self, index: u64) -> Option<KernelPtr<Slot>> {
        if index >= self.slot_count() {
            return None;
        }
        // SAFETY: a CNode of this radix has more than `index` slots, one after the other.
        Some(unsafe { self.slots.element(index as usize) })
    }
}

/// Resolves the low `depth` bits (1..=64) of `address`, most significant first, starting in the CNode `root`.
#[inline]
pub fn resolve(root: &Cap, address: u64, depth: u64) -> Result<Resolved, LookupFailure> {
    let Cap::CNode(mut cnode) = *root else { return Err(LookupFailure::InvalidRoot) };
    let mut bits_left = depth;
    loop {
        let guard_bits = u64::from(cnode.guard_bits);
        let level_bits = guard_bits + u64::from(cnode.radix);
        if guard_bits > bits_left
            || (guard_bits != 0 && low_bits(address >> (bits_left - guard_bits), guard_bits) != cnode.guard)
        {
            return Err(LookupFailure::GuardMismatch {
                bits_left,
                guard_found: cnode.guard,
                bits_found: guard_bits,
            });
        }
        if level_bits > bits_left {
            return Err(LookupFailure::DepthMismatch { bits_left, bits_found: level_bits });
        }
        bits_left -= level_bits;
        let index = low_bits(address.checked_shr(bits_left as u32).unwrap_or(0), u64::from(cnode.radix));
        // SAFETY: the index has no more bits than the CNode's radix.
        let slot = unsafe { cnode.slots.element(index as usize) };
        if bits_left == 0 {
            return Ok(Resolved { slot, bits_left });
        }
        match slot.cap() {
            Cap::CNode(next) => cnode = next,
            _ => return Ok(Resolved { slot, bits_left }),
        }
    }
}

#[inline]
fn low_bits(value: u64, bits: u64) -> u64 {
    if bits >= 64 { value } else { value & ((1 << bits) - 1) }
}

/// The slot that a thread names by a capability pointer: full depth; bits behind a capability that is not a CNode are
/// ignored.
#[inline]
pub fn thread_slot(thread: &Tcb, cptr: u64) -> Result<KernelPtr<Slot>, LookupFailure> {
    match thread.cspace().flat_slot(cptr) {
        Some(slot) => Ok(slot),
        None => resolve_thread_slot(thread, cptr),
    }
}

#[inline(never)]
fn resolve_thread_slot(thread: &Tcb, cptr: u64) -> Result<KernelPtr<Slot>, LookupFailure> {
    let root = thread.cspace().cap();
    resolve(&root, cptr, sel_abi::WORD_BITS).map(|resolved| resolved.slot)
}

/// The slot that an invocation names by (root, index, depth), where `root` is the slot of the root's capability; `source`
/// says which side an error is reported for.
#[inline(always)]
pub fn target_slot(
    root: KernelPtr<Slot>,
    index: u64,
    depth: u64,
    source: bool,
) -> Result<KernelPtr<Slot>, SyscallError> {
    match root.flat_slot(index) {
        Some(slot) if depth == sel_abi::WORD_BITS => Ok(slot),
        _ => resolve_target_slot(root, index, depth, source),
    }
}

#[inline(never)]
fn resolve_target_slot(
    root: KernelPtr<Slot>,
    index: u64,
    depth: u64,
    source: bool,
) -> Result<KernelPtr<Slot>, SyscallError> {
    let root = root.cap();
    if !matches!(root, Cap::CNode(_)) {
        return Err(SyscallError::FailedLookup { source, failure: LookupFailure::InvalidRoot });
    }
    if !(1..=sel_abi::WORD_BITS).contains(&depth) {
        return Err(SyscallError::RangeError { min: 1, max: sel_abi::WORD_BITS });
    }
    let resolved =
        resolve(&root, index, depth).map_err(|failure| SyscallError::FailedLookup { source, failure })?;
    if resolved.bits_left != 0 {
        let failure = LookupFailure::DepthMismatch { bits_left: resolved.bits_left, bits_found: 0 };
        return Err(SyscallError::FailedLookup { source, failure });
    }
    Ok(resolved.slot)
}

/// As [`target_slot`] for a destination, which must be empty.
pub fn empty_slot(root: KernelPtr<Slot>, index: u64, depth: u64) -> Result<KernelPtr<Slot>, SyscallError> {
    let slot = target_slot(root, index, depth, false)?;
    if slot.is_empty() { Ok(slot) } else { Err(SyscallError::DeleteFirst) }
}
