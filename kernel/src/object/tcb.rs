//! Threads.
use core::cell::Cell;

use sel_abi::{CapRights, Register, TCB_SLOTS};

use super::endpoint::{self, Endpoint};
use super::notification::Notification;
use super::reply::Reply;
use super::sched_context::SchedContext;
use crate::addr::{KernelPtr, PhysAddr};
use crate::arch::{self, Context, FpuState};
use crate::cap::{Cap, Slot, delete};
use crate::dump::Name;
use crate::error::Preempted;
use crate::fault::Fault;
use crate::ipc;
use crate::queue::{Links, Node};
use crate::state::Kernel;
use crate::trace;

/// A pointer to a thread.
pub type TcbPtr = KernelPtr<Tcb>;

/// Bytes of a TCB object at least.
pub const TCB_BYTES: u64 = 1 << 11;
/// log2 of the bytes of a TCB object where AVX registers are saved (abi.md 3.2).
pub const LARGE_TCB_BITS: u8 = 12;

/// What a thread is doing (abi.md 9.1). Zeroed memory is an inactive thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum ThreadState {
    /// Stopped.
    Inactive = 0,
    /// Runs when it is scheduled.
    Running,
    /// Executes the interrupted instruction again when it is scheduled.
    Restart,
    /// Waits for a message.
    BlockedOnReceive {
        /// Where.
        endpoint: KernelPtr<Endpoint>,
        /// The reply object it brought along; the object points back.
        reply: Option<KernelPtr<Reply>>,
    },
    /// Waits for a receiver.
    BlockedOnSend {
        /// Where.
        endpoint: KernelPtr<Endpoint>,
        /// How it sends.
        send: SendMode,
    },
    /// Waits for a reply.
    BlockedOnReply {
        /// The object through which it will be answered.
        reply: KernelPtr<Reply>,
    },
    /// Waits for a signal.
    BlockedOnNotification {
        /// Where.
        notification: KernelPtr<Notification>,
    },
}

/// The capability through which a thread sends, and what for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendMode {
    /// Badge of the capability.
    pub badge: u64,
    /// It may pass capabilities.
    pub can_grant: bool,
    /// The receiver may reply.
    pub can_grant_reply: bool,
    /// A reply is expected.
    pub is_call: bool,
}

/// Which queue a thread's links are in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Queued {
    /// None, or the wait queue that its state names.
    No = 0,
    /// The ready queue of its domain and priority.
    Ready,
    /// The release queue: its budget is used up.
    Release,
}

/// A thread: retyped, zeroed memory of 2 KiB.
#[repr(C, align(64))]
pub struct Tcb {
    /// Capabilities: CSpace root, VSpace root, IPC buffer frame, fault handler, timeout handler.
    slots: [Slot; TCB_SLOTS],
    /// Saved registers.
    pub context: Context,
    /// What it is doing.
    pub state: Cell<ThreadState>,
    /// Why it stopped, until the handler answers.
    pub fault: Cell<Fault>,
    /// Links of a wait queue or the release queue; ready queues use `ready_next` and `ready_previous`.
    pub links: Links<TcbPtr>,
    /// When it began to wait as a sender, in a count of such beginnings.
    pub arrival: Cell<u64>,
    /// The next thread of the ready queue.
    pub ready_next: Cell<Option<TcbPtr>>,
    /// The thread before this one in the ready queue.
    pub ready_previous: Cell<Option<TcbPtr>>,
    /// Processor time to run on.
    pub sched_context: Cell<Option<KernelPtr<SchedContext>>>,
    /// The scheduling context that this thread yielded to, until it runs again.
    pub yield_to: Cell<Option<KernelPtr<SchedContext>>>,
    /// The notification that this thread receives through any endpoint.
    pub bound_notification: Cell<Option<KernelPtr<Notification>>>,
    /// User address of the IPC buffer, 0 = none.
    pub ipc_buffer_address: Cell<u64>,
    /// Priority.
    pub priority: Cell<u8>,
    /// Greatest priority that this thread may give.
    pub mcp: Cell<u8>,
    /// Domain.
    pub domain: Cell<u8>,
    /// Which queue the links are in.
    pub queued: Cell<Queued>,
    /// TCB_SetFlags.
    pub flags: Cell<u64>,
    /// Debug builds: the thread made before this one.
    pub listed_before: Cell<Option<TcbPtr>>,
    /// Debug builds: the thread made behind this one.
    pub listed_behind: Cell<Option<TcbPtr>>,
    /// Name for debug output.
    pub name: Name,
    /// Saved FPU registers. They take more than this type says where AVX is on, and the object is larger then.
    pub fpu: FpuState,
}

