//! Answers that come later, and the reply objects that hold those who wait for them.

use core::marker::PhantomData;

use super::transport::Outgoing;
use super::wire::{Field, ServiceError};
use crate::abi::Word;
use crate::cap::{Cap, Reply};

/// A client that waits. Dropped without an answer, it tells the client that the service is gone.
#[derive(Debug)]
#[must_use = "the client waits until it is answered"]
pub struct Pending<T> {
    reply: Cap<Reply>,
    badge: Word,
    answer: PhantomData<fn(T)>,
}

impl<T> Pending<T> {
    pub(super) const fn new(reply: Cap<Reply>, badge: Word) -> Self {
        Pending { reply, badge, answer: PhantomData }
    }

    /// Who waits.
    pub const fn badge(&self) -> Word {
        self.badge
    }

    /// Says no.
    pub fn refuse(self, error: ServiceError) {
        self.send(Outgoing::refusal(error));
    }

    fn send(self, message: Outgoing) {
        message.answer(self.reply);
        spare::give_back(self.reply);
        core::mem::forget(self);
    }
}

impl<T: Field> Pending<T> {
    /// Answers. A client that has ended meanwhile is no error.
    pub fn answer(self, value: T) {
        self.send(Outgoing::reply(&value));
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        Outgoing::refusal(ServiceError::Gone).answer(self.reply);
        spare::give_back(self.reply);
    }
}

/// Reply objects that nobody waits in.
pub(super) mod spare {
    use crate::cap::{Cap, Reply};
    use crate::proto::ServiceError;
    use crate::proto::root::RootService;
    use crate::proto::start::slot;
    use crate::rt::slots::{self, Marks};

    static SPARE: Marks = Marks::new();

    /// A spare one, or a new one of the root task.
    pub fn take() -> Result<Cap<Reply>, ServiceError> {
        if let Some(cptr) = SPARE.take_marked() {
            return Ok(Cap::new(cptr));
        }
        let cptr = slots::take().ok_or(ServiceError::NoSlot)?;
        match RootService(slot::ROOT).new_reply(slots::absolute(cptr)) {
            Ok(()) => Ok(Cap::new(cptr)),
            Err(error) => {
                slots::give_back(cptr);
                Err(error)
            }
        }
    }

    /// Keeps it for the next time.
    pub fn give_back(reply: Cap<Reply>) {
        SPARE.mark(reply.cptr());
    }
}
