//! The files, and who has them open.
//!
//! Memory is never taken without asking whether there is any: whatever fails leaves everything as it was.

use alloc::string::String;
use alloc::vec::Vec;

use libsel::proto::ServiceError;
use libsel::proto::ramfs::MAX_PATH_BYTES;

/// Files at most.
pub const MAX_FILES: usize = 512;
/// Files that a client can have open at once.
pub const MAX_OPEN: usize = 32;

#[derive(Debug)]
enum Content<'a> {
    Fixed(&'a [u8]),
    Own(Vec<u8>),
}

/// A file.
#[derive(Debug)]
pub struct File<'a> {
    path: String,
    content: Content<'a>,
}

impl File<'_> {
    /// Its path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Fixed(bytes) => bytes,
            Content::Own(bytes) => bytes,
        }
    }

    /// It cannot be written or removed.
    pub const fn is_read_only(&self) -> bool {
        matches!(self.content, Content::Fixed(_))
    }
}

/// A file that a client has open.
#[derive(Clone, Copy, Debug)]
struct Handle {
    client: u64,
    file: usize,
}

/// All files. A file keeps its place, an open one its number.
#[derive(Debug)]
pub struct Files<'a> {
    files: Vec<Option<File<'a>>>,
    open: Vec<Option<Handle>>,
    /// Bytes of the files that were made, their paths included.
    used: usize,
    limit: usize,
}

impl<'a> Files<'a> {
    /// No files, and so many bytes for those to be made.
    pub const fn new(limit: usize) -> Self {
        Files { files: Vec::new(), open: Vec::new(), used: 0, limit }
    }

    /// Bytes that files which were made take, their paths included.
    pub const fn used(&self) -> usize {
        self.used
    }

    /// Adds a read-only file.
    ///
    /// # Errors
    /// `InUse` there is one of this path; `InvalidArgument` the path; `OutOfMemory`.
    pub fn add(&mut self, path: &str, bytes: &'a [u8]) -> Result<(), ServiceError> {
        check_path(path)?;
        if self.find(path).is_some() {
            return Err(ServiceError::InUse);
        }
        self.enter(path, Content::Fixed(bytes)).map(|_| ())
    }

    /// Opens a file for a client, and makes it first if that is wanted.
    ///
    /// # Errors
    /// `NotFound`, `InvalidArgument` the path, `OutOfMemory`.
    pub fn open(&mut self, client: u64, path: &str, create: bool) -> Result<u64, ServiceError> {
        check_path(path)?;
        let found = self.find(path);
        if found.is_none() && !create {
            return Err(ServiceError::NotFound);
        }
        if self.open.iter().flatten().filter(|handle| handle.client == client).count() >= MAX_OPEN {
            return Err(ServiceError::OutOfMemory);
        }
        let number = free_place(&mut self.open)?;
        let file = match found {
            Some(file) => file,
            None => {
                if path.len() > self.limit - self.used {
                    return Err(ServiceError::OutOfMemory);
                }
                let file = self.enter(path, Content::Own(Vec::new()))?;
                self.used += path.len();
                file
            }
        };
        if let Some(place) = self.open.get_mut(number) {
            *place = Some(Handle { client, file });
        }
        Ok(number as u64)
    }

