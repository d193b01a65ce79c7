use super::*;
use crate::bytes::u64_at;
use crate::limine::{BASE_REVISION_MAGIC, REQUEST_MAGIC, REQUEST_RESPONSE};
use crate::memory_map::{Kind, Region};
use std::ffi::CStr;
use std::vec;
use std::vec::Vec;

const ARENA_START: u64 = 0x50_0000;

/// A kernel image that holds a base revision tag and all requests, 6 words each.
fn image(revision: u64) -> Vec<u8> {
    let mut words = vec![BASE_REVISION_MAGIC[0], BASE_REVISION_MAGIC[1], revision];
    for (_, id) in Feature::ALL {
        words.extend([REQUEST_MAGIC[0], REQUEST_MAGIC[1], id[0], id[1], 0, 0]);
    }
    // The last request's fields must not be missing.
    words.extend([0; 3]);
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

struct Answered {
    image: Vec<u8>,
    arena: Vec<u8>,
}

impl Answered {
    fn new(revision: u64, rsdp: u64) -> Self {
        let mut image = image(revision);
        let modules = [
            File { address: 0x40_0000, bytes: 77, path: "boot/roottask", string: Words("root", "") },
            File { address: 0x40_1000, bytes: 0, path: "boot/hello", string: Words("server hello", "") },
        ];
        let kernel = File {
            address: 0x30_0000,
            bytes: 99,
            path: "boot/selkie",
            string: Words("domains=2", "debug_exit=0xf4"),
        };
        let entries = [
            Region { start: 0x10_0000, end: 0x80_0000, kind: Kind::Usable },
            Region { start: 0x80_0000, end: 0x90_0000, kind: Kind::AcpiNvs },
        ];
        let memory_map = MemoryMap::from_firmware(entries.into_iter()).unwrap();
        let mut arena = vec![0xee; bytes_needed(&kernel, &modules) as usize];
        let requests = Requests::find(&image).unwrap();
        let image_place = (0x20_0000, 0xffff_ffff_8000_0000);
        let screen = Some(Screen { address: 0xfd00_0000, width: 1024, height: 768, pitch: 4096 });
        let facts =
            Facts { kernel, modules: &modules, image: image_place, rsdp, memory_map: &memory_map, screen };
        answer(&mut image, &requests, &facts, &mut Arena::new(&mut arena, ARENA_START)).unwrap();
        for len in (0..256).step_by(8) {
            let too_small =
                answer(&mut image.clone(), &requests, &facts, &mut Arena::new(&mut vec![0; len], 0));
            assert_eq!(too_small, None);
        }
        Self { image, arena }
    }

    fn pointer(&self, feature: Feature) -> u64 {
        let index = Feature::ALL.iter().position(|(other, _)| *other == feature).unwrap();
        u64_at(&self.image, 24 + 48 * index + REQUEST_RESPONSE).unwrap()
    }

    fn bytes(&self, pointer: u64) -> &[u8] {
        &self.arena[(pointer - direct_map::OFFSET - ARENA_START) as usize..]
    }

    /// Word `index` of what `pointer` points to.
    fn word(&self, pointer: u64, index: usize) -> u64 {
        assert_eq!(pointer % 8, 0);
        u64_at(self.bytes(pointer), 8 * index).unwrap()
    }

    /// Field `index` of a response; 1 is the first after the revision.
    fn field(&self, feature: Feature, index: usize) -> u64 {
        assert_eq!(self.word(self.pointer(feature), 0), 0, "revision of {feature:?}");
        self.word(self.pointer(feature), index)
    }

    fn text(&self, pointer: u64) -> &str {
        CStr::from_bytes_until_nul(self.bytes(pointer)).unwrap().to_str().unwrap()
    }
}

#[test]
fn scalars() {
    let answered = Answered::new(2, 0xf_5000);
    assert_eq!(answered.field(Feature::DirectMap, 1), direct_map::OFFSET);
    assert_eq!(answered.field(Feature::PagingMode, 1), 0);
    assert_eq!(answered.field(Feature::FirmwareType, 1), 0);
    assert_eq!(answered.field(Feature::ExecutableAddress, 1), 0x20_0000);
    assert_eq!(answered.field(Feature::ExecutableAddress, 2), 0xffff_ffff_8000_0000);
    assert_eq!(answered.text(answered.field(Feature::BootloaderInfo, 1)), "Selkie directboot");
    assert_eq!(answered.text(answered.field(Feature::CommandLine, 1)), "domains=2 debug_exit=0xf4");
    assert_ne!(answered.pointer(Feature::StackSize), 0);
}

#[test]
fn the_rsdp_is_physical_in_revision_3_only() {
    for (revision, expected) in [
        (0, direct_map::OFFSET),
        (1, direct_map::OFFSET),
        (2, direct_map::OFFSET),
        (3, 0),
        (4, direct_map::OFFSET),
    ] {
        let answered = Answered::new(revision, 0xf_5000);
        assert_eq!(answered.field(Feature::Rsdp, 1), expected + 0xf_5000, "revision {revision}");
    }
    assert_eq!(Answered::new(2, 0).pointer(Feature::Rsdp), 0);
}

#[test]
fn files() {
    let answered = Answered::new(2, 0);
    let kernel = answered.field(Feature::ExecutableFile, 1);
    assert_eq!(answered.word(kernel, 1), direct_map::OFFSET + 0x30_0000);
    assert_eq!(answered.word(kernel, 2), 99);
    assert_eq!(answered.text(answered.word(kernel, 3)), "/boot/selkie");
    assert_eq!(answered.text(answered.word(kernel, 4)), "domains=2 debug_exit=0xf4");

    assert_eq!(answered.field(Feature::Modules, 1), 2);
    let files = answered.field(Feature::Modules, 2);
    let second = answered.word(files, 1);
    assert_eq!(answered.text(answered.word(second, 3)), "/boot/hello");
    assert_eq!(answered.text(answered.word(second, 4)), "server hello");
    assert!((5..FILE_WORDS).all(|index| answered.word(second, index) == 0));
}

#[test]
fn memory_map() {
    let answered = Answered::new(2, 0);
    assert_eq!(answered.field(Feature::MemoryMap, 1), 2);
    let entries = answered.field(Feature::MemoryMap, 2);
    let entry = |index: usize| [0, 1, 2].map(|field| answered.word(answered.word(entries, index), field));
    assert_eq!(entry(0), [0x10_0000, 0x70_0000, 0]);
    assert_eq!(entry(1), [0x80_0000, 0x10_0000, 3]);
}

#[test]
fn the_screen() {
    let answered = Answered::new(2, 0);
    assert_eq!(answered.field(Feature::Framebuffer, 1), 1);
    let screen = answered.word(answered.field(Feature::Framebuffer, 2), 0);
    let words = [0, 1, 2, 3].map(|index| answered.word(screen, index));
    assert_eq!(words, [direct_map::OFFSET + 0xfd00_0000, 1024, 768, 4096]);
}
