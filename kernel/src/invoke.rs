//! Invocations: a message to a capability of the kernel itself (abi.md 7.0).
use sel_abi::registers::REGISTER_COUNT;
use sel_abi::{FAST_MESSAGE_REGISTERS, Label, MSG_MAX_EXTRA_CAPS, MessageInfo, Register};

use crate::addr::KernelPtr;
use crate::cap::{Cap, Slot};
use crate::error::{Stop, SyscallError};
use crate::ipc::message::{self, Buffer};
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
    /// Slots of the extra capabilities.
    pub extra: [Option<KernelPtr<Slot>>; MSG_MAX_EXTRA_CAPS],
    info: MessageInfo,
    label: Option<Label>,
    buffer: Option<Buffer>,
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
    /// Of a thread's message; `extra` was looked up already.
    pub fn new(
        k: &Kernel,
        caller: TcbPtr,
        slot: KernelPtr<Slot>,
        extra: [Option<KernelPtr<Slot>>; MSG_MAX_EXTRA_CAPS],
    ) -> Self {
        let info = message::info(&caller);
        let buffer = if info.length() > FAST_MESSAGE_REGISTERS { caller.ipc_buffer(false) } else { None };
        let label = k.labels.label(info.label());
        Invocation { caller, slot, extra, info, label, buffer }
    }

    /// The operation, if the number is one.
    pub fn label(&self) -> Option<Label> {
        self.label
    }

    /// Message words that came along.
    pub fn length(&self) -> usize {
        match self.buffer {
            Some(_) => self.info.length(),
            None => self.info.length().min(FAST_MESSAGE_REGISTERS),
        }
    }

    /// Message word `index`; 0 if it did not come along.
    pub fn word(&self, index: usize) -> u64 {
        message::word(&self.caller, self.buffer, index)
    }

    /// Fails with TruncatedMessage for a message of fewer words.
    pub fn need_words(&self, count: usize) -> Result<(), SyscallError> {
        if self.length() < count { Err(SyscallError::TruncatedMessage) } else { Ok(()) }
    }

    /// Fails with TruncatedMessage for a message of fewer capabilities; empty slots count.
    pub fn need_caps(&self, count: usize) -> Result<(), SyscallError> {
        match count.checked_sub(1) {
            None => Ok(()),
            Some(last) => self.extra_slot(last).map(|_| ()),
        }
    }

    /// The slot of extra capability `index`.
    pub fn extra_slot(&self, index: usize) -> Result<KernelPtr<Slot>, SyscallError> {
        self.extra.get(index).copied().flatten().ok_or(SyscallError::TruncatedMessage)
    }

    /// Extra capability `index`, perhaps null.
    pub fn extra_cap(&self, index: usize) -> Result<Cap, SyscallError> {
        Ok(self.extra_slot(index)?.cap())
    }
}

/// Performs an invocation of anything but an endpoint, notification or reply object. `first_phase`: it is the send
/// phase of a combined call, which some objects refuse.
pub fn invoke(k: &mut Kernel, cap: Cap, call: &Invocation, first_phase: bool) -> Result<Done, Stop> {
    match cap {
        Cap::Tcb(_) | Cap::Domain | Cap::CNode(_) | Cap::SchedControl { .. } | Cap::SchedContext(_)
            if first_phase =>
        {
            Err(SyscallError::InvalidCapability(0).into())
        }
        Cap::Untyped(untyped) => untyped::invoke(k, untyped, call),
        Cap::CNode(_) => cnode::invoke(k, &cap, call),
        Cap::Tcb(thread) => tcb_invoke::invoke(k, thread, call),
        Cap::SchedContext(context) => sched_context::invoke(k, context, call),
        Cap::SchedControl { .. } => sched_control::invoke(k, call),
        Cap::Frame(frame) => vspace_invoke::invoke_frame(k, frame, call),
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
pub fn reply(caller: TcbPtr, done: Done) {
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
