//! Reads what tests print: cargo's result lines, and the stream of the self-test guest.
use std::ops::AddAssign;

use crate::guest::{End, PANIC_CODE};

/// What the boot script must print: how some line begins, and what that line shows.
///
/// A server whose console does not answer hands its lines to the root task. So the greeting alone does not show that
/// `console` printed it; that `console` was started must be seen too.
const BOOT_LINES: [(&str, &str); 2] = [
    ("root: console runs", "the root task started `console`"),
    ("hello:", "`hello` runs, allocates and prints"),
];

/// How the root task's last line on its memory begins, if the buddy system has merged all that was cut since before
/// the first server that ends.
const SAME_BLOCKS: &str = "root: buddy: the free blocks are as before";

/// Numbers of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u32,
    /// Tests that failed.
    pub failed: u32,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// A check that is one test.
impl From<bool> for Counts {
    fn from(passed: bool) -> Self {
        Self { passed: passed.into(), failed: (!passed).into() }
    }
}

/// Sums the lines `test result: ok. 5 passed; 0 failed; …` of `cargo test`.
pub fn host_counts(output: &str) -> Counts {
    let mut sum = Counts::default();
    for line in output.lines().filter_map(|line| line.trim().strip_prefix("test result: ")) {
        for part in line.split([';', '.']) {
            match part.trim().split_once(' ') {
                Some((number, "passed")) => sum.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => sum.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    sum
}

/// Reads a self-test run. The guest closes with a line `N passed, N failed` and exit code 0.
///
/// # Errors
/// Why the run does not count as passed, and the numbers of tests as far as they are known; at least one has failed.
pub fn judge_self_test(output: &str, end: End) -> Result<Counts, (Counts, String)> {
    let closing = output.lines().rev().find_map(closing_line);
    let counts = closing.unwrap_or_default();
    let problem = match (end, closing) {
        (End::TimedOut, _) => "it hung until the time limit".to_string(),
        (_, None) => format!("it ended without its closing line `N passed, N failed` ({})", describe(end)),
        (_, Some(Counts { failed: 1.., .. })) => format!("{} of its tests failed", counts.failed),
        (_, Some(Counts { passed: 0, .. })) => "it ran no test".to_string(),
        (End::Code(0), Some(_)) => return Ok(counts),
        (_, Some(_)) => format!("it ended badly after its closing line ({})", describe(end)),
    };
    // A run that fails as a whole has at least one failure.
    Err((Counts { failed: counts.failed.max(1), ..counts }, problem))
}

/// Instructions with interrupts off that a kernel entry may come to: `docs/how-it-works.md` states the bound.
const LATENCY_LIMIT: u64 = 100_000;

/// Reads the longest time with interrupts off that the kernel measured over a self-test, in instructions.
///
/// # Errors
/// It is not there, or above the stated bound.
pub fn judge_latency(output: &str) -> Result<(), String> {
    let ticks = output.lines().rev().find_map(|line| {
        line.trim().strip_prefix("interrupts off for ")?.split_once(' ')?.0.parse::<u64>().ok()
    });
    match ticks {
        None => Err("the kernel did not say how long interrupts were off".into()),
        Some(ticks) if ticks > LATENCY_LIMIT => {
            Err(format!("interrupts were off for {ticks} instructions; the stated bound is {LATENCY_LIMIT}"))
        }
        Some(_) => Ok(()),
    }
}

/// Reads a run of the boot script: exit code 0, and every line of [`BOOT_LINES`] is there.
///
/// # Errors
/// What is wrong.
pub fn judge_boot(output: &str, end: End) -> Result<(), String> {
    if end != End::Code(0) {
        return Err(format!("it did not end with exit code 0 ({})", describe(end)));
    }
    let printed = |text: &str| output.lines().any(|line| line.starts_with(text));
    match BOOT_LINES.iter().find(|(text, _)| !printed(text)) {
        Some((text, shown)) => Err(format!("no line begins with `{text}`, which shows that {shown}")),
        None => Ok(()),
    }
}

/// A boot with one more server that goes wrong, or uses much memory.
pub struct FaultCase {
    /// What it is called.
    pub name: &'static str,
    /// The servers, each with its words.
    pub servers: &'static [&'static str],
    /// How a line begins that tells what happened.
    pub told: &'static str,
    /// The exit code of the boot script: 1 if a server was stopped.
    pub code: u8,
}

/// A boot with servers that end and start again.
pub struct SupervisionCase {
    /// What it is called.
    pub name: &'static str,
    /// The servers and their words.
    pub servers: &'static [&'static str],
    /// What the root task says then. Its lines are whole, but may begin in the middle of one of the console's, as the kernel
    /// prints them.
    pub told: &'static [&'static str],
}

