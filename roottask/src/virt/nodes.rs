//! Nodes of all address spaces, in slabs of fixed size that the caller adds as it sees fit; links are 32-bit indices.

use core::ops::Range;

use super::bins::LARGE_BYTES;

/// Index of a node in its [`NodePool`].
pub type NodeId = u32;

/// No node.
pub(super) const NIL: NodeId = NodeId::MAX;

/// Nodes per slab: 16 KiB.
pub const SLAB_NODES: usize = 256;

/// Nodes that one operation takes at most: two chunks, and a section for each.
pub const NODES_AT_MOST: u32 = 4;

/// The unit in which a pool grows.
pub type Slab = [Node; SLAB_NODES];

/// What a chunk of addresses is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// The node is in the pool's list of unused ones.
    Unused,
    /// Free.
    Free,
    /// Handed out.
    Used,
    /// Just freed and kept whole for the next request of its size; in no bin.
    Recent,
    /// No chunk, but a section: a node of the tree.
    Section,
}

/// One chunk of an address space, or one section of its list of chunks. One cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Node {
    /// First address of the chunk, or of the section's first chunk.
    pub(super) start: u64,
    /// Chunk: bytes.
    pub(super) len: u64,
    /// Chunk: neighbours in address order, whatever their state; without gaps between them. Section: its first chunk.
    pub(super) prev: NodeId,
    pub(super) next: NodeId,
    /// Free chunk: neighbours in its bin.
    pub(super) bin: [NodeId; 2],
    /// Chunk: its section.
    pub(super) section: NodeId,
    /// Section: the left and the right child. Free chunk in which a large page can begin: neighbours in the bin for
    /// those.
    pub(super) child: [NodeId; 2],
    pub(super) parent: NodeId,
    /// Word of the user of a range.
    pub(super) tag: u32,
    /// Number of the address space, so that a range of another one is refused.
    pub(super) space: u16,
    /// Section: levels below the left and below the right child.
    pub(super) depth: [u8; 2],
    /// Section: chunks.
    pub(super) count: u8,
    pub(super) state: State,
    /// Bit 0: the first page is a guard; bit 1: the last one is.
    pub(super) guards: u8,
}

const _: () = assert!(size_of::<Node>() == 64);

impl Node {
    /// Initial value of a slab's nodes.
    pub const UNUSED: Node = Node {
        start: 0,
        len: 0,
        prev: NIL,
        next: NIL,
        bin: [NIL; 2],
        section: NIL,
        child: [NIL; 2],
        parent: NIL,
        tag: 0,
        space: 0,
        depth: [0; 2],
        count: 0,
        state: State::Unused,
        guards: 0,
    };

    #[inline(always)]
    pub(super) fn end(&self) -> u64 {
        self.start + self.len
    }

    /// Bytes from the first address on at which a large page can begin; 0 if there is none.
    #[inline(always)]
    pub(super) fn large_len(&self) -> u64 {
        match self.start.checked_add(LARGE_BYTES - 1) {
            Some(end) => self.end().saturating_sub(end & !(LARGE_BYTES - 1)),
            None => 0,
        }
    }
}

/// The nodes that address spaces share.
#[derive(Debug)]
pub struct NodePool<'m> {
    slabs: &'m mut [Option<&'m mut Slab>],
    slab_count: usize,
    /// Slabs that nodes were taken from; those behind are as they were added.
    begun: usize,
    /// Heads of the lists of unused nodes, linked by `next`: of what were chunks, of what were sections. Sections so
    /// lie close together, which a descent in the tree profits from.
    unused: [NodeId; 2],
    /// For each list what is left of the slab that it takes from when it is empty.
    fresh: [Range<NodeId>; 2],
    available: u32,
    pub(super) next_space: u16,
}

impl<'m> NodePool<'m> {
    /// An empty pool that can grow to `table.len()` slabs.
    pub fn new(table: &'m mut [Option<&'m mut Slab>]) -> Self {
        Self {
            slabs: table,
            slab_count: 0,
            begun: 0,
            unused: [NIL; 2],
            fresh: [0..0, 0..0],
            available: 0,
            next_space: 0,
        }
    }

    /// Adds a slab, all [`Node::UNUSED`].
    ///
    /// # Errors
    /// The slab, if the table is full.
    pub fn add_slab(&mut self, slab: &'m mut Slab) -> Result<(), &'m mut Slab> {
        let Some(place) = self.slabs.get_mut(self.slab_count) else { return Err(slab) };
        self.available += SLAB_NODES as u32;
        *place = Some(slab);
        self.slab_count += 1;
        Ok(())
    }

    /// Nodes not in use. Every operation takes [`NODES_AT_MOST`] or less.
    pub fn available(&self) -> u32 {
        self.available
    }

    /// All nodes.
    pub fn capacity(&self) -> usize {
        self.slab_count * SLAB_NODES
    }

    pub(super) fn get(&self, id: NodeId) -> Option<&Node> {
        Some(&self.slabs.get(id as usize / SLAB_NODES)?.as_ref()?[id as usize % SLAB_NODES])
    }

    /// A node that is known to exist.
    #[inline(always)]
    pub(super) fn at(&self, id: NodeId) -> &Node {
        match &self.slabs[id as usize / SLAB_NODES] {
            Some(slab) => &slab[id as usize % SLAB_NODES],
            None => missing(id),
        }
    }

    /// A node that is known to exist.
    #[inline(always)]
    pub(super) fn at_mut(&mut self, id: NodeId) -> &mut Node {
        match &mut self.slabs[id as usize / SLAB_NODES] {
            Some(slab) => &mut slab[id as usize % SLAB_NODES],
            None => missing(id),
        }
    }

    /// Takes an unused node and fills it. The caller has checked [`available`](Self::available).
    #[inline]
    pub(super) fn take(&mut self, node: Node) -> NodeId {
        let list = usize::from(node.state == State::Section);
        self.available -= 1;
        match self.unused[list] {
            NIL => {
                let id = self.take_fresh(list);
                *self.at_mut(id) = node;
                id
            }
            id => {
                self.unused[list] = core::mem::replace(self.at_mut(id), node).next;
                id
            }
        }
    }

    /// A node that never was in use; without one, any node.
    #[cold]
    fn take_fresh(&mut self, list: usize) -> NodeId {
        if self.fresh[list].is_empty() && self.begun < self.slab_count {
            let first = (self.begun * SLAB_NODES) as NodeId;
            self.fresh[list] = first..first + SLAB_NODES as NodeId;
            self.begun += 1;
        }
        let other = 1 - list;
        if let Some(id) = self.fresh[list].next() {
            return id;
        }
        let id = self.unused[other];
        if id == NIL {
            return self.fresh[other].next().unwrap_or(NIL);
        }
        self.unused[other] = self.at(id).next;
        id
    }

    /// Puts a node back.
    #[inline]
    pub(super) fn give(&mut self, id: NodeId) {
        let heads = self.unused;
        let place = self.at_mut(id);
        let list = usize::from(place.state == State::Section);
        place.state = State::Unused;
        place.next = heads[list];
        self.unused[list] = id;
        self.available += 1;
    }
}

/// A link leads nowhere: the pool belongs to other address spaces, or the trees are corrupt.
#[cold]
fn missing(id: NodeId) -> ! {
    panic!("virt: node {id} is not in this pool; pass the pool that the address space was created with")
}
