//! The processor: ports, features and the registers that are set once.
use core::arch::asm;
use core::arch::x86_64::__cpuid;
use directboot::paging::PagingFeatures;

const PIC_MASK_PORTS: [u16; 2] = [0x21, 0xa1];
const IA32_PAT: u32 = 0x277;
/// Memory types of PAT entries 7 to 0 as the Limine protocol lays them down: the unspecified entries 7 and 6 as after
/// reset (UC, UC-), then WC, WP, UC, UC-, WT, WB (SDM volume 3, table 13-10).
const PAGE_ATTRIBUTES: u64 = 0x00_07_01_05_00_07_04_06;

/// Writes a byte to an I/O port.
pub fn write_port(port: u16, value: u8) {
    // SAFETY: directboot writes bytes only to COM1, the PICs and QEMU's exit device; none of them touches memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags)) }
}

/// Reads a byte from an I/O port.
pub fn read_port(port: u16) -> u8 {
    let value;
    // SAFETY: directboot reads bytes only of COM1's line status.
    unsafe { asm!("in al, dx", out("al") value, in("dx") port, options(nomem, nostack, preserves_flags)) }
    value
}

/// Writes 16 bits to an I/O port.
pub fn write_port_u16(port: u16, value: u16) {
    // SAFETY: directboot writes so only to the display adapter's registers.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack, preserves_flags)) }
}

/// Reads 16 bits from an I/O port.
pub fn read_port_u16(port: u16) -> u16 {
    let value;
    // SAFETY: directboot reads so only the display adapter's registers.
    unsafe { asm!("in ax, dx", out("ax") value, in("dx") port, options(nomem, nostack, preserves_flags)) }
    value
}

/// Writes 32 bits to an I/O port.
pub fn write_port_u32(port: u16, value: u32) {
    // SAFETY: directboot writes so only to the port that selects a register of PCI configuration space.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nomem, nostack, preserves_flags)) }
}

/// Reads 32 bits from an I/O port.
pub fn read_port_u32(port: u16) -> u32 {
    let value;
    // SAFETY: directboot reads so only registers of PCI configuration space.
    unsafe { asm!("in eax, dx", out("eax") value, in("dx") port, options(nomem, nostack, preserves_flags)) }
    value
}

/// Masks all interrupts of the legacy interrupt controllers, as the protocol wants.
pub fn mask_legacy_interrupts() {
    PIC_MASK_PORTS.iter().for_each(|&port| write_port(port, 0xff));
}

/// Lays out the page attribute table, if the processor has one (CPUID 1, EDX bit 16).
pub fn set_page_attribute_table() {
    if __cpuid(1).edx & 1 << 16 == 0 {
        return;
    }
    let (low, high) = (PAGE_ATTRIBUTES as u32, (PAGE_ATTRIBUTES >> 32) as u32);
    // SAFETY: the register exists; the page tables in use select entry 0 only, which stays write-back.
    unsafe {
        asm!("wrmsr", in("ecx") IA32_PAT, in("eax") low, in("edx") high, options(nostack, preserves_flags))
    }
}

/// What page tables may use.
pub fn paging_features() -> PagingFeatures {
    // `entry` made sure that this leaf is there.
    let features = __cpuid(0x8000_0001).edx;
    PagingFeatures { gigabyte_pages: features & 1 << 26 != 0, no_execute: features & 1 << 20 != 0 }
}

/// Stops for good. Interrupts are off and stay off.
pub fn halt() -> ! {
    loop {
        // SAFETY: halting has no effect on memory.
        unsafe { asm!("hlt", options(nomem, nostack, preserves_flags)) }
    }
}
