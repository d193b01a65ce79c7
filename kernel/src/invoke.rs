//! Invocations: a message to a capability of the kernel itself (abi.md 7.0).
use sel_abi::message::IPC_BUFFER_CAPS_WORD;
use sel_abi::registers::REGISTER_COUNT;
use sel_abi::{FAST_MESSAGE_REGISTERS, Label, MSG_MAX_EXTRA_CAPS, MessageInfo, Register};

use crate::addr::KernelPtr;
use crate::cap::{Cap, Slot, delete};
use crate::error::{Stop, SyscallError};
use crate::ipc::message::{self, Buffer};
use crate::ipc::transfer::{self, ExtraCaps};
use crate::object::tcb::{self, TcbPtr, ThreadState};
use crate::object::{
    asid, cnode, domain, ioport, irq, sched_context, sched_control, tcb_invoke, untyped, vspace_invoke,
};
use crate::state::Kernel;

/// The parameters of an invocation.
pub struct Invocation {
    /// Who invokes.
    pub caller: TcbPtr,
    /// The slot of the invoked capability.
    pub slot: KernelPtr<Slot>,
    parcel: Parcel,
    length: usize,
    label: Option<Label>,
}

/// What a message carries outside of registers.
#[derive(Clone, Copy)]
pub struct Parcel {
    /// The sender's IPC buffer, where it was looked for: it is for a message with capabilities.
    pub buffer: Option<Buffer>,
    /// Slots of the extra capabilities.
    pub extra: ExtraCaps,
}

impl Parcel {
    /// Of a message without capabilities.
    pub const EMPTY: Parcel = Parcel { buffer: None, extra: [None; MSG_MAX_EXTRA_CAPS] };

    /// Of a message with at most one capability, in the usual place; None for any other.
    #[inline(always)]
    fn usual(caller: TcbPtr, info: MessageInfo) -> Option<Parcel> {
        if transfer::is_short(info) {
            return Some(Parcel::EMPTY);
        }
        let buffer = caller.ipc_buffer(false)?;
        let first = match info.extra_caps() {
            0 => None,
            1 => Some(caller.cspace().flat_slot(buffer[IPC_BUFFER_CAPS_WORD].get())?),
            _ => return None,
        };
        Some(Parcel { buffer: Some(buffer), extra: [first, None, None] })
    }
}

/// What an invocation answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    /// Success without words.
    Nothing,
    /// One word.
    Word(u64),
    /// The first registers of a thread.
    Registers {
        /// Whose.
        thread: TcbPtr,
        /// How many, 1..=20.
        count: usize,
    },
    /// The answer is written when the thread runs again.
    Later,
}

impl Invocation {
    /// Of a thread's message; `slot` and the parcel's capabilities were looked up already.
    #[inline(always)]
    pub fn new(
        k: &Kernel,
        caller: TcbPtr,
        slot: KernelPtr<Slot>,
        info: MessageInfo,
        mut parcel: Parcel,
    ) -> Self {
        let mut length = info.length();
        if length > FAST_MESSAGE_REGISTERS {
            if parcel.buffer.is_none() {
                parcel.buffer = caller.ipc_buffer(false);
            }
            if parcel.buffer.is_none() {
                length = FAST_MESSAGE_REGISTERS;
            }
        }
        Invocation { caller, slot, parcel, length, label: k.labels.label(info.label()) }
    }

    /// The operation, if the number is one.
    #[inline(always)]
    pub fn label(&self) -> Option<Label> {
        self.label
    }

    /// Message words that came along.
    #[inline(always)]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Message word `index`; only of words that [`Invocation::need_words`] has found there does it mean anything.
    #[inline(always)]
    pub fn word(&self, index: usize) -> u64 {
        message::word(&self.caller, self.parcel.buffer, index)
    }

    /// Fails with TruncatedMessage for a message of fewer words.
    #[inline(always)]
    pub fn need_words(&self, count: usize) -> Result<(), SyscallError> {
        if self.length < count { Err(SyscallError::TruncatedMessage) } else { Ok(()) }
    }

    /// Fails with TruncatedMessage for a message of fewer capabilities; empty slots count.
    #[inline(always)]
    pub fn need_caps(&self, count: usize) -> Result<(), SyscallError> {
        match count.checked_sub(1) {
            None => Ok(()),
            Some(last) => self.extra_slot(last).map(|_| ()),
        }
    }

    /// The slot of extra capability `index`.
    #[inline(always)]
    pub fn extra_slot(&self, index: usize) -> Result<KernelPtr<Slot>, SyscallError> {
        self.parcel.extra.get(index).copied().flatten().ok_or(SyscallError::TruncatedMessage)
    }

    /// Extra capability `index`, perhaps null.
    pub fn extra_cap(&self, index: usize) -> Result<Cap, SyscallError> {
        Ok(self.extra_slot(index)?.cap())
    }
}

/// Performs the Call of a capability in `slot`, if it is an invocation that is done in one step and leaves all threads
/// alone: most are. False: nothing was done, and it has to go the long way.
#[inline(always)]
pub fn short(k: &mut Kernel, caller: TcbPtr, slot: KernelPtr<Slot>, info: MessageInfo) -> bool {
    if slot.frame().is_some() {
        short_of_frame(k, caller, slot, info)
    } else if slot.untyped().is_some() {
        short_of_untyped(k, caller, slot, info)
    } else if slot.cnode().is_some() {
        short_of_cnode(k, caller, slot, info)
    } else {
        false
    }
}

