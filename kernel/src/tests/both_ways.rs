//! Runs system calls and faults both ways, by a fast path and by the general one, from the same state, and compares all of
//! memory and of the kernel's own state.
use std::mem::{MaybeUninit, offset_of};

use sel_abi::registers::{CAP_REGISTER, INFO_REGISTER, SYSCALL_REGISTER};
use sel_abi::{MessageInfo, Syscall};

use super::machine::Machine;
use crate::addr::{KernelPtr, PhysAddr};
use crate::arch::{self, ARENA_BASE, ARENA_BYTES, AddressSpace};
use crate::cap::Slot;
use crate::fault::{self, Fault};
use crate::invoke;
use crate::ipc::direct;
use crate::ipc::fastpath::{self, Width};
use crate::object::irq;
use crate::object::tcb::{Tcb, TcbPtr, ThreadState};
use crate::state::Kernel;
use crate::syscall;

/// How often each way was taken.
#[derive(Clone, Copy, Default, Debug)]
pub struct Taken {
    pub calls: usize,
    pub replies: usize,
    /// Invocations on their short way.
    pub invocations: usize,
    pub faults: usize,
    pub interrupts: usize,
    pub signals: usize,
    pub sends: usize,
    pub waits: usize,
    pub yields: usize,
    pub refused: usize,
}

impl Taken {
    /// So many of a kind are compared in one state: each takes long.
    const ENOUGH: usize = 8;

    /// Calls like this one were compared often enough.
    pub fn has_enough_of(&self, number: u64) -> bool {
        let seen = match Syscall::from_raw(number.cast_signed()) {
            Some(Syscall::Send | Syscall::NbSend) => self.signals.max(self.sends),
            Some(Syscall::Wait | Syscall::NbWait) => self.waits,
            Some(Syscall::Yield) => self.yields,
            _ => return false,
        };
        seen >= Self::ENOUGH || self.refused >= 8 * Self::ENOUGH
    }
}

impl std::ops::Add for Taken {
    type Output = Taken;

    fn add(self, more: Taken) -> Taken {
        Taken {
            calls: self.calls + more.calls,
            replies: self.replies + more.replies,
            invocations: self.invocations + more.invocations,
            faults: self.faults + more.faults,
            interrupts: self.interrupts + more.interrupts,
            signals: self.signals + more.signals,
            sends: self.sends + more.sends,
            waits: self.waits + more.waits,
            yields: self.yields + more.yields,
            refused: self.refused + more.refused,
        }
    }
}

/// All that a kernel entry can change.
struct Snapshot {
    memory: Vec<u64>,
    kernel: Box<MaybeUninit<Kernel>>,
    /// The kernel's state as text: its bytes also hold what nobody reads any more.
    text: String,
    /// States and faults of the threads, for the same reason: in `memory` they are not compared.
    threads: Vec<(TcbPtr, ThreadState, Fault)>,
    space: AddressSpace,
    timer: u64,
    clock: arch::Clock,
}

fn arena() -> &'static [std::cell::Cell<u64>] {
    // SAFETY: the arena is RAM of this size; what lies in it is made of cells.
    unsafe { crate::addr::cells(PhysAddr(ARENA_BASE), ARENA_BYTES as usize / 8) }
}

/// The address lies in the state or the fault of one of the threads.
fn is_of_state(address: u64, threads: &[(TcbPtr, ThreadState, Fault)]) -> bool {
    let fields =
        [(offset_of!(Tcb, state), size_of::<ThreadState>()), (offset_of!(Tcb, fault), size_of::<Fault>())];
    threads.iter().any(|(thread, ..)| {
        let offset = address.wrapping_sub(thread.phys().0) as usize;
        fields.iter().any(|(start, bytes)| (*start..start + bytes).contains(&offset))
    })
}

