//! System calls with a reading of the clock on both sides, all compiled to the same instructions.
//!
//! One of them has a `nop` in place of `syscall`: what it takes is the cost of measuring a system call, register moves
//! included. It is subtracted where two threads take part, so that what remains runs from the sender's `syscall`
//! instruction to the first instruction behind the receiver's.

use core::arch::asm;

use libsel::abi::{MessageInfo, Syscall, Word};

use super::clock;

/// What goes into the registers of a system call.
#[derive(Clone, Copy)]
pub struct Operands {
    /// The system call.
    pub call: Syscall,
    /// The capability that is invoked or received from.
    pub cptr: Word,
    /// The message sent.
    pub info: MessageInfo,
    /// Its first word.
    pub word: Word,
    /// The reply object.
    pub reply: Word,
}

impl Default for Operands {
    fn default() -> Self {
        Operands { call: Syscall::Yield, cptr: 0, info: MessageInfo(0), word: 0, reply: 0 }
    }
}

impl Operands {
    /// A system call without a message.
    pub fn new(call: Syscall, cptr: Word) -> Self {
        Operands { call, cptr, ..Operands::default() }
    }
}

/// When a system call began and when the thread went on.
#[derive(Clone, Copy)]
pub struct Times {
    /// Before the stub.
    pub begin: u64,
    /// After it.
    pub end: u64,
    /// First word of what was received.
    pub word: Word,
}

macro_rules! stubs {
    ($($(#[$meta:meta])* $name:ident = $instruction:literal, $after:literal;)+) => {
        $(
            $(#[$meta])*
            #[inline(never)]
            pub fn $name(operands: &Operands) -> Times {
                let Operands { call, cptr, info, mut word, reply } = *operands;
                let begin = clock::begin();
                // SAFETY: as the stubs of `libsel::sys`: the kernel changes the registers named here and the thread's
                // IPC buffer; rsp is restored before anything can use the stack. The program itself is compiled
                // without SSE, so that xmm15 is free.
                unsafe {
                    asm!(
                        "mov r14, rsp",
                        $instruction,
                        "mov rsp, r14",
                        $after,
                        in("rdx") call.raw(),
                        inlateout("rdi") cptr => _,
                        inlateout("rsi") info.0 => _,
                        inlateout("r10") word,
                        inlateout("r8") 0u64 => _,
                        inlateout("r9") 0u64 => _,
                        inlateout("r15") 0u64 => _,
                        in("r12") reply,
                        lateout("rcx") _,
                        lateout("r11") _,
                        out("r14") _,
                        options(nostack),
                    );
                }
                let end = clock::end();
                Times { begin, end, word }
            }
        )+
    };
}

stubs! {
    /// The system call.
    system_call = "syscall", "";
    /// The system call; then the thread needs its FPU state, whatever that costs.
    system_call_with_fpu = "syscall", "movaps xmm15, xmm15";
    /// Only the register moves.
    nothing = "nop", "";
}
