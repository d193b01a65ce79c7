//! Untyped memory: what all objects are made of (abi.md 7.2).
//!
//! Invariant: the memory of a non-device untyped from its watermark up is zero. So objects are made from zeroed memory.
use sel_abi::{CapRights, Label, MAX_UNTYPED_BITS, ObjectType, RETYPE_MAX_OBJECTS};

use super::tcb;
use crate::addr::{self, KernelPtr, PhysAddr};
use crate::arch;
use crate::cap::{
    CNodeCap, Cap, EndpointCap, FrameCap, FrameSize, NotificationCap, Pml4Cap, RawCap, ReplyCap,
    SchedContextCap, Slot, TableCap, TableLevel, UntypedCap, derivation, lookup,
};
use crate::error::{LookupFailure, Preempted, Stop, SyscallError};
use crate::invoke::{Done, Invocation};
use crate::state::Kernel;

/// Bytes cleared between two preemption points: a unit of work (abi.md 9.5, where it is 256).
const RESET_CHUNK_BYTES: u64 = 1024;

/// A retype whose arguments were checked.
struct Retype {
    object: ObjectType,
    size_bits: u64,
    /// The first slot to fill; as many as there are objects follow one another.
    first: KernelPtr<Slot>,
    count: u64,
    /// log2 of the bytes of one object.
    object_bits: u64,
}

/// Decodes an invocation of an untyped capability.
pub fn invoke(k: &mut Kernel, untyped: UntypedCap, call: &Invocation) -> Result<Done, Stop> {
    let has_to_clear = has_to_clear(call.slot, &untyped);
    let start = if has_to_clear { 0 } else { untyped.watermark };
    let retype = decode(k, untyped, start, call)?;
    if has_to_clear {
        clear(k, call.slot, untyped)?;
    }
    perform(k, call.slot, untyped, start, &retype);
    Ok(Done::Nothing)
}

/// Nothing is made of the memory any more, but it was used: it is cleared before something else is made of it.
#[inline(always)]
pub fn has_to_clear(slot: KernelPtr<Slot>, untyped: &UntypedCap) -> bool {
    untyped.watermark != 0 && !derivation::has_children(slot)
}

/// An invocation of untyped memory that does not [have to be cleared](has_to_clear).
#[inline(always)]
pub fn retype(k: &mut Kernel, untyped: UntypedCap, call: &Invocation) -> Result<Done, SyscallError> {
    let retype = decode(k, untyped, untyped.watermark, call)?;
    perform(k, call.slot, untyped, untyped.watermark, &retype);
    Ok(Done::Nothing)
}

/// Checks an invocation of untyped memory that is free from `start` bytes on.
#[inline(always)]
fn decode(k: &Kernel, untyped: UntypedCap, start: u64, call: &Invocation) -> Result<Retype, SyscallError> {
    if call.label() != Some(Label::UntypedRetype) {
        return Err(SyscallError::IllegalOperation);
    }
    call.need_words(6)?;
    let root = call.extra_slot(0)?;
    let (size_bits, node_index, node_depth) = (call.word(1), call.word(2), call.word(3));
    let (offset, count) = (call.word(4), call.word(5));
    let object = ObjectType::from_raw(call.word(0)).ok_or(SyscallError::InvalidArgument(0))?;
    const TOO_LARGE: SyscallError = SyscallError::RangeError { min: 0, max: MAX_UNTYPED_BITS };
    if size_bits >= sel_abi::WORD_BITS {
        return Err(TOO_LARGE);
    }
    let object_bits = k.config.object_bits(object, size_bits);
    if object_bits > MAX_UNTYPED_BITS {
        return Err(TOO_LARGE);
    }
    if size_bits < object.min_size_bits() {
        return Err(SyscallError::InvalidArgument(1));
    }
    let node = if node_depth == 0 { root } else { lookup::target_slot(root, node_index, node_depth, false)? };
    let Some(node) = node.cnode() else {
        return Err(SyscallError::destination(LookupFailure::MissingCapability { bits_left: node_depth }));
    };
    let slots = node.slot_count();
    if offset > slots - 1 {
        return Err(SyscallError::RangeError { min: 0, max: slots - 1 });
    }
    if !(1..=RETYPE_MAX_OBJECTS).contains(&count) {
        return Err(SyscallError::RangeError { min: 1, max: RETYPE_MAX_OBJECTS });
    }
    if count > slots - offset {
        return Err(SyscallError::RangeError { min: 1, max: slots - offset });
    }
    // SAFETY: the offset is below the number of slots.
    let first = unsafe { node.slots.element(offset as usize) };
    // SAFETY: there are `count` slots from the offset on.
    if (0..count).any(|index| unsafe { !first.element(index as usize).is_empty() }) {
        return Err(SyscallError::DeleteFirst);
    }
    let free = untyped.size() - start;
    if (free >> object_bits) < count {
        return Err(SyscallError::NotEnoughMemory(free));
    }
    if untyped.device {
        check_device(untyped, object, start, count << object_bits)?;
    }
    Ok(Retype { object, size_bits, first, count, object_bits })
}

