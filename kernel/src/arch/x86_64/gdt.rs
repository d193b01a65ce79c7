//! Segments and the task state: what is left of segmentation in long mode (SDM vol. 3, 3.4 and 8.7).
use core::cell::Cell;

use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, FS, GS, SS, Segment};
use x86_64::instructions::tables::{lgdt, load_tss};
use x86_64::registers::segmentation::SegmentSelector;
use x86_64::structures::DescriptorTablePointer;
use x86_64::structures::tss::TaskStateSegment;

/// Kernel code; SYSCALL loads it, and the next one as stack segment.
pub const KERNEL_CODE: u16 = 1 << 3;
const KERNEL_DATA: u16 = 2 << 3;
const TASK_STATE: u16 = 3 << 3;
/// User code after an interrupt return. SYSRET counts from it: the next selector is the stack segment, the one after it
/// user code (abi.md 11, row 8).
pub const USER_CODE: u16 = (5 << 3) | 3;
/// User data and stack.
pub const USER_DATA: u16 = (6 << 3) | 3;

const ENTRIES: usize = 8;
const CODE: u64 = 0x00af_9b00_0000_ffff;
const DATA: u64 = 0x00cf_9300_0000_ffff;
const DPL_USER: u64 = 3 << 45;
const AVAILABLE_TASK_STATE: u64 = 0x89 << 40;

/// Number of the stack for NMI in the task state, from 1.
pub const NMI_STACK: u8 = 1;
/// Number of the stack for double faults.
pub const DOUBLE_FAULT_STACK: u8 = 2;
/// Number of the stack for machine checks.
pub const MACHINE_CHECK_STACK: u8 = 3;

/// A core's descriptor table and task state.
pub struct Segments {
    gdt: Cell<[u64; ENTRIES]>,
    tss: Cell<TaskStateSegment>,
}

impl Segments {
    /// Nothing is described yet.
    pub const fn new() -> Self {
        Segments { gdt: Cell::new([0; ENTRIES]), tss: Cell::new(TaskStateSegment::new()) }
    }

    /// Makes them those of this core. `stack_tops`: where the kernel's stack and those of [`NMI_STACK`],
    /// [`DOUBLE_FAULT_STACK`] and [`MACHINE_CHECK_STACK`] start. GS is left without a base.
    pub fn load(&'static self, stack_tops: [u64; 4]) {
        let mut tss = TaskStateSegment::new();
        let [kernel, nmi, double_fault, machine_check] = stack_tops.map(VirtAddr::new_truncate);
        [tss.privilege_stack_table[0], _, _] = [kernel; 3];
        [tss.interrupt_stack_table[0], tss.interrupt_stack_table[1], tss.interrupt_stack_table[2]] =
            [nmi, double_fault, machine_check];
        self.tss.set(tss);
        let [low, high] = task_state_descriptor(self.tss.as_ptr().addr() as u64);
        self.gdt.set([0, CODE, DATA, low, high, CODE | DPL_USER, DATA | DPL_USER, CODE | DPL_USER]);
        let table = DescriptorTablePointer {
            base: VirtAddr::from_ptr(self.gdt.as_ptr()),
            limit: (size_of::<[u64; ENTRIES]>() - 1) as u16,
        };
        // SAFETY: 1. The table and the task state are in a static and describe flat 64-bit segments. 2. Each selector
        // names an entry of the kind that its register needs.
        unsafe {
            lgdt(&table);
            CS::set_reg(SegmentSelector(KERNEL_CODE));
            SS::set_reg(SegmentSelector(KERNEL_DATA));
            DS::set_reg(SegmentSelector::NULL);
            ES::set_reg(SegmentSelector::NULL);
            FS::set_reg(SegmentSelector::NULL);
            GS::set_reg(SegmentSelector::NULL);
            load_tss(SegmentSelector(TASK_STATE));
        }
    }
}

/// The two entries that describe a task state (SDM vol. 3, figure 8-4).
fn task_state_descriptor(base: u64) -> [u64; 2] {
    let limit = size_of::<TaskStateSegment>() as u64 - 1;
    let low = limit | (base & 0xff_ffff) << 16 | AVAILABLE_TASK_STATE | (base >> 24 & 0xff) << 56;
    [low, base >> 32]
}
