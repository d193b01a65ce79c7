//! Addresses: physical, user virtual, and pointers to kernel objects.
//!
//! All RAM is mapped at one constant offset. An object is named by its physical address inside capabilities and by a
//! [`KernelPtr`] in code. The host build puts an arena in the place of physical memory, so that the same object code
//! runs under tests and Miri.
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU64;
use core::ops::Deref;

/// Where physical address 0 is mapped, for all RAM.
pub const PHYS_OFFSET: u64 = 0xffff_8000_0000_0000;

/// log2 of the physical memory that kernel objects may live in; the direct map covers no more.
pub const KERNEL_WINDOW_BITS: u32 = 39;

/// A physical address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct PhysAddr(pub u64);

/// A virtual address of a user's address space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct VirtAddr(pub u64);

impl PhysAddr {
    /// The address where the kernel sees this byte.
    #[inline]
    pub fn to_virt(self) -> u64 {
        self.0.wrapping_add(phys_offset())
    }
}

impl fmt::Debug for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{:#x}", self.0)
    }
}

impl fmt::Debug for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{:#x}", self.0)
    }
}

#[cfg(target_os = "none")]
#[inline(always)]
/// Where physical address 0 is mapped.
pub fn phys_offset() -> u64 {
    PHYS_OFFSET
}
#[cfg(not(target_os = "none"))]
pub use crate::arch::phys_offset;

/// RAM as `count` cells from `start` on.
///
/// # Safety
/// The direct map covers the memory, it is aligned for `T`, any bytes are a `T`, and no kernel object overlaps it for as
/// long as the cells are used.
pub unsafe fn cells<T>(start: PhysAddr, count: usize) -> &'static [Cell<T>] {
    // SAFETY: the caller's promise; cells may be shared with whatever else a user has mapped.
    unsafe { core::slice::from_raw_parts(KernelPtr::<Cell<T>>::from_phys(start).as_ptr(), count) }
}

/// Clears RAM of `bytes` bytes, a multiple of 8, as is every object's size.
///
/// # Safety
/// As for [`cells`].
pub unsafe fn zero(start: PhysAddr, bytes: u64) {
    // SAFETY: the caller's promise.
    let words = unsafe { cells::<u64>(start, bytes as usize / 8) };
    words.iter().for_each(|word| word.set(0));
}

/// A pointer to a live kernel object, or to memory that holds one.
///
/// It is made only where the object is known to exist: by retype, by unpacking a capability, and at boot. From then on
/// the derivation tree keeps the object alive as long as a capability names it, and deletion removes every pointer
/// before the last capability goes. Object fields are cells, so that shared references are all that is ever made; the
/// kernel lock keeps other cores out.
#[repr(transparent)]
pub struct KernelPtr<T>(NonZeroU64, PhantomData<*const T>);

impl<T> KernelPtr<T> {
    /// The object at a physical address.
    ///
    /// # Safety
    /// `paddr` is mapped by the direct map, not 0, aligned for `T`, and holds a `T` for as long as the pointer is used.
    #[inline]
    pub unsafe fn from_phys(paddr: PhysAddr) -> Self {
        // SAFETY: the direct map does not wrap to address 0.
        KernelPtr(unsafe { NonZeroU64::new_unchecked(paddr.to_virt()) }, PhantomData)
    }

    /// The object at a kernel address.
    ///
    /// # Safety
    /// As for [`KernelPtr::from_phys`], of the memory that `address` is mapped to.
    #[inline]
    pub unsafe fn from_addr(address: u64) -> Self {
        // SAFETY: the caller's promise: nothing is mapped at address 0.
        KernelPtr(unsafe { NonZeroU64::new_unchecked(address) }, PhantomData)
    }

    /// A pointer to a static or boot-time object of the kernel.
    #[inline]
    pub fn from_ref(object: &'static T) -> Self {
        let address = core::ptr::from_ref(object).expose_provenance() as u64;
        // SAFETY: a reference is not null.
        KernelPtr(unsafe { NonZeroU64::new_unchecked(address) }, PhantomData)
    }

    /// A pointer to an object on the kernel's stack.
    ///
    /// # Safety
    /// No copy of the pointer is used after the object is gone.
    #[inline]
    pub unsafe fn from_local(object: &T) -> Self {
        let address = core::ptr::from_ref(object).expose_provenance() as u64;
        // SAFETY: a reference is not null.
        KernelPtr(unsafe { NonZeroU64::new_unchecked(address) }, PhantomData)
    }

    /// The kernel virtual address.
    #[inline]
    pub fn addr(self) -> u64 {
        self.0.get()
    }

    /// The physical address of an object in the direct map.
    #[inline]
    pub fn phys(self) -> PhysAddr {
        PhysAddr(self.0.get().wrapping_sub(phys_offset()))
    }

    /// The same address as another type.
    ///
    /// # Safety
    /// As for [`KernelPtr::from_phys`].
    #[inline]
    pub unsafe fn cast<U>(self) -> KernelPtr<U> {
        KernelPtr(self.0, PhantomData)
    }

    /// The `index`-th object of an array that starts here.
    ///
    /// # Safety
    /// The array has more than `index` elements.
    #[inline]
    pub unsafe fn element(self, index: usize) -> Self {
        // SAFETY: an address inside the array does not wrap.
        KernelPtr(
            unsafe { NonZeroU64::new_unchecked(self.0.get() + (index * size_of::<T>()) as u64) },
            PhantomData,
        )
    }

    #[inline]
    fn as_ptr(self) -> *const T {
        core::ptr::with_exposed_provenance(self.0.get() as usize)
    }

    /// The object, for as long as the kernel entry needs it.
    #[inline]
    pub fn get(&self) -> &'static T
    where
        T: 'static,
    {
        // SAFETY: a KernelPtr is made only for a live object (see the type); objects are shared through cells, and the
        // kernel lock is held whenever one exists.
        unsafe { &*self.as_ptr() }
    }
}

impl<T: 'static> Deref for KernelPtr<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        self.get()
    }
}

impl<T> Clone for KernelPtr<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for KernelPtr<T> {}
impl<T> PartialEq for KernelPtr<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for KernelPtr<T> {}
impl<T> fmt::Debug for KernelPtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
