//! Messages between the wire encoding and the system call: four words in registers, the rest in the IPC buffer.

use super::wire::{DecodeError, Field, Message, ServiceError, Sink, Source};
use crate::abi::{CPtr, FAST_MESSAGE_REGISTERS, MSG_MAX_LENGTH, MessageInfo, Word};
use crate::cap::{Cap, Endpoint, Reply};
use crate::ipc::{self, Buffer};
use crate::sys::{self, MessageRegisters};

/// A message being composed. Words beyond the fourth and the capability are in the IPC buffer already, so nothing may
/// send or receive between making it and sending it.
#[must_use = "a composed message has to be sent"]
pub struct Outgoing {
    label: Word,
    mrs: MessageRegisters,
    length: usize,
    caps: usize,
    buffer: Option<Buffer>,
}

impl Outgoing {
    #[inline(always)]
    fn new(label: Word, content: &impl Field) -> Self {
        let mut message =
            Outgoing { label, mrs: [0; FAST_MESSAGE_REGISTERS], length: 0, caps: 0, buffer: ipc::buffer() };
        content.put(&mut message);
        message
    }

    /// A request.
    #[inline(always)]
    pub fn request<M: Message>(request: &M) -> Self {
        Self::new(M::LABEL, request)
    }

    /// A reply that says yes.
    #[inline(always)]
    pub fn reply(reply: &impl Field) -> Self {
        Self::new(0, reply)
    }

    /// A reply that says no.
    #[inline]
    pub fn refusal(error: ServiceError) -> Self {
        Self::new(error.label(), &())
    }

    /// Sends a capability along.
    #[inline]
    pub fn with_cap(mut self, cptr: CPtr) -> Self {
        if let Some(buffer) = self.buffer {
            buffer.set_cap(0, cptr);
            self.caps = 1;
        }
        self
    }

    #[inline(always)]
    fn info(&self) -> MessageInfo {
        MessageInfo::new(self.label, 0, self.caps, self.length)
    }

    /// Sends it by Call and returns the reply.
    #[inline(always)]
    pub fn call(self, endpoint: Cap<Endpoint>) -> ipc::Message {
        sys::call(endpoint.cptr(), self.info(), self.mrs).into()
    }

    /// Sends it as the answer to the caller in `reply`, and waits for the next message.
    #[inline(always)]
    pub fn reply_recv(self, endpoint: Cap<Endpoint>, reply: Cap<Reply>) -> ipc::Message {
        sys::reply_recv(endpoint.cptr(), self.info(), self.mrs, reply.cptr()).into()
    }

    /// Sends it as the answer to the caller in `reply`.
    #[inline(always)]
    pub fn answer(self, reply: Cap<Reply>) {
        sys::send(reply.cptr(), self.info(), self.mrs);
    }
}

impl Sink for Outgoing {
    #[inline(always)]
    fn put(&mut self, word: Word) {
        debug_assert!(self.length < MSG_MAX_LENGTH, "fields! asserts that a message fits");
        match self.mrs.get_mut(self.length) {
            Some(register) => *register = word,
            None => {
                if let Some(buffer) = self.buffer {
                    buffer.set_word(self.length, word);
                }
            }
        }
        self.length += 1;
    }
}

/// The words of a received message, one after the other. They are read from the IPC buffer, so nothing may send or
/// receive until all is taken.
pub struct Incoming<'a> {
    message: &'a ipc::Message,
    next: usize,
}

impl<'a> Incoming<'a> {
    /// The words of `message`.
    #[inline(always)]
    pub const fn new(message: &'a ipc::Message) -> Self {
        Incoming { message, next: 0 }
    }
}

impl Source for Incoming<'_> {
    #[inline(always)]
    fn take(&mut self) -> Result<Word, DecodeError> {
        if self.next >= self.message.length() {
            return Err(DecodeError);
        }
        let word = self.message.word(self.next);
        self.next += 1;
        Ok(word)
    }
}
