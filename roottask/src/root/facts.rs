//! What the root task noted when it started a server, for those who ask about it later.
use libsel::cap::{CNode, Cap, SchedContext, Tcb};
use roottask::devices::{Allowed, MAX_PCI};
use roottask::manifest::Entry;
use roottask::pci::Function;

/// What the manifest said of a server, and where its objects are.
#[derive(Clone, Copy)]
pub struct Facts {
    /// Priority.
    pub priority: u8,
    /// Microseconds of processor time a period.
    pub budget_us: u64,
    /// Microseconds.
    pub period_us: u64,
    /// Bytes of memory that it may ask for.
    pub quota: u64,
    /// Devices that it may map.
    pub devices: Allowed,
    /// PCI functions that it was given registers of.
    pub functions: [Option<Function>; MAX_PCI],
    /// Its CNode.
    pub cnode: Cap<CNode>,
    /// Its first thread.
    pub tcb: Cap<Tcb>,
    /// Its processor time.
    pub context: Cap<SchedContext>,
    /// Microseconds of it used, as far as they were asked for.
    pub cpu_us: u64,
}

impl Facts {
    /// The facts of a new server. Devices that make no sense are none: the manifest was checked.
    pub fn new(entry: &Entry<'_>, cnode: Cap<CNode>, tcb: Cap<Tcb>, context: Cap<SchedContext>) -> Self {
        let Entry { priority, budget_us, period_us, quota, .. } = *entry;
        let devices = Allowed::parse(entry.devices).unwrap_or_default();
        let functions = [None; MAX_PCI];
        Facts { priority, budget_us, period_us, quota, devices, functions, cnode, tcb, context, cpu_us: 0 }
    }
}