/// Devices' memory becomes frames and untyped memory only. The kernel draws on the framebuffer until frames are made of it.
#[cold]
fn check_device(untyped: UntypedCap, object: ObjectType, start: u64, bytes: u64) -> Result<(), SyscallError> {
    if !object.from_device() {
        return Err(SyscallError::InvalidArgument(1));
    }
    if object != ObjectType::Untyped {
        let start = untyped.base.0 + start;
        arch::leave_screen(start, start.saturating_add(bytes));
    }
    Ok(())
}

/// Clears the memory below the watermark, from the end, and lowers the watermark as it goes.
fn clear(k: &mut Kernel, slot: KernelPtr<Slot>, untyped: UntypedCap) -> Result<(), Preempted> {
    let mut untyped = untyped;
    while untyped.watermark > 0 {
        let from = if untyped.device {
            0
        } else {
            let from = (untyped.watermark - 1) & !(RESET_CHUNK_BYTES - 1);
            // SAFETY: RAM below an untyped capability without children: no object lives there, no frame is mapped.
            unsafe { addr::zero(PhysAddr(untyped.base.0 + from), untyped.watermark - from) };
            from
        };
        untyped.watermark = from;
        slot.set_watermark(from);
        k.preemption_point()?;
    }
    Ok(())
}

#[inline(always)]
fn perform(k: &mut Kernel, parent: KernelPtr<Slot>, untyped: UntypedCap, start: u64, retype: &Retype) {
    let size = 1 << retype.object_bits;
    // To the next multiple of the size.
    let offset = (start + size - 1) & !(size - 1);
    parent.set_watermark(offset + (retype.count << retype.object_bits));
    let base = PhysAddr(untyped.base.0 + offset);
    let cap = if retype.object == ObjectType::Page {
        RawCap::new_frame(base, FrameSize::Small, untyped.device)
    } else {
        // SAFETY: the memory was free and is zero, and it is aligned; it belongs to the new objects from here on.
        unsafe { create(k, retype, base, untyped.device) }
    };
    // SAFETY: 1. Frames need no more than their memory, and `create` made all others. 2. As `decode` found.
    unsafe { derivation::insert_row(retype.first, cap, (size, retype.count), parent) };
}

/// Makes the objects, one behind the other from `base` on; the first capability to the first of them.
///
/// # Safety
/// The memory from `base` on is free, aligned to an object's size and, unless it is a device's, zero.
#[inline(never)]
unsafe fn create(k: &mut Kernel, retype: &Retype, base: PhysAddr, device: bool) -> RawCap {
    // SAFETY: the caller's promise.
    let first = unsafe { create_one(k, retype, base, device) };
    if matches!(retype.object, ObjectType::Tcb | ObjectType::Pml4) {
        // All others are made of zeroed memory as it is.
        for index in 1..retype.count {
            let base = PhysAddr(base.0 + (index << retype.object_bits));
            // SAFETY: the caller's promise.
            let _ = unsafe { create_one(k, retype, base, device) };
        }
    }
    first.into()
}

/// Makes one object and the first capability to it.
///
/// # Safety
/// As for [`create`], of one object.
unsafe fn create_one(k: &mut Kernel, retype: &Retype, base: PhysAddr, device: bool) -> Cap {
    let frame =
        |size| Cap::Frame(FrameCap { base, size, rights: CapRights::READ_WRITE, device, mapping: None });
    // SAFETY: the caller's promise; zeroed memory is a valid value of each of the types.
    unsafe {
        let table = |level| Cap::Table(TableCap { object: KernelPtr::from_phys(base), level, mapping: None });
        match retype.object {
            ObjectType::Untyped => {
                Cap::Untyped(UntypedCap { base, size_bits: retype.size_bits as u8, device, watermark: 0 })
            }
            ObjectType::Tcb => {
                let thread = KernelPtr::from_phys(base);
                tcb::init(k, thread);
                Cap::Tcb(thread)
            }
            ObjectType::Endpoint => Cap::Endpoint(EndpointCap {
                object: KernelPtr::from_phys(base),
                badge: 0,
                rights: CapRights::ALL,
            }),
            ObjectType::Notification => Cap::Notification(NotificationCap {
                object: KernelPtr::from_phys(base),
                badge: 0,
                rights: CapRights::READ_WRITE,
            }),
            ObjectType::CapTable => Cap::CNode(CNodeCap {
                slots: KernelPtr::from_phys(base),
                radix: retype.size_bits as u8,
                guard: 0,
                guard_bits: 0,
            }),
            ObjectType::SchedContext => Cap::SchedContext(SchedContextCap {
                object: KernelPtr::from_phys(base),
                size_bits: retype.size_bits as u8,
            }),
            ObjectType::Reply => Cap::Reply(ReplyCap { object: KernelPtr::from_phys(base), can_grant: true }),
            ObjectType::Pml4 => {
                let object = KernelPtr::from_phys(base);
                arch::fill_kernel_half(object);
                Cap::Pml4(Pml4Cap { object, asid: None })
            }
            ObjectType::Pdpt => table(TableLevel::Pdpt),
            ObjectType::PageDirectory => table(TableLevel::PageDirectory),
            ObjectType::PageTable => table(TableLevel::PageTable),
            ObjectType::Page => frame(FrameSize::Small),
            ObjectType::LargePage => frame(FrameSize::Large),
            ObjectType::HugePage => frame(FrameSize::Huge),
        }
    }
}
