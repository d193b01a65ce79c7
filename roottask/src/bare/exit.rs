//! The end of the machine, with an exit code for whoever started it.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libsel::bootinfo::{BootInfoView, initial};
use libsel::cap::IoPort;
use libsel::{Cap, sys};
use roottask::exit;

/// Slot of the capability to the port and the port, packed; 0 = the machine has none.
static EXIT: AtomicU64 = AtomicU64::new(0);

/// Issues the capability to the exit port into `slot`, if the command line names a port.
pub fn prepare(bootinfo: &BootInfoView<'_>, slot: u64) {
    let Some(port) = exit::port(bootinfo.command_line().unwrap_or_default()) else {
        return;
    };
    if initial::IO_PORT_CONTROL.issue(port, port, initial::CNODE.at(slot)).is_ok() {
        EXIT.store(slot << 16 | u64::from(port), Relaxed);
    }
}

/// Ends the machine with exit code `code`; without an exit port it stops where it is.
pub fn exit(code: u8) -> ! {
    let packed = EXIT.load(Relaxed);
    if packed != 0 {
        let _ = Cap::<IoPort>::new(packed >> 16).out8(packed as u16, exit::CODE_BASE + code);
    }
    loop {
        sys::debug_halt();
    }
}
