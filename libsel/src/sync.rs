//! What threads of a process share.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use crate::rt::lock::RawLock;

/// A value that one thread at a time may touch.
///
/// # Waiting
/// A thread that finds the mutex locked yields until it is free. That is right for short times: all threads of a process
/// have one priority and take turns, and a yield costs the rest of the thread's turn. Who holds a mutex must not wait for
/// a server of lower priority than its own: the threads that yield leave it no time.
///
/// ```
/// use libsel::sync::Mutex;
///
/// static NAMES: Mutex<[&str; 2]> = Mutex::new(["", ""]);
/// NAMES.lock()[1] = "console";
/// assert_eq!(*NAMES.lock(), ["", "console"]);
/// ```
///
/// A mutex is no protection between threads that a root task makes itself; the library does not know of them.
pub struct Mutex<T> {
    raw: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: a guard exists for one thread at a time.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// An unlocked one.
    pub const fn new(value: T) -> Self {
        Mutex { raw: RawLock::new(), value: UnsafeCell::new(value) }
    }

    /// Locks it, as soon as no other thread has it.
    ///
    /// # Panics
    /// The calling thread has it already.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        assert!(self.raw.take(), "this thread holds the mutex already");
        MutexGuard { mutex: self, stays: PhantomData }
    }

    /// The value, of a mutex that nobody shares.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The value alone.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

/// The value of a locked [`Mutex`], which is unlocked when this goes.
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// The lock belongs to a thread, so the guard stays with it.
    stays: PhantomData<*const T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this thread has the lock, and only through this guard the value is reached.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; the guard is borrowed alone.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.raw.release();
    }
}
