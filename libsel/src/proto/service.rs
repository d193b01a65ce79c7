//! The server's half of a protocol: one trait to implement for each request, and the loop that serves for ever.
//!
//! ```no_run
//! use libsel::proto::{Answer, Caller, Handler, Service, ServiceError};
//!
//! libsel::protocol! {
//!     /// Requests of a counter.
//!     pub enum CounterRequest {
//!         /// Counts on and tells the new value.
//!         Add = 0x1000 -> u64 {
//!             /// By how much.
//!             amount: u64,
//!         },
//!     }
//! }
//!
//! #[derive(Default)]
//! struct Counter {
//!     value: u64,
//! }
//!
//! impl Service for Counter {}
//!
//! impl Handler<Add> for Counter {
//!     fn handle(&mut self, request: Add, _: &mut Caller<u64>) -> Result<Answer<u64>, ServiceError> {
//!         self.value = self.value.checked_add(request.amount).ok_or(ServiceError::InvalidArgument)?;
//!         Ok(self.value.into())
//!     }
//! }
//!
//! fn main() {
//!     libsel::proto::serve::<CounterRequest, _>(&mut Counter::default())
//! }
//! ```
//!
//! A handler that cannot answer yet takes a [`Pending`] out of its [`Caller`] and answers with that whenever it can; the
//! server goes on serving others meanwhile.

use core::marker::PhantomData;

use super::pending::{Pending, spare};
use super::start::slot;
use super::transport::{Incoming, Outgoing};
use super::wire::{Field, Request, ServiceError};
use crate::abi::{CPtr, Word};
use crate::cap::{Cap, Reply};
use crate::ipc::{self, Message};
use crate::rt::slots;

/// What a service is beside its requests.
pub trait Service {
    /// Clients send capabilities along: a slot is kept ready for them, see [`Caller::take_cap`].
    const TAKES_CAPS: bool = false;

    /// Something was signalled: interrupts, alarms, clients that ended (the bits are those of
    /// [`slot`]).
    fn notified(&mut self, _bits: Word) {}
}

/// A service that answers requests of this kind.
pub trait Handler<R: Request> {
    /// Answers a request. An error is told to the client, and nothing else happens.
    ///
    /// # Errors
    /// Why the service does not do it.
    fn handle(&mut self, request: R, caller: &mut Caller<R::Reply>)
    -> Result<Answer<R::Reply>, ServiceError>;
}

/// What a handler says.
#[derive(Debug)]
pub enum Answer<T> {
    /// This.
    Now(T),
    /// The [`Pending`] that came with this says it later.
    Later(Deferred),
}

impl<T> From<T> for Answer<T> {
    fn from(value: T) -> Self {
        Answer::Now(value)
    }
}

/// Shows that the caller was taken over by a [`Pending`]: only [`Caller::defer`] makes one.
#[derive(Debug)]
pub struct Deferred(());

/// Who asked, and what goes along with the answer.
#[derive(Debug)]
pub struct Caller<T> {
    badge: Word,
    reply: Cap<Reply>,
    /// The slot with the capability that came along.
    received: Option<CPtr>,
    /// The capability that goes along with the answer.
    sent: Option<CPtr>,
    answer: PhantomData<fn(T)>,
}

impl<T: Field> Caller<T> {
    /// The client: its number as a server. Nobody can choose his own.
    #[inline]
    pub const fn badge(&self) -> Word {
        self.badge
    }

    /// Takes the client out of this request: it waits until the [`Pending`] answers.
    ///
    /// # Errors
    /// `OutOfMemory`: the root task has no further reply object.
    pub fn defer(&mut self) -> Result<(Pending<T>, Answer<T>), ServiceError> {
        let fresh = spare::take()?;
        let pending = Pending::new(core::mem::replace(&mut self.reply, fresh), self.badge);
        Ok((pending, Answer::Later(Deferred(()))))
    }

    /// Sends a copy of this capability along with the answer.
    pub const fn send_cap(&mut self, cptr: CPtr) {
        self.sent = Some(cptr);
    }

    /// The slot with the capability that the client sent, now the service's: to be emptied and given back to
    /// [`slots`] when it is no longer needed. One that is not taken is deleted.
    pub const fn take_cap(&mut self) -> Option<CPtr> {
        self.received.take()
    }
}

/// What [`crate::protocol!`] generates for a service that has a handler for each request.
pub trait Dispatch<S> {
    /// Decodes the request in the message, lets the service handle it, and composes the answer; none if it comes later.
    fn dispatch(service: &mut S, message: &Message, exchange: &mut Exchange) -> Option<Outgoing>;
}

/// The loop's state between two messages.
#[derive(Debug)]
pub struct Exchange {
    reply: Cap<Reply>,
    receive_slot: Option<CPtr>,
}

impl Exchange {
    /// With the reply object that every server starts with.
    pub const fn new() -> Self {
        Exchange { reply: slot::REPLY, receive_slot: None }
    }

    /// Lets the service handle one request.
    pub fn handle<R: Request, S: Handler<R>>(
        &mut self,
        service: &mut S,
        message: &Message,
    ) -> Option<Outgoing> {
        let Ok(request) = R::take(&mut Incoming::new(message)) else {
            return Some(Outgoing::refusal(ServiceError::BadRequest));
        };
        let received = if message.capability_received() { self.receive_slot.take() } else { None };
        let mut caller =
            Caller { badge: message.badge, reply: self.reply, received, sent: None, answer: PhantomData };
        let answer = service.handle(request, &mut caller);
        self.reply = caller.reply;
        if let Some(unused) = caller.received {
            empty(unused);
        }
        match answer {
            Ok(Answer::Now(value)) => {
                let answer = Outgoing::reply(&value);
                Some(match caller.sent {
                    Some(cptr) => answer.with_cap(cptr),
                    None => answer,
                })
            }
            Ok(Answer::Later(Deferred(()))) => None,
            Err(error) => Some(Outgoing::refusal(error)),
        }
    }

    /// Makes a slot ready for a capability that comes with the next message.
    fn arm(&mut self) {
        if self.receive_slot.is_none() {
            self.receive_slot = slots::take();
        }
        if let Some(cptr) = self.receive_slot {
            ipc::set_receive_slot(slots::absolute(cptr));
        }
    }

    /// Answers if there is an answer, and waits for the next message.
    fn next(&mut self, answer: Option<Outgoing>) -> Message {
        match answer {
            Some(answer) => answer.reply_recv(slot::SERVICE, self.reply),
            None => slot::SERVICE.recv(self.reply),
        }
    }
}

impl Default for Exchange {
    fn default() -> Self {
        Self::new()
    }
}

/// Deletes the capability in a slot of ours and gives the slot back.
fn empty(cptr: CPtr) {
    if slots::absolute(cptr).delete().is_ok() {
        slots::give_back(cptr);
    }
}

/// Serves for ever.
pub fn serve<P: Dispatch<S>, S: Service>(service: &mut S) -> ! {
    let mut exchange = Exchange::new();
    let mut answer = None;
    loop {
        answer = step::<P, S>(service, &mut exchange, answer);
    }
}

/// Answers, waits for one message, and handles it.
fn step<P: Dispatch<S>, S: Service>(
    service: &mut S,
    exchange: &mut Exchange,
    answer: Option<Outgoing>,
) -> Option<Outgoing> {
    if S::TAKES_CAPS {
        exchange.arm();
    }
    let message = exchange.next(answer);
    if message.badge & slot::SIGNAL != 0 {
        service.notified(message.badge & !slot::SIGNAL);
        return None;
    }
    P::dispatch(service, &message, exchange)
}

#[cfg(test)]
mod tests;
