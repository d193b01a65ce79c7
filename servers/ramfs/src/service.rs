//! The protocol in front of the files.

use libsel::abi::Word;
use libsel::proto::ramfs::{Close, FileEntry, FileStat, List, Open, Read, Remove, Stat, Write};
use libsel::proto::root::RootService;
use libsel::proto::start::slot;
use libsel::proto::{Answer, Caller, Field, Handler, MAX_TEXT_BYTES, Service, ServiceError, Text};

use crate::files::Files;

/// The file server.
#[derive(Debug)]
pub struct Ramfs<'a> {
    /// Its files.
    pub files: Files<'a>,
}

impl Service for Ramfs<'_> {
    fn notified(&mut self, bits: Word) {
        if bits & slot::CLIENT_GONE != 0 {
            while let Some(client) = RootService(slot::ROOT).next_gone() {
                self.files.client_gone(client);
            }
        }
    }
}

fn path(text: &Text) -> Result<&str, ServiceError> {
    core::str::from_utf8(text.as_bytes()).map_err(|_| ServiceError::InvalidArgument)
}

type Result<T, E = ServiceError> = core::result::Result<T, E>;

/// Handlers that answer at once: each an expression of the files, the client's number and the request.
macro_rules! handlers {
    ($($request:ident -> $reply:ty: |$files:ident, $client:ident, $value:ident| $body:expr;)*) => {$(
        impl Handler<$request> for Ramfs<'_> {
            fn handle(&mut self, $value: $request, caller: &mut Caller<$reply>) -> Result<Answer<$reply>> {
                let ($files, $client) = (&mut self.files, badge(caller));
                let _ = $client;
                let answer: Result<$reply> = $body;
                answer.map(Answer::from)
            }
        }
    )*};
}

const fn badge<T: Field>(caller: &Caller<T>) -> u64 {
    caller.badge()
}

handlers! {
    Open -> u64: |files, client, request| files.open(client, path(&request.path)?, request.create);
    Read -> Text: |files, client, request| {
        let count = request.bytes.min(MAX_TEXT_BYTES as u64);
        files.read(client, request.file, request.offset, count).map(Text::cut)
    };
    Write -> u64: |files, client, request| {
        let bytes = request.content.as_bytes();
        files.write(client, request.file, request.offset, bytes).map(|()| bytes.len() as u64)
    };
    Stat -> FileStat: |files, client, request| {
        let file = files.stat(client, request.file)?;
        Ok(FileStat { bytes: file.bytes().len() as u64, read_only: file.is_read_only() })
    };
    List -> FileEntry: |files, _client, request| {
        let from = usize::try_from(request.place).map_err(|_| ServiceError::NotFound)?;
        let (place, file) = files.list(from).next().ok_or(ServiceError::NotFound)?;
        let (place, bytes) = (place as u64, file.bytes().len() as u64);
        let path = Text::cut(file.path().as_bytes());
        Ok(FileEntry { place, bytes, read_only: file.is_read_only(), path })
    };
    Remove -> (): |files, _client, request| files.remove(path(&request.path)?);
    Close -> (): |files, client, request| files.close(client, request.file);
}
