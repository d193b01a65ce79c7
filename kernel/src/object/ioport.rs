//! I/O ports (abi.md 7.10).
use sel_abi::Label;

use crate::arch;
use crate::cap::{Cap, derivation, lookup};
use crate::error::{Stop, SyscallError};
use crate::invoke::{Done, Invocation};
use crate::state::Kernel;

const WORDS: usize = 65536 / 64;

/// Which ports belong to a capability: one bit a port.
pub struct PortMap([u64; WORDS]);

impl PortMap {
    /// No port was issued.
    pub const fn new() -> Self {
        PortMap([0; WORDS])
    }

    /// Calls `change` with each word that the range touches and the bits of the range in it.
    fn for_range(&mut self, first: u16, last: u16, mut change: impl FnMut(&mut u64, u64)) {
        let (first, last) = (usize::from(first), usize::from(last));
        for (index, word) in self.0.iter_mut().enumerate().take(last / 64 + 1).skip(first / 64) {
            let low = if index == first / 64 { first % 64 } else { 0 };
            let high = if index == last / 64 { last % 64 } else { 63 };
            change(word, (u64::MAX << low) & (u64::MAX >> (63 - high)));
        }
    }

    /// Takes a range, if none of it is taken.
    #[must_use]
    pub fn take(&mut self, first: u16, last: u16) -> bool {
        let mut free = true;
        self.for_range(first, last, |word, mask| free &= *word & mask == 0);
        if free {
            self.for_range(first, last, |word, mask| *word |= mask);
        }
        free
    }

    /// Gives a range back.
    pub fn release(&mut self, first: u16, last: u16) {
        self.for_range(first, last, |word, mask| *word &= !mask);
    }
}

impl Default for PortMap {
    fn default() -> Self {
        Self::new()
    }
}

/// Decodes an invocation of the IOPortControl capability.
pub fn invoke_control(k: &mut Kernel, call: &Invocation) -> Result<Done, Stop> {
    if call.label() != Some(Label::X86IoPortControlIssue) {
        return Err(SyscallError::IllegalOperation.into());
    }
    call.need_words(4)?;
    let root = call.extra_cap(0)?;
    let (first, last) = (call.word(0) as u16, call.word(1) as u16);
    if last < first {
        return Err(SyscallError::InvalidArgument(1).into());
    }
    if !k.io_ports.take(first, last) {
        return Err(SyscallError::RevokeFirst.into());
    }
    match lookup::empty_slot(&root, call.word(2), call.word(3)) {
        Ok(slot) => {
            derivation::insert(slot, Cap::IoPort { first, last }, call.slot, true);
            Ok(Done::Nothing)
        }
        Err(error) => {
            k.io_ports.release(first, last);
            Err(error.into())
        }
    }
}

/// Decodes an invocation of a port range.
pub fn invoke_port(first: u16, last: u16, call: &Invocation) -> Result<Done, Stop> {
    let (bytes, out) = match call.label() {
        Some(Label::X86IoPortIn8) => (1, false),
        Some(Label::X86IoPortIn16) => (2, false),
        Some(Label::X86IoPortIn32) => (4, false),
        Some(Label::X86IoPortOut8) => (1, true),
        Some(Label::X86IoPortOut16) => (2, true),
        Some(Label::X86IoPortOut32) => (4, true),
        _ => return Err(SyscallError::IllegalOperation.into()),
    };
    call.need_words(if out { 2 } else { 1 })?;
    let port = call.word(0) & 0xffff;
    if port < u64::from(first) || port + u64::from(bytes) - 1 > u64::from(last) {
        return Err(SyscallError::IllegalOperation.into());
    }
    if out {
        arch::port_write(port as u16, bytes, call.word(1) as u32);
        Ok(Done::Nothing)
    } else {
        Ok(Done::Word(u64::from(arch::port_read(port as u16, bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_taken_once_and_given_back() {
        let mut map = PortMap::new();
        assert!(map.take(0x3f8, 0x3ff));
        assert!(!map.take(0x3ff, 0x3ff));
        assert!(!map.take(0, 0xffff));
        assert!(map.take(0x400, 0xffff));
        assert!(map.take(0, 0x3f7));
        map.release(0x3f8, 0x3ff);
        assert!(map.take(0x3fa, 0x3fb));
        assert!(!map.take(0x3f8, 0x3fa));
    }
}