#[inline(always)]
fn short_of_frame(k: &mut Kernel, caller: TcbPtr, slot: KernelPtr<Slot>, info: MessageInfo) -> bool {
    let (Some(parcel), Some(frame)) = (Parcel::usual(caller, info), slot.frame()) else { return false };
    let call = Invocation::new(k, caller, slot, info, parcel);
    answer(caller, vspace_invoke::invoke_frame(k, frame, &call));
    true
}

#[inline(never)]
fn short_of_untyped(k: &mut Kernel, caller: TcbPtr, slot: KernelPtr<Slot>, info: MessageInfo) -> bool {
    let (Some(parcel), Some(untyped)) = (Parcel::usual(caller, info), slot.untyped()) else { return false };
    if untyped::has_to_clear(slot, &untyped) {
        return false;
    }
    let call = Invocation::new(k, caller, slot, info, parcel);
    answer(caller, untyped::retype(k, untyped, &call));
    true
}

#[inline(never)]
fn short_of_cnode(k: &mut Kernel, caller: TcbPtr, slot: KernelPtr<Slot>, info: MessageInfo) -> bool {
    let Some(parcel) = Parcel::usual(caller, info) else { return false };
    let call = Invocation::new(k, caller, slot, info, parcel);
    match call.label() {
        Some(label) if cnode::is_transfer(label) => {
            answer(caller, cnode::transfer(label, &call));
            true
        }
        Some(Label::CNodeDelete) if k.orphans.is_none() => match cnode::target(&call) {
            Ok(slot) => {
                let is_deleted = delete::delete_alone(k, slot);
                if is_deleted {
                    reply(caller, Done::Nothing);
                }
                is_deleted
            }
            Err(error) => {
                reply_error(caller, error);
                true
            }
        },
        _ => false,
    }
}

/// Tells the caller how its invocation went.
#[inline(always)]
fn answer(caller: TcbPtr, outcome: Result<Done, SyscallError>) {
    match outcome {
        Ok(done) => reply(caller, done),
        Err(error) => reply_error(caller, error),
    }
}

/// Performs an invocation of anything but an endpoint, notification or reply object. `first_phase`: it is the send
/// phase of a combined call, which some objects refuse.
pub fn invoke(k: &mut Kernel, call: &Invocation, first_phase: bool) -> Result<Done, Stop> {
    match call.slot.cap() {
        Cap::Tcb(_) | Cap::Domain | Cap::CNode(_) | Cap::SchedControl { .. } | Cap::SchedContext(_)
            if first_phase =>
        {
            Err(SyscallError::InvalidCapability(0).into())
        }
        Cap::Untyped(untyped) => untyped::invoke(k, untyped, call),
        Cap::CNode(_) => cnode::invoke(k, call),
        Cap::Tcb(thread) => tcb_invoke::invoke(k, thread, call),
        Cap::SchedContext(context) => sched_context::invoke(k, context, call),
        Cap::SchedControl { .. } => sched_control::invoke(k, call),
        Cap::Frame(frame) => Ok(vspace_invoke::invoke_frame(k, frame, call)?),
        Cap::Table(table) => vspace_invoke::invoke_table(k, table, call),
        Cap::AsidControl => asid::invoke_control(k, call),
        Cap::AsidPool(pool) => asid::invoke_pool(k, pool, call),
        Cap::IrqControl => irq::invoke_control(k, call),
        Cap::IrqHandler { irq } => irq::invoke_handler(k, irq, call),
        Cap::IoPortControl => ioport::invoke_control(k, call),
        Cap::IoPort { first, last } => ioport::invoke_port(first, last, call),
        Cap::Domain => domain::invoke(k, call),
        Cap::Pml4(_) => Err(SyscallError::IllegalOperation.into()),
        Cap::Null
        | Cap::Zombie(_)
        | Cap::Eviction(_)
        | Cap::Endpoint(_)
        | Cap::Notification(_)
        | Cap::Reply(_) => Err(SyscallError::InvalidCapability(0).into()),
    }
}

/// Writes the answer of a successful invocation to the caller, if it waits for one.
#[inline(always)]
pub fn reply(caller: TcbPtr, done: Done) {
    if done == Done::Nothing {
        caller.context.set(Register::Rsi, MessageInfo::new(0, 0, 0, 0).0);
        tcb::set_badge(caller, 0);
    } else {
        reply_with(caller, done);
    }
}

#[inline(never)]
fn reply_with(caller: TcbPtr, done: Done) {
    let length = match done {
        Done::Later => return,
        Done::Nothing => 0,
        Done::Word(word) => message::write_words(caller, [word].into_iter()),
        Done::Registers { thread, count } => {
            let mut words = [0; REGISTER_COUNT];
            for (word, register) in words.iter_mut().zip(Register::ALL) {
                *word = thread.context.read(*register);
            }
            message::write_words(caller, words.into_iter().take(count))
        }
    };
    caller.context.set(Register::Rsi, MessageInfo::new(0, 0, 0, length).0);
    tcb::set_badge(caller, 0);
}

/// Writes an error reply to the caller.
#[cold]
#[inline(never)]
pub fn reply_error(caller: TcbPtr, error: SyscallError) {
    let (error, words, count) = error.message();
    let length = message::write_words(caller, words.into_iter().take(count));
    caller.context.set(Register::Rsi, MessageInfo::new(error.raw(), 0, 0, length).0);
    tcb::set_badge(caller, 0);
}

/// Answers an invocation that was put off with [`Done::Later`].
pub fn reply_with_word(caller: TcbPtr, word: u64) {
    if matches!(caller.state.get(), ThreadState::Running | ThreadState::Restart) {
        reply(caller, Done::Word(word));
        caller.state.set(ThreadState::Running);
    }
}
