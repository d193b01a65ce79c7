//! Nodes of all address spaces, in slabs of fixed size that the caller adds as it sees fit; links are 32-bit indices.

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
    /// Section: the left and the right child.
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

    pub(super) fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// The nodes that address spaces share.
#[derive(Debug)]
pub struct NodePool<'m> {
    slabs: &'m mut [Option<&'m mut Slab>],
    slab_count: usize,
    /// Head of the list of unused nodes, linked by `next`.
    unused: NodeId,
    available: u32,
    pub(super) next_space: u16,
}

impl<'m> NodePool<'m> {
    /// An empty pool that can grow to `table.len()` slabs.
    pub fn new(table: &'m mut [Option<&'m mut Slab>]) -> Self {
        Self { slabs: table, slab_count: 0, unused: NIL, available: 0, next_space: 0 }
    }

    /// Adds a slab. Its contents do not matter.
    ///
    /// # Errors
    /// The slab, if the table is full.
    pub fn add_slab(&mut self, slab: &'m mut Slab) -> Result<(), &'m mut Slab> {
        let Some(place) = self.slabs.get_mut(self.slab_count) else { return Err(slab) };
        let first = (self.slab_count * SLAB_NODES) as NodeId;
        for (node, id) in slab.iter_mut().zip(first..) {
            *node = Node { next: id + 1, ..Node::UNUSED };
        }
        slab[SLAB_NODES - 1].next = self.unused;
        self.unused = first;
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
    pub(super) fn take(&mut self, node: Node) -> NodeId {
        let id = self.unused;
        let place = self.at_mut(id);
        let next = place.next;
        *place = node;
        self.unused = next;
        self.available -= 1;
        id
    }

    /// Puts a node back.
    pub(super) fn give(&mut self, id: NodeId) {
        let next = self.unused;
        let place = self.at_mut(id);
        place.state = State::Unused;
        place.next = next;
        self.unused = id;
        self.available += 1;
    }
}

/// A link leads nowhere: the pool belongs to other address spaces, or the trees are corrupt.
#[cold]
fn missing(id: NodeId) -> ! {
    panic!("virt: node {id} is not in this pool; pass the pool that the address space was created with")
}
