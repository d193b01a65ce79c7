//! The stacks that a core uses in the kernel. Below each lies a page that is not mapped: what overflows a stack is
//! reported as a double fault.
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ops::Range;

use super::percpu::MAX_CORES;

const PAGE: usize = 4096;
/// Bytes of a core's kernel stack.
const KERNEL_STACK_BYTES: usize = 64 << 10;
/// Bytes of the stack of an exception that may hit at any moment.
const EXCEPTION_STACK_BYTES: usize = 16 << 10;

#[repr(C, align(4096))]
struct Stack<const BYTES: usize> {
    guard: [u8; PAGE],
    memory: UnsafeCell<[u8; BYTES]>,
}

impl<const BYTES: usize> Stack<BYTES> {
    const fn new() -> Self {
        Stack { guard: [0; PAGE], memory: UnsafeCell::new([0; BYTES]) }
    }

    fn range(&self) -> Range<u64> {
        let bottom = self.memory.get().expose_provenance() as u64;
        bottom..bottom + BYTES as u64
    }
}

/// The stacks of one core.
#[repr(C)]
pub struct Stacks {
    kernel: Stack<KERNEL_STACK_BYTES>,
    nmi: Stack<EXCEPTION_STACK_BYTES>,
    double_fault: Stack<EXCEPTION_STACK_BYTES>,
    machine_check: Stack<EXCEPTION_STACK_BYTES>,
}

// SAFETY: Rust code never reads or writes the bytes; each core's processor uses its own stacks.
unsafe impl Sync for Stacks {}

impl Stacks {
    const fn new() -> Self {
        Stacks {
            kernel: Stack::new(),
            nmi: Stack::new(),
            double_fault: Stack::new(),
            machine_check: Stack::new(),
        }
    }

    /// The addresses of the kernel's stack, and of those for NMI, double fault and machine check.
    pub fn ranges(&self) -> [Range<u64>; 4] {
        [self.kernel.range(), self.nmi.range(), self.double_fault.range(), self.machine_check.range()]
    }
}

/// The stacks of all cores.
pub static STACKS: [Stacks; MAX_CORES] = [const { Stacks::new() }; MAX_CORES];

/// Where the boot core's kernel stack ends, in bytes from the start of [`STACKS`].
pub const BOOT_STACK_TOP: usize =
    offset_of!(Stacks, kernel) + offset_of!(Stack<KERNEL_STACK_BYTES>, memory) + KERNEL_STACK_BYTES;

/// The stack that contains an address.
pub fn find(address: u64) -> Option<Range<u64>> {
    STACKS.iter().flat_map(Stacks::ranges).find(|range| range.contains(&address))
}

/// The pages below the stacks, which must not be mapped.
pub fn guards() -> impl Iterator<Item = u64> {
    STACKS.iter().flat_map(Stacks::ranges).map(|range| range.start - PAGE as u64)
}
