//! Notifications: a word of signals (abi.md 9.6).
use core::cell::Cell;

use super::sched_context::{self, SchedContext};
use super::tcb::{self, TcbPtr, ThreadState};
use crate::addr::KernelPtr;
use crate::ipc;
use crate::queue::Queue;
use crate::state::Kernel;
use crate::trace;

/// Retyped, zeroed memory of 64 bytes.
#[repr(C)]
pub struct Notification {
    /// Threads that wait, highest priority first; only while not active.
    pub queue: Queue<TcbPtr>,
    /// Signals that nobody took yet.
    word: Cell<u64>,
    active: Cell<bool>,
    /// The thread that receives signals through any endpoint.
    pub bound_thread: Cell<Option<TcbPtr>>,
    /// Lent to a thread without one that takes a signal.
    pub sched_context: Cell<Option<KernelPtr<SchedContext>>>,
}

const _: () = assert!(size_of::<Notification>() <= 64);

impl Notification {
    /// A signal waits to be taken; its word may be 0.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.active.get()
    }

    /// Keeps a signal until somebody takes it.
    #[inline(always)]
    pub fn keep(&self, badge: u64) {
        self.word.set(self.word.get() | badge);
        self.active.set(true);
    }

    /// Takes the signals that were kept.
    #[inline(always)]
    pub fn take(&self) -> u64 {
        self.active.set(false);
        self.word.take()
    }
}

/// Signals: the first waiter takes it, or the bound thread if it waits for a message, or it is kept.
#[inline(always)]
pub fn signal(k: &mut Kernel, notification: KernelPtr<Notification>, badge: u64) {
    trace::signal(k, notification, badge);
    if let Some(waiter) = notification.queue.pop_first() {
        hand_over(k, notification, waiter, badge);
        return;
    }
    if let Some(bound) = notification.bound_thread.get()
        && matches!(bound.state.get(), ThreadState::BlockedOnReceive { .. })
    {
        ipc::cancel(k, bound);
        hand_over(k, notification, bound, badge);
        return;
    }
    notification.keep(badge);
}

#[inline(always)]
fn hand_over(k: &mut Kernel, notification: KernelPtr<Notification>, thread: TcbPtr, badge: u64) {
    tcb::set_badge(thread, badge);
    thread.state.set(ThreadState::Running);
    lend_context(k, notification, thread);
    sched_context::thread_woken(k, thread);
    k.possible_switch_to(thread);
}

/// Lends the notification's scheduling context to a thread without one, if it is free.
#[inline(always)]
fn lend_context(k: &mut Kernel, notification: KernelPtr<Notification>, thread: TcbPtr) {
    if thread.sched_context.get().is_none() {
        lend_to_passive(k, notification, thread);
    }
}

#[inline(never)]
fn lend_to_passive(k: &mut Kernel, notification: KernelPtr<Notification>, thread: TcbPtr) {
    if let Some(context) = notification.sched_context.get()
        && context.thread.get().is_none()
    {
        sched_context::donate(k, context, thread);
        context.woken(k);
        if context.is_active() && !context.has_time(k, 0) {
            k.postpone(context);
        }
    }
}

/// A thread that blocks gives the notification's scheduling context back, if it runs on it.
#[inline(always)]
pub fn take_back_context(k: &mut Kernel, notification: KernelPtr<Notification>, thread: TcbPtr) {
    if let Some(context) = notification.sched_context.get()
        && thread.sched_context.get() == Some(context)
    {
        sched_context::unbind_thread(k, context);
    }
}

/// Gives the kept signals to a thread that receives.
#[inline(always)]
pub fn take_signal(k: &mut Kernel, notification: KernelPtr<Notification>, thread: TcbPtr) {
    tcb::set_badge(thread, notification.take());
    lend_context(k, notification, thread);
    sched_context::thread_woken(k, thread);
}

/// Waits for a signal; without one the thread blocks (`blocking`) or gets badge 0.
#[inline(always)]
pub fn wait(k: &mut Kernel, thread: TcbPtr, notification: KernelPtr<Notification>, blocking: bool) {
    if notification.is_active() {
        take_signal(k, notification, thread);
    } else if blocking {
        thread.state.set(ThreadState::BlockedOnNotification { notification });
        notification.queue.insert(thread, ipc::goes_before);
        take_back_context(k, notification, thread);
    } else {
        tcb::set_badge(thread, 0);
    }
}

/// Binds a thread: it receives signals through any endpoint.
pub fn bind(notification: KernelPtr<Notification>, thread: TcbPtr) {
    notification.bound_thread.set(Some(thread));
    thread.bound_notification.set(Some(notification));
}

/// Undoes [`bind`] from the thread's side.
pub fn unbind_thread(thread: TcbPtr) {
    if let Some(notification) = thread.bound_notification.take() {
        notification.bound_thread.set(None);
    }
}

/// The last capability to a notification goes: thread and scheduling context are unbound. Who waits is to be woken by
/// [`evict`].
pub fn destroy(notification: KernelPtr<Notification>) {
    if let Some(thread) = notification.bound_thread.take() {
        thread.bound_notification.set(None);
    }
    if let Some(context) = notification.sched_context.take() {
        context.notification.set(None);
    }
}

/// Wakes one thread that waits for a notification that is gone: it restarts. False if none waits any more.
pub fn evict(k: &mut Kernel, notification: KernelPtr<Notification>) -> bool {
    let Some(thread) = notification.queue.pop_first() else { return false };
    thread.state.set(ThreadState::Restart);
    sched_context::thread_woken(k, thread);
    ipc::wake(k, thread);
    true
}
