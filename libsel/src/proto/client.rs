//! A client's side of a service by name: finds it, and finds it again after a restart.

use core::cell::Cell;

use super::root::RootService;
use super::start::slot;
use super::wire::{Request, ServiceError};
use super::{Name, call};
use crate::abi::CPtr;
use crate::rt::slots;

/// A service by its name.
///
/// ```no_run
/// use libsel::proto::{Client, Name, ServiceError};
/// # libsel::protocol! {
/// #     /// Requests of a counter.
/// #     pub enum CounterRequest {
/// #         /// Counts on.
/// #         Add = 0x1000 -> u64 {
/// #             /// By how much.
/// #             amount: u64,
/// #         },
/// #     }
/// # }
/// # fn example() -> Result<(), ServiceError> {
/// let counter = Client::new(Name::new("counter").ok_or(ServiceError::NotFound)?);
/// let value = match counter.call(&Add { amount: 1 }) {
///     // It was restarted: what it knew is lost, and this call reaches the new one.
///     Err(ServiceError::Gone) => counter.call(&Add { amount: 1 })?,
///     other => other?,
/// };
/// # let _ = value;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    name: Name,
    /// The slot of its endpoint; 0 while there is none.
    slot: Cell<CPtr>,
}

impl Client {
    /// The service is looked up at the first call.
    pub const fn new(name: Name) -> Self {
        Client { name, slot: Cell::new(0) }
    }

    /// Asks the service. While it is being restarted, this waits.
    ///
    /// Errors: what the service says; those of [`Lookup`](super::root::Lookup); `Gone` the server ended since the last
    /// call, or before it answered: the next call reaches the one that runs in its place.
    pub fn call<R: Request>(&self, request: &R) -> Result<R::Reply, ServiceError> {
        let answer = call(crate::Cap::new(self.connect()?), request);
        if matches!(answer, Err(ServiceError::Gone)) {
            self.disconnect();
        }
        answer
    }

    fn connect(&self) -> Result<CPtr, ServiceError> {
        if self.slot.get() != 0 {
            return Ok(self.slot.get());
        }
        let cptr = slots::take().ok_or(ServiceError::NoSlot)?;
        match RootService(slot::ROOT).lookup(self.name, slots::absolute(cptr)) {
            Ok(()) => {
                self.slot.set(cptr);
                Ok(cptr)
            }
            Err(error) => {
                slots::give_back(cptr);
                Err(error)
            }
        }
    }

    fn disconnect(&self) {
        let cptr = self.slot.replace(0);
        if cptr != 0 && slots::absolute(cptr).delete().is_ok() {
            slots::give_back(cptr);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.disconnect();
    }
}
