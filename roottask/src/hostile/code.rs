//! The code that hostile threads execute.
//!
//! A thread takes one record after the other ([`super::shared`]), copies its words into the IPC buffer, loads *all*
//! general registers from it, the stack pointer too, and jumps to the snippet that it names. What it needs to go on it
//! finds through the GS base, which leads to its state page; it has no stack. Without records left it executes `ud2` at
//! [`refill`], for the supervisor to see.
//!
//! The code is copied into memory of its own, so that no instruction of the supervisor's is mapped where hostile threads
//! run: a wild jump cannot end the machine.

use core::arch::global_asm;
use core::mem::offset_of;

use libsel::abi::IpcBuffer;
use libsel::abi::Word;

use super::shared::{BATCH, CODE_ADDRESS, RECORD_BYTES, RESULT_BYTES, Record, State};

/// Bytes from one snippet to the next.
const SNIPPET_BYTES: u64 = 64;

macro_rules! snippets {
    ($($text:literal,)+) => {
        /// Number of snippets.
        pub const SNIPPETS: u64 = [$($text),+].len() as u64;

        global_asm!(
            ".pushsection .text.hostile_code, \"ax\", @progbits",
            ".balign 4096",
            ".global hostile_code",
            "hostile_code:",
            "cld",
            "mov rax, gs:[{index}]",
            "cmp rax, gs:[{limit}]",
            "jae hostile_refill",
            "mov rdx, rax",
            "and edx, {batch_mask}",
            "imul edx, edx, {record_bytes}",
            "add rdx, gs:[{records}]",
            "inc rax",
            "mov gs:[{index}], rax",
            "lea rsi, [rdx + {words}]",
            "mov rdi, gs:[{buffer}]",
            "add rdi, {buffer_words}",
            "mov rcx, [rdx + {count}]",
            "rep movsq",
            "lea rsi, [rdx + {caps}]",
            "mov rdi, gs:[{buffer}]",
            "add rdi, {buffer_caps}",
            "mov ecx, 6",
            "rep movsq",
            "mov rax, [rdx + {target}]",
            "mov gs:[{jump}], rax",
            "mov rax, [rdx + {registers}]",
            "mov rbx, [rdx + {registers} + 8]",
            "mov rcx, [rdx + {registers} + 16]",
            "mov rsi, [rdx + {registers} + 32]",
            "mov rdi, [rdx + {registers} + 40]",
            "mov rbp, [rdx + {registers} + 48]",
            "mov rsp, [rdx + {registers} + 56]",
            "mov r8, [rdx + {registers} + 64]",
            "mov r9, [rdx + {registers} + 72]",
            "mov r10, [rdx + {registers} + 80]",
            "mov r11, [rdx + {registers} + 88]",
            "mov r12, [rdx + {registers} + 96]",
            "mov r13, [rdx + {registers} + 104]",
            "mov r14, [rdx + {registers} + 112]",
            "mov r15, [rdx + {registers} + 120]",
            "mov rdx, [rdx + {registers} + 24]",
            "jmp qword ptr gs:[{jump}]",
            "hostile_refill:",
            "ud2",
            "jmp hostile_code",
            "hostile_done:",
            "mov rax, gs:[{index}]",
            "dec rax",
            "and eax, {batch_mask}",
            "imul eax, eax, {result_bytes}",
            "mov gs:[rax + {results}], rsi",
            "mov gs:[rax + {results} + 8], rdi",
            "jmp hostile_code",
            ".balign {snippet_bytes}",
            "hostile_snippets:",
            $(".balign {snippet_bytes}", $text, "jmp hostile_done",)+
            ".balign {snippet_bytes}",
            "hostile_code_end:",
            ".balign 4096",
            ".popsection",
            index = const offset_of!(State, index),
            limit = const offset_of!(State, limit),
            records = const offset_of!(State, records),
            buffer = const offset_of!(State, buffer),
            jump = const offset_of!(State, jump),
            stack = const offset_of!(State, stack),
            results = const offset_of!(State, results),
            result_bytes = const RESULT_BYTES,
            batch_mask = const BATCH - 1,
            record_bytes = const RECORD_BYTES,
            registers = const offset_of!(Record, registers),
            target = const offset_of!(Record, target),
            count = const offset_of!(Record, count),
            words = const offset_of!(Record, words),
            caps = const offset_of!(Record, caps),
            buffer_words = const offset_of!(IpcBuffer, msg) + 4 * 8,
            buffer_caps = const offset_of!(IpcBuffer, caps_or_badges),
            snippet_bytes = const SNIPPET_BYTES,
        );
    };
}

