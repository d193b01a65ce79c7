//! What the root task answers to a request.
use libsel::proto::ServiceError;
use libsel::proto::root::{Mapped, MemoryStats};

use super::pieces::OutOfMemory;

/// What a request is answered with.
pub enum Answer {
    /// Nobody waits for one.
    None,
    /// Success without words.
    Done,
    /// Where memory was mapped.
    Mapped(Mapped),
    /// Figures of a server's memory.
    Stats(MemoryStats),
    /// A capability from this slot, which is emptied afterwards.
    Capability(u32),
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

/// The answer, or why there is none.
pub type Outcome = Result<Answer, ServiceErrorOf>;
