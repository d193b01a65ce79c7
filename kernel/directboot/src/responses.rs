//! Writes the responses to the kernel's requests.
//!
//! All of the protocol's structures are rows of 64-bit words, so that they are written as such: no structure's layout
//! and no pointer is needed, and the same code runs on the host.
use crate::direct_map;
use crate::limine::{FIRMWARE_TYPE_BIOS, Feature, PAGING_MODE_4_LEVELS};
use crate::memory_map::{MAX_REGIONS, MemoryMap};
use crate::requests::Requests;
use crate::screen::Screen;

/// Words of `struct limine_file`: revision, address, size, path, string, then media type, network and partition
/// fields, all 0 (generic medium, no partition).
const FILE_WORDS: usize = 14;

/// A file that the kernel is told about.
#[derive(Clone, Copy, Debug, Default)]
pub struct File<'a> {
    /// Its physical address.
    pub address: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its path in the archive, without leading slash.
    pub path: &'a str,
    /// Its string; for the kernel the command line.
    pub string: Words<'a>,
}

/// A text in two parts; joined by a space if neither is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words<'a>(pub &'a str, pub &'a str);

/// What the responses tell.
pub struct Facts<'a> {
    /// The kernel file; its address is 0 if the kernel did not ask for it. Its string is the command line.
    pub kernel: File<'a>,
    /// The modules.
    pub modules: &'a [File<'a>],
    /// Where the kernel image lies: physical and virtual address.
    pub image: (u64, u64),
    /// Physical address of the ACPI root pointer; 0 if there is none.
    pub rsdp: u64,
    /// The final memory map.
    pub memory_map: &'a MemoryMap,
    /// The screen, if there is one; it lies below 4 GiB.
    pub screen: Option<Screen>,
}

/// How many bytes the responses need at most.
pub fn bytes_needed(kernel: &File<'_>, modules: &[File<'_>]) -> u64 {
    let text = |file: &File<'_>| file.path.len() + file.string.0.len() + file.string.1.len() + 4;
    let file = |file: &File<'_>| 8 * (FILE_WORDS + 1) + text(file) + 16;
    let files: usize = file(kernel) + modules.iter().map(file).sum::<usize>();
    let map = MAX_REGIONS * 4 * 8;
    (files + text(kernel) + map + 1024) as u64
}

/// Memory for responses, filled from the start.
pub struct Arena<'a> {
    memory: &'a mut [u8],
    physical_start: u64,
    used: usize,
}

impl<'a> Arena<'a> {
    /// An arena in `memory`, which lies at `physical_start`, a multiple of 8.
    pub fn new(memory: &'a mut [u8], physical_start: u64) -> Self {
        Self { memory, physical_start, used: 0 }
    }

    /// Stores the parts one after the other, at a multiple of 8, and returns their address in the direct map.
    fn put<const N: usize>(&mut self, parts: [&[u8]; N]) -> Option<u64> {
        let start = self.used.next_multiple_of(8);
        let mut end = start;
        for part in parts {
            self.memory.get_mut(end..end + part.len())?.copy_from_slice(part);
            end += part.len();
        }
        self.used = end;
        Some(direct_map::OFFSET + self.physical_start + start as u64)
    }

    fn words(&mut self, words: impl Iterator<Item = u64>) -> Option<u64> {
        let address = self.put([])?;
        self.used = self.used.next_multiple_of(8);
        for word in words {
            self.put([&word.to_le_bytes()])?;
        }
        Some(address)
    }

    fn text(&mut self, Words(first, second): Words<'_>) -> Option<u64> {
        let space = if first.is_empty() || second.is_empty() { "" } else { " " };
        self.put([first.as_bytes(), space.as_bytes(), second.as_bytes(), b"\0"])
    }

