//! What the root task answers to a request.
use libsel::abi::{MSG_MAX_LENGTH, Word};
use libsel::proto::root::{Mapped, MemoryStats};
use libsel::proto::{DecodeError, Field, ServiceError, Sink, Source};
use roottask::regions;

use super::pieces::OutOfMemory;

/// The words of an answer that is seldom given.
pub struct Words {
    count: usize,
    words: [Word; MSG_MAX_LENGTH],
}

impl Sink for Words {
    fn put(&mut self, word: Word) {
        if let Some(place) = self.words.get_mut(self.count) {
            *place = word;
            self.count += 1;
        }
    }
}

impl Field for Words {
    const MAX_WORDS: usize = MSG_MAX_LENGTH;

    fn put(&self, sink: &mut impl Sink) {
        for word in self.words.iter().take(self.count) {
            sink.put(*word);
        }
    }

    fn take(_: &mut impl Source) -> Result<Self, DecodeError> {
        // How many words are meant, only their type knows.
        Err(DecodeError)
    }
}

/// What a request is answered with.
#[allow(
    clippy::large_enum_variant,
    reason = "an answer lives for one request; there is no heap to box it in"
)]
pub enum Answer {
    /// Nobody waits for one.
    None,
    /// Success without words.
    Done,
    /// Where memory was mapped.
    Mapped(Mapped),
    /// Figures of a server's memory.
    Stats(MemoryStats),
    /// Any other words.
    Words(Words),
    /// A capability from this slot, which is emptied afterwards.
    Capability(u32),
}

impl Answer {
    /// Success with a value.
    pub fn of(value: &impl Field) -> Self {
        let mut words = Words { count: 0, words: [0; MSG_MAX_LENGTH] };
        value.put(&mut words);
        Answer::Words(words)
    }
}

impl From<OutOfMemory> for ServiceErrorOf {
    fn from(_: OutOfMemory) -> Self {
        ServiceErrorOf(ServiceError::OutOfMemory)
    }
}

/// A [`ServiceError`] that the errors of this crate convert to.
pub struct ServiceErrorOf(pub ServiceError);

impl From<ServiceError> for ServiceErrorOf {
    fn from(error: ServiceError) -> Self {
        ServiceErrorOf(error)
    }
}

impl From<roottask::virt::Error> for ServiceErrorOf {
    fn from(error: roottask::virt::Error) -> Self {
        use roottask::virt::Error;
        ServiceErrorOf(match error {
            Error::OutOfSpace | Error::OutOfNodes => ServiceError::OutOfMemory,
            Error::BadRange => ServiceError::InvalidArgument,
            Error::Busy => ServiceError::InUse,
            Error::NotAllocated => ServiceError::NotFound,
        })
    }
}

impl From<regions::Error> for ServiceErrorOf {
    fn from(error: regions::Error) -> Self {
        ServiceErrorOf(match error {
            regions::Error::NotFound => ServiceError::NotFound,
            regions::Error::Refused => ServiceError::Refused,
            regions::Error::InUse => ServiceError::InUse,
            regions::Error::Full => ServiceError::OutOfMemory,
        })
    }
}

/// The answer, or why there is none.
pub type Outcome = Result<Answer, ServiceErrorOf>;
