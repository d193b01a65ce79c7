//! Endpoints: synchronous messages (abi.md 9.3).
use sel_abi::{CapRights, Register};

use super::notification;
use super::reply::{self, Reply};
use super::sched_context;
use super::tcb::{self, SendMode, TcbPtr, ThreadState};
use crate::addr::KernelPtr;
use crate::cap::EndpointCap;
use crate::error::Preempted;
use crate::fault::{self, Fault};
use crate::ipc::{self, transfer};
use crate::queue::Queue;
use crate::state::Kernel;
use crate::trace;

/// Retyped, zeroed memory of 16 bytes: the threads that wait, all senders or all receivers, highest priority first.
#[repr(C)]
pub struct Endpoint {
    /// Who waits.
    pub queue: Queue<TcbPtr>,
}

const _: () = assert!(size_of::<Endpoint>() == 16);

impl SendMode {
    /// How a thread sends through a capability.
    #[inline]
    pub fn of(cap: &EndpointCap, is_call: bool) -> Self {
        SendMode {
            badge: cap.badge,
            can_grant: cap.rights.contains(CapRights::GRANT),
            can_grant_reply: cap.rights.contains(CapRights::GRANT_REPLY),
            is_call,
        }
    }

    fn may_be_answered(&self) -> bool {
        self.can_grant || self.can_grant_reply
    }
}

impl Endpoint {
    fn first_receiver(&self) -> Option<(TcbPtr, Option<KernelPtr<Reply>>)> {
        let first = self.queue.first()?;
        match first.state.get() {
            ThreadState::BlockedOnReceive { reply, .. } => Some((first, reply)),
            _ => None,
        }
    }

    fn first_sender(&self) -> Option<(TcbPtr, SendMode)> {
        let first = self.queue.first()?;
        match first.state.get() {
            ThreadState::BlockedOnSend { send, .. } => Some((first, send)),
            _ => None,
        }
    }
}

/// Sends the message of `sender`. Without a receiver the sender waits (`blocking`) or nothing happens.
#[inline(always)]
pub fn send_message(
    k: &mut Kernel,
    sender: TcbPtr,
    endpoint: KernelPtr<Endpoint>,
    mode: SendMode,
    blocking: bool,
    may_donate: bool,
) {
    debug_assert!(sender.fault.get() == Fault::None, "a thread that calls the kernel has no fault");
    send(k, sender, endpoint, mode, blocking, may_donate, |receiver| {
        transfer::message(sender, Some(endpoint), mode.badge, mode.can_grant, receiver);
    });
}

/// Sends the fault of `sender`, which waits until it is received and answered.
pub fn send_fault(
    k: &mut Kernel,
    sender: TcbPtr,
    endpoint: KernelPtr<Endpoint>,
    mode: SendMode,
    may_donate: bool,
) {
    send(k, sender, endpoint, mode, true, may_donate, |receiver| {
        deliver(sender, &mode, endpoint, receiver);
    });
}

#[inline(always)]
fn send(
    k: &mut Kernel,
    sender: TcbPtr,
    endpoint: KernelPtr<Endpoint>,
    mode: SendMode,
    blocking: bool,
    may_donate: bool,
    deliver: impl FnOnce(TcbPtr),
) {
    let Some((receiver, reply)) = endpoint.first_receiver() else {
        if blocking {
            sender.state.set(ThreadState::BlockedOnSend { endpoint, send: mode });
            enqueue_sender(k, endpoint, sender, mode.badge);
        }
        return;
    };
    endpoint.queue.remove(receiver);
    deliver(receiver);
    if let Some(reply) = reply {
        reply.thread.set(None);
    }
    receiver.state.set(ThreadState::Running);
    if mode.is_call {
        answerable(k, sender, receiver, reply, &mode, may_donate);
    } else if may_donate
        && receiver.sched_context.get().is_none()
        && let Some(context) = sender.sched_context.get()
    {
        sched_context::donate(k, context, receiver);
    }
    sched_context::thread_woken(k, receiver);
    k.possible_switch_to(receiver);
}

/// The sender of a call or fault waits for the answer, or stops if there can be none.
#[inline(always)]
fn answerable(
    k: &mut Kernel,
    sender: TcbPtr,
    receiver: TcbPtr,
    reply: Option<KernelPtr<Reply>>,
    mode: &SendMode,
    may_donate: bool,
) {
    match reply {
        Some(reply) if mode.may_be_answered() => reply::push(k, sender, receiver, reply, may_donate),
        _ => {
            // The fault was told and will not be answered; a later message of the thread is no fault.
            sender.fault.set(Fault::None);
            sender.state.set(ThreadState::Inactive);
        }
    }
}

/// Puts the sender's message or fault into the receiver's registers and buffer.
fn deliver(sender: TcbPtr, mode: &SendMode, endpoint: KernelPtr<Endpoint>, receiver: TcbPtr) {
    match sender.fault.get() {
        Fault::None => transfer::message(sender, Some(endpoint), mode.badge, mode.can_grant, receiver),
        fault => {
            let info = fault::write_message(&fault, sender, receiver);
            trace::message(sender, receiver, Some(endpoint), mode.badge, info);
            receiver.context.set(Register::Rsi, info.0);
            tcb::set_badge(receiver, mode.badge);
        }
    }
}

