//! Regions that servers share: the pieces of a region stay with whoever pays for it, the others have copies of its
//! frames' capabilities. See [`roottask::regions`].
use libsel::proto::ServiceError;
use libsel::proto::root::{Attach, Detach, Grant, Mapped, Share};
use roottask::lazy::Lazy;
use roottask::loader::PAGE;
use roottask::regions::{Departure, Region};

use super::Root;
use super::answer::{Answer, Outcome, ServiceErrorOf};
use super::map::whole_pages;
use super::pieces::{OutOfMemory, PieceId, Use, Wanted};
use super::promise::Touch;
use super::server::ServerId;
use super::space::Access;

impl Root {
    /// Makes a region of memory that the caller has.
    pub fn share(&mut self, id: ServerId, request: &Share) -> Outcome {
        let (start, bytes) = (request.address, whole_pages(request.bytes)?);
        let end = start.checked_add(bytes).ok_or(ServiceError::InvalidArgument)?;
        if !start.is_multiple_of(PAGE) {
            return Err(ServiceError::InvalidArgument.into());
        }
        let mut at = start;
        while at < end {
            at = self.check_shareable(id, at, (start, end))?;
        }
        let first = self.range_at(id, start).ok_or(ServiceError::NotFound)?.tag;
        let key = self.regions.create(id, start, bytes, first)?;
        let mut at = start;
        while let Some(range) = self.range_at(id, at).filter(|_| at < end) {
            at = range.start + range.len;
            let next = if at < end { self.range_at(id, at).map(|range| range.tag) } else { None };
            self.pieces.change(range.tag, |piece| (piece.purpose, piece.next) = (Use::Shared, next));
        }
        Ok(Answer::of(&key))
    }

    /// Whether what lies at an address can be in a region of these addresses, made real if it was only promised; returns
    /// where it ends.
    fn check_shareable(
        &mut self,
        id: ServerId,
        at: u64,
        (start, end): (u64, u64),
    ) -> Result<u64, ServiceErrorOf> {
        let read = Access { write: false, execute: false };
        let mut range = self.range_at(id, at).ok_or(ServiceError::NotFound)?;
        if Lazy::from_tag(range.tag).is_some() {
            if range.start < start && at == start || range.start + range.len > end {
                // Windows could reach beyond the region.
                let part = (range.start.max(start), (range.start + range.len).min(end));
                self.cut_promise(id, part)?;
            }
            if self.touch(id, at, read) != Touch::Mapped {
                return Err(OutOfMemory.into());
            }
            range = self.range_at(id, at).ok_or(ServiceError::NotFound)?;
        }
        let piece = self.pieces.get(range.tag).ok_or(ServiceError::NotFound)?;
        let inside = start <= piece.vaddr && piece.vaddr + piece.bytes() <= end;
        // A large page can only be mapped where it is aligned, in other address spaces too.
        let aligned = start.is_multiple_of(piece.frame_bytes());
        match piece.purpose {
            Use::Heap if inside && aligned && piece.is_whole() => Ok(range.start + range.len),
            Use::Heap => Err(ServiceError::InvalidArgument.into()),
            Use::Shared | Use::Attached => Err(ServiceError::InUse.into()),
            Use::Objects | Use::Table | Use::Image | Use::Stack => Err(ServiceError::NotFound.into()),
            Use::Dma | Use::Device | Use::Screen | Use::Trace | Use::File => {
                Err(ServiceError::InvalidArgument.into())
            }
        }
    }

    fn cut_promise(&mut self, id: ServerId, (start, end): (u64, u64)) -> Result<(), ServiceErrorOf> {
        let Some(Some(server)) = self.servers.get_mut(usize::from(id)) else {
            return Err(ServiceError::Refused.into());
        };
        server.may_take_nodes(&self.nodes)?;
        server.space.split(&mut self.nodes, start, end - start)?;
        Ok(())
    }

    /// Lets servers of a name attach a region.
    pub fn grant(&mut self, id: ServerId, request: &Grant) -> Outcome {
        self.regions.grant(id, request.region, request.to, request.protection)?;
        Ok(Answer::Done)
    }

