//! The stub port that the host tests run on: physical memory is an arena, time is a counter, devices are recorded.
//!
//! Everything is per thread, so that tests run side by side.
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::{Cell, RefCell};

use super::Context;
use super::pte::PageTable;
use super::tags::AddressSpace;
use crate::addr::{KernelPtr, PhysAddr};
#[cfg(feature = "trace")]
use crate::trace::Ring;

/// Size of the arena that stands for physical memory.
pub const ARENA_BYTES: u64 = 16 << 20;
/// Physical address of the arena's first byte.
pub const ARENA_BASE: u64 = 0x10_0000;
/// Alignment of the arena, so that large untypeds are aligned in the host's memory, too.
const ARENA_ALIGN: usize = 1 << 21;

/// The memory of one thread's arena, given back when the thread ends.
struct Arena {
    memory: *mut u8,
    /// Address of the arena's first byte.
    base: u64,
}

impl Arena {
    /// A little more than the arena, so that it can be aligned: memory that is asked for with a large alignment would be
    /// cleared, and so touched, at once.
    const LAYOUT: Layout = match Layout::from_size_align(ARENA_BYTES as usize + ARENA_ALIGN, 16) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    };

    fn new() -> Self {
        // SAFETY: the layout has a size.
        let memory = unsafe { alloc_zeroed(Self::LAYOUT) };
        assert!(!memory.is_null(), "no memory for the arena");
        let base = memory.expose_provenance().next_multiple_of(ARENA_ALIGN) as u64;
        Arena { memory, base }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; the test that made kernel objects in it has ended with its thread.
        unsafe { dealloc(self.memory, Self::LAYOUT) }
    }
}

/// The kernel's own tables.
const NO_SPACE: AddressSpace = AddressSpace::NONE;

