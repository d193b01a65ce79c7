//! Capabilities.
//!
//! A capability is two words, kept in a [`Slot`] of four; the other two link the slot into the derivation tree. Code
//! works with the unpacked [`Cap`]; [`RawCap`] is what a slot holds. Tags are those of DebugCapIdentify (abi.md 2.5).

pub mod delete;
pub mod derivation;
pub mod derive;
pub mod lookup;
mod raw;
pub mod slot;

pub use raw::RawCap;
pub use slot::Slot;

use sel_abi::{CapRights, CapTag};

use crate::addr::{KernelPtr, PhysAddr, VirtAddr};
use crate::arch::pte::PageTable;
use crate::object::asid::{Asid, AsidPool};
use crate::object::endpoint::Endpoint;
use crate::object::notification::Notification;
use crate::object::reply::Reply;
use crate::object::sched_context::SchedContext;
use crate::object::tcb::Tcb;

/// A capability, unpacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cap {
    /// Nothing.
    Null,
    /// Memory to make objects from.
    Untyped(UntypedCap),
    /// The right to send to, or receive from, an endpoint.
    Endpoint(EndpointCap),
    /// The right to signal, or wait for, a notification.
    Notification(NotificationCap),
    /// The right to answer one caller.
    Reply(ReplyCap),
    /// A CNode, with the guard of this capability.
    CNode(CNodeCap),
    /// A thread.
    Tcb(KernelPtr<Tcb>),
    /// Processor time.
    SchedContext(SchedContextCap),
    /// The right to configure the scheduling contexts of a core.
    SchedControl {
        /// The core.
        core: u32,
    },
    /// A frame, and where this capability has it mapped.
    Frame(FrameCap),
    /// A page table, page directory or PDPT, and where it is mapped.
    Table(TableCap),
    /// An address space.
    Pml4(Pml4Cap),
    /// The right to make ASID pools.
    AsidControl,
    /// A pool of ASIDs.
    AsidPool(AsidPoolCap),
    /// The right to make IRQ handlers.
    IrqControl,
    /// An interrupt.
    IrqHandler {
        /// Interrupt argument (abi.md 7.5), 0..=107.
        irq: u8,
    },
    /// The right to issue port ranges.
    IoPortControl,
    /// A range of ports, both ends inclusive.
    IoPort {
        /// First port.
        first: u16,
        /// Last port.
        last: u16,
    },
    /// The right to set domains.
    Domain,
    /// A CNode or TCB whose slots are being emptied.
    Zombie(ZombieCap),
    /// An endpoint or notification whose waiting threads are being woken.
    Eviction(EvictionCap),
}

/// See [`Cap::Untyped`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UntypedCap {
    /// First byte.
    pub base: PhysAddr,
    /// log2 of the size in bytes.
    pub size_bits: u8,
    /// Not RAM: only frames and untypeds can be made, and the kernel never touches it.
    pub device: bool,
    /// Bytes from `base` that are used; what lies above is free.
    pub watermark: u64,
}

impl UntypedCap {
    /// Bytes.
    #[inline]
    pub fn size(&self) -> u64 {
        1 << self.size_bits
    }
}

/// See [`Cap::Endpoint`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndpointCap {
    /// The endpoint.
    pub object: KernelPtr<Endpoint>,
    /// What the receiver learns about the sender; 0 = none.
    pub badge: u64,
    /// Send, receive, grant, reply.
    pub rights: CapRights,
}

/// See [`Cap::Notification`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotificationCap {
    /// The notification.
    pub object: KernelPtr<Notification>,
    /// Bits that a signal sets; 0 = none.
    pub badge: u64,
    /// Write = signal, read = wait.
    pub rights: CapRights,
}

/// See [`Cap::Reply`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplyCap {
    /// The reply object.
    pub object: KernelPtr<Reply>,
    /// A reply may carry capabilities.
    pub can_grant: bool,
}

/// See [`Cap::CNode`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CNodeCap {
    /// First slot.
    pub slots: KernelPtr<Slot>,
    /// log2 of the number of slots.
    pub radix: u8,
    /// Guard value.
    pub guard: u64,
    /// Guard size in bits; guard and radix together are at most 64.
    pub guard_bits: u8,
}

