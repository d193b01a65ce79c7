//! The lines that `cargo xtask bench` reads.

use libsel::println;
use roottask::samples::Samples;

use super::clock;
use super::row::Bench;

/// Unit of costs.
pub const TICKS: &str = "ticks";
/// Unit of memory.
const BYTES: &str = "bytes";

/// Prints a row; false if there is no sample.
pub fn row(id: &str, samples: &Samples, unit: &str) -> bool {
    let Some(seen) = samples.summary() else {
        println!("bench: failed {id}: no sample");
        return false;
    };
    println!(
        "bench: row {id} min={} median={} p99={} max={} count={} unit={unit}",
        seen.min, seen.median, seen.p99, seen.max, seen.count
    );
    clock::mark_end_of_row();
    true
}

/// Prints what is known before any row: the machine, the cost of measuring, and the kernel's own figures.
pub fn machine(bench: &Bench<'_>) {
    println!(
        "bench: note ticks_per_us={} clock_overhead={} stub_overhead={}",
        bench.machine.ticks_per_us, bench.overheads.clock, bench.overheads.stub
    );
    if let Some(report) = bench.machine.bootinfo.boot_report() {
        single("boot/first_instruction", report.boot_ticks, TICKS);
        single("kernel/memory", report.kernel_bytes, BYTES);
    }
}

/// Prints a row of one sample.
fn single(id: &str, value: u64, unit: &str) {
    let mut samples = Samples::new();
    samples.push(value);
    row(id, &samples, unit);
}