/// Receives a message, or a signal of the bound notification. Without either the thread waits (`blocking`) or gets
/// badge 0.
#[inline(always)]
pub fn receive(
    k: &mut Kernel,
    thread: TcbPtr,
    endpoint: KernelPtr<Endpoint>,
    reply: Option<KernelPtr<Reply>>,
    blocking: bool,
) {
    if let Some(reply) = reply
        && let Some(user) = reply.thread.get()
        && user != thread
    {
        ipc::cancel(k, user);
        user.state.set(ThreadState::Inactive);
    }
    if let Some(bound) = thread.bound_notification.get() {
        if bound.is_active() {
            notification::take_signal(k, bound, thread);
            return;
        }
        if blocking {
            notification::take_back_context(k, bound, thread);
        }
    }
    let Some((sender, mode)) = endpoint.first_sender() else {
        if blocking {
            thread.state.set(ThreadState::BlockedOnReceive { endpoint, reply });
            if let Some(reply) = reply {
                reply.thread.set(Some(thread));
            }
            endpoint.queue.insert(thread, ipc::goes_before);
        } else {
            tcb::set_badge(thread, 0);
        }
        return;
    };
    endpoint.queue.remove(sender);
    deliver(sender, &mode, endpoint, thread);
    if mode.is_call {
        let may_donate = !matches!(sender.fault.get(), Fault::Timeout { .. });
        answerable(k, sender, thread, reply, &mode, may_donate);
    } else {
        sender.state.set(ThreadState::Running);
        sched_context::thread_woken(k, sender);
        k.possible_switch_to(sender);
    }
    sched_context::thread_woken(k, thread);
}

/// How far a preempted CNode_CancelBadgedSends has come: before this place in the queue, no sender has the badge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cancellation {
    endpoint: KernelPtr<Endpoint>,
    badge: u64,
    /// Priority and arrival of the last sender that was looked at.
    priority: u8,
    arrival: u64,
}

/// Puts a sender into the queue.
pub fn enqueue_sender(k: &mut Kernel, endpoint: KernelPtr<Endpoint>, sender: TcbPtr, badge: u64) {
    k.arrivals += 1;
    sender.arrival.set(k.arrivals);
    endpoint.queue.insert(sender, ipc::goes_before);
    if let Some(at) = k.cancellation
        && at.endpoint == endpoint
        && at.badge == badge
        && sender.priority.get() > at.priority
    {
        // It stands where the cancellation has been already.
        k.cancellation = None;
    }
}

/// Restarts every sender with this badge (CNode_CancelBadgedSends); one that waits because of a fault stops. Looks at
/// one sender after the other, with a preemption point after each, and goes on where it was preempted.
pub fn cancel_badged_sends(
    k: &mut Kernel,
    endpoint: KernelPtr<Endpoint>,
    badge: u64,
) -> Result<(), Preempted> {
    let goes_on = k.cancellation.take().filter(|at| at.endpoint == endpoint && at.badge == badge);
    let mut next = match goes_on {
        None => endpoint.queue.first(),
        Some(at) => endpoint.queue.first_behind(|thread| {
            let (priority, arrival) = (thread.priority.get(), thread.arrival.get());
            priority < at.priority || (priority == at.priority && arrival > at.arrival)
        }),
    };
    while let Some(thread) = next {
        next = Queue::next(thread);
        let (priority, arrival) = (thread.priority.get(), thread.arrival.get());
        if let ThreadState::BlockedOnSend { send, .. } = thread.state.get()
            && send.badge == badge
        {
            endpoint.queue.remove(thread);
            restart_waiter(k, thread);
        }
        if let Err(preempted) = k.preemption_point() {
            k.cancellation = Some(Cancellation { endpoint, badge, priority, arrival });
            return Err(preempted);
        }
    }
    Ok(())
}

/// A waiting thread, out of its queue already, executes its system call again, or stops if a fault made it wait.
fn restart_waiter(k: &mut Kernel, thread: TcbPtr) {
    if thread.fault.get() == Fault::None {
        thread.state.set(ThreadState::Restart);
        sched_context::thread_woken(k, thread);
        ipc::wake(k, thread);
    } else {
        thread.fault.set(Fault::None);
        thread.state.set(ThreadState::Inactive);
    }
}

/// The last capability to an endpoint goes; its threads are to be woken by [`evict`].
pub fn destroy(k: &mut Kernel, endpoint: KernelPtr<Endpoint>) {
    if k.cancellation.is_some_and(|at| at.endpoint == endpoint) {
        k.cancellation = None;
    }
}

/// Wakes one thread that waits for an endpoint that is gone: it restarts. False if none waits any more.
pub fn evict(k: &mut Kernel, endpoint: KernelPtr<Endpoint>) -> bool {
    let Some(thread) = endpoint.queue.pop_first() else { return false };
    if let ThreadState::BlockedOnReceive { reply: Some(reply), .. } = thread.state.get() {
        reply.thread.set(None);
    }
    restart_waiter(k, thread);
    true
}
