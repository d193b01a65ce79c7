//! What the commands need of the machine.

use alloc::string::String;
use core::fmt;

use crashy::Way;
use libsel::proto::admin::{CapabilityInfo, MemoryInfo, RangeInfo, ServerInfo};
use libsel::proto::root::FileInfo;
use libsel::proto::{Name, ServiceError};

use crate::trace::Summary;

/// Why a command did not do its work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// A service says no.
    Service(ServiceError),
    /// In words, with what to do next.
    Text(String),
    /// The text cannot be written: the console is gone.
    Output,
}

impl Failure {
    /// In words.
    pub fn text(text: impl Into<String>) -> Self {
        Failure::Text(text.into())
    }

    /// In words, if a service gave this error.
    pub fn explain(self, error: ServiceError, text: impl FnOnce() -> String) -> Self {
        if self == Failure::Service(error) { Failure::Text(text()) } else { self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Service(error) => error.fmt(f),
            Failure::Text(text) => f.write_str(text),
            Failure::Output => f.write_str("the console is gone"),
        }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Failure::Service(error)
    }
}

impl From<fmt::Error> for Failure {
    fn from(_: fmt::Error) -> Self {
        Failure::Output
    }
}

/// What became of something.
pub type Result<T> = core::result::Result<T, Failure>;

/// The machine. Lists are asked for by index, from 0 on; the service error `NotFound` is their end.
pub trait System {
    /// A server.
    fn server(&mut self, index: u64) -> Result<ServerInfo>;
    /// The machine's memory.
    fn memory(&mut self) -> Result<MemoryInfo>;
    /// A run of a server's addresses.
    fn range(&mut self, server: u8, index: u64) -> Result<RangeInfo>;
    /// A capability of a server's.
    fn capability(&mut self, server: u8, index: u64) -> Result<CapabilityInfo>;
    /// Starts a server from the boot archive.
    fn spawn(&mut self, image: Name, arguments: &str) -> Result<()>;
    /// Ends a server.
    fn kill(&mut self, name: Name) -> Result<()>;
    /// Lets the server `crashy` go wrong in this way.
    fn crash(&mut self, way: Way) -> Result<()>;
    /// Restarts the machine; comes back only if that does not work.
    fn reboot(&mut self) -> Result<()>;
    /// What the kernel's trace ring holds.
    fn trace(&mut self) -> Result<Summary>;

    /// A file of the boot archive.
    fn image(&mut self, index: u64) -> Result<FileInfo>;
    /// The first file from a place in the list on, and the place behind it.
    fn file(&mut self, place: u64) -> Result<(FileInfo, u64)>;
    /// Reads from a file; how many bytes, 0 at its end.
    fn read(&mut self, name: &str, offset: u64, into: &mut [u8]) -> Result<usize>;
    /// Writes a file anew.
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()>;
    /// Removes a file.
    fn remove(&mut self, name: &str) -> Result<()>;

    /// The processor's clock.
    fn ticks(&mut self) -> u64;
    /// Ticks of the clock per second.
    fn ticks_per_second(&mut self) -> u64;
    /// A call of the console and back.
    fn call_console(&mut self) -> Result<()>;
    /// A call of the root task and back.
    fn call_root(&mut self) -> Result<()>;
}

/// Goes through a list until its end.
pub fn each<T>(mut get: impl FnMut(u64) -> Result<T>, mut visit: impl FnMut(T) -> Result<()>) -> Result<u64> {
    for index in 0.. {
        match get(index) {
            Ok(item) => visit(item)?,
            Err(Failure::Service(ServiceError::NotFound)) => return Ok(index),
            Err(failure) => return Err(failure),
        }
    }
    Ok(0)
}

/// Goes through the files.
pub fn each_file(system: &mut dyn System, visit: impl FnMut(FileInfo) -> Result<()>) -> Result<u64> {
    let mut place = 0;
    let next = |_| {
        let (file, behind) = system.file(place)?;
        place = behind;
        Ok(file)
    };
    each(next, visit)
}
