//! Threads of a server: they share its heap and its capabilities, and run at its priority.
//!
//! ```no_run
//! use libsel::thread;
//!
//! # fn example() -> Result<(), libsel::proto::ServiceError> {
//! let table = [1u64, 2, 3];
//! let sum = thread::spawn(move || table.iter().sum::<u64>())?;
//! libsel::println!("the sum is {}", sum.join()?);
//! # Ok(())
//! # }
//! ```
//!
//! The root task makes a thread ([`NewThread`]): its stack, with a page without memory below it, its IPC buffer and its
//! objects count for the server's quota, and go when it ends. The manifest says how many threads a server may have
//! (`threads=`, 8 otherwise, the first one included).
//!
//! A thread that panics or faults ends the whole server, as one does that calls [`rt::exit`](crate::rt::exit); so does the
//! first thread when `main` returns. The notification and the reply object of the start page's slots belong to the first
//! thread.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};

use crate::abi::{IpcBuffer, Word};
use crate::proto::ServiceError;
use crate::proto::root::{NewThread, RootService};
use crate::proto::start::slot;
use crate::rt::alloc::{self, ServerHeap};
use crate::rt::block::{self, ThreadBlock};
use crate::rt::{console, entry, print};
use crate::sys;

/// Bytes of a thread's stack where the program does not say: with the IPC buffer, they are 64 KiB.
pub const DEFAULT_STACK_BYTES: usize = 60 * 1024;

/// Starts a thread with the default stack. See [`Builder::spawn`].
///
/// # Errors
/// Those of [`Builder::spawn`].
pub fn spawn<F, T>(run: F) -> Result<JoinHandle<T>, ServiceError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(run)
}

/// Number of the calling thread: 0 for the first one of a process. No two threads of a process ever have the same.
pub fn current() -> u64 {
    block::current().number().into()
}

/// Lets other threads of the same priority run.
pub fn yield_now() {
    sys::yield_();
}

/// How a thread is started.
#[derive(Clone, Copy, Debug)]
pub struct Builder {
    stack_bytes: usize,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// The usual.
    pub const fn new() -> Self {
        Builder { stack_bytes: DEFAULT_STACK_BYTES }
    }

    /// With a stack of so many bytes or more: with a page for the IPC buffer, they are rounded up to a power of two.
    pub const fn stack_bytes(self, stack_bytes: usize) -> Self {
        Builder { stack_bytes }
    }

    /// Starts a thread that runs `run`.
    ///
    /// # Errors
    /// `TooMany` the manifest allows no more threads; `OutOfMemory`; `InvalidArgument` the stack is too small or too large;
    /// `Refused` the kernel does not let threads have what is their own.
    pub fn spawn<F, T>(self, run: F) -> Result<JoinHandle<T>, ServiceError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        block::expect_threads().map_err(|_| ServiceError::Refused)?;
        let outcome = place(Outcome { is_shared: AtomicBool::new(true), result: UnsafeCell::new(None) })?;
        let started = place(Work { run, outcome }).and_then(|work| {
            let enter: extern "C" fn(Word, *mut ThreadBlock, *mut IpcBuffer, Word) -> ! = enter::<F, T>;
            let request = NewThread {
                entry: enter as usize as Word,
                argument: work.as_ptr().expose_provenance() as Word,
                stack_bytes: self.stack_bytes as Word,
                block_bytes: BLOCK_BYTES as Word,
            };
            // SAFETY: `work` was placed above, and there is no thread that would take it.
            RootService(slot::ROOT).new_thread(request).inspect_err(|_| drop(unsafe { take(work) }))
        });
        match started {
            Ok(number) => Ok(JoinHandle { number, outcome }),
            Err(error) => {
                // SAFETY: it was placed above, and there is neither a thread nor a handle.
                drop(unsafe { take(outcome) });
                Err(error)
            }
        }
    }
}

/// Bytes kept for a thread's block.
const BLOCK_BYTES: usize = size_of::<ThreadBlock>().next_multiple_of(64);
const _: () = assert!(align_of::<ThreadBlock>() <= 64);

/// A thread that was started. When it is dropped the thread runs on, and what it returns is lost.
#[derive(Debug)]
pub struct JoinHandle<T> {
    number: u64,
    outcome: NonNull<Outcome<T>>,
}

