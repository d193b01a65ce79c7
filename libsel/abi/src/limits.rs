//! Limits and sizes (abi.md 3.1).

/// Bits of a word.
pub const WORD_BITS: u64 = 64;
/// log2 of the size of the smallest page.
pub const PAGE_BITS: u64 = 12;
/// log2 of the size of a large page.
pub const LARGE_PAGE_BITS: u64 = 21;
/// log2 of the size of a huge page.
pub const HUGE_PAGE_BITS: u64 = 30;
/// Message words at most.
pub const MSG_MAX_LENGTH: usize = 120;
/// Capabilities of a message at most.
pub const MSG_MAX_EXTRA_CAPS: usize = 3;
/// Message words that travel in registers.
pub const FAST_MESSAGE_REGISTERS: usize = 4;
/// Lowest priority.
pub const MIN_PRIO: u8 = 0;
/// Highest priority.
pub const MAX_PRIO: u8 = 255;
/// log2 of the size of a capability slot: 32 bytes.
pub const SLOT_BITS: u64 = 5;
/// log2 of the smallest untyped.
pub const MIN_UNTYPED_BITS: u64 = 4;
/// log2 of the largest untyped.
pub const MAX_UNTYPED_BITS: u64 = 47;
/// Objects of one Retype at most.
pub const RETYPE_MAX_OBJECTS: u64 = 256;
/// log2 of the number of ASID pools.
pub const NUM_ASID_POOLS_BITS: u64 = 3;
/// log2 of the number of ASIDs of a pool.
pub const ASID_POOL_INDEX_BITS: u64 = 9;
/// log2 of the size of an IPC buffer.
pub const IPC_BUFFER_BITS: u64 = 10;
/// log2 of the smallest scheduling context.
pub const MIN_SCHED_CONTEXT_BITS: u64 = 7;
/// Bytes of a scheduling context that hold no extra refill.
pub const CORE_SCHED_CONTEXT_BYTES: u64 = 128;
/// Bytes of one refill.
pub const REFILL_BYTES: u64 = 16;
/// Refills that every scheduling context has.
pub const MIN_REFILLS: u64 = 2;
/// Least budget and period, in microseconds (kernel WCET 10 us, twice).
pub const MIN_BUDGET_US: u64 = 20;
/// Highest user address that a mapping may touch, inclusive of the page's end check (abi.md 7.8).
pub const USER_TOP: u64 = 0x0000_7fff_ffff_ffff;
/// Bit of TCB_SetFlags: the thread must not use the FPU.
pub const TCB_FLAG_FPU_DISABLED: u64 = 1;
/// Bit of SchedControl_ConfigureFlags: sporadic server instead of constant bandwidth.
pub const SCHED_CONTEXT_SPORADIC: u64 = 1;
/// Greatest extra refills of a scheduling context of 2^`size_bits` bytes.
#[inline]
pub const fn max_extra_refills(size_bits: u64) -> u64 {
    ((1 << size_bits) - CORE_SCHED_CONTEXT_BYTES) / REFILL_BYTES
}
/// CPU vector of interrupt argument 0 (abi.md 7.5).
pub const IRQ_OFFSET: u8 = 0x30;
/// Greatest interrupt argument.
pub const IRQ_MAX: u64 = 107;
/// Slots of a TCB: CSpace, VSpace, IPC buffer, fault handler, timeout handler.
pub const TCB_SLOTS: usize = 5;
/// Entries of the domain schedule when there is more than one domain.
pub const DOMAIN_SCHEDULE_LENGTH: u64 = 100;
/// Greatest number of domains that the kernel is built for.
pub const MAX_DOMAINS: usize = 16;
