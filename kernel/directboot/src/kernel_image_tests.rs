use super::*;
use std::vec;
use std::vec::Vec;

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;

/// (flags, file offset, address, bytes in the file, bytes in memory)
type Load = (u32, u64, u64, u64, u64);

fn elf(entry: u64, loads: &[Load]) -> Vec<u8> {
    let mut file = vec![0; 0x3000];
    file[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &ET_EXEC.to_le_bytes());
    put(18, &EM_X86_64.to_le_bytes());
    put(20, &1u32.to_le_bytes());
    put(24, &entry.to_le_bytes());
    put(32, &(HEADER as u64).to_le_bytes());
    put(52, &(HEADER as u16).to_le_bytes());
    put(54, &(PROGRAM_HEADER as u16).to_le_bytes());
    put(56, &(loads.len() as u16).to_le_bytes());
    put(58, &64u16.to_le_bytes());
    for (index, &(flags, offset, address, file_bytes, memory_bytes)) in loads.iter().enumerate() {
        let at = HEADER + index * PROGRAM_HEADER;
        put(at, &PT_LOAD.to_le_bytes());
        put(at + 4, &flags.to_le_bytes());
        for (field, value) in [(8, offset), (16, address), (32, file_bytes), (40, memory_bytes), (48, 0x1000)]
        {
            put(at + field, &value.to_le_bytes());
        }
    }
    file[0x1000..0x3000].fill(0xaa);
    file
}

const CODE: Load = (5, 0x1000, KERNEL_BASE, 0x800, 0x800);
const DATA: Load = (6, 0x2000, KERNEL_BASE + 0x2010, 0x10, 0x1000);

#[test]
fn a_sound_kernel_is_loaded() {
    let file = elf(KERNEL_BASE + 4, &[DATA, CODE]);
    let image = KernelImage::parse(&file).unwrap();
    assert_eq!((image.start, image.bytes, image.alignment), (KERNEL_BASE, 0x4000, 0x1000));
    let rights: Vec<_> = image.segments().iter().map(|segment| (segment.write, segment.execute)).collect();
    assert_eq!(rights, [(false, true), (true, false)]);
    let mut memory = vec![0xff; 0x4000];
    image.load(&mut memory);
    assert!(memory[..0x800].iter().all(|&byte| byte == 0xaa));
    assert!(memory[0x800..0x2010].iter().all(|&byte| byte == 0));
    assert!(memory[0x2010..0x2020].iter().all(|&byte| byte == 0xaa));
    assert!(memory[0x2020..].iter().all(|&byte| byte == 0));
}

#[test]
fn faults_are_found() {
    let fault = |entry: u64, loads: &[Load]| KernelImage::parse(&elf(entry, loads)).unwrap_err();
    let entry = KERNEL_BASE;
    assert_eq!(fault(entry, &[]), Fault::SegmentCount(0));
    assert_eq!(fault(entry, &[(5, 0x1000, 0x20_0000, 8, 8)]), Fault::Address(0x20_0000));
    let top = 0xffff_ffff_ffff_f000;
    assert_eq!(fault(entry, &[(5, 0x1000, top, 8, 8)]), Fault::Address(top));
    assert_eq!(fault(entry, &[(5, 0x1000, top, 8, u64::MAX)]), Fault::Address(top));
    assert_eq!(fault(entry, &[(5, 0x1000, entry, 16, 8)]), Fault::Damaged);
    assert_eq!(fault(entry, &[(5, 0x2fff, entry, 16, 16)]), Fault::CutShort);
    assert_eq!(fault(entry, &[(5, u64::MAX, entry, 16, 16)]), Fault::CutShort);
    assert_eq!(fault(entry, &[CODE, (6, 0x2000, entry + 0xf00, 8, 8)]), Fault::SharedPage(entry));
    assert_eq!(fault(entry + 0x2010, &[CODE, DATA]), Fault::Entry(entry + 0x2010));
    let many: Vec<Load> = (0..17).map(|i| (5, 0x1000, entry + i * 0x1000, 8, 8)).collect();
    assert_eq!(fault(entry, &many), Fault::SegmentCount(17));
}

#[test]
fn headers_are_checked() {
    let with = |at: usize, byte: u8| {
        let mut file = elf(KERNEL_BASE, &[CODE]);
        file[at] = byte;
        KernelImage::parse(&file).unwrap_err()
    };
    assert_eq!(with(0, 0), Fault::NotElf);
    assert_eq!(with(18, 0xb7), Fault::WrongMachine);
    assert_eq!(with(5, 2), Fault::WrongMachine);
    assert_eq!(with(16, 3), Fault::NotStatic);
}

#[test]
fn every_truncation_is_an_error_and_no_panic() {
    let file = elf(KERNEL_BASE, &[CODE, DATA]);
    for len in (0..0x2010).step_by(7) {
        let result = KernelImage::parse(&file[..len]);
        assert!(matches!(result, Err(Fault::CutShort | Fault::NotElf)), "cut at {len}: {result:?}");
    }
}
