//! Service protocols, shared by clients and servers.
//!
//! A protocol is a list of requests, each with a label, fields and the type of its reply:
//!
//! ```
//! libsel::protocol! {
//!     /// Requests of a clock server.
//!     pub enum ClockRequest {
//!         /// The time.
//!         Now = 0x300 -> u64 {},
//!         /// Waits.
//!         Sleep = 0x301 -> () {
//!             /// How long.
//!             nanoseconds: u64,
//!         },
//!     }
//! }
//! ```
//!
//! This declares `Now` and `Sleep` with their encodings, and `ClockRequest` with a `decode` for the server. A client
//! says `proto::call(endpoint, &Sleep { nanoseconds: 5 })`; a server implements [`Handler`] for each of them and calls
//! [`serve`], see [`service`]. A reply has label 0 and the reply's words, or the number of a [`ServiceError`].
//!
//! Labels below 0x100 are the kernel's (faults can come through the same endpoint); root has 0x100.., console 0x200..,
//! timer 0x300.., ramfs 0x400... From 0x1000 on they are everybody's.
//!
//! * [`wire`]: how values become words
//! * [`service`], [`pending`]: the server's loop, and answers that come later
//! * [`transport`]: messages in registers and the IPC buffer
//! * [`start`]: the page that a server starts with
//! * [`root`], [`admin`], [`console`]: the services
//! * [`root`], [`console`], [`timer`], [`ramfs`]: the services

pub mod admin;
mod client;
pub mod console;
pub mod memory;
pub mod pending;
mod protocol;
pub mod ramfs;
pub mod root;
pub mod service;
pub mod start;
mod text;
pub mod timer;
pub mod transport;
pub mod wire;

#[cfg(test)]
mod tests;

pub use client::Client;
pub use pending::Pending;
pub use service::{Answer, Caller, Dispatch, Exchange, Handler, Service, serve};
pub use text::{MAX_TEXT_BYTES, NAME_BYTES, Name, Text, TooLong};
pub use transport::{Incoming, Outgoing};
pub use wire::{DecodeError, Field, Message, Request, ServiceError, Sink, Source};

use crate::cap::{Cap, Endpoint};

/// Asks a service and waits for its reply.
///
/// Errors: what the service says; `BadReply` if the reply cannot be decoded.
#[inline]
pub fn call<R: Request>(endpoint: Cap<Endpoint>, request: &R) -> Result<R::Reply, ServiceError> {
    let message = Outgoing::request(request).call(endpoint);
    if let Some(error) = ServiceError::from_label(message.label()) {
        return Err(error);
    }
    R::Reply::take(&mut Incoming::new(&message)).map_err(|DecodeError| ServiceError::BadReply)
}
