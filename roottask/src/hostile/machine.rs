//! The supervisor's own part of the machine: chosen once from the boot information, out of reach of hostile threads.

use libsel::abi::{CPtr, CapRights, ObjectType, VmAttributes, Word};
use libsel::bootinfo::{BootInfoView, initial};
use libsel::cap::{
    Endpoint, IoPort, Kind, LargePage, Notification, PageDirectory, Pdpt, Reply, Retypable, SchedControl,
    Untyped,
};
use libsel::invoke::{PagingStructure, RetypeTarget};
use libsel::{AbsoluteSlot, Cap};

use super::shared::{self, FRAME_BYTES, SUPERVISOR_ADDRESS, THREADS};

/// log2 of the bytes that hostile threads get, and of those that the supervisor keeps.
pub const POOL_BITS: Word = 23;
/// log2 of the bytes of device memory that hostile threads get.
pub const DEVICE_BITS: Word = 31;
/// Device memory beyond this address is not asked for: QEMU's processor may not reach it.
const DEVICE_END: Word = 1 << 39;

/// Slots of the root CNode, counted from the first empty one.
pub mod slots {
    /// Memory of the supervisor.
    pub const OWN: u64 = 0;
    /// Memory for hostile threads.
    pub const POOL: u64 = 1;
    /// Device memory for hostile threads.
    pub const DEVICE: u64 = 2;
    /// Where faults and signals arrive.
    pub const ENDPOINT: u64 = 3;
    /// Bound to the supervisor.
    pub const NOTIFICATION: u64 = 4;
    /// For answers to faults.
    pub const REPLY: u64 = 5;
    /// The two shared frames.
    pub const FRAMES: u64 = 6;
    /// Paging structures for them.
    pub const TABLES: u64 = 8;
    /// Badged capabilities of [`ENDPOINT`], one for each thread.
    pub const HANDLERS: u64 = 10;
    /// The supervisor's helpers: thread, scheduling context, badged notification each.
    pub const HELPERS: u64 = 20;
    /// What hostile threads must not change.
    pub const CANARY: u64 = 30;
    /// The port that ends the machine.
    pub const EXIT: u64 = 60;
    /// What belongs to the present hostile world.
    pub const WORLD: u64 = 100;
    /// First slot for checks.
    pub const CHECK: u64 = 300;
    /// Slots that must be there.
    pub const COUNT: u64 = 1000;
}

/// Chosen once.
pub struct Machine<'a> {
    /// What the kernel told.
    pub bootinfo: &'a BootInfoView<'a>,
    /// Time on the boot core.
    pub sched_control: Cap<SchedControl>,
    /// TSC ticks in a microsecond.
    pub ticks_per_us: u64,
    /// Operations to make.
    pub operations: u64,
    /// What the random numbers start from.
    pub seed: u64,
    first: CPtr,
}

/// What is wrong, in words.
pub type Failure = &'static str;

impl<'a> Machine<'a> {
    /// Chooses memory and makes the supervisor's objects; says what is missing.
    pub fn new(bootinfo: &'a BootInfoView<'a>) -> Result<Self, Failure> {
        let empty = bootinfo.empty();
        if empty.start + slots::COUNT > empty.end {
            return Err("the root CNode has too few empty slots: start the kernel with root_cnode_bits=12");
        }
        let machine = Machine {
            bootinfo,
            sched_control: bootinfo.sched_control(0).ok_or("no SchedControl capability")?,
            ticks_per_us: u64::from(bootinfo.tsc_mhz().ok_or("the kernel does not tell the TSC frequency")?),
            operations: number_word(bootinfo, "ops=").unwrap_or(200_000),
            seed: number_word(bootinfo, "seed=").unwrap_or(1),
            first: empty.start,
        };
        if number_word(bootinfo, "domains=") != Some(4) {
            return Err("start the kernel with domains=4");
        }
        machine.take_memory()?;
        machine.make_objects().map_err(|_| "the supervisor's own objects cannot be made")?;
        shared::install_code();
        Ok(machine)
    }

    fn take_memory(&self) -> Result<(), Failure> {
        let (ram, _) = self
            .bootinfo
            .untypeds()
            .filter(|(_, desc)| desc.is_device == 0 && u64::from(desc.size_bits) > POOL_BITS)
            .min_by_key(|(_, desc)| desc.size_bits)
            .ok_or("no untyped memory of 16 MiB: give the machine more memory")?;
        let (device, _) = self
            .bootinfo
            .untypeds()
            .find(|(_, desc)| {
                let bits = u64::from(desc.size_bits);
                desc.is_device != 0 && bits > DEVICE_BITS && desc.paddr + (1 << bits) <= DEVICE_END
            })
            .ok_or("no device memory of 4 GiB")?;
        let own = self.slot(slots::OWN);
        ram.retype(ObjectType::Untyped, POOL_BITS, RetypeTarget::slots_of(initial::CNODE, own), 2)
            .map_err(|_| "the untyped memory of 16 MiB cannot be split")?;
        let target = RetypeTarget::slots_of(initial::CNODE, self.slot(slots::DEVICE));
        device
            .retype(ObjectType::Untyped, DEVICE_BITS, target, 1)
            .map_err(|_| "device memory cannot be split")
    }

