//! Opening and closing the slabs of blocks below a page.

use super::group::PAGE_BITS;
use super::kernel::UntypedKernel;
use super::small::{Closed, SMALL_MIN_BITS, slab_bits};
use super::{Block, Error, Phys};

impl<K: UntypedKernel> Phys<'_, K> {
    /// A block of 2^`size_bits` bytes, which is below a page: a loose piece, or out of a slab.
    pub(super) fn alloc_small(&mut self, size_bits: u8) -> Result<Block, Error> {
        if let Ok(piece) = self.alloc_loose(size_bits, u64::MAX) {
            return Ok(piece);
        }
        if let Some(block) = self.small.take(size_bits) {
            self.allocations += 1;
            return Ok(block);
        }
        let whole_bits = slab_bits(size_bits);
        let whole = if whole_bits == PAGE_BITS {
            self.alloc_slab_page()?
        } else {
            // A part of a page: a page may have to be cut into such parts first.
            match self.small.take(whole_bits) {
                Some(part) => part,
                None => {
                    let page = self.alloc_slab_page()?;
                    self.open_slab(page, whole_bits)?;
                    self.small.take(whole_bits).ok_or(Error::TableFull)?
                }
            }
        };
        self.open_slab(whole, size_bits)?;
        let block = self.small.take(size_bits).ok_or(Error::TableFull)?;
        self.allocations += 1;
        Ok(block)
    }

    /// A page to be cut.
    fn alloc_slab_page(&mut self) -> Result<Block, Error> {
        let page = match self.take_front(0) {
            Some(page) => page,
            None => self.alloc_class(0)?,
        };
        // What is handed out of it counts.
        self.allocations -= 1;
        Ok(page)
    }

    /// Cuts a block in use into a slab; on error the block is free.
    fn open_slab(&mut self, whole: Block, size_bits: u8) -> Result<(), Error> {
        let cut = if self.small.has_place() {
            let blocks = 1 << (whole.size_bits - size_bits);
            self.tree().cut(whole.slot, size_bits, blocks).map_err(Error::Kernel)
        } else {
            Err(Error::TableFull)
        };
        match cut {
            Ok(first) => self.small.add(whole, size_bits, first),
            Err(_) => self.merge(&whole),
        }
        cut.map(|_| ())
    }

    /// Makes a slab that was taken out free memory, and the one that it came out of too, if it has no other use. False
    /// if the kernel refuses: the slab is there again then.
    pub(super) fn close_slab(&mut self, closed: Closed) -> bool {
        let mut next = Some(closed);
        while let Some(closed) = next.take() {
            let Closed { whole, size_bits, first } = closed;
            if self.tree().revoke(whole.slot).is_err() {
                self.small.add(whole, size_bits, first);
                return false;
            }
            self.kernel.release_slots(first, 1 << (whole.size_bits - size_bits));
            match whole.size_bits {
                PAGE_BITS => self.merge(&whole),
                _ => next = self.small.give(&whole),
            }
        }
        true
    }

    /// Closes the slabs that are wholly free. Whether there was any.
    pub(super) fn trim_slabs(&mut self) -> bool {
        let mut any = false;
        // The smallest first: their slabs come out of others.
        for size_bits in SMALL_MIN_BITS..PAGE_BITS {
            while let Some(closed) = self.small.take_spare(size_bits) {
                if !self.close_slab(closed) {
                    return any;
                }
                any = true;
            }
        }
        any
    }
}
