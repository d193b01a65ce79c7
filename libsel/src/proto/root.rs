//! The root task's service: memory, other services by name, and what a server has to say about itself.

pub use super::memory::{Device, DeviceMapped, DmaMapped, FileInfo, FramebufferInfo, MapFlags, RegionKey};
use super::text::{Name, Text};
use super::wire::{DecodeError, Field, Request, ServiceError, Sink, Source};
use crate::abi::Word;
use crate::cap::{AbsoluteSlot, Cap, Endpoint};
use crate::{fields, ipc, protocol};

/// What a mapping allows beside reading: one word, bit 0 writing, bit 1 execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Protection {
    /// It can be written.
    pub write: bool,
    /// It can be executed.
    pub execute: bool,
}

impl Protection {
    /// Reading alone.
    pub const READ: Self = Protection { write: false, execute: false };
    /// Data.
    pub const READ_WRITE: Self = Protection { write: true, execute: false };
    /// Code.
    pub const READ_EXECUTE: Self = Protection { write: false, execute: true };
}

impl Field for Protection {
    const MAX_WORDS: usize = 1;

    fn put(&self, sink: &mut impl Sink) {
        sink.put(Word::from(self.write) | Word::from(self.execute) << 1);
    }

    fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
        let bits = source.take()?;
        if bits > 3 {
            return Err(DecodeError);
        }
        Ok(Protection { write: bits & 1 != 0, execute: bits & 2 != 0 })
    }
}

fields! {
    /// Where memory was mapped.
    pub struct Mapped {
        /// Address of its first byte.
        address: u64,
    }
}

fields! {
    /// A server's memory, and what is left of the machine's.
    pub struct MemoryStats {
        /// Bytes mapped by this server's requests.
        mapped_bytes: u64,
        /// The most that ever was.
        peak_bytes: u64,
        /// Ranges that they form.
        ranges: u64,
        /// Bytes of its quota that are left.
        room: u64,
        /// Bytes of the machine that are still free.
        free_bytes: u64,
    }
}

