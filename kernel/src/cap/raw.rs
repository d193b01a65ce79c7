//! Capabilities as a slot holds them: two words.
//!
//! Word 0 holds the tag in bits 0..5, small fields in bits 5..16 and an address in bits 16..64: of a kernel object the low
//! 48 bits of its kernel address, which one arithmetic shift makes a pointer again; of untyped memory and frames the
//! physical one. The address of a PML4 is a page's, so that its low bits hold the ASID. Word 1 holds what
//! differs from copy to copy: badge, guard, watermark, mapping. Zombies and evictions have a form of their own (`zombie`).
mod identity;
mod memory;
mod zombie;

use sel_abi::{CapRights, CapTag};

use super::{
    AsidPoolCap, CNodeCap, Cap, EndpointCap, Mapping, NotificationCap, Pml4Cap, ReplyCap, SchedContextCap,
    Slot, TableCap, TableLevel,
};
use crate::addr::{KernelPtr, PhysAddr, VirtAddr};
use crate::arch::AddressSpace;
use crate::object::asid::Asid;

/// Two words of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct RawCap(pub u64, pub u64);

const TAG_BITS: u32 = 5;
const ADDRESS_SHIFT: u32 = 16;
const ASID_MASK: u64 = 0xfff;
/// Small field of an endpoint capability behind the rights: a Call through it can be answered. It is derived from them.
const CALLABLE: u64 = 1 << 4;
/// Small field of a CNode capability behind the radix: it resolves all bits of a capability pointer, which has no more than
/// the index has. It is derived from the other fields, so that the usual CSpace takes one comparison.
const FLAT: u64 = 1 << 6;

fn word0(tag: CapTag, small: u64, address: u64) -> u64 {
    tag.raw() | (small << TAG_BITS) | (address << ADDRESS_SHIFT)
}

/// Word 0 of a capability to a kernel object.
fn object_word<T>(tag: CapTag, small: u64, object: KernelPtr<T>) -> u64 {
    word0(tag, small, object.addr())
}

fn mapping_word(mapping: Option<Mapping>) -> u64 {
    mapping.map_or(0, |mapping| mapping.vaddr.0 | u64::from(mapping.asid.0))
}

fn unpack_mapping(word: u64) -> Option<Mapping> {
    let asid = (word & ASID_MASK) as u16;
    (asid != 0).then_some(Mapping { asid: Asid(asid), vaddr: VirtAddr(word & !ASID_MASK) })
}

impl From<Cap> for RawCap {
    #[inline]
    fn from(cap: Cap) -> RawCap {
        let tag = cap.tag();
        match cap {
            Cap::Null => RawCap(0, 0),
            Cap::Untyped(c) => RawCap::from_untyped(&c),
            Cap::Endpoint(c) => {
                let answerable = c.rights.intersects(CapRights::GRANT | CapRights::GRANT_REPLY);
                let is_callable = c.rights.contains(CapRights::WRITE) && answerable;
                let small = c.rights.bits() | if is_callable { CALLABLE } else { 0 };
                RawCap(object_word(tag, small, c.object), c.badge)
            }
            Cap::Notification(c) => RawCap(object_word(tag, c.rights.bits(), c.object), c.badge),
            Cap::Reply(c) => RawCap(object_word(tag, u64::from(c.can_grant), c.object), 0),
            Cap::CNode(c) => {
                let is_flat = c.guard == 0 && u64::from(c.guard_bits + c.radix) == sel_abi::WORD_BITS;
                let small = u64::from(c.radix) | if is_flat { FLAT } else { 0 };
                RawCap(object_word(tag, small, c.slots), c.guard << 6 | u64::from(c.guard_bits))
            }
            Cap::Tcb(tcb) => RawCap(object_word(tag, 0, tcb), 0),
            Cap::SchedContext(c) => RawCap(object_word(tag, u64::from(c.size_bits), c.object), 0),
            Cap::SchedControl { core } => RawCap(word0(tag, 0, 0), u64::from(core)),
            Cap::Frame(c) => RawCap::from_frame(&c),
            Cap::Table(c) => RawCap(object_word(tag, 0, c.object), mapping_word(c.mapping)),
            Cap::Pml4(c) => {
                let asid = c.asid.map_or(0, |asid| u64::from(asid.0));
                RawCap(word0(tag, 0, c.object.addr() | asid), 0)
            }
            Cap::AsidPool(c) => RawCap(object_word(tag, 0, c.object), u64::from(c.index)),
            Cap::AsidControl | Cap::IrqControl | Cap::IoPortControl | Cap::Domain => {
                RawCap(word0(tag, 0, 0), 0)
            }
            Cap::IrqHandler { irq } => RawCap(word0(tag, 0, 0), u64::from(irq)),
            Cap::IoPort { first, last } => RawCap(word0(tag, 0, 0), u64::from(first) | u64::from(last) << 16),
            Cap::Zombie(c) => zombie::pack(&c),
            Cap::Eviction(c) => zombie::pack_eviction(&c),
        }
    }
}

