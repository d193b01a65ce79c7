//! A fault: an illegal instruction, its handler in the same address space, and the way back past the instruction.

use core::arch::asm;

use libsel::abi::{MessageInfo, Syscall, Word};
use libsel::{Cap, sys};

use super::clock;
use super::log::{FIRST, ROUNDS, SECOND};
use super::pair::{tell, told};
use super::row::{Bench, Row, row};
use super::stubs::{Operands, Times, system_call};
use crate::bare::failure::Outcome;
use crate::bare::thread::Options;

const ENDPOINT: usize = 0;
const REPLY: usize = 1;

/// Bytes of `ud2`.
const UD2_BYTES: Word = 2;

extern "C" fn faulter(_: Word) {
    for round in 0..ROUNDS {
        let begin = clock::begin();
        // SAFETY: the handler lets the thread go on behind the instruction, with all registers as they were.
        unsafe { asm!("ud2", options(nostack, nomem, preserves_flags)) };
        let end = clock::end();
        FIRST.keep(round, Times { begin, end, word: 0 });
    }
}

/// Answers each fault with the address of the next instruction.
extern "C" fn handler(_: Word) {
    let (endpoint, reply) = (told(ENDPOINT), told(REPLY));
    let mut ip = sys::recv(endpoint, reply).mrs[0];
    for round in 0.. {
        let operands = Operands {
            info: MessageInfo::new(0, 0, 0, 1),
            word: ip + UD2_BYTES,
            reply,
            ..Operands::new(Syscall::ReplyRecv, endpoint)
        };
        let times = system_call(&operands);
        ip = times.word;
        SECOND.keep(round, times);
    }
}

fn run(b: &mut Bench<'_>) -> Outcome {
    let endpoint = b.endpoint()?;
    tell(ENDPOINT, endpoint.cptr());
    tell(REPLY, b.reply()?.cptr());
    b.passive(Options::at_priority(254), handler)?;
    let options = Options { fault_endpoint: Cap::new(endpoint.cptr()), ..Options::at_priority(253) };
    b.spawn(options, faulter, 0)?.join();
    Ok(())
}

/// Faults.
pub const ROWS: &[Row] = &[
    row("fault/round_trip", |b| {
        run(b)?;
        b.take(b.overheads.clock, |round| FIRST.end(round) - FIRST.begin(round));
        Ok(())
    }),
    row("fault/to_handler", |b| {
        run(b)?;
        // The handler's round answers the fault of the same number and returns with the next one.
        b.take(b.overheads.stub, |round| SECOND.end(round - 1) - FIRST.begin(round));
        Ok(())
    }),
    row("fault/to_faulter", |b| {
        run(b)?;
        b.take(b.overheads.stub, |round| FIRST.end(round) - SECOND.begin(round));
        Ok(())
    }),
];
