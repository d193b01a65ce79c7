//! A capability slot: 32 bytes, the only place where a capability lives.
use core::cell::Cell;

use sel_abi::CapRights;

use super::{
    CNodeCap, Cap, EndpointCap, FrameCap, FrameSize, Mapping, NotificationCap, Pml4Cap, RawCap, ReplyCap,
    UntypedCap,
};
use crate::addr::{KernelPtr, PhysAddr};
use crate::arch::AddressSpace;

/// Low bits of the link words: slots are 32-byte aligned.
const FLAG_MASK: u64 = 0x1f;
/// In `previous`: the capability is original, so that others can be derived under it (abi.md 6.4).
const ORIGINAL: u64 = 1;
/// In `next`: a capability with the same badge that stands before this one is not its parent.
const BOUNDARY: u64 = 1;

/// Two words of capability, two words of derivation links. All zero is an empty, unlinked slot.
#[repr(C, align(32))]
pub struct Slot {
    raw: Cell<RawCap>,
    previous: Cell<u64>,
    next: Cell<u64>,
}

const _: () = assert!(size_of::<Slot>() == 1 << sel_abi::SLOT_BITS);

impl Slot {
    /// An empty slot.
    pub const fn empty() -> Self {
        Slot { raw: Cell::new(RawCap(0, 0)), previous: Cell::new(0), next: Cell::new(0) }
    }

    /// The capability.
    #[inline]
    pub fn cap(&self) -> Cap {
        // SAFETY: slots are written only by `set_cap`, from a `Cap` whose object the derivation tree keeps alive for
        // as long as it stands here, or are zero.
        unsafe { self.raw.get().unpack() }
    }

    /// The capability, if it is one to an endpoint. This and the next ones cost less than [`Slot::cap`].
    #[inline]
    pub fn endpoint(&self) -> Option<EndpointCap> {
        // SAFETY: as for `cap`.
        unsafe { self.raw.get().endpoint() }
    }

    /// The capability, if it is one to an endpoint through which one may send and be answered.
    #[inline(always)]
    pub fn callable_endpoint(&self) -> Option<EndpointCap> {
        // SAFETY: as for `cap`.
        unsafe { self.raw.get().callable_endpoint() }
    }

    /// The capability, if it is one to an endpoint through which one may receive.
    #[inline(always)]
    pub fn readable_endpoint(&self) -> Option<EndpointCap> {
        // SAFETY: as for `cap`.
        unsafe { self.raw.get().readable_endpoint() }
    }

    /// The capability, if it is one to a CNode.
    #[inline]
    pub fn cnode(&self) -> Option<CNodeCap> {
        // SAFETY: as for `cap`.
        unsafe { self.raw.get().cnode() }
    }

    /// The slot that a capability pointer names, if this holds a CNode that resolves all of its bits in the usual way: no
    /// CNode below it, the guard is zero.
    #[inline(always)]
    pub fn flat_slot(&self, cptr: u64) -> Option<KernelPtr<Slot>> {
        // SAFETY: as for `cap`.
        unsafe { self.raw.get().flat_slot(cptr) }
    }

    /// The capability, if it is one to untyped memory.
    #[inline]
    pub fn untyped(&self) -> Option<UntypedCap> {
        self.raw.get().untyped()
    }

    /// The capability, if it is one to a frame.
    #[inline]
    pub fn frame(&self) -> Option<FrameCap> {
        self.raw.get().frame()
    }

    /// The capability, if it is one to a notification.
    #[inline]
    pub fn notification(&self) -> Option<NotificationCap> {
        // SAFETY: as for `cap`.
        unsafe { self.raw.get().notification() }
    }

    /// The capability, if it is one to a notification that one may signal.
    #[inline(always)]
    pub fn writable_notification(&self) -> Option<NotificationCap> {
        // SAFETY: as for `cap`.
        unsafe { self.raw.get().notification_with(CapRights::WRITE) }
    }

    /// The capability, if it is one to a notification that one may wait for.
    #[inline(always)]
    pub fn readable_notification(&self) -> Option<NotificationCap> {
        // SAFETY: as for `cap`.
        unsafe { self.raw.get().notification_with(CapRights::READ) }
    }

    /// The capability, if it is one to a reply object.
    #[inline]
    pub fn reply(&self) -> Option<ReplyCap> {
        // SAFETY: as for `cap`.
        unsafe { self.raw.get().reply() }
    }

    /// Changes where the capability, which is one to a frame, has the frame mapped.
    #[inline(always)]
    pub fn set_frame_mapping(&self, mapping: Option<Mapping>) {
        self.raw.set(self.raw.get().with_mapping(mapping));
    }