impl RawCap {
    /// The tag, without unpacking the rest.
    #[inline]
    pub fn tag_bits(self) -> u64 {
        self.0 & ((1 << TAG_BITS) - 1)
    }

    /// The tag, if it is one.
    #[inline(always)]
    pub fn tag(self) -> Option<CapTag> {
        CapTag::from_raw(self.tag_bits())
    }

    /// The badge of a capability to an endpoint or notification.
    #[inline(always)]
    pub fn badge(self) -> u64 {
        self.1
    }

    /// An empty slot.
    #[inline]
    pub fn is_null(self) -> bool {
        self.tag_bits() == 0
    }

    #[inline]
    fn small(self, shift: u32, bits: u32) -> u64 {
        (self.0 >> (TAG_BITS + shift)) & ((1 << bits) - 1)
    }

    #[inline]
    fn address(self) -> PhysAddr {
        PhysAddr(self.0 >> ADDRESS_SHIFT)
    }

    /// The object that the address in word 0 names.
    ///
    /// # Safety
    /// The capability was packed from one whose object is a `T`, and it stands in a slot (so the object lives).
    #[inline]
    unsafe fn object<T>(self) -> KernelPtr<T> {
        let address = self.0.cast_signed() >> ADDRESS_SHIFT;
        // SAFETY: the caller's promise; a capability in a slot keeps its object alive. The upper bits of a canonical
        // address are all alike.
        unsafe { KernelPtr::from_addr(address.cast_unsigned()) }
    }

    /// Unpacks a capability that was read from a slot.
    ///
    /// # Safety
    /// The words were packed from a [`Cap`] and read from a live slot, so that the object they name is alive.
    #[inline]
    pub unsafe fn unpack(self) -> Cap {
        let Some(tag) = CapTag::from_raw(self.tag_bits()) else { return Cap::Null };
        // SAFETY: each arm names the type that `From<Cap>` packed under this tag.
        unsafe {
            match tag {
                CapTag::Null | CapTag::Zombie => zombie::unpack(self, tag),
                CapTag::Untyped => Cap::Untyped(self.unpack_untyped()),
                CapTag::Endpoint => Cap::Endpoint(self.unpack_endpoint()),
                CapTag::Notification => Cap::Notification(self.unpack_notification()),
                CapTag::Reply => Cap::Reply(self.unpack_reply()),
                CapTag::CNode => Cap::CNode(self.unpack_cnode()),
                CapTag::Tcb => Cap::Tcb(self.object()),
                CapTag::SchedContext => Cap::SchedContext(SchedContextCap {
                    object: self.object(),
                    size_bits: self.small(0, 6) as u8,
                }),
                CapTag::SchedControl => Cap::SchedControl { core: self.1 as u32 },
                CapTag::Frame => Cap::Frame(self.unpack_frame()),
                CapTag::PageTable => self.unpack_table(TableLevel::PageTable),
                CapTag::PageDirectory => self.unpack_table(TableLevel::PageDirectory),
                CapTag::Pdpt => self.unpack_table(TableLevel::Pdpt),
                CapTag::Pml4 => Cap::Pml4(self.unpack_pml4()),
                CapTag::AsidControl => Cap::AsidControl,
                CapTag::AsidPool => Cap::AsidPool(AsidPoolCap { object: self.object(), index: self.1 as u8 }),
                CapTag::IrqControl => Cap::IrqControl,
                CapTag::IrqHandler => Cap::IrqHandler { irq: self.1 as u8 },
                CapTag::IoPortControl => Cap::IoPortControl,
                CapTag::IoPort => Cap::IoPort { first: self.1 as u16, last: (self.1 >> 16) as u16 },
                CapTag::Domain => Cap::Domain,
            }
        }
    }

