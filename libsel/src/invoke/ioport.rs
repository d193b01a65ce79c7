//! I/O ports (abi.md 7.10).

use crate::abi::{Label, Word};
use crate::cap::{AbsoluteSlot, Cap, IoPort, IoPortControl};
use crate::error::Result;

impl Cap<IoPortControl> {
    /// X86_IOPortControl_Issue: a capability to the ports `first..=last`.
    ///
    /// Errors: `InvalidArgument(1)` last below first, `RevokeFirst` a port is issued already; those of the
    /// destination slot.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// initial::IO_PORT_CONTROL.issue(0x3f8, 0x3ff, initial::CNODE.at(100))?;
    /// let serial: Cap<IoPort> = Cap::new(100);
    /// # Ok(())
    /// # }
    /// ```
    pub fn issue(self, first: u16, last: u16, dest: AbsoluteSlot) -> Result<()> {
        self.perform(
            Label::X86IoPortControlIssue,
            &[Word::from(first), Word::from(last), dest.index, dest.depth],
            &[dest.root.cptr()],
        )
    }
}

/// All port accesses fail with `IllegalOperation` if a byte of them is outside the capability's range.
impl Cap<IoPort> {
    /// X86_IOPort_In8.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(serial: Cap<IoPort>) -> libsel::Result<()> {
    /// let line_status = serial.in8(0x3fd)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn in8(self, port: u16) -> Result<u8> {
        self.input(Label::X86IoPortIn8, port).map(|value| value as u8)
    }

    /// X86_IOPort_In16.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(disk: Cap<IoPort>) -> libsel::Result<()> {
    /// let word = disk.in16(0x1f0)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn in16(self, port: u16) -> Result<u16> {
        self.input(Label::X86IoPortIn16, port).map(|value| value as u16)
    }

    /// X86_IOPort_In32.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(pci: Cap<IoPort>) -> libsel::Result<()> {
    /// let value = pci.in32(0xcfc)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn in32(self, port: u16) -> Result<u32> {
        self.input(Label::X86IoPortIn32, port).map(|value| value as u32)
    }

    /// X86_IOPort_Out8.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(serial: Cap<IoPort>) -> libsel::Result<()> {
    /// serial.out8(0x3f8, b'x')?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn out8(self, port: u16, value: u8) -> Result<()> {
        self.perform(Label::X86IoPortOut8, &[Word::from(port), Word::from(value)], &[])
    }

    /// X86_IOPort_Out16.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(disk: Cap<IoPort>) -> libsel::Result<()> {
    /// disk.out16(0x1f0, 0)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn out16(self, port: u16, value: u16) -> Result<()> {
        self.perform(Label::X86IoPortOut16, &[Word::from(port), Word::from(value)], &[])
    }

    /// X86_IOPort_Out32.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(pci: Cap<IoPort>) -> libsel::Result<()> {
    /// pci.out32(0xcf8, 0x8000_0000)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn out32(self, port: u16, value: u32) -> Result<()> {
        self.perform(Label::X86IoPortOut32, &[Word::from(port), Word::from(value)], &[])
    }

    fn input(self, label: Label, port: u16) -> Result<Word> {
        self.invoke(label, &[Word::from(port)], &[]).map(|reply| reply.word(0))
    }
}
