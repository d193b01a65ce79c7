//! Tracing: what happens in the kernel, one record for each event, in a ring of each core (docs/tracing.md).
//!
//! Each function here records one kind of event ([`Kind`]). In a kernel that was built without the feature `trace` none
//! of them does anything, and no instruction is left of them.

mod ring;

pub use ring::Ring;

use sel_abi::registers::{CAP_REGISTER, INFO_REGISTER, SYSCALL_REGISTER};
use sel_abi::trace::{self, Kind, Left, NAME_BYTES, RING_BITS, Record, Route, ThreadId};
use sel_abi::{MessageInfo, Register};

use crate::addr::{KernelPtr, PhysAddr};
use crate::arch;
use crate::boot::memory_pool::{self, OutOfMemory};
use crate::boot::region::RegionList;
use crate::cap::UntypedCap;
use crate::fault::Fault;
use crate::object::endpoint::Endpoint;
use crate::object::notification::Notification;
use crate::object::tcb::{TcbPtr, ThreadState};
use crate::state::Kernel;

/// This kernel traces.
const ON: bool = cfg!(feature = "trace");

const _: () = assert!(crate::object::tcb::TCB_BYTES == 1 << trace::THREAD_BITS);
const _: () = assert!(crate::dump::NAME_BYTES == NAME_BYTES);

/// The memory of the boot core's ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory(PhysAddr);

impl Memory {
    /// Physical address.
    pub fn paddr(self) -> u64 {
        self.0.0
    }

    /// The capability to it. Device memory is never cleared, and is given to nobody who asks for just any memory.
    pub fn untyped(self) -> UntypedCap {
        UntypedCap { base: self.0, size_bits: RING_BITS, device: true, watermark: 0 }
    }
}

/// Begins to record, in memory that is taken from `ram`. None in a kernel that does not trace.
pub fn open(ram: &mut RegionList) -> Result<Option<Memory>, OutOfMemory> {
    if !ON {
        return Ok(None);
    }
    let memory = memory_pool::take(ram, 1 << RING_BITS, 1 << RING_BITS)?;
    log::info!("trace: ring of {} KiB at {:#x}", trace::RING_BYTES / 1024, memory.0);
    #[cfg(feature = "trace")]
    // SAFETY: the memory was taken for the ring; users get it as device memory, in which no object can be made.
    arch::with_trace_ring(|ring| unsafe { ring.open(memory, 0, arch::tsc_hz()) });
    Ok(Some(Memory(memory)))
}

/// Out of line: there are many places that record, and each stays small.
#[inline(never)]
fn record(kind: Kind, detail: u64, thread: ThreadId, words: [u64; 2]) {
    let record = Record { time: arch::now(), kind: kind.raw(), detail: detail as u16, thread, words };
    #[cfg(feature = "trace")]
    arch::with_trace_ring(|ring| ring.event(record));
    #[cfg(not(feature = "trace"))]
    let _ = record;
}

#[inline(always)]
fn id(thread: TcbPtr) -> ThreadId {
    (thread.phys().0 >> trace::THREAD_BITS) as ThreadId
}

#[inline(always)]
fn id_or_none(thread: Option<TcbPtr>) -> ThreadId {
    thread.map_or(0, id)
}

/// A system call enters the kernel.
#[inline(always)]
pub fn syscall(thread: TcbPtr) {
    if ON {
        let [number, cptr, info] =
            [SYSCALL_REGISTER, CAP_REGISTER, INFO_REGISTER].map(|register| thread.context.get(register));
        record(Kind::Syscall, number, id(thread), [cptr, info]);
    }
}

/// An exception enters the kernel; `address` is CR2.
#[inline(always)]
pub fn exception(k: &Kernel, vector: u64, address: u64) {
    entry(k, Kind::Exception, vector, |_| address);
}

/// An interrupt enters the kernel.
#[inline(always)]
pub fn interrupt(k: &Kernel, vector: u64) {
    entry(k, Kind::Interrupt, vector, |_| 0);
}

/// `int N` enters the kernel.
#[inline(always)]
pub fn software_interrupt(k: &Kernel, vector: u64) {
    entry(k, Kind::SoftwareInterrupt, vector, |thread| thread.context.get(Register::Rax));
}

