//! Looking into the system and acting on it: requests to the root task that need the admin capability
//! ([`super::start::slot::ADMIN`]). Lists are asked for by index, from 0 on; `NotFound` is their end.

use super::root::Protection;
use super::text::{Name, Text};
use super::wire::{DecodeError, Field, Sink, Source};
use crate::{fields, protocol};

/// Sizes of blocks that are counted: log2 of the bytes from 0 on.
pub const BLOCK_SIZES: usize = 37;

/// Free blocks by log2 of their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockCounts(pub [u32; BLOCK_SIZES]);

impl Field for BlockCounts {
    const MAX_WORDS: usize = BLOCK_SIZES;

    fn put(&self, sink: &mut impl Sink) {
        for count in self.0 {
            count.put(sink);
        }
    }

    fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
        let mut counts = [0; BLOCK_SIZES];
        for count in &mut counts {
            *count = u32::take(source)?;
        }
        Ok(BlockCounts(counts))
    }
}

/// Values that travel as their number.
macro_rules! numbered_field {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $number,)+ }

        impl $name {
            /// In a word or two.
            pub const fn text(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.text())
            }
        }

        impl Field for $name {
            const MAX_WORDS: usize = 1;

            fn put(&self, sink: &mut impl Sink) {
                (*self as u8).put(sink);
            }

            fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
                match u8::take(source)? {
                    $($number => Ok($name::$variant),)+
                    _ => Err(DecodeError),
                }
            }
        }
    };
}

numbered_field! {
    /// What a server is doing.
    pub enum ServerState {
        /// It runs, or waits for a request.
        Running = 0 "running",
        /// It is down and will be started again after a while.
        Waiting = 1 "back-off",
        /// It failed, or did not start, and is down for good.
        Down = 2 "down",
        /// It ended as intended.
        Ended = 3 "ended",
    }
}

numbered_field! {
    /// What memory is for.
    pub enum MemoryKind {
        /// Paging structures and kernel objects.
        Objects = 0 "objects",
        /// Code and data of the program, the start page, the IPC buffer.
        Image = 1 "image",
        /// What the server asked for.
        Heap = 2 "heap",
        /// Promised, not touched yet.
        Promised = 3 "promised",
        /// A region that others may attach.
        Shared = 4 "shared",
        /// A region of another server.
        Attached = 5 "attached",
        /// A buffer for devices.
        Dma = 6 "DMA",
        /// Registers of a device.
        Device = 7 "device",
        /// A file of the boot archive.
        File = 8 "file",
    }
}

/// Kinds of memory.
pub const MEMORY_KINDS: usize = 9;

/// Bytes by [`MemoryKind`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KindBytes(pub [u64; MEMORY_KINDS]);

impl KindBytes {
    /// The bytes of a kind.
    pub fn of(&self, kind: MemoryKind) -> u64 {
        self.0.get(kind as usize).copied().unwrap_or(0)
    }

    /// Adds to the bytes of a kind.
    pub fn add(&mut self, kind: MemoryKind, bytes: u64) {
        if let Some(sum) = self.0.get_mut(kind as usize) {
            *sum += bytes;
        }
    }
}

impl Field for KindBytes {
    const MAX_WORDS: usize = MEMORY_KINDS;

    fn put(&self, sink: &mut impl Sink) {
        for bytes in self.0 {
            bytes.put(sink);
        }
    }

    fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
        let mut bytes = [0; MEMORY_KINDS];
        for bytes in &mut bytes {
            *bytes = u64::take(source)?;
        }
        Ok(KindBytes(bytes))
    }
}

fields! {
    /// One server.
    pub struct ServerInfo {
        /// Its number: clients are known by it.
        id: u8,
        /// Its name.
        name: Name,
        /// What it is doing.
        state: ServerState,
        /// Priority.
        priority: u8,
        /// Microseconds of processor time a period.
        budget_us: u64,
        /// Microseconds.
        period_us: u64,
        /// Microseconds of processor time used so far.
        cpu_us: u64,
        /// Bytes mapped by its requests.
        mapped_bytes: u64,
        /// The most that ever was.
        peak_bytes: u64,
        /// Bytes of memory that it may ask for.
        quota: u64,
        /// Bytes of it that are left.
        room: u64,
        /// How often it was started again.
        restarts: u64,
    }
}

fields! {
    /// The machine's memory; bytes unless said otherwise.
    pub struct MemoryInfo {
        /// RAM that the root task took over.
        total: u64,
        /// Of it free.
        free: u64,
        /// Of the free: kept in small blocks for speed.
        cached: u64,
        /// log2 of the largest free block.
        largest_bits: u8,
        /// 0: all free memory is one block; 1000: it is in infinitely small pieces.
        fragmentation_permille: u32,
        /// Free blocks by size.
        blocks: BlockCounts,
        /// Blocks handed out so far.
        allocations: u64,
        /// Kernel calls that cut blocks.
        retypes: u64,
        /// Kernel calls that joined blocks.
        revokes: u64,
        /// Capability slots of the root task in use.
        slots: u32,
        /// Nodes of address ranges in use, and in all.
        nodes: u32,
        /// Nodes of address ranges in all.
        node_capacity: u32,
        /// What the memory is used for.
        used: KindBytes,
        /// Device memory handed out.
        device_used: u64,
    }
}

fields! {
    /// A run of addresses of one kind.
    pub struct RangeInfo {
        /// The first.
        start: u64,
        /// How many.
        bytes: u64,
        /// What it is for.
        kind: MemoryKind,
        /// What it allows.
        protection: Protection,
    }
}

fields! {
    /// A capability of a server's.
    pub struct CapabilityInfo {
        /// Its slot.
        slot: u64,
        /// What it is.
        kind: Text,
    }
}

protocol! {
    /// What a server with the admin capability asks of the root task.
    pub enum AdminRequest {
        /// A server.
        ///
        /// Error: `NotFound` fewer servers run.
        Server = 0x180 -> ServerInfo {
            /// Which one, by number.
            index: u64,
        },
        /// The machine's memory.
        Memory = 0x181 -> MemoryInfo {},
        /// A run of a server's addresses.
        ///
        /// Error: `NotFound` no such server, or fewer runs.
        Range = 0x182 -> RangeInfo {
            /// Its number.
            server: u8,
            /// Which one, by address.
            index: u64,
        },
        /// A capability of a server's.
        ///
        /// Error: `NotFound` no such server, or fewer capabilities.
        Capability = 0x183 -> CapabilityInfo {
            /// Its number.
            server: u8,
            /// Which one, by slot.
            index: u64,
        },
        /// Starts a server of the manifest, with other arguments.
        ///
        /// Errors: `NotFound` the manifest lists none; `InUse` a server of this name runs; `InvalidArgument` the image or
        /// the arguments; `OutOfMemory`.
        Spawn = 0x184 -> () {
            /// Its name.
            image: Name,
            /// Words for the server.
            arguments: Text,
        },
        /// Ends a server.
        ///
        /// Error: `NotFound`.
        Kill = 0x185 -> () {
            /// Its name.
            name: Name,
        },
        /// Restarts the machine. There is no answer if that works.
        ///
        /// Error: `Refused` the machine has none of the usual ways.
        Reboot = 0x186 -> () {},
    }
}
