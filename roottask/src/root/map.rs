//! Memory that servers ask for: mapping it, letting it grow, and taking it back.
use libsel::proto::ServiceError;
use libsel::proto::root::{Grow, Map, MapFlags, Mapped, Protection, Unmap};
use roottask::account::fair;
use roottask::lazy::{LARGE_BYTES, Lazy};
use roottask::loader::PAGE;
use roottask::virt::{Found, NODES_AT_MOST, NodePool, Range};

use super::Root;
use super::answer::{Answer, Outcome, ServiceErrorOf};
use super::pieces::{LARGE_BITS, MAX_PAGES, OutOfMemory, Piece, PieceId, Use, Wanted};
use super::server::{Server, ServerId};
use super::space::{Access, Target};

impl Server {
    /// Whether the server may have the nodes that a change of its address space takes at most.
    pub fn may_take_nodes(&self, pool: &NodePool<'_>) -> Result<(), ServiceError> {
        let held = self.space.nodes() as usize;
        fair(held, NODES_AT_MOST as usize, pool.available() as usize)
            .then_some(())
            .ok_or(ServiceError::OutOfMemory)
    }
}

/// Bytes in whole pages, at least one.
pub fn whole_pages(bytes: u64) -> Result<u64, ServiceError> {
    bytes.checked_next_multiple_of(PAGE).filter(|bytes| *bytes != 0).ok_or(ServiceError::InvalidArgument)
}

impl Root {
    /// Maps zeroed memory: one range and one piece for each large page or 64 small ones. Or promises it: one range.
    pub fn map(&mut self, id: ServerId, request: &Map) -> Outcome {
        let bytes = whole_pages(request.bytes)?;
        let mut align = request.align.max(PAGE);
        if !align.is_power_of_two() || !request.address.is_multiple_of(align) {
            return Err(ServiceError::InvalidArgument.into());
        }
        let MapFlags { lazy, large } = request.flags;
        if large && bytes >= LARGE_BYTES {
            align = align.max(LARGE_BYTES);
        }
        if !lazy {
            self.make_room(id, bytes)?;
        }
        let Some(Some(server)) = self.servers.get_mut(usize::from(id)) else {
            return Err(ServiceError::Refused.into());
        };
        server.may_take_nodes(&self.nodes)?;
        let range = if request.address == 0 {
            server.space.alloc(&mut self.nodes, bytes, align)?
        } else {
            server.space.reserve(&mut self.nodes, request.address, bytes)?
        };
        let start = range.start;
        let Protection { write, execute } = request.protection;
        if lazy {
            let promise = Lazy { write, execute, large };
            server.space.set_tag(&mut self.nodes, start, promise.to_tag())?;
            return Ok(Answer::Mapped(Mapped { address: start }));
        }
        server.space.release(&mut self.nodes, range)?;
        let mut at = start;
        while at < start + bytes {
            match self.map_next(id, (at, start + bytes), Access { write, execute }, large) {
                Ok(end) => at = end,
                Err(error) => {
                    // Nothing stays of a request that cannot be met.
                    self.unmap_range(id, start, at);
                    return Err(error);
                }
            }
        }
        Ok(Answer::Mapped(Mapped { address: start }))
    }

    /// Whether a server may take so many bytes, without the page tables that it does not need.
    pub fn make_room(&mut self, id: ServerId, bytes: u64) -> Result<(), ServiceError> {
        // More tables than can be missing for them.
        let tables = PAGE * (4 + bytes.div_ceil(LARGE_BYTES));
        if bytes.saturating_add(tables) > self.pieces.room(id) {
            self.drop_empty_tables(id);
        }
        if bytes <= self.pieces.room(id) { Ok(()) } else { Err(ServiceError::OutOfMemory) }
    }

