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

use crate::abi::{CPtr, Label, Word};
use crate::cap::{Cap, Kind};
use crate::error::Result;
use crate::ipc::{Message, compose};
use crate::sys;

/// Any invocation, well-formed or not: `label`, words and capabilities go to the kernel as they are and the reply
/// comes back uninterpreted.
///
/// # Panics
/// As [`compose`] does.
#[inline]
pub fn raw(cptr: CPtr, label: Word, words: &[Word], caps: &[CPtr]) -> Message {
    let (info, mrs) = compose(label, words, caps);
    sys::call(cptr, info, mrs).into()
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