protocol! {
    /// What a server asks of the root task.
    pub enum RootRequest {
        /// Maps zeroed memory into the caller's address space.
        ///
        /// Errors: `OutOfMemory`; `InUse` the address is taken; `InvalidArgument` size, address or alignment.
        Map = 0x100 -> Mapped {
            /// Exactly here, or 0: anywhere.
            address: u64,
            /// How many, rounded up to pages.
            bytes: u64,
            /// The address is a multiple of this power of two; 0: of a page.
            align: u64,
            /// What it allows.
            protection: Protection,
            /// Whether it is there at once, and in what pages.
            flags: MapFlags,
        },
        /// Takes memory back. The range may be part of what one [`Map`] mapped, or several of them; large pages, DMA
        /// buffers, devices and files go as a whole.
        ///
        /// Errors: `NotFound` something in it is not mapped; `InUse` something is shared: see [`Detach`];
        /// `InvalidArgument` not whole pages, or a part of what goes as a whole.
        Unmap = 0x101 -> () {
            /// First byte, page aligned.
            address: u64,
            /// How many, rounded up to pages.
            bytes: u64,
        },
        /// The caller's memory.
        Stats = 0x102 -> MemoryStats {},
        /// Sends the endpoint of a service, badged with who asked, as a capability.
        ///
        /// The caller waits while the service does not run but will.
        ///
        /// Errors: `NotFound` no service of this name; `Gone` it runs no more; `Refused` the manifest does not let the
        /// caller use it; `NoSlot` the caller's receive slot is not free.
        Lookup = 0x103 -> () {
            /// The service's name.
            name: Name,
        },
        /// Prints a line through the root task, for those who cannot reach the console.
        Log = 0x104 -> () {
            /// The line.
            text: Text,
        },
        /// The caller ends. There is no reply.
        Exit = 0x105 -> () {
            /// 0: as intended.
            code: u64,
        },
        /// What the root task printed and nobody took yet, the oldest first, or nothing. The kernel shows it at the serial
        /// port; this is for the console to show it on the screen.
        ///
        /// Error: `Refused` the caller is not the console.
        TakeLog = 0x10b -> Text {},
        /// Sends a new reply object as a capability, so that the caller can let one more client wait.
        ///
        /// Errors: `OutOfMemory`; `NoSlot` the caller's receive slot is not free.
        NewReply = 0x106 -> () {},
        /// Signals the caller's notification with [`slot::ALARM`](super::start::slot::ALARM) once, in so many ticks or
        /// somewhat later. A further request takes the place of the one before.
        Alarm = 0x107 -> () {
            /// TSC ticks from now on; 0: never.
            ticks: u64,
        },
        /// A client of the caller's service that ended, as a badge of its messages; each one is told once. 0: no more.
        Gone = 0x108 -> u64 {},
        /// Takes a page out of the caller's image for good: accesses to it fault.
        ///
        /// Error: `NotFound` the page is not one of the image.
        Guard = 0x10a -> () {
            /// Where it begins.
            address: u64,
        },
        /// The name of a client.
        ///
        /// Error: `NotFound` no server with this number runs.
        ClientName = 0x109 -> Name {
            /// The badge of its messages.
            client: u64,
        },
        /// Maps more zeroed memory right behind some that the caller has by [`Map`], with the same flags and protection.
        ///
        /// Errors: as of [`Map`]; `NotFound` no such memory ends there.
        Grow = 0x120 -> Mapped {
            /// Where the memory ends that is to grow: the first byte of the new memory.
            address: u64,
            /// How many more, rounded up to pages.
            bytes: u64,
        },
        /// Makes a region that can be shared of memory that the caller has by [`Map`]: all that one such request mapped,
        /// or several. Promised pages become real. It goes by [`Detach`], and stays as long as anybody has it attached.
        ///
        /// Errors: `NotFound` something in it is not mapped; `InvalidArgument` not whole mappings; `InUse` part of it is
        /// shared already; `OutOfMemory`.
        Share = 0x121 -> RegionKey {
            /// First byte, page aligned.
            address: u64,
            /// How many, rounded up to pages.
            bytes: u64,
        },
        /// Lets servers of a name attach a region; a later request for the same name replaces an earlier one.
        ///
        /// Errors: `NotFound`; `Refused` the caller did not make it; `OutOfMemory` too many names.
        Grant = 0x122 -> () {
            /// Which region.
            region: RegionKey,
            /// Who may.
            to: Name,
            /// What they may.
            protection: Protection,
        },
        /// Maps a region of another server, anywhere. It counts for the quota of the server that made it; if that ends or
        /// gives the region up, for the quota of one that has it attached.
        ///
        /// Errors: `NotFound`; `Refused`; `InUse` the caller has it already; `OutOfMemory`.
        Attach = 0x123 -> Mapped {
            /// Which region.
            region: RegionKey,
            /// What it is mapped for.
            protection: Protection,
        },
        /// Unmaps a region, and gives it up if the caller made it.
        ///
        /// Errors: `NotFound` no region of the caller's begins there.
        Detach = 0x124 -> () {
            /// Where it begins.
            address: u64,
        },
        /// Maps zeroed memory that is contiguous for devices, readable and writable.
        ///
        /// Errors: `OutOfMemory`; `InvalidArgument` size or alignment.
        MapDma = 0x125 -> DmaMapped {
            /// How many, rounded up to pages; at most 64 MiB.
            bytes: u64,
            /// It has to end below 4 GiB.
            below_4g: bool,
            /// The physical address is a multiple of this power of two; 0: of a page.
            align: u64,
        },
        /// Maps a device's registers, uncached; a framebuffer write-combined. A PCI function is let access memory by
        /// itself until the server ends.
        ///
        /// Errors: `Refused` the manifest does not allow it; `NotFound` the machine has none; `InUse` another server has
        /// it; `InvalidArgument` it has no memory there; `OutOfMemory`.
        MapDevice = 0x126 -> DeviceMapped {
            /// Which one.
            device: Device,
        },
        /// What the framebuffer looks like.
        ///
        /// Error: `NotFound`.
        Framebuffer = 0x127 -> FramebufferInfo {},
        /// Name and size of a file of the boot archive.
        ///
        /// Error: `NotFound`, also behind the last one.
        BootFile = 0x128 -> FileInfo {
            /// Which one, from 0 on.
            index: u64,
        },
        /// Maps a file of the boot archive, read-only.
        ///
        /// Errors: `NotFound`; `InvalidArgument` it is empty; `OutOfMemory`.
        MapBootFile = 0x129 -> Mapped {
            /// Which one, from 0 on.
            index: u64,
        },
        /// Starts a thread of the caller's process: with its capabilities, priority, budget and period. Its memory counts for
        /// the quota, and has a page without memory below and above. Tells its number; the first thread of a process
        /// has 0, and no number is given twice.
        ///
        /// It begins with `rdi` = `argument`, `rsi` = FS base = the address of its block, `rdx` = that of its IPC buffer,
        /// `rcx` = its number, and with `rsp` below the block as after a call. Its memory is zeroed.
        ///
        /// Errors: `TooMany` it has as many threads as the manifest says (`threads=`); `OutOfMemory`;
        /// `InvalidArgument` the sizes.
        NewThread = 0x130 -> u64 {
            /// Its first instruction.
            entry: u64,
            /// What it is told.
            argument: u64,
            /// Bytes of its stack and its block. With a page for the IPC buffer they are rounded up to a power of two,
            /// and the stack gets the rest.
            stack_bytes: u64,
            /// Bytes of its block, which lies above the stack.
            block_bytes: u64,
        },
        /// The calling thread ends, and its stack goes. There is no reply.
        ///
        /// Error: `NotFound` it is the first thread, or none of the caller's.
        ThreadExit = 0x131 -> () {
            /// Its number.
            thread: u64,
        },
        /// Waits until a thread of the caller's process has ended.
        ///
        /// Errors: `NotFound` there never was one of this number, or it is the first; `InUse` another thread waits for it.
        JoinThread = 0x132 -> () {
            /// Its number.
            thread: u64,
        },
    }
}