thread_local! {
    static ARENA: Arena = Arena::new();
    static NOW: Cell<u64> = const { Cell::new(1_000) };
    static TIMER: Cell<u64> = const { Cell::new(u64::MAX) };
    static PENDING: Cell<bool> = const { Cell::new(false) };
    static SPACE: Cell<AddressSpace> = const { Cell::new(NO_SPACE) };
    static COUNTER_REGISTER: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
    #[cfg(feature = "trace")]
    static TRACE: Ring = const { Ring::new() };
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is added to a physical address to find it in the host's memory.
pub fn phys_offset() -> u64 {
    ARENA.with(|arena| arena.base.wrapping_sub(ARENA_BASE))
}

/// Clears the arena and the recorded state of devices.
pub fn reset() {
    // SAFETY: the arena is this large, and a test that calls this holds no kernel objects any more.
    unsafe {
        let base: *mut u8 = std::ptr::with_exposed_provenance_mut(ARENA.with(|arena| arena.base) as usize);
        base.write_bytes(0, ARENA_BYTES as usize);
    }
    NOW.set(1_000);
    TIMER.set(u64::MAX);
    PENDING.set(false);
    SPACE.set(NO_SPACE);
    COUNTER_REGISTER.set(None);
}

/// Time, and whether an interrupt waits.
pub type Clock = (u64, bool);

/// What [`set_clock`] sets.
pub fn clock() -> Clock {
    (NOW.get(), PENDING.get())
}

/// Sets time back.
pub fn set_clock((now, pending): Clock) {
    NOW.set(now);
    PENDING.set(pending);
}

/// Lets time pass.
pub fn advance(ticks: u64) {
    NOW.set(NOW.get() + ticks);
}

/// The deadline that the timer was set to last.
pub fn timer() -> u64 {
    TIMER.get()
}

/// Makes an interrupt wait, which preemption points see.
pub fn set_interrupt_pending(pending: bool) {
    PENDING.set(pending);
}

/// What DebugPutChar printed.
pub fn take_output() -> String {
    String::from_utf8_lossy(&OUTPUT.take()).into_owned()
}

/// Passes the ring of events.
#[cfg(feature = "trace")]
pub fn with_trace_ring<R>(f: impl FnOnce(&Ring) -> R) -> R {
    TRACE.with(f)
}

/// TSC ticks.
pub fn now() -> u64 {
    NOW.get()
}

/// 1 GHz.
pub fn tsc_hz() -> u64 {
    1_000_000_000
}

/// Records the deadline.
pub fn set_timer(now: u64, ticks: u64) {
    TIMER.set(now.saturating_add(ticks));
}

/// Nothing to do.
pub fn end_of_interrupt() {}

/// A waiting interrupt is the timer's.
pub fn take_interrupt() -> Option<u8> {
    PENDING.take().then_some(super::TIMER_VECTOR)
}

/// See [`set_interrupt_pending`].
pub fn interrupt_pending() -> bool {
    PENDING.get()
}

/// Time passes to the deadline of the timer, which then waits.
pub fn wait_for_interrupt(_deadline: u64) {
    let deadline = TIMER.get();
    assert!(deadline != u64::MAX, "the core would idle for ever");
    NOW.set(NOW.get().max(deadline) + 2 * tsc_hz() / 1_000_000);
    PENDING.set(true);
}

/// One IOAPIC.
pub fn ioapic_count() -> usize {
    1
}

/// Of 24 pins.
pub fn ioapic_pins(_ioapic: usize) -> usize {
    24
}

/// Nothing to do.
pub fn ioapic_route(_ioapic: usize, _pin: usize, _level: bool, _active_low: bool, _vector: u8) {}

/// Nothing to do.
pub fn ioapic_mask(_ioapic: usize, _pin: usize, _masked: bool) {}

/// Every port reads as ones.
pub fn port_read(_port: u16, bytes: u8) -> u32 {
    u32::MAX >> (32 - 8 * u32::from(bytes))
}

/// Nothing to do.
pub fn port_write(_port: u16, _bytes: u8, _value: u32) {}

/// Remembers the root.
pub fn set_address_space(space: AddressSpace) {
    SPACE.set(space);
}

/// As [`set_address_space`].
pub fn load_address_space(space: AddressSpace) {
    set_address_space(space);
}

/// The address space that was set last.
pub fn address_space() -> AddressSpace {
    SPACE.get()
}

/// The root that was set last.
pub fn root() -> PhysAddr {
    SPACE.get().root()
}

/// If this address space is in use, the kernel's own takes its place.
pub fn forget_address_space(asid: u16) {
    if SPACE.get().asid() == asid {
        set_address_space(kernel_space());
    }
}

/// As [`forget_address_space`] for a pool of 512.
pub fn forget_pool(first: u16) {
    if SPACE.get().asid() & !511 == first {
        set_address_space(kernel_space());
    }
}

/// There is no kernel half.
pub fn kernel_space() -> AddressSpace {
    NO_SPACE
}

/// There is no kernel half.
pub fn fill_kernel_half(_pml4: KernelPtr<PageTable>) {}

/// The register that was written last holds what was written; all others hold 0.
pub fn read_counter_register(msr: u64) -> u64 {
    COUNTER_REGISTER.get().filter(|(written, _)| *written == msr).map_or(0, |(_, value)| value)
}

/// Remembers the register and the value.
pub fn write_counter_register(msr: u64, value: u64) {
    COUNTER_REGISTER.set(Some((msr, value)));
}

/// There are no caches to be seen.
pub fn flush_caches() {}

/// There is no TLB.
pub fn flush_page(_asid: u16, _vaddr: u64) {}

/// There is no TLB.
pub fn flush_all(_asid: u16) {}

/// Nothing to do.
pub fn set_current_context(_context: &'static Context) {}

/// Nothing to do.
pub fn switch_bases(_from: &Context, _to: &Context) {}

/// Nothing to do.
pub fn save_bases(_context: &Context) {}

/// Nothing to do.
pub fn load_bases(_context: &Context) {}

/// As on the machine.
pub mod fpu {
    /// Bytes of the largest state.
    pub const LARGEST_STATE: usize = 832;
}

/// Room for FPU registers, as on the machine.
#[repr(C, align(64))]
pub struct FpuState(Cell<[u8; 576]>);

/// Writes a mark of the initial state.
pub fn fpu_init(state: &FpuState) {
    state.0.set([0; 576]);
}

/// Nothing to do.
pub fn fpu_save(_state: &FpuState) {}

/// Nothing to do.
pub fn fpu_switch(_from: Option<&FpuState>, _to: &FpuState) {}

/// Nothing to do.
pub fn fpu_enable(_on: bool) {}

/// Collects output.
pub fn put_char(byte: u8) {
    OUTPUT.with_borrow_mut(|output| output.push(byte));
}

/// There is no screen.
pub fn leave_screen(_: u64, _: u64) {}

/// There is no screen.
pub fn take_screen_back() {}

/// Tests that halt the machine fail.
#[allow(clippy::panic, reason = "the host has no other way to stop")]
pub fn halt(code: u8) -> ! {
    panic!("the machine was halted with code {code}")
}
