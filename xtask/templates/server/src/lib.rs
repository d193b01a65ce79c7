//! The server @name@: its protocol, and what it does with each request. Nothing here makes a system call but the
//! client, so the rest is tested on the host.
#![cfg_attr(not(test), no_std)]

use libsel::cap::{Cap, Endpoint};
use libsel::proto::root::RootService;
use libsel::proto::start::slot;
use libsel::proto::{self, Answer, Caller, Handler, Name, Service, ServiceError};
use libsel::rt::slots;

libsel::protocol! {
    /// Requests of @name@.
    pub enum @Type@Request {
        /// Adds to the sum, and tells it.
        ///
        /// Error: `InvalidArgument` the sum would be too large.
        Add = 0x1000 -> u64 {
            /// How much.
            amount: u64,
        },
        /// Tells the sum.
        Sum = 0x1001 -> u64 {},
    }
}

/// What the server remembers.
#[derive(Default)]
pub struct @Type@ {
    sum: u64,
}

impl @Type@ {
    /// Adds to the sum, which stays as it is if the new one would be too large.
    pub fn add(&mut self, amount: u64) -> Result<u64, ServiceError> {
        self.sum = self.sum.checked_add(amount).ok_or(ServiceError::InvalidArgument)?;
        Ok(self.sum)
    }
}

impl Service for @Type@ {}

impl Handler<Add> for @Type@ {
    fn handle(&mut self, request: Add, _: &mut Caller<u64>) -> Result<Answer<u64>, ServiceError> {
        self.add(request.amount).map(Answer::from)
    }
}

impl Handler<Sum> for @Type@ {
    fn handle(&mut self, _: Sum, _: &mut Caller<u64>) -> Result<Answer<u64>, ServiceError> {
        Ok(self.sum.into())
    }
}

/// The server as a client sees it.
#[derive(Clone, Copy, Debug)]
pub struct @Type@Client(Cap<Endpoint>);

impl @Type@Client {
    /// Asks the root task for the server.
    ///
    /// # Errors
    /// `NotFound`: no server of this name was started.
    pub fn connect() -> Result<Self, ServiceError> {
        let name = Name::new("@name@").ok_or(ServiceError::InvalidArgument)?;
        let slot = slots::take().ok_or(ServiceError::NoSlot)?;
        RootService(slot::ROOT).lookup(name, slots::absolute(slot)).inspect_err(|_| slots::give_back(slot))?;
        Ok(@Type@Client(Cap::new(slot)))
    }

    /// [`Add`].
    pub fn add(self, amount: u64) -> Result<u64, ServiceError> {
        proto::call(self.0, &Add { amount })
    }

    /// [`Sum`].
    pub fn sum(self) -> Result<u64, ServiceError> {
        proto::call(self.0, &Sum {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_is_too_large_changes_nothing() {
        let mut server = @Type@::default();
        assert_eq!(server.add(40), Ok(40));
        assert_eq!(server.add(u64::MAX), Err(ServiceError::InvalidArgument));
        assert_eq!(server.add(2), Ok(42));
    }
}
