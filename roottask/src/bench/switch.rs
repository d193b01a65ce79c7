//! Yield to a thread of the same priority.

use libsel::abi::{Syscall, Word};

use super::log::{FIRST, ROUNDS, SECOND};
use super::pair::Space;
use super::row::{Bench, Row, row};
use super::stubs::{Operands, system_call};
use crate::bare::failure::Outcome;
use crate::bare::thread::Options;

/// Priority of both threads.
const PRIORITY: Word = 200;

extern "C" fn first(_: Word) {
    for round in 0..ROUNDS {
        FIRST.keep(round, system_call(&Operands::new(Syscall::Yield, 0)));
    }
}

extern "C" fn second(_: Word) {
    for round in 0.. {
        SECOND.keep(round, system_call(&Operands::new(Syscall::Yield, 0)));
    }
}

fn run(b: &mut Bench<'_>, space: Space) -> Outcome {
    let vspace = b.space(space)?;
    let first = b.spawn(Options::at_priority(PRIORITY), first, 0)?;
    b.spawn(Options { vspace, ..Options::at_priority(PRIORITY) }, second, 0)?;
    first.join();
    // A yield of the first thread ends one of the second's: of the same number or the one before, depending on which
    // of the two ran first.
    let ahead = SECOND.begin(0) > FIRST.begin(0);
    b.take(b.overheads.stub, |round| SECOND.end(round - usize::from(ahead)) - FIRST.begin(round));
    Ok(())
}

/// Yields.
pub const ROWS: &[Row] =
    &[row("yield/same", |b| run(b, Space::Same)), row("yield/other", |b| run(b, Space::Other))];
