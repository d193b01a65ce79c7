//! Messages: Call and ReplyRecv with a server that runs on its clients' time, and Send to one that has its own.

use libsel::abi::{MessageInfo, Syscall, TCB_FLAG_FPU_DISABLED, Word};
use libsel::bootinfo::initial;
use libsel::cap::Reply;
use libsel::{Cap, sys};

use super::log::{FIRST, ROUNDS, SECOND};
use super::pair::{Space, tell, told};
use super::row::{Bench, Row, row};
use super::stubs::{Operands, Times, system_call, system_call_with_fpu};
use crate::bare::failure::Outcome;
use crate::bare::thread::Options;

/// Priority of client and server.
const PRIORITY: Word = 254;

/// What the threads are told.
mod word {
    pub const ENDPOINT: usize = 0;
    pub const REPLY: usize = 1;
    pub const CALL_INFO: usize = 2;
    pub const REPLY_INFO: usize = 3;
    pub const FPU: usize = 4;
    /// Slot that a capability arrives in, to be emptied again; 0 for none.
    pub const SERVER_RECEIVES: usize = 5;
    pub const CLIENT_RECEIVES: usize = 6;
}

/// The direction that is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// From client to server.
    Call,
    /// From server to client.
    ReplyRecv,
}

/// A row's setting.
#[derive(Clone, Copy)]
struct Setting {
    direction: Direction,
    space: Space,
    length: Word,
    caps: Word,
    fpu: bool,
}

/// The system call, with or without use of the FPU before and after.
fn timed(fpu: bool, operands: &Operands) -> Times {
    if fpu { system_call_with_fpu(operands) } else { system_call(operands) }
}

/// Empties a slot that a capability arrived in.
fn empty(slot: Word) {
    if slot != 0 {
        let _ = initial::CNODE.at(slot).delete();
    }
}

extern "C" fn client(_: Word) {
    let info = MessageInfo(told(word::CALL_INFO));
    let operands = Operands { info, ..Operands::new(Syscall::Call, told(word::ENDPOINT)) };
    let (fpu, slot) = (told(word::FPU) != 0, told(word::CLIENT_RECEIVES));
    for round in 0..ROUNDS {
        FIRST.keep(round, timed(fpu, &operands));
        empty(slot);
    }
}

extern "C" fn server(_: Word) {
    let info = MessageInfo(told(word::REPLY_INFO));
    let reply = told(word::REPLY);
    let operands = Operands { info, reply, ..Operands::new(Syscall::ReplyRecv, told(word::ENDPOINT)) };
    let (fpu, slot) = (told(word::FPU) != 0, told(word::SERVER_RECEIVES));
    sys::recv(operands.cptr, reply);
    empty(slot);
    for round in 0.. {
        SECOND.keep(round, timed(fpu, &operands));
        empty(slot);
    }
}

fn measure(b: &mut Bench<'_>, setting: Setting) -> Outcome {
    let Setting { direction, space, length, caps, fpu } = setting;
    let vspace = b.space(space)?;
    let (endpoint, reply): (_, Cap<Reply>) = (b.endpoint()?, b.reply()?);
    let info = MessageInfo::new(0, 0, caps as usize, length as usize).0;
    let (call_info, reply_info) = if direction == Direction::Call { (info, 0) } else { (0, info) };
    tell(word::ENDPOINT, endpoint.cptr());
    tell(word::REPLY, reply.cptr());
    tell(word::CALL_INFO, call_info);
    tell(word::REPLY_INFO, reply_info);
    tell(word::FPU, fpu.into());
    // As in sel4bench: a server without FPU state, a client that keeps its own.
    let flags = if fpu { 0 } else { TCB_FLAG_FPU_DISABLED };
    let server_options = Options { vspace, flags, ..Options::at_priority(PRIORITY) };
    // The two are prepared before either runs, because their buffers say what capabilities they send and receive.
    let sent = b.notification()?.cptr();
    let (server_slot, client_slot) = (b.slot(), b.slot());
    let of_server = b.prepare(server_options, server, 0)?;
    let of_client = b.prepare(Options::at_priority(PRIORITY), client, 0)?;
    if caps != 0 {
        let (sender, receiver, slot, index) = match direction {
            Direction::Call => (of_client, of_server, server_slot, word::SERVER_RECEIVES),
            Direction::ReplyRecv => (of_server, of_client, client_slot, word::CLIENT_RECEIVES),
        };
        sender.offer(0, sent);
        receiver.receive_into(slot);
        tell(index, slot);
    }
    of_server.tcb.resume()?;
    b.settle()?;
    of_server.sched_context.unbind()?;
    of_client.tcb.resume()?;
    of_client.join();
    let overhead = b.overheads.stub;
    match direction {
        // The server's round answers the client's round of the same number and returns with the next call.
        Direction::Call => b.take(overhead, |round| SECOND.end(round - 1) - FIRST.begin(round)),
        Direction::ReplyRecv => b.take(overhead, |round| FIRST.end(round) - SECOND.begin(round)),
    }
    Ok(())
}

