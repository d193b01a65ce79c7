//! Where the machine's memory is.

use alloc::string::String;

use libsel::proto::admin::{MemoryInfo, MemoryKind};

use super::servers::all;
use super::{Command, Context, none};
use crate::show::{Bar, Percent, Size};
use crate::system::Result;

pub const MEM: Command = Command {
    name: "mem",
    usage: "",
    summary: "show the memory: free blocks, kinds of use, servers",
    help: "Free blocks are those of the root task's buddy allocator: a bar shows how much\n\
           of the free memory lies in blocks of a size. Fragmentation is 0 % if all of it\n\
           is one block. A server's bar shows how much of its quota it uses.",
    arguments: &[],
    run: mem,
};

/// Columns of a bar.
const COLUMNS: usize = 40;

/// The kinds of memory that count as used RAM.
const KINDS: [MemoryKind; 5] =
    [MemoryKind::Objects, MemoryKind::Image, MemoryKind::Heap, MemoryKind::Shared, MemoryKind::Dma];

fn mem(context: &mut Context<'_>, arguments: &[String]) -> Result<()> {
    none(&MEM, arguments)?;
    let info = context.system.memory()?;
    let used = info.total.saturating_sub(info.free);
    writeln!(
        context.out,
        "RAM used  {:>8}        {} of {}",
        Size(used),
        Bar { part: used, whole: info.total, columns: COLUMNS },
        Size(info.total),
    )?;
    writeln!(
        context.out,
        "free      {:>8}; largest block {}, fragmentation {} %, {} cached",
        Size(info.free),
        Size(1_u64.checked_shl(info.largest_bits.into()).unwrap_or(0)),
        Percent(info.fragmentation_permille.into()),
        Size(info.cached),
    )?;
    free_blocks(context, &info)?;
    writeln!(context.out, "used by")?;
    for kind in KINDS {
        let bytes = info.used.of(kind);
        if bytes > 0 {
            let bar = Bar { part: bytes, whole: used, columns: COLUMNS };
            writeln!(context.out, "  {:<8} {:>8}        {bar}", kind.text(), Size(bytes))?;
        }
    }
    writeln!(context.out, "servers   mapped   of quota")?;
    for server in all(context.system)? {
        let taken = server.quota.saturating_sub(server.room);
        let bar = Bar { part: taken, whole: server.quota, columns: COLUMNS };
        let (name, mapped) = (server.name.as_str(), Size(server.mapped_bytes));
        writeln!(context.out, "  {name:<8.8} {mapped:>8}        {bar} {}", Size(server.quota))?;
    }
    writeln!(
        context.out,
        "so far {} blocks handed out, by {} retypes and {} revokes",
        info.allocations, info.retypes, info.revokes
    )?;
    Ok(writeln!(
        context.out,
        "in use: {} slots, {} of {} nodes of address ranges, {} of devices",
        info.slots,
        info.nodes,
        info.node_capacity,
        Size(info.device_used)
    )?)
}

/// The free blocks by size.
fn free_blocks(context: &mut Context<'_>, info: &MemoryInfo) -> Result<()> {
    writeln!(context.out, "free blocks  number    bytes")?;
    for (bits, count) in info.blocks.0.iter().enumerate() {
        if *count > 0 {
            let bytes = u64::from(*count) << bits;
            let bar = Bar { part: bytes, whole: info.free, columns: COLUMNS };
            writeln!(context.out, "  {:>8} {count:>8} {:>8} {bar}", Size(1 << bits), Size(bytes))?;
        }
    }
    Ok(())
}