// SAFETY: the outcome is shared with one thread, and the handle reaches the result only when that has ended.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: nothing is reached through a shared reference but the number.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// The thread's number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Waits until the thread has ended, and takes what its closure returned.
    ///
    /// # Errors
    /// `InUse` somebody else waits for it, by a request to the root task; `InvalidArgument` it is the calling thread.
    /// `Gone` it ended without a result, by a request to the root task that was not this library's.
    pub fn join(self) -> Result<T, ServiceError> {
        if self.number == current() {
            return Err(ServiceError::InvalidArgument);
        }
        RootService(slot::ROOT).join_thread(self.number)?;
        // SAFETY: the outcome is there until the handle leaves it, and the thread, which has ended, reaches it no more.
        let result = unsafe { (*self.outcome.as_ref().result.get()).take() };
        result.ok_or(ServiceError::Gone)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        Outcome::leave(self.outcome);
    }
}

/// What a thread is to do.
struct Work<F, T> {
    run: F,
    outcome: NonNull<Outcome<T>>,
}

/// What a thread leaves behind.
#[derive(Debug)]
struct Outcome<T> {
    /// Both the thread and its handle are there.
    is_shared: AtomicBool,
    result: UnsafeCell<Option<T>>,
}

impl<T> Outcome<T> {
    /// The thread or its handle goes, each once; the second of them takes the outcome with it.
    fn leave(outcome: NonNull<Self>) {
        // SAFETY: it is there until both have left.
        let was_shared = unsafe { outcome.as_ref() }.is_shared.swap(false, Ordering::AcqRel);
        if !was_shared {
            // SAFETY: `spawn` placed it, and the other side has left.
            drop(unsafe { take(outcome) });
        }
    }
}

/// Where a thread begins, as [`NewThread`] says.
extern "C" fn enter<F, T>(argument: Word, block: *mut ThreadBlock, buffer: *mut IpcBuffer, number: Word) -> !
where
    F: FnOnce() -> T,
{
    // SAFETY: 1. The root task keeps room for a block there, aligned to 64 bytes, for this thread alone. 2. `spawn` left
    // the address of its `Work` of the same types in `argument`, for this thread.
    unsafe {
        block.write(ThreadBlock::of_thread(number as u32, buffer));
        (*block).settle();
        perform::<F, T>(argument);
    }
    end(number)
}

/// Does a thread's work.
///
/// # Safety
/// `argument` is the address of a `Work` of these types that [`place`] put there, and nobody else takes it.
unsafe fn perform<F: FnOnce() -> T, T>(argument: Word) {
    // SAFETY: the caller's promise; the address of a value is not null.
    let Work { run, outcome } = unsafe {
        take(NonNull::new_unchecked(ptr::with_exposed_provenance_mut::<Work<F, T>>(argument as usize)))
    };
    let result = run();
    // SAFETY: the handle does not reach the result before this thread has ended.
    unsafe { *outcome.as_ref().result.get() = Some(result) };
    Outcome::leave(outcome);
}

/// Gives back what the thread has, and ends it.
fn end(number: Word) -> ! {
    print::flush();
    console::disconnect();
    alloc::flush_cache();
    RootService(slot::ROOT).thread_exit(number);
    entry::fault()
}

/// Puts a value into the server's heap.
fn place<T>(value: T) -> Result<NonNull<T>, ServiceError> {
    const { assert!(size_of::<T>() != 0) };
    // SAFETY: the size is not zero.
    let place = unsafe { ServerHeap.alloc(Layout::new::<T>()) }.cast::<T>();
    let place = NonNull::new(place).ok_or(ServiceError::OutOfMemory)?;
    // SAFETY: the block was allocated for a value of this type.
    unsafe { place.write(value) };
    Ok(place)
}

/// Takes a value out of the server's heap.
///
/// # Safety
/// [`place`] put it there, and it is not used any more.
unsafe fn take<T>(place: NonNull<T>) -> T {
    // SAFETY: the caller's promise; the block has this layout.
    unsafe {
        let value = place.read();
        ServerHeap.dealloc(place.as_ptr().cast(), Layout::new::<T>());
        value
    }
}

#[cfg(test)]
mod tests;
