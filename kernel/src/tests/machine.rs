//! A machine with a booted kernel, and user space as a script: whichever thread is current does what the test says.
use std::collections::HashMap;

use sel_abi::message::{IPC_BUFFER_CAPS_WORD, IPC_BUFFER_MSG_WORD};
use sel_abi::registers::{
    CAP_REGISTER, INFO_REGISTER, MESSAGE_REGISTERS, NB_SEND_RECV_REGISTER, REPLY_REGISTER, SYSCALL_REGISTER,
};
use sel_abi::{BootInfo, Error, Label, MessageInfo, Register, Syscall};

use super::boot_env::boot_env;
use super::both_ways::{self, Taken};
use super::check;
pub use super::messages::{Msg, Reply, msg};
use crate::addr::{KernelPtr, PhysAddr};
use crate::arch;
use crate::arch::context::Entry;
use crate::boot::rootserver;
use crate::cap::{CNodeCap, Cap, Slot};
use crate::fault::Fault;
use crate::object::tcb::TcbPtr;
use crate::state::{Config, Kernel};
use crate::syscall;

/// Address of every `syscall` instruction that test threads execute.
pub const SYSCALL_IP: u64 = 0x40_0100;
/// Address behind it.
pub const NEXT_IP: u64 = SYSCALL_IP + 2;
/// Base of the root task's image, which has two pages.
pub const IMAGE_BASE: u64 = 0x40_0000;
/// Bytes of the root task's image in memory.
pub const IMAGE_BYTES: u64 = 0x2000;
/// Ticks of a microsecond of the host port's clock.
pub const TICKS_PER_US: u64 = 1_000;

