//! The fast paths leave exactly the state that the slow path leaves: both are run from the same state, and all of memory
//! and of the kernel's own state is compared.
use std::mem::{MaybeUninit, offset_of};

use sel_abi::registers::{CAP_REGISTER, INFO_REGISTER, SYSCALL_REGISTER};
use sel_abi::{CapRights, Label, MessageInfo, Syscall};

use super::machine::{Machine, msg};
use super::objects::ROOT;
use crate::addr::PhysAddr;
use crate::arch::{self, ARENA_BASE, ARENA_BYTES, AddressSpace};
use crate::fault::Fault;
use crate::ipc::fastpath;
use crate::object::tcb::{Tcb, TcbPtr, ThreadState};
use crate::state::Kernel;
use crate::syscall;

/// How often each way was taken.
#[derive(Clone, Copy, Default, Debug)]
pub struct Taken {
    pub calls: usize,
    pub replies: usize,
    pub refused: usize,
}

impl std::ops::Add for Taken {
    type Output = Taken;

    fn add(self, more: Taken) -> Taken {
        Taken {
            calls: self.calls + more.calls,
            replies: self.replies + more.replies,
            refused: self.refused + more.refused,
        }
    }
}

/// All that a kernel entry can change.
struct Snapshot {
    /// What is compared of the arena.
    memory: Vec<u64>,
    /// All of it.
    whole: Vec<u64>,
    kernel: Box<MaybeUninit<Kernel>>,
    /// The kernel's state as text: its bytes also hold what nobody reads any more.
    text: String,
    /// States and faults of the threads, for the same reason: they are no part of `memory`.
    threads: Vec<(TcbPtr, ThreadState, Fault)>,
    space: AddressSpace,
    timer: u64,
}

fn arena() -> &'static [std::cell::Cell<u64>] {
    // SAFETY: the arena is RAM of this size; what lies in it is made of cells.
    unsafe { crate::addr::cells(PhysAddr(ARENA_BASE), ARENA_BYTES as usize / 8) }
}

/// The words of the arena, without the states and faults of the threads.
fn memory_without(threads: &[TcbPtr]) -> Vec<u64> {
    let mut memory: Vec<u64> = arena().iter().map(std::cell::Cell::get).collect();
    for thread in threads {
        let tcb = (thread.phys().0 - ARENA_BASE) as usize;
        for (offset, bytes) in
            [(offset_of!(Tcb, state), size_of::<ThreadState>()), (offset_of!(Tcb, fault), size_of::<Fault>())]
        {
            memory[(tcb + offset) / 8..(tcb + offset + bytes) / 8].fill(0);
        }
    }
    memory
}

impl Snapshot {
    fn take(k: &Kernel) -> Snapshot {
        let mut kernel = Box::new(MaybeUninit::uninit());
        // SAFETY: the copy is only ever written back over the original, so that nothing exists twice.
        unsafe { std::ptr::copy_nonoverlapping(k, kernel.as_mut_ptr(), 1) };
        let threads: Vec<TcbPtr> =
            std::iter::successors(k.threads, |thread| thread.listed_before.get()).collect();
        Snapshot {
            memory: memory_without(&threads),
            whole: arena().iter().map(std::cell::Cell::get).collect(),
            threads: threads.iter().map(|thread| (*thread, thread.state.get(), thread.fault.get())).collect(),
            kernel,
            text: describe(k),
            space: arch::address_space(),
            timer: arch::timer(),
        }
    }

    fn restore(&self, k: &mut Kernel) {
        // SAFETY: see `take`; the kernel's state has no destructor.
        unsafe { std::ptr::copy_nonoverlapping(self.kernel.as_ptr(), k, 1) };
        arena().iter().zip(&self.whole).for_each(|(cell, word)| cell.set(*word));
        arch::set_address_space(self.space);
        arch::set_timer(0, self.timer);
    }

