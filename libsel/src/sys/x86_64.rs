//! The shapes of a system call in assembly (abi.md 2.1). The register tables of the parent module are checked there.

use core::arch::asm;

use super::{MessageRegisters, Registers};
use crate::abi::{CPtr, MessageInfo, Word};

#[inline(always)]
pub fn send_only<const NUMBER: i64>(dest: CPtr, info: MessageInfo, [mr0, mr1, mr2, mr3]: MessageRegisters) {
    // SAFETY: the kernel changes the registers named here and memory only as the parent module describes; rsp is
    // restored before anything can use the stack.
    unsafe {
        asm!(
            "mov r14, rsp",
            "syscall",
            "mov rsp, r14",
            in("rdx") NUMBER,
            inlateout("rdi") dest => _,
            inlateout("rsi") info.0 => _,
            inlateout("r10") mr0 => _,
            inlateout("r8") mr1 => _,
            inlateout("r9") mr2 => _,
            inlateout("r15") mr3 => _,
            lateout("rcx") _,
            lateout("r11") _,
            out("r14") _,
            options(nostack),
        );
    }
}

#[inline(always)]
pub fn call<const NUMBER: i64>(
    dest: CPtr,
    info: MessageInfo,
    [mut mr0, mut mr1, mut mr2, mut mr3]: MessageRegisters,
) -> Registers {
    let (badge, info_out): (Word, Word);
    // SAFETY: as in `send_only`.
    unsafe {
        asm!(
            "mov r14, rsp",
            "syscall",
            "mov rsp, r14",
            in("rdx") NUMBER,
            inlateout("rdi") dest => badge,
            inlateout("rsi") info.0 => info_out,
            inlateout("r10") mr0,
            inlateout("r8") mr1,
            inlateout("r9") mr2,
            inlateout("r15") mr3,
            in("r12") 0u64,
            lateout("rcx") _,
            lateout("r11") _,
            out("r14") _,
            options(nostack),
        );
    }
    Registers { badge, info: MessageInfo(info_out), mrs: [mr0, mr1, mr2, mr3] }
}

#[inline(always)]
pub fn receive_with_reply<const NUMBER: i64>(src: CPtr, reply: CPtr) -> Registers {
    combined::<NUMBER>(src, MessageInfo(0), [0; 4], reply, 0)
}

#[inline(always)]
pub fn receive<const NUMBER: i64>(src: CPtr) -> Registers {
    call::<NUMBER>(src, MessageInfo(0), [0; 4])
}

#[inline(always)]
pub fn combined<const NUMBER: i64>(
    src: CPtr,
    info: MessageInfo,
    [mut mr0, mut mr1, mut mr2, mut mr3]: MessageRegisters,
    r12: CPtr,
    r13: CPtr,
) -> Registers {
    let (badge, info_out): (Word, Word);
    // SAFETY: as in `send_only`.
    unsafe {
        asm!(
            "mov r14, rsp",
            "syscall",
            "mov rsp, r14",
            in("rdx") NUMBER,
            inlateout("rdi") src => badge,
            inlateout("rsi") info.0 => info_out,
            inlateout("r10") mr0,
            inlateout("r8") mr1,
            inlateout("r9") mr2,
            inlateout("r15") mr3,
            in("r12") r12,
            in("r13") r13,
            lateout("rcx") _,
            lateout("r11") _,
            out("r14") _,
            options(nostack),
        );
    }
    Registers { badge, info: MessageInfo(info_out), mrs: [mr0, mr1, mr2, mr3] }
}

#[inline(always)]
pub fn one_register(number: i64, mut argument: Word) -> Word {
    // SAFETY: as in `send_only`. SetTlsBase is the one call of this shape that asks more of its caller, and its stub
    // is unsafe.
    unsafe {
        asm!(
            "mov r14, rsp",
            "syscall",
            "mov rsp, r14",
            in("rdx") number,
            inlateout("rdi") argument,
            inlateout("rsi") 0u64 => _,
            lateout("rcx") _,
            lateout("r11") _,
            out("r14") _,
            options(nostack),
        );
    }
    argument
}
