//! Pieces of machine code that tests let threads execute, each ending in `ud2` so that going on is seen as well.

use core::arch::global_asm;

use libsel::abi::Word;

global_asm!(
    ".pushsection .text.selftest_code, \"ax\", @progbits",
    ".balign 4096",
    ".global selftest_read",
    "selftest_read: mov rax, [rdi]",
    "ud2",
    ".global selftest_write",
    "selftest_write: mov [rdi], rsi",
    "ud2",
    ".global selftest_jump",
    "selftest_jump: jmp rdi",
    ".global selftest_ud2",
    "selftest_ud2: ud2",
    ".global selftest_int3",
    "selftest_int3: int3",
    "ud2",
    ".global selftest_divide",
    "selftest_divide: div rcx",
    "ud2",
    ".global selftest_hlt",
    "selftest_hlt: hlt",
    "ud2",
    ".global selftest_out",
    "selftest_out: out 0x80, al",
    "ud2",
    ".global selftest_in",
    "selftest_in: in al, 0x80",
    "ud2",
    ".global selftest_cli",
    "selftest_cli: cli",
    "ud2",
    ".global selftest_rdmsr",
    "selftest_rdmsr: rdmsr",
    "ud2",
    ".global selftest_int_80",
    "selftest_int_80: int 0x80",
    "ud2",
    ".global selftest_int_c8",
    "selftest_int_c8: int 0xc8",
    "ud2",
    ".global selftest_int_fe",
    "selftest_int_fe: int 0xfe",
    "ud2",
    ".global selftest_int_9d",
    "selftest_int_9d: int 0x9d",
    "ud2",
    ".global selftest_syscall",
    "selftest_syscall: syscall",
    "ud2",
    ".global selftest_sse",
    "selftest_sse: movaps xmm0, xmm1",
    "ud2",
    ".global selftest_x87",
    "selftest_x87: fld1",
    "ud2",
    ".global selftest_spin",
    "selftest_spin: jmp selftest_spin",
    "ud2",
    ".global selftest_read_fs",
    "selftest_read_fs: mov rax, fs:[0]",
    "ud2",
    ".balign 4096",
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
    /// Reads the word at `rdi` into `rax`.
    read = selftest_read;
    /// Writes `rsi` to the word at `rdi`.
    write = selftest_write;
    /// Jumps to `rdi`.
    jump = selftest_jump;
    /// An illegal instruction.
    ud2 = selftest_ud2;
    /// A breakpoint.
    int3 = selftest_int3;
    /// Divides by `rcx`.
    divide = selftest_divide;
    /// A privileged instruction.
    hlt = selftest_hlt;
    /// An output instruction.
    out = selftest_out;
    /// An input instruction.
    input = selftest_in;
    /// Turns interrupts off.
    cli = selftest_cli;
    /// Reads an MSR.
    rdmsr = selftest_rdmsr;
    /// A software interrupt that no system call has.
    int_80 = selftest_int_80;
    /// A software interrupt that is an unknown system call.
    int_c8 = selftest_int_c8;
    /// The last such software interrupt.
    int_fe = selftest_int_fe;
    /// The kernel timer's vector as a software interrupt.
    int_9d = selftest_int_9d;
    /// A system call with the registers as they are.
    syscall = selftest_syscall;
    /// An SSE instruction.
    sse = selftest_sse;
    /// An x87 instruction.
    x87 = selftest_x87;
    /// An endless loop.
    spin = selftest_spin;
    /// Reads the word at the FS base into `rax`.
    read_fs = selftest_read_fs;
}
