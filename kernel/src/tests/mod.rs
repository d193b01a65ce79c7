//! Tests of the kernel on the host: the kernel boots a root task in an arena, and the tests play user space.
//!
//! [`machine`] is the stage: it enters the kernel as the entry code does, and looks at registers and IPC buffers.
//! [`check`] walks everything after each kernel entry and asserts what must always hold. Expectations are those of
//! abi.md; the tables of errors carry the names of the rows of its appendix.

mod check;
mod check_threads;
mod check_tree;
mod cnode;
mod deletion;
mod devices;
mod fuzz;
mod fuzz_steps;
mod machine;
mod objects;
mod retype;
mod rows;
mod smoke;
mod tcb;
