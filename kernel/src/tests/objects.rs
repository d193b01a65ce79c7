//! Shorthand for what tests do all the time: making objects, copying capabilities, starting threads.
use sel_abi::bootinfo::slot;
use sel_abi::{CapRights, Error, Label, ObjectType, Syscall};

use super::machine::{Machine, NEXT_IP};
use crate::cap::Cap;
use crate::object::tcb::TcbPtr;

/// The root CNode, as an invoked capability and as a root for lookups.
pub const ROOT: u64 = slot::INIT_THREAD_CNODE;
/// The root task's own TCB.
pub const OWN_TCB: u64 = slot::INIT_THREAD_TCB;
/// The root task's address space.
pub const VSPACE: u64 = slot::INIT_THREAD_VSPACE;
/// The root task's scheduling context.
pub const OWN_SC: u64 = slot::INIT_THREAD_SC;
/// The SchedControl capability of core 0.
pub const SCHED_CONTROL: u64 = slot::FIRST_DYNAMIC;
/// Where the threads of tests have their IPC buffers.
const BUFFER_BASE: u64 = 0x1000_0000;

/// A thread of a test, and the capabilities that made it.
#[derive(Clone, Copy, Debug)]
pub struct Thread {
    pub tcb: TcbPtr,
    pub cap: u64,
    pub context: u64,
    pub buffer: u64,
}

impl Machine {
    // ---- slots and objects ----

    /// An empty slot of the root CNode.
    pub fn free_slot(&mut self) -> u64 {
        self.free_slots(1)
    }

    /// The first of some empty slots.
    pub fn free_slots(&mut self, count: u64) -> u64 {
        let first = self.next_slot;
        self.next_slot += count;
        assert!(self.next_slot <= self.info.empty.end, "the root CNode is full");
        first
    }

    /// Makes objects out of an untyped; the first of their slots.
    #[track_caller]
    pub fn retype(&mut self, untyped: u64, object: ObjectType, bits: u64, count: u64) -> u64 {
        let first = self.free_slots(count);
        self.ok(untyped, Label::UntypedRetype, &[object.raw(), bits, 0, 0, first, count], &[ROOT]);
        first
    }

    /// Makes one object out of the pool.
    #[track_caller]
    pub fn object(&mut self, object: ObjectType) -> u64 {
        self.retype(self.pool, object, 0, 1)
    }

    /// Makes one object of this size out of the pool.
    #[track_caller]
    pub fn sized(&mut self, object: ObjectType, bits: u64) -> u64 {
        self.retype(self.pool, object, bits, 1)
    }

    pub fn endpoint(&mut self) -> u64 {
        self.object(ObjectType::Endpoint)
    }

    pub fn notification(&mut self) -> u64 {
        self.object(ObjectType::Notification)
    }

    pub fn reply(&mut self) -> u64 {
        self.object(ObjectType::Reply)
    }

    // ---- CNode operations on the root CNode ----

    /// Copies a capability with all rights to a new slot.
    #[track_caller]
    pub fn copy(&mut self, from: u64) -> u64 {
        self.copy_with(from, CapRights::ALL)
    }

    #[track_caller]
    pub fn copy_with(&mut self, from: u64, rights: CapRights) -> u64 {
        let to = self.free_slot();
        self.ok(ROOT, Label::CNodeCopy, &[to, 64, from, 64, rights.bits()], &[ROOT]);
        to
    }

    #[track_caller]
    pub fn mint(&mut self, from: u64, rights: CapRights, badge: u64) -> u64 {
        let to = self.free_slot();
        self.ok(ROOT, Label::CNodeMint, &[to, 64, from, 64, rights.bits(), badge], &[ROOT]);
        to
    }

    /// Moves a capability to a slot of another CNode, whose slots are named at `depth`.
    #[track_caller]
    pub fn move_into(&mut self, cnode: u64, index: u64, depth: u64, from: u64) {
        self.ok(cnode, Label::CNodeMove, &[index, depth, from, 64], &[ROOT]);
    }

    #[track_caller]
    pub fn delete(&mut self, cptr: u64) {
        self.ok(ROOT, Label::CNodeDelete, &[cptr, 64], &[]);
    }

    #[track_caller]
    pub fn revoke(&mut self, cptr: u64) {
        self.ok(ROOT, Label::CNodeRevoke, &[cptr, 64], &[]);
    }

    // ---- threads ----

