//! Who called: return addresses on the stack, with names from the kernel file's symbol table.
use core::fmt;

use elf::ElfBytes;
use elf::abi::{SHT_SYMTAB, STT_FUNC};
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::string_table::StringTable;
use elf::symbol::SymbolTable;
use rustc_demangle::demangle;
use spin::Once;

use crate::arch::stack;
use crate::boot::region::Region;

/// The build keeps frame pointers, see `xtask/src/build.rs`.
const FRAME_POINTERS: bool = cfg!(feature = "debug");
/// Frames that a backtrace shows, at most.
const MAX_FRAMES: usize = 32;

/// The parts of the kernel file that have names.
struct Symbols {
    table: &'static [u8],
    names: &'static [u8],
}

static SYMBOLS: Once<Symbols> = Once::new();

/// Where symbols and names are in an ELF file, as offsets.
pub fn find_symbols(file: &[u8]) -> Option<[Region; 2]> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).ok()?;
    let headers = elf.section_headers()?;
    let table = headers.iter().find(|header| header.sh_type == SHT_SYMTAB)?;
    let names = headers.get(table.sh_link as usize).ok()?;
    let region = |offset: u64, bytes| Some(Region { start: offset, end: offset.checked_add(bytes)? });
    let parts = [region(table.sh_offset, table.sh_size)?, region(names.sh_offset, names.sh_size)?];
    parts.iter().all(|part| part.end <= file.len() as u64).then_some(parts)
}

/// Sets where names are looked up: the symbol table, and the names that it refers to.
pub fn set_symbols([table, names]: [&'static [u8]; 2]) {
    SYMBOLS.call_once(|| Symbols { table, names });
}

/// A code address as a person reads it: function and offset.
#[derive(Clone, Copy, Debug)]
pub enum Symbol {
    /// The address of an instruction.
    At(u64),
    /// A return address: the call before it is what counts, and may be the last instruction of its function.
    After(u64),
}

impl Symbol {
    fn address(self) -> u64 {
        match self {
            Symbol::At(address) | Symbol::After(address) => address,
        }
    }

    fn find(self) -> Option<(&'static str, u64)> {
        let symbols = SYMBOLS.get()?;
        let table = SymbolTable::new(LittleEndian, Class::ELF64, symbols.table);
        let names = StringTable::new(symbols.names);
        let inside = match self {
            Symbol::At(address) => address,
            Symbol::After(address) => address.wrapping_sub(1),
        };
        let covers = |symbol: &elf::symbol::Symbol| {
            symbol.st_symtype() == STT_FUNC && inside.wrapping_sub(symbol.st_value) < symbol.st_size
        };
        let symbol = table.iter().find(covers)?;
        let name = names.get(symbol.st_name as usize).ok()?;
        Some((name, self.address().wrapping_sub(symbol.st_value)))
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.address())?;
        match self.find() {
            // `#` leaves the hash out.
            Some((name, offset)) => write!(f, " {:#}+{offset:#x}", demangle(name)),
            None => Ok(()),
        }
    }
}

/// The return addresses on a stack. A debug build follows its frame pointers; the others have none, and show every word
/// that is the address of code behind a function's start: some of them may be left over from earlier calls.
pub struct Frames {
    next: u64,
    left: usize,
}

impl Frames {
    /// Those of the code that had these registers.
    pub fn from(frame_pointer: u64, stack_pointer: u64) -> Self {
        Frames { next: if FRAME_POINTERS { frame_pointer } else { stack_pointer }, left: MAX_FRAMES }
    }

    /// Those of the caller.
    #[inline(always)]
    pub fn here() -> Self {
        let (frame_pointer, stack_pointer): (u64, u64);
        // SAFETY: reads two registers.
        unsafe {
            core::arch::asm!(
                "mov {}, rbp", "mov {}, rsp", out(reg) frame_pointer, out(reg) stack_pointer,
                options(nomem, nostack, preserves_flags),
            )
        }
        Self::from(frame_pointer, stack_pointer)
    }

    /// The next two words; None outside of the kernel's stacks.
    fn words(&self) -> Option<[u64; 2]> {
        const BYTES: u64 = 16;
        let stack = stack::find(self.next)?;
        if !self.next.is_multiple_of(8) || stack.end - self.next < BYTES {
            return None;
        }
        let words = core::ptr::with_exposed_provenance::<[u64; 2]>(self.next as usize);
        // SAFETY: both words lie inside one of the kernel's stacks and are aligned.
        Some(unsafe { words.read_volatile() })
    }

    fn follow(&mut self) -> Option<u64> {
        let [caller, return_address] = self.words()?;
        // Frames of callers lie above: a damaged chain cannot go round in circles.
        self.next = if caller > self.next { caller } else { 0 };
        (return_address != 0).then_some(return_address)
    }

    fn scan(&mut self) -> Option<u64> {
        loop {
            let [word, _] = self.words()?;
            self.next += 8;
            if Symbol::After(word).find().is_some_and(|(_, offset)| offset > 0) {
                return Some(word);
            }
        }
    }
}

impl Iterator for Frames {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        if FRAME_POINTERS { self.follow() } else { self.scan() }
    }
}
