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

/// Bytes of `syscall`.
const SYSCALL_BYTES: u64 = 2;

/// How a thread came into the kernel, which says how it leaves and what was saved. By `syscall` RCX and R11 are lost: they
/// become RIP and RFLAGS, and are not saved apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Entry {
    /// By an exception or interrupt, or a register was replaced since. All registers are saved and will be restored.
    Trap = 0,
    /// By `syscall`. The thread restarts at that instruction.
    Syscall = 1,
    /// By `syscall`. The restart address was changed since.
    Moved = 2,
}

/// A thread's registers. Entry code fills it, exit code loads from it.
#[repr(C)]
pub struct Context {
    /// In the order of [`Register`]. `Rip` is where the thread continues.
    pub regs: [Cell<u64>; REGISTER_COUNT],
    /// Where the thread restarts, unless `entry` says it: the address of the instruction that faulted.
    pub(super) fault_ip: Cell<u64>,
    /// How the thread came in.
    pub entry: Cell<Entry>,
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
        self.interrupted_at(self.restart_ip());
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
        match (register, self.entry.get()) {
            (Register::Rip, _) => self.restart_ip(),
            (Register::Rcx, Entry::Syscall | Entry::Moved) => self.get(Register::Rip),
            (Register::R11, Entry::Syscall | Entry::Moved) => self.get(Register::Rflags),
            _ => self.get(register),
        }
    }

    /// Where the thread restarts: the address of the `syscall` instruction, or of the instruction that faulted.
    #[inline]
    pub fn restart_ip(&self) -> u64 {
        match self.entry.get() {
            Entry::Syscall => self.get(Register::Rip).wrapping_sub(SYSCALL_BYTES),
            Entry::Trap | Entry::Moved => self.fault_ip.get(),
        }
    }

    /// From now on all registers are kept, and the thread restarts at `ip`.
    pub fn interrupted_at(&self, ip: u64) {
        if self.entry.get() != Entry::Trap {
            self.set(Register::Rcx, self.get(Register::Rip));
            self.set(Register::R11, self.get(Register::Rflags));
            self.entry.set(Entry::Trap);
        }
        self.fault_ip.set(ip);
    }

    /// Makes the thread execute the interrupted instruction again.
    #[inline]
    pub fn restart(&self) {
        self.set(Register::Rip, self.restart_ip());
        self.commit();
    }

    /// Makes the place where the thread continues also the place where it restarts.
    #[inline]
    pub fn commit(&self) {
        if self.entry.get() == Entry::Syscall {
            self.entry.set(Entry::Moved);
        }
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

    /// The registers after `syscall` at address 0x1000.
    fn entered() -> Context {
        // SAFETY: zeroed memory is the state of a new thread.
        let context: Context = unsafe { core::mem::zeroed() };
        context.set(Register::Rip, 0x1002);
        context.set(Register::Rflags, 0x246);
        context.set(Register::Rcx, 7);
        context.set(Register::R11, 7);
        context.entry.set(Entry::Syscall);
        context
    }

    fn shown(context: &Context) -> [u64; 3] {
        [Register::Rip, Register::Rcx, Register::R11].map(|register| context.read(register))
    }

    #[test]
    fn what_syscall_loses_reads_as_what_it_becomes() {
        let context = entered();
        assert_eq!(shown(&context), [0x1000, 0x1002, 0x246]);
        context.replace(Register::Rax, 1);
        assert_eq!((context.entry.get(), shown(&context)), (Entry::Trap, [0x1000, 0x1002, 0x246]));
        context.replace(Register::Rcx, 2);
        context.replace(Register::Rip, 0x2000);
        assert_eq!(shown(&context), [0x2000, 2, 0x246]);
    }

    #[test]
    fn a_system_call_is_restarted_at_its_instruction_or_behind_it() {
        let context = entered();
        context.restart();
        assert_eq!((context.get(Register::Rip), context.restart_ip()), (0x1000, 0x1000));
        let context = entered();
        context.commit();
        assert_eq!((context.get(Register::Rip), context.restart_ip()), (0x1002, 0x1002));
        context.replace(Register::Rdi, 1);
        assert_eq!((context.get(Register::Rip), context.restart_ip()), (0x1002, 0x1002));
    }
}
