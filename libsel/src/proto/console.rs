//! The console: lines of its clients on the serial port, each with its client's name in front.

use super::text::{Name, Text};
use super::wire::ServiceError;
use crate::cap::{Cap, Endpoint};
use crate::protocol;

protocol! {
    /// What a client asks of the console.
    pub enum ConsoleRequest {
        /// Names the client; its lines carry the name from now on. The badge says who the client is, whatever it calls
        /// itself.
        ///
        /// Error: `OutOfMemory` the console has as many clients as it can.
        Hello = 0x200 -> () {
            /// The name.
            name: Name,
        },
        /// Prints lines, or part of one: a line appears when its end does, or when it has grown too long.
        ///
        /// Error: `OutOfMemory` as for [`Hello`].
        Print = 0x201 -> () {
            /// The bytes.
            text: Text,
        },
    }
}

/// The console as a client sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Console(pub Cap<Endpoint>);

impl Console {
    /// [`Hello`].
    pub fn hello(self, name: Name) -> Result<(), ServiceError> {
        super::call(self.0, &Hello { name })
    }

    /// [`Print`], in as many messages as it takes.
    pub fn print(self, bytes: &[u8]) -> Result<(), ServiceError> {
        for part in bytes.chunks(super::MAX_TEXT_BYTES) {
            super::call(self.0, &Print { text: Text::cut(part) })?;
        }
        Ok(())
    }
}
