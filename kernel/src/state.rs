//! The kernel's state: what is shared under the kernel lock, and what belongs to the core.
//!
//! A reference to [`Kernel`] is the proof that the lock is held: entry code takes it once per kernel entry and passes it
//! on. There is one core today; what is per core is marked.
use sel_abi::{LabelProfile, LabelTable, ObjectType};

use crate::addr::KernelPtr;
use crate::arch;
use crate::cap::Slot;
use crate::error::Preempted;
use crate::latency::Latency;
use crate::object::asid::AsidTable;
use crate::object::domain::DomainSchedule;
use crate::object::endpoint::Cancellation;
use crate::object::ioport::PortMap;
use crate::object::irq::IrqTable;
use crate::object::sched_context::SchedContext;
use crate::object::tcb::{LARGE_TCB_BITS, TcbPtr};
use crate::sched::{Action, Scheduler};

/// Work units between two real checks at preemption points (abi.md 1.2, 9.5). seL4 takes 100; a unit is up to 500
/// instructions, so that an interrupt waits for 8,000 at most in an operation of any length.
const WORK_UNITS_PER_CHECK: u32 = 16;

/// Choices of the boot command line that users can see (abi.md 1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// log2 of the slots of the root CNode.
    pub root_cnode_bits: u8,
    /// Number of domains.
    pub domains: u8,
    /// Users cannot set their FS base by instruction, so there is a system call for it (abi.md 9.10).
    pub set_tls_base: bool,
    /// AVX registers belong to a thread, and a TCB is larger.
    pub avx: bool,
    /// Performance counters belong to users, and there are system calls for their registers (abi.md 1.2).
    pub counters: bool,
    /// The numbers of labels.
    pub labels: LabelProfile,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            root_cnode_bits: 12,
            domains: 1,
            set_tls_base: false,
            avx: false,
            counters: false,
            labels: LabelProfile::PLAIN,
        }
    }
}

impl Config {
    /// log2 of the bytes of an object (abi.md 3.2).
    pub fn object_bits(&self, object: ObjectType, size_bits: u64) -> u64 {
        match object {
            ObjectType::Tcb if self.avx => u64::from(LARGE_TCB_BITS),
            object => object.object_bits(size_bits),
        }
    }
}

/// Conversions between microseconds and timer ticks (abi.md 9.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeUnits {
    /// TSC ticks of a microsecond.
    pub ticks_per_us: u64,
    /// Least budget in ticks.
    pub min_budget: u64,
}

impl TimeUnits {
    /// For a TSC of this frequency in Hz, rounded to whole MHz, at least one.
    pub fn new(tsc_hz: u64) -> Self {
        let ticks_per_us = (tsc_hz.saturating_add(500_000) / 1_000_000).max(1);
        TimeUnits { ticks_per_us, min_budget: ticks_per_us * sel_abi::MIN_BUDGET_US }
    }

    /// Ticks of a time that [`TimeUnits::max_us`] bounds.
    #[inline]
    pub fn ticks(&self, us: u64) -> u64 {
        us.saturating_mul(self.ticks_per_us)
    }

    /// Whole microseconds.
    #[inline]
    pub fn us(&self, ticks: u64) -> u64 {
        ticks / self.ticks_per_us
    }

    /// Greatest budget and period (abi.md 3.1).
    #[inline]
    pub fn max_us(&self) -> u64 {
        u64::MAX / self.ticks_per_us / 8
    }
}

/// Everything that the kernel remembers outside of the objects.
pub struct Kernel {
    /// Per core: the thread that runs, or None when the core idles.
    pub current: Option<TcbPtr>,
    /// Per core: the scheduling context that pays.
    pub current_context: Option<KernelPtr<SchedContext>>,
    /// Per core: time of this kernel entry, in ticks.
    pub now: u64,
    /// Per core: the time up to which the scheduling context that pays was charged.
    pub charged: u64,
    /// Per core: before this time the current thread has budget, no thread's replenishment comes, and no domain's turn
    /// ends; 0 if that has to be looked for. Whatever changes it also sets the timer again, or sets it to 0.
    pub quiet_until: u64,
    /// Per core: what the scheduler has to do before the kernel is left.
    pub action: Action,
    /// Per core: the timer must be set again.
    pub reprogram: bool,
    /// Per core: whose FPU registers are loaded.
    pub fpu_owner: Option<TcbPtr>,
    /// Per core: units of work until the next real check at a preemption point.
    pub work_left: u32,
    /// Queues and the domain schedule.
    pub sched: Scheduler,
    /// Durations and domains (abi.md 9.8).
    pub domain_schedule: DomainSchedule,
    /// Address spaces by number.
    pub asids: AsidTable,
    /// Interrupts and their handlers.
    pub irqs: IrqTable,
    /// Ports that were issued.
    pub io_ports: PortMap,
    /// A CNode_CancelBadgedSends that was preempted.
    pub cancellation: Option<Cancellation>,
    /// How often a thread began to wait as a sender.
    pub arrivals: u64,
    /// Zombies that stand in their own slots, see [`crate::cap::delete`].
    pub orphans: Option<KernelPtr<Slot>>,
    /// Debug builds: the newest of all threads.
    pub threads: Option<TcbPtr>,
    /// Per core: how long interrupts were off.
    pub latency: Latency,
    /// Boot-time choices.
    pub config: Config,
    /// Labels by number, as the configuration says.
    pub labels: LabelTable,
    /// Ticks and microseconds.
    pub time: TimeUnits,
}