    #[inline]
    fn has_tag(self, tag: CapTag) -> bool {
        self.tag_bits() == tag.raw()
    }

    /// The tag and these bits of the small fields.
    #[inline(always)]
    fn has(self, tag: CapTag, small: u64) -> bool {
        let bits = small << TAG_BITS;
        self.0 & (bits | ((1 << TAG_BITS) - 1)) == bits | tag.raw()
    }

    /// The capability if it is one to an endpoint, cheaper than [`RawCap::unpack`].
    ///
    /// # Safety
    /// As [`RawCap::unpack`].
    #[inline]
    pub unsafe fn endpoint(self) -> Option<EndpointCap> {
        // SAFETY: the caller's promise, and the tag.
        unsafe { self.has_tag(CapTag::Endpoint).then(|| self.unpack_endpoint()) }
    }

    /// As [`RawCap::notification`], if it has this right.
    ///
    /// # Safety
    /// As [`RawCap::unpack`].
    #[inline(always)]
    pub unsafe fn notification_with(self, right: CapRights) -> Option<NotificationCap> {
        // SAFETY: the caller's promise, and the tag.
        unsafe { self.has(CapTag::Notification, right.bits()).then(|| self.unpack_notification()) }
    }

    /// As [`RawCap::endpoint`], if one may send through it and be answered.
    ///
    /// # Safety
    /// As [`RawCap::unpack`].
    #[inline(always)]
    pub unsafe fn callable_endpoint(self) -> Option<EndpointCap> {
        // SAFETY: the caller's promise, and the tag.
        unsafe { self.has(CapTag::Endpoint, CALLABLE).then(|| self.unpack_endpoint()) }
    }

    /// As [`RawCap::endpoint`], if one may receive through it.
    ///
    /// # Safety
    /// As [`RawCap::unpack`].
    #[inline(always)]
    pub unsafe fn readable_endpoint(self) -> Option<EndpointCap> {
        // SAFETY: the caller's promise, and the tag.
        unsafe { self.has(CapTag::Endpoint, CapRights::READ.bits()).then(|| self.unpack_endpoint()) }
    }

    /// As [`RawCap::endpoint`] for a CNode.
    ///
    /// # Safety
    /// As [`RawCap::unpack`].
    #[inline]
    pub unsafe fn cnode(self) -> Option<CNodeCap> {
        // SAFETY: the caller's promise, and the tag.
        unsafe { self.has_tag(CapTag::CNode).then(|| self.unpack_cnode()) }
    }

    /// The slot that a capability pointer names, if this is a CNode that resolves all of its bits in the usual way.
    ///
    /// # Safety
    /// As [`RawCap::unpack`].
    #[inline(always)]
    pub unsafe fn flat_slot(self, cptr: u64) -> Option<KernelPtr<Slot>> {
        let radix = self.0 >> TAG_BITS & 63;
        if !self.has(CapTag::CNode, FLAT) || cptr >> radix != 0 {
            return None;
        }
        // SAFETY: the caller's promise, and the tag; a CNode of this radix has more than `cptr` slots.
        Some(unsafe { self.object::<Slot>().element(cptr as usize) })
    }