impl Snapshot {
    fn take(k: &Kernel) -> Snapshot {
        let mut kernel = Box::new(MaybeUninit::uninit());
        // SAFETY: the copy is only ever written back over the original, so that nothing exists twice.
        unsafe { std::ptr::copy_nonoverlapping(k, kernel.as_mut_ptr(), 1) };
        let threads: Vec<TcbPtr> =
            std::iter::successors(k.threads, |thread| thread.listed_before.get()).collect();
        Snapshot {
            memory: arena().iter().map(std::cell::Cell::get).collect(),
            threads: threads.iter().map(|thread| (*thread, thread.state.get(), thread.fault.get())).collect(),
            kernel,
            text: describe(k),
            space: arch::address_space(),
            timer: arch::timer(),
            clock: arch::clock(),
        }
    }

    fn restore(&self, k: &mut Kernel) {
        // SAFETY: see `take`; the kernel's state has no destructor.
        unsafe { std::ptr::copy_nonoverlapping(self.kernel.as_ptr(), k, 1) };
        arena().iter().zip(&self.memory).for_each(|(cell, word)| cell.set(*word));
        arch::set_address_space(self.space);
        arch::set_timer(0, self.timer);
        arch::set_clock(self.clock);
    }

    #[track_caller]
    fn is(&self, other: &Snapshot, what: &str) {
        assert_eq!(self.text, other.text, "{what}");
        assert_eq!((self.space, self.timer, self.clock), (other.space, other.timer, other.clock), "{what}");
        assert_eq!(self.threads, other.threads, "{what}");
        if self.memory == other.memory {
            return;
        }
        for (index, (a, b)) in self.memory.iter().zip(&other.memory).enumerate() {
            let address = ARENA_BASE + index as u64 * 8;
            assert!(
                a == b || is_of_state(address, &self.threads),
                "{what}: {a:#x} and {b:#x} at {address:#x}"
            );
        }
    }
}

fn describe(k: &Kernel) -> String {
    let ready: Vec<Vec<_>> = (0..16).map(|domain| k.sched.ready.iter(domain).collect()).collect();
    let release: Vec<_> = k.sched.release.iter().collect();
    format!(
        "current {:?} context {:?} now {} quiet {} consumed {} action {:?} reprogram {} fpu {:?} arrivals {} {:?} \
         domain {} left {} ready {ready:?} release {release:?}",
        k.current,
        k.current_context,
        k.now,
        k.quiet_until,
        k.consumed(),
        k.action,
        k.reprogram,
        k.fpu_owner,
        k.arrivals,
        k.cancellation,
        k.sched.domain(),
        k.domain_schedule.remaining(),
    )
}

/// Runs the system call of the current thread both ways and compares; the state is as before then.
pub fn compare(m: &mut Machine) -> Taken {
    let thread = m.current();
    let number = thread.context.get(SYSCALL_REGISTER).cast_signed();
    // The narrow fast paths do not read the clock. What it says at this entry is the same for all ways.
    m.k.update_time();
    let (Some(call), true) = (Syscall::from_raw(number), m.k.budget_left()) else { return Taken::default() };
    let slow = |k: &mut Kernel| syscall::slow(k, thread, number);
    let (cptr, info) = (thread.context.get(CAP_REGISTER), MessageInfo(thread.context.get(INFO_REGISTER)));
    let in_time = !m.k.has_to_awaken();
    let mut widths = vec![Width::Narrow];
    widths.extend(in_time.then_some(Width::Wide));
    let refused = Taken { refused: 1, ..Taken::default() };
    // A way that both kinds of fast path take counts once.
    let any = |ways: Vec<Taken>| ways.into_iter().find(|taken| taken.refused == 0).unwrap_or(refused);
    match call {
        Syscall::Call if let Some(slot) = kernel_object(thread, cptr) => {
            if !in_time || m.compared.is_some_and(|sum| sum.invocations >= Taken::ENOUGH) {
                return refused;
            }
            let taken = Taken { invocations: 1, ..Taken::default() };
            both_ways(m, |k| invoke::short(k, thread, slot, info), slow, taken)
        }
        Syscall::Call => any(widths
            .into_iter()
            .map(|width| {
                let taken = Taken { calls: 1, ..Taken::default() };
                let Ok(call) = fastpath::short_call(&m.k, thread, cptr, info, width) else { return refused };
                both_ways(
                    m,
                    |k| {
                        call.perform(k, info, width);
                        true
                    },
                    slow,
                    taken,
                )
            })
            .collect()),
        Syscall::ReplyRecv => any(widths
            .into_iter()
            .map(|width| {
                let taken = Taken { replies: 1, ..Taken::default() };
                let call = fastpath::short_reply_recv(&m.k, thread, cptr, info, width);
                let Ok(call) = call else { return refused };
                both_ways(
                    m,
                    |k| {
                        call.perform(k, info, width);
                        true
                    },
                    slow,
                    taken,
                )
            })
            .collect()),
        Syscall::Yield if in_time => {
            both_ways(m, |k| k.yield_slice(thread), slow, Taken { yields: 1, ..Taken::default() })
        }
        _ if !in_time => refused,
        Syscall::Send | Syscall::NbSend => {
            let Some(slot) = thread.cspace().flat_slot(cptr) else { return refused };
            let taken = match slot.notification() {
                Some(_) => Taken { signals: 1, ..Taken::default() },
                None => Taken { sends: 1, ..Taken::default() },
            };
            both_ways(m, |k| direct::send(k, thread, slot, info), slow, taken)
        }
        Syscall::Wait | Syscall::NbWait => {
            let Some(slot) = thread.cspace().flat_slot(cptr) else { return refused };
            let blocking = call == Syscall::Wait;
            let taken = Taken { waits: 1, ..Taken::default() };
            both_ways(m, |k| direct::wait(k, thread, slot, blocking), slow, taken)
        }
        _ => Taken::default(),
    }
}

