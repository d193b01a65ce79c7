//! Locks for the threads of a process.
//!
//! A thread that meets another one in a locked place yields until that one is out. All threads of a process have the
//! same priority and there is one processor, so the other one goes on meanwhile. It does not if it waits, in there, for a
//! server of lower priority: what holds a lock may ask the root task, but should not ask others.
//!
//! While a process has one thread, taking a lock is a load and a store.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

use super::block::{self, ThreadBlock};
use crate::abi::Word;
use crate::sys;

/// Whose turn it is: the address of the holder's thread block.
pub(crate) struct RawLock {
    /// 0: nobody.
    holder: AtomicU64,
}

impl RawLock {
    /// Nobody holds it.
    pub const fn new() -> Self {
        RawLock { holder: AtomicU64::new(0) }
    }

    /// Takes the lock as soon as no other thread has it. False at once if the calling thread has it already.
    #[must_use]
    #[inline(always)]
    pub fn take(&self) -> bool {
        let (block, is_only) = block::current_or_only();
        let me = core::ptr::from_ref(block).addr() as Word;
        if is_only {
            return self.take_alone(me);
        }
        match self.try_take(me) {
            Ok(_) => true,
            Err(holder) => self.wait(me, holder),
        }
    }

    /// Gives the lock back. Only its holder may.
    #[inline(always)]
    pub fn release(&self) {
        self.holder.store(0, Ordering::Release);
    }

    /// Where there is one thread, a lock that is taken is taken by that thread.
    #[inline(always)]
    fn take_alone(&self, me: Word) -> bool {
        let is_free = self.holder.load(Ordering::Relaxed) == 0;
        if is_free {
            self.holder.store(me, Ordering::Relaxed);
        }
        is_free
    }

    #[inline(always)]
    fn try_take(&self, me: Word) -> Result<Word, Word> {
        self.holder.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
    }

    /// Lets other threads run until the lock is taken; false if this thread holds it.
    #[cold]
    fn wait(&self, me: Word, mut holder: Word) -> bool {
        loop {
            if holder == me {
                return false;
            }
            pause();
            match self.try_take(me) {
                Ok(_) => return true,
                Err(other) => holder = other,
            }
        }
    }
}

/// The holder goes on only if this thread does not.
fn pause() {
    if cfg!(target_os = "none") { sys::yield_() } else { core::hint::spin_loop() }
}

/// A value that one thread at a time may touch; the others wait. See the words about waiting at
/// [`crate::sync::Mutex`]. The lock knows its holder, so that one who comes back, as a panic inside does, is told instead
/// of waiting for itself.
pub struct Lock<T> {
    raw: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: `with` hands out the value to one caller at a time, whatever its thread.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// A value that nobody uses.
    pub const fn new(value: T) -> Self {
        Lock { raw: RawLock::new(), value: UnsafeCell::new(value) }
    }

    /// [`Lock::with`] for the only thread of a process, whose block this is.
    #[inline(always)]
    pub(super) fn with_alone<R>(&self, block: &ThreadBlock, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        if !self.raw.take_alone(core::ptr::from_ref(block).addr() as Word) {
            return None;
        }
        // SAFETY: as in `with`.
        let result = f(unsafe { &mut *self.value.get() });
        self.raw.release();
        Some(result)
    }

    /// Runs `f` on the value as soon as no other thread is at it; `None` without running it if this thread is.
    ///
    /// ```
    /// use libsel::rt::Lock;
    ///
    /// static SUM: Lock<u64> = Lock::new(1);
    /// let inner = SUM.with(|sum| {
    ///     *sum += 1;
    ///     SUM.with(|_| ())
    /// });
    /// assert_eq!((inner, SUM.with(|sum| *sum)), (Some(None), Some(2)));
    /// ```
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        if !self.raw.take() {
            return None;
        }
        // SAFETY: this thread took the lock just now, so this is the only reference until it is released below. If `f`
        // panics on the host the lock stays taken and the value is never touched again.
        let result = f(unsafe { &mut *self.value.get() });
        self.raw.release();
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn one_thread_is_in_at_a_time_and_a_holder_that_comes_back_is_told() {
        static LOCK: Lock<(u64, u64)> = Lock::new((0, 0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let seen = LOCK.with(|pair| {
                            pair.0 += 1;
                            let inner = LOCK.with(|_| ());
                            pair.1 += 1;
                            (inner, pair.0 == pair.1)
                        });
                        assert_eq!(seen, Some((None, true)));
                    }
                });
            }
        });
        assert_eq!(LOCK.with(|pair| *pair), Some((40_000, 40_000)));
    }

    #[test]
    fn a_lock_that_was_taken_alone_holds_when_others_come() {
        let lock = RawLock::new();
        let me = core::ptr::from_ref(block::current()).addr() as Word;
        assert!(lock.take_alone(me));
        assert!(!lock.take_alone(me), "its holder is told");
        assert!(!lock.take(), "now too");
        let waited = thread::scope(|scope| {
            let other = scope.spawn(|| lock.take());
            thread::sleep(std::time::Duration::from_millis(20));
            let waited = !other.is_finished();
            lock.release();
            assert!(other.join().unwrap());
            waited
        });
        assert!(waited, "another thread waits");
    }
}