/// See [`Cap::SchedContext`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SchedContextCap {
    /// The scheduling context.
    pub object: KernelPtr<SchedContext>,
    /// log2 of its size in bytes.
    pub size_bits: u8,
}

/// Where a frame or table is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The address space.
    pub asid: Asid,
    /// First address.
    pub vaddr: VirtAddr,
}

/// Sizes of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameSize {
    /// 4 KiB.
    Small,
    /// 2 MiB.
    Large,
    /// 1 GiB.
    Huge,
}

impl FrameSize {
    /// log2 of the size in bytes.
    #[inline]
    pub fn bits(self) -> u64 {
        match self {
            FrameSize::Small => sel_abi::PAGE_BITS,
            FrameSize::Large => sel_abi::LARGE_PAGE_BITS,
            FrameSize::Huge => sel_abi::HUGE_PAGE_BITS,
        }
    }
}

/// See [`Cap::Frame`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameCap {
    /// First byte.
    pub base: PhysAddr,
    /// Size.
    pub size: FrameSize,
    /// READ, READ and WRITE, or nothing (kernel-only).
    pub rights: CapRights,
    /// Device memory.
    pub device: bool,
    /// Where this capability has the frame mapped.
    pub mapping: Option<Mapping>,
}

/// The three levels of tables below a PML4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableLevel {
    /// Maps 4 KiB pages; spans 2 MiB.
    PageTable,
    /// Spans 1 GiB.
    PageDirectory,
    /// Spans 512 GiB.
    Pdpt,
}

impl TableLevel {
    /// log2 of the bytes that one table spans.
    #[inline]
    pub fn span_bits(self) -> u64 {
        match self {
            TableLevel::PageTable => 21,
            TableLevel::PageDirectory => 30,
            TableLevel::Pdpt => 39,
        }
    }
}

/// See [`Cap::Table`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableCap {
    /// The table.
    pub object: KernelPtr<PageTable>,
    /// Which kind.
    pub level: TableLevel,
    /// Where it is mapped.
    pub mapping: Option<Mapping>,
}

/// See [`Cap::Pml4`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pml4Cap {
    /// The table.
    pub object: KernelPtr<PageTable>,
    /// The address space number, once assigned.
    pub asid: Option<Asid>,
}

/// See [`Cap::AsidPool`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AsidPoolCap {
    /// The pool.
    pub object: KernelPtr<AsidPool>,
    /// Index in the kernel's table of pools.
    pub index: u8,
}

/// An endpoint or notification without capabilities that threads still wait for. They are woken one at a time, with
/// preemption points, so what is left must stay in a slot that nobody can use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EvictionCap {
    /// Of an endpoint.
    Endpoint(KernelPtr<Endpoint>),
    /// Of a notification.
    Notification(KernelPtr<Notification>),
}

impl EvictionCap {
    /// The memory of the object.
    fn memory(&self) -> (PhysAddr, u64) {
        match self {
            EvictionCap::Endpoint(endpoint) => (endpoint.phys(), size_of::<Endpoint>() as u64),
            EvictionCap::Notification(object) => (object.phys(), size_of::<Notification>() as u64),
        }
    }
}

/// What a zombie was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZombieKind {
    /// A thread: its five slots remain.
    Tcb,
    /// A CNode of this radix.
    CNode {
        /// log2 of the number of slots.
        radix: u8,
    },
}

/// See [`Cap::Zombie`] and [`delete`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZombieCap {
    /// First slot of the object.
    pub slots: KernelPtr<Slot>,
    /// What it was.
    pub kind: ZombieKind,
    /// Slots below this index may still hold capabilities.
    pub remaining: u64,
    /// Next on the list of orphans.
    pub next_orphan: Option<KernelPtr<Slot>>,
}

