//! What a thread has for itself: its IPC buffer, its number, the line that it prints, free blocks of the heap.
//!
//! A process begins with one thread, whose block is a static that everybody finds by a pointer. From the first
//! [`crate::thread::spawn`] on, each thread finds its own through FS: its FS base is the address of its block, and the
//! block's first word is that address again, as the x86_64 ABI has it for thread-local storage. A program that starts no
//! threads pays nothing for that, and a root task, whose threads are not made by this library, has one block for all.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::Exclusive;
use super::print::Line;
use crate::abi::{CPtr, IpcBuffer};
use crate::heap::ThreadCache;

#[cfg(test)]
pub(crate) use host::{current_or_only, expect_threads};

/// One thread's own. Only its thread uses it; that its fields are atomic costs nothing, and lets threads of a root task
/// share the first one.
#[repr(C)]
pub(crate) struct ThreadBlock {
    /// Null until threads are found by it.
    self_address: AtomicPtr<ThreadBlock>,
    /// Null: none.
    ipc_buffer: AtomicPtr<IpcBuffer>,
    /// 0: the first thread.
    number: AtomicU32,
    /// Slot of the console's endpoint; 0 while there is none.
    console: AtomicU64,
    /// What was printed since the last newline.
    pub line: Exclusive<Line>,
    /// Free blocks of the heap, once there are several threads.
    pub cache: Exclusive<ThreadCache>,
}

// The first word is the block's own address.
const _: () = assert!(core::mem::offset_of!(ThreadBlock, self_address) == 0);

impl ThreadBlock {
    /// The block of a thread without a buffer.
    pub const fn new() -> Self {
        ThreadBlock {
            self_address: AtomicPtr::new(ptr::null_mut()),
            ipc_buffer: AtomicPtr::new(ptr::null_mut()),
            number: AtomicU32::new(0),
            console: AtomicU64::new(0),
            line: Exclusive::new(Line::new()),
            cache: Exclusive::new(ThreadCache::new()),
        }
    }

    /// The block of a further thread, before it is put in its place.
    pub fn of_thread(number: u32, ipc_buffer: *mut IpcBuffer) -> Self {
        let block = ThreadBlock::new();
        block.number.store(number, Relaxed);
        block.ipc_buffer.store(ipc_buffer, Relaxed);
        block
    }

    /// Writes its own address into it, where it will stay.
    pub fn settle(&self) {
        self.self_address.store(ptr::from_ref(self).cast_mut(), Relaxed);
    }

    /// The thread's IPC buffer, or null.
    #[inline(always)]
    pub fn ipc_buffer(&self) -> *mut IpcBuffer {
        self.ipc_buffer.load(Relaxed)
    }

    /// Changes the thread's IPC buffer.
    pub fn set_ipc_buffer(&self, buffer: *mut IpcBuffer) {
        self.ipc_buffer.store(buffer, Relaxed);
    }

    /// The thread's number in its process.
    pub fn number(&self) -> u32 {
        self.number.load(Relaxed)
    }

    /// The slot of its connection to the console; 0: none.
    pub fn console(&self) -> CPtr {
        self.console.load(Relaxed)
    }

    /// Changes the slot of its connection to the console; returns the one before.
    pub fn set_console(&self, cptr: CPtr) -> CPtr {
        self.console.swap(cptr, Relaxed)
    }
}

/// The first thread's.
#[cfg(not(test))]
static FIRST: ThreadBlock = ThreadBlock::new();

/// The block of the process's only thread; null once there are several.
#[cfg(not(test))]
static ONLY: AtomicPtr<ThreadBlock> = AtomicPtr::new((&raw const FIRST).cast_mut());

/// The calling thread's block, and whether no other thread has been started. The block is there while its thread runs;
/// nothing that is reached through it may be kept longer.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn current_or_only() -> (&'static ThreadBlock, bool) {
    let only = ONLY.load(Relaxed);
    let is_only = !only.is_null();
    let block = if is_only { only } else { by_segment() };
    // SAFETY: 1. `ONLY` is null or the address of a static. 2. Once it is null, FS leads every thread to its own block:
    // the first thread's FS base was set before, the others were started with it. 3. A block is written once, before
    // its thread gets here, and then changed through its atomics alone.
    (unsafe { &*block }, is_only)
}

/// The calling thread's block; see [`current_or_only`].
#[inline(always)]
pub(crate) fn current() -> &'static ThreadBlock {
    current_or_only().0
}

#[cfg(all(target_os = "none", not(test)))]
#[inline(always)]
fn by_segment() -> *mut ThreadBlock {
    let block: *mut ThreadBlock;
    // SAFETY: the first word at FS is the block's address, see the caller, and does not change while the thread runs.
    unsafe {
        core::arch::asm!("mov {}, fs:[0]", out(reg) block, options(pure, readonly, nostack, preserves_flags));
    }
    block
}

/// The host has one block outside of tests.
#[cfg(all(not(target_os = "none"), not(test)))]
fn by_segment() -> *mut ThreadBlock {
    (&raw const FIRST).cast_mut()
}

/// Makes ready for a second thread: from now on blocks are found through FS.
///
/// # Errors
/// Those of TCB_SetTLSBase.
#[cfg(not(test))]
pub(crate) fn expect_threads() -> crate::Result<()> {
    use crate::proto::start::slot;

    if !ONLY.load(Relaxed).is_null() {
        FIRST.settle();
        // The caller is the first thread, as there is no other.
        slot::TCB.set_tls_base((&raw const FIRST).expose_provenance() as crate::abi::Word)?;
        ONLY.store(ptr::null_mut(), Relaxed);
    }
    Ok(())
}

/// Under test every host thread has a block of its own, and none is ever the only one.
#[cfg(test)]
mod host {
    use super::ThreadBlock;
    use crate::abi::IpcBuffer;
    use std::boxed::Box;

    std::thread_local! {
        static BLOCK: &'static ThreadBlock = {
            let buffer = IpcBuffer {
                tag: 0,
                msg: [0; 120],
                user_data: 0,
                caps_or_badges: [0; 3],
                receive_cnode: 0,
                receive_index: 0,
                receive_depth: 0,
            };
            let block: &ThreadBlock = Box::leak(Box::new(ThreadBlock::of_thread(0, Box::leak(Box::new(buffer)))));
            block.settle();
            block
        };
    }

    pub fn current_or_only() -> (&'static ThreadBlock, bool) {
        (BLOCK.with(|block| *block), false)
    }

    pub fn expect_threads() -> crate::Result<()> {
        Ok(())
    }
}
