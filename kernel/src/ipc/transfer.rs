//! Moving a message from one thread to another (abi.md 2.8).
use sel_abi::message::{IPC_BUFFER_CAPS_WORD, IPC_BUFFER_MSG_WORD, IPC_BUFFER_RECEIVE_WORD};
use sel_abi::registers::{CAP_REGISTER, INFO_REGISTER, MESSAGE_REGISTERS};
use sel_abi::{FAST_MESSAGE_REGISTERS, MSG_MAX_EXTRA_CAPS, MessageInfo};

use super::message::{self, Buffer};
use crate::addr::KernelPtr;
use crate::cap::{Cap, Slot, derive, lookup};
use crate::error::LookupFailure;
use crate::object::endpoint::Endpoint;
use crate::object::tcb::{Tcb, TcbPtr};
use crate::trace;

/// Length and number of capabilities of a message info word.
const SIZE_BITS: u64 = 0x1ff;
/// Which capabilities arrived as badges.
const UNWRAPPED_BITS: u64 = 0xe00;

/// The message travels in registers, without capabilities.
#[inline(always)]
pub fn is_short(info: MessageInfo) -> bool {
    info.0 & SIZE_BITS <= FAST_MESSAGE_REGISTERS as u64
}

/// Copies a message that [`is_short`], with its badge.
#[inline(always)]
pub fn short(from: &Tcb, to: &Tcb, info: MessageInfo, badge: u64) {
    let length = (info.0 & SIZE_BITS) as usize;
    for (index, register) in MESSAGE_REGISTERS.into_iter().enumerate() {
        if index >= length {
            break;
        }
        to.context.set(register, from.context.get(register));
    }
    to.context.set(INFO_REGISTER, info.0 & !UNWRAPPED_BITS);
    to.context.set(CAP_REGISTER, badge);
}

/// Copies the message of `from` to `to`: words, capabilities if `can_grant`, badge, and the new message info.
///
/// `endpoint` is the endpoint that the message goes through; capabilities to it arrive as badges.
#[inline(always)]
pub fn message(from: TcbPtr, endpoint: Option<KernelPtr<Endpoint>>, badge: u64, can_grant: bool, to: TcbPtr) {
    let info = message::info(&from);
    trace::message(from, to, endpoint, badge, info);
    if is_short(info) {
        short(&from, &to, info, badge);
    } else {
        long(from, endpoint, badge, can_grant, to);
    }
}

/// A message in buffers, or with capabilities.
#[inline(never)]
fn long(from: TcbPtr, endpoint: Option<KernelPtr<Endpoint>>, badge: u64, can_grant: bool, to: TcbPtr) {
    let info = message::info(&from);
    let mut length = info.length();
    for register in MESSAGE_REGISTERS.into_iter().take(length) {
        to.context.set(register, from.context.get(register));
    }
    let wants_caps = can_grant && info.extra_caps() > 0;
    let mut unwrapped = 0;
    let mut caps = 0;
    if length > FAST_MESSAGE_REGISTERS || wants_caps {
        match (from.ipc_buffer(false), to.ipc_buffer(true)) {
            (Some(source), Some(target)) => {
                let words = IPC_BUFFER_MSG_WORD + FAST_MESSAGE_REGISTERS..IPC_BUFFER_MSG_WORD + length;
                if let (Some(source), Some(target)) = (source.get(words.clone()), target.get(words)) {
                    target.iter().zip(source).for_each(|(target, source)| target.set(source.get()));
                }
                if wants_caps {
                    (caps, unwrapped) = transfer_caps(from, source, info.extra_caps(), endpoint, to, target);
                }
            }
            _ => length = length.min(FAST_MESSAGE_REGISTERS),
        }
    }
    to.context.set(INFO_REGISTER, MessageInfo::new(info.label(), unwrapped, caps, length).0);
    to.context.set(CAP_REGISTER, badge);
}

/// Slots of extra capabilities.
pub type ExtraCaps = [Option<KernelPtr<Slot>>; MSG_MAX_EXTRA_CAPS];

/// Slots of the extra capabilities that a thread offers, at least one.
///
/// # Errors
/// One cannot be found: which and why.
#[inline(always)]
pub fn extra_caps(thread: TcbPtr, buffer: Buffer, count: usize) -> Result<ExtraCaps, (u64, LookupFailure)> {
    let first = extra_cap(thread, buffer, 0)?;
    if count == 1 { Ok([Some(first), None, None]) } else { more_extra_caps(thread, buffer, count, first) }
}

#[inline(never)]
fn more_extra_caps(
    thread: TcbPtr,
    buffer: Buffer,
    count: usize,
    first: KernelPtr<Slot>,
) -> Result<ExtraCaps, (u64, LookupFailure)> {
    let second = extra_cap(thread, buffer, 1)?;
    let third = if count > 2 { Some(extra_cap(thread, buffer, 2)?) } else { None };
    Ok([Some(first), Some(second), third])
}

#[inline(always)]
fn extra_cap(thread: TcbPtr, buffer: Buffer, index: usize) -> Result<KernelPtr<Slot>, (u64, LookupFailure)> {
    let cptr = buffer[IPC_BUFFER_CAPS_WORD + index].get();
    lookup::thread_slot(&thread, cptr).map_err(|failure| (cptr, failure))
}

/// Transfers capabilities; returns how many were handled and which of them arrived as badges.
fn transfer_caps(
    from: TcbPtr,
    source: Buffer,
    count: usize,
    endpoint: Option<KernelPtr<Endpoint>>,
    to: TcbPtr,
    target: Buffer,
) -> (usize, u64) {
    let Ok(slots) = extra_caps(from, source, count) else { return (0, 0) };
    let mut unwrapped = 0;
    let mut receive_slot = find_receive_slot(to, target);
    for (index, slot) in slots.into_iter().take(count).enumerate() {
        let Some(slot) = slot else { return (index, unwrapped) };
        let cap = slot.cap();
        if let Cap::Endpoint(offered) = cap
            && Some(offered.object) == endpoint
        {
            target[IPC_BUFFER_CAPS_WORD + index].set(offered.badge);
            unwrapped |= 1 << index;
            continue;
        }
        let (Some(free), Ok(derived)) = (receive_slot, derive::derive(slot, cap)) else {
            return (index, unwrapped);
        };
        if derived.is_null() {
            return (index, unwrapped);
        }
        derive::insert_derived(free, derived, slot);
        receive_slot = None;
    }
    (count, unwrapped)
}

/// The empty slot in which a thread wants to receive a capability.
fn find_receive_slot(thread: TcbPtr, buffer: Buffer) -> Option<KernelPtr<Slot>> {
    let [cnode, index, depth] = [0, 1, 2].map(|word| buffer[IPC_BUFFER_RECEIVE_WORD + word].get());
    let root = lookup::thread_slot(&thread, cnode).ok()?;
    lookup::empty_slot(root, index, depth).ok()
}
