//! Invariants of queues and threads.
use super::super::machine::Machine;
use super::Found;
use crate::cap::Cap;
use crate::fault::{self, Fault};
use crate::ipc;
use crate::object::tcb::{Queued, TcbPtr, ThreadState};
use crate::sched::Action;

pub fn check(m: &Machine, found: &Found) {
    let waiting = check_wait_queues(found);
    let released = check_release_queue(m);
    check_current(m);
    check_ready_queues(m, found);
    check_list(m, found);
    for thread in &found.threads {
        let waits = waiting.contains(thread);
        assert!(
            waits == is_in_wait_queue(found, *thread),
            "in the wait queue that its state names: {:?}",
            thread.state.get()
        );
        let late = released.contains(thread);
        assert!(
            (thread.queued.get() == Queued::Release) == late,
            "marked for the release queue if it is there"
        );
        assert!(thread.links.is_linked() == (waits || late), "linked without a queue");
        check_schedulable(m, *thread);
        check_relations(found, *thread);
        check_slots(m, *thread);
        assert!(thread.domain.get() < m.k.config.domains, "a domain that does not exist");
    }
}

/// Who waits is in the queue of what it waits for, and nobody else is. Returns who waits.
fn check_wait_queues(found: &Found) -> Vec<TcbPtr> {
    let mut waiting = Vec::new();
    for endpoint in &found.endpoints {
        endpoint.queue.check(ipc::goes_before);
        let (mut receivers, mut senders) = (0, 0);
        for thread in endpoint.queue.iter() {
            let here = match thread.state.get() {
                ThreadState::BlockedOnReceive { endpoint, .. } => {
                    receivers += 1;
                    endpoint
                }
                ThreadState::BlockedOnSend { endpoint, .. } => {
                    senders += 1;
                    endpoint
                }
                state => panic!("{state:?} in the queue of an endpoint"),
            };
            assert!(here == *endpoint, "in the queue of the wrong endpoint");
            waiting.push(thread);
        }
        assert!(receivers == 0 || senders == 0, "senders and receivers in one queue");
    }
    for notification in &found.notifications {
        notification.queue.check(ipc::goes_before);
        let signalled = notification.is_active() && !notification.queue.is_empty();
        assert!(!signalled, "a notification is active, but somebody waits");
        for thread in notification.queue.iter() {
            let expected = ThreadState::BlockedOnNotification { notification: *notification };
            assert!(thread.state.get() == expected, "in the queue of the wrong notification");
            waiting.push(thread);
        }
    }
    waiting
}

/// The thread's state says that it waits in a queue, of something that exists.
fn is_in_wait_queue(found: &Found, thread: TcbPtr) -> bool {
    match thread.state.get() {
        ThreadState::BlockedOnReceive { endpoint, .. } | ThreadState::BlockedOnSend { endpoint, .. } => {
            assert!(found.endpoints.contains(&endpoint), "waits on an endpoint that is gone");
            true
        }
        ThreadState::BlockedOnNotification { notification } => {
            assert!(found.notifications.contains(&notification), "waits on a notification that is gone");
            true
        }
        _ => false,
    }
}

/// Who waits for budget is in order, and could run. Returns who does.
fn check_release_queue(m: &Machine) -> Vec<TcbPtr> {
    let release = &m.k.sched.release;
    let time = |thread: TcbPtr| thread.sched_context.get().map(|context| context.refills().head().time);
    release.check(|a, b| time(a) < time(b));
    let mut released = Vec::new();
    for thread in release.iter() {
        assert!(thread.queued.get() == Queued::Release, "in the release queue without being marked");
        assert!(time(thread).is_some(), "waits for budget without a scheduling context");
        assert!(thread.is_runnable(), "waits for budget, but does not run: {:?}", thread.state.get());
        released.push(thread);
    }
    released
}

fn check_ready_queues(m: &Machine, found: &Found) {
    let mut count = 0;
    for domain in 0..sel_abi::MAX_DOMAINS as u8 {
        if domain >= m.k.config.domains {
            assert!(m.k.sched.ready.highest(domain).is_none(), "ready in a domain that does not exist");
            continue;
        }
        for thread in m.k.sched.ready.check(domain) {
            assert!(thread.is_schedulable(), "ready, but not schedulable: {:?}", thread.state.get());
            assert!(found.threads.contains(&thread), "a ready thread that is gone");
            count += 1;
        }
    }
    let marked = found.threads.iter().filter(|thread| thread.queued.get() == Queued::Ready).count();
    assert_eq!(marked, count, "marked as ready if in a ready queue");
}

