//! What the root task says about the machine, in lines of 80 columns.
use libsel::bootinfo::BootInfoView;
use libsel::{print, println};

use super::Root;

const MIB: u64 = 1 << 20;
/// Block sizes in one line.
const SIZES_PER_LINE: usize = 8;

/// The kernel's figures, as far as bootinfo has them.
pub fn machine(bootinfo: &BootInfoView<'_>) {
    let slots = 1u64 << bootinfo.raw().init_thread_cnode_size_bits;
    let untypeds = bootinfo.untypeds().count();
    println!("root: the kernel gave me {slots} slots and {untypeds} untypeds");
    let Some(report) = bootinfo.boot_report() else { return };
    let ms = report.boot_ticks * 1000 / report.tsc_hz.max(1);
    println!("root: RAM {} MiB, {} MiB untyped", report.ram_bytes / MIB, report.untyped_bytes / MIB);
    println!(
        "root: kernel {} KiB, my image and objects {} KiB, kernel boot {ms} ms",
        report.kernel_bytes / 1024,
        report.root_task_bytes / 1024,
    );
}

/// Figures of the buddy allocator and of the AVL tree.
pub fn memory(root: &mut Root) {
    let stats = root.memory.stats();
    println!(
        "root: buddy: {} of {} KiB free, largest 2^{}, fragmentation {}/1000",
        stats.free >> 10,
        stats.total >> 10,
        stats.largest_bits,
        stats.fragmentation_permille(),
    );
    println!(
        "root: buddy: {} blocks out, {} retypes, {} revokes, {} slots; free by size:",
        stats.allocations,
        stats.calls.retypes,
        stats.calls.revokes,
        root.memory.kernel().slots.in_use(),
    );
    let counts = stats.free_blocks.iter().enumerate().filter(|(_, count)| **count != 0);
    for (index, (bits, count)) in counts.enumerate() {
        if index > 0 && index.is_multiple_of(SIZES_PER_LINE) {
            println!();
        }
        print!("  2^{bits}:{count}");
    }
    println!();
    let space = root.own_space.stats(&root.nodes);
    println!(
        "root: AVL: {} of {} nodes in use, own space {} MiB free, height {}",
        root.nodes.capacity() - root.nodes.available() as usize,
        root.nodes.capacity(),
        space.free / MIB,
        space.height,
    );
}

/// Whether the memory of the servers that ended has become the blocks again that it was cut from.
pub fn free_blocks(root: &Root) {
    let Some(before) = root.free_blocks else { return };
    let now = root.memory.stats().free_blocks;
    if now == before {
        return println!("root: buddy: the free blocks are as before the first server that ends");
    }
    for (bits, (now, before)) in
        now.iter().zip(before).enumerate().filter(|(_, (now, before))| *now != before)
    {
        println!("root: buddy: {now} free blocks of 2^{bits}, {before} before the first server that ends");
    }
}
