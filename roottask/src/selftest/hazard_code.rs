//! Machine code that is up to no good, for threads whose faults a test receives: odd flags, privileged instructions, odd
//! segments, all software interrupts. As in [`super::code`], each piece ends in `ud2`.

use core::arch::global_asm;

use libsel::abi::Word;

global_asm!(
    ".pushsection .text.selftest_hazard_code, \"ax\", @progbits",
    // Flags from rdi, then a way into the kernel; rbx = the flags behind it.
    ".macro selftest_flags name:req, way:vararg",
    ".global selftest_flags_\\name",
    "selftest_flags_\\name:",
    "push rdi",
    "mov rdi, rsi",
    "popfq",
    "\\way",
    "pushfq",
    "pop rbx",
    "ud2",
    ".endm",
    "selftest_flags syscall syscall",
    "selftest_flags int3 int3",
    "selftest_flags int_c8 int 0xc8",
    "selftest_flags ud2 ud2",
    "selftest_flags nop nop; nop",
    "selftest_flags spin 2: lea rcx, [rcx - 1]; jrcxz 3f; jmp 2b; 3:",
    "selftest_flags load mov rax, [rsi]",
    "selftest_flags stack mov eax, 0x33; mov ss, ax; syscall",
    // Floating point with nothing masked: 1 / 0.
    ".global selftest_x87_zero_divide",
    "selftest_x87_zero_divide: fninit",
    "push 0x300",
    "fldcw [rsp]",
    "fld1",
    "fldz",
    "fdivp",
    ".global selftest_x87_wait",
    "selftest_x87_wait: fwait",
    "ud2",
    ".global selftest_sse_zero_divide",
    "selftest_sse_zero_divide: push 0",
    "ldmxcsr [rsp]",
    "mov eax, 1",
    "cvtsi2ss xmm0, eax",
    "xorps xmm1, xmm1",
    ".global selftest_sse_divide",
    "selftest_sse_divide: divss xmm0, xmm1",
    "ud2",
    // Segments: rdi = selector, rsi = address.
    ".macro selftest_segment register:req",
    ".global selftest_load_\\register",
    "selftest_load_\\register:",
    "mov \\register, edi",
    "syscall",
    "ud2",
    ".endm",
    "selftest_segment ds",
    "selftest_segment es",
    "selftest_segment fs",
    "selftest_segment gs",
    ".global selftest_far_return",
    "selftest_far_return: push rdi",
    "push rsi",
    "retfq",
    ".global selftest_interrupt_return",
    "selftest_interrupt_return: push 0x33",
    "push rsp",
    "push 0x202",
    "push rdi",
    "push rsi",
    "iretq",
    // FS or GS base = rdi, then a system call.
    ".global selftest_write_fs_base",
    "selftest_write_fs_base: wrfsbase rdi",
    "mov rdi, rsi",
    "syscall",
    "rdfsbase rbx",
    "ud2",
    ".global selftest_write_gs_base",
    "selftest_write_gs_base: wrgsbase rdi",
    "mov rdi, rsi",
    "syscall",
    "rdgsbase rbx",
    "ud2",
    ".global selftest_push",
    "selftest_push: push rax",
    "ud2",
    // Rows of 16 bytes: a privileged or undefined instruction, and ud2.
    ".balign 16",
    ".macro selftest_row instruction:vararg",
    ".balign 16, 0xcc",
    "\\instruction",
    "ud2",
    ".endm",
    ".global selftest_privileged",
    "selftest_privileged:",
    "selftest_row sti",
    "selftest_row lgdt [rdi]",
    "selftest_row lidt [rdi]",
    "selftest_row lldt ax",
    "selftest_row ltr ax",
    "selftest_row lmsw ax",
    "selftest_row clts",
    "selftest_row invd",
    "selftest_row wbinvd",
    "selftest_row invlpg [rdi]",
    "selftest_row mov rax, cr0",
    "selftest_row mov cr3, rax",
    "selftest_row mov cr4, rax",
    "selftest_row mov rax, dr7",
    "selftest_row mov dr7, rax",
    "selftest_row wrmsr",
    "selftest_row swapgs",
    "selftest_row sysretq",
    "selftest_row sysexit",
    "selftest_row sysenter",
    "selftest_row xsetbv",
    ".global selftest_privileged_end",
    "selftest_privileged_end: ud2",
    ".balign 16, 0xcc",
    ".global selftest_undefined",
    "selftest_undefined:",
    // into, a lock prefix where none may be, ud1, and rsm.
    "selftest_row .byte 0xce",
    "selftest_row .byte 0xf0, 0x90",
    "selftest_row .byte 0x0f, 0xb9, 0xc0",
    "selftest_row .byte 0x0f, 0xaa",
    ".global selftest_undefined_end",
    "selftest_undefined_end: ud2",
    ".balign 16, 0xcc",
    ".global selftest_harmless",
    "selftest_harmless:",
    // What UMIP forbids where it is on, and what hypervisors take.
    "selftest_row sgdt [rdi]",
    "selftest_row sidt [rdi]",
    "selftest_row smsw ax",
    "selftest_row str ax",
    "selftest_row sldt ax",
    "selftest_row vmcall",
    "selftest_row .byte 0x0f, 0x01, 0xd9",
    "selftest_row monitor",
    "selftest_row rdpmc",
    "selftest_row stac",
    "selftest_row clac",
    ".global selftest_harmless_end",
    "selftest_harmless_end: ud2",
    // A row of 4 bytes for each vector.
    ".balign 16",
    ".global selftest_interrupts",
    "selftest_interrupts:",
    ".set selftest_vector, 0",
    ".rept 256",
    ".byte 0xcd, selftest_vector",
    "ud2",
    ".set selftest_vector, selftest_vector + 1",
    ".endr",
    ".popsection",
);

