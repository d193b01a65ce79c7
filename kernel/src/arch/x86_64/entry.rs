//! System calls, and the way out of the kernel. [`super::traps`] are the other ways in.
//!
//! A thread has no kernel stack: entry code saves its registers straight into its [`Context`], found through the core's
//! own block, and then works on the core's stack, which is empty at every entry. The way out restores whatever context
//! is the current one by then.
use core::arch::{asm, naked_asm};
use core::mem::offset_of;

use sel_abi::{Register, Syscall};

use super::percpu::{self, PerCpu};
use super::{gdt, msr};
use crate::arch::context::{Context, Entry};

/// Byte offset of a register in a context.
pub(super) const fn register(register: Register) -> usize {
    offset_of!(Context, regs) + register.raw() * 8
}

unsafe extern "C" {
    fn selkie_call(cptr: u64, info: u64) -> !;
    fn selkie_reply_recv(cptr: u64, info: u64) -> !;
    fn selkie_yield() -> !;
    fn selkie_other_call(cptr: u64, info: u64, number: i64) -> !;
    fn selkie_syscall(cptr: u64, info: u64, number: i64) -> !;
    /// The way out, a part of [`syscall_entry`].
    fn selkie_leave() -> !;
}

/// Makes `syscall` enter the kernel, and `sysret` leave it as abi.md 11, row 8 says.
pub fn init() {
    const FLAGS: u64 = 1 << 8 | 1 << 9 | 1 << 10 | 1 << 14 | 1 << 18;
    let segments = u64::from(gdt::USER_CODE) << 48 | u64::from(gdt::KERNEL_CODE) << 32;
    // SAFETY: every processor with long mode has these registers. The entry point is code for just this purpose.
    unsafe {
        msr::write(msr::STAR, segments);
        msr::write(msr::LSTAR, (syscall_entry as *const ()).expose_provenance() as u64);
        // TF, IF, DF, NT and AC: a user's NT would make the kernel's IRETQ fault.
        msr::write(msr::FMASK, FLAGS);
    }
}

/// Makes `context` the one that the next exit restores and the next entry saves to.
#[inline]
pub fn set_current_context(context: &'static Context) {
    percpu::this().context.set(core::ptr::from_ref(context).expose_provenance() as u64);
}

/// `syscall`, and the way out: RCX is the address of the next instruction, R11 the flags, everything else as the user left
/// it. The handlers get what their arguments' registers hold: capability pointer, message info, number.
#[unsafe(naked)]
unsafe extern "C" fn syscall_entry() {
    naked_asm!(
        "swapgs",
        "mov gs:[{user_rsp}], rsp",
        "mov rsp, gs:[{context}]",
        "mov [rsp + {rip}], rcx",
        "mov [rsp + {rflags}], r11",
        "mov [rsp + {rax}], rax",
        "mov [rsp + {rbx}], rbx",
        "mov [rsp + {rdx}], rdx",
        "mov [rsp + {rsi}], rsi",
        "mov [rsp + {rdi}], rdi",
        "mov [rsp + {rbp}], rbp",
        "mov [rsp + {r8}], r8",
        "mov [rsp + {r9}], r9",
        "mov [rsp + {r10}], r10",
        "mov [rsp + {r12}], r12",
        "mov [rsp + {r13}], r13",
        "mov [rsp + {r14}], r14",
        "mov [rsp + {r15}], r15",
        "mov rcx, gs:[{user_rsp}]",
        "mov [rsp + {rsp}], rcx",
        "mov qword ptr [rsp + {entry}], {by_syscall}",
        "mov rsp, gs:[{stack_top}]",
        "cmp rdx, {call_number}",
        "jne 3f",
        // The handlers do not return: what a call leaves on the stack makes it look as it does in every function.
        "call {call}",
        // Restores the current context and goes on in user mode: by SYSRET if RCX and R11 may hold the address and the
        // flags, else by IRET.
        ".globl selkie_leave",
        "selkie_leave:",
        "mov rsp, gs:[{context}]",
        "cmp qword ptr [rsp + {entry}], {by_trap}",
        "je 2f",
        "mov rcx, [rsp + {rip}]",
        "mov r11, [rsp + {rflags}]",
        "mov rax, [rsp + {rax}]",
        "mov rbx, [rsp + {rbx}]",
        "mov rdx, [rsp + {rdx}]",
        "mov rsi, [rsp + {rsi}]",
        "mov rdi, [rsp + {rdi}]",
        "mov rbp, [rsp + {rbp}]",
        "mov r8, [rsp + {r8}]",
        "mov r9, [rsp + {r9}]",
        "mov r10, [rsp + {r10}]",
        "mov r12, [rsp + {r12}]",
        "mov r13, [rsp + {r13}]",
        "mov r14, [rsp + {r14}]",
        "mov r15, [rsp + {r15}]",
        "mov rsp, [rsp + {rsp}]",
        "swapgs",
        // RCX is canonical: no page may be mapped at the very end of user space (abi.md 7.8).
        "sysretq",
        "2:",
        "mov r15, rsp",
        "mov rsp, gs:[{stack_top}]",
        "push {user_data}",
        "push qword ptr [r15 + {rsp}]",
        "push qword ptr [r15 + {rflags}]",
        "push {user_code}",
        "push qword ptr [r15 + {rip}]",
        "mov rax, [r15 + {rax}]",
        "mov rbx, [r15 + {rbx}]",
        "mov rcx, [r15 + {rcx}]",
        "mov rdx, [r15 + {rdx}]",
        "mov rsi, [r15 + {rsi}]",
        "mov rdi, [r15 + {rdi}]",
        "mov rbp, [r15 + {rbp}]",
        "mov r8, [r15 + {r8}]",
        "mov r9, [r15 + {r9}]",
        "mov r10, [r15 + {r10}]",
        "mov r11, [r15 + {r11}]",
        "mov r12, [r15 + {r12}]",
        "mov r13, [r15 + {r13}]",
        "mov r14, [r15 + {r14}]",
        "mov r15, [r15 + {r15}]",
        "swapgs",
        "iretq",
        "3:",
        "cmp rdx, {reply_recv_number}",
        "jne 4f",
        "call {reply_recv}",
        "4:",
        "cmp rdx, {yield_number}",
        "jb 6f",
        "je 5f",
        "call {other_call}",
        "5:",
        "call {yield}",
        "6:",
        "call {syscall}",
        "ud2",
        user_rsp = const offset_of!(PerCpu, user_rsp),
        context = const offset_of!(PerCpu, context),
        stack_top = const offset_of!(PerCpu, stack_top),
        entry = const offset_of!(Context, entry),
        by_syscall = const Entry::Syscall as u64,
        by_trap = const Entry::Trap as u64,
        call_number = const Syscall::Call.raw(),
        reply_recv_number = const Syscall::ReplyRecv.raw(),
        // The last of those that every build has; the numbers are negative.
        yield_number = const Syscall::Yield.raw(),
        call = sym selkie_call,
        reply_recv = sym selkie_reply_recv,
        yield = sym selkie_yield,
        other_call = sym selkie_other_call,
        syscall = sym selkie_syscall,
        user_code = const gdt::USER_CODE,
        user_data = const gdt::USER_DATA,
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
    )
}

/// Leaves the kernel for the current thread.
#[inline(always)]
pub fn enter_user() -> ! {
    // SAFETY: the core made a thread the current one, whose context can be restored; nothing on this stack is needed. A
    // jump, unlike a call, leaves it as it is.
    unsafe { asm!("jmp {}", sym selkie_leave, options(noreturn)) }
}
