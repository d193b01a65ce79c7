//! Restarting the machine.
use libsel::bootinfo::initial;
use libsel::cap::{Cap, IoPort};
use libsel::println;

use super::server::MAX_SERVERS;
use super::{Root, own_slot};

/// Reset control register of the chipset.
const RESET_CONTROL: u16 = 0xcf9;
/// The next write with bit 2 resets: first with bit 1 for a hard reset alone, then with both.
const HARD_RESET: [u8; 2] = [2, 6];
/// Command port of the keyboard controller.
const KEYBOARD_COMMAND: u16 = 0x64;
/// Its command that pulses the processor's reset line.
const PULSE_RESET: u8 = 0xfe;

impl Root {
    /// Resets by the chipset; failing that, by the keyboard controller. Comes back only if the machine has neither.
    pub fn reboot(&mut self) {
        println!("root: the machine restarts, as asked");
        if let Some(ports) = self.config_ports() {
            for value in HARD_RESET {
                let _ = ports.out8(RESET_CONTROL, value);
            }
        }
        // A server may have the keyboard's ports.
        for id in 1..MAX_SERVERS {
            self.forget(id as u8);
        }
        if let Some(slot) = self.memory.kernel().slots.take(1) {
            let (port, place) = (KEYBOARD_COMMAND, own_slot(slot));
            if initial::IO_PORT_CONTROL.issue(port, port, place).is_ok() {
                let ports: Cap<IoPort> = Cap::new(u64::from(slot));
                let _ = ports.out8(port, PULSE_RESET);
                let _ = place.delete();
            }
            self.memory.kernel().slots.give(slot, 1);
        }
        println!("root: the machine does not restart");
    }
}
