//! Exceptions and interrupts: from the gates of the interrupt table to the kernel.
//!
//! A trap of a user saves the registers as a system call does (see [`super::entry`]). An interrupt in the kernel is
//! remembered for later, and an exception there is a bug.
use core::arch::naked_asm;
use core::mem::offset_of;

use sel_abi::Register;

use super::entry::register;
use super::percpu::PerCpu;
use super::{cpu, idt};
use crate::arch::context::{Context, Entry};

/// Bytes of a stub.
const STUB_BYTES: u64 = 16;

unsafe extern "C" {
    fn selkie_exception(vector: u64, error_code: u64, address: u64) -> !;
    fn selkie_interrupt(vector: u64) -> !;
    fn selkie_software_interrupt(vector: u64) -> !;
}

/// Address of the code that a vector's gate leads to.
pub fn stub(vector: u64) -> u64 {
    (stubs as *const ()).expose_provenance() as u64 + vector * STUB_BYTES
}

/// One stub of 16 bytes for each vector. It makes all stacks look alike: error code (0 where the processor pushes none),
/// vector. Vectors of the masked PIC and the spurious one need no answer at all.
#[unsafe(naked)]
unsafe extern "C" fn stubs() {
    naked_asm!(
        ".set selkie_vector, 0",
        ".rept 256",
        ".balign {stub_bytes}",
        ".if (selkie_vector >= 32 && selkie_vector < 48) || selkie_vector == 255",
        "iretq",
        ".else",
        ".if !(selkie_vector == 8 || (selkie_vector >= 10 && selkie_vector <= 14) || selkie_vector == 17 \
             || selkie_vector == 21 || selkie_vector == 29 || selkie_vector == 30)",
        "push 0",
        ".endif",
        // push imm32; a vector does not fit into a signed byte.
        ".byte 0x68",
        ".long selkie_vector",
        ".if selkie_vector == {nmi} || selkie_vector == {double_fault} || selkie_vector == {machine_check}",
        "jmp {emergency}",
        ".else",
        "jmp {trap}",
        ".endif",
        ".endif",
        ".set selkie_vector, selkie_vector + 1",
        ".endr",
        stub_bytes = const STUB_BYTES,
        nmi = const idt::NMI,
        double_fault = const idt::DOUBLE_FAULT,
        machine_check = const idt::MACHINE_CHECK,
        emergency = sym emergency_entry,
        trap = sym trap_entry,
    )
}

/// Exceptions and interrupts. On the stack: vector, error code, RIP, CS, RFLAGS, RSP, SS. From user mode that is the
/// start of the kernel's stack.
#[unsafe(naked)]
unsafe extern "C" fn trap_entry() {
    naked_asm!(
        "test byte ptr [rsp + 24], 3",
        "jz 2f",
        "swapgs",
        "mov rsp, gs:[{context}]",
        "mov [rsp + {rax}], rax",
        "mov [rsp + {rbx}], rbx",
        "mov [rsp + {rcx}], rcx",
        "mov [rsp + {rdx}], rdx",
        "mov [rsp + {rsi}], rsi",
        "mov [rsp + {rdi}], rdi",
        "mov [rsp + {rbp}], rbp",
        "mov [rsp + {r8}], r8",
        "mov [rsp + {r9}], r9",
        "mov [rsp + {r10}], r10",
        "mov [rsp + {r11}], r11",
        "mov [rsp + {r12}], r12",
        "mov [rsp + {r13}], r13",
        "mov [rsp + {r14}], r14",
        "mov [rsp + {r15}], r15",
        "mov rbx, gs:[{stack_top}]",
        "mov rdi, [rbx - 56]",
        "mov rsi, [rbx - 48]",
        "mov rdx, [rbx - 40]",
        "mov rax, [rbx - 24]",
        "mov rcx, [rbx - 16]",
        "mov [rsp + {rip}], rdx",
        "mov [rsp + {fault_ip}], rdx",
        "mov [rsp + {rflags}], rax",
        "mov [rsp + {rsp}], rcx",
        "mov qword ptr [rsp + {entry}], {by_trap}",
        "mov rsp, rbx",
        "cld",
        "call {handler}",
        // In the kernel: an interrupt is remembered for later, an exception is a bug.
        "2:",
        "cmp dword ptr [rsp], {first_interrupt}",
        "jb {emergency}",
        "push rax",
        "mov eax, [rsp + 8]",
        "bts qword ptr gs:[{pending}], rax",
        "pop rax",
        "add rsp, 16",
        "iretq",
        context = const offset_of!(PerCpu, context),
        stack_top = const offset_of!(PerCpu, stack_top),
        pending = const offset_of!(PerCpu, pending),
        entry = const offset_of!(Context, entry),
        fault_ip = const offset_of!(Context, fault_ip),
        by_trap = const Entry::Trap as u64,
        rip = const register(Register::Rip),
        rsp = const register(Register::Rsp),
        rflags = const register(Register::Rflags),
        rax = const register(Register::Rax),
        rbx = const register(Register::Rbx),
        rcx = const register(Register::Rcx),
        rdx = const register(Register::Rdx),
        rsi = const register(Register::Rsi),
        rdi = const register(Register::Rdi),
        rbp = const register(Register::Rbp),
        r8 = const register(Register::R8),
        r9 = const register(Register::R9),
        r10 = const register(Register::R10),
        r11 = const register(Register::R11),
        r12 = const register(Register::R12),
        r13 = const register(Register::R13),
        r14 = const register(Register::R14),
        r15 = const register(Register::R15),
        first_interrupt = const idt::FIRST_INTERRUPT,
        handler = sym user_trap,
        emergency = sym emergency_entry,
    )
}

/// NMI, double fault and machine check at any moment, and every exception in the kernel. GS may be the user's or the
/// kernel's: neither this code nor its handler uses it.
#[unsafe(naked)]
unsafe extern "C" fn emergency_entry() {
    naked_asm!(
        "push rax",
        "push rbx",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push rbp",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov rdi, rsp",
        "mov rbx, rsp",
        "and rsp, -16",
        "cld",
        "call {handler}",
        "mov rsp, rbx",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rbp",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rbx",
        "pop rax",
        "add rsp, 16",
        "iretq",
        handler = sym emergency,
    )
}

/// What an emergency finds on its stack.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "registers")]
pub struct TrapFrame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rbx: u64,
    pub rax: u64,
    pub vector: u64,
    pub error_code: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

/// An exception or interrupt while a user ran.
extern "C" fn user_trap(vector: u64, error_code: u64) -> ! {
    // A user may set AC, which the gate does not clear and which would switch SMAP off.
    cpu::clear_access_flag();
    // SAFETY: the registers are saved, interrupts are off, and this is the core's stack: what the handlers ask for.
    unsafe {
        match vector {
            0..idt::FIRST_INTERRUPT => selkie_exception(vector, error_code, cpu::fault_address()),
            idt::FIRST_SOFTWARE_INTERRUPT..=idt::LAST_SOFTWARE_INTERRUPT => selkie_software_interrupt(vector),
            _ => selkie_interrupt(vector),
        }
    }
}

/// See [`emergency_entry`]. Returns only from an NMI.
extern "C" fn emergency(frame: &TrapFrame) {
    if frame.vector == idt::NMI {
        log::warn!("non-maskable interrupt: the machine reports a hardware error or a watchdog");
    } else {
        crate::debug::panic::exception(frame, cpu::fault_address());
    }
}