    /// The bytes of an open file from an offset on, so many at most.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn read(&self, client: u64, number: u64, offset: u64, count: u64) -> Result<&[u8], ServiceError> {
        let bytes = self.stat(client, number)?.bytes();
        let start = usize::try_from(offset).map_or(bytes.len(), |offset| offset.min(bytes.len()));
        let rest = bytes.get(start..).unwrap_or_default();
        let count = usize::try_from(count).map_or(rest.len(), |count| count.min(rest.len()));
        Ok(rest.get(..count).unwrap_or_default())
    }

    /// Writes to an open file.
    ///
    /// # Errors
    /// `NotFound`, `Refused` it is read-only, `OutOfMemory`.
    pub fn write(&mut self, client: u64, number: u64, offset: u64, bytes: &[u8]) -> Result<(), ServiceError> {
        let file = self.handle(client, number)?.file;
        let room = self.limit - self.used;
        let file = self.files.get_mut(file).and_then(Option::as_mut).ok_or(ServiceError::NotFound)?;
        let Content::Own(content) = &mut file.content else { return Err(ServiceError::Refused) };
        if bytes.is_empty() {
            return Ok(());
        }
        let start = usize::try_from(offset).map_err(|_| ServiceError::OutOfMemory)?;
        let end = start.checked_add(bytes.len()).ok_or(ServiceError::OutOfMemory)?;
        let growth = end.saturating_sub(content.len());
        if growth > room {
            return Err(ServiceError::OutOfMemory);
        }
        content.try_reserve(growth).map_err(|_| ServiceError::OutOfMemory)?;
        content.resize(content.len() + growth, 0);
        self.used += growth;
        if let Some(place) = content.get_mut(start..end) {
            place.copy_from_slice(bytes);
        }
        Ok(())
    }

    /// An open file.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn stat(&self, client: u64, number: u64) -> Result<&File<'a>, ServiceError> {
        let file = self.handle(client, number)?.file;
        self.files.get(file).and_then(Option::as_ref).ok_or(ServiceError::NotFound)
    }

    /// The files from a place on, with their places.
    pub fn list(&self, from: usize) -> impl Iterator<Item = (usize, &File<'a>)> {
        let places = self.files.iter().enumerate().skip(from);
        places.filter_map(|(place, file)| Some((place, file.as_ref()?)))
    }

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound`, `InvalidArgument` the path, `InUse` it is open, `Refused` it is read-only.
    pub fn remove(&mut self, path: &str) -> Result<(), ServiceError> {
        check_path(path)?;
        let index = self.find(path).ok_or(ServiceError::NotFound)?;
        let place = self.files.get_mut(index).ok_or(ServiceError::NotFound)?;
        if place.as_ref().is_some_and(File::is_read_only) {
            return Err(ServiceError::Refused);
        }
        if self.open.iter().flatten().any(|handle| handle.file == index) {
            return Err(ServiceError::InUse);
        }
        if let Some(file) = place.take() {
            self.used -= file.bytes().len() + file.path.len();
        }
        Ok(())
    }

    /// Closes an open file.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn close(&mut self, client: u64, number: u64) -> Result<(), ServiceError> {
        self.handle(client, number)?;
        if let Some(place) = usize::try_from(number).ok().and_then(|number| self.open.get_mut(number)) {
            *place = None;
        }
        Ok(())
    }

    /// Closes what a client that ended had open.
    pub fn client_gone(&mut self, client: u64) {
        for place in &mut self.open {
            if place.is_some_and(|handle| handle.client == client) {
                *place = None;
            }
        }
    }

    fn find(&self, path: &str) -> Option<usize> {
        self.files.iter().position(|file| file.as_ref().is_some_and(|file| file.path == path))
    }

    fn handle(&self, client: u64, number: u64) -> Result<Handle, ServiceError> {
        let place = usize::try_from(number).ok().and_then(|number| self.open.get(number));
        let handle = place.copied().flatten().filter(|handle| handle.client == client);
        handle.ok_or(ServiceError::NotFound)
    }

    fn enter(&mut self, path: &str, content: Content<'a>) -> Result<usize, ServiceError> {
        let place = free_place(&mut self.files)?;
        if place >= MAX_FILES {
            return Err(ServiceError::OutOfMemory);
        }
        let mut own = String::new();
        own.try_reserve_exact(path.len()).map_err(|_| ServiceError::OutOfMemory)?;
        own.push_str(path);
        if let Some(free) = self.files.get_mut(place) {
            *free = Some(File { path: own, content });
        }
        Ok(place)
    }
}

/// The first free place, a new one if need be.
fn free_place<T>(places: &mut Vec<Option<T>>) -> Result<usize, ServiceError> {
    if let Some(free) = places.iter().position(Option::is_none) {
        return Ok(free);
    }
    places.try_reserve(1).map_err(|_| ServiceError::OutOfMemory)?;
    places.push(None);
    Ok(places.len() - 1)
}

fn check_path(path: &str) -> Result<(), ServiceError> {
    let valid = !path.is_empty() && path.len() <= MAX_PATH_BYTES && !path.contains('\0');
    valid.then_some(()).ok_or(ServiceError::InvalidArgument)
}