impl ZombieCap {
    /// True if `slot` is one of the zombie's own.
    pub fn owns(&self, slot: KernelPtr<Slot>) -> bool {
        let slots = match self.kind {
            ZombieKind::Tcb => sel_abi::TCB_SLOTS as u64,
            ZombieKind::CNode { radix } => 1 << radix,
        };
        let offset = slot.addr().wrapping_sub(self.slots.addr());
        offset < slots * size_of::<Slot>() as u64
    }
}

impl Cap {
    /// The tag that DebugCapIdentify shows.
    pub fn tag(&self) -> CapTag {
        match self {
            Cap::Null => CapTag::Null,
            Cap::Untyped(_) => CapTag::Untyped,
            Cap::Endpoint(_) => CapTag::Endpoint,
            Cap::Notification(_) => CapTag::Notification,
            Cap::Reply(_) => CapTag::Reply,
            Cap::CNode(_) => CapTag::CNode,
            Cap::Tcb(_) => CapTag::Tcb,
            Cap::SchedContext(_) => CapTag::SchedContext,
            Cap::SchedControl { .. } => CapTag::SchedControl,
            Cap::Frame(_) => CapTag::Frame,
            Cap::Table(table) => match table.level {
                TableLevel::PageTable => CapTag::PageTable,
                TableLevel::PageDirectory => CapTag::PageDirectory,
                TableLevel::Pdpt => CapTag::Pdpt,
            },
            Cap::Pml4(_) => CapTag::Pml4,
            Cap::AsidControl => CapTag::AsidControl,
            Cap::AsidPool(_) => CapTag::AsidPool,
            Cap::IrqControl => CapTag::IrqControl,
            Cap::IrqHandler { .. } => CapTag::IrqHandler,
            Cap::IoPortControl => CapTag::IoPortControl,
            Cap::IoPort { .. } => CapTag::IoPort,
            Cap::Domain => CapTag::Domain,
            Cap::Zombie(_) | Cap::Eviction(_) => CapTag::Zombie,
        }
    }

    /// The physical memory that the object occupies: base and size in bytes. None for capabilities without an object.
    pub fn memory(&self) -> Option<(PhysAddr, u64)> {
        Some(match self {
            Cap::Untyped(untyped) => (untyped.base, untyped.size()),
            Cap::Endpoint(endpoint) => (endpoint.object.phys(), size_of::<Endpoint>() as u64),
            Cap::Notification(notification) => (notification.object.phys(), size_of::<Notification>() as u64),
            Cap::Reply(reply) => (reply.object.phys(), size_of::<Reply>() as u64),
            Cap::CNode(cnode) => (cnode.slots.phys(), (size_of::<Slot>() as u64) << cnode.radix),
            Cap::Tcb(tcb) => (tcb.phys(), crate::object::tcb::TCB_BYTES),
            Cap::SchedContext(context) => (context.object.phys(), 1 << context.size_bits),
            Cap::Frame(frame) => (frame.base, 1 << frame.size.bits()),
            Cap::Table(table) => (table.object.phys(), size_of::<PageTable>() as u64),
            Cap::Pml4(pml4) => (pml4.object.phys(), size_of::<PageTable>() as u64),
            Cap::AsidPool(pool) => (pool.object.phys(), size_of::<AsidPool>() as u64),
            Cap::Zombie(zombie) => match zombie.kind {
                ZombieKind::Tcb => (zombie.slots.phys(), crate::object::tcb::TCB_BYTES),
                ZombieKind::CNode { radix } => (zombie.slots.phys(), (size_of::<Slot>() as u64) << radix),
            },
            Cap::Eviction(eviction) => eviction.memory(),
            Cap::Null
            | Cap::SchedControl { .. }
            | Cap::AsidControl
            | Cap::IrqControl
            | Cap::IrqHandler { .. }
            | Cap::IoPortControl
            | Cap::IoPort { .. }
            | Cap::Domain => return None,
        })
    }

    /// True for the empty capability.
    #[inline]
    pub fn is_null(&self) -> bool {
        matches!(self, Cap::Null)
    }

    /// The object is a set of slots, so that deleting the last capability may take long.
    #[inline]
    pub fn holds_slots(&self) -> bool {
        matches!(self, Cap::CNode(_) | Cap::Tcb(_) | Cap::Zombie(_))
    }
}
