//! What a server starts with: its capabilities by slot, and one page that says the rest.
//!
//! `rdi` holds the address of the [`StartPage`] when the server's first instruction runs; everything else is zero. The
//! page is mapped read-write: the root task fills in the first half, and a server that panics leaves its text in the
//! second, where its supervisor finds it.

use super::text::{NAME_BYTES, Name, TooLong};
use crate::abi::Word;

/// A server's CSpace: one CNode of 2^8 slots with a guard that takes the other 56 bits.
pub mod slot {
    use crate::abi::{CPtr, Word};
    use crate::cap::{CNode, Cap, Endpoint, IoPort, Notification, Reply, Tcb};

    /// log2 of the number of slots.
    pub const CSPACE_BITS: Word = 8;
    /// Bits of the guard, which is zero.
    pub const GUARD_BITS: Word = 64 - CSPACE_BITS;
    /// The server's own thread.
    pub const TCB: Cap<Tcb> = Cap::new(1);
    /// The CNode itself, with the guard: addresses below it have 64 bits.
    pub const CNODE: Cap<CNode> = Cap::new(2);
    /// The root task's service ([`crate::proto::root`]), badged with who calls.
    pub const ROOT: Cap<Endpoint> = Cap::new(3);
    /// The reply object.
    pub const REPLY: Cap<Reply> = Cap::new(4);
    /// The endpoint of the server's own service, to receive from.
    pub const SERVICE: Cap<Endpoint> = Cap::new(5);
    /// I/O ports, if the server has any.
    pub const IO_PORTS: Cap<IoPort> = Cap::new(6);
    /// The notification that is bound to the server's thread: its signals arrive when the server receives.
    pub const NOTIFICATION: Cap<Notification> = Cap::new(7);
    /// The first of the server's interrupts. The n-th sets bit n of the notification.
    pub const FIRST_IRQ: CPtr = 8;
    /// Interrupts at most.
    pub const MAX_IRQS: usize = 8;
    /// Bit of the notification, of the console's alone: the root task printed lines
    /// ([`crate::proto::root::TakeLog`]).
    pub const LOG: Word = 1 << 34;
    /// A second range of I/O ports, if the server has one.
    pub const MORE_IO_PORTS: Cap<IoPort> = Cap::new(16);
    /// Bit of the signal that the alarm of the server came ([`crate::proto::root::Alarm`]).
    pub const ALARM: Word = 1 << 32;
    /// Bit of the signal that a client of the server's service ended ([`crate::proto::root::Gone`]).
    pub const CLIENT_GONE: Word = 1 << 33;
    /// Set in the badge of every signal that a server receives, so that none is taken for a client.
    pub const SIGNAL: Word = 1 << 63;
    /// The root task's administration ([`crate::proto::admin`]), if the server may ask it.
    pub const ADMIN: Cap<Endpoint> = Cap::new(19);
    /// First slot that is free for received capabilities.
    pub const FIRST_FREE: CPtr = 24;
    /// One past the last slot.
    pub const END: CPtr = 1 << CSPACE_BITS;
}

/// Where a server's heap begins. The root task keeps the address space from here on free for it as long as it can, and
/// maps what is asked for without an address elsewhere.
pub const HEAP_START: Word = 0x10_0000_0000;

/// Says that a page is a start page: "SELKIEst".
pub const MAGIC: Word = u64::from_le_bytes(*b"SELKIEst");
/// Bytes of the arguments at most.
pub const ARGUMENT_BYTES: usize = 512;
/// Bytes of a panic's text at most.
pub const PANIC_TEXT_BYTES: usize = 2040;

/// The first half of the page: what the root task tells a server.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(2048))]
pub struct StartInfo {
    magic: Word,
    /// Address of the IPC buffer.
    pub ipc_buffer: Word,
    /// TSC ticks per second.
    pub tsc_hz: Word,
    /// A word that nobody else knows, as hard to guess as [`secret`](crate::rt::secret) says.
    pub secret: Word,
    /// 1 if the kernel has debug calls, among them the one that prints.
    pub debug_calls: Word,
    /// First I/O port in slot 6.
    pub first_port: u16,
    /// Last I/O port; below the first one if there are none.
    pub last_port: u16,
    argument_bytes: u32,
    name: [u8; NAME_BYTES],
    arguments: [u8; ARGUMENT_BYTES],
}

impl StartInfo {
    /// A start page's first half for a server with this name and these arguments; the caller fills in the public
    /// fields.
    pub fn new(name: Name, arguments: &str) -> Result<Self, TooLong> {
        let mut info = StartInfo {
            magic: MAGIC,
            ipc_buffer: 0,
            tsc_hz: 0,
            secret: 0,
            debug_calls: 0,
            first_port: 1,
            last_port: 0,
            argument_bytes: arguments.len() as u32,
            name: name.to_bytes(),
            arguments: [0; ARGUMENT_BYTES],
        };
        info.arguments.get_mut(..arguments.len()).ok_or(TooLong)?.copy_from_slice(arguments.as_bytes());
        Ok(info)
    }

    /// The page says that it is one.
    pub fn is_valid(&self) -> bool {
        self.magic == MAGIC
    }

    /// The server's name.
    pub fn name(&self) -> Option<Name> {
        Name::from_bytes(self.name)
    }

    /// The `arguments` of its section of the manifest, or of a Spawn: words, usually `key=value`.
    pub fn arguments(&self) -> &str {
        let bytes = self.arguments.get(..self.argument_bytes as usize).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The value of the argument `key=value`.
    pub fn argument(&self, key: &str) -> Option<&str> {
        let words = self.arguments().split_ascii_whitespace();
        words.filter_map(|word| word.split_once('=')).find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The I/O ports that slot 6 allows, if there are any.
    pub fn io_ports(&self) -> Option<core::ops::RangeInclusive<u16>> {
        (self.first_port <= self.last_port).then_some(self.first_port..=self.last_port)
    }
}

/// The second half of the page: what a panic leaves.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PanicNote {
    length: Word,
    text: [u8; PANIC_TEXT_BYTES],
}

impl PanicNote {
    /// No panic.
    pub const NONE: Self = PanicNote { length: 0, text: [0; PANIC_TEXT_BYTES] };

    /// Leaves the text of a panic, cut to what fits.
    pub fn leave(&mut self, text: &[u8]) {
        for (to, from) in self.text.iter_mut().zip(text) {
            *to = *from;
        }
        self.length = text.len().min(PANIC_TEXT_BYTES) as Word;
    }

    /// The text that was left. The note is the server's to write, so it may hold anything; bytes that are not UTF-8
    /// end it.
    pub fn read(&self) -> Option<&str> {
        let length = usize::try_from(self.length).ok().filter(|length| *length != 0)?;
        let text = self.text.get(..length)?;
        match core::str::from_utf8(text) {
            Ok(text) => Some(text),
            Err(error) => core::str::from_utf8(text.get(..error.valid_up_to())?).ok(),
        }
    }
}

/// The page.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(4096))]
pub struct StartPage {
    /// From the root task to the server.
    pub info: StartInfo,
    /// From the server to its supervisor.
    pub panic: PanicNote,
}

const _: () = assert!(size_of::<StartInfo>() == 2048);
const _: () = assert!(core::mem::offset_of!(StartPage, panic) == 2048);
const _: () = assert!(size_of::<StartPage>() == 4096);

impl StartPage {
    /// A page without a panic.
    pub const fn new(info: StartInfo) -> Self {
        StartPage { info, panic: PanicNote::NONE }
    }
}
