//! Static memory of the root task: it has no heap, so its tables are sized here.
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use super::{pieces, server};
use roottask::phys::device::DeviceNode;
use roottask::phys::group::{Back, Group};
use roottask::phys::{self, Metadata, small};
use roottask::virt::{Node, NodePool, SLAB_NODES, Slab};

/// Physical addresses that RAM may have: 64 GiB.
const RAM_END: u64 = 64 << 30;
const GROUPS: usize = phys::group_records(RAM_END);
const WORDS: usize = phys::bitmap_words(GROUPS);
/// One for each boot device untyped, and about 40 for each piece of a module that is looked at.
const DEVICE_NODES: usize = 4096;
/// Nodes of address spaces come in slabs of 256.
const SLABS: usize = 16;

/// A static that is given away once.
struct Once<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is given to one caller only.
unsafe impl<T: Send> Sync for Once<T> {}

impl<T> Once<T> {
    const fn new(value: T) -> Self {
        Once { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    #[allow(clippy::mut_from_ref, reason = "the flag lets only one caller have it")]
    fn take(&'static self) -> Option<&'static mut T> {
        if self.taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: the flag was clear, so this is the only reference that is ever made.
        Some(unsafe { &mut *self.value.get() })
    }
}

/// The tables of the physical allocator.
pub fn metadata() -> Metadata<'static> {
    static GROUP_TABLE: Once<[Group; GROUPS]> = Once::new([Group::ABSENT; GROUPS]);
    static BACK_TABLE: Once<[Back; GROUPS]> = Once::new([Back::EMPTY; GROUPS]);
    static WORD_TABLE: Once<[u64; WORDS]> = Once::new([0; WORDS]);
    static DEVICE_TABLE: Once<[DeviceNode; DEVICE_NODES]> = Once::new([DeviceNode::EMPTY; DEVICE_NODES]);
    static SLAB_TABLE: Once<[small::Slab; small::MAX_SLABS]> =
        Once::new([small::Slab::EMPTY; small::MAX_SLABS]);
    let tables =
        (GROUP_TABLE.take(), BACK_TABLE.take(), WORD_TABLE.take(), DEVICE_TABLE.take(), SLAB_TABLE.take());
    let (Some(groups), Some(backs), Some(words), Some(devices), Some(slabs)) = tables else {
        unreachable!("there is one physical allocator")
    };
    Metadata { groups, backs, words, devices, slabs }
}

/// The table of servers.
pub fn servers() -> &'static mut server::Table {
    static TABLE: Once<server::Table> = Once::new([const { None }; server::MAX_SERVERS]);
    let Some(table) = TABLE.take() else { unreachable!("there is one table of servers") };
    table
}

/// The table of pieces.
pub fn pieces() -> &'static mut pieces::Table {
    static TABLE: Once<pieces::Table> = Once::new([const { None }; pieces::MAX_PIECES]);
    let Some(table) = TABLE.take() else { unreachable!("there is one table of pieces") };
    table
}

/// The nodes of all address spaces.
pub fn node_pool() -> NodePool<'static> {
    static TABLE: Once<[Option<&'static mut Slab>; SLABS]> = Once::new([const { None }; SLABS]);
    static SLAB_MEMORY: Once<[Slab; SLABS]> = Once::new([[Node::UNUSED; SLAB_NODES]; SLABS]);
    let (Some(table), Some(slabs)) = (TABLE.take(), SLAB_MEMORY.take()) else {
        unreachable!("there is one pool")
    };
    let mut pool = NodePool::new(table);
    for slab in slabs {
        if pool.add_slab(slab).is_err() {
            break;
        }
    }
    pool
}
