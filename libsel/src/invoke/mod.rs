//! Kernel invocations: the methods of the seL4 manual on typed capabilities, one file per object (abi.md 7).
//!
//! A method sends the label and the words of abi.md section 7 by Call and returns the reply's words or its
//! [`crate::Error`]. Every invocation can fail with `InvalidCapability(0)` (the slot is empty), `IllegalOperation`
//! (another kind of capability is there) and `TruncatedMessage` (the thread has no IPC buffer and the message needs
//! one); each method lists only what comes on top. Order of checks and details: the section named at each method.

mod asid;
mod cnode;
mod domain;
mod endpoint;
mod ioport;
mod irq;
mod notification;
mod paging;
mod sched_context;
mod tcb;
mod untyped;

#[cfg(test)]
mod tests;

pub use cnode::Pivot;
pub use paging::PagingStructure;
pub use tcb::{CopyFlags, UserContext};
pub use untyped::RetypeTarget;

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use crate::abi::{CPtr, Label, MessageInfo, Word};
use crate::cap::{Cap, Kind};
use crate::error::Result;
use crate::ipc::{Message, compose};
use crate::sys::{self, MessageRegisters, Registers};

/// Makes an invocation's system call in place of [`sys::call`].
pub type Carrier = fn(CPtr, MessageInfo, MessageRegisters) -> Registers;

/// Who carries invocations; null = [`sys::call`]. The linker sees whether a program ever sets it: where none does, this
/// and the question for it are gone from the program.
static CARRIER: AtomicPtr<Carrier> = AtomicPtr::new(ptr::null_mut());

/// Lets `carrier` make the system calls of all invocations of this program from now on, so that it sees what goes in
/// and what comes out. Messages through endpoints, notifications and reply objects do not pass it.
pub fn set_carrier(carrier: &'static Carrier) {
    CARRIER.store(ptr::from_ref(carrier).cast_mut(), Relaxed);
}

#[inline(always)]
fn carry(cptr: CPtr, info: MessageInfo, mrs: MessageRegisters) -> Registers {
    // SAFETY: the pointer is null or was a reference that lives for ever.
    match unsafe { CARRIER.load(Relaxed).as_ref() } {
        None => sys::call(cptr, info, mrs),
        Some(carrier) => carrier(cptr, info, mrs),
    }
}

/// Any invocation, well-formed or not: `label`, words and capabilities go to the kernel as they are and the reply
/// comes back uninterpreted.
///
/// # Panics
/// As [`compose`] does.
#[inline]
pub fn raw(cptr: CPtr, label: Word, words: &[Word], caps: &[CPtr]) -> Message {
    let (info, mrs) = compose(label, words, caps);
    carry(cptr, info, mrs).into()
}

impl<K: Kind> Cap<K> {
    /// Sends an invocation and checks its reply.
    #[inline(always)]
    fn invoke(self, label: Label, words: &[Word], caps: &[CPtr]) -> Result<Message> {
        raw(self.cptr(), label.raw(), words, caps).result()
    }

    /// Sends an invocation that answers without words.
    #[inline(always)]
    fn perform(self, label: Label, words: &[Word], caps: &[CPtr]) -> Result<()> {
        self.invoke(label, words, caps).map(|_| ())
    }
}
