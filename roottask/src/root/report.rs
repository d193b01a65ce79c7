//! What the root task says about the machine.
use libsel::bootinfo::BootInfoView;
use libsel::println;

use super::Root;

const MIB: u64 = 1 << 20;

/// The kernel's figures, as far as bootinfo has them.
pub fn machine(bootinfo: &BootInfoView<'_>) {
    println!("root: started by the kernel with {} slots", 1u64 << bootinfo.raw().init_thread_cnode_size_bits);
    let Some(report) = bootinfo.boot_report() else { return };
    let ms = report.boot_ticks * 1000 / report.tsc_hz.max(1);
    println!(
        "root: RAM {} MiB, {} MiB of it untyped; kernel {} KiB, root task {} KiB; kernel boot {ms} ms",
        report.ram_bytes / MIB,
        report.untyped_bytes / MIB,
        report.kernel_bytes / 1024,
        report.root_task_bytes / 1024,
    );
}

/// Figures of the buddy and of the AVL tree.
pub fn memory(root: &mut Root) {
    let stats = root.memory.stats();
    println!("root: buddy: RAM {} KiB, free {} KiB, largest block 2^{}", stats.total >> 10, stats.free >> 10, stats.largest_bits);
    println!(
        "root: buddy: fragmentation {} permille, {} retypes, {} revokes, {} slots in use",
        stats.fragmentation_permille(),
        stats.calls.retypes,
        stats.calls.revokes,
        root.memory.kernel().slots.in_use(),
    );
    for (bits, count) in stats.free_blocks.iter().enumerate().filter(|(_, count)| **count != 0) {
        libsel::print!(" 2^{bits}:{count}");
    }
    println!();
    let space = root.own_space.stats(&root.nodes);
    println!(
        "root: AVL: {} nodes of {} in use, own space {} ranges, height {}, free {} MiB",
        root.nodes.capacity() - root.nodes.available() as usize,
        root.nodes.capacity(),
        space.ranges,
        space.height,
        space.free / MIB,
    );
}