    /// Maps the next piece of `start..end`; returns where it ends.
    fn map_next(
        &mut self,
        id: ServerId,
        (start, end): (u64, u64),
        access: Access,
        large: bool,
    ) -> Result<u64, ServiceErrorOf> {
        let wanted = Wanted { owner: id, purpose: Use::Heap, vaddr: start, access };
        if large && start.is_multiple_of(LARGE_BYTES) && end - start >= LARGE_BYTES {
            // Where there is no large block, small ones do.
            let piece = self.large_piece(wanted);
            if piece.is_ok_and(|piece| self.enter_piece(id, piece).is_ok()) {
                return Ok(start + LARGE_BYTES);
            }
        }
        let length = (end - start).min(MAX_PAGES * PAGE);
        let piece = self.pieces.frames(&mut self.memory, wanted, length / PAGE)?;
        self.enter_piece(id, piece)?;
        Ok(start + length)
    }

    /// A piece of one large page.
    pub fn large_piece(&mut self, wanted: Wanted) -> Result<PieceId, OutOfMemory> {
        let block = self.memory.alloc(LARGE_BITS).map_err(|_| OutOfMemory)?;
        self.pieces.cut(&mut self.memory, wanted, block, 1, LARGE_BITS)
    }

    /// Enters a new piece into its owner's address space, where there is nothing yet, and maps it. On error the piece is
    /// gone.
    pub fn enter_piece(&mut self, id: ServerId, piece: PieceId) -> Result<(), ServiceErrorOf> {
        let place = self.pieces.get(piece).map(|piece| (piece.vaddr, piece.bytes()));
        let (start, bytes) = place.ok_or(OutOfMemory)?;
        let made = self.reserve_for(id, piece, start, bytes).and_then(|()| {
            self.map_frames(id, piece).map_err(|error| {
                if let Some(Some(server)) = self.servers.get_mut(usize::from(id)) {
                    let _ = server.space.free(&mut self.nodes, start, bytes);
                }
                error.into()
            })
        });
        if made.is_err() {
            self.pieces.drop_piece(&mut self.memory, piece);
        }
        made
    }

    fn reserve_for(
        &mut self,
        id: ServerId,
        piece: PieceId,
        start: u64,
        bytes: u64,
    ) -> Result<(), ServiceErrorOf> {
        let Some(Some(server)) = self.servers.get_mut(usize::from(id)) else {
            return Err(ServiceError::Refused.into());
        };
        server.may_take_nodes(&self.nodes)?;
        server.space.reserve(&mut self.nodes, start, bytes)?;
        server.space.set_tag(&mut self.nodes, start, piece)?;
        Ok(())
    }

    /// Maps a piece's frames where it is entered.
    pub fn map_frames(&mut self, id: ServerId, piece: PieceId) -> Result<(), OutOfMemory> {
        let vspace = self.server(id).ok_or(OutOfMemory)?.vspace;
        let Piece { vaddr, access, purpose, .. } = *self.pieces.get(piece).ok_or(OutOfMemory)?;
        let mut bytes = 0;
        while let Some(piece) = self.pieces.get(piece).filter(|piece| bytes < piece.bytes()) {
            let (frame, frame_bytes) =
                (piece.any_frame(bytes / piece.frame_bytes()).ok_or(OutOfMemory)?, piece.frame_bytes());
            let (memory, pieces) = (&mut self.memory, &mut self.pieces);
            let mut target = Target { memory, pieces, owner: id, vspace };
            target.map_cached(frame, vaddr + bytes, access, purpose.caching())?;
            bytes += frame_bytes;
        }
        if let Some(server) = self.server_mut(id) {
            server.mapped_bytes += bytes;
            server.peak_bytes = server.peak_bytes.max(server.mapped_bytes);
            server.ranges += 1;
        }
        Ok(())
    }

