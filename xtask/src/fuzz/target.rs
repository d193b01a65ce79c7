//! What there is to fuzz: in each package a test that is one process of its fuzzer.
use clap::ValueEnum;

/// What is run at random.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Target {
    /// Kernel entries: system calls, faults, interrupts
    Kernel,
    /// The root task's allocator of physical memory
    Phys,
    /// The root task's allocator of addresses
    Virt,
    /// Malloc
    Heap,
}

impl Target {
    /// The package, and the test in its library.
    pub fn worker(self) -> (&'static str, &'static str) {
        match self {
            Target::Kernel => ("kernel", "tests::fuzz::worker::worker"),
            Target::Phys => ("roottask", "phys::tests::model::long_run"),
            Target::Virt => ("roottask", "virt::tests::model::long_run"),
            Target::Heap => ("libsel", "heap::tests::model::long_run"),
        }
    }

    /// The word for it on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Target::Kernel => "kernel",
            Target::Phys => "phys",
            Target::Virt => "virt",
            Target::Heap => "heap",
        }
    }
}