impl Kernel {
    /// The state before boot. All of it is zero, so that it takes no room in the kernel's file; boot sets `config`,
    /// `time` and the domain schedule before anything runs.
    pub const fn new() -> Self {
        Kernel {
            current: None,
            current_context: None,
            now: 0,
            charged: 0,
            quiet_until: 0,
            action: Action::Continue,
            reprogram: false,
            fpu_owner: None,
            work_left: 0,
            sched: Scheduler::new(),
            domain_schedule: DomainSchedule::new(),
            asids: AsidTable::new(),
            irqs: IrqTable::new(),
            io_ports: PortMap::new(),
            cancellation: None,
            arrivals: 0,
            orphans: None,
            threads: None,
            latency: Latency::new(),
            config: Config {
                root_cnode_bits: 0,
                domains: 0,
                set_tls_base: false,
                avx: false,
                counters: false,
                labels: LabelProfile::PLAIN,
            },
            labels: LabelTable::new(),
            time: TimeUnits { ticks_per_us: 0, min_budget: 0 },
        }
    }

    /// Asks, every [`WORK_UNITS_PER_CHECK`] units of work, whether a long operation must stop: an interrupt waits, the budget or the
    /// domain's time is used up (abi.md 9.5).
    pub fn preemption_point(&mut self) -> Result<(), Preempted> {
        self.work_left = self.work_left.saturating_sub(1);
        if self.work_left > 0 {
            return Ok(());
        }
        self.work_left = WORK_UNITS_PER_CHECK;
        self.update_time();
        self.latency.end_of_stretch();
        if arch::interrupt_pending() || !self.budget_left() { Err(Preempted) } else { Ok(()) }
    }

    /// Loads the FPU registers of the thread that runs next, if another's are loaded (abi.md 9.10).
    #[inline(always)]
    pub fn switch_fpu(&mut self, thread: TcbPtr) {
        if thread.fpu_disabled() {
            arch::fpu_enable(false);
            return;
        }
        arch::fpu_enable(true);
        if self.fpu_owner != Some(thread) {
            self.load_fpu(thread);
        }
    }

    #[inline(always)]
    fn load_fpu(&mut self, thread: TcbPtr) {
        let owner = self.fpu_owner.replace(thread);
        arch::fpu_switch(owner.map(|owner| &owner.get().fpu), &thread.fpu);
    }

    /// Saves the FPU registers of a thread, if they are loaded, and gives them up.
    pub fn fpu_release(&mut self, thread: TcbPtr) {
        if self.fpu_owner == Some(thread) {
            arch::fpu_enable(true);
            arch::fpu_save(&thread.fpu);
            self.fpu_owner = None;
            if let Some(current) = self.current {
                self.switch_fpu(current);
            }
        }
    }

    /// Gives up the FPU registers of a thread that is being destroyed.
    pub fn fpu_forget(&mut self, thread: TcbPtr) {
        if self.fpu_owner == Some(thread) {
            self.fpu_owner = None;
        }
    }
}

impl Default for Kernel {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(target_os = "none")]
mod instance {
    use super::Kernel;
    use core::cell::UnsafeCell;

    struct Instance(UnsafeCell<Kernel>);
    // SAFETY: reached only through `lock`, on one core, with interrupts off and never nested.
    unsafe impl Sync for Instance {}

    static INSTANCE: Instance = Instance(UnsafeCell::new(Kernel::new()));

    /// Takes the kernel lock: called once at the start of every kernel entry.
    ///
    /// # Safety
    /// No other reference from an earlier call is alive. There is one core, and the kernel runs with interrupts off, so
    /// entry code that calls this once per entry satisfies it.
    pub unsafe fn lock() -> &'static mut Kernel {
        // SAFETY: the caller's promise.
        unsafe { &mut *INSTANCE.0.get() }
    }
}
#[cfg(target_os = "none")]
pub use instance::lock;
