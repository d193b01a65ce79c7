//! Address space identifiers: the numbers by which mappings name an address space (abi.md 7.9).
use core::cell::Cell;

use sel_abi::{ASID_POOL_INDEX_BITS, Label, NUM_ASID_POOLS_BITS, PAGE_BITS};

use super::tcb::{Tcb, TcbPtr};
use crate::addr::KernelPtr;
use crate::arch::{self, AddressSpace, pte::PageTable};
use crate::cap::{AsidPoolCap, Cap, Pml4Cap, UntypedCap, derivation, lookup};
use crate::error::{LookupFailure, Stop, SyscallError};
use crate::invoke::{Done, Invocation};
use crate::state::Kernel;

const POOLS: usize = 1 << NUM_ASID_POOLS_BITS;
const POOL_ENTRIES: usize = 1 << ASID_POOL_INDEX_BITS;

/// An address space number, 1..4096.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asid(pub u16);

impl Asid {
    fn pool(self) -> usize {
        usize::from(self.0) >> ASID_POOL_INDEX_BITS
    }

    fn index(self) -> usize {
        usize::from(self.0) & (POOL_ENTRIES - 1)
    }
}

/// 512 address spaces: retyped, zeroed memory of one page.
#[repr(C)]
pub struct AsidPool {
    spaces: [Cell<Option<KernelPtr<PageTable>>>; POOL_ENTRIES],
}

const _: () = assert!(size_of::<AsidPool>() == 1 << PAGE_BITS);

#[cfg(test)]
impl AsidPool {
    /// The address spaces by the low bits of their numbers.
    pub fn spaces(&self) -> &[Cell<Option<KernelPtr<PageTable>>>] {
        &self.spaces
    }
}

/// All pools.
pub struct AsidTable {
    pools: [Option<KernelPtr<AsidPool>>; POOLS],
}

impl AsidTable {
    /// Without pools.
    pub const fn new() -> Self {
        AsidTable { pools: [None; POOLS] }
    }

    /// Registers the first pool at boot.
    pub fn set_first_pool(&mut self, pool: KernelPtr<AsidPool>) {
        self.pools[0] = Some(pool);
    }

    /// The pools by index.
    #[cfg(test)]
    pub fn pools(&self) -> &[Option<KernelPtr<AsidPool>>] {
        &self.pools
    }

    /// The address space with this number.
    #[inline]
    pub fn find(&self, asid: Asid) -> Option<KernelPtr<PageTable>> {
        let pool = self.pools.get(asid.pool()).copied().flatten()?;
        pool.get().spaces.get(asid.index())?.get()
    }

    /// The number of the address space is its own.
    #[inline(always)]
    fn has(&self, space: AddressSpace) -> bool {
        self.find(Asid(space.asid())).is_some_and(|table| table.addr() == space.table())
    }

    /// Gives an address space a free number of a pool. Number 0 is never given.
    pub fn assign(&self, pool: &AsidPoolCap, space: KernelPtr<PageTable>) -> Option<Asid> {
        let first = usize::from(pool.index == 0);
        let entries = pool.object.get().spaces.iter().enumerate().skip(first);
        let (index, entry) = entries.into_iter().find(|(_, entry)| entry.get().is_none())?;
        entry.set(Some(space));
        Some(Asid((usize::from(pool.index) << ASID_POOL_INDEX_BITS | index) as u16))
    }
}

impl Default for AsidTable {
    fn default() -> Self {
        Self::new()
    }
}

/// The address space that a thread runs in: its own, or the kernel's if it has none any more.
#[inline]
pub fn space_of(k: &Kernel, thread: impl core::ops::Deref<Target = Tcb>) -> AddressSpace {
    let space = thread.vspace().space_word();
    if k.asids.has(space) { space } else { arch::kernel_space() }
}

