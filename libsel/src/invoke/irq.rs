//! Interrupts (abi.md 7.5). The processor's vector is the `vector` argument + [`crate::abi::IRQ_OFFSET`].

use crate::abi::{Label, Word};
use crate::cap::{AbsoluteSlot, Cap, IrqControl, IrqHandler, Notification};
use crate::error::Result;

impl Cap<IrqControl> {
    /// IRQControl_Get. Kernels with I/O APICs, Selkie among them, always answer `IllegalOperation`.
    pub fn get(self, irq: Word, dest: AbsoluteSlot) -> Result<()> {
        self.perform(Label::IrqIssueIrqHandler, &[irq, dest.index, dest.depth], &[dest.root.cptr()])
    }

    /// IRQControl_GetIOAPIC: a handler for a pin of an I/O APIC. `level`: 1 level, 0 edge triggered; `polarity`: 1
    /// active low, 0 active high.
    ///
    /// Errors: `RangeError` vector above 107, no such I/O APIC or pin; `RevokeFirst` the vector is in use; those of
    /// the destination slot.
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
    pub fn ack(self) -> Result<()> {
        self.perform(Label::IrqAckIrq, &[], &[])
    }

    /// IRQHandler_SetNotification: what is signalled from now on, with that capability's badge.
    ///
    /// Error: `InvalidCapability(0)` no notification with Write.
    pub fn set_notification(self, notification: Cap<Notification>) -> Result<()> {
        self.perform(Label::IrqSetIrqHandler, &[], &[notification.cptr()])
    }

    /// IRQHandler_Clear: nothing is signalled any more.
    pub fn clear(self) -> Result<()> {
        self.perform(Label::IrqClearIrqHandler, &[], &[])
    }
}
