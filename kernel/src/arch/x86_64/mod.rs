//! The port to x86_64 PCs.
mod apic;
mod clock;
pub mod cpu;
mod entry;
mod exit;
pub mod fpu;
pub mod framebuffer;
mod gdt;
mod idt;
mod interrupts;
pub mod ioapic;
mod msr;
pub mod paging;
mod percpu;
mod pic;
mod port;
mod serial;
pub mod stack;
mod start;
pub mod timer;
mod tlb;
mod traps;

use super::{counters, ratio};

pub use apic::end_of_interrupt;
pub use cpu::{read_counter_register, write_counter_register};
pub use entry::{enter_user, set_current_context};
pub use exit::{EXIT_PANIC, halt, set_exit_port};
pub use fpu::{FpuState, fpu_enable, fpu_init, fpu_save, fpu_switch};
pub use interrupts::{interrupt_pending, take_interrupt, wait_for_interrupt};
pub use ioapic::{ioapic_count, ioapic_mask, ioapic_pins, ioapic_route};
pub use paging::{fill_kernel_half, kernel_space};
#[cfg(feature = "trace")]
pub use percpu::with_trace_ring;
pub use port::{port_read, port_write};
pub use serial::is_present as has_serial_port;
pub use timer::{now, set_timer, tsc_hz};
pub use tlb::{
    address_space, flush_all, flush_caches, flush_page, forget_address_space, forget_pool,
    load_address_space, load_bases, save_bases, set_address_space, switch_bases,
};
pub use traps::TrapFrame;

use crate::boot::acpi::Platform;
use paging::PagingError;

/// What works before anything else: the console, and exceptions that are reported.
pub fn init_early() {
    serial::init();
    percpu::init();
    idt::load();
    entry::init();
}

/// Interrupt controllers, as the tables of the platform name them. Everything is masked afterwards but the local APIC's
/// own timer.
pub fn init_interrupts(platform: &Platform) -> Result<(), PagingError> {
    pic::init();
    apic::init()?;
    ioapic::init(platform.ioapics())?;
    Ok(())
}

/// Shows a byte on the serial port and, while the kernel draws there, on the framebuffer.
pub fn put_char(byte: u8) {
    serial::put_char(byte);
    framebuffer::put_char(byte);
}

/// Stops drawing if the framebuffer has a part between these physical addresses.
pub fn leave_screen(start: u64, end: u64) {
    framebuffer::leave(start, end);
}

/// Clears the framebuffer for the kernel's last words.
pub fn take_screen_back() {
    framebuffer::take_back();
}

/// Physical address of the local APIC's registers.
pub fn local_apic_paddr() -> u64 {
    apic::paddr()
}

/// "xAPIC" or "x2APIC".
pub fn local_apic_mode() -> &'static str {
    if apic::is_x2apic() { "x2APIC" } else { "xAPIC" }
}
