//! Device memory: untypeds of up to 2^47 bytes of which a few pages at fixed addresses are wanted.
//!
//! No bitmaps here: a binary tree of capabilities in a small node pool, split on the way down to the wanted block
//! (one retype per level) and merged again as soon as both halves are free (one revoke per level).

use super::captree::Calls;
use super::kernel::{Slot, UntypedKernel};
use super::{Block, Error};

/// A block of device memory that has a capability. Nodes beyond the roots come in pairs: the halves of a block.
#[derive(Clone, Copy, Debug)]
pub struct DeviceNode {
    paddr: u64,
    slot: Slot,
    /// Node of the whole that this is a half of; [`NONE`] for a boot untyped. In a free pair: the next free pair.
    parent: u16,
    /// The lower half's node; [`NONE`]: not split.
    halves: u16,
    size_bits: u8,
    used: bool,
}

const NONE: u16 = u16::MAX;

impl DeviceNode {
    /// Initial value of a node pool.
    pub const EMPTY: DeviceNode =
        DeviceNode { paddr: 0, slot: 0, parent: NONE, halves: NONE, size_bits: 0, used: false };

    fn block(&self) -> Block {
        Block { paddr: self.paddr, slot: self.slot, size_bits: self.size_bits }
    }
}

/// All device memory.
#[derive(Debug)]
pub struct Devices<'m> {
    /// Roots from the front, pairs from the back.
    nodes: &'m mut [DeviceNode],
    roots: usize,
    /// Index of the lowest node given to pairs so far.
    pairs: usize,
    free_pair: u16,
}

impl<'m> Devices<'m> {
    /// No device memory yet. `nodes`: one per boot untyped and two per split that is in force; 65,534 at most are used.
    pub fn new(nodes: &'m mut [DeviceNode]) -> Self {
        let usable = nodes.len().min(usize::from(NONE) - 1);
        let nodes = &mut nodes[..usable];
        Self { pairs: nodes.len(), nodes, roots: 0, free_pair: NONE }
    }

    /// Adds a boot untyped.
    ///
    /// # Errors
    /// [`Error::Overlap`], [`Error::TableFull`].
    pub fn add(&mut self, block: Block) -> Result<(), Error> {
        if self.nodes[..self.roots].iter().any(|root| root.block().overlaps(&block)) {
            return Err(Error::Overlap);
        }
        if self.roots >= self.pairs {
            return Err(Error::TableFull);
        }
        self.nodes[self.roots] = DeviceNode {
            paddr: block.paddr,
            slot: block.slot,
            size_bits: block.size_bits,
            ..DeviceNode::EMPTY
        };
        self.roots += 1;
        Ok(())
    }

    /// Index of the smallest node that holds the block at `paddr`, not below size `size_bits`.
    fn descend(&self, paddr: u64, size_bits: u8) -> Option<usize> {
        let wanted = Block { paddr, slot: 0, size_bits };
        let mut at = self.nodes[..self.roots].iter().position(|root| root.block().contains(&wanted))?;
        while self.nodes[at].size_bits > size_bits && self.nodes[at].halves != NONE {
            let lower = usize::from(self.nodes[at].halves);
            at = if self.nodes[lower].block().contains(&wanted) { lower } else { lower + 1 };
        }
        Some(at)
    }

    /// Whether any boot untyped shares memory with `block`.
    pub fn overlaps(&self, block: &Block) -> bool {
        self.nodes[..self.roots].iter().any(|root| root.block().overlaps(block))
    }

    /// The capability of exactly the block at `paddr`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`]: not all device memory. [`Error::Busy`]: part of it is in use. [`Error::TableFull`]: no
    /// nodes left. [`Error::Kernel`].
    pub fn alloc_at<K: UntypedKernel>(
        &mut self,
        kernel: &mut K,
        calls: &mut Calls,
        paddr: u64,
        size_bits: u8,
    ) -> Result<Block, Error> {
        let mut at = self.descend(paddr, size_bits).ok_or(Error::OutOfRange)?;
        if self.nodes[at].used || self.nodes[at].halves != NONE {
            return Err(Error::Busy);
        }
        while self.nodes[at].size_bits > size_bits {
            if let Err(error) = self.split(kernel, calls, at) {
                self.merge(kernel, calls, at);
                return Err(error);
            }
            let lower = usize::from(self.nodes[at].halves);
            at = if paddr >= self.nodes[lower + 1].paddr { lower + 1 } else { lower };
        }
        self.nodes[at].used = true;
        Ok(self.nodes[at].block())
    }

