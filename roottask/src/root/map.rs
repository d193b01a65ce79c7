//! Memory that servers ask for: mapping it, and taking it back.
use libsel::proto::ServiceError;
use libsel::proto::root::{Map, Mapped, Unmap};
use roottask::account::fair;
use roottask::loader::PAGE;
use roottask::virt::{NODES_AT_MOST, NodePool};

use super::Root;
use super::answer::{Answer, Outcome, ServiceErrorOf};
use super::pieces::{MAX_PAGES, OutOfMemory, PieceId, Use};
use super::server::{Server, ServerId};
use super::space::{Access, Target};

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
    /// Maps zeroed memory: one range and one piece for each 64 pages.
    pub fn map(&mut self, id: ServerId, request: &Map) -> Outcome {
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
    pub fn unmap(&mut self, id: ServerId, request: &Unmap) -> Outcome {
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
}
