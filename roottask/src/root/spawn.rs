//! Starting a server: its objects, its image, its capabilities, its thread.
use core::fmt;

use libsel::Error;
use libsel::abi::{CNodeCapData, CapRights, Register};
use libsel::bootinfo::initial;
use libsel::cap::{AbsoluteSlot, CNode, Cap, Endpoint, Notification, Page, Reply, SchedContext, Tcb, VSpace};
use libsel::invoke::UserContext;
use libsel::proto::Name;
use libsel::proto::start::{HEAP_START, StartInfo, StartPage, slot};
use roottask::loader::{self, IMAGE_END, PAGE, Plan, Segment};
use roottask::manifest::Entry;
use roottask::virt::AddressSpace;

use super::facts::Facts;
use super::memory::untyped;
use super::pieces::{MAX_PAGES, OutOfMemory, PieceId, Use, Wanted};
use super::server::{ADMIN_BADGE, MAX_REPLIES, MAX_SERVERS, Server, ServerId};
use super::space::{Access, Target};
use super::thread::Threads;
use super::window::MODULE_BYTES;
use super::{CALL_RIGHTS, Root, SCHED_CONTEXT_BITS};

/// Where servers' addresses begin and end.
const SPACE_START: u64 = 0x1_0000;
const SPACE_END: u64 = 0x7fff_0000_0000;
/// The start page, right behind the addresses of images; the IPC buffer follows.
const START_PAGE: u64 = IMAGE_END;
const IPC_BUFFER: u64 = START_PAGE + PAGE;
/// Requests for memory anywhere get the lowest addresses, far below the heap's.
const _: () = assert!(IPC_BUFFER + PAGE < HEAP_START);
/// Bytes of the block that a server's own objects are made from: CNode 8 KiB, PML4 4 KiB, TCB 2 KiB and small ones.
const CORE_BITS: u8 = 14;

/// Why a server did not start.
#[derive(Clone, Copy, Debug)]
pub enum SpawnError {
    /// Not enough memory, slots or places in a table.
    Memory,
    /// Its ELF file.
    Image(loader::Error),
    /// The name is too long, or there are too many servers.
    Table,
    /// Another server has this name.
    Name,
    /// Its file is empty, or larger than [`MODULE_BYTES`].
    Size,
    /// It wants messages of a PCI function that there is not, that sends none, or that another server has.
    Function(u16, u16),
    /// The kernel refused something.
    Kernel(Error),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpawnError::Memory => f.write_str("not enough memory"),
            SpawnError::Image(error) => error.fmt(f),
            SpawnError::Table => f.write_str("too many servers, or too long a name"),
            SpawnError::Name => f.write_str("a server of this name runs"),
            SpawnError::Size => {
                write!(f, "its file is empty or over {} KiB; strip its debug information", MODULE_BYTES >> 10)
            }
            SpawnError::Function(vendor, device) => {
                write!(f, "no free PCI function {vendor:04x}:{device:04x} that sends messages (MSI)")
            }
            SpawnError::Kernel(error) => error.fmt(f),
        }
    }
}

impl From<OutOfMemory> for SpawnError {
    fn from(_: OutOfMemory) -> Self {
        SpawnError::Memory
    }
}
impl From<Error> for SpawnError {
    fn from(error: Error) -> Self {
        SpawnError::Kernel(error)
    }
}
impl From<roottask::virt::Error> for SpawnError {
    fn from(_: roottask::virt::Error) -> Self {
        SpawnError::Memory
    }
}

/// The objects that every server has.
struct Core {
    cnode: Cap<CNode>,
    vspace: Cap<VSpace>,
    tcb: Cap<Tcb>,
    context: Cap<SchedContext>,
    reply: Cap<Reply>,
    service: Cap<Endpoint>,
    notification: Cap<Notification>,
}

impl Root {
    /// Starts a server from a boot module. What was made is given back if it fails.
    pub fn spawn(&mut self, entry: &Entry<'_>, paddr: u64, size: u64) -> Result<(), SpawnError> {
        let name = Name::new(entry.name).ok_or(SpawnError::Table)?;
        if self.servers.iter().flatten().any(|server| server.name == name) {
            return Err(SpawnError::Name);
        }
        if size == 0 || size > MODULE_BYTES {
            return Err(SpawnError::Size);
        }
        let free = self.servers.iter().skip(1).position(Option::is_none).ok_or(SpawnError::Table)? + 1;
        let id = free as ServerId;
        let made = self.with_module(paddr, size, |root, file| root.build(id, name, entry, file))?;
        if made.is_err() {
            self.forget(id);
        }
        made
    }

