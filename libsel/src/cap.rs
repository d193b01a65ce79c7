//! Typed capabilities: a number that says where a capability lies, with a type that says what we take it for.
//!
//! The type is the program's claim; the kernel checks it at each invocation and answers with an error if it is wrong.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;

use crate::abi::{CPtr, ObjectType, WORD_BITS, Word};

/// A kind of kernel object that a capability can refer to.
pub trait Kind {
    /// The manual's name.
    const NAME: &'static str;
}

/// Kinds made by `Untyped_Retype`.
pub trait Retypable: Kind {
    /// The type argument of Retype.
    const OBJECT_TYPE: ObjectType;
}

/// Declares kinds: marker types without a value.
macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident $text:literal $(= $object:ident)?;)+) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, PartialEq, Eq, Debug)]
            pub enum $name {}
            impl Kind for $name {
                const NAME: &'static str = $text;
            }
            $(impl Retypable for $name {
                const OBJECT_TYPE: ObjectType = ObjectType::$object;
            })?
        )+
    };
}

kinds! {
    /// Nothing is claimed about the capability.
    Unspecified "capability";
    /// Memory that can become objects.
    Untyped "untyped" = Untyped;
    /// A thread.
    Tcb "TCB" = Tcb;
    /// A synchronous message port.
    Endpoint "endpoint" = Endpoint;
    /// A word of signals.
    Notification "notification" = Notification;
    /// A table of slots.
    CNode "CNode" = CapTable;
    /// Processor time.
    SchedContext "scheduling context" = SchedContext;
    /// The right to give scheduling contexts of one core their time.
    SchedControl "sched control";
    /// The right to answer one caller.
    Reply "reply object" = Reply;
    /// A PML4 table: an address space.
    Pml4 "PML4" = Pml4;
    /// A table of 512 GiB.
    Pdpt "PDPT" = Pdpt;
    /// A table of 1 GiB.
    PageDirectory "page directory" = PageDirectory;
    /// A table of 2 MiB.
    PageTable "page table" = PageTable;
    /// The right to make ASID pools.
    AsidControl "ASID control";
    /// 512 address space identifiers.
    AsidPool "ASID pool";
    /// The right to make interrupt handlers.
    IrqControl "IRQ control";
    /// An interrupt.
    IrqHandler "IRQ handler";
    /// The right to issue port ranges.
    IoPortControl "I/O port control";
    /// A range of ports.
    IoPort "I/O ports";
    /// The right to place threads in domains.
    Domain "domain";
}

/// An address space as the manual calls it; on x86_64 its root is the PML4.
pub type VSpace = Pml4;

/// Memory of one page of size `S`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<S>(PhantomData<S>);

/// A page size.
pub trait FrameSize {
    /// The frame's name.
    const NAME: &'static str;
}

/// A page size known at compile time.
pub trait KnownFrameSize: FrameSize {
    /// log2 of the size in bytes.
    const BITS: u64;
    /// The type argument of Retype.
    const OBJECT_TYPE: ObjectType;
}

macro_rules! frame_sizes {
    ($($(#[$meta:meta])* $name:ident $text:literal $object:ident;)+) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, PartialEq, Eq, Debug)]
            pub enum $name {}
            impl FrameSize for $name {
                const NAME: &'static str = $text;
            }
            impl KnownFrameSize for $name {
                const BITS: u64 = ObjectType::$object.object_bits(0);
                const OBJECT_TYPE: ObjectType = ObjectType::$object;
            }
        )+
    };
}

frame_sizes! {
    /// 4 KiB.
    Size4K "4 KiB frame" Page;
    /// 2 MiB.
    Size2M "2 MiB frame" LargePage;
    /// 1 GiB.
    Size1G "1 GiB frame" HugePage;
}

/// A size known at run time only; frame invocations are the same for all sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnySize {}

impl FrameSize for AnySize {
    const NAME: &'static str = "frame";
}

/// A frame of 4 KiB.
pub type Page = Frame<Size4K>;
/// A frame of 2 MiB.
pub type LargePage = Frame<Size2M>;
/// A frame of 1 GiB.
pub type HugePage = Frame<Size1G>;
/// A frame of a size that the type does not tell.
pub type AnyFrame = Frame<AnySize>;

impl<S: FrameSize> Kind for Frame<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: KnownFrameSize> Retypable for Frame<S> {
    const OBJECT_TYPE: ObjectType = S::OBJECT_TYPE;
}

/// A capability pointer with the kind of object it is taken for.
pub struct Cap<K: Kind> {
    cptr: CPtr,
    kind: PhantomData<K>,
}

impl<K: Kind> Cap<K> {
    /// The empty slot 0: "no capability" where an invocation accepts that.
    pub const NULL: Self = Self::new(0);

    /// The capability at `cptr` of the thread's CSpace.
    #[inline(always)]
    pub const fn new(cptr: CPtr) -> Self {
        Cap { cptr, kind: PhantomData }
    }

    /// Where the capability lies.
    #[inline(always)]
    pub const fn cptr(self) -> CPtr {
        self.cptr
    }

    /// The same place, taken for another kind.
    #[inline(always)]
    pub const fn cast<Other: Kind>(self) -> Cap<Other> {
        Cap::new(self.cptr)
    }

    /// This is slot 0.
    #[inline]
    pub const fn is_null(self) -> bool {
        self.cptr == 0
    }
}

impl<K: Kind> Clone for Cap<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Kind> Copy for Cap<K> {}
impl<K: Kind> PartialEq for Cap<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cptr == other.cptr
    }
}
impl<K: Kind> Eq for Cap<K> {}
impl<K: Kind> Hash for Cap<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.cptr.hash(state);
    }
}
impl<K: Kind> fmt::Debug for Cap<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#x}", K::NAME, self.cptr)
    }
}

/// A slot by its place in a CNode: what CNode operations and every invocation that makes capabilities take
/// (abi.md 6.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AbsoluteSlot {
    /// Where the lookup starts.
    pub root: Cap<CNode>,
    /// The address below it, right-aligned.
    pub index: CPtr,
    /// How many low bits of `index` to resolve, 1..=64.
    pub depth: Word,
}

impl AbsoluteSlot {
    /// The slot at the low `depth` bits of `index` below `root`.
    #[inline]
    pub const fn new(root: Cap<CNode>, index: CPtr, depth: Word) -> Self {
        AbsoluteSlot { root, index, depth }
    }

    /// The slot that `cptr` names in the CSpace rooted at `root`: all 64 bits are resolved.
    #[inline]
    pub const fn in_cspace(root: Cap<CNode>, cptr: CPtr) -> Self {
        AbsoluteSlot { root, index: cptr, depth: WORD_BITS }
    }
}

impl Cap<CNode> {
    /// The slot at the low `depth` bits of `index` below this CNode.
    #[inline]
    pub const fn slot(self, index: CPtr, depth: Word) -> AbsoluteSlot {
        AbsoluteSlot::new(self, index, depth)
    }
}