/// Servers under supervision.
pub const SUPERVISION_CASES: [SupervisionCase; 3] = [
    SupervisionCase {
        name: "a client works while its server goes wrong in nine ways",
        servers: &["crashy service backoff_ms=2 -- threads serve", "witness uses=crashy"],
        told: &[
            ", thread 4) stopped: read of 0x0",
            "root: crashy starts again in 512 ms",
            "root: witness ended with code 0",
        ],
    },
    SupervisionCase {
        name: "clients wait by the timer, and write and read files",
        servers: &["timer service", "sleepers uses=timer", "ramfs service", "scribe uses=ramfs"],
        told: &["root: sleepers ended with code 0", "root: scribe ended with code 0"],
    },
    SupervisionCase {
        name: "a thousand servers end, and all that they had comes back",
        servers: &["crashy -- fault=none", "reaper admin -- times=1000"],
        told: &["root: reaper ended with code 0"],
    },
];

/// Reads a run of servers under supervision: the ones that end did so well, and what is to be told was.
///
/// # Errors
/// What is wrong.
pub fn judge_supervision(case: &SupervisionCase, output: &str, end: End) -> Result<(), String> {
    // A server that is not a service and faults as it is asked to makes the boot script end with 1.
    if !matches!(end, End::Code(0 | 1)) {
        return Err(format!("it did not run to its end ({})", describe(end)));
    }
    match case.told.iter().find(|text| !output.contains(**text)) {
        Some(text) => Err(format!("it does not say `{text}`")),
        None => Ok(()),
    }
}

/// The server that drives devices, and QEMU's arguments for these.
pub const DRIVER_CASE: FaultCase = FaultCase {
    name: "a server drives PCI devices",
    servers: &["pcitest devices=pci:1234:11e8,pci:1b36:0010 irqs=msi:1234:11e8,msi:1b36:0010"],
    told: "pcitest: all 3 checks passed",
    code: 0,
};
/// See [`DRIVER_CASE`].
pub const DRIVER_DEVICES: [&str; 4] = ["-device", "edu", "-device", "nvme,serial=1"];

/// What the root task must survive.
pub const FAULT_CASES: [FaultCase; 9] = [
    FaultCase {
        name: "a server writes where nothing is mapped",
        servers: &["crashy -- fault=write"],
        told: "root: crashy (server 3) stopped: write to 0xdead0000",
        code: 1,
    },
    FaultCase {
        name: "a server panics",
        servers: &["crashy -- fault=panic"],
        told: "root: crashy said: panic at servers/crashy/src/main.rs",
        code: 1,
    },
    FaultCase {
        name: "a server uses up its quota",
        servers: &["crashy quota=4M -- fault=memory"],
        told: "root: crashy (server 3) stopped: ",
        code: 1,
    },
    FaultCase {
        name: "a server uses 64 MiB three times",
        servers: &["crashy quota=66M"],
        told: "crashy: used 64 MiB three times",
        code: 0,
    },
    FaultCase {
        name: "a server touches more than its quota of memory that it was promised",
        servers: &["crashy quota=4M -- fault=promise"],
        told: "root: crashy (server 3) stopped: out of memory that it was promised: write to ",
        code: 1,
    },
    FaultCase {
        name: "two servers use all of the memory service",
        servers: &[
            "mempeer service",
            "memtest admin uses=mempeer ports=510-51b devices=framebuffer,hpet,pci:1234:1111 quota=80M",
        ],
        told: "memtest: all 16 checks passed",
        code: 0,
    },
    FaultCase {
        name: "a server asks for memory with values that make no sense",
        servers: &["memfuzz devices=hpet,pci:1234:1111 quota=24M -- seed=7"],
        told: "root: memfuzz ended with code 0",
        code: 0,
    },
    FaultCase {
        name: "threads of a server use one heap, print, and wait for each other",
        servers: &["threads threads=8 budget_us=500 period_us=500"],
        told: "threads: all 8 checks passed",
        code: 0,
    },
    FaultCase {
        name: "a thread of a server panics",
        servers: &["crashy -- threads fault=thread-panic"],
        told: "root: crashy said: panic at servers/crashy/src/main.rs",
        code: 1,
    },
];

