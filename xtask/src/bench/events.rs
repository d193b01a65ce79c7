//! What instruction counts hide: how often an operation writes CR3, flushes a page, or executes a serialising instruction.
//!
//! A second run executes one instruction at a time and logs the addresses of those instructions of the kernel, and of the
//! benchmark's readings of the clock. What lies between two readings that belong together is one sample.
use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::intervals::Pattern;
use crate::elf_file::ElfFile;

/// Instructions that are told apart.
pub const KINDS: [&str; 7] = ["CR3", "INVLPG", "WRMSR", "IRET", "SYSRET", "FPU state", "other"];

/// How often each of [`KINDS`] was executed.
pub type Counts = [u64; KINDS.len()];

/// What stands at an address of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// An instruction of the kernel, one of [`KINDS`].
    Kernel(usize),
    /// The clock is read before what is measured.
    Begin,
    /// The clock is read after it.
    End,
    /// A row has ended.
    Row,
}

/// The addresses of interest in the kernel's and the benchmark's ELF files.
///
/// # Errors
/// A file cannot be read or lacks a section.
pub fn marks(kernel: &Path, benchmark: &Path) -> Result<HashMap<u64, Mark>> {
    let kernel = ElfFile::read(kernel)?;
    let (start, code) = kernel.section(".text")?;
    let mut marks = readings(benchmark)?;
    marks.extend(instructions(code).map(|(at, kind)| (start + at as u64, Mark::Kernel(kind))));
    Ok(marks)
}

/// The addresses at which the benchmark reads the clock or ends a row.
///
/// # Errors
/// The file cannot be read or lacks a section.
pub fn readings(benchmark: &Path) -> Result<HashMap<u64, Mark>> {
    let benchmark = ElfFile::read(benchmark)?;
    let mut marks = HashMap::new();
    for (section, mark) in
        [(".bench.begin", Mark::Begin), (".bench.end", Mark::End), (".bench.row", Mark::Row)]
    {
        let (_, addresses) = benchmark.section(section)?;
        let (words, _) = addresses.as_chunks::<8>();
        marks.extend(words.iter().map(|word| (u64::from_le_bytes(*word), mark)));
    }
    Ok(marks)
}

/// Offsets at which an instruction of interest may begin, with its kind. Some are in the middle of other instructions;
/// those addresses are never executed, so they do no harm.
fn instructions(code: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    (0..code.len()).filter_map(|at| {
        let bytes = &code[at..];
        // A prefix for the upper registers or for 64 bits belongs to the instruction.
        let (prefix, rest) = match bytes {
            [prefix @ 0x40..=0x4f, rest @ ..] => (*prefix, rest),
            _ => (0, bytes),
        };
        kind(prefix, rest).map(|kind| (at, kind))
    })
}

/// The index in [`KINDS`] of the instruction (Intel SDM vol 2) that begins with `bytes`.
fn kind(prefix: u8, bytes: &[u8]) -> Option<usize> {
    let is_memory = |modrm: u8| modrm >> 6 != 3;
    let field = |modrm: u8| modrm >> 3 & 7;
    match *bytes {
        [0xcf, ..] if prefix & 8 != 0 => Some(3),
        [0x0f, 0x07, ..] if prefix & 8 != 0 => Some(4),
        [0x0f, 0x22, modrm, ..] if !is_memory(modrm) && field(modrm) == 3 => Some(0),
        [0x0f, 0x22, modrm, ..] if !is_memory(modrm) && matches!(field(modrm), 0 | 4) => Some(6),
        [0x0f, 0x01, modrm, ..] if is_memory(modrm) && field(modrm) == 7 => Some(1),
        [0x66, 0x0f, 0x38, 0x82, ..] => Some(1),
        [0x0f, 0x30, ..] => Some(2),
        [0x0f, 0xae, modrm, ..] if is_memory(modrm) && matches!(field(modrm), 0 | 1 | 4 | 5) => Some(5),
        // CPUID, WBINVD, XSETBV; LGDT and LIDT; LLDT and LTR.
        [0x0f, 0xa2 | 0x09, ..] | [0x0f, 0x01, 0xd1, ..] => Some(6),
        [0x0f, 0x01, modrm, ..] if is_memory(modrm) && matches!(field(modrm), 2 | 3) => Some(6),
        [0x0f, 0x00, modrm, ..] if matches!(field(modrm), 2 | 3) => Some(6),
        _ => None,
    }
}