    /// As [`RawCap::endpoint`] for a notification.
    ///
    /// # Safety
    /// As [`RawCap::unpack`].
    #[inline]
    pub unsafe fn notification(self) -> Option<NotificationCap> {
        // SAFETY: the caller's promise, and the tag.
        unsafe { self.has_tag(CapTag::Notification).then(|| self.unpack_notification()) }
    }

    /// As [`RawCap::endpoint`] for a reply object.
    ///
    /// # Safety
    /// As [`RawCap::unpack`].
    #[inline]
    pub unsafe fn reply(self) -> Option<ReplyCap> {
        // SAFETY: the caller's promise, and the tag.
        unsafe { self.has_tag(CapTag::Reply).then(|| self.unpack_reply()) }
    }

    /// The address space that a capability to one is for, with the number that the capability has; none for an empty slot.
    #[inline(always)]
    pub fn space_word(self) -> AddressSpace {
        debug_assert!(self.has_tag(CapTag::Pml4) || self.is_null(), "only address spaces are asked");
        AddressSpace((self.0.cast_signed() >> ADDRESS_SHIFT).cast_unsigned())
    }

    /// As [`RawCap::endpoint`] for an address space.
    ///
    /// # Safety
    /// As [`RawCap::unpack`].
    #[inline]
    pub unsafe fn pml4(self) -> Option<Pml4Cap> {
        // SAFETY: the caller's promise, and the tag.
        unsafe { self.has_tag(CapTag::Pml4).then(|| self.unpack_pml4()) }
    }

    /// # Safety
    /// As [`RawCap::unpack`], for an endpoint.
    #[inline]
    unsafe fn unpack_endpoint(self) -> EndpointCap {
        let rights = CapRights::from_bits_truncate(self.small(0, 4));
        // SAFETY: the caller's promise.
        EndpointCap { object: unsafe { self.object() }, badge: self.1, rights }
    }

    /// # Safety
    /// As [`RawCap::unpack`], for a notification.
    #[inline]
    unsafe fn unpack_notification(self) -> NotificationCap {
        let rights = CapRights::from_bits_truncate(self.small(0, 4));
        // SAFETY: the caller's promise.
        NotificationCap { object: unsafe { self.object() }, badge: self.1, rights }
    }

    /// # Safety
    /// As [`RawCap::unpack`], for a CNode.
    #[inline]
    unsafe fn unpack_cnode(self) -> CNodeCap {
        CNodeCap {
            // SAFETY: the caller's promise.
            slots: unsafe { self.object() },
            radix: self.small(0, 6) as u8,
            guard: self.1 >> 6,
            guard_bits: (self.1 & 63) as u8,
        }
    }

    /// # Safety
    /// As [`RawCap::unpack`], for a reply object.
    #[inline]
    unsafe fn unpack_reply(self) -> ReplyCap {
        // SAFETY: the caller's promise.
        ReplyCap { object: unsafe { self.object() }, can_grant: self.small(0, 1) != 0 }
    }

    /// # Safety
    /// As [`RawCap::unpack`], for an address space.
    #[inline]
    unsafe fn unpack_pml4(self) -> Pml4Cap {
        let address = self.0.cast_signed() >> ADDRESS_SHIFT;
        let asid = address.cast_unsigned() & ASID_MASK;
        // SAFETY: the caller's promise.
        let object = unsafe { KernelPtr::from_addr(address.cast_unsigned() & !ASID_MASK) };
        Pml4Cap { object, asid: (asid != 0).then_some(Asid(asid as u16)) }
    }

    /// # Safety
    /// As [`RawCap::unpack`], for a table.
    unsafe fn unpack_table(self, level: TableLevel) -> Cap {
        // SAFETY: every level of table is a PageTable in memory.
        let object = unsafe { self.object() };
        Cap::Table(TableCap { object, level, mapping: unpack_mapping(self.1) })
    }
}