    /// Maps more of what the caller has right before an address.
    pub fn grow(&mut self, id: ServerId, request: &Grow) -> Outcome {
        let before = request.address.checked_sub(1).and_then(|last| self.range_at(id, last));
        let range = before.filter(|range| range.start + range.len == request.address);
        let range = range.ok_or(ServiceError::NotFound)?;
        let (protection, flags) = match Lazy::from_tag(range.tag) {
            Some(Lazy { write, execute, large }) => {
                (Protection { write, execute }, MapFlags { lazy: true, large })
            }
            None => {
                let piece = self.pieces.get(range.tag).filter(|piece| piece.purpose == Use::Heap);
                let piece = piece.ok_or(ServiceError::NotFound)?;
                let Access { write, execute } = piece.access;
                let large = piece.frame_bytes() == LARGE_BYTES;
                (Protection { write, execute }, MapFlags { lazy: false, large })
            }
        };
        let flags = MapFlags { large: flags.large && request.address.is_multiple_of(LARGE_BYTES), ..flags };
        self.map(id, &Map { address: request.address, bytes: request.bytes, align: 0, protection, flags })
    }

    /// Takes memory back, if all of it was asked for and is not shared.
    pub fn unmap(&mut self, id: ServerId, request: &Unmap) -> Outcome {
        let bytes = whole_pages(request.bytes)?;
        let end = request.address.checked_add(bytes).ok_or(ServiceError::InvalidArgument)?;
        if !request.address.is_multiple_of(PAGE) {
            return Err(ServiceError::InvalidArgument.into());
        }
        let mut at = request.address;
        let mut splits = self.range_at(id, at).is_none_or(|range| range.start != at);
        while at < end {
            let range = self.range_at(id, at).ok_or(ServiceError::NotFound)?;
            if Lazy::from_tag(range.tag).is_none() {
                let piece = self.pieces.get(range.tag).ok_or(ServiceError::NotFound)?;
                may_unmap(piece, request.address, end)?;
            }
            at = range.start + range.len;
        }
        splits |= at != end;
        if splits && let Some(server) = self.server(id) {
            // With these nodes nothing below can fail.
            server.may_take_nodes(&self.nodes)?;
        }
        self.unmap_range(id, request.address, end);
        Ok(Answer::Done)
    }

    /// The range that holds an address of a server's.
    pub fn range_at(&self, id: ServerId, address: u64) -> Option<Range> {
        match self.server(id)?.space.find(&self.nodes, address)? {
            Found::Range(range) => Some(range),
            Found::Guard(_) => None,
        }
    }

    /// Takes what lies between two addresses back: pieces in whole or, if they are divisible, in part.
    pub fn unmap_range(&mut self, id: ServerId, start: u64, end: u64) {
        let mut at = start;
        while at < end {
            let Some(range) = self.range_at(id, at) else { return };
            let stop = (range.start + range.len).min(end);
            let real = Lazy::from_tag(range.tag).is_none();
            let mut gone = false;
            if real && let Some(piece) = self.pieces.get(range.tag) {
                let (divisible, first) = (piece.is_divisible(), (at - piece.vaddr) / PAGE);
                gone = if divisible {
                    self.pieces.drop_pages(&mut self.memory, range.tag, first, (stop - at) / PAGE)
                } else {
                    self.pieces.drop_piece(&mut self.memory, range.tag);
                    true
                };
            }
            if let Some(Some(server)) = self.servers.get_mut(usize::from(id)) {
                let _ = server.space.free(&mut self.nodes, at, stop - at);
                server.mapped_bytes -= if real { stop - at } else { 0 };
                server.ranges -= u64::from(gone);
            }
            at = stop;
        }
    }
}

/// Whether Unmap of `start..end` may take what it holds of this piece.
fn may_unmap(piece: &Piece, start: u64, end: u64) -> Result<(), ServiceError> {
    let whole = start <= piece.vaddr && piece.vaddr + piece.bytes() <= end;
    match piece.purpose {
        Use::Objects | Use::Table | Use::Image | Use::Stack => Err(ServiceError::NotFound),
        Use::Shared | Use::Attached => Err(ServiceError::InUse),
        _ if whole || piece.is_divisible() => Ok(()),
        _ => Err(ServiceError::InvalidArgument),
    }
}