/// QEMU's arguments for a run that logs `marks` and the range `all` (address, bytes) to `log`.
pub fn qemu_arguments(marks: &HashMap<u64, Mark>, all: Option<(u64, u64)>, log: &Path) -> Vec<String> {
    let mut addresses: Vec<u64> = marks.keys().copied().collect();
    addresses.sort_unstable();
    let mut filter: Vec<String> = addresses.iter().map(|address| format!("{address:#x}+1")).collect();
    filter.extend(all.map(|(address, bytes)| format!("{address:#x}+{bytes:#x}")));
    let arguments = [
        "-singlestep",
        "-d",
        "exec,nochain",
        "-D",
        &log.display().to_string(),
        "-dfilter",
        &filter.join(","),
    ];
    arguments.map(String::from).to_vec()
}

/// Reads the log of a run that printed the rows `ids`; what each of them counts, None for one without samples.
///
/// # Errors
/// The log cannot be read, or is of another run.
pub fn read(log: impl BufRead, marks: &HashMap<u64, Mark>, ids: &[&str]) -> Result<Vec<Option<Counts>>> {
    let mut rows = Vec::new();
    let mut samples: Vec<Counts> = Vec::new();
    let mut open: Option<Counts> = None;
    for line in log.lines() {
        let line = line.context("the log of QEMU cannot be read")?;
        let Some(mark) = executed(&line).and_then(|address| marks.get(&address)) else { continue };
        match mark {
            Mark::Begin => open = Some(Counts::default()),
            Mark::Kernel(kind) => {
                if let Some(count) = open.as_mut().and_then(|open| open.get_mut(*kind)) {
                    *count += 1;
                }
            }
            Mark::End => samples.extend(open.take()),
            Mark::Row => {
                let id = ids.get(rows.len()).copied().unwrap_or_default();
                rows.push(Pattern::of(id).typical(&samples));
                samples.clear();
            }
        }
    }
    ensure!(rows.len() == ids.len(), "the log of QEMU has {} rows, not {}", rows.len(), ids.len());
    Ok(rows)
}

/// The address in a line `Trace 0: HOST [CS_BASE/ADDRESS/…]`.
pub fn executed(line: &str) -> Option<u64> {
    let (_, rest) = line.strip_prefix("Trace ")?.split_once('/')?;
    u64::from_str_radix(rest.split_once('/')?.0, 16).ok()
}

/// Counts in words.
pub fn text(counts: &Counts) -> String {
    let named = KINDS.iter().zip(counts).filter(|(_, count)| **count > 0);
    named.map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_of_interest_are_found_with_their_prefixes() {
        let code = [
            0x41, 0x0f, 0x22, 0xd8, // mov cr3, r8
            0x0f, 0x01, 0x38, // invlpg [rax]
            0x0f, 0x01, 0xf8, // swapgs
            0x0f, 0x30, // wrmsr
            0x48, 0xcf, // iretq
            0x48, 0x0f, 0x07, // sysretq
            0x0f, 0xae, 0x20, // xsave [rax]
            0x0f, 0xae, 0xe8, // lfence
            0x0f, 0x00, 0xd8, // ltr ax
            0x0f, 0x05, // syscall
        ];
        let found: Vec<(usize, usize)> = instructions(&code).collect();
        assert_eq!(found, [(0, 0), (1, 0), (4, 1), (10, 2), (12, 3), (14, 4), (17, 5), (23, 6)]);
    }

    #[test]
    fn addresses_are_read_from_trace_lines_only() {
        let line = "Trace 0: 0x7f1e506056c0 [0000000000000000/ffffffff800021a6/0000c0b0/ff020201] ";
        assert_eq!(executed(line), Some(0xffff_ffff_8000_21a6));
        assert_eq!(executed("Stopped execution of TB chain before 0x1 [0/2/3]"), None);
    }

    #[test]
    fn what_lies_between_two_readings_is_a_sample() {
        let marks = HashMap::from([(1, Mark::Begin), (2, Mark::End), (3, Mark::Row), (4, Mark::Kernel(0))]);
        let log: String =
            [4, 1, 4, 4, 2, 4, 1, 4, 4, 2, 3, 3].map(|at| format!("Trace 0: 0x0 [0/{at:x}/0/0]\n")).concat();
        let rows = read(log.as_bytes(), &marks, &["null", "empty"]).unwrap();
        assert_eq!(rows[0].map(|counts| text(&counts)).as_deref(), Some("2 CR3"));
        assert_eq!(rows[1], None);
        assert!(read(log.as_bytes(), &marks, &["null"]).is_err());
    }
}
