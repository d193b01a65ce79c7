//! What helper threads do in tests of messages: they receive, answer and send, and leave what they saw in shared words.
//!
//! Shared words: 0 endpoint, 1 reply object, 2 badge seen, 3 info word seen, 4 to 7 message registers seen, 8 calls
//! answered. [`Peers`] makes the objects and names them there.

use core::sync::atomic::Ordering::Relaxed;

use libsel::Cap;
use libsel::abi::{MessageInfo, Word};
use libsel::cap::{Endpoint, Reply};
use libsel::sys::{self, Registers};

use super::fixture::{Fixture, log, shared};
use super::thread::{Options, Thread};

/// Label of an echo server's answers.
pub const ECHO: Word = 7;

/// An endpoint and a reply object that helper threads find in the shared words.
#[derive(Clone, Copy)]
pub struct Peers {
    /// The endpoint.
    pub endpoint: Cap<Endpoint>,
    /// The reply object.
    pub reply: Cap<Reply>,
}

impl Fixture<'_> {
    /// New objects for helper threads to talk through.
    pub fn peers(&mut self) -> libsel::Result<Peers> {
        let peers = Peers { endpoint: self.endpoint()?, reply: self.reply()? };
        shared(0).store(peers.endpoint.cptr(), Relaxed);
        shared(1).store(peers.reply.cptr(), Relaxed);
        Ok(peers)
    }

    /// An [`echo`] server that waits for calls.
    pub fn echo_server(&mut self) -> libsel::Result<(Peers, Thread)> {
        let peers = self.peers()?;
        let server = self.spawn(Options::at_priority(200), echo, 0)?;
        self.settle()?;
        Ok((peers, server))
    }

    /// An [`echo`] server without time of its own.
    pub fn passive_echo_server(&mut self) -> libsel::Result<(Peers, Thread)> {
        let (peers, server) = self.echo_server()?;
        server.sched_context.unbind_thread(server.tcb)?;
        Ok((peers, server))
    }
}

/// Leaves what was received in the shared words.
fn note(seen: Registers) {
    shared(2).store(seen.badge, Relaxed);
    shared(3).store(seen.info.0, Relaxed);
    for (index, word) in seen.mrs.into_iter().enumerate() {
        shared(4 + index).store(word, Relaxed);
    }
}

/// Label, length, capabilities and badges that the last receiver saw.
pub fn seen_info() -> MessageInfo {
    MessageInfo(shared(3).load(Relaxed))
}

fn endpoint() -> Word {
    shared(0).load(Relaxed)
}

fn reply() -> Word {
    shared(1).load(Relaxed)
}

/// Answers every call with label [`ECHO`] and the same words, for ever.
pub extern "C" fn echo(_: Word) {
    let mut seen = sys::recv(endpoint(), reply());
    loop {
        note(seen);
        shared(8).fetch_add(1, Relaxed);
        let info = MessageInfo::new(ECHO, 0, 0, seen.info.length());
        seen = sys::reply_recv(endpoint(), info, seen.mrs, reply());
    }
}

/// Receives one message with the reply object and ends.
pub extern "C" fn receive(_: Word) {
    note(sys::recv(endpoint(), reply()));
}

/// Receives one message without a reply object, logs badge and `argument`, and ends.
pub extern "C" fn wait(argument: Word) {
    let seen = sys::wait(endpoint());
    note(seen);
    log(argument);
}

/// Sends its argument through the endpoint and logs it afterwards.
pub extern "C" fn send(argument: Word) {
    sys::send(endpoint(), MessageInfo::new(argument, 0, 0, 1), [argument, 0, 0, 0]);
    log(argument);
}

/// Calls through the endpoint with its argument and logs the first word of the answer.
pub extern "C" fn call(argument: Word) {
    let answer = sys::call(endpoint(), MessageInfo::new(argument, 0, 0, 1), [argument, 0, 0, 0]);
    log(answer.mrs[0]);
}

/// Sends one message through the capability `argument` and logs 1 afterwards.
pub extern "C" fn send_through(argument: Word) {
    sys::send(argument, MessageInfo::new(0, 0, 0, 0), [0; 4]);
    log(1);
}