macro_rules! code {
    ($($(#[$meta:meta])* $name:ident = $symbol:ident;)+) => {
        unsafe extern "C" {
            $(fn $symbol();)+
        }
        $($(#[$meta])* pub fn $name() -> Word { $symbol as *const () as Word })+
    };
}

code! {
    /// Sets the flags to `rdi`, then makes a system call with `rdi` = `rsi`; the flags behind it are in `rbx`.
    flags_syscall = selftest_flags_syscall;
    /// The same with a breakpoint.
    flags_int3 = selftest_flags_int3;
    /// The same with a software interrupt.
    flags_int_c8 = selftest_flags_int_c8;
    /// The same with an illegal instruction.
    flags_ud2 = selftest_flags_ud2;
    /// The same with two instructions that do nothing.
    flags_nop = selftest_flags_nop;
    /// The same with a loop of `rcx` rounds.
    flags_spin = selftest_flags_spin;
    /// The same with a read from `rsi`.
    flags_load = selftest_flags_load;
    /// The same with a load of the stack segment before the system call.
    flags_stack = selftest_flags_stack;
    /// Divides by zero in the x87.
    x87_zero_divide = selftest_x87_zero_divide;
    /// The instruction that reports it.
    x87_wait = selftest_x87_wait;
    /// Divides by zero in SSE.
    sse_zero_divide = selftest_sse_zero_divide;
    /// The instruction that does.
    sse_divide = selftest_sse_divide;
    /// Loads DS from `rdi` and makes a system call.
    load_ds = selftest_load_ds;
    /// The same with ES.
    load_es = selftest_load_es;
    /// The same with FS.
    load_fs = selftest_load_fs;
    /// The same with GS.
    load_gs = selftest_load_gs;
    /// Returns to `rdi`:`rsi`.
    far_return = selftest_far_return;
    /// Returns to `rdi`:`rsi` as from an interrupt.
    interrupt_return = selftest_interrupt_return;
    /// Sets the FS base to `rdi`, makes a system call with `rdi` = `rsi`, and reads the base into `rbx`.
    write_fs_base = selftest_write_fs_base;
    /// The same with GS.
    write_gs_base = selftest_write_gs_base;
    /// Pushes a word.
    push = selftest_push;
    /// Instructions for the kernel alone, [`ROW_BYTES`] each.
    privileged = selftest_privileged;
    /// Behind the last of them.
    privileged_end = selftest_privileged_end;
    /// Instructions that are none.
    undefined = selftest_undefined;
    /// Behind the last of them.
    undefined_end = selftest_undefined_end;
    /// Instructions that may be forbidden.
    harmless = selftest_harmless;
    /// Behind the last of them.
    harmless_end = selftest_harmless_end;
    /// `int N`, 4 bytes each.
    interrupts = selftest_interrupts;
}

/// Bytes of a row of instructions.
pub const ROW_BYTES: usize = 16;
/// Bytes of `int N` and its `ud2`.
pub const INTERRUPT_BYTES: Word = 4;
