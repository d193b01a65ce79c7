//! Rights, capability data, memory attributes, capability type tags (abi.md 2.5, 6.1, 6.2, 7.8).
use crate::{Word, numbered};

bitflags::bitflags! {
    /// The rights word of Copy, Mint and Page_Map (abi.md 6.1).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct CapRights: u64 {
        /// Send, write.
        const WRITE = 1;
        /// Receive, read.
        const READ = 2;
        /// Pass capabilities on, and reply.
        const GRANT = 4;
        /// Let the receiver reply.
        const GRANT_REPLY = 8;
        /// Read and write.
        const READ_WRITE = 3;
        /// All four.
        const ALL = 0xf;
    }
}

bitflags::bitflags! {
    /// The attribute word of the map operations (abi.md 7.8).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct VmAttributes: u64 {
        /// Page-level write-through: bit 0 of the PAT index.
        const PWT = 1;
        /// Page-level cache disable: bit 1 of the PAT index.
        const PCD = 2;
        /// Bit 2 of the PAT index; ignored for 1 GiB pages and tables.
        const PAT = 4;
        /// Selkie's own: the page cannot be executed. seL4 leaves this bit unused and maps everything executable.
        const EXECUTE_NEVER = 1 << 8;
    }
}

impl VmAttributes {
    /// PAT entry 0.
    pub const WRITE_BACK: Self = Self::empty();
    /// PAT entry 1.
    pub const WRITE_THROUGH: Self = Self::PWT;
    /// PAT entry 2: UC-.
    pub const CACHE_DISABLED: Self = Self::PCD;
    /// PAT entry 3: UC.
    pub const UNCACHEABLE: Self = Self::PWT.union(Self::PCD);
    /// PAT entry 4.
    pub const WRITE_COMBINING: Self = Self::PAT;
}

/// Guard of a CNode capability, as Mint and Mutate take it (abi.md 6.2): `guard << 6 | guard size`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct CNodeCapData(pub Word);

impl CNodeCapData {
    /// Packs a guard of `guard_bits` bits (0..=63).
    #[inline]
    pub const fn new(guard: Word, guard_bits: u64) -> Self {
        CNodeCapData(guard << 6 | (guard_bits & 63))
    }

    /// Guard size in bits.
    #[inline]
    pub const fn guard_bits(self) -> u64 {
        self.0 & 63
    }

    /// Guard value, cut to the guard size.
    #[inline]
    pub const fn guard(self) -> Word {
        (self.0 >> 6) & ((1 << self.guard_bits()) - 1)
    }
}

numbered! {
    /// What DebugCapIdentify answers (abi.md 2.5); the kernel's capabilities carry the same tag.
    pub enum CapTag: u64 {
        /// Empty slot.
        Null = 0,
        /// Memory of any page size.
        Frame = 1,
        /// Untyped memory.
        Untyped = 2,
        /// Page table.
        PageTable = 3,
        /// Endpoint.
        Endpoint = 4,
        /// Page directory.
        PageDirectory = 5,
        /// Notification.
        Notification = 6,
        /// Page-directory-pointer table.
        Pdpt = 7,
        /// Reply object.
        Reply = 8,
        /// PML4 table.
        Pml4 = 9,
        /// CNode.
        CNode = 10,
        /// The right to make ASID pools.
        AsidControl = 11,
        /// Thread.
        Tcb = 12,
        /// ASID pool.
        AsidPool = 13,
        /// The right to make IRQ handlers.
        IrqControl = 14,
        /// IRQ handler.
        IrqHandler = 16,
        /// A CNode or TCB on its way out.
        Zombie = 18,
        /// A range of I/O ports.
        IoPort = 19,
        /// The right to set domains.
        Domain = 20,
        /// Scheduling context.
        SchedContext = 22,
        /// The right to configure scheduling contexts of one core.
        SchedControl = 24,
        /// The right to issue I/O port ranges.
        IoPortControl = 31,
    }
}
