//! Invocations of frames and paging structures (abi.md 7.8).
use sel_abi::{CapRights, Label, USER_TOP, VmAttributes};

use super::vspace;
use crate::addr::{KernelPtr, VirtAddr};
use crate::arch::{self, pte, pte::Entry, pte::EntryFlags, pte::PageTable};
use crate::cap::{Cap, FrameCap, FrameSize, Mapping, TableCap, TableLevel, derivation, derive};
use crate::error::{LookupFailure, Stop, SyscallError};
use crate::invoke::{Done, Invocation};
use crate::object::asid::Asid;
use crate::state::Kernel;

type Outcome = Result<Done, Stop>;

/// The address space in extra capability 0: its root and number. Not one, or without a number: InvalidCapability(1).
#[inline(always)]
fn vspace_cap(call: &Invocation) -> Result<(KernelPtr<PageTable>, Asid), SyscallError> {
    let space = call.extra_slot(0)?.pml4();
    space
        .and_then(|space| space.asid.map(|asid| (space.object, asid)))
        .ok_or(SyscallError::InvalidCapability(1))
}

/// The number still leads to this address space.
#[inline(always)]
fn check_asid(k: &Kernel, root: KernelPtr<PageTable>, asid: Asid) -> Result<(), SyscallError> {
    match k.asids.find(asid) {
        None => Err(SyscallError::destination(LookupFailure::InvalidRoot)),
        Some(found) if found != root => Err(SyscallError::InvalidCapability(1)),
        Some(_) => Ok(()),
    }
}

// ---- tables ----

/// Decodes an invocation of a page table, page directory or PDPT capability.
pub fn invoke_table(k: &mut Kernel, table: TableCap, call: &Invocation) -> Outcome {
    let (map, unmap) = match table.level {
        TableLevel::PageTable => (Label::X86PageTableMap, Label::X86PageTableUnmap),
        TableLevel::PageDirectory => (Label::X86PageDirectoryMap, Label::X86PageDirectoryUnmap),
        TableLevel::Pdpt => (Label::X86PdptMap, Label::X86PdptUnmap),
    };
    match call.label() {
        Some(label) if label == map => map_table(k, table, call),
        Some(label) if label == unmap => {
            if !derivation::is_final(call.slot) {
                return Err(SyscallError::RevokeFirst.into());
            }
            if table.mapping.is_some() {
                vspace::unmap_table(k, &table);
                vspace::clear_table(table.object);
                call.slot.set_cap(Cap::Table(TableCap { mapping: None, ..table }));
            }
            Ok(Done::Nothing)
        }
        _ => Err(SyscallError::IllegalOperation.into()),
    }
}

fn map_table(k: &mut Kernel, table: TableCap, call: &Invocation) -> Outcome {
    call.need_words(2)?;
    call.need_caps(1)?;
    if table.mapping.is_some() {
        return Err(SyscallError::InvalidCapability(0).into());
    }
    let (root, asid) = vspace_cap(call)?;
    let bits = table.level.span_bits();
    let vaddr = VirtAddr(call.word(0) & !((1 << bits) - 1));
    if vaddr.0 > USER_TOP {
        return Err(SyscallError::InvalidArgument(0).into());
    }
    check_asid(k, root, asid)?;
    let entry =
        vspace::find_entry(root, vaddr, bits).map_err(|missing| SyscallError::destination(missing.into()))?;
    if entry.get().is_present() {
        return Err(SyscallError::DeleteFirst.into());
    }

    let flags = EntryFlags::PRESENT | EntryFlags::WRITABLE | EntryFlags::USER;
    let attributes = VmAttributes::from_bits_truncate(call.word(1));
    entry.set(Entry::new(table.object.phys(), flags | pte::table_flags(attributes)));
    let mapping = Some(Mapping { asid, vaddr });
    call.slot.set_cap(Cap::Table(TableCap { mapping, ..table }));
    Ok(Done::Nothing)
}

// ---- frames ----

/// Decodes an invocation of a frame capability.
#[inline(always)]
pub fn invoke_frame(k: &mut Kernel, frame: FrameCap, call: &Invocation) -> Result<Done, SyscallError> {
    match call.label() {
        Some(Label::X86PageMap) => map_frame(k, frame, call),
        Some(Label::X86PageUnmap) => {
            vspace::forget_frame(k, &frame);
            call.slot.set_frame_mapping(None);
            Ok(Done::Nothing)
        }
        Some(Label::X86PageGetAddress) => Ok(Done::Word(frame.base.0)),
        _ => Err(SyscallError::IllegalOperation),
    }
}

#[inline(always)]
fn map_frame(k: &mut Kernel, frame: FrameCap, call: &Invocation) -> Result<Done, SyscallError> {
    call.need_words(3)?;
    call.need_caps(1)?;
    let (root, asid) = vspace_cap(call)?;
    let vaddr = VirtAddr(call.word(0));
    let bits = frame.size.bits();
    match frame.mapping {
        Some(mapping) if mapping.asid != asid => {
            return Err(SyscallError::InvalidCapability(1));
        }
        Some(mapping) if mapping.vaddr != vaddr => {
            return Err(SyscallError::InvalidArgument(0));
        }
        Some(_) => {}
        None => {
            let end = vaddr.0.checked_add(1 << bits);
            if vaddr.0 > USER_TOP || end.is_none_or(|end| end > USER_TOP) {
                return Err(SyscallError::InvalidArgument(0));
            }
        }
    }
    check_asid(k, root, asid)?;
    if vaddr.0 & ((1 << bits) - 1) != 0 {
        return Err(SyscallError::AlignmentError);
    }
    let entry = vspace::find_page(root, vaddr, frame.size)
        .map_err(|missing| SyscallError::destination(missing.into()))?;
    let old = entry.get();
    if frame.size != FrameSize::Small && old.is_present() && !old.is_large() {
        return Err(SyscallError::DeleteFirst);
    }

    let rights = CapRights::from_bits_truncate(call.word(1));
    let attributes = VmAttributes::from_bits_truncate(call.word(2));
    entry.set(frame_entry(&frame, rights, attributes));
    if old.is_present() {
        arch::flush_page(asid.0, vaddr.0);
    }
    call.slot.set_frame_mapping(Some(Mapping { asid, vaddr }));
    Ok(Done::Nothing)
}

/// The entry that maps a frame with no more than its capability's rights.
#[inline(always)]
pub fn frame_entry(frame: &FrameCap, rights: CapRights, attributes: VmAttributes) -> Entry {
    let rights = derive::mask_frame_rights(frame.rights, rights);
    // Right by right, the flags are in the same order.
    let access = EntryFlags::from_bits_retain(rights.bits() << 1);
    const _: () = assert!(CapRights::READ.bits() << 1 == EntryFlags::USER.bits());
    const _: () = assert!(CapRights::WRITE.bits() << 1 == EntryFlags::WRITABLE.bits());
    Entry::new(frame.base, EntryFlags::PRESENT | access | pte::page_flags(attributes, frame.size.bits()))
}