/// The root task's service as a server sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RootService(pub Cap<Endpoint>);

impl RootService {
    /// [`Map`] of data; returns the address.
    pub fn map(self, request: Map) -> Result<Word, ServiceError> {
        super::call(self.0, &request).map(|mapped| mapped.address)
    }

    /// [`Unmap`].
    pub fn unmap(self, address: Word, bytes: Word) -> Result<(), ServiceError> {
        super::call(self.0, &Unmap { address, bytes })
    }

    /// [`Stats`].
    pub fn stats(self) -> Result<MemoryStats, ServiceError> {
        super::call(self.0, &Stats {})
    }

    /// [`Lookup`]; the endpoint goes into `slot`, which has to be free.
    pub fn lookup(self, name: Name, slot: AbsoluteSlot) -> Result<(), ServiceError> {
        self.receive(&Lookup { name }, slot)
    }

    /// [`Guard`].
    pub fn guard(self, address: Word) -> Result<(), ServiceError> {
        super::call(self.0, &Guard { address })
    }

    /// [`Alarm`].
    pub fn alarm(self, ticks: u64) -> Result<(), ServiceError> {
        super::call(self.0, &Alarm { ticks })
    }

    /// [`Gone`]: a client that ended, if there is one that was not told of yet.
    pub fn next_gone(self) -> Option<u64> {
        super::call(self.0, &Gone {}).ok().filter(|client| *client != 0)
    }

    /// [`ClientName`].
    pub fn client_name(self, client: u64) -> Result<Name, ServiceError> {
        super::call(self.0, &ClientName { client })
    }

    /// [`NewReply`]; the capability goes into `slot`, which has to be free.
    pub fn new_reply(self, slot: AbsoluteSlot) -> Result<(), ServiceError> {
        self.receive(&NewReply {}, slot)
    }

    /// Asks for a capability.
    fn receive(self, request: &impl Request<Reply = ()>, slot: AbsoluteSlot) -> Result<(), ServiceError> {
        if !ipc::set_receive_slot(slot) {
            return Err(ServiceError::NoSlot);
        }
        let reply = super::Outgoing::request(request).call(self.0);
        match ServiceError::from_label(reply.label()) {
            Some(error) => Err(error),
            None if reply.capability_received() => Ok(()),
            None => Err(ServiceError::NoSlot),
        }
    }

    /// [`Log`], cut to what fits.
    pub fn log(self, line: &[u8]) -> Result<(), ServiceError> {
        super::call(self.0, &Log { text: Text::cut(line) })
    }

    /// [`TakeLog`].
    pub fn take_log(self) -> Result<Text, ServiceError> {
        super::call(self.0, &TakeLog {})
    }

    /// [`NewThread`]; returns its number.
    pub fn new_thread(self, request: NewThread) -> Result<u64, ServiceError> {
        super::call(self.0, &request)
    }

    /// [`ThreadExit`]; comes back only if the root task knows no such thread.
    pub fn thread_exit(self, thread: u64) {
        super::Outgoing::request(&ThreadExit { thread }).call(self.0);
    }

    /// [`JoinThread`].
    pub fn join_thread(self, thread: u64) -> Result<(), ServiceError> {
        super::call(self.0, &JoinThread { thread })
    }

    /// [`Exit`]; comes back only if there is no root task to listen.
    pub fn exit(self, code: Word) {
        super::Outgoing::request(&Exit { code }).call(self.0);
    }
}
