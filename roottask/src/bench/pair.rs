//! Two threads that work with each other, in one address space or in two.

use libsel::abi::{CapRights, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Page, VSpace};
use libsel::{AbsoluteSlot, Cap};

use super::row::Bench;
use crate::bare::fixture::shared;
use crate::bare::thread::{Body, Options, Thread};

/// Where the peer lives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// In the program's own address space.
    Same,
    /// In an address space of its own, which maps the same image.
    Other,
}

const PAGE_BYTES: Word = 4096;
/// What a page table covers.
const TABLE_SPAN: Word = 1 << 21;

impl Bench<'_> {
    /// The address space for `space`.
    pub fn space(&mut self, space: Space) -> libsel::Result<Cap<VSpace>> {
        match space {
            Space::Same => Ok(initial::VSPACE),
            Space::Other => self.clone_of_image(),
        }
    }

    /// A new address space with every page of the program's image, at the same addresses.
    fn clone_of_image(&mut self) -> libsel::Result<Cap<VSpace>> {
        let vspace = self.vspace()?;
        let (start, end) = (self.machine.image_start(), self.machine.bootinfo.raw().ipc_buffer);
        for address in (start & !(TABLE_SPAN - 1)..end).step_by(TABLE_SPAN as usize) {
            self.tables(vspace, address)?;
        }
        for address in (start..end).step_by(PAGE_BYTES as usize) {
            let frame = self.machine.image_frame(address);
            let copy = self.slot();
            let place: AbsoluteSlot = initial::CNODE.at(copy);
            place.copy(initial::CNODE.at(frame.cptr()), CapRights::ALL)?;
            let copy = Cap::<Page>::new(copy);
            copy.map(vspace, address, CapRights::READ_WRITE, VmAttributes::WRITE_BACK)?;
        }
        Ok(vspace)
    }

    /// A thread that has no time of its own from the moment on when it first waits: it runs on that of its callers.
    pub fn passive(&mut self, options: Options, body: Body) -> libsel::Result<Thread> {
        let thread = self.spawn(options, body, 0)?;
        self.settle()?;
        thread.sched_context.unbind()?;
        Ok(thread)
    }
}

/// Lets threads know `value` under `index`, 0..16.
pub fn tell(index: usize, value: Word) {
    shared(index).store(value, core::sync::atomic::Ordering::Relaxed);
}

/// What was told.
pub fn told(index: usize) -> Word {
    shared(index).load(core::sync::atomic::Ordering::Relaxed)
}
