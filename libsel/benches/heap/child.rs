//! What needs a fresh process for each candidate: peak memory, and instruction counts by callgrind.

use std::env;
use std::fs;
use std::process::Command;

use crate::candidate::{Candidate, Kind, Visitor};
use crate::region::{PAGE_BYTES, Region};
use crate::replay::{Slots, replay_counted, step};
use crate::report;
use crate::workload::{Action, Workload};

/// Starts this program again for each candidate, and reports what it finds.
pub fn measure(workload: &Workload, candidates: &[Kind], quick: bool) {
    let Ok(program) = env::current_exe() else { return };
    let arguments = |kind: Kind, child: &str| {
        ["--child", child, "--workload", &workload.source, "--candidate", kind.name()].map(String::from)
    };
    for &kind in candidates.iter().filter(|kind| **kind != Kind::Null) {
        let output = Command::new(&program).args(arguments(kind, "footprint")).output();
        match output {
            Ok(output) if output.status.success() => print!("{}", String::from_utf8_lossy(&output.stdout)),
            Ok(output) => eprintln!("{}: {}", kind.name(), String::from_utf8_lossy(&output.stderr)),
            Err(error) => eprintln!("{}: {error}", kind.name()),
        }
    }
    let counted = |kind: Kind| {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--demangle=no"]);
        command.arg("--toggle-collect=*replay_counted*").arg(&program).args(arguments(kind, "replay"));
        let output = command.output().ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let count = text.lines().find_map(|line| line.split_once("Collected : "))?.1;
        count.trim().parse::<f64>().ok()
    };
    let all = workload.is_trace() && !quick;
    let kinds = candidates.iter().filter(|kind| match kind {
        Kind::Null => false,
        Kind::Selkie => true,
        Kind::Dlmalloc => !quick,
        _ => all,
    });
    let Some(null) = counted(Kind::Null) else {
        eprintln!("valgrind counts no instructions here: it is missing, or does not know this processor");
        return;
    };
    for &kind in kinds {
        if let Some(count) = counted(kind) {
            report(workload, Some(kind), "instructions", (count - null) / workload.ops.len() as f64);
        }
    }
}

/// In the child: one replay of each candidate.
pub fn replay_once(workload: &Workload, candidates: &[Kind]) {
    struct Once<'a>(&'a Workload);
    impl Visitor for Once<'_> {
        type Output = ();
        fn visit<C: Candidate>(self, make: impl Fn() -> C) {
            replay_counted(&mut make(), &self.0.ops, &mut Slots::new(self.0));
        }
    }
    let region = Region::new(workload.region_bytes());
    candidates.iter().for_each(|kind| kind.visit(&region, false, Once(workload)));
}

/// In the child: reports `peak_bytes`, `footprint_ratio` (to the bytes live at the peak), `corrupt` blocks, and for a
/// candidate that can tell `source_calls` per 1,000 operations and `held_after_trim` when everything was freed.
pub fn footprint(workload: &Workload, candidates: &[Kind]) {
    // Huge pages would hide what is touched and what is not.
    // SAFETY: a setting of this process.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
    for &kind in candidates {
        let region = Region::new(workload.region_bytes());
        let report = |metric: &str, value: f64| report(workload, Some(kind), metric, value);
        let footprint = kind.visit(&region, true, Touch { workload, own_memory: kind == Kind::Mimalloc });
        let resident = region.resident_bytes(0, region.bytes);
        let peak = footprint.peak_bytes.unwrap_or(resident) as f64;
        report("peak_bytes", peak);
        report("footprint_ratio", peak / workload.peak_live_bytes as f64);
        report("corrupt", footprint.corrupt as f64);
        if let Some((held, calls)) = footprint.trimmed {
            report("source_calls", calls as f64 * 1000.0 / workload.ops.len() as f64);
            report("held_after_trim", held as f64);
        }
    }
}

/// A replay that touches every page of every block and checks both ends.
struct Touch<'a> {
    workload: &'a Workload,
    /// The candidate takes its memory from the operating system.
    own_memory: bool,
}

struct Footprint {
    peak_bytes: Option<usize>,
    /// Blocks whose ends did not stay as they were written, or that are not aligned.
    corrupt: usize,
    /// What [`Candidate::trim`] says after everything was freed.
    trimmed: Option<(usize, usize)>,
}

impl Visitor for Touch<'_> {
    type Output = Footprint;

    fn visit<C: Candidate>(self, make: impl Fn() -> C) -> Footprint {
        let Self { workload, own_memory } = self;
        let mut slots = Slots::new(workload);
        let mut candidate = make();
        let mut corrupt = 0;
        let before = process_bytes();
        let mut process_peak = before;
        let every = workload.ops.len().div_ceil(300);
        for (index, op) in workload.ops.iter().enumerate() {
            let slot = slots.of(op);
            let mark = op.slot as u8 | 1;
            if op.action != Action::Alloc && !slot.block.is_null() {
                let last = slot.layout().size() - 1;
                // SAFETY: both ends of a block.
                let ends = unsafe { [slot.block.read(), slot.block.add(last).read()] };
                corrupt += usize::from(ends != [mark; 2]);
            }
            let done = step(&mut candidate, op, slot);
            if op.action != Action::Free && done && !slot.block.is_null() {
                let layout = slot.layout();
                corrupt += usize::from(!slot.block.addr().is_multiple_of(layout.align()));
                for offset in (0..layout.size()).step_by(PAGE_BYTES).chain([layout.size() - 1]) {
                    // SAFETY: inside the block.
                    unsafe { slot.block.add(offset).write(mark) };
                }
            }
            if own_memory && index % every == 0 {
                process_peak = process_peak.max(process_bytes());
            }
        }
        let peak_bytes = if own_memory {
            Some(process_peak.max(process_bytes()) - before)
        } else {
            candidate.peak_bytes()
        };
        slots.free_all(&mut candidate);
        Footprint { peak_bytes, corrupt, trimmed: candidate.trim() }
    }
}

/// Resident bytes of this process.
fn process_bytes() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * PAGE_BYTES
}
