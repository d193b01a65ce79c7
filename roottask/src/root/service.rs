//! The service loop: memory, names, lines to print, and the faults of servers.
use libsel::abi::{CapRights, ObjectType};
use libsel::bootinfo::initial;
use libsel::cap::{AbsoluteSlot, Cap, Reply};
use libsel::fault::Fault;
use libsel::ipc::Message;
use libsel::println;
use libsel::proto::root::{Map, Mapped, MemoryStats, RootRequest, Unmap};
use libsel::proto::{Outgoing, ServiceError};
use roottask::account::fair;
use roottask::loader::PAGE;
use roottask::virt::{NODES_AT_MOST, NodePool};
use roottask::{clean, exit};

use super::memory::untyped;
use super::pieces::{MAX_PAGES, OutOfMemory, PieceId, Use};
use super::server::{Server, ServerId, sender};
use super::space::{Access, Target};
use super::window::read_panic;
use super::{CALL_RIGHTS, Root, own_slot, report};

/// log2 of the bytes of a reply object.
const REPLY_BITS: u8 = ObjectType::Reply.object_bits(0) as u8;

/// What a request is answered with.
enum Answer {
    /// Nobody waits for one.
    None,
    /// Success without words.
    Done,
    Mapped(Mapped),
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
struct ServiceErrorOf(ServiceError);

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

type Outcome = Result<Answer, ServiceErrorOf>;

impl Server {
    /// Whether the server may have the nodes that a change of its address space takes at most.
    fn may_take_nodes(&self, pool: &NodePool<'_>) -> Result<(), ServiceError> {
        let held = self.space.nodes() as usize;
        fair(held, NODES_AT_MOST as usize, pool.available() as usize)
            .then_some(())
            .ok_or(ServiceError::OutOfMemory)
    }
}

impl Root {
    /// Serves until the boot script is done, or for ever.
    pub fn serve(mut self) -> ! {
        loop {
            self.end_if_done();
            let message = self.endpoint.recv(self.reply);
            let answer = match sender(message.badge) {
                Some((id, true)) => {
                    self.fault(id, &message);
                    Ok(Answer::None)
                }
                Some((id, false)) if self.server(id).is_some() => self.request(id, &message),
                _ => Err(ServiceError::Refused.into()),
            };
            self.answer(answer);
        }
    }

    fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(usize::from(id)).and_then(Option::as_ref)
    }

    fn server_mut(&mut self, id: ServerId) -> Option<&mut Server> {
        self.servers.get_mut(usize::from(id)).and_then(Option::as_mut)
    }

    fn answer(&mut self, answer: Outcome) {
        match answer {
            Ok(Answer::None) => {}
            Ok(Answer::Done) => Outgoing::reply(&()).answer(self.reply),
            Ok(Answer::Mapped(mapped)) => Outgoing::reply(&mapped).answer(self.reply),
            Ok(Answer::Stats(stats)) => Outgoing::reply(&stats).answer(self.reply),
            Ok(Answer::Capability(slot)) => {
                Outgoing::reply(&()).with_cap(u64::from(slot)).answer(self.reply);
                let _ = own_slot(slot).delete();
                self.memory.kernel().slots.give(slot, 1);
            }
            Err(ServiceErrorOf(error)) => Outgoing::refusal(error).answer(self.reply),
        }
    }

    fn request(&mut self, id: ServerId, message: &Message) -> Outcome {
        match RootRequest::from_message(message)? {
            RootRequest::Map(map) => self.map(id, &map),
            RootRequest::Unmap(unmap) => self.unmap(id, &unmap),
            RootRequest::Stats(_) => {
                let free_bytes = self.memory.stats().free;
                let server = self.server(id).ok_or(ServiceError::Refused)?;
                Ok(Answer::Stats(MemoryStats {
                    mapped_bytes: server.mapped_bytes,
                    peak_bytes: server.peak_bytes,
                    ranges: server.ranges,
                    free_bytes,
                }))
            }
            RootRequest::Lookup(lookup) => {
                let found = self.servers.iter().flatten().find(|server| server.name == lookup.name);
                let service = found.ok_or(ServiceError::NotFound)?.service;
                let slot = self.memory.kernel().slots.take(1).ok_or(ServiceError::OutOfMemory)?;
                let from = AbsoluteSlot::in_cspace(initial::CNODE, service.cptr());
                if own_slot(slot).mint(from, CALL_RIGHTS, u64::from(id)).is_err() {
                    self.memory.kernel().slots.give(slot, 1);
                    return Err(ServiceError::Refused.into());
                }
                Ok(Answer::Capability(slot))
            }
            RootRequest::NewReply(_) => self.new_reply(id),
            RootRequest::Log(log) => {
                if let Some(server) = self.server(id) {
                    for line in clean::lines(log.text.as_bytes()) {
                        println!("root: {} says: {line}", server.name);
                    }
                }
                Ok(Answer::Done)
            }
            RootRequest::Exit(exit) => {
                if let Some(server) = self.server(id) {
                    println!("root: {} ended with code {}", server.name, exit.code);
                }
                self.trouble |= exit.code != 0;
                self.forget(id);
                Ok(Answer::None)
            }
        }
    }