/// Switches to the address space that a thread runs in.
#[inline(always)]
pub fn enter_space_of(k: &Kernel, thread: TcbPtr) {
    let space = thread.vspace().space_word();
    // An address space keeps its number for as long as it is in use.
    if space != arch::address_space() {
        arch::load_address_space(if k.asids.has(space) { space } else { arch::kernel_space() });
    }
}

/// Decodes an invocation of the ASIDControl capability.
pub fn invoke_control(k: &mut Kernel, call: &Invocation) -> Result<Done, Stop> {
    if call.label() != Some(Label::X86AsidControlMakePool) {
        return Err(SyscallError::IllegalOperation.into());
    }
    call.need_words(2)?;
    call.need_caps(2)?;
    let Some(index) = k.asids.pools.iter().position(Option::is_none) else {
        return Err(SyscallError::DeleteFirst.into());
    };
    let untyped_slot = call.extra_slot(0)?;
    let untyped = match untyped_slot.cap() {
        Cap::Untyped(untyped) if u64::from(untyped.size_bits) == PAGE_BITS && !untyped.device => untyped,
        _ => return Err(SyscallError::InvalidCapability(1).into()),
    };
    if derivation::has_children(untyped_slot) {
        return Err(SyscallError::RevokeFirst.into());
    }
    let slot = lookup::empty_slot(call.extra_slot(1)?, call.word(0), call.word(1))?;

    // SAFETY: the untyped has no children, so its memory is free; it is a page, and it is full from here on.
    let object: KernelPtr<AsidPool> = unsafe { KernelPtr::from_phys(untyped.base) };
    for space in &object.get().spaces {
        space.set(None);
    }
    untyped_slot.set_cap(Cap::Untyped(UntypedCap { watermark: untyped.size(), ..untyped }));
    k.asids.pools[index] = Some(object);
    let cap = Cap::AsidPool(AsidPoolCap { object, index: index as u8 });
    derivation::insert(slot, cap, untyped_slot, false);
    Ok(Done::Nothing)
}

/// Decodes an invocation of an ASID pool capability.
pub fn invoke_pool(k: &mut Kernel, pool: AsidPoolCap, call: &Invocation) -> Result<Done, Stop> {
    if call.label() != Some(Label::X86AsidPoolAssign) {
        return Err(SyscallError::IllegalOperation.into());
    }
    let slot = call.extra_slot(0)?;
    let space = match slot.cap() {
        Cap::Pml4(space) if space.asid.is_none() => space,
        _ => return Err(SyscallError::InvalidCapability(1).into()),
    };
    match k.asids.pools.get(usize::from(pool.index)).copied().flatten() {
        None => return Err(SyscallError::destination(LookupFailure::InvalidRoot).into()),
        Some(registered) if registered != pool.object => {
            return Err(SyscallError::InvalidCapability(0).into());
        }
        Some(_) => {}
    }
    let asid = k.asids.assign(&pool, space.object).ok_or(SyscallError::DeleteFirst)?;
    slot.set_cap(Cap::Pml4(Pml4Cap { asid: Some(asid), ..space }));
    Ok(Done::Nothing)
}

/// The last capability to an address space goes: its number becomes free, and nobody runs on it.
pub fn release_vspace(k: &mut Kernel, cap: &Pml4Cap) {
    if let Some(asid) = cap.asid
        && k.asids.find(asid) == Some(cap.object)
        && let Some(pool) = k.asids.pools.get(asid.pool()).copied().flatten()
        && let Some(entry) = pool.get().spaces.get(asid.index())
    {
        entry.set(None);
        arch::forget_address_space(asid.0);
    }
}

/// The last capability to a pool goes: all its address spaces lose their numbers. What the pool says of them does not
/// matter any more.
pub fn destroy_pool(k: &mut Kernel, cap: &AsidPoolCap) {
    let Some(entry) = k.asids.pools.get_mut(usize::from(cap.index)) else { return };
    if *entry == Some(cap.object) {
        *entry = None;
        arch::forget_pool(u16::from(cap.index) << ASID_POOL_INDEX_BITS);
    }
}