    fn file(&mut self, file: &File<'_>) -> Option<u64> {
        let path = self.put([b"/", file.path.as_bytes(), b"\0"])?;
        let string = self.text(file.string)?;
        let mut words = [0; FILE_WORDS];
        let known = [0, direct_map::OFFSET + file.address, file.bytes, path, string];
        words.iter_mut().zip(known).for_each(|(word, value)| *word = value);
        self.words(words.into_iter())
    }

    /// `count` structures, each written by `put`, and the array of pointers to them; returns the array's address.
    fn array(&mut self, count: usize, mut put: impl FnMut(&mut Self, usize) -> Option<u64>) -> Option<u64> {
        let address = self.words((0..count).map(|_| 0))?;
        let first = self.used - 8 * count;
        for index in 0..count {
            let pointer = put(self, index)?;
            crate::bytes::put_u64(self.memory, first + 8 * index, pointer)?;
        }
        Some(address)
    }
}

/// Answers all requests of the kernel whose loaded image is `image`. `None`: the arena is too small.
pub fn answer(image: &mut [u8], requests: &Requests, facts: &Facts<'_>, arena: &mut Arena<'_>) -> Option<()> {
    requests.answer_base_revision(image)?;
    for (feature, _) in Feature::ALL {
        if requests.has(feature)
            && let Some(fields) = fields(feature, requests.revision(), facts, arena)?
        {
            // Every response begins with its revision, and directboot gives revision 0 of each.
            let response = arena.words([0].into_iter().chain(fields.into_iter().flatten()))?;
            requests.answer(image, feature, response)?;
        }
    }
    Some(())
}

/// The words after the response's revision (those that are `Some`). Inner `None`: the request stays unanswered; outer
/// `None`: the arena is too small.
fn fields(
    feature: Feature,
    revision: u64,
    facts: &Facts<'_>,
    arena: &mut Arena<'_>,
) -> Option<Option<[Option<u64>; 2]>> {
    let one = |word: u64| Some([Some(word), None]);
    let two = |first: u64, second: u64| Some([Some(first), Some(second)]);
    Some(match feature {
        Feature::BootloaderInfo => {
            let name = arena.text(Words("Selkie directboot", ""))?;
            two(name, arena.text(Words(env!("CARGO_PKG_VERSION"), ""))?)
        }
        Feature::CommandLine => one(arena.text(facts.kernel.string)?),
        Feature::FirmwareType => one(FIRMWARE_TYPE_BIOS),
        Feature::StackSize => Some([None, None]),
        Feature::DirectMap => one(direct_map::OFFSET),
        Feature::PagingMode => one(PAGING_MODE_4_LEVELS),
        Feature::MemoryMap => {
            let regions = facts.memory_map.regions();
            let entries = arena.array(regions.len(), |arena, index| {
                let region = regions.get(index)?;
                let words = [region.start, region.end - region.start, region.kind.limine_type()];
                arena.words(words.into_iter())
            })?;
            two(regions.len() as u64, entries)
        }
        Feature::ExecutableFile => one(arena.file(&facts.kernel)?),
        Feature::Modules => {
            let modules = facts.modules;
            let files = arena.array(modules.len(), |arena, index| arena.file(modules.get(index)?))?;
            two(modules.len() as u64, files)
        }
        Feature::Rsdp if facts.rsdp == 0 => None,
        // Physical in base revision 3 only.
        Feature::Rsdp if revision == 3 => one(facts.rsdp),
        Feature::Rsdp => one(direct_map::OFFSET + facts.rsdp),
        Feature::ExecutableAddress => two(facts.image.0, facts.image.1),
        Feature::Framebuffer => match &facts.screen {
            None => None,
            Some(screen) => {
                let address = direct_map::OFFSET + screen.address;
                let put = |arena: &mut Arena<'_>, _| arena.words([address].into_iter().chain(screen.words()));
                two(1, arena.array(1, put)?)
            }
        },
    })
}

#[cfg(test)]
#[path = "responses_tests.rs"]
mod tests;