const _: () = assert!(size_of::<Tcb>() as u64 <= TCB_BYTES);
const _: () = assert!(core::mem::offset_of!(Tcb, fpu) + arch::fpu::LARGEST_STATE <= 1 << LARGE_TCB_BITS);
const _: () = assert!(core::mem::offset_of!(Tcb, slots) == 0);

impl Node for TcbPtr {
    #[inline]
    fn links(&self) -> &Links<TcbPtr> {
        &self.get().links
    }
}

impl Tcb {
    /// CSpace root.
    #[inline]
    pub fn cspace(&self) -> &Slot {
        &self.slots[0]
    }

    /// VSpace root.
    #[inline]
    pub fn vspace(&self) -> &Slot {
        &self.slots[1]
    }

    /// IPC buffer frame.
    #[inline]
    pub fn buffer(&self) -> &Slot {
        &self.slots[2]
    }

    /// Fault handler.
    #[inline]
    pub fn fault_handler(&self) -> &Slot {
        &self.slots[3]
    }

    /// Timeout handler.
    #[inline]
    pub fn timeout_handler(&self) -> &Slot {
        &self.slots[4]
    }

    /// Waits for a message.
    #[inline]
    pub fn is_receiving(&self) -> bool {
        matches!(self.state.get(), ThreadState::BlockedOnReceive { .. })
    }

    /// Running or Restart.
    #[inline]
    pub fn is_runnable(&self) -> bool {
        matches!(self.state.get(), ThreadState::Running | ThreadState::Restart)
    }

    /// Runnable, with a configured scheduling context whose budget is not used up (abi.md 9.1).
    #[inline]
    pub fn is_schedulable(&self) -> bool {
        self.is_runnable()
            && self.queued.get() != Queued::Release
            && self.sched_context.get().is_some_and(|context| context.is_active())
    }

    /// Stopped: inactive or blocked on anything.
    pub fn is_stopped(&self) -> bool {
        !self.is_runnable()
    }

    /// Blocked on an endpoint, a reply or a notification.
    pub fn is_blocked(&self) -> bool {
        self.is_stopped() && self.state.get() != ThreadState::Inactive
    }

    /// The FPU must not be used.
    #[inline]
    pub fn fpu_disabled(&self) -> bool {
        self.flags.get() & sel_abi::TCB_FLAG_FPU_DISABLED != 0
    }

    /// The kernel's view of the IPC buffer, as 128 words; None if there is none that may be read (`write` false) or
    /// written (`write` true), abi.md 2.7.
    #[inline]
    pub fn ipc_buffer(&self, write: bool) -> Option<&'static [Cell<u64>; 128]> {
        let address = self.ipc_buffer_address.get();
        let needed = if write { CapRights::READ_WRITE } else { CapRights::READ };
        let (base, size) = self.buffer().buffer_memory(needed).filter(|_| address != 0)?;
        let offset = address & ((1 << size.bits()) - 1);
        // SAFETY: the frame is RAM that the capability keeps from being reused; the buffer address is a multiple of its
        // size (checked when it was set), so all of it lies inside the frame. Users may write it at any time, as into
        // the cells that it is read as.
        Some(unsafe { KernelPtr::<[Cell<u64>; 128]>::from_phys(PhysAddr(base.0 + offset)) }.get())
    }
}

impl TcbPtr {
    /// The first of the five slots, which a zombie counts down.
    #[inline]
    pub fn first_slot(self) -> KernelPtr<Slot> {
        // SAFETY: the slots stand at the start of the TCB.
        unsafe { self.cast() }
    }

    /// One of the five slots, as a place in the derivation tree.
    pub fn slot_ptr(self, slot: TcbSlot) -> KernelPtr<Slot> {
        // SAFETY: there are five slots, and the enum has no more values.
        unsafe { self.first_slot().element(slot as usize) }
    }
}

/// The capabilities of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TcbSlot {
    /// CSpace root.
    CSpace = 0,
    /// VSpace root.
    VSpace = 1,
    /// IPC buffer frame.
    Buffer = 2,
    /// Fault handler.
    FaultHandler = 3,
    /// Timeout handler.
    TimeoutHandler = 4,
}

