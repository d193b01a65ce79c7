//! The registers of a thread, as entry code saves them and TCB_ReadRegisters shows them (abi.md 7.3).
use core::cell::Cell;

use sel_abi::Register;
use sel_abi::registers::{FRAME_REGISTER_COUNT, REGISTER_COUNT};

/// RFLAGS: interrupts enabled.
const FLAGS_INTERRUPT: u64 = 1 << 9;
/// RFLAGS: always 1.
const FLAGS_RESERVED_ONE: u64 = 1 << 1;
/// Bits of RFLAGS that a user may set through the kernel: the low twelve without bits 3, 5 and TF (abi.md 5.3).
const FLAGS_USER: u64 = 0xfff & !((1 << 3) | (1 << 5) | (1 << 8));

/// A thread's registers. Entry code fills it, exit code loads from it.
#[repr(C)]
pub struct Context {
    /// In the order of [`Register`]. `Rip` is where the thread continues.
    pub regs: [Cell<u64>; REGISTER_COUNT],
    /// Where the thread restarts: the address of the `syscall` instruction, or of the instruction that faulted.
    pub fault_ip: Cell<u64>,
    /// 1 if the thread entered by `syscall` and none of its registers was replaced since: it may leave by SYSRET, which
    /// loses RCX and R11.
    pub by_syscall: Cell<u64>,
}

impl Context {
    /// Reads a register; `Rip` reads as where the thread continues.
    #[inline]
    pub fn get(&self, register: Register) -> u64 {
        self.regs[register.raw()].get()
    }

    /// Sets a register that carries a result of a system call; the thread may still leave by SYSRET.
    #[inline]
    pub fn set(&self, register: Register, value: u64) {
        self.regs[register.raw()].set(value);
    }

    /// Replaces a register on a user's behalf: the value is made safe (abi.md 5.3), and all of the registers will be
    /// restored.
    pub fn replace(&self, register: Register, value: u64) {
        self.by_syscall.set(0);
        let value = match register {
            Register::Rip | Register::FsBase | Register::GsBase => canonical_or_zero(value),
            Register::Rflags => sanitise_flags(value),
            _ => value,
        };
        if register == Register::Rip {
            self.fault_ip.set(value);
        }
        self.set(register, value);
    }

    /// The register as TCB_ReadRegisters shows it: `Rip` is the restart address.
    pub fn read(&self, register: Register) -> u64 {
        if register == Register::Rip { self.fault_ip.get() } else { self.get(register) }
    }

    /// Makes the thread execute the interrupted instruction again.
    #[inline]
    pub fn restart(&self) {
        self.set(Register::Rip, self.fault_ip.get());
    }

    /// Makes the place where the thread continues also the place where it restarts.
    #[inline]
    pub fn commit(&self) {
        self.fault_ip.set(self.get(Register::Rip));
    }

    /// Makes zeroed memory the state of a new thread (abi.md 7.2).
    pub fn init(&self) {
        self.set(Register::Rflags, FLAGS_RESERVED_ONE | FLAGS_INTERRUPT);
    }

    /// True for the registers that CopyRegisters calls "frame" registers.
    pub fn is_frame_register(register: Register) -> bool {
        register.raw() < FRAME_REGISTER_COUNT
    }
}

/// RFLAGS as the kernel lets a user have them (abi.md 5.3).
fn sanitise_flags(flags: u64) -> u64 {
    (flags & FLAGS_USER) | FLAGS_RESERVED_ONE | FLAGS_INTERRUPT
}

/// An address, or 0 if it is not canonical (abi.md 5.3).
pub fn canonical_or_zero(address: u64) -> u64 {
    if (0x0000_8000_0000_0000..=0xffff_7fff_ffff_ffff).contains(&address) { 0 } else { address }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_appendix_are_sanitised_as_observed() {
        assert_eq!(sanitise_flags(0xffff_ffff), 0xed7);
        assert_eq!(canonical_or_zero(0x8000_0000_0000), 0);
        assert_eq!(canonical_or_zero(0x9000_0000_0000), 0);
        assert_eq!(canonical_or_zero(0x1234), 0x1234);
        assert_eq!(canonical_or_zero(0xffff_8000_0000_0000), 0xffff_8000_0000_0000);
    }
}
