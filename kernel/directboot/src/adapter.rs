//! The ports of PCI configuration space and of QEMU's display adapter.
use crate::cpu;
use directboot::screen::{Machine, Register};

/// Selects a register of configuration space; and holds its value (PCI Local Bus Specification 3.0, section 3.2.2.3.2).
const CONFIGURATION_PORTS: (u16, u16) = (0xcf8, 0xcfc);
/// Selects a register of the adapter; and holds its value.
const ADAPTER_PORTS: (u16, u16) = (0x1ce, 0x1cf);

/// The machine itself.
pub struct Ports;

impl Machine for Ports {
    fn configuration(&mut self, device: u8, offset: u8) -> u32 {
        let (select, value) = CONFIGURATION_PORTS;
        cpu::write_port_u32(select, 1 << 31 | u32::from(device) << 11 | u32::from(offset));
        cpu::read_port_u32(value)
    }

    fn get(&mut self, register: Register) -> u16 {
        cpu::write_port_u16(ADAPTER_PORTS.0, register as u16);
        cpu::read_port_u16(ADAPTER_PORTS.1)
    }

    fn set(&mut self, register: Register, value: u16) {
        cpu::write_port_u16(ADAPTER_PORTS.0, register as u16);
        cpu::write_port_u16(ADAPTER_PORTS.1, value);
    }
}
