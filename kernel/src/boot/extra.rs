//! The extra blocks behind the boot information (abi.md 8.3), and three of our own.
use core::cell::Cell;

use sel_abi::bootinfo::{BootModule, BootReport, extra};

use super::{BootEnv, Framebuffer};

const HEADER_BYTES: usize = 16;
const MEMORY_MAP_ENTRIES: usize = 50;
const MEMORY_MAP_ENTRY_BYTES: usize = 24;
const FRAMEBUFFER_BYTES: usize = 22;

/// Writes blocks one after the other; with no memory behind it, it counts.
pub struct Writer<'a> {
    bytes: &'a [Cell<u8>],
    at: usize,
}

impl<'a> Writer<'a> {
    /// Onto zeroed memory.
    pub fn new(bytes: &'a [Cell<u8>]) -> Self {
        Writer { bytes, at: 0 }
    }

    /// Bytes written, or that would have been.
    pub fn length(&self) -> usize {
        self.at
    }

    fn put(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(cell) = self.bytes.get(self.at) {
                cell.set(*byte);
            }
            self.at += 1;
        }
    }

    fn words<const N: usize>(&mut self, words: [u64; N]) {
        words.iter().for_each(|word| self.put(&word.to_le_bytes()));
    }

    fn header(&mut self, id: u64, payload: usize) {
        self.words([id, (HEADER_BYTES + payload) as u64]);
    }

    /// All blocks, in the order that seL4 has, then ours.
    pub fn blocks(&mut self, env: &BootEnv, report: &BootReport, tsc_mhz: u32) {
        if let Some(rsdp) = &env.rsdp {
            self.header(extra::X86_ACPI_RSDP, rsdp.len());
            self.put(rsdp);
        }
        if let Some(framebuffer) = &env.framebuffer {
            self.framebuffer(framebuffer);
        }
        self.memory_map(env);
        self.header(extra::X86_TSC_FREQ, 4);
        self.put(&tsc_mhz.to_le_bytes());
        self.modules(env.modules());
        self.header(extra::SELKIE_COMMAND_LINE, env.command_line.len());
        self.put(env.command_line.as_bytes());
        self.header(extra::SELKIE_BOOT_REPORT, size_of::<BootReport>());
        self.words([
            report.ram_bytes,
            report.untyped_bytes,
            report.kernel_bytes,
            report.root_task_bytes,
            report.boot_ticks,
            report.tsc_hz,
            report.debug_calls,
            report.trace_paddr,
            report.trace_bytes,
        ]);
    }

    fn framebuffer(&mut self, framebuffer: &Framebuffer) {
        const DIRECT_COLOUR: u8 = 1;
        self.header(extra::X86_FRAMEBUFFER, FRAMEBUFFER_BYTES);
        self.put(&framebuffer.addr.to_le_bytes());
        for value in [framebuffer.pitch, framebuffer.width, framebuffer.height] {
            self.put(&value.to_le_bytes());
        }
        self.put(&[framebuffer.bpp, DIRECT_COLOUR]);
    }

    fn memory_map(&mut self, env: &BootEnv) {
        const ENTRY_SIZE_FIELD: u32 = 20;
        let table = MEMORY_MAP_ENTRIES * MEMORY_MAP_ENTRY_BYTES;
        self.header(extra::X86_MBMMAP, 4 + table);
        let start = self.at + 4;
        let entries = env.memory_map().iter().take(MEMORY_MAP_ENTRIES);
        self.put(&((entries.len() * MEMORY_MAP_ENTRY_BYTES) as u32).to_le_bytes());
        for entry in entries {
            self.put(&ENTRY_SIZE_FIELD.to_le_bytes());
            self.words([entry.base, entry.length]);
            self.put(&entry.kind.to_le_bytes());
        }
        self.at = start + table;
    }

    fn modules(&mut self, modules: &[BootModule]) {
        self.header(extra::SELKIE_MODULES, size_of_val(modules));
        for module in modules {
            self.words([module.paddr, module.size]);
            self.put(&module.string);
        }
    }
}
