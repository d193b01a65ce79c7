//! The contract between the Selkie kernel and its users: every number and every layout, once.
//!
//! The interface is that of seL4 16.0.0 for x86_64 with MCS scheduling. The kernel, libsel's system call stubs, the
//! self-test and the generated table in `docs/abi.md` all read their numbers from here; nobody writes one down again.
//! The crate holds constants, bit layouts and plain structures: no behaviour beyond packing and unpacking bits.
//!
//! Names are libsel4's without the `seL4_` prefix. "Word" is 64 bits. `MRn` is message register n.
//!
//! * [`syscall`]: system call numbers and the registers that carry their arguments
//! * [`message`]: the message info word and the IPC buffer
//! * [`object`]: object types and their sizes
//! * [`label`]: invocation labels
//! * [`outcome`]: what each of them can answer
//! * [`profile`]: build options of seL4 that move them
//! * [`error`]: errors and lookup failures
//! * [`fault`]: fault messages
//! * [`rights`]: capability rights, CNode capability data, memory attributes, capability type tags
//! * [`registers`]: the order of a thread's registers
//! * [`bootinfo`]: what the root task starts with
//! * [`trace`]: the ring of kernel events
//! * [`limits`]: everything else that has a number
#![no_std]
#![forbid(unsafe_code)]

pub mod bootinfo;
pub mod error;
pub mod fault;
pub mod label;
pub mod limits;
pub mod message;
pub mod object;
pub mod outcome;
pub mod profile;
pub mod registers;
pub mod rights;
pub mod syscall;
pub mod trace;

pub use bootinfo::{BootInfo, SlotRegion, UntypedDesc};
pub use error::{Error, LookupFailureKind};
pub use fault::FaultType;
pub use label::Label;
pub use limits::*;
pub use message::{IpcBuffer, MessageInfo};
pub use object::ObjectType;
pub use profile::{LabelProfile, LabelTable};
pub use registers::Register;
pub use rights::{CNodeCapData, CapRights, CapTag, VmAttributes};
pub use syscall::Syscall;

/// A machine word of the interface.
pub type Word = u64;
/// A capability pointer: an address in a CSpace.
pub type CPtr = u64;

/// Declares a field-less enum with fixed numbers, `from_raw` and `raw`.
macro_rules! numbered {
    ($(#[$meta:meta])* pub enum $name:ident: $repr:ty { $($(#[$vmeta:meta])* $variant:ident = $value:expr,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[repr($repr)]
        pub enum $name { $($(#[$vmeta])* $variant = $value,)+ }

        impl $name {
            /// Every value, in the order of its number.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The value with this number, if there is one.
            #[inline]
            pub const fn from_raw(raw: $repr) -> Option<$name> {
                match raw {
                    $(x if x == $value => Some($name::$variant),)+
                    _ => None,
                }
            }

            /// The number.
            #[inline]
            pub const fn raw(self) -> $repr {
                self as $repr
            }
        }
    };
}
pub(crate) use numbered;