    /// Maps a region of another server.
    pub fn attach(&mut self, id: ServerId, request: &Attach) -> Outcome {
        let name = self.server(id).ok_or(ServiceError::Refused)?.name;
        let Region { bytes, first_piece, .. } =
            self.regions.may_attach(id, name, request.region, request.protection)?;
        let align = self.frame_bytes_of(first_piece);
        let Some(Some(server)) = self.servers.get_mut(usize::from(id)) else {
            return Err(ServiceError::Refused.into());
        };
        server.may_take_nodes(&self.nodes)?;
        let range = server.space.alloc(&mut self.nodes, bytes, align)?;
        server.space.release(&mut self.nodes, range)?;
        let access = Access { write: request.protection.write, execute: request.protection.execute };
        let mut at = range.start;
        let mut next = Some(first_piece);
        while let Some(piece) = next {
            let wanted = Wanted { owner: id, purpose: Use::Attached, vaddr: at, access };
            let copied = self.pieces.copy_of(&mut self.memory, wanted, piece);
            if let Err(error) = copied.map_err(Into::into).and_then(|copy| self.enter_piece(id, copy)) {
                self.unmap_range(id, range.start, at);
                return Err(error);
            }
            let source = self.pieces.get(piece).ok_or(OutOfMemory)?;
            (at, next) = (at + source.bytes(), source.next);
        }
        self.regions.attach(id, request.region, range.start);
        Ok(Answer::Mapped(Mapped { address: range.start }))
    }

    /// Bytes of the largest frame in the pieces from `first` on.
    fn frame_bytes_of(&self, first: PieceId) -> u64 {
        let mut most = PAGE;
        let mut next = self.pieces.get(first);
        while let Some(piece) = next {
            most = most.max(piece.frame_bytes());
            next = piece.next.and_then(|next| self.pieces.get(next));
        }
        most
    }

    /// Unmaps a region, and gives it up if the caller made it.
    pub fn detach(&mut self, id: ServerId, request: &Detach) -> Outcome {
        let key = self.regions.at(id, request.address).ok_or(ServiceError::NotFound)?;
        let region = *self.regions.get(key).ok_or(ServiceError::NotFound)?;
        let tag = self.range_at(id, request.address).ok_or(ServiceError::NotFound)?.tag;
        let made_it = self.pieces.get(tag).is_some_and(|piece| piece.purpose == Use::Shared);
        if made_it {
            // The pieces stay or go with the region.
            self.free_ranges(id, request.address, request.address + region.bytes);
        } else {
            self.unmap_range(id, request.address, request.address + region.bytes);
        }
        let departure = self.regions.leave(id, key);
        self.settle(region.first_piece, departure);
        if departure == Departure::Ends {
            let mut next = Some(region.first_piece);
            while let Some(piece) = next {
                next = self.pieces.get(piece).and_then(|piece| piece.next);
                self.pieces.drop_piece(&mut self.memory, piece);
            }
        }
        Ok(Answer::Done)
    }

    /// Ends what a server has to do with regions. Its own mappings of them go with its pieces.
    pub fn leave_regions(&mut self, id: ServerId) {
        while let Some(key) = self.regions.any_of(id) {
            let first = self.regions.get(key).map(|region| region.first_piece);
            let departure = self.regions.leave(id, key);
            if let Some(first) = first {
                self.settle(first, departure);
            }
        }
    }

    /// Gives a region's pieces to whoever pays for them now.
    fn settle(&mut self, first: PieceId, departure: Departure) {
        let Departure::Pays(heir) = departure else { return };
        let mut next = Some(first);
        while let Some(piece) = next {
            next = self.pieces.get(piece).and_then(|piece| piece.next);
            self.pieces.hand_over(piece, heir);
        }
    }

    /// Takes the ranges between two addresses out of an address space; what is mapped there stays.
    fn free_ranges(&mut self, id: ServerId, start: u64, end: u64) {
        let mut at = start;
        while let Some(range) = self.range_at(id, at).filter(|_| at < end) {
            at = range.start + range.len;
            if let Some(Some(server)) = self.servers.get_mut(usize::from(id)) {
                let _ = server.space.release(&mut self.nodes, range);
                server.mapped_bytes -= range.len;
                server.ranges -= 1;
            }
        }
    }
}