/// The slot of a capability whose invocations have a short way.
fn kernel_object(thread: TcbPtr, cptr: u64) -> Option<KernelPtr<Slot>> {
    let is_one =
        |slot: &KernelPtr<Slot>| slot.frame().is_some() || slot.untyped().is_some() || slot.cnode().is_some();
    thread.cspace().flat_slot(cptr).filter(is_one)
}

/// Tells a fault of the current thread both ways and compares; the state is as before then.
pub fn compare_fault(m: &mut Machine, fault: Fault) -> Taken {
    let thread = m.current();
    m.k.update_time();
    if !m.k.budget_left() || m.k.has_to_awaken() {
        return Taken::default();
    }
    let Ok(call) = fastpath::short_fault(&m.k, thread) else {
        return Taken { refused: 1, ..Taken::default() };
    };
    let slow = |k: &mut Kernel| {
        fault::raise(k, thread, fault);
        k.finish();
    };
    both_ways(
        m,
        |k| {
            call.tell(k, fault);
            true
        },
        slow,
        Taken { faults: 1, ..Taken::default() },
    )
}

/// Delivers a device's interrupt both ways and compares; the state is as before then.
pub fn compare_interrupt(m: &mut Machine, vector: u8) -> Taken {
    let thread = m.current();
    m.k.update_time();
    if !m.k.budget_left() || m.k.has_to_awaken() {
        return Taken::default();
    }
    let Some(to) = irq::raised(&m.k, vector) else { return Taken::default() };
    let slow = |k: &mut Kernel| {
        irq::deliver(k, vector);
        k.finish();
    };
    both_ways(
        m,
        |k| direct::signal(k, thread, to.object, to.badge),
        slow,
        Taken { interrupts: 1, ..Taken::default() },
    )
}

/// `fast` says whether it did anything.
fn both_ways(
    m: &mut Machine,
    fast: impl FnOnce(&mut Kernel) -> bool,
    slow: impl FnOnce(&mut Kernel),
    taken: Taken,
) -> Taken {
    let before = Snapshot::take(&m.k);
    let done = fast(&mut m.k);
    let after = Snapshot::take(&m.k);
    if !done {
        after.is(&before, "a fast path that was not taken");
        return Taken { refused: 1, ..Taken::default() };
    }
    before.restore(&mut m.k);
    slow(&mut m.k);
    after.is(&Snapshot::take(&m.k), "fast and slow path");
    before.restore(&mut m.k);
    taken
}
