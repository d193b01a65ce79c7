//! The IOAPICs: from a device's pin to a vector of the boot core (82093AA data sheet).
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::apic;
use super::paging::{self, PagingError};
use crate::boot::acpi::MAX_IOAPICS;

const SELECT: u64 = 0x00;
const WINDOW: u64 = 0x10;
const VERSION: u32 = 1;
const REDIRECTION: u32 = 0x10;
const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;
const ACTIVE_LOW: u32 = 1 << 13;
/// Pins of one controller at most.
const MAX_PINS: usize = 240;

/// One controller.
struct IoApic {
    registers: AtomicU64,
    pins: AtomicU32,
}

static CONTROLLERS: [IoApic; MAX_IOAPICS] =
    [const { IoApic { registers: AtomicU64::new(0), pins: AtomicU32::new(0) } }; MAX_IOAPICS];
static COUNT: AtomicUsize = AtomicUsize::new(0);

impl IoApic {
    fn access(&self, offset: u64) -> *mut u32 {
        let address = self.registers.load(Ordering::Relaxed) + offset;
        core::ptr::with_exposed_provenance_mut(address as usize)
    }

    fn read(&self, register: u32) -> u32 {
        // SAFETY: `init` mapped the registers of every controller that can be found; they may only be accessed by
        // volatile 32-bit reads and writes.
        unsafe {
            self.access(SELECT).write_volatile(register);
            self.access(WINDOW).read_volatile()
        }
    }

    fn write(&self, register: u32, value: u32) {
        // SAFETY: as for `read`; a pin can only be routed to vectors that the kernel handles.
        unsafe {
            self.access(SELECT).write_volatile(register);
            self.access(WINDOW).write_volatile(value);
        }
    }

    /// Changes a register, which is selected once.
    #[inline(always)]
    fn update(&self, register: u32, change: impl FnOnce(u32) -> u32) {
        let (select, window) = (self.access(SELECT), self.access(WINDOW));
        // SAFETY: as for `read` and `write`.
        unsafe {
            select.write_volatile(register);
            window.write_volatile(change(window.read_volatile()));
        }
    }

    fn redirection(pin: usize) -> u32 {
        REDIRECTION + 2 * pin as u32
    }
}

/// Finds the controllers at these physical addresses and masks all of their pins. Returns how many answer.
pub fn init(addresses: &[u64]) -> Result<usize, PagingError> {
    let mut found = 0;
    for &paddr in addresses {
        let Some(controller) = CONTROLLERS.get(found) else { break };
        controller.registers.store(paging::map_device(paddr)?, Ordering::Relaxed);
        let version = controller.read(VERSION);
        if version == u32::MAX {
            log::warn!("no IOAPIC answers at {:#x}, where ACPI says that one is", paddr);
            continue;
        }
        let pins = (version >> 16 & 0xff) as usize + 1;
        controller.pins.store(pins.min(MAX_PINS) as u32, Ordering::Relaxed);
        found += 1;
        COUNT.store(found, Ordering::Relaxed);
        for pin in 0..ioapic_pins(found - 1) {
            controller.write(IoApic::redirection(pin), MASKED);
        }
    }
    Ok(found)
}

fn controller(ioapic: usize, pin: usize) -> Option<&'static IoApic> {
    (pin < ioapic_pins(ioapic)).then(|| CONTROLLERS.get(ioapic)).flatten()
}

/// Number of IOAPICs.
pub fn ioapic_count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// Number of pins of an IOAPIC; 0 if there is no such IOAPIC.
pub fn ioapic_pins(ioapic: usize) -> usize {
    let controller = CONTROLLERS.get(ioapic).filter(|_| ioapic < ioapic_count());
    controller.map_or(0, |controller| controller.pins.load(Ordering::Relaxed) as usize)
}

/// Leads a pin to a vector of this core and leaves it masked. Nothing happens if there is no such pin.
pub fn ioapic_route(ioapic: usize, pin: usize, level: bool, active_low: bool, vector: u8) {
    let Some(controller) = controller(ioapic, pin) else { return };
    let register = IoApic::redirection(pin);
    let mut low = MASKED | u32::from(vector);
    if level {
        low |= LEVEL;
    }
    if active_low {
        low |= ACTIVE_LOW;
    }
    // Masked first: the halves do not change at once.
    controller.write(register, low);
    controller.write(register + 1, apic::id() << 24);
}

/// Masks or unmasks a pin. Nothing happens if there is no such pin.
pub fn ioapic_mask(ioapic: usize, pin: usize, masked: bool) {
    let Some(controller) = controller(ioapic, pin) else { return };
    controller.update(IoApic::redirection(pin), |low| if masked { low | MASKED } else { low & !MASKED });
}