thread_local! {
    static ARENA_IS_DIRTY: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

pub struct Machine {
    pub k: Box<Kernel>,
    pub info: BootInfo,
    pub root: TcbPtr,
    pub root_cnode: CNodeCap,
    /// Next slot of the root CNode that no test used.
    pub next_slot: u64,
    /// Untyped capability that helpers allocate from.
    pub pool: u64,
    /// Budget in ticks of each scheduling context that was configured, by physical address.
    pub budgets: HashMap<u64, u64>,
    /// Check all invariants after each kernel entry.
    pub checking: bool,
    /// How often `call` had to execute a preempted system call again.
    pub restarts: usize,
    /// Interrupt every n-th preemption point; 0 = never.
    pub preempt_every: u32,
    /// Something was preempted on purpose, and may be unfinished.
    pub preempted: bool,
    /// Run every system call that has a fast path both ways and compare; what was taken so far.
    pub compared: Option<Taken>,
    /// Kernel entries so far.
    pub entries: u64,
    /// Number of derivation lists after boot.
    pub initial_lists: usize,
}

impl Machine {
    /// A machine with 16 domains, as the one of abi.md's appendix.
    pub fn new() -> Machine {
        // Every slot is looked at by every check; Miri gets fewer.
        let root_cnode_bits = if cfg!(miri) { 9 } else { Config::default().root_cnode_bits };
        Machine::with_config(Config { domains: 16, root_cnode_bits, ..Config::default() })
    }

    pub fn with_config(config: Config) -> Machine {
        if ARENA_IS_DIRTY.replace(true) {
            arch::reset();
        }
        let mut k = Box::new(Kernel::new());
        k.config = config;
        let mut env = boot_env();
        rootserver::create(&mut k, &mut env).expect("the root task");
        k.finish();
        let root = k.current.expect("a current thread");
        let Cap::CNode(root_cnode) = root.cspace().cap() else { panic!("no CSpace") };
        let Some(Cap::Frame(frame)) = root_cnode.slot(9).map(|slot| slot.cap()) else {
            panic!("no bootinfo")
        };
        // SAFETY: the frame holds the boot information, which is plain data.
        let info = unsafe { KernelPtr::<BootInfo>::from_phys(frame.base) }.get().clone();
        let budget = 5_000 * TICKS_PER_US;
        let budgets =
            root.sched_context.get().map(|context| (context.phys().0, budget)).into_iter().collect();
        let next_slot = info.empty.start;
        let mut machine = Machine {
            k,
            info,
            root,
            root_cnode,
            next_slot,
            pool: 0,
            budgets,
            checking: true,
            restarts: 0,
            preempt_every: 0,
            preempted: false,
            compared: None,
            entries: 0,
            initial_lists: 0,
        };
        machine.initial_lists = check::count_lists(&machine);
        // Clearing it takes Miri long.
        machine.pool = machine.untyped(if cfg!(miri) { 18 } else { 20 });
        if !cfg!(miri) {
            check::check(&machine);
        }
        machine
    }

    // ---- entering the kernel ----

    pub fn current(&self) -> TcbPtr {
        self.k.current.expect("a current thread")
    }

    /// One system call instruction of the current thread, whose other registers are set.
    pub fn enter_syscall(&mut self, number: u64) {
        let context = &self.current().get().context;
        context.set(SYSCALL_REGISTER, number);
        context.set(Register::Rip, NEXT_IP);
        context.entry.set(Entry::Syscall);
        if let Some(sum) = self.compared
            && !sum.has_enough_of(number)
        {
            let taken = both_ways::compare(self);
            self.compared = Some(sum + taken);
        }
        self.arm_preemption();
        let (cptr, info) = (context.get(CAP_REGISTER), MessageInfo(context.get(INFO_REGISTER)));
        let thread = self.current();
        match Syscall::from_raw(number.cast_signed()) {
            Some(Syscall::Call) => syscall::call(&mut self.k, thread, cptr, info),
            Some(Syscall::ReplyRecv) => syscall::reply_recv(&mut self.k, thread, cptr, info),
            Some(Syscall::Yield) => syscall::yield_now(&mut self.k, thread),
            Some(call) if call > Syscall::Yield => {
                syscall::other_call(&mut self.k, thread, cptr, info, number.cast_signed());
            }
            _ => syscall::unusual(&mut self.k, thread, number.cast_signed()),
        }
        self.after_entry();
    }

    /// An exception of the current thread at `ip`.
    pub fn exception(&mut self, ip: u64, vector: u64, code: u64, address: u64) {
        self.interrupted_at(ip);
        if let Some(sum) = self.compared {
            let fault = Fault::Exception { vector: vector as u32, code: code as u32 };
            let taken = both_ways::compare_fault(self, fault);
            self.compared = Some(sum + taken);
        }
        syscall::exception(&mut self.k, vector, code, address);
        self.after_entry();
    }

    /// `int N` of the current thread; `ip` is the address behind the instruction.
    pub fn software_interrupt(&mut self, ip: u64, vector: u64) {
        self.interrupted_at(ip);
        syscall::software_interrupt(&mut self.k, vector);
        self.after_entry();
    }

    /// An interrupt while the current thread runs.
    pub fn interrupt(&mut self, vector: u8) {
        let ip = self.current().context.get(Register::Rip);
        self.interrupted_at(ip);
        if let Some(sum) = self.compared {
            let taken = both_ways::compare_interrupt(self, vector);
            self.compared = Some(sum + taken);
        }
        syscall::interrupt(&mut self.k, vector);
        self.after_entry();
    }

    /// Time passes, then the timer fires.
    pub fn tick(&mut self, ticks: u64) {
        arch::advance(ticks);
        self.interrupt(arch::TIMER_VECTOR);
    }

    fn interrupted_at(&self, ip: u64) {
        let context = &self.current().get().context;
        context.set(Register::Rip, ip);
        context.interrupted_at(ip);
    }

    fn arm_preemption(&mut self) {
        if self.preempt_every > 0 {
            self.k.work_left = self.preempt_every;
            arch::set_interrupt_pending(true);
        }
    }

    fn after_entry(&mut self) {
        arch::set_interrupt_pending(false);
        self.entries += 1;
        // Miri takes a second or so for a check.
        let chosen = !cfg!(miri) || self.entries.is_multiple_of(100);
        if self.checking && chosen {
            check::check(self);
        }
    }

    // ---- system calls ----

    /// Puts a message into a thread's registers and buffer.
    pub fn load(&self, thread: TcbPtr, message: Msg) {
        let info = MessageInfo::new(message.label, 0, message.caps.len(), message.words.len());
        thread.context.set(INFO_REGISTER, info.0);
        for (index, &word) in message.words.iter().enumerate() {
            self.set_word(thread, index, word);
        }
        if let Some(buffer) = thread.ipc_buffer(false) {
            for (cell, &cap) in buffer[IPC_BUFFER_CAPS_WORD..].iter().zip(message.caps) {
                cell.set(cap);
            }
        }
    }

    pub fn set_word(&self, thread: TcbPtr, index: usize, word: u64) {
        match MESSAGE_REGISTERS.get(index) {
            Some(&register) => thread.context.set(register, word),
            None => {
                if let Some(buffer) = thread.ipc_buffer(false) {
                    buffer[IPC_BUFFER_MSG_WORD + index].set(word);
                }
            }
        }
    }

    /// What a thread finds in its registers and buffer.
    pub fn reply_of(&self, thread: TcbPtr) -> Reply {
        let info = MessageInfo(thread.context.get(INFO_REGISTER));
        let buffer = thread.ipc_buffer(false);
        let words = (0..info.length()).map(|index| match MESSAGE_REGISTERS.get(index) {
            Some(&register) => thread.context.get(register),
            None => buffer.map_or(0, |buffer| buffer[IPC_BUFFER_MSG_WORD + index].get()),
        });
        Reply {
            badge: thread.context.get(CAP_REGISTER),
            label: info.label(),
            extra_caps: info.extra_caps(),
            unwrapped: info.caps_unwrapped(),
            words: words.collect(),
        }
    }

    /// A system call of the current thread with one message and up to three capability pointers.
    pub fn sys(&mut self, call: Syscall, cap: u64, r12: u64, r13: u64, message: Msg) {
        let thread = self.current();
        thread.context.set(CAP_REGISTER, cap);
        thread.context.set(REPLY_REGISTER, r12);
        thread.context.set(NB_SEND_RECV_REGISTER, r13);
        self.load(thread, message);
        self.enter_syscall(call.raw().cast_unsigned());
    }

    pub fn send(&mut self, cap: u64, message: Msg) {
        self.sys(Syscall::Send, cap, 0, 0, message);
    }

    pub fn call_ipc(&mut self, cap: u64, message: Msg) {
        self.sys(Syscall::Call, cap, 0, 0, message);
    }

    pub fn signal(&mut self, cap: u64) {
        self.sys(Syscall::Send, cap, 0, 0, msg(0, &[]));
    }

    /// A receive keeps the caller's message info, which must not be looked at.
    pub fn receive(&mut self, call: Syscall, cap: u64, reply: u64) {
        self.sys(call, cap, reply, 0, msg(0x5a5a, &[]));
    }

    pub fn recv(&mut self, cap: u64, reply: u64) {
        self.receive(Syscall::Recv, cap, reply);
    }

    pub fn wait(&mut self, cap: u64) {
        self.receive(Syscall::Wait, cap, 0);
    }

    pub fn reply_recv(&mut self, cap: u64, reply: u64, message: Msg) {
        self.sys(Syscall::ReplyRecv, cap, reply, 0, message);
    }

    pub fn yield_now(&mut self) {
        self.sys(Syscall::Yield, 0, 0, 0, msg(0, &[]));
    }

    /// An invocation by Call; executed again as long as it is preempted. The caller must go on.
    pub fn call(&mut self, cap: u64, label: Label, words: &[u64], caps: &[u64]) -> Reply {
        self.call_raw(cap, self.k.config.labels.number(label), words, caps)
    }

    pub fn call_raw(&mut self, cap: u64, label: u64, words: &[u64], caps: &[u64]) -> Reply {
        let thread = self.current();
        let configures = self.k.labels.label(label) == Some(Label::SchedControlConfigureFlags);
        if let Some(Cap::SchedContext(context)) = caps.first().map(|cptr| self.cap(*cptr))
            && configures
        {
            self.budgets.remove(&context.object.phys().0);
        }
        self.call_ipc(cap, Msg { label, words, caps });
        while self.must_repeat(thread) {
            self.restarts += 1;
            assert!(self.restarts < 10_000_000, "a preempted operation does not come to an end");
            self.enter_syscall(Syscall::Call.raw().cast_unsigned());
        }
        let reply = self.reply_of(thread);
        if configures && reply.label == 0 {
            self.note_budget(caps[0], words[0]);
        }
        reply
    }

    /// The thread is current, and about to execute its system call again.
    pub fn must_repeat(&self, thread: TcbPtr) -> bool {
        self.current() == thread && thread.context.get(Register::Rip) == SYSCALL_IP
    }

    fn note_budget(&mut self, cptr: u64, budget_us: u64) {
        if let Cap::SchedContext(context) = self.cap(cptr) {
            self.budgets.insert(context.object.phys().0, budget_us * TICKS_PER_US);
        }
    }

    /// An invocation that must succeed; its result words.
    #[track_caller]
    pub fn ok(&mut self, cap: u64, label: Label, words: &[u64], caps: &[u64]) -> Vec<u64> {
        let reply = self.call(cap, label, words, caps);
        assert_eq!(Error::from_raw(reply.label), Some(Error::NoError), "{label:?}: {reply:x?}");
        assert_eq!((reply.badge, reply.extra_caps, reply.unwrapped), (0, 0, 0));
        reply.words
    }

    /// An invocation that must fail with this error and these words.
    #[track_caller]
    pub fn fails(
        &mut self,
        cap: u64,
        label: Label,
        words: &[u64],
        caps: &[u64],
        error: Error,
        result: &[u64],
    ) {
        let reply = self.call(cap, label, words, caps);
        let found = (Error::from_raw(reply.label), reply.words.as_slice());
        assert_eq!(found, (Some(error), result), "{label:?} {words:x?} {caps:?}");
        assert_eq!((reply.badge, reply.extra_caps, reply.unwrapped), (0, 0, 0));
    }

    // ---- looking ----

    /// The slot of the root CNode.
    pub fn slot(&self, cptr: u64) -> KernelPtr<Slot> {
        self.root_cnode.slot(cptr).expect("a slot of the root CNode")
    }

    pub fn cap(&self, cptr: u64) -> Cap {
        self.slot(cptr).cap()
    }

    /// A RAM untyped of the boot information of this size.
    pub fn untyped(&self, size_bits: u8) -> u64 {
        let list = &self.info.untyped_list;
        let found = list.iter().position(|desc| desc.is_device == 0 && desc.size_bits == size_bits);
        self.info.untyped.start + found.expect("an untyped of this size") as u64
    }

    /// The first device untyped.
    pub fn device_untyped(&self) -> u64 {
        assert_eq!(self.info.untyped_list[0].is_device, 1);
        self.info.untyped.start
    }
}

/// The words of a page that a user could see.
pub fn page_words(base: PhysAddr) -> &'static [std::cell::Cell<u64>; 512] {
    // SAFETY: the tests ask for frames inside of the arena.
    unsafe { KernelPtr::<[std::cell::Cell<u64>; 512]>::from_phys(base) }.get()
}