    /// Gives back what a server had. A client that it owes an answer gets an error; those still in its queue, or that
    /// call later, get the kernel's, as the endpoint is gone.
    pub fn forget(&mut self, id: ServerId) {
        self.stop_functions(id);
        self.tell_nobody(id);
        self.leave_regions(id);
        self.refuse_callers(id);
        self.forget_joiners(id);
        if let Some(server) = self.servers.get_mut(usize::from(id)).and_then(Option::take) {
            server.space.destroy(&mut self.nodes);
        }
        self.pieces.drop_owner(&mut self.memory, id);
    }

    fn build(&mut self, id: ServerId, name: Name, entry: &Entry<'_>, file: &[u8]) -> Result<(), SpawnError> {
        debug_assert!(usize::from(id) < MAX_SERVERS);
        let plan = loader::plan(file).map_err(SpawnError::Image)?;
        let core = self.core_objects(id)?;
        let space = AddressSpace::new(&mut self.nodes, SPACE_START, SPACE_END)?;
        self.servers[usize::from(id)] = Some(Server {
            name,
            vspace: core.vspace,
            space,
            service: core.service,
            reply: core.reply,
            start_page: Cap::NULL,
            notification: core.notification,
            replies: [0; MAX_REPLIES],
            uses: entry.uses,
            clients: 0,
            gone: 0,
            alarm: None,
            is_service: entry.service,
            threads: Threads::new(entry.threads),
            facts: Facts::new(entry, core.cnode, core.tcb, core.context),
            mapped_bytes: 0,
            peak_bytes: 0,
            ranges: 0,
        });
        self.load(id, core.vspace, &plan, file)?;
        self.start_page(id, core.vspace, name, entry)?;
        self.capabilities(id, &core, entry)?;
        // The image and the server's own objects are not its choice: the quota is for what it asks for.
        self.pieces.limit(id, entry.quota);
        self.start_thread(id, &core, entry, plan.entry)
    }

    fn core_objects(&mut self, id: ServerId) -> Result<Core, SpawnError> {
        let (block, first) = self.pieces.objects(&mut self.memory, id, CORE_BITS, 7)?;
        let memory = untyped(block);
        let place = |index: u32| u64::from(first + index);
        let cnode = initial::CNODE;
        let core = Core {
            cnode: memory.retype_one(slot::CSPACE_BITS, cnode, place(0))?,
            vspace: memory.retype_one(0, cnode, place(1))?,
            tcb: memory.retype_one(0, cnode, place(2))?,
            context: memory.retype_one(SCHED_CONTEXT_BITS, cnode, place(3))?,
            reply: memory.retype_one(0, cnode, place(4))?,
            service: memory.retype_one(0, cnode, place(5))?,
            notification: memory.retype_one(0, cnode, place(6))?,
        };
        initial::ASID_POOL.assign(core.vspace)?;
        Ok(core)
    }

    /// Frames at a fixed address of a server, mapped; `fill` gets each page before it is mapped there.
    fn fixed_pages(
        &mut self,
        id: ServerId,
        vspace: Cap<VSpace>,
        (start, end): (u64, u64),
        access: Access,
        mut fill: impl FnMut(u64, &mut [u8; PAGE as usize]),
    ) -> Result<PieceId, SpawnError> {
        let mut at = start;
        let mut piece = 0;
        while at < end {
            let pages = ((end - at) / PAGE).min(MAX_PAGES);
            let wanted = Wanted { owner: id, purpose: Use::Image, vaddr: at, access };
            piece = self.pieces.frames(&mut self.memory, wanted, pages)?;
            if let Some(Some(server)) = self.servers.get_mut(usize::from(id)) {
                server.space.reserve(&mut self.nodes, at, pages * PAGE)?;
                server.space.set_tag(&mut self.nodes, at, piece)?;
            }
            for page in 0..pages {
                let vaddr = at + page * PAGE;
                let frame = self.pieces.get(piece).and_then(|piece| piece.frame(page)).ok_or(OutOfMemory)?;
                self.with_page(frame, |bytes| fill(vaddr, bytes))?;
                let (memory, pieces) = (&mut self.memory, &mut self.pieces);
                Target { memory, pieces, owner: id, vspace }.map(frame, vaddr, access)?;
            }
            at += pages * PAGE;
        }
        Ok(piece)
    }