    /// Changes how much of the memory of the capability, which is one to untyped memory, is used.
    #[inline(always)]
    pub fn set_watermark(&self, watermark: u64) {
        self.raw.set(self.raw.get().with_watermark(watermark));
    }

    /// The physical memory of the object, see [`Cap::memory`].
    #[inline(always)]
    pub fn memory(&self) -> Option<(PhysAddr, u64)> {
        // SAFETY: as for `cap`.
        unsafe { self.raw.get().memory() }
    }

    /// Where a thread's IPC buffer is, if the capability is one to a frame that has these rights and is RAM.
    #[inline(always)]
    pub fn buffer_memory(&self, rights: CapRights) -> Option<(PhysAddr, FrameSize)> {
        self.raw.get().buffer_memory(rights)
    }

    /// The capability, if it is one to an address space.
    #[inline]
    pub fn pml4(&self) -> Option<Pml4Cap> {
        // SAFETY: as for `cap`.
        unsafe { self.raw.get().pml4() }
    }

    /// The address space that a capability to one is for, with the number that the capability has; none for an empty slot.
    #[inline(always)]
    pub fn space_word(&self) -> AddressSpace {
        self.raw.get().space_word()
    }

    /// The words of the capability.
    #[inline]
    pub fn raw(&self) -> RawCap {
        self.raw.get()
    }

    /// True if the slot holds nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.raw.get().is_null()
    }

    /// Replaces the capability and leaves its place in the derivation tree.
    #[inline]
    pub fn set_cap(&self, cap: Cap) {
        self.raw.set(cap.into());
    }

    /// The slot before this one in tree order.
    #[inline]
    pub fn previous(&self) -> Option<KernelPtr<Slot>> {
        unpack_link(self.previous.get())
    }

    /// The slot after this one in tree order.
    #[inline]
    pub fn next(&self) -> Option<KernelPtr<Slot>> {
        unpack_link(self.next.get())
    }

    /// Others can be derived under this capability.
    #[inline]
    pub fn is_original(&self) -> bool {
        self.previous.get() & ORIGINAL != 0
    }

    /// Starts a new group among capabilities of one badge.
    #[inline]
    pub fn is_boundary(&self) -> bool {
        self.next.get() & BOUNDARY != 0
    }

    /// Links the slot before this one; flags stay.
    #[inline]
    pub fn set_previous(&self, slot: Option<KernelPtr<Slot>>) {
        self.previous.set(pack_link(slot) | (self.previous.get() & FLAG_MASK));
    }

    /// Links the slot after this one; flags stay.
    #[inline]
    pub fn set_next(&self, slot: Option<KernelPtr<Slot>>) {
        self.next.set(pack_link(slot) | (self.next.get() & FLAG_MASK));
    }

    /// Sets everything at once: capability, neighbours in tree order, and both flags alike.
    #[inline(always)]
    pub(super) fn fill(
        &self,
        cap: RawCap,
        previous: Option<KernelPtr<Slot>>,
        next: Option<KernelPtr<Slot>>,
        original: bool,
    ) {
        self.raw.set(cap);
        self.previous.set(pack_link(previous) | if original { ORIGINAL } else { 0 });
        self.next.set(pack_link(next) | if original { BOUNDARY } else { 0 });
    }

    /// Takes everything from another slot, which keeps it.
    #[inline(always)]
    pub(super) fn take_over(&self, from: &Slot, cap: RawCap) {
        self.raw.set(cap);
        self.previous.set(from.previous.get());
        self.next.set(from.next.get());
    }

    /// Makes this the start of a new group, see [`Slot::is_boundary`].
    #[inline]
    pub fn set_boundary(&self) {
        self.next.set(self.next.get() | BOUNDARY);
    }

    /// Sets both flags.
    #[inline]
    pub fn set_flags(&self, original: bool, boundary: bool) {
        self.previous.set(self.previous.get() & !FLAG_MASK | if original { ORIGINAL } else { 0 });
        self.next.set(self.next.get() & !FLAG_MASK | if boundary { BOUNDARY } else { 0 });
    }

    /// Empties the slot, links included.
    #[inline]
    pub fn clear(&self) {
        self.raw.set(RawCap(0, 0));
        self.previous.set(0);
        self.next.set(0);
    }
}

/// A link is the kernel address of a slot, so that there is nothing to compute.
#[inline(always)]
fn pack_link(slot: Option<KernelPtr<Slot>>) -> u64 {
    slot.map_or(0, KernelPtr::addr)
}

#[inline(always)]
fn unpack_link(word: u64) -> Option<KernelPtr<Slot>> {
    let address = word & !FLAG_MASK;
    // SAFETY: links are written only by `pack_link`, from slots that leave the tree before their memory is reused.
    (address != 0).then(|| unsafe { KernelPtr::from_addr(address) })
}
