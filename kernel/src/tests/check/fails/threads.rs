//! Queues and threads.
use sel_abi::CapRights;

use super::{Scene, complaints, no_thread, word};
use crate::cap::{Cap, derive};
use crate::fault::Fault;
use crate::ipc;
use crate::object::tcb::{Queued, SendMode, TcbSlot, ThreadState};
use crate::queue::Queue;
use crate::sched::Action;
use crate::tests::objects::OWN_TCB;

const SEND: SendMode = SendMode { badge: 0, can_grant: false, can_grant_reply: false, is_call: false };

complaints! {
    a_runner_in_a_queue: "in the queue of an endpoint", |s| s.server.tcb.state.set(ThreadState::Inactive);
    a_server_in_the_wrong_queue: "in the queue of the wrong endpoint", |s| {
        let endpoint = s.endpoint_of(s.free_endpoint);
        s.server.tcb.state.set(ThreadState::BlockedOnReceive { endpoint, reply: None });
    };
    senders_among_receivers: "senders and receivers in one queue", |s| {
        let endpoint = s.endpoint_of(s.endpoint);
        s.bare.tcb.state.set(ThreadState::BlockedOnSend { endpoint, send: SEND });
        endpoint.queue.insert(s.bare.tcb, ipc::goes_before);
    };
    an_unordered_queue: "order", |s| {
        let endpoint = s.endpoint_of(s.endpoint);
        s.bare.tcb.state.set(ThreadState::BlockedOnReceive { endpoint, reply: None });
        endpoint.queue.insert(s.bare.tcb, ipc::goes_before);
        s.bare.tcb.priority.set(99);
    };
    a_stale_first_of_a_queue: "stale first object", |s| {
        word(s.endpoint_of(s.free_endpoint), 1).set(s.bare.tcb.addr());
    };
    a_signal_that_nobody_takes: "a notification is active, but somebody waits", |s| {
        word(s.notification_of(s.notification), 3).set(1);
    };
    a_waiter_in_the_wrong_queue: "in the queue of the wrong notification", |s| {
        let notification = s.notification_of(s.free_notification);
        s.waiter.tcb.state.set(ThreadState::BlockedOnNotification { notification });
    };
    waiting_on_no_endpoint: "waits on an endpoint that is gone", |s| {
        s.bare.tcb.state.set(ThreadState::BlockedOnSend { endpoint: s.nowhere(), send: SEND });
    };
    waiting_on_no_notification: "waits on a notification that is gone", |s| {
        s.bare.tcb.state.set(ThreadState::BlockedOnNotification { notification: s.nowhere() });
    };
    waiting_in_no_queue: "in the wait queue that its state names", |s| {
        let endpoint = s.endpoint_of(s.endpoint);
        s.bare.tcb.state.set(ThreadState::BlockedOnSend { endpoint, send: SEND });
    };
    late_without_a_mark: "in the release queue without being marked", |s| s.late.tcb.queued.set(Queued::No);
    a_mark_without_a_queue: "marked for the release queue if it is there", |s| {
        s.bare.tcb.queued.set(Queued::Release);
    };
    late_without_a_context: "waits for budget without a scheduling context", |s| {
        s.late.tcb.sched_context.set(None);
    };
    late_but_stopped: "waits for budget, but does not run", |s| s.late.tcb.state.set(ThreadState::Inactive);
    linked_into_nothing: "linked without a queue", |s| {
        Queue::new().insert(s.bare.tcb, ipc::goes_before);
    };
    ready_but_stopped: "ready, but not schedulable", |s| s.ready.tcb.state.set(ThreadState::Inactive);
    ready_in_no_domain: "ready in a domain that does not exist", |s| {
        s.m.k.sched.ready.remove(s.ready.tcb);
        s.ready.tcb.domain.set(3);
        s.m.k.sched.ready.push_back(s.ready.tcb);
        s.m.k.config.domains = 2;
    };
    a_thread_in_no_domain: "a domain that does not exist", |s| {
        s.bare.tcb.domain.set(3);
        s.m.k.config.domains = 2;
    };
    a_mark_without_a_ready_queue: "marked as ready if in a ready queue", |s| s.bare.tcb.queued.set(Queued::Ready);
    a_ready_thread_that_is_gone: "a ready thread that is gone", |s| {
        let page = s.m.object(sel_abi::ObjectType::Page);
        let Cap::Frame(frame) = s.m.cap(page) else { panic!("no frame") };
        // SAFETY: memory of a frame, large enough for a thread; zero is a thread.
        let gone: crate::object::tcb::TcbPtr = unsafe { crate::addr::KernelPtr::from_phys(frame.base) };
        gone.state.set(ThreadState::Running);
        gone.sched_context.set(Some(s.context_of(s.idle.context)));
        s.m.k.sched.ready.push_back(gone);
    };
    an_open_decision: "a decision was not carried out", |s| s.m.k.action = Action::Choose;
    a_stopped_current_thread: "the current thread is Inactive", |s| s.m.root.state.set(ThreadState::Inactive);
    a_late_current_thread: "the current thread cannot be scheduled", |s| s.m.root.queued.set(Queued::Release);
    a_queued_current_thread: "the current thread is in a queue", |s| s.m.root.queued.set(Queued::Ready);
    a_current_thread_of_elsewhere: "the current thread is of another domain", |s| s.m.root.domain.set(1);
    no_current_domain: "the current domain does not exist", |s| {
        s.m.root.domain.set(9);
        s.m.k.sched.set_domain(9);
        s.m.k.config.domains = 2;
    };
    nobody_pays: "another scheduling context pays", |s| s.m.k.current_context = None;
    an_unfair_choice: "a ready thread of higher priority waits", |s| s.m.root.priority.set(0);
    a_thread_that_is_lost: "a lost thread", |s| s.idle.tcb.state.set(ThreadState::Running);
    no_context: "a thread with a scheduling context that is gone", |s| {
        s.bare.tcb.sched_context.set(Some(s.nowhere()));
    };
    the_context_of_another: "a thread with the scheduling context of another", |s| {
        s.bare.tcb.sched_context.set(Some(s.context_of(s.idle.context)));
    };
    yielded_to_nobody: "a thread yielded to a scheduling context that is gone", |s| {
        s.bare.tcb.yield_to.set(Some(s.nowhere()));
    };
    yielded_one_way: "but the other side does not know", |s| {
        s.bare.tcb.yield_to.set(Some(s.context_of(s.idle.context)));
    };
    bound_to_nothing: "bound to a notification that is gone", |s| {
        s.bare.tcb.bound_notification.set(Some(s.nowhere()));
    };
    bound_one_way: "bound to the notification of another", |s| {
        s.bare.tcb.bound_notification.set(Some(s.notification_of(s.free_notification)));
    };
    no_reply_object: "waits on a reply object that is gone", |s| {
        s.bare.tcb.state.set(ThreadState::BlockedOnReply { reply: s.nowhere() });
    };
    the_reply_object_of_another: "waits on the reply object of another", |s| {
        s.bare.tcb.state.set(ThreadState::BlockedOnReply { reply: s.reply_of(s.reply) });
    };
    a_fault_kept: "a fault of a thread that waits for no handler", |s| {
        s.idle.tcb.fault.set(Fault::UnknownSyscall { number: 0 });
    };
    a_cspace_that_is_none: "a CSpace root that is none", |s| install(s, TcbSlot::CSpace, s.free_endpoint);
    a_vspace_that_is_none: "a VSpace root that is none", |s| install(s, TcbSlot::VSpace, s.free_endpoint);
    a_buffer_that_is_none: "an IPC buffer that is no RAM", |s| install(s, TcbSlot::Buffer, s.free_endpoint);
    a_handler_that_is_none: "a handler that cannot be told", |s| {
        let muted = s.m.copy_with(s.free_endpoint, CapRights::READ);
        install(s, TcbSlot::FaultHandler, muted);
    };
    a_timeout_handler_that_is_none: "a handler that cannot be told", |s| {
        install(s, TcbSlot::TimeoutHandler, s.free_notification);
    };
    a_crooked_buffer: "an IPC buffer that is not aligned", |s| s.bare.tcb.ipc_buffer_address.set(8);
    a_short_list: "too long or too short", |s| s.m.k.threads = None;
    a_list_of_nobody: "a listed thread is gone", |s| {
        // As many as there are, but one is none.
        let oldest = s.m.k.all_threads().last().expect("a thread");
        let second = oldest.listed_behind.get().expect("a second thread");
        second.listed_before.set(Some(no_thread(s)));
    };
    a_list_with_a_wrong_back_link: "link back in the debug list", |s| s.bare.tcb.listed_behind.set(None);
}

/// Puts a copy of a capability where it does not belong.
fn install(s: &mut Scene, which: TcbSlot, from: u64) {
    let to = s.bare.tcb.slot_ptr(which);
    s.m.checking = false;
    crate::cap::delete::delete_short(&mut s.m.k, to);
    derive::insert_derived(to, s.m.cap(from), s.slot(from));
    assert!(!s.m.cap(OWN_TCB).is_null());
}
