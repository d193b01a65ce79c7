//! The thread's IPC buffer (abi.md 2.7).

use core::ptr::{NonNull, addr_of, addr_of_mut};

use crate::abi::{CPtr, IpcBuffer, MSG_MAX_EXTRA_CAPS, MSG_MAX_LENGTH, Word};
use crate::rt::block;

/// A handle to an IPC buffer. The kernel writes to it during system calls, so no reference to it is ever made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffer(NonNull<IpcBuffer>);

impl Buffer {
    /// Message word `index` as it lies in the buffer; 0 from [`MSG_MAX_LENGTH`] on.
    #[inline(always)]
    pub fn word(self, index: usize) -> Word {
        if index >= MSG_MAX_LENGTH {
            return 0;
        }
        // SAFETY: `set_buffer`'s caller promised that the buffer is valid; the index was checked.
        unsafe { addr_of!((*self.0.as_ptr()).msg).cast::<Word>().add(index).read() }
    }

    /// Writes message word `index`; nothing happens from [`MSG_MAX_LENGTH`] on.
    #[inline(always)]
    pub fn set_word(self, index: usize, value: Word) {
        if index < MSG_MAX_LENGTH {
            // SAFETY: as in `word`.
            unsafe { addr_of_mut!((*self.0.as_ptr()).msg).cast::<Word>().add(index).write(value) }
        }
    }

    /// Capability or badge word `index`; 0 from [`MSG_MAX_EXTRA_CAPS`] on.
    #[inline(always)]
    pub fn cap_or_badge(self, index: usize) -> Word {
        if index >= MSG_MAX_EXTRA_CAPS {
            return 0;
        }
        // SAFETY: as in `word`.
        unsafe { addr_of!((*self.0.as_ptr()).caps_or_badges).cast::<Word>().add(index).read() }
    }

    /// Names the capability to be sent as extra capability `index`; nothing happens from [`MSG_MAX_EXTRA_CAPS`] on.
    #[inline(always)]
    pub fn set_cap(self, index: usize, cptr: CPtr) {
        if index < MSG_MAX_EXTRA_CAPS {
            // SAFETY: as in `word`.
            unsafe { addr_of_mut!((*self.0.as_ptr()).caps_or_badges).cast::<Word>().add(index).write(cptr) }
        }
    }

    /// Names the receive slot: the CNode that roots the lookup, the index below it and the bits of it to resolve.
    #[inline]
    pub fn set_receive_slot(self, cnode: CPtr, index: CPtr, depth: Word) {
        let buffer = self.0.as_ptr();
        // SAFETY: as in `word`.
        unsafe {
            addr_of_mut!((*buffer).receive_cnode).write(cnode);
            addr_of_mut!((*buffer).receive_index).write(index);
            addr_of_mut!((*buffer).receive_depth).write(depth);
        }
    }

    /// Address of the buffer.
    #[inline]
    pub fn address(self) -> Word {
        self.0.addr().get() as Word
    }
}

/// The calling thread's IPC buffer, if the runtime set one. In a root task, where the runtime knows of one thread, it is
/// that thread's.
#[inline(always)]
pub fn buffer() -> Option<Buffer> {
    NonNull::new(block::current().ipc_buffer()).map(Buffer)
}

/// Makes `buffer` the calling thread's IPC buffer, or takes it away (null).
///
/// # Safety
/// 1. `buffer` is null or points to a mapped, writable [`IpcBuffer`] that stays so while this thread runs;
/// 2. it is the buffer that the kernel knows for this thread, and nothing else uses it.
#[inline]
pub unsafe fn set_buffer(buffer: *mut IpcBuffer) {
    block::current().set_ipc_buffer(buffer);
}