    fn make_objects(&self) -> libsel::Result<()> {
        let endpoint = self.make::<Endpoint>(slots::ENDPOINT, 0)?;
        self.make::<Notification>(slots::NOTIFICATION, 0)?;
        self.make::<Reply>(slots::REPLY, 0)?;
        initial::TCB.bind_notification(self.notification())?;
        for thread in 0..THREADS as Word {
            let rights = CapRights::WRITE | CapRights::GRANT_REPLY;
            self.place(slots::HANDLERS + thread).mint(
                at(endpoint),
                rights,
                handler_badge(thread as usize),
            )?;
        }
        let pdpt = self.make::<Pdpt>(slots::TABLES, 0)?;
        self.map_table(pdpt)?;
        let directory = self.make::<PageDirectory>(slots::TABLES + 1, 0)?;
        self.map_table(directory)?;
        for index in 0..2 {
            let frame = self.make::<LargePage>(slots::FRAMES + index, 0)?;
            let address = SUPERVISOR_ADDRESS + index * FRAME_BYTES;
            frame.map(initial::VSPACE, address, CapRights::READ_WRITE, VmAttributes::EXECUTE_NEVER)?;
        }
        Ok(())
    }

    fn map_table<T: PagingStructure>(&self, table: Cap<T>) -> libsel::Result<()> {
        table.map_table(initial::VSPACE, SUPERVISOR_ADDRESS, VmAttributes::WRITE_BACK)
    }

    /// Lets the timer 8254 interrupt some thousand times a second, at pin 2 of the I/O APIC.
    pub fn start_timer(&self) -> libsel::Result<()> {
        const COMMAND: u16 = 0x43;
        const CHANNEL: u16 = 0x40;
        /// Channel 0, both bytes of the divisor, rate generator.
        const RATE_GENERATOR: u8 = 0x34;
        const DIVISOR: u16 = 400;
        let place = self.place(slots::CHECK);
        initial::IO_PORT_CONTROL.issue(CHANNEL, COMMAND, place)?;
        let ports: Cap<IoPort> = self.cap(slots::CHECK);
        ports.out8(COMMAND, RATE_GENERATOR)?;
        ports.out8(CHANNEL, DIVISOR as u8)?;
        ports.out8(CHANNEL, (DIVISOR >> 8) as u8)?;
        place.delete()
    }

    /// Greatest budget and period, in microseconds (abi.md 3.1).
    pub fn max_us(&self) -> Word {
        u64::MAX / self.ticks_per_us / 8
    }

    /// A slot of [`slots`] in the root CNode.
    pub fn slot(&self, slot: u64) -> CPtr {
        self.first + slot
    }

    /// The capability in a slot of [`slots`].
    pub fn cap<K: Kind>(&self, slot: u64) -> Cap<K> {
        Cap::new(self.slot(slot))
    }

    /// A slot of [`slots`] as the destination of an invocation.
    pub fn place(&self, slot: u64) -> AbsoluteSlot {
        initial::CNODE.at(self.slot(slot))
    }

    /// An object that hostile threads do not reach.
    pub fn make<K: Retypable>(&self, slot: u64, size_bits: Word) -> libsel::Result<Cap<K>> {
        self.cap::<Untyped>(slots::OWN).retype_one(size_bits, initial::CNODE, self.slot(slot))
    }

    /// Where faults and signals arrive.
    pub fn endpoint(&self) -> Cap<Endpoint> {
        self.cap(slots::ENDPOINT)
    }

    /// Bound to the supervisor's thread.
    pub fn notification(&self) -> Cap<Notification> {
        self.cap(slots::NOTIFICATION)
    }

    /// For answers to faults.
    pub fn reply(&self) -> Cap<Reply> {
        self.cap(slots::REPLY)
    }

    /// Memory for hostile threads.
    pub fn pool(&self) -> Cap<Untyped> {
        self.cap(slots::POOL)
    }

    /// Device memory for hostile threads.
    pub fn device(&self) -> Cap<Untyped> {
        self.cap(slots::DEVICE)
    }
}

/// The slot in which a capability lies.
pub fn at<K: Kind>(cap: Cap<K>) -> AbsoluteSlot {
    initial::CNODE.at(cap.cptr())
}

/// The badge of the faults of `thread`.
pub fn handler_badge(thread: usize) -> Word {
    0x100 + thread as Word
}

/// The thread whose faults have this badge.
pub fn thread_of_badge(badge: Word) -> Option<usize> {
    badge.checked_sub(handler_badge(0)).map(|thread| thread as usize).filter(|thread| *thread < THREADS)
}

/// The number of a command line word `name=N`; where there are several, the last one counts, as for the kernel.
fn number_word(bootinfo: &BootInfoView<'_>, name: &str) -> Option<u64> {
    let words = bootinfo.command_line()?.split_ascii_whitespace().rev();
    words.filter_map(|word| word.strip_prefix(name)).find_map(|number| number.parse().ok())
}
