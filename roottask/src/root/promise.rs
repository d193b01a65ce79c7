//! Memory that was promised: it comes when it is first touched.
use libsel::fault::{Fault, page_fault_code};
use roottask::lazy::{LARGE_BYTES, Lazy};
use roottask::loader::PAGE;

use super::Root;
use super::pieces::{OutOfMemory, Use, Wanted};
use super::server::ServerId;
use super::space::Access;

/// What an access found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touch {
    /// Memory is there now.
    Mapped,
    /// It was promised, and there is none left.
    OutOfMemory,
    /// Nothing was promised there, or not for such an access.
    Foreign,
}

impl Root {
    /// What is to be done about a server's fault.
    pub fn touch_by_fault(&mut self, id: ServerId, fault: &Fault) -> Touch {
        let Fault::Vm { address, fetch, code, .. } = *fault else { return Touch::Foreign };
        if code & (page_fault_code::PRESENT | page_fault_code::RESERVED) != 0 {
            return Touch::Foreign;
        }
        let needed = Access { write: code & page_fault_code::WRITE != 0, execute: fetch };
        if self.has(id, address, needed) {
            // Another thread of the server touched it first.
            return Touch::Mapped;
        }
        self.touch(id, address, needed)
    }

    /// Whether a server has memory at an address that allows an access.
    fn has(&self, id: ServerId, address: u64, needed: Access) -> bool {
        let range = self.range_at(id, address).filter(|range| Lazy::from_tag(range.tag).is_none());
        let piece = range.and_then(|range| self.pieces.get(range.tag));
        piece.is_some_and(|piece| {
            let Access { write, execute } = piece.access;
            let there = piece.owner == id && piece.frame_at(address).is_some();
            there && (write || !needed.write) && (execute || !needed.execute)
        })
    }

    /// Lets promised memory at an address come, and some around it.
    pub fn touch(&mut self, id: ServerId, address: u64, needed: Access) -> Touch {
        let found = self.range_at(id, address);
        let Some((range, lazy)) = found.and_then(|range| Some((range, Lazy::from_tag(range.tag)?))) else {
            return Touch::Foreign;
        };
        if needed.write && !lazy.write || needed.execute && !lazy.execute {
            return Touch::Foreign;
        }
        let in_use = |at: u64| {
            let before = at.checked_sub(1).and_then(|last| self.range_at(id, last));
            before.is_some_and(|range| Lazy::from_tag(range.tag).is_none())
        };
        let mut windows = [None; 4];
        let place = (range.start, range.start + range.len);
        for (to, window) in windows.iter_mut().zip(lazy.windows(place, address, in_use)) {
            *to = Some(window);
        }
        for window in windows.into_iter().flatten() {
            if self.keep_promise(id, window, lazy).is_ok() {
                return Touch::Mapped;
            }
        }
        // A last try with what was left for later.
        self.drop_empty_tables(id);
        let page = address & !(PAGE - 1);
        match self.keep_promise(id, (page, page + PAGE), lazy) {
            Ok(()) => Touch::Mapped,
            Err(OutOfMemory) => Touch::OutOfMemory,
        }
    }

    /// Puts memory into a part of a promised range. On error it is promised as before.
    fn keep_promise(
        &mut self,
        id: ServerId,
        (start, end): (u64, u64),
        lazy: Lazy,
    ) -> Result<(), OutOfMemory> {
        self.server(id).ok_or(OutOfMemory)?.may_take_nodes(&self.nodes).map_err(|_| OutOfMemory)?;
        let access = Access { write: lazy.write, execute: lazy.execute };
        let wanted = Wanted { owner: id, purpose: Use::Heap, vaddr: start, access };
        let piece = if end - start == LARGE_BYTES {
            self.large_piece(wanted)?
        } else {
            self.pieces.frames(&mut self.memory, wanted, (end - start) / PAGE)?
        };
        let mut made = Err(OutOfMemory);
        if let Some(Some(server)) = self.servers.get_mut(usize::from(id)) {
            let split = server.space.split(&mut self.nodes, start, end - start);
            made = split
                .and_then(|_| server.space.set_tag(&mut self.nodes, start, piece))
                .map_err(|_| OutOfMemory);
        }
        made.and_then(|()| self.map_frames(id, piece)).inspect_err(|_| {
            self.pieces.drop_piece(&mut self.memory, piece);
            if let Some(Some(server)) = self.servers.get_mut(usize::from(id)) {
                let _ = server.space.set_tag(&mut self.nodes, start, lazy.to_tag());
            }
        })
    }
}
