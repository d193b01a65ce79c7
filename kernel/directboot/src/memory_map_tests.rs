use super::*;
use std::vec;
use std::vec::Vec;

fn region(start: u64, end: u64, kind: Kind) -> Region {
    Region { start, end, kind }
}

/// A map like the one QEMU gives to a small machine.
fn qemu() -> MemoryMap {
    let entries = [
        region(0, 0x9_fc00, Kind::Usable),
        region(0x9_fc00, 0xa_0000, Kind::Reserved),
        region(0xf_0000, 0x10_0000, Kind::Reserved),
        region(0x10_0000, 0x800_0000, Kind::Usable),
        region(0x1_0000_0000, 0x1_8000_0000, Kind::Usable),
    ];
    MemoryMap::from_firmware(entries.into_iter()).unwrap()
}

fn check_invariants(map: &MemoryMap) {
    for region in map.regions() {
        assert!(region.start < region.end, "{region:x?}");
        if matches!(region.kind, Kind::Usable | Kind::Held | Kind::BootloaderReclaimable) {
            assert_eq!((region.start | region.end) % PAGE_BYTES, 0, "{region:x?}");
        }
    }
    for pair in map.regions().windows(2) {
        assert!(pair[0].end <= pair[1].start, "{pair:x?}");
        assert!(pair[0].end < pair[1].start || pair[0].kind != pair[1].kind, "{pair:x?}");
    }
}

#[test]
fn firmware_entries_are_sorted_and_cut_to_pages() {
    let map = qemu();
    check_invariants(&map);
    assert_eq!(map.regions()[0], region(0x1000, 0x9_f000, Kind::Usable));
    assert_eq!(map.regions()[1], region(0x9_fc00, 0xa_0000, Kind::Reserved));
}

#[test]
fn ram_loses_to_other_kinds() {
    let entries = [
        region(0x10_0000, 0x100_0000, Kind::Usable),
        region(0x80_0800, 0x90_0000, Kind::AcpiReclaimable),
        region(0x88_0000, 0xa0_0000, Kind::Reserved),
        region(0x0f_0000, 0x11_0000, Kind::Reserved),
    ];
    let map = MemoryMap::from_firmware(entries.into_iter()).unwrap();
    check_invariants(&map);
    assert_eq!(
        map.regions(),
        vec![
            region(0x0f_0000, 0x11_0000, Kind::Reserved),
            region(0x11_0000, 0x80_0000, Kind::Usable),
            region(0x80_0800, 0x90_0000, Kind::AcpiReclaimable),
            region(0x90_0000, 0xa0_0000, Kind::Reserved),
            region(0xa0_0000, 0x100_0000, Kind::Usable),
        ]
    );
}

#[test]
fn taken_memory_shows_in_the_map_and_held_memory_comes_back() {
    let mut map = qemu();
    map.claim(0x10_0000, 0x12_0001, Kind::BootloaderReclaimable).unwrap();
    map.claim(0x700_0000, 0x710_0800, Kind::Held).unwrap();
    let image = map.allocate(0x5000, 0x20_0000, Kind::ExecutableAndModules).unwrap();
    let table = map.allocate(1, PAGE_BYTES, Kind::BootloaderReclaimable).unwrap();
    check_invariants(&map);
    assert_eq!((image, table), (0x20_0000, 0x12_1000));
    map.release_held().unwrap();
    check_invariants(&map);
    assert_eq!(
        map.regions()[3..8],
        [
            region(0x10_0000, 0x12_2000, Kind::BootloaderReclaimable),
            region(0x12_2000, 0x20_0000, Kind::Usable),
            region(0x20_0000, 0x20_5000, Kind::ExecutableAndModules),
            region(0x20_5000, 0x800_0000, Kind::Usable),
            region(0x1_0000_0000, 0x1_8000_0000, Kind::Usable),
        ]
    );
}

#[test]
fn allocation_avoids_low_and_high_memory_and_what_is_held() {
    let mut map = qemu();
    map.claim(0x10_0000, 0x7ff_0000, Kind::Held).unwrap();
    assert_eq!(map.allocate(0x10_000, PAGE_BYTES, Kind::BootloaderReclaimable), Ok(0x7ff_0000));
    assert_eq!(map.allocate(1, PAGE_BYTES, Kind::BootloaderReclaimable), Err(Shortage::NoMemory));
    assert_eq!(map.allocate(u64::MAX, PAGE_BYTES, Kind::BootloaderReclaimable), Err(Shortage::NoMemory));
}

#[test]
fn reserved_region_becomes_mapped_as_a_whole() {
    let mut map = qemu();
    map.mark_mapped(0xf_5000).unwrap();
    map.mark_mapped(0x20_0000).unwrap();
    let mapped: Vec<_> = map.regions().iter().filter(|region| region.kind == Kind::ReservedMapped).collect();
    assert_eq!(mapped, [&region(0xf_0000, 0x10_0000, Kind::ReservedMapped)]);
    assert!(map.is_firmware(0xf_5000, 0xf_5024));
    assert!(!map.is_firmware(0xf_ffff, 0x10_0001) && !map.is_firmware(0x20_0000, 0x20_0001));
}

#[test]
fn too_many_regions_is_an_error() {
    let entries = (0..=MAX_REGIONS as u64).map(|i| region(i * 0x4000, i * 0x4000 + 0x1000, Kind::Reserved));
    assert!(MemoryMap::from_firmware(entries).is_err());
}