    #[track_caller]
    fn is(&self, other: &Snapshot, what: &str) {
        assert_eq!(self.text, other.text, "{what}");
        assert_eq!((self.space, self.timer), (other.space, other.timer), "{what}");
        assert_eq!(self.threads, other.threads, "{what}");
        let differs = self.memory.iter().zip(&other.memory).position(|(a, b)| a != b);
        if let Some(index) = differs {
            let address = ARENA_BASE + index as u64 * 8;
            panic!("{what}: {:#x} and {:#x} at {address:#x}", self.memory[index], other.memory[index]);
        }
    }
}

fn describe(k: &Kernel) -> String {
    let ready: Vec<Vec<_>> = (0..16).map(|domain| k.sched.ready.iter(domain).collect()).collect();
    let release: Vec<_> = k.sched.release.iter().collect();
    format!(
        "current {:?} context {:?} now {} consumed {} action {:?} reprogram {} fpu {:?} arrivals {} {:?} \
         domain {} left {} ready {ready:?} release {release:?}",
        k.current,
        k.current_context,
        k.now,
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
    let call = Syscall::from_raw(thread.context.get(SYSCALL_REGISTER).cast_signed());
    // The fast paths do not read the clock. What it says at this entry is the same for both.
    m.k.update_time();
    if !m.k.budget_left() {
        return Taken::default();
    }
    let (cptr, info) = (thread.context.get(CAP_REGISTER), MessageInfo(thread.context.get(INFO_REGISTER)));
    // A way that both kinds of fast path take counts once.
    let mut found = Taken { refused: 1, ..Taken::default() };
    for crowd in [false, true] {
        match call {
            Some(Syscall::Call) => {
                if let Ok(call) = fastpath::short_call(&m.k, thread, cptr, info, crowd) {
                    found = both_ways(m, |k| call.perform(k, crowd), Taken { calls: 1, ..Taken::default() });
                }
            }
            Some(Syscall::ReplyRecv) => {
                if let Ok(call) = fastpath::short_reply_recv(&m.k, thread, cptr, info, crowd) {
                    found =
                        both_ways(m, |k| call.perform(k, crowd), Taken { replies: 1, ..Taken::default() });
                }
            }
            _ => return Taken::default(),
        }
    }
    found
}

fn both_ways(m: &mut Machine, fast: impl FnOnce(&mut Kernel), taken: Taken) -> Taken {
    let thread = m.current();
    let before = Snapshot::take(&m.k);
    fast(&mut m.k);
    let after = Snapshot::take(&m.k);
    before.restore(&mut m.k);
    let number = thread.context.get(SYSCALL_REGISTER).cast_signed();
    syscall::slow(&mut m.k, thread, number);
    after.is(&Snapshot::take(&m.k), "fast and slow path");
    before.restore(&mut m.k);
    taken
}

/// The root task as the client of a passive server: endpoint, badged capability with these rights, reply object.
fn pair(rights: CapRights) -> (Machine, u64, u64, u64) {
    let mut m = Machine::new();
    let (endpoint, reply) = (m.endpoint(), m.reply());
    m.passive_server(200, endpoint, reply);
    // The host port cannot idle.
    m.started(1);
    let cap = m.mint(endpoint, rights, 0x77);
    m.root_priority(150);
    (m, endpoint, cap, reply)
}

#[test]
fn a_call_and_its_answer_take_the_fast_path() {
    for words in 0..=4 {
        let (mut m, endpoint, cap, reply) = pair(CapRights::WRITE | CapRights::GRANT_REPLY);
        m.compared = Some(Taken::default());
        let message = [1, 2, 3, 4];
        m.call_ipc(cap, msg(9, &message[..words]));
        let got = m.reply_of(m.current());
        assert_eq!((got.badge, got.label, &got.words[..]), (0x77, 9, &message[..words]));
        m.reply_recv(endpoint, reply, msg(5, &message[..4 - words]));
        assert_eq!(m.current(), m.root);
        assert_eq!(m.reply_of(m.root).words, message[..4 - words]);
        let taken = m.compared.unwrap();
        assert_eq!((taken.calls, taken.replies, taken.refused), (1, 1, 0));
    }
}

#[test]
fn what_is_unusual_takes_the_slow_path() {
    // Five words, a capability, no right to an answer, a server with time of its own, a higher thread that is ready.
    let cases: [fn(&mut Machine, u64); 3] = [
        |m, cap| m.call_ipc(cap, msg(0, &[1, 2, 3, 4, 5])),
        |m, cap| m.call_ipc(cap, super::machine::Msg { label: 0, words: &[], caps: &[ROOT] }),
        |m, cap| {
            let without = m.copy_with(cap, CapRights::WRITE);
            m.compared = Some(Taken::default());
            m.call_ipc(without, msg(0, &[]));
        },
    ];
    for case in cases {
        let (mut m, _, cap, _) = pair(CapRights::ALL);
        m.compared = Some(Taken::default());
        case(&mut m, cap);
        let taken = m.compared.unwrap();
        assert_eq!((taken.calls, taken.refused), (0, 1));
    }
    let mut m = Machine::new();
    let (endpoint, reply) = (m.endpoint(), m.reply());
    let server = m.server(200, endpoint, reply);
    m.compared = Some(Taken::default());
    m.call_ipc(endpoint, msg(0, &[]));
    assert_eq!(m.compared.unwrap().refused, 1);
    assert_eq!(m.current(), server.tcb);
    let mut m = Machine::new();
    let (endpoint, reply) = (m.endpoint(), m.reply());
    let server = m.passive_server(100, endpoint, reply);
    m.started(120);
    m.compared = Some(Taken::default());
    m.call_ipc(endpoint, msg(0, &[]));
    assert_eq!(m.compared.unwrap().refused, 1);
    assert_eq!(server.tcb.state.get(), ThreadState::Running);
    assert_ne!(m.current(), server.tcb);
}

/// Calls through servers that call servers, and back.
#[test]
fn stacks_of_calls_are_the_same_both_ways() {
    let mut m = Machine::new();
    let levels: Vec<(u64, u64)> = (0..5).map(|_| (m.endpoint(), m.reply())).collect();
    for (level, (endpoint, reply)) in (200..).zip(&levels) {
        m.passive_server(level, *endpoint, *reply);
    }
    m.ok(ROOT, Label::CNodeRevoke, &[levels[0].1, 64], &[]);
    m.root_priority(150);
    m.compared = Some(Taken::default());
    for (endpoint, _) in &levels {
        m.call_ipc(*endpoint, msg(1, &[2]));
    }
    for (endpoint, reply) in levels.iter().rev() {
        m.reply_recv(*endpoint, *reply, msg(3, &[4]));
    }
    assert_eq!(m.current(), m.root);
    let taken = m.compared.unwrap();
    assert_eq!((taken.calls, taken.replies, taken.refused), (5, 5, 0));
}

/// Several servers wait at one endpoint: the first in the queue takes the call, and waits behind the others again.
#[test]
fn an_endpoint_with_several_servers_is_served_fast_too() {
    let mut m = Machine::new();
    let endpoint = m.endpoint();
    let replies = [m.reply(), m.reply(), m.reply()];
    let servers = replies.map(|reply| (m.passive_server(200, endpoint, reply), reply));
    m.compared = Some(Taken::default());
    for (server, reply) in &servers {
        m.call_ipc(endpoint, msg(1, &[2]));
        assert_eq!(m.current(), server.tcb);
        m.reply_recv(endpoint, *reply, msg(3, &[4]));
        assert_eq!(m.current(), m.root);
    }
    let taken = m.compared.unwrap();
    assert_eq!((taken.calls, taken.replies, taken.refused), (3, 3, 0));
}
