//! Static memory of the root task: it has no heap, so its tables are sized here.
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use super::supervise::Supervision;
use super::{pieces, server};
use roottask::phys::device::DeviceNode;
use roottask::phys::small::{MAX_SLABS, Slab};
use roottask::regions::{MAX_USERS, Regions};
use roottask::virt::{self, Node, NodePool, SLAB_NODES};

/// One for each boot device untyped, and about 40 for each piece of a module that is looked at.
const DEVICE_NODES: usize = 4096;
/// Nodes of address spaces come in slabs of 256.
const SLABS: usize = 16;

const _: () = assert!(server::MAX_SERVERS <= MAX_USERS);

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

/// The tables of the physical allocator whose size does not depend on the machine's memory.
pub fn fixed_tables() -> (&'static mut [DeviceNode], &'static mut [Slab]) {
    static DEVICE_TABLE: Once<[DeviceNode; DEVICE_NODES]> = Once::new([DeviceNode::EMPTY; DEVICE_NODES]);
    static SLAB_TABLE: Once<[Slab; MAX_SLABS]> = Once::new([Slab::EMPTY; MAX_SLABS]);
    let (Some(devices), Some(slabs)) = (DEVICE_TABLE.take(), SLAB_TABLE.take()) else {
        unreachable!("there is one physical allocator")
    };
    (devices, slabs)
}

/// The table of servers.
pub fn servers() -> &'static mut server::Table {
    static TABLE: Once<server::Table> = Once::new([const { None }; server::MAX_SERVERS]);
    let Some(table) = TABLE.take() else { unreachable!("there is one table of servers") };
    table
}

/// The regions that servers share.
pub fn regions() -> &'static mut Regions {
    static TABLE: Once<Regions> = Once::new(Regions::new());
    let Some(table) = TABLE.take() else { unreachable!("there is one table of regions") };
    table
}

/// Bytes of the alarm thread's stack.
pub const SLEEPER_STACK_BYTES: usize = 4096;

/// The alarm thread's stack.
pub fn sleeper_stack() -> Option<&'static mut [u8; SLEEPER_STACK_BYTES]> {
    #[repr(C, align(16))]
    struct Stack([u8; SLEEPER_STACK_BYTES]);
    static STACK: Once<Stack> = Once::new(Stack([0; SLEEPER_STACK_BYTES]));
    STACK.take().map(|stack| &mut stack.0)
}

/// What supervision knows.
pub fn supervision() -> &'static mut Supervision {
    static TABLE: Once<Supervision> = Once::new(Supervision::new());
    let Some(table) = TABLE.take() else { unreachable!("there is one supervision") };
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
    static TABLE: Once<[Option<&'static mut virt::Slab>; SLABS]> = Once::new([const { None }; SLABS]);
    static SLAB_MEMORY: Once<[virt::Slab; SLABS]> = Once::new([[Node::UNUSED; SLAB_NODES]; SLABS]);
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
