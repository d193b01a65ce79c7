//! Interrupts (abi.md 7.5). The processor's vector is the `vector` argument + [`crate::abi::IRQ_OFFSET`].

use crate::abi::{Label, Word};
use crate::cap::{AbsoluteSlot, Cap, IrqControl, IrqHandler, Notification};
use crate::error::Result;

impl Cap<IrqControl> {
    /// IRQControl_Get. Kernels with I/O APICs, Selkie among them, always answer `IllegalOperation`.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// assert!(initial::IRQ_CONTROL.get(1, initial::CNODE.at(100)).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn get(self, irq: Word, dest: AbsoluteSlot) -> Result<()> {
        self.perform(Label::IrqIssueIrqHandler, &[irq, dest.index, dest.depth], &[dest.root.cptr()])
    }

    /// IRQControl_GetIOAPIC: a handler for a pin of an I/O APIC. `level`: 1 level, 0 edge triggered; `polarity`: 1
    /// active low, 0 active high.
    ///
    /// Errors: `RangeError` vector above 107, no such I/O APIC or pin; `RevokeFirst` the vector is in use; those of
    /// the destination slot.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// // The keyboard: pin 1 of the first I/O APIC, edge triggered, active high; vector 0x30 + 1.
    /// initial::IRQ_CONTROL.get_io_apic(initial::CNODE.at(100), 0, 1, 0, 0, 1)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_io_apic(
        self,
        dest: AbsoluteSlot,
        io_apic: Word,
        pin: Word,
        level: Word,
        polarity: Word,
        vector: Word,
    ) -> Result<()> {
        self.perform(
            Label::X86IrqIssueIrqHandlerIoApic,
            &[dest.index, dest.depth, io_apic, pin, level, polarity, vector],
            &[dest.root.cptr()],
        )
    }

    /// IRQControl_GetMSI: a handler for a message-signalled interrupt of a PCI function.
    ///
    /// Errors: as for [`Cap::get_io_apic`]; `RangeError` also for the PCI address.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// // For the PCI function 00:1f.2; the device gets the data 0x30 + 40.
    /// initial::IRQ_CONTROL.get_msi(initial::CNODE.at(100), 0, 0x1f, 2, 0, 40)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_msi(
        self,
        dest: AbsoluteSlot,
        pci_bus: Word,
        pci_device: Word,
        pci_function: Word,
        handle: Word,
        vector: Word,
    ) -> Result<()> {
        self.perform(
            Label::X86IrqIssueIrqHandlerMsi,
            &[dest.index, dest.depth, pci_bus, pci_device, pci_function, handle, vector],
            &[dest.root.cptr()],
        )
    }
}

impl Cap<IrqHandler> {
    /// IRQHandler_Ack: lets the line interrupt again.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(handler: Cap<IrqHandler>, notification: Cap<Notification>) -> libsel::Result<()> {
    /// loop {
    ///     notification.wait();
    ///     // … what the device wants …
    ///     handler.ack()?;
    /// }
    /// # }
    /// ```
    pub fn ack(self) -> Result<()> {
        self.perform(Label::IrqAckIrq, &[], &[])
    }

    /// IRQHandler_SetNotification: what is signalled from now on, with that capability's badge.
    ///
    /// Error: `InvalidCapability(0)` no notification with Write.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(handler: Cap<IrqHandler>, notification: Cap<Notification>) -> libsel::Result<()> {
    /// handler.set_notification(notification)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_notification(self, notification: Cap<Notification>) -> Result<()> {
        self.perform(Label::IrqSetIrqHandler, &[], &[notification.cptr()])
    }

    /// IRQHandler_Clear: nothing is signalled any more.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(handler: Cap<IrqHandler>) -> libsel::Result<()> {
    /// handler.clear()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn clear(self) -> Result<()> {
        self.perform(Label::IrqClearIrqHandler, &[], &[])
    }
}