    /// A new reply object of a server's.
    fn new_reply(&mut self, id: ServerId) -> Outcome {
        let (block, first) = self.pieces.objects(&mut self.memory, id, REPLY_BITS, 1)?;
        let made: Result<Cap<Reply>, _> = untyped(block).retype_one(0, initial::CNODE, u64::from(first));
        let slot = self.memory.kernel().slots.take(1).ok_or(ServiceError::OutOfMemory)?;
        let copied = made.and_then(|reply| {
            own_slot(slot).copy(AbsoluteSlot::in_cspace(initial::CNODE, reply.cptr()), CapRights::ALL)
        });
        if copied.is_err() {
            self.memory.kernel().slots.give(slot, 1);
            return Err(ServiceError::OutOfMemory.into());
        }
        Ok(Answer::Capability(slot))
    }

    /// Maps zeroed memory: one range and one piece for each 64 pages.
    fn map(&mut self, id: ServerId, request: &Map) -> Outcome {
        let bytes = request.bytes.checked_next_multiple_of(PAGE).ok_or(ServiceError::InvalidArgument)?;
        let align = request.align.max(PAGE);
        if bytes == 0 || !align.is_power_of_two() || !request.address.is_multiple_of(align) {
            return Err(ServiceError::InvalidArgument.into());
        }
        let Some(server) = self.servers.get_mut(usize::from(id)).and_then(Option::as_mut) else {
            return Err(ServiceError::Refused.into());
        };
        if bytes > self.pieces.room(id) {
            return Err(ServiceError::OutOfMemory.into());
        }
        let range = if request.address == 0 {
            server.space.alloc(&mut self.nodes, bytes, align)?
        } else {
            server.space.reserve(&mut self.nodes, request.address, bytes)?
        };
        let start = range.start;
        server.space.release(&mut self.nodes, range)?;
        let access = Access { write: request.protection.write, execute: request.protection.execute };
        let mut at = start;
        while at < start + bytes {
            let length = (start + bytes - at).min(MAX_PAGES * PAGE);
            if let Err(error) = self.map_piece(id, at, length, access) {
                // Nothing stays of a request that cannot be met.
                self.unmap_range(id, start, at);
                return Err(error);
            }
            at += length;
        }
        if let Some(server) = self.server_mut(id) {
            server.peak_bytes = server.peak_bytes.max(server.mapped_bytes);
        }
        Ok(Answer::Mapped(Mapped { address: start }))
    }

    fn map_piece(
        &mut self,
        id: ServerId,
        start: u64,
        length: u64,
        access: Access,
    ) -> Result<(), ServiceErrorOf> {
        let pages = length / PAGE;
        let piece = self.pieces.frames(&mut self.memory, id, Use::Heap, start, pages)?;
        let made = self.enter_piece(id, piece, start, length, access);
        if made.is_err() {
            self.pieces.drop_pages(&mut self.memory, piece, 0, pages);
            if let Some(Some(server)) = self.servers.get_mut(usize::from(id)) {
                // Only if it was entered.
                let _ = server.space.free(&mut self.nodes, start, length);
            }
        }
        made
    }

    fn enter_piece(
        &mut self,
        id: ServerId,
        piece: PieceId,
        start: u64,
        length: u64,
        access: Access,
    ) -> Result<(), ServiceErrorOf> {
        let Some(Some(server)) = self.servers.get_mut(usize::from(id)) else {
            return Err(ServiceError::Refused.into());
        };
        server.may_take_nodes(&self.nodes)?;
        server.space.reserve(&mut self.nodes, start, length)?;
        server.space.set_tag(&mut self.nodes, start, piece)?;
        let vspace = server.vspace;
        for page in 0..length / PAGE {
            let frame = self.pieces.get(piece).and_then(|piece| piece.frame(page)).ok_or(OutOfMemory)?;
            let (memory, pieces) = (&mut self.memory, &mut self.pieces);
            Target { memory, pieces, owner: id, vspace }.map(frame, start + page * PAGE, access)?;
        }
        if let Some(server) = self.server_mut(id) {
            server.mapped_bytes += length;
            server.ranges += 1;
        }
        Ok(())
    }

