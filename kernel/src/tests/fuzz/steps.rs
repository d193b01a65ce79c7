//! What happens in a random sequence.
use super::dice::Dice;
use super::kinds::Kind;
use crate::arch;

/// One thing that the current thread does, or that happens to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A system call of a kind that has a good chance to succeed; the seed chooses what is not fixed.
    Likely(Kind, u64),
    /// As `Likely`, with something wrong.
    Wrong(Kind, u64),
    /// A system call with any registers and words.
    Wild(u64),
    /// A system call with a number that is none.
    Number(u64),
    /// A processor exception.
    Fault { vector: u64, address: u64 },
    /// `int N`.
    SoftwareInterrupt(u64),
    /// A device, or the timer.
    Interrupt(u8),
    /// Time passes, and the timer fires.
    Time(u64),
    /// Time passes unnoticed until the next kernel entry.
    Pass(u64),
    /// From here on preemption points are interrupted from the n-th of a system call on; 0 = never.
    Preempt(u32),
}

fn ticks(dice: &mut Dice) -> u64 {
    match dice.below(12) {
        0..5 => dice.below(3_000),
        5..11 => 10_000 + dice.below(50_000),
        _ => 6_000_000,
    }
}

/// A random step.
pub fn step(dice: &mut Dice) -> Step {
    match dice.below(1_000) {
        0..760 => Step::Likely(dice.of(Kind::ALL), dice.next()),
        760..840 => Step::Wrong(dice.of(Kind::ALL), dice.next()),
        840..880 => Step::Wild(dice.next()),
        880..886 => Step::Number(dice.next()),
        886..892 => Step::Fault { vector: dice.below(32), address: dice.next() },
        892..896 => Step::SoftwareInterrupt(158 + dice.below(97)),
        896..920 if dice.one_in(3) => Step::Interrupt(arch::TIMER_VECTOR),
        896..920 => Step::Interrupt(48 + dice.below(6) as u8),
        920..945 => Step::Time(ticks(dice)),
        945..985 => Step::Pass(ticks(dice)),
        _ => Step::Preempt(dice.below(6) as u32),
    }
}
