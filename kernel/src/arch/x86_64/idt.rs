//! The interrupt descriptor table: one gate for each vector, each leading to its stub in [`super::traps`].
use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;

use super::gdt;
use super::traps;

/// Non-maskable interrupt.
pub const NMI: u64 = 2;
const BREAKPOINT: u64 = 3;
/// Double fault.
pub const DOUBLE_FAULT: u64 = 8;
/// Machine check.
pub const MACHINE_CHECK: u64 = 18;
/// Vectors below are exceptions.
pub const FIRST_INTERRUPT: u64 = 32;
/// First vector that users may raise with `int` (abi.md 2.1).
pub const FIRST_SOFTWARE_INTERRUPT: u64 = 158;
/// Last of them.
pub const LAST_SOFTWARE_INTERRUPT: u64 = 254;
/// What the local APIC raises when an interrupt vanished before it was delivered.
pub const SPURIOUS: u64 = 255;

const VECTORS: usize = 256;

/// A gate (SDM vol. 3, figure 6-8).
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Gate(u64, u64);

impl Gate {
    fn new(vector: u64) -> Gate {
        const PRESENT: u64 = 1 << 47;
        const INTERRUPT_GATE: u64 = 0xe << 40;
        let handler = traps::stub(vector);
        let stack = match vector {
            NMI => gdt::NMI_STACK,
            DOUBLE_FAULT => gdt::DOUBLE_FAULT_STACK,
            MACHINE_CHECK => gdt::MACHINE_CHECK_STACK,
            _ => 0,
        };
        let level = match vector {
            BREAKPOINT | FIRST_SOFTWARE_INTERRUPT..=LAST_SOFTWARE_INTERRUPT => 3,
            _ => 0,
        };
        let low = (handler & 0xffff)
            | u64::from(gdt::KERNEL_CODE) << 16
            | u64::from(stack) << 32
            | INTERRUPT_GATE
            | level << 45
            | PRESENT
            | (handler >> 16 & 0xffff) << 48;
        Gate(low, handler >> 32)
    }
}

static TABLE: Once<[Gate; VECTORS]> = Once::new();

/// Fills the table at the first call, and makes it that of this core.
pub fn load() {
    let gates = TABLE.call_once(|| core::array::from_fn(|vector| Gate::new(vector as u64)));
    let table = DescriptorTablePointer {
        base: VirtAddr::from_ptr(gates),
        limit: (size_of::<[Gate; VECTORS]>() - 1) as u16,
    };
    // SAFETY: the table is in a static, and every gate leads to a stub that is written for its vector.
    unsafe { lidt(&table) }
}
