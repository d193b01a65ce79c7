//! DebugSnapshot: every thread, and every capability that can be reached from one, in the manner of a capDL file.
use core::fmt;

use super::NAME_BYTES;
use crate::addr::{KernelPtr, PhysAddr};
use crate::arch::pte::PageTable;
use crate::cap::{CNodeCap, Cap, Slot};
use crate::object::vspace;
use crate::print;
use crate::state::Kernel;

/// CNodes, and address spaces, of one snapshot. What comes beyond is counted only.
const KNOWN: usize = 128;

/// Objects that were met, each once, and how many of them were printed.
struct Found<T> {
    items: [Option<T>; KNOWN],
    count: usize,
    left_out: usize,
}

impl<T: Copy + PartialEq> Found<T> {
    fn new() -> Self {
        Found { items: [None; KNOWN], count: 0, left_out: 0 }
    }

    fn add(&mut self, item: T) {
        if self.items.contains(&Some(item)) {
            return;
        }
        match self.items.get_mut(self.count) {
            Some(free) => {
                *free = Some(item);
                self.count += 1;
            }
            None => self.left_out += 1,
        }
    }
}

/// What a snapshot has met and not printed yet.
struct Walk {
    cnodes: Found<(KernelPtr<Slot>, u8)>,
    spaces: Found<KernelPtr<PageTable>>,
}

impl Walk {
    fn note(&mut self, cap: &Cap) {
        match cap {
            Cap::CNode(cnode) => self.cnodes.add((cnode.slots, cnode.radix)),
            Cap::Pml4(pml4) => self.spaces.add(pml4.object),
            _ => {}
        }
    }
}

impl Kernel {
    /// Prints all capabilities.
    pub fn snapshot(&self) {
        let mut walk = Walk { cnodes: Found::new(), spaces: Found::new() };
        print::line(format_args!("arch x86_64"));
        print::line(format_args!("objects {{"));
        for thread in self.all_threads() {
            let mut buffer = [0; NAME_BYTES];
            print::line(format_args!(
                "  tcb_{:x} = tcb (ip: {:#x}, prio: {}, max_prio: {}, dom: {}) -- {}",
                thread.phys().0,
                thread.context.restart_ip(),
                thread.priority.get(),
                thread.mcp.get(),
                thread.domain.get(),
                thread.name.text(&mut buffer),
            ));
        }
        print::line(format_args!("}}\ncaps {{"));
        for thread in self.all_threads() {
            print::line(format_args!("  tcb_{:x} {{", thread.phys().0));
            let slots = [
                ("cspace", thread.cspace()),
                ("vspace", thread.vspace()),
                ("ipc_buffer", thread.buffer()),
                ("fault_ep", thread.fault_handler()),
                ("timeout_ep", thread.timeout_handler()),
            ];
            for (name, slot) in slots {
                show(&mut walk, name, slot);
            }
            print::line(format_args!("  }}"));
        }
        // The list grows while it is walked.
        let mut next = 0;
        while let Some((slots, radix)) = walk.cnodes.items.get(next).copied().flatten() {
            next += 1;
            let cnode = CNodeCap { slots, radix, guard: 0, guard_bits: 0 };
            print::line(format_args!("  cnode_{:x} {{ -- {radix} bits", slots.phys().0));
            for index in 0..cnode.slot_count() {
                if let Some(slot) = cnode.slot(index) {
                    show(&mut walk, Index(index), &slot);
                }
            }
            print::line(format_args!("  }}"));
        }
        for space in walk.spaces.items.iter().flatten() {
            print::line(format_args!("  pml4_{:x} {{", space.phys().0));
            vspace::for_each_page(*space, |vaddr, paddr, bits, rights| {
                print::line(format_args!("    {:#x}: frame_{:x} ({bits} bits, {rights})", vaddr.0, paddr.0));
            });
            print::line(format_args!("  }}"));
        }
        print::line(format_args!("}}"));
        let left_out = walk.cnodes.left_out + walk.spaces.left_out;
        if left_out > 0 {
            print::line(format_args!("-- {left_out} CNodes or address spaces are left out"));
        }
    }
}

fn show(walk: &mut Walk, place: impl fmt::Display, slot: &Slot) {
    let cap = slot.cap();
    if cap.is_null() {
        return;
    }
    walk.note(&cap);
    match cap.memory() {
        Some((PhysAddr(base), _)) => {
            print::line(format_args!("    {place}: {:?}_{base:x}{}", cap.tag(), Details(&cap)));
        }
        None => print::line(format_args!("    {place}: {:?}{}", cap.tag(), Details(&cap))),
    }
}

struct Index(u64);

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What differs between capabilities to one object.
struct Details<'a>(&'a Cap);

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Cap::Endpoint(cap) => write!(f, " ({:?}, badge: {:#x})", cap.rights, cap.badge),
            Cap::Notification(cap) => write!(f, " ({:?}, badge: {:#x})", cap.rights, cap.badge),
            Cap::CNode(cap) => write!(f, " (guard: {:#x}, guard_size: {})", cap.guard, cap.guard_bits),
            Cap::Untyped(cap) => {
                let device = if cap.device { ", device" } else { "" };
                write!(f, " ({} bits, used: {:#x}{device})", cap.size_bits, cap.watermark)
            }
            Cap::Frame(cap) => {
                write!(f, " ({} bits, {:?}", cap.size.bits(), cap.rights)?;
                match cap.mapping {
                    Some(mapping) => write!(f, ", at {:#x} of asid {})", mapping.vaddr.0, mapping.asid.0),
                    None => f.write_str(")"),
                }
            }
            Cap::Pml4(cap) => match cap.asid {
                Some(asid) => write!(f, " (asid: {})", asid.0),
                None => Ok(()),
            },
            Cap::IrqHandler { irq } => write!(f, " ({irq})"),
            Cap::IoPort { first, last } => write!(f, " ({first:#x}..={last:#x})"),
            _ => Ok(()),
        }
    }
}