    /// Takes memory back, if all of it was mapped by [`Root::map`].
    fn unmap(&mut self, id: ServerId, request: &Unmap) -> Outcome {
        let bytes = request.bytes.checked_next_multiple_of(PAGE).ok_or(ServiceError::InvalidArgument)?;
        let end = request.address.checked_add(bytes).ok_or(ServiceError::InvalidArgument)?;
        if bytes == 0 || !request.address.is_multiple_of(PAGE) {
            return Err(ServiceError::InvalidArgument.into());
        }
        let mut at = request.address;
        let mut splits = self.range_start(id, at) != Some(at);
        while at < end {
            at = self.heap_piece(id, at).ok_or(ServiceError::NotFound)?.1;
        }
        splits |= at != end;
        if splits && let Some(server) = self.server(id) {
            // With these nodes nothing below can fail.
            server.may_take_nodes(&self.nodes)?;
        }
        self.unmap_range(id, request.address, end);
        Ok(Answer::Done)
    }

    /// The piece that a server has mapped for its heap at an address, and the end of its range.
    fn heap_piece(&self, id: ServerId, address: u64) -> Option<(PieceId, u64)> {
        let found = self.server(id)?.space.find(&self.nodes, address)?;
        let roottask::virt::Found::Range(range) = found else { return None };
        let piece = self.pieces.get(range.tag)?;
        let sound = piece.owner == id && piece.purpose == Use::Heap;
        let covers = (piece.vaddr..piece.vaddr + piece.pages() * PAGE).contains(&address);
        (sound && covers).then_some((range.tag, range.start + range.len))
    }

    /// Where the range that holds an address begins.
    fn range_start(&self, id: ServerId, address: u64) -> Option<u64> {
        match self.server(id)?.space.find(&self.nodes, address)? {
            roottask::virt::Found::Range(range) => Some(range.start),
            roottask::virt::Found::Guard(_) => None,
        }
    }

    /// Takes the heap pieces between two addresses back, in whole or in part.
    fn unmap_range(&mut self, id: ServerId, start: u64, end: u64) {
        let mut at = start;
        while at < end {
            let Some((piece, range_end)) = self.heap_piece(id, at) else { return };
            let stop = range_end.min(end);
            let first = self.pieces.get(piece).map_or(0, |piece| (at - piece.vaddr) / PAGE);
            let gone = self.pieces.drop_pages(&mut self.memory, piece, first, (stop - at) / PAGE);
            if let Some(Some(server)) = self.servers.get_mut(usize::from(id)) {
                let _ = server.space.free(&mut self.nodes, at, stop - at);
                server.mapped_bytes -= stop - at;
                server.ranges -= u64::from(gone);
            }
            at = stop;
        }
    }

    /// A server did something that it cannot go on from: says so and gives back what it had.
    fn fault(&mut self, id: ServerId, message: &Message) {
        let fault = Fault::decode(message);
        let Some(server) = self.server(id) else { return };
        let (name, page) = (server.name, server.start_page);
        match fault {
            Some(fault) => println!("root: {name} (server {id}) stopped: {fault}"),
            None => println!(
                "root: {name} (server {id}) stopped; its fault has the unknown label {}",
                message.label()
            ),
        }
        let _ = page.unmap();
        let _ = self.with_page(page, |page| {
            read_panic(page, |text| {
                for line in clean::lines(text.as_bytes()) {
                    println!("root: {name} said: {line}");
                }
            })
        });
        self.trouble = true;
        self.forget(id);
    }

    /// Ends the machine when every server that ends has ended, if that was asked for.
    fn end_if_done(&mut self) {
        let Some((port, number)) = self.exit_port else { return };
        if self.servers.iter().flatten().any(|server| !server.is_service) {
            return;
        }
        self.memory.trim();
        report::memory(self);
        report::free_blocks(self);
        println!("root: the boot script is done");
        let _ = port.out8(number, exit::CODE_BASE + u8::from(self.trouble));
        println!("root: the exit port {number:#x} does not work");
        self.exit_port = None;
    }
}
