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

    /// One bit a port.
    #[cfg(test)]
    pub fn words(&self) -> &[u64; 65536 / 64] {
        &self.0
    }

    /// The words that the range touches, and the bits of the range in the first and the last of them.
    fn words_of(&mut self, first: u16, last: u16) -> (&mut [u64], u64, u64) {
        let words = self.0.get_mut(usize::from(first / 64)..=usize::from(last / 64)).unwrap_or_default();
        (words, u64::MAX << (first % 64), u64::MAX >> (63 - last % 64))
    }

    /// Takes a range, if none of it is taken.
    #[must_use]
    pub fn take(&mut self, first: u16, last: u16) -> bool {
        let (words, low, high) = self.words_of(first, last);
        match words {
            [] => false,
            [word] => {
                let free = *word & low & high == 0;
                *word |= if free { low & high } else { 0 };
                free
            }
            [head, middle @ .., tail] => {
                let free = *head & low == 0 && *tail & high == 0 && middle.iter().all(|word| *word == 0);
                if free {
                    *head |= low;
                    *tail |= high;
                    middle.fill(u64::MAX);
                }
                free
            }
        }
    }

    /// Gives a range back.
    pub fn release(&mut self, first: u16, last: u16) {
        let (words, low, high) = self.words_of(first, last);
        match words {
            [] => {}
            [word] => *word &= !(low & high),
            [head, middle @ .., tail] => {
                *head &= !low;
                *tail &= !high;
                middle.fill(0);
            }
        }
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
    let root = call.extra_slot(0)?;
    let (first, last) = (call.word(0) as u16, call.word(1) as u16);
    if last < first {
        return Err(SyscallError::InvalidArgument(1).into());
    }
    if !k.io_ports.take(first, last) {
        return Err(SyscallError::RevokeFirst.into());
    }
    match lookup::empty_slot(root, call.word(2), call.word(3)) {
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
