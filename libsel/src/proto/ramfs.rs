//! Files in memory: those of the boot archive, read-only, and those that clients make.

use super::text::Text;
use crate::{fields, protocol};

/// Bytes of a path at most.
pub const MAX_PATH_BYTES: usize = 255;

fields! {
    /// What there is to know about an open file.
    pub struct FileStat {
        /// Its length.
        bytes: u64,
        /// It is one of the boot archive.
        read_only: bool,
    }
}

fields! {
    /// A file in the list of all files.
    pub struct FileEntry {
        /// Its place in the list.
        place: u64,
        /// Its length.
        bytes: u64,
        /// It is one of the boot archive.
        read_only: bool,
        /// Its path.
        path: Text,
    }
}

protocol! {
    /// What a client asks of the file server. A path is 1 to [`MAX_PATH_BYTES`] bytes of UTF-8 without NUL; `/` has no
    /// meaning in it. The number of an open file is good for the client that opened it, until it closes it or ends.
    pub enum RamfsRequest {
        /// Opens a file and tells its number.
        ///
        /// Errors: `NotFound` there is none and none is to be made; `InvalidArgument` the path; `OutOfMemory` no room
        /// for a file, or the client has as many open as it may.
        Open = 0x400 -> u64 {
            /// Make an empty file if there is none.
            create: bool,
            /// Which one.
            path: Text,
        },
        /// Reads: as many bytes as there are, as were asked for, and as fit a message.
        ///
        /// Error: `NotFound` no open file.
        Read = 0x401 -> Text {
            /// Which one.
            file: u64,
            /// From where; at the end and behind it there is nothing.
            offset: u64,
            /// How many.
            bytes: u64,
        },
        /// Writes all bytes and tells how many that were. Between the file's end and the offset there will be zeros.
        ///
        /// Errors: `NotFound` no open file; `Refused` it is read-only; `OutOfMemory` the files would take more than they
        /// may. Nothing is written then.
        Write = 0x402 -> u64 {
            /// Which one.
            file: u64,
            /// Where to.
            offset: u64,
            /// What.
            content: Text,
        },
        /// Length and kind.
        ///
        /// Error: `NotFound` no open file.
        Stat = 0x403 -> FileStat {
            /// Which one.
            file: u64,
        },
        /// The first file from a place in the list on. A file keeps its place until it is removed, so a walk that goes on
        /// behind the place of the last answer misses none of those that stay.
        ///
        /// Error: `NotFound` there is none from there on.
        List = 0x404 -> FileEntry {
            /// From which place on; the list begins at 0.
            place: u64,
        },
        /// Removes a file.
        ///
        /// Errors: `NotFound`; `InUse` somebody has it open; `Refused` it is read-only.
        Remove = 0x405 -> () {
            /// Which one.
            path: Text,
        },
        /// Closes a file.
        ///
        /// Error: `NotFound` no open file.
        Close = 0x406 -> () {
            /// Which one.
            file: u64,
        },
    }
}