    /// Takes back a block; its capability must have been revoked or have no children.
    ///
    /// # Errors
    /// [`Error::NotAllocated`].
    pub fn free<K: UntypedKernel>(
        &mut self,
        kernel: &mut K,
        calls: &mut Calls,
        block: &Block,
    ) -> Result<(), Error> {
        let at = self.node_in_use(block.paddr, block.size_bits).ok_or(Error::NotAllocated)?;
        self.nodes[at].used = false;
        let parent = self.nodes[at].parent;
        if parent != NONE {
            self.merge(kernel, calls, usize::from(parent));
        }
        Ok(())
    }

    fn node_in_use(&self, paddr: u64, size_bits: u8) -> Option<usize> {
        self.descend(paddr, size_bits).filter(|&at| {
            let node = self.nodes[at];
            node.used && (node.paddr, node.size_bits) == (paddr, size_bits)
        })
    }

    /// The block in use at an address and of a size.
    pub fn find_used(&self, place: &Block) -> Option<Block> {
        self.node_in_use(place.paddr, place.size_bits).map(|at| self.nodes[at].block())
    }

    /// Bytes of all boot untypeds, and bytes handed out.
    pub fn bytes(&self) -> (u64, u64) {
        let sum = |nodes: &[DeviceNode]| nodes.iter().map(|node| 1 << node.size_bits).sum();
        let used = self.nodes.iter().filter(|node| node.used).map(|node| 1u64 << node.size_bits).sum();
        (sum(&self.nodes[..self.roots]), used)
    }

    fn split<K: UntypedKernel>(&mut self, kernel: &mut K, calls: &mut Calls, at: usize) -> Result<(), Error> {
        let whole = self.nodes[at];
        let lower = match self.free_pair {
            NONE if self.pairs >= self.roots + 2 => self.pairs - 2,
            NONE => return Err(Error::TableFull),
            pair => usize::from(pair),
        };
        let size_bits = whole.size_bits - 1;
        calls.retypes += 1;
        let slot = kernel.split(whole.slot, size_bits, 2).map_err(Error::Kernel)?;
        if self.free_pair == NONE {
            self.pairs = lower;
        } else {
            self.free_pair = self.nodes[lower].parent;
        }
        let half = DeviceNode { slot, parent: at as u16, size_bits, ..whole };
        self.nodes[lower] = half;
        self.nodes[lower + 1] = DeviceNode { paddr: whole.paddr + (1 << size_bits), slot: slot + 1, ..half };
        self.nodes[at].halves = lower as u16;
        Ok(())
    }

    /// Joins free halves from `at` upwards. A failing revoke leaves them split, which is as good as before.
    fn merge<K: UntypedKernel>(&mut self, kernel: &mut K, calls: &mut Calls, mut at: usize) {
        loop {
            if self.nodes[at].halves != NONE {
                let lower = usize::from(self.nodes[at].halves);
                let idle = |node: &DeviceNode| !node.used && node.halves == NONE;
                if !idle(&self.nodes[lower]) || !idle(&self.nodes[lower + 1]) {
                    return;
                }
                calls.revokes += 1;
                if kernel.revoke(self.nodes[at].slot).is_err() {
                    return;
                }
                kernel.release_slots(self.nodes[lower].slot, 2);
                self.nodes[lower].parent = self.free_pair;
                self.nodes[lower].paddr = u64::MAX;
                self.free_pair = lower as u16;
                self.nodes[at].halves = NONE;
            }
            if self.nodes[at].parent == NONE {
                return;
            }
            at = usize::from(self.nodes[at].parent);
        }
    }
}
