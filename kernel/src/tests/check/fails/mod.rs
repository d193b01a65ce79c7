//! For each invariant a state that breaks it, made by hand: the checker must complain, in the right words.
mod contexts;
mod devices;
mod memory;
mod spaces;
mod threads;
mod tree;

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

use sel_abi::Label;

use super::check;
use crate::addr::{KernelPtr, PhysAddr};
use crate::cap::{Cap, Slot};
use crate::object::endpoint::Endpoint;
use crate::object::notification::Notification;
use crate::object::reply::Reply;
use crate::object::sched_context::SchedContext;
use crate::object::tcb::TcbPtr;
use crate::tests::machine::{Machine, TICKS_PER_US};
use crate::tests::objects::Thread;

/// A machine with something of everything, in order.
pub struct Scene {
    pub m: Machine,
    /// Stopped, with a scheduling context.
    pub idle: Thread,
    /// Stopped, without one.
    pub bare: Thread,
    /// Can run, but has a low priority.
    pub ready: Thread,
    /// Waits for budget.
    pub late: Thread,
    /// Waits for a message, with a reply object.
    pub server: Thread,
    /// Waits for a signal.
    pub waiter: Thread,
    /// Where the server waits.
    pub endpoint: u64,
    pub reply: u64,
    /// Where the waiter waits.
    pub notification: u64,
    /// Nobody uses these.
    pub free_endpoint: u64,
    pub free_notification: u64,
    pub free_reply: u64,
    pub free_context: u64,
}

impl Scene {
    fn new() -> Scene {
        let mut m = Machine::new();
        m.checking = false;
        let late = m.thread(40);
        m.configure_context(late.context, 30, 1_000);
        m.ok(late.cap, Label::TcbResume, &[], &[]);
        m.root_priority(0);
        m.tick(30 * TICKS_PER_US);
        m.root_priority(255);
        let (endpoint, reply) = (m.endpoint(), m.reply());
        let server = m.server(30, endpoint, reply);
        let notification = m.notification();
        let waiter = m.started(30);
        m.run_until(waiter.tcb, |m| m.wait(notification));
        let (idle, bare, ready) = (m.thread(20), m.thread_without_context(20), m.started(20));
        let (free_endpoint, free_notification, free_reply) = (m.endpoint(), m.notification(), m.reply());
        let free_context = m.context();
        m.checking = true;
        check(&m);
        Scene {
            m,
            idle,
            bare,
            ready,
            late,
            server,
            waiter,
            endpoint,
            reply,
            notification,
            free_endpoint,
            free_notification,
            free_reply,
            free_context,
        }
    }

    pub fn slot(&self, cptr: u64) -> KernelPtr<Slot> {
        self.m.slot(cptr)
    }

    pub fn endpoint_of(&self, cptr: u64) -> KernelPtr<Endpoint> {
        let Cap::Endpoint(endpoint) = self.m.cap(cptr) else { panic!("no endpoint") };
        endpoint.object
    }

    pub fn notification_of(&self, cptr: u64) -> KernelPtr<Notification> {
        let Cap::Notification(notification) = self.m.cap(cptr) else { panic!("no notification") };
        notification.object
    }

    pub fn reply_of(&self, cptr: u64) -> KernelPtr<Reply> {
        let Cap::Reply(reply) = self.m.cap(cptr) else { panic!("no reply object") };
        reply.object
    }

    pub fn context_of(&self, cptr: u64) -> KernelPtr<SchedContext> {
        let Cap::SchedContext(context) = self.m.cap(cptr) else { panic!("no scheduling context") };
        context.object
    }

    /// Memory in which no object lives, as an object.
    pub fn nowhere<T>(&self) -> KernelPtr<T> {
        let Cap::Untyped(pool) = self.m.cap(self.m.pool) else { panic!("no untyped") };
        let end = pool.base.0 + pool.size() - 4096;
        // SAFETY: free memory of the arena; all of it is zero.
        unsafe { KernelPtr::from_phys(PhysAddr(end)) }
    }
}

/// A word of an object, whatever it means.
pub fn word<T>(object: KernelPtr<T>, index: usize) -> &'static Cell<u64> {
    // SAFETY: memory of the arena; the index lies inside the object.
    unsafe { object.cast::<Cell<u64>>().element(index) }.get()
}

/// Breaks something and expects the complaint to contain these words.
#[track_caller]
fn complains(words: &str, corrupt: fn(&mut Scene)) {
    let mut scene = Scene::new();
    corrupt(&mut scene);
    let result = panic::catch_unwind(AssertUnwindSafe(|| check(&scene.m)));
    let payload = result.expect_err("the checker finds nothing wrong");
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default();
    assert!(text.contains(words), "expected {words:?}, not {text:?}");
}

/// A test for each name: what the checker says, and what makes it say so.
macro_rules! complaints {
    ($($name:ident: $words:literal, $corrupt:expr;)+) => {
        $(
            #[test]
            #[cfg_attr(miri, ignore = "about a hundred boots; the corrupt states are not those of a kernel")]
            fn $name() {
                super::complains($words, $corrupt);
            }
        )+
    };
}
use complaints;

/// Of what is gone or was never there, a thread.
fn no_thread(scene: &Scene) -> TcbPtr {
    scene.nowhere()
}