extern "C" fn sender(_: Word) {
    let operands = Operands::new(Syscall::Send, told(word::ENDPOINT));
    for round in 0..ROUNDS {
        FIRST.keep(round, system_call(&operands));
    }
}

extern "C" fn receiver(_: Word) {
    let operands =
        Operands { reply: told(word::REPLY), ..Operands::new(Syscall::Recv, told(word::ENDPOINT)) };
    for round in 0.. {
        SECOND.keep(round, system_call(&operands));
    }
}

fn send(b: &mut Bench<'_>, space: Space) -> Outcome {
    let vspace = b.space(space)?;
    tell(word::ENDPOINT, b.endpoint()?.cptr());
    tell(word::REPLY, b.reply()?.cptr());
    let flags = TCB_FLAG_FPU_DISABLED;
    b.spawn(Options { vspace, flags, ..Options::at_priority(PRIORITY) }, receiver, 0)?;
    b.settle()?;
    let sender = b.spawn(Options::at_priority(PRIORITY - 1), sender, 0)?;
    sender.join();
    b.take(b.overheads.stub, |round| SECOND.end(round) - FIRST.begin(round));
    Ok(())
}

/// Rows for all settings of both directions.
macro_rules! rows {
    ($($id:literal: $space:ident $length:literal $caps:literal $fpu:literal;)+) => {
        &[
            $(
                row(concat!("call/", $id), |b| {
                    let (direction, space) = (Direction::Call, Space::$space);
                    measure(b, Setting { direction, space, length: $length, caps: $caps, fpu: $fpu })
                }),
                row(concat!("reply_recv/", $id), |b| {
                    let (direction, space) = (Direction::ReplyRecv, Space::$space);
                    measure(b, Setting { direction, space, length: $length, caps: $caps, fpu: $fpu })
                }),
            )+
            row("send/same/0", |b| send(b, Space::Same)),
            row("send/other/0", |b| send(b, Space::Other)),
        ]
    };
}

/// Messages.
pub const ROWS: &[Row] = rows! {
    "same/0": Same 0 0 false;
    "same/4": Same 4 0 false;
    "same/10": Same 10 0 false;
    "same/120": Same 120 0 false;
    "same/0/cap": Same 0 1 false;
    "same/4/cap": Same 4 1 false;
    "same/10/cap": Same 10 1 false;
    "same/120/cap": Same 120 1 false;
    "same/0/fpu": Same 0 0 true;
    "same/4/fpu": Same 4 0 true;
    "same/10/fpu": Same 10 0 true;
    "same/120/fpu": Same 120 0 true;
    "other/0": Other 0 0 false;
    "other/4": Other 4 0 false;
    "other/10": Other 10 0 false;
    "other/120": Other 120 0 false;
    "other/0/cap": Other 0 1 false;
    "other/4/cap": Other 4 1 false;
    "other/10/cap": Other 10 1 false;
    "other/120/cap": Other 120 1 false;
    "other/0/fpu": Other 0 0 true;
    "other/4/fpu": Other 4 0 true;
    "other/10/fpu": Other 10 0 true;
    "other/120/fpu": Other 120 0 true;
};
