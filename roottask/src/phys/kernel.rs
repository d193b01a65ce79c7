//! What the allocator needs from the kernel: two calls on untyped capabilities.

/// A capability slot, counted by whoever implements [`UntypedKernel`]; 0 is never a valid slot.
pub type Slot = u32;

/// An error number of the kernel (abi.md section 4), or of the slot allocator behind [`UntypedKernel::split`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelError(pub u64);

/// The kernel as the physical allocator sees it. Every `split` and every `revoke` is one system call.
pub trait UntypedKernel {
    /// One `Untyped_Retype` (abi.md 7.2): makes `count` (2 to 64) untyped capabilities of 2^`child_bits` bytes out of
    /// `parent`, which has no children, in consecutive empty slots, lowest address first. Returns the first slot.
    ///
    /// # Errors
    /// The kernel's error, or the slot allocator's when it has no such run of slots. Nothing was made then.
    fn split(&mut self, parent: Slot, child_bits: u8, count: u16) -> Result<Slot, KernelError>;

    /// One `CNode_Revoke` of `parent`: deletes every capability derived from it, so that its next retype starts at
    /// its first byte.
    ///
    /// # Errors
    /// The kernel's error.
    fn revoke(&mut self, parent: Slot) -> Result<(), KernelError>;

    /// The `count` slots from `first`, got from one [`split`](Self::split), are empty again. No system call.
    fn release_slots(&mut self, first: Slot, count: u16);
}