/// The list for debug output holds every thread once.
fn check_list(m: &Machine, found: &Found) {
    if !cfg!(feature = "debug") {
        return;
    }
    let listed: Vec<TcbPtr> = m.k.all_threads().take(found.threads.len() + 1).collect();
    assert!(listed.len() == found.threads.len(), "the debug list of threads is too long or too short");
    assert!(listed.iter().all(|thread| found.threads.contains(thread)), "a listed thread is gone");
    for pair in listed.windows(2) {
        assert!(pair[1].listed_behind.get() == Some(pair[0]), "link back in the debug list of threads");
    }
}

/// The thread that runs may run, and is the one that should.
fn check_current(m: &Machine) {
    let (k, current) = (&m.k, m.current());
    assert!(k.action == Action::Continue, "a decision was not carried out");
    assert!(current.state.get() == ThreadState::Running, "the current thread is {:?}", current.state.get());
    assert!(current.is_schedulable(), "the current thread cannot be scheduled");
    assert!(current.queued.get() == Queued::No, "the current thread is in a queue");
    assert!(current.domain.get() == k.sched.domain(), "the current thread is of another domain");
    assert!(k.sched.domain() < k.config.domains, "the current domain does not exist");
    assert!(k.current_context == current.sched_context.get(), "another scheduling context pays");
    let highest = k.sched.ready.highest(k.sched.domain());
    assert!(highest <= Some(current.priority.get()), "a ready thread of higher priority waits");
}

/// Who can run is current, ready or waits for budget.
fn check_schedulable(m: &Machine, thread: TcbPtr) {
    let runs = thread.is_runnable() && thread.sched_context.get().is_some_and(|context| context.is_active());
    let known = thread.queued.get() != Queued::No || thread == m.current();
    assert!(runs == known, "a lost thread: {:?}, {:?}", thread.state.get(), thread.queued.get());
}

/// What a thread names exists and names the thread.
fn check_relations(found: &Found, thread: TcbPtr) {
    if let Some(context) = thread.sched_context.get() {
        assert!(found.has_context(context), "a thread with a scheduling context that is gone");
        assert!(context.thread.get() == Some(thread), "a thread with the scheduling context of another");
    }
    if let Some(context) = thread.yield_to.get() {
        assert!(found.has_context(context), "a thread yielded to a scheduling context that is gone");
        assert!(
            context.yield_from.get() == Some(thread),
            "a thread yielded, but the other side does not know"
        );
    }
    if let Some(notification) = thread.bound_notification.get() {
        assert!(found.notifications.contains(&notification), "bound to a notification that is gone");
        assert!(notification.bound_thread.get() == Some(thread), "bound to the notification of another");
    }
    match thread.state.get() {
        ThreadState::BlockedOnReply { reply } | ThreadState::BlockedOnReceive { reply: Some(reply), .. } => {
            assert!(found.replies.contains(&reply), "waits on a reply object that is gone");
            assert!(reply.thread.get() == Some(thread), "waits on the reply object of another");
        }
        _ => {}
    }
    let told =
        matches!(thread.state.get(), ThreadState::BlockedOnSend { .. } | ThreadState::BlockedOnReply { .. });
    let holds_fault = thread.fault.get() != Fault::None;
    assert!(!holds_fault || told, "a fault of a thread that waits for no handler");
}

/// The five slots of a thread hold what they are for.
fn check_slots(m: &Machine, thread: TcbPtr) {
    let preempted = m.preempt_every > 0 || m.preempted;
    let is = |cap: Cap, good: bool| {
        good || cap.is_null() || (preempted && matches!(cap, Cap::Zombie(_) | Cap::Eviction(_)))
    };
    let cspace = thread.cspace().cap();
    assert!(is(cspace, matches!(cspace, Cap::CNode(_))), "a CSpace root that is none: {cspace:?}");
    let vspace = thread.vspace().cap();
    let has_number = matches!(vspace, Cap::Pml4(pml4) if pml4.asid.is_some());
    assert!(is(vspace, has_number), "a VSpace root that is none: {vspace:?}");
    let buffer = thread.buffer().cap();
    let is_ram = matches!(buffer, Cap::Frame(frame) if !frame.device);
    assert!(is(buffer, is_ram), "an IPC buffer that is no RAM: {buffer:?}");
    let aligned = thread.ipc_buffer_address.get().is_multiple_of(1 << sel_abi::IPC_BUFFER_BITS);
    assert!(aligned, "an IPC buffer that is not aligned");
    for handler in [thread.fault_handler().cap(), thread.timeout_handler().cap()] {
        assert!(is(handler, fault::is_valid_handler(&handler)), "a handler that cannot be told: {handler:?}");
    }
}