    fn load(
        &mut self,
        id: ServerId,
        vspace: Cap<VSpace>,
        plan: &Plan,
        file: &[u8],
    ) -> Result<(), SpawnError> {
        for segment in plan.segments() {
            let Segment { start, end, write, execute, .. } = *segment;
            self.fixed_pages(id, vspace, (start, end), Access { write, execute }, |vaddr, page| {
                if let Some((place, bytes)) = segment.part(vaddr)
                    && let (Some(to), Some(from)) =
                        (page.get_mut(place..place + bytes.len()), file.get(bytes))
                {
                    to.copy_from_slice(from);
                }
            })?;
        }
        Ok(())
    }

    /// The start page and the IPC buffer.
    fn start_page(
        &mut self,
        id: ServerId,
        vspace: Cap<VSpace>,
        name: Name,
        entry: &Entry<'_>,
    ) -> Result<(), SpawnError> {
        let mut info = StartInfo::new(name, entry.arguments).map_err(|_| SpawnError::Table)?;
        info.ipc_buffer = IPC_BUFFER;
        info.secret = libsel::rt::secret();
        info.tsc_hz = self.tsc_hz;
        info.debug_calls = self.debug_calls.into();
        if let [Some((first, last)), _] = entry.ports {
            (info.first_port, info.last_port) = (first, last);
        }
        let range = (START_PAGE, IPC_BUFFER + PAGE);
        let piece = self.fixed_pages(id, vspace, range, Access::DATA, |vaddr, page| {
            if vaddr == START_PAGE {
                super::window::write_start_page(page, &StartPage::new(info));
            }
        })?;
        let frame = self.pieces.get(piece).and_then(|piece| piece.frame(0)).ok_or(OutOfMemory)?;
        if let Some(Some(server)) = self.servers.get_mut(usize::from(id)) {
            server.start_page = frame;
        }
        Ok(())
    }

    /// Fills the server's CSpace.
    fn capabilities(&mut self, id: ServerId, core: &Core, entry: &Entry<'_>) -> Result<(), SpawnError> {
        let to = |cptr: u64| AbsoluteSlot::new(core.cnode, cptr, slot::CSPACE_BITS);
        let from = |cptr: u64| AbsoluteSlot::in_cspace(initial::CNODE, cptr);
        to(slot::TCB.cptr()).copy(from(core.tcb.cptr()), CapRights::ALL)?;
        let guard = CNodeCapData::new(0, slot::GUARD_BITS);
        to(slot::CNODE.cptr()).mint_guarded(from(core.cnode.cptr()), guard)?;
        to(slot::ROOT.cptr()).mint(from(self.endpoint.cptr()), CALL_RIGHTS, u64::from(id))?;
        to(slot::REPLY.cptr()).copy(from(core.reply.cptr()), CapRights::ALL)?;
        to(slot::SERVICE.cptr()).copy(from(core.service.cptr()), CapRights::READ)?;
        if entry.admin {
            let badge = ADMIN_BADGE | u64::from(id);
            to(slot::ADMIN.cptr()).mint(from(self.endpoint.cptr()), CALL_RIGHTS, badge)?;
        }
        to(slot::NOTIFICATION.cptr()).copy(from(core.notification.cptr()), CapRights::ALL)?;
        for (ports, place) in entry.ports.iter().zip([slot::IO_PORTS, slot::MORE_IO_PORTS]) {
            if let Some((first, last)) = *ports {
                initial::IO_PORT_CONTROL.issue(first, last, to(place.cptr()))?;
            }
        }
        for (number, irq) in entry.irqs.iter().enumerate() {
            if let Some(irq) = *irq {
                let number = number as u64;
                self.interrupt(id, core.notification, irq, number, to(slot::FIRST_IRQ + number))?;
            }
        }
        Ok(())
    }

    fn start_thread(
        &mut self,
        id: ServerId,
        core: &Core,
        entry: &Entry<'_>,
        first_instruction: u64,
    ) -> Result<(), SpawnError> {
        let page = self.servers.get(usize::from(id)).and_then(Option::as_ref).map(|server| server.start_page);
        let buffer: Cap<Page> = page.map_or(Cap::NULL, |page| Cap::new(page.cptr() + 1));
        let guard = CNodeCapData::new(0, slot::GUARD_BITS);
        core.tcb.configure(core.cnode, guard.0, core.vspace, IPC_BUFFER, buffer)?;
        self.schedule(id, 0, core.tcb, core.context)?;
        core.tcb.bind_notification(core.notification)?;
        if self.debug_calls {
            libsel::sys::debug_name_thread(core.tcb.cptr(), entry.name);
        }
        self.tell_of_lines(id, core.notification);
        let mut registers = UserContext::default();
        registers.set(Register::Rip, first_instruction).set(Register::Rdi, START_PAGE);
        core.tcb.write_registers(true, libsel::abi::registers::REGISTER_COUNT, &registers)?;
        Ok(())
    }
}