/// Reads a run with a server that goes wrong: it is told, the other servers do their work, the boot script ends, and
/// all memory of the servers that ended is back: only `console`'s is in use, and the free blocks are those of before.
///
/// # Errors
/// What is wrong.
pub fn judge_fault(case: &FaultCase, output: &str, end: End) -> Result<(), String> {
    if end != End::Code(case.code) {
        return Err(format!("it did not end with exit code {} ({})", case.code, describe(end)));
    }
    let needed = BOOT_LINES.iter().map(|(text, _)| *text).chain([case.told, SAME_BLOCKS]);
    for text in needed {
        if !output.lines().any(|line| line.starts_with(text)) {
            return Err(format!("no line begins with `{text}`"));
        }
    }
    let has = |text: &str| output.lines().any(|line| line.starts_with(text));
    let is_fault = has("root: crashy (server 3") && !has("root: crashy said: ");
    if has(REGISTERS) != is_fault {
        return Err("registers are shown after a fault that is no panic, and then only".into());
    }
    match output.lines().filter_map(kib_in_use).next_back() {
        Some(kib) if kib <= CONSOLE_KIB => Ok(()),
        Some(kib) => {
            Err(format!("{kib} KiB are still in use at the end, {CONSOLE_KIB} would be `console`'s"))
        }
        None => Err("the root task did not report its memory".into()),
    }
}

/// Reads a run in which a server restarts the machine.
///
/// # Errors
/// What is wrong.
pub fn judge_restart(output: &str, end: End) -> Result<(), String> {
    if end != End::NoCode {
        return Err(format!("the machine was not reset ({})", describe(end)));
    }
    let asked = output.lines().any(|line| line.starts_with("root: the machine restarts"));
    if asked { Ok(()) } else { Err("it was reset by something else than the request".into()) }
}

/// How the lines with a stopped thread's registers begin.
const REGISTERS: &str = "root:   rip 0000000000";
/// What `console` and the root task's own objects take at most.
const CONSOLE_KIB: u64 = 384;

/// The difference in a line `root: buddy: N of M KiB free, …`.
fn kib_in_use(line: &str) -> Option<u64> {
    let (free, rest) = line.strip_prefix("root: buddy: ")?.split_once(" of ")?;
    let (total, _) = rest.split_once(" KiB free")?;
    total.parse::<u64>().ok()?.checked_sub(free.parse().ok()?)
}

fn describe(end: End) -> String {
    match end {
        End::Code(PANIC_CODE) => "kernel panic".into(),
        End::Code(code) => format!("exit code {code}"),
        End::NoCode => "reset or power-off without an exit code".into(),
        End::TimedOut => "time limit".into(),
    }
}

/// The numbers in a line `N passed, N failed`, also behind a prefix such as a time stamp.
fn closing_line(line: &str) -> Option<Counts> {
    let (before, after) = line.trim().split_once(" passed, ")?;
    let passed = before.rsplit(' ').next()?.parse().ok()?;
    let failed = after.strip_suffix(" failed")?.parse().ok()?;
    Some(Counts { passed, failed })
}

#[cfg(test)]
mod tests;
