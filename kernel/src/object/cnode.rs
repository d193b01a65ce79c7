//! CNodes: tables of capabilities, and the operations on their slots (abi.md 7.4).
use sel_abi::{CapRights, Label};

use super::endpoint;
use crate::addr::KernelPtr;
use crate::cap::{Cap, Slot, delete, derivation, derive, lookup};
use crate::error::{LookupFailure, Stop, SyscallError};
use crate::invoke::{Done, Invocation};
use crate::state::Kernel;

type SlotPtr = KernelPtr<Slot>;

/// Decodes an invocation of a CNode capability.
pub fn invoke(k: &mut Kernel, call: &Invocation) -> Result<Done, Stop> {
    let label = match call.label() {
        Some(label) if (Label::CNodeRevoke..=Label::CNodeRotate).contains(&label) => label,
        _ => return Err(SyscallError::IllegalOperation.into()),
    };
    if is_transfer(label) {
        return Ok(transfer(label, call)?);
    }
    let slot = target(call)?;
    match label {
        Label::CNodeRevoke => delete::revoke(k, slot)?,
        Label::CNodeDelete => delete::delete(k, slot)?,
        Label::CNodeCancelBadgedSends => cancel_badged_sends(k, slot)?,
        _ => rotate(slot, call)?,
    }
    Ok(Done::Nothing)
}

fn cancel_badged_sends(k: &mut Kernel, slot: SlotPtr) -> Result<(), Stop> {
    match slot.cap() {
        Cap::Endpoint(endpoint) if endpoint.rights == CapRights::ALL => {
            if endpoint.badge != 0 {
                endpoint::cancel_badged_sends(k, endpoint.object, endpoint.badge)?;
            }
            Ok(())
        }
        _ => Err(SyscallError::IllegalOperation.into()),
    }
}

/// The source of a copy or move, which must hold something.
fn occupied(slot: SlotPtr, depth: u64, source: bool) -> Result<Cap, SyscallError> {
    if slot.is_empty() {
        let failure = LookupFailure::MissingCapability { bits_left: depth };
        return Err(SyscallError::FailedLookup { source, failure });
    }
    Ok(slot.cap())
}

fn not_null(cap: Cap) -> Result<Cap, SyscallError> {
    if cap.is_null() { Err(SyscallError::IllegalOperation) } else { Ok(cap) }
}

/// The slot that an invocation of a CNode is about.
#[inline(always)]
pub fn target(call: &Invocation) -> Result<SlotPtr, SyscallError> {
    call.need_words(2)?;
    lookup::target_slot(call.slot, call.word(0), call.word(1), false)
}

/// The operation copies or moves one capability.
#[inline(always)]
pub fn is_transfer(label: Label) -> bool {
    (Label::CNodeCopy..=Label::CNodeMutate).contains(&label)
}

/// Copy, Mint, Move and Mutate.
#[inline(always)]
pub fn transfer(label: Label, call: &Invocation) -> Result<Done, SyscallError> {
    let to = target(call)?;
    call.need_words(4)?;
    let source_root = call.extra_slot(0)?;
    if !to.is_empty() {
        return Err(SyscallError::DeleteFirst);
    }
    let depth = call.word(3);
    let from = lookup::target_slot(source_root, call.word(2), depth, true)?;
    let cap = occupied(from, depth, true)?;
    let rights = CapRights::from_bits_truncate(call.word(4));
    match label {
        Label::CNodeCopy => {
            call.need_words(5)?;
            let cap = not_null(derive::derive(from, derive::mask_rights(cap, rights))?)?;
            derive::insert_derived(to, cap, from);
        }
        Label::CNodeMint => {
            call.need_words(6)?;
            let changed = derive::apply_data(derive::mask_rights(cap, rights), call.word(5), false);
            let cap = not_null(derive::derive(from, changed)?)?;
            derive::insert_derived(to, cap, from);
        }
        Label::CNodeMutate => {
            call.need_words(5)?;
            let cap = not_null(derive::apply_data(cap, call.word(4), true))?;
            derivation::relocate(from, to, cap.into());
        }
        _ => derivation::relocate(from, to, from.raw()),
    }
    Ok(Done::Nothing)
}

/// Rotate: the source goes to the pivot's slot, the pivot to the destination.
fn rotate(to: SlotPtr, call: &Invocation) -> Result<(), SyscallError> {
    call.need_words(8)?;
    call.need_caps(2)?;
    let (pivot_root, source_root) = (call.extra_slot(0)?, call.extra_slot(1)?);
    let (pivot_depth, source_depth) = (call.word(4), call.word(7));
    let from = lookup::target_slot(source_root, call.word(6), source_depth, true)?;
    let pivot = lookup::target_slot(pivot_root, call.word(3), pivot_depth, true)?;
    if pivot == from || pivot == to {
        return Err(SyscallError::IllegalOperation);
    }
    if from != to && !to.is_empty() {
        return Err(SyscallError::DeleteFirst);
    }
    let source_cap = occupied(from, source_depth, true)?;
    let pivot_cap = occupied(pivot, pivot_depth, false)?;
    let changed = |cap, data| if data == 0 { cap } else { derive::apply_data(cap, data, true) };
    let new_in_to = not_null(changed(pivot_cap, call.word(2)))?;
    let new_in_pivot = not_null(changed(source_cap, call.word(5)))?;
    if from == to {
        derivation::exchange(from, new_in_pivot, pivot, new_in_to);
    } else {
        derivation::relocate(pivot, to, new_in_to.into());
        derivation::relocate(from, pivot, new_in_pivot.into());
    }
    Ok(())
}
