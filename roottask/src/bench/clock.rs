//! The time-stamp counter, and what reading it costs.
//!
//! Under `-icount shift=0` it counts instructions, so that figures repeat exactly; on a real machine it counts ticks of
//! constant length.

use core::arch::asm;

use super::stubs;

/// Rounds in which the cost of measuring is found.
const ROUNDS: usize = 32;

/// What measuring costs; the least that was seen.
#[derive(Clone, Copy)]
pub struct Overheads {
    /// Two readings of the clock.
    pub clock: u64,
    /// The same with the register moves of a system call in between.
    pub stub: u64,
}

/// Declares readings of the clock. What comes before is done before it is read, what comes after is not begun. Each
/// place where one stands leaves its address in a section that no program loads: so a trace of executed addresses tells
/// what happens between two readings.
macro_rules! readings {
    ($($(#[$meta:meta])* $name:ident in $section:literal;)+) => {
        $(
            $(#[$meta])*
            #[inline(always)]
            pub fn $name() -> u64 {
                let ticks: u64;
                // SAFETY: reads a counter and changes nothing but the registers named; user mode may (abi.md 8.6).
                unsafe {
                    asm!(
                        "lfence",
                        "2: rdtsc",
                        "lfence",
                        "shl rdx, 32",
                        "or rax, rdx",
                        concat!(".pushsection ", $section, ",\"\",@progbits"),
                        ".quad 2b",
                        ".popsection",
                        out("rax") ticks,
                        out("rdx") _,
                        options(nostack),
                    );
                }
                ticks
            }
        )+
    };
}

readings! {
    /// The time-stamp counter before what is measured.
    begin in ".bench.begin";
    /// The time-stamp counter after it.
    end in ".bench.end";
}

/// Tells a trace that a row has ended.
#[inline(never)]
pub fn mark_end_of_row() {
    // SAFETY: does nothing.
    unsafe {
        asm!(
            "2: nop",
            ".pushsection .bench.row,\"\",@progbits",
            ".quad 2b",
            ".popsection",
            options(nostack, preserves_flags),
        );
    }
}

/// Ticks from before `operation` to after it.
#[inline(always)]
pub fn ticks<T>(operation: impl FnOnce() -> T) -> (u64, T) {
    let before = begin();
    let result = operation();
    (end() - before, result)
}

/// Measures the cost of measuring.
pub fn overheads() -> Overheads {
    let least = |measure: fn() -> u64| (0..ROUNDS).map(|_| measure()).min().unwrap_or(0);
    Overheads {
        clock: least(|| ticks(|| ()).0),
        stub: least(|| {
            let times = stubs::nothing(&stubs::Operands::default());
            times.end - times.begin
        }),
    }
}