snippets! {
    // The first two are what most records do: a system call, and one with flags that are not usual.
    "syscall",
    "mov rsp, gs:[{stack}]\npush rbx\npopfq\nsyscall",
    // Flags: single step, alignment checks, nested task and all else that user mode may set.
    "mov rsp, gs:[{stack}]\npush rbx\npopfq\nnop\nnop",
    "mov rsp, gs:[{stack}]\npush 0x102\npopfq\nsyscall",
    "mov rsp, gs:[{stack}]\npush 0x102\npopfq\nmov ebx, 0x33\nmov ss, ebx\nsyscall",
    "mov rsp, gs:[{stack}]\npush 0x102\npopfq\nmov ebx, 0x33\nmov ss, ebx\nint3",
    "mov rsp, gs:[{stack}]\npush 0x40202\npopfq\nmov rax, [rsp - 21]",
    "mov rsp, gs:[{stack}]\npush 0x4602\npopfq\nint 0xc8",
    "mov rsp, gs:[{stack}]\npush 0x202\npopfq\nstd\nsyscall",
    // Exceptions and software interrupts.
    "ud2",
    "int3",
    ".byte 0xf1",
    "int 0x80",
    "int 0x00",
    "int 0x02",
    "int 0x08",
    "int 0x0e",
    "int 0x30",
    "int 0x9d",
    "int 0x9e",
    "int 0xc8",
    "int 0xfe",
    "int 0xff",
    "xor ecx, ecx\ndiv rcx",
    // Memory: anywhere, and at the edges of what is mapped.
    "mov rax, [rax]",
    "mov [rax], rbx",
    "lock xadd [rax], rbx",
    "jmp rax",
    "call rax",
    "push rax",
    "pop rax",
    "enter 64, 3",
    "movaps xmm0, [rax]",
    "lock cmpxchg16b [rax]",
    "rep stosb",
    // Privileged instructions.
    "hlt",
    "cli",
    "sti",
    "in al, 0x80",
    "out 0x80, al",
    "rdmsr",
    "wrmsr",
    "rdpmc",
    "mov cr0, rax",
    "mov cr3, rax",
    "mov rax, cr4",
    "mov dr7, rax",
    "lgdt [rax]",
    "lidt [rax]",
    "sgdt [rax]",
    "ltr ax",
    "lldt ax",
    "str rax",
    "smsw rax",
    "invlpg [rax]",
    "wbinvd",
    "swapgs",
    "sysretq",
    "sysexit",
    "sysenter",
    "xsetbv",
    "stac",
    "clac",
    "vmcall",
    "monitor",
    // Segments: null, bad, and returns to other code segments.
    "mov ds, eax",
    "mov es, eax",
    "mov fs, eax",
    "xor eax, eax\nmov gs, eax",
    "mov ss, eax",
    "mov rsp, gs:[{stack}]\nlea rbx, [rip + 3f]\npush 0x2b\npush rbx\nretfq\n3:",
    "mov rsp, gs:[{stack}]\nlea rbx, [rip + 4f]\npush 0x3b\npush rbx\nretfq\n4: syscall",
    "mov rsp, gs:[{stack}]\nand eax, 0xff\npush rax\npush rbx\nretfq",
    "mov rsp, gs:[{stack}]\npush 0x33\npush rbx\npush rbx\npush 0x3b\npush rax\niretq",
    "mov rsp, gs:[{stack}]\nand eax, 0x7f\npush rax\npush rsp\npush rbx\npush rax\npush rbx\niretq",
    "verr ax\nlar eax, ebx",
    // Bases.
    "wrfsbase rax\nmov rax, fs:[0]",
    "wrfsbase rbx\nrdfsbase rcx",
    "wrgsbase rax",
    // FPU.
    "fld1",
    "movaps xmm0, xmm1",
    "fninit\nfxsave [rax]",
    "mov rsp, gs:[{stack}]\npush 0x0300\nfldcw [rsp]\nfld1\nfldz\nfdivp\nfwait",
    "mov rsp, gs:[{stack}]\npush 0x0000\nldmxcsr [rsp]\nxorps xmm0, xmm0\ndivps xmm0, xmm0",
    "mov rsp, gs:[{stack}]\npush -1\nldmxcsr [rsp]",
    "xor ecx, ecx\nxgetbv",
    "vaddps ymm0, ymm1, ymm2",
    // Harmless.
    "cpuid",
    "rdtscp",
    "pause",
}

unsafe extern "C" {
    fn hostile_code();
    fn hostile_refill();
    fn hostile_snippets();
    fn hostile_code_end();
}

/// Address of a symbol of the code in the supervisor's own image.
fn image_address(symbol: unsafe extern "C" fn()) -> u64 {
    symbol as *const () as u64
}

/// Address of a symbol of the code where hostile threads have it.
fn hostile_address(symbol: unsafe extern "C" fn()) -> Word {
    CODE_ADDRESS + (image_address(symbol) - image_address(hostile_code))
}

/// The code's bytes.
pub fn bytes() -> &'static [u8] {
    let length = image_address(hostile_code_end) - image_address(hostile_code);
    assert_eq!(
        image_address(hostile_code_end) - image_address(hostile_snippets),
        SNIPPETS * SNIPPET_BYTES,
        "a snippet is longer than SNIPPET_BYTES"
    );
    // SAFETY: both symbols are in this image, one section and in this order; nobody writes to code.
    unsafe { core::slice::from_raw_parts(hostile_code as *const u8, length as usize) }
}

/// Where a hostile thread takes its next record.
pub fn entry() -> Word {
    hostile_address(hostile_code)
}

/// Where it stops when none is left.
pub fn refill() -> Word {
    hostile_address(hostile_refill)
}

/// The snippet `number`, below [`SNIPPETS`]; 0 is a system call.
pub fn snippet(number: u64) -> Word {
    hostile_address(hostile_snippets) + number * SNIPPET_BYTES
}
