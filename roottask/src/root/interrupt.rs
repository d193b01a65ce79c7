//! Interrupts of servers: lines of the ISA bus, messages of PCI functions.
use core::arch::x86_64::__cpuid;

use libsel::Error;
use libsel::abi::CapRights;
use libsel::bootinfo::initial;
use libsel::cap::{AbsoluteSlot, Cap, IrqHandler, Notification};
use libsel::proto::start::slot;
use roottask::manifest::Irq;
use roottask::msi::{self, Message};
use roottask::{madt, pci};

use super::device::Ports;
use super::pieces::OutOfMemory;
use super::server::ServerId;
use super::spawn::SpawnError;
use super::{Root, own_slot};

/// Vectors for messages: those below are of the ISA bus, those above are refused (abi.md, GetMSI).
const FIRST_VECTOR: u8 = 24;
const LAST_VECTOR: u8 = 107;
/// What the kernel adds to them (abi.md, GetMSI).
const VECTOR_OFFSET: u8 = 48;

impl Root {
    /// Gives a server an interrupt; it sets bit `number` of its notification.
    pub fn interrupt(
        &mut self,
        id: ServerId,
        notification: Cap<Notification>,
        irq: Irq,
        number: u64,
        to: AbsoluteSlot,
    ) -> Result<(), SpawnError> {
        let first = self.memory.kernel().slots.take(2).ok_or(OutOfMemory)?;
        let (handler, signal) = (own_slot(first), own_slot(first + 1));
        let from = AbsoluteSlot::in_cspace(initial::CNODE, notification.cptr());
        let issued = match irq {
            Irq::Isa(line) => self.line(line, handler),
            Irq::Msi(vendor, device) => self.messages(id, vendor, device, handler),
        };
        let given = issued.and_then(|()| {
            signal.mint(from, CapRights::WRITE, slot::SIGNAL | 1 << number)?;
            let handler_cap: Cap<IrqHandler> = Cap::new(u64::from(first));
            handler_cap.set_notification(Cap::new(u64::from(first + 1)))?;
            Ok(to.copy(handler, CapRights::ALL)?)
        });
        // The interrupt keeps a copy of the one, the server of the other.
        let _ = signal.delete();
        let _ = handler.delete();
        self.memory.kernel().slots.give(first, 2);
        given
    }

    /// A line of the ISA bus, at the pin where ACPI says that it is.
    fn line(&mut self, irq: u8, handler: AbsoluteSlot) -> Result<(), SpawnError> {
        let told = self.read_acpi(|table| madt::isa_line(table, irq));
        let line = told.unwrap_or(madt::usual(irq));
        let (level, low) = (line.level.into(), line.low.into());
        Ok(initial::IRQ_CONTROL.get_io_apic(handler, line.io_apic, line.pin, level, low, u64::from(irq))?)
    }

    /// The messages of a PCI function, which is this server's then.
    fn messages(
        &mut self,
        id: ServerId,
        vendor: u16,
        device: u16,
        handler: AbsoluteSlot,
    ) -> Result<(), SpawnError> {
        let refused = SpawnError::Function(vendor, device);
        let mut ports = Ports(self.config_ports().ok_or(refused)?);
        let function = pci::find(&mut ports, vendor, device).ok_or(refused)?;
        if !self.note_function(id, function) {
            return Err(refused);
        }
        let place = [function.bus, function.device, function.function].map(u64::from);
        let vector = (FIRST_VECTOR..=LAST_VECTOR).find_map(|vector| {
            let issued =
                initial::IRQ_CONTROL.get_msi(handler, place[0], place[1], place[2], 0, vector.into());
            match issued {
                Ok(()) => Some(Ok(vector)),
                Err(Error::RevokeFirst) => None,
                Err(error) => Some(Err(error)),
            }
        });
        let vector = vector.ok_or(refused)??;
        // The core that this code runs on is the one that the kernel runs on.
        let message = Message::new((__cpuid(1).ebx >> 24) as u8, vector + VECTOR_OFFSET);
        let write = |paddr, words| self.write_registers(paddr, words).is_ok();
        if msi::set(&mut ports, function, message, write) { Ok(()) } else { Err(refused) }
    }
}
