//! I/O ports (abi.md 7.10).

use crate::abi::{Label, Word};
use crate::cap::{AbsoluteSlot, Cap, IoPort, IoPortControl};
use crate::error::Result;

impl Cap<IoPortControl> {
    /// X86_IOPortControl_Issue: a capability to the ports `first..=last`.
    ///
    /// Errors: `InvalidArgument(1)` last below first, `RevokeFirst` a port is issued already; those of the
    /// destination slot.
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
    pub fn in8(self, port: u16) -> Result<u8> {
        self.input(Label::X86IoPortIn8, port).map(|value| value as u8)
    }

    /// X86_IOPort_In16.
    pub fn in16(self, port: u16) -> Result<u16> {
        self.input(Label::X86IoPortIn16, port).map(|value| value as u16)
    }

    /// X86_IOPort_In32.
    pub fn in32(self, port: u16) -> Result<u32> {
        self.input(Label::X86IoPortIn32, port).map(|value| value as u32)
    }

    /// X86_IOPort_Out8.
    pub fn out8(self, port: u16, value: u8) -> Result<()> {
        self.perform(Label::X86IoPortOut8, &[Word::from(port), Word::from(value)], &[])
    }

    /// X86_IOPort_Out16.
    pub fn out16(self, port: u16, value: u16) -> Result<()> {
        self.perform(Label::X86IoPortOut16, &[Word::from(port), Word::from(value)], &[])
    }

    /// X86_IOPort_Out32.
    pub fn out32(self, port: u16, value: u32) -> Result<()> {
        self.perform(Label::X86IoPortOut32, &[Word::from(port), Word::from(value)], &[])
    }

    fn input(self, label: Label, port: u16) -> Result<Word> {
        self.invoke(label, &[Word::from(port)], &[]).map(|reply| reply.word(0))
    }
}