#[inline(always)]
fn entry(k: &Kernel, kind: Kind, vector: u64, second: impl FnOnce(TcbPtr) -> u64) {
    if ON && let Some(thread) = k.current {
        record(kind, vector, id(thread), [thread.context.get(Register::Rip), second(thread)]);
    }
}

/// The kernel is left.
#[inline(always)]
pub fn exit(k: &Kernel) {
    if ON {
        record(Kind::Exit, 0, id_or_none(k.current), [0; 2]);
    }
}

/// The core goes over from a thread to another.
#[inline(always)]
pub fn switch(from: Option<TcbPtr>, to: Option<TcbPtr>) {
    if ON {
        let left = from.map_or(Left::Nobody, |thread| left(thread.state.get()));
        let priority = to.map_or(0, |thread| u64::from(thread.priority.get()));
        record(Kind::Switch, left.raw().into(), id_or_none(to), [id_or_none(from).into(), priority]);
    }
}

fn left(state: ThreadState) -> Left {
    match state {
        ThreadState::Inactive => Left::Inactive,
        ThreadState::Running => Left::Running,
        ThreadState::Restart => Left::Restart,
        ThreadState::BlockedOnReceive { .. } => Left::Receive,
        ThreadState::BlockedOnSend { .. } => Left::Send,
        ThreadState::BlockedOnReply { .. } => Left::Reply,
        ThreadState::BlockedOnNotification { .. } => Left::Notification,
    }
}

/// A message is delivered, through an endpoint or as an answer.
#[inline(always)]
pub fn message(
    sender: TcbPtr,
    receiver: TcbPtr,
    endpoint: Option<KernelPtr<Endpoint>>,
    badge: u64,
    info: MessageInfo,
) {
    if ON {
        let endpoint = endpoint.map_or(0, |endpoint| endpoint.phys().0);
        let route = Route { receiver: id(receiver), endpoint };
        record(Kind::Message, info.length() as u64, id(sender), [route.raw(), badge]);
    }
}

/// A thread faults.
#[inline(always)]
pub fn fault(thread: TcbPtr, fault: &Fault) {
    if ON {
        let about = match *fault {
            Fault::None => 0,
            Fault::Cap { address, .. } | Fault::Vm { address, .. } => address,
            Fault::UnknownSyscall { number } => number,
            Fault::Exception { vector, .. } => vector.into(),
            Fault::Debug { reason } => reason.raw(),
            Fault::Timeout { badge, .. } => badge,
        };
        record(Kind::Fault, fault.kind().raw(), id(thread), [about, thread.context.restart_ip()]);
    }
}

/// An interrupt is taken.
#[inline(always)]
pub fn irq(k: &Kernel, vector: u8) {
    if ON {
        record(Kind::Irq, vector.into(), id_or_none(k.current), [0; 2]);
    }
}

/// A notification is signalled.
#[inline(always)]
pub fn signal(k: &Kernel, notification: KernelPtr<Notification>, badge: u64) {
    if ON {
        record(Kind::Signal, 0, id_or_none(k.current), [notification.phys().0, badge]);
    }
}

/// The core begins to wait for an interrupt.
#[inline(always)]
pub fn idle() {
    if ON {
        record(Kind::Idle, 0, 0, [0; 2]);
    }
}

/// An interrupt ends the wait.
#[inline(always)]
pub fn awake() {
    if ON {
        record(Kind::Awake, 0, 0, [0; 2]);
    }
}

/// A thread got a name.
pub fn name(thread: TcbPtr) {
    if !ON {
        return;
    }
    let bytes = thread.name.bytes();
    for (part, half) in (0..).zip(bytes.as_chunks::<16>().0) {
        let half = u128::from_le_bytes(*half);
        let words = [half as u64, (half >> 64) as u64];
        let kind = Kind::Name.raw();
        let record = Record { time: arch::now(), kind, detail: part, thread: id(thread), words };
        #[cfg(feature = "trace")]
        arch::with_trace_ring(|ring| ring.name(record));
        #[cfg(not(feature = "trace"))]
        let _ = record;
    }
}