/// Makes zeroed memory a thread (abi.md 7.2).
pub fn init(k: &mut Kernel, tcb: TcbPtr) {
    k.list_thread(tcb);
    tcb.context.init();
    arch::fpu_init(&tcb.fpu);
    tcb.state.set(ThreadState::Inactive);
    tcb.fault.set(Fault::None);
    tcb.domain.set(k.sched.domain());
    if cfg!(feature = "debug")
        && let Some(creator) = k.current
    {
        tcb.name.set_child_of(&creator.name);
        trace::name(tcb);
    }
}

/// Stops a thread; it continues behind the system call it was in, or executes it again if it was blocked (abi.md 9.2).
pub fn suspend(k: &mut Kernel, tcb: TcbPtr) {
    ipc::cancel(k, tcb);
    super::sched_context::cancel_yield_to_of(tcb);
    if tcb.state.get() == ThreadState::Running {
        tcb.context.commit();
    }
    tcb.state.set(ThreadState::Inactive);
    k.dequeue(tcb);
}

/// Starts a stopped thread at its restart address (abi.md 9.2).
pub fn resume(k: &mut Kernel, tcb: TcbPtr) {
    if tcb.is_runnable() {
        return;
    }
    ipc::cancel(k, tcb);
    tcb.state.set(ThreadState::Restart);
    let Some(context) = tcb.sched_context.get() else { return };
    if context.is_active() {
        context.woken(k);
        if context.has_time(k, 0) {
            k.possible_switch_to(tcb);
        } else {
            k.postpone(context);
        }
    }
}

/// Sets the priority and puts the thread where it belongs now (abi.md 7.3).
pub fn set_priority(k: &mut Kernel, tcb: TcbPtr, priority: u8) {
    match tcb.state.get() {
        ThreadState::BlockedOnReceive { endpoint, .. } => {
            endpoint.queue.remove(tcb);
            tcb.priority.set(priority);
            endpoint.queue.insert(tcb, ipc::goes_before);
        }
        ThreadState::BlockedOnSend { endpoint, send } => {
            endpoint.queue.remove(tcb);
            tcb.priority.set(priority);
            endpoint::enqueue_sender(k, endpoint, tcb, send.badge);
        }
        ThreadState::BlockedOnNotification { notification } => {
            notification.queue.remove(tcb);
            tcb.priority.set(priority);
            notification.queue.insert(tcb, ipc::goes_before);
        }
        _ => {
            let ready = tcb.queued.get() == Queued::Ready;
            if ready {
                k.dequeue(tcb);
            }
            tcb.priority.set(priority);
            if ready || (k.current == Some(tcb) && tcb.is_runnable()) {
                if k.current != Some(tcb) {
                    k.enqueue_head(tcb);
                }
                k.reschedule();
            }
        }
    }
}

/// Destroys a thread except for its slots (abi.md 9.5).
pub fn destroy(k: &mut Kernel, tcb: TcbPtr) {
    super::notification::unbind_thread(tcb);
    if let Some(context) = tcb.sched_context.get() {
        super::sched_context::complete_yield_from(k, context);
        super::sched_context::unbind_thread(k, context);
    }
    suspend(k, tcb);
    k.fpu_forget(tcb);
    k.unlist_thread(tcb);
}

/// Replaces one of the thread's capabilities by a copy of the one in `source`. The old one must be short to delete, see
/// [`make_room`].
pub fn install(k: &mut Kernel, tcb: TcbPtr, which: TcbSlot, cap: Cap, source: KernelPtr<Slot>) {
    let slot = tcb.slot_ptr(which);
    delete::delete_short(k, slot);
    // The source may have been deleted by that, with the thread's last hold on it.
    if !cap.is_null() && source.raw().same_object(cap.into()) {
        crate::cap::derive::insert_derived(slot, cap, source);
    }
}

/// Empties a slot of the thread that a new handler shall stand in: the old one may be the last capability to an endpoint
/// that many wait for.
pub fn make_room(k: &mut Kernel, tcb: TcbPtr, which: TcbSlot) -> Result<(), Preempted> {
    delete::delete(k, tcb.slot_ptr(which))
}

/// The registers that carry a received message are those of `tcb`; a received badge goes to `rdi`.
#[inline]
pub fn set_badge(tcb: TcbPtr, badge: u64) {
    tcb.context.set(Register::Rdi, badge);
}
