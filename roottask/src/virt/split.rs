//! Making a part of a range a range of its own.

use super::{AddressSpace, Error, Found, NodePool, Range, checked_end, range};

impl AddressSpace {
    /// Cuts the range that holds `addr..addr + len` so that these addresses are a range of their own. All parts keep the
    /// tag; a guard page stays with the part next to it.
    ///
    /// # Errors
    /// [`Error::BadRange`], [`Error::NotAllocated`], [`Error::OutOfNodes`].
    #[inline]
    pub fn split(&mut self, pool: &mut NodePool, addr: u64, len: u64) -> Result<Range, Error> {
        let end = checked_end(addr, len)?;
        let Some(Found::Range(found)) = self.find(pool, addr) else { return Err(Error::NotAllocated) };
        let found_end = found.start + found.len;
        if end > found_end {
            return Err(Error::NotAllocated);
        }
        let (cut_before, cut_after) = (addr > found.start, end < found_end);
        if pool.available() < 2 * (u32::from(cut_before) + u32::from(cut_after)) {
            return Err(Error::OutOfNodes);
        }
        let mut id = found.id;
        if cut_before {
            id = self.cut(pool, id, addr);
        }
        if cut_after {
            self.cut(pool, id, end);
        }
        Ok(range(id, pool.at(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NodeId, SLAB_NODES, Slab};
    use super::*;
    use crate::virt::Node;

    const PAGE: u64 = super::super::PAGE_BYTES;

    fn with_pool(f: impl FnOnce(&mut NodePool)) {
        let mut slab: Slab = [Node::UNUSED; SLAB_NODES];
        let mut table: [Option<&mut Slab>; 1] = [None];
        let mut pool = NodePool::new(&mut table);
        pool.add_slab(&mut slab).unwrap();
        f(&mut pool);
    }

    fn layout(space: &AddressSpace, pool: &NodePool) -> Vec<(u64, u64, u32)> {
        let mut ranges = Vec::new();
        let mut at = 0;
        while let Some(range) = space.next_range(pool, at) {
            ranges.push((range.start / PAGE, range.len / PAGE, range.tag));
            at = range.start + range.len;
        }
        ranges
    }

    #[test]
    fn parts_keep_the_tag_and_can_go_alone() {
        with_pool(|pool| {
            let mut space = AddressSpace::new(pool, PAGE, 100 * PAGE).unwrap();
            space.reserve(pool, 10 * PAGE, 10 * PAGE).unwrap();
            space.set_tag(pool, 10 * PAGE, 9).unwrap();
            let middle = space.split(pool, 12 * PAGE, 3 * PAGE).unwrap();
            assert_eq!((middle.start, middle.len, middle.tag), (12 * PAGE, 3 * PAGE, 9));
            space.set_tag(pool, 12 * PAGE, 4).unwrap();
            assert_eq!(layout(&space, pool), [(10, 2, 9), (12, 3, 4), (15, 5, 9)]);
            let whole: NodeId = space.split(pool, 12 * PAGE, 3 * PAGE).unwrap().id;
            assert_eq!(whole, middle.id);
            assert_eq!(space.split(pool, 14 * PAGE, 2 * PAGE), Err(Error::NotAllocated));
            assert_eq!(space.split(pool, 50 * PAGE, PAGE), Err(Error::NotAllocated));
            space.free(pool, 12 * PAGE, 3 * PAGE).unwrap();
            assert_eq!(layout(&space, pool), [(10, 2, 9), (15, 5, 9)]);
            assert_eq!(space.stats(pool).ranges, 2);
        });
    }

    #[test]
    fn without_nodes_nothing_changes() {
        with_pool(|pool| {
            let mut space = AddressSpace::new(pool, PAGE, 1 << 30).unwrap();
            let range = space.alloc(pool, 1 << 20, PAGE).unwrap();
            let mut at = range.start + PAGE;
            while space.split(pool, at, PAGE).is_ok() {
                at += 2 * PAGE;
            }
            let before = layout(&space, pool);
            assert_eq!(space.split(pool, at, PAGE), Err(Error::OutOfNodes));
            assert_eq!(layout(&space, pool), before);
        });
    }
}
