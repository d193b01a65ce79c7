//! State that one user at a time may touch.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A value behind a flag that says "somebody is at it". Nobody waits: it is for values of one thread, so whoever finds the
/// flag set has come back into code that it is in the middle of, as a panic in a print hook does. For values of several
/// threads there is [`Lock`](super::Lock).
pub struct Exclusive<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `try_with` hands out the value to one caller at a time, whatever its thread.
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    /// A value that nobody uses.
    pub const fn new(value: T) -> Self {
        Exclusive { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// [`Exclusive::try_with`] for a value that one thread has for itself: only that thread can have set the flag.
    ///
    /// # Safety
    /// No other thread uses the value.
    #[inline(always)]
    pub(super) unsafe fn try_with_own<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.taken.load(Ordering::Relaxed) {
            return None;
        }
        self.taken.store(true, Ordering::Relaxed);
        // SAFETY: as below; between the look at the flag and the change this thread did nothing else, and others may not.
        let result = f(unsafe { &mut *self.value.get() });
        self.taken.store(false, Ordering::Relaxed);
        Some(result)
    }

    /// Runs `f` on the value; `None` without running it if the value is in use.
    #[inline]
    pub fn try_with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: the flag was clear and is set now, so this is the only reference until it is cleared below. If `f`
        // panics on the host the flag stays set and the value is never touched again.
        let result = f(unsafe { &mut *self.value.get() });
        self.taken.store(false, Ordering::Release);
        Some(result)
    }
}
