//! What all tests share: the parts of the machine that are chosen once from the boot information.

use libsel::Cap;
use libsel::abi::{CPtr, ObjectType, Word};
use libsel::bootinfo::{BootInfoView, initial};
use libsel::cap::{Page, SchedControl, Untyped};
use libsel::invoke::RetypeTarget;

use super::exit;

/// log2 of the bytes of the untyped memory that each test of the self-test gets: room for two frames of 2 MiB and small
/// objects.
pub const FRESH_BITS: u64 = 23;
/// log2 of the bytes for what lives as long as the self-test (the watch).
const PERMANENT_BITS: u64 = 16;
/// Slots for capabilities that live as long as the self-test.
const PERMANENT_SLOTS: u64 = 16;

/// How much one test or one row of the benchmark gets.
#[derive(Clone, Copy)]
pub struct Sizes {
    /// log2 of the bytes of untyped memory.
    pub fresh_bits: u64,
    /// Slots in the root CNode.
    pub slots: u64,
}

/// What a test gets.
pub const SELF_TEST: Sizes = Sizes { fresh_bits: FRESH_BITS, slots: 512 };

/// Chosen once, used by all tests.
pub struct Machine<'a> {
    /// What the kernel told.
    pub bootinfo: &'a BootInfoView<'a>,
    /// Time on the boot core.
    pub sched_control: Cap<SchedControl>,
    /// The untyped memory that each test gets empty.
    pub fresh: Cap<Untyped>,
    /// log2 of the bytes of `fresh`.
    pub fresh_bits: u64,
    /// Memory of 2^[`PERMANENT_BITS`] bytes that no test gets.
    pub permanent: Cap<Untyped>,
    /// First slot for capabilities that stay.
    pub permanent_slots: CPtr,
    /// First slot that a test may use.
    pub test_slots: CPtr,
    /// One past the last slot that a test may use.
    pub test_slots_end: CPtr,
    /// TSC ticks in a microsecond.
    pub ticks_per_us: u64,
    /// Domains of the kernel, as its command line says.
    pub domains: u64,
    /// The FSGSBASE instructions are off: threads set their FS base by system call.
    pub set_tls_base_call: bool,
}

impl<'a> Machine<'a> {
    /// Chooses; says what is missing.
    pub fn new(bootinfo: &'a BootInfoView<'a>, sizes: Sizes) -> Result<Self, &'static str> {
        let empty = bootinfo.empty();
        let (exit_slot, fresh_slot, permanent_slot) = (empty.start, empty.start + 1, empty.start + 2);
        let permanent_slots = empty.start + 3;
        let test_slots = empty.start + PERMANENT_SLOTS;
        if test_slots + sizes.slots > empty.end {
            return Err("the root CNode has too few empty slots: start the kernel with root_cnode_bits=16");
        }
        exit::prepare(bootinfo, exit_slot);
        // The smallest piece that suffices: the kernel clears all of it first.
        let (pool, _) = bootinfo
            .untypeds()
            .filter(|(_, desc)| desc.is_device == 0 && u64::from(desc.size_bits) > sizes.fresh_bits)
            .min_by_key(|(_, desc)| desc.size_bits)
            .ok_or("no untyped memory is large enough: give the machine more memory")?;
        let take = |size_bits, slot| {
            pool.retype(ObjectType::Untyped, size_bits, RetypeTarget::slots_of(initial::CNODE, slot), 1)
                .map(|()| Cap::<Untyped>::new(slot))
                .map_err(|_| "the untyped memory cannot be split")
        };
        Ok(Machine {
            bootinfo,
            sched_control: bootinfo.sched_control(0).ok_or("no SchedControl capability")?,
            fresh: take(sizes.fresh_bits, fresh_slot)?,
            fresh_bits: sizes.fresh_bits,
            permanent: take(PERMANENT_BITS, permanent_slot)?,
            permanent_slots,
            test_slots,
            test_slots_end: test_slots + sizes.slots,
            ticks_per_us: u64::from(bootinfo.tsc_mhz().ok_or("the kernel does not tell the TSC frequency")?),
            domains: number_word(bootinfo, "domains=").unwrap_or(1),
            set_tls_base_call: words(bootinfo).any(|word| word == "fsgsbase=msr"),
        })
    }

    /// The command line has this word.
    pub fn has_word(&self, name: &str) -> bool {
        words(self.bootinfo).any(|word| word == name)
    }

    /// Slots of the root CNode.
    pub fn root_slots(&self) -> Word {
        1 << self.bootinfo.raw().init_thread_cnode_size_bits
    }

    /// Guard bits of the root CNode.
    pub fn root_guard_bits(&self) -> Word {
        64 - self.bootinfo.raw().init_thread_cnode_size_bits
    }

    /// Address of the first page of the program's own image; the IPC buffer follows its last one (abi.md 8.4).
    pub fn image_start(&self) -> Word {
        let info = self.bootinfo.raw();
        info.ipc_buffer - (info.user_image_frames.end - info.user_image_frames.start) * 4096
    }

    /// The frame of the page of the program's own image that holds `address`.
    pub fn image_frame(&self, address: Word) -> Cap<Page> {
        Cap::new(self.bootinfo.raw().user_image_frames.start + (address - self.image_start()) / 4096)
    }
}

/// The number of a command line word `name=N`.
fn number_word(bootinfo: &BootInfoView<'_>, name: &str) -> Option<u64> {
    words(bootinfo).filter_map(|word| word.strip_prefix(name)).find_map(|number| number.parse().ok())
}

/// The words of the command line.
fn words<'a>(bootinfo: &'a BootInfoView<'_>) -> impl Iterator<Item = &'a str> {
    bootinfo.command_line().unwrap_or_default().split_ascii_whitespace()
}