    /// Configures a scheduling context; budget and period in microseconds.
    #[track_caller]
    pub fn configure_context(&mut self, context: u64, budget_us: u64, period_us: u64) {
        self.configure_full(context, [budget_us, period_us, 0, 0, 0]);
    }

    /// Budget, period, extra refills, badge, flags.
    #[track_caller]
    pub fn configure_full(&mut self, context: u64, words: [u64; 5]) {
        self.ok(SCHED_CONTROL, Label::SchedControlConfigureFlags, &words, &[context]);
    }

    /// A scheduling context of 2^8 bytes, round robin.
    #[track_caller]
    pub fn context(&mut self) -> u64 {
        let context = self.sized(ObjectType::SchedContext, 8);
        self.configure_context(context, 5_000, 5_000);
        context
    }

    /// A thread with its own scheduling context and IPC buffer, in the root task's spaces; not started.
    #[track_caller]
    pub fn thread(&mut self, priority: u64) -> Thread {
        let context = self.context();
        let thread = self.thread_without_context(priority);
        self.ok(context, Label::SchedContextBind, &[], &[thread.cap]);
        Thread { context, ..thread }
    }

    /// As [`Machine::thread`], without a scheduling context.
    #[track_caller]
    pub fn thread_without_context(&mut self, priority: u64) -> Thread {
        let cap = self.object(ObjectType::Tcb);
        let buffer = self.object(ObjectType::Page);
        let address = BUFFER_BASE + buffer * 4096;
        self.ok(cap, Label::TcbConfigure, &[0, 0, address], &[ROOT, VSPACE, buffer]);
        self.ok(cap, Label::TcbSetPriority, &[priority], &[OWN_TCB]);
        self.ok(cap, Label::TcbWriteRegisters, &[0, 1, NEXT_IP], &[]);
        let Cap::Tcb(tcb) = self.cap(cap) else { panic!("no TCB") };
        Thread { tcb, cap, context: 0, buffer }
    }

    /// A thread that runs as soon as it has the highest priority.
    #[track_caller]
    pub fn started(&mut self, priority: u64) -> Thread {
        let thread = self.thread(priority);
        self.ok_switching(thread.cap, Label::TcbResume, &[], &[]);
        thread
    }

    /// A thread that waits for a message on `endpoint` with `reply`, on its own scheduling context.
    #[track_caller]
    pub fn server(&mut self, priority: u64, endpoint: u64, reply: u64) -> Thread {
        let server = self.started(priority);
        self.run_until(server.tcb, |m| m.recv(endpoint, reply));
        server
    }

    /// A thread that waits for a message and has no scheduling context.
    #[track_caller]
    pub fn passive_server(&mut self, priority: u64, endpoint: u64, reply: u64) -> Thread {
        let server = self.server(priority, endpoint, reply);
        self.ok(server.context, Label::SchedContextUnbind, &[], &[]);
        server
    }

    /// An invocation after which another thread may run; it must not have been refused.
    #[track_caller]
    pub fn ok_switching(&mut self, cap: u64, label: Label, words: &[u64], caps: &[u64]) {
        let caller = self.current();
        let reply = self.call(cap, label, words, caps);
        if self.current() == caller {
            assert_eq!(Error::from_raw(reply.label), Some(Error::NoError), "{label:?}: {reply:x?}");
        }
    }

    /// Lets the root task, which has the highest priority, stand aside until `thread` runs; does something there, and
    /// lets the root task go on.
    #[track_caller]
    pub fn run_until(&mut self, thread: TcbPtr, act: impl FnOnce(&mut Machine)) {
        let root = self.root;
        if self.current() != thread {
            assert_eq!(self.current(), root);
            self.root_priority(0);
        }
        assert_eq!(self.current(), thread, "the thread has to run now");
        act(self);
        if self.current() != root {
            panic!("the root task has to run again");
        }
        self.root_priority(255);
        assert_eq!(self.current(), root);
    }

    /// Sets the priority of the root task, which must be current.
    #[track_caller]
    pub fn root_priority(&mut self, priority: u64) {
        assert_eq!(self.current(), self.root);
        self.ok_switching(OWN_TCB, Label::TcbSetPriority, &[priority], &[OWN_TCB]);
    }

    /// Polls for a message without a reply object.
    pub fn poll(&mut self, cap: u64) {
        self.receive(Syscall::NbWait, cap, 0);
    }
}
