//! I/O ports.
use core::arch::asm;

/// Reads 1, 2 or 4 bytes.
///
/// The kernel's own ports and those of I/O port capabilities are the only ones passed here.
pub fn port_read(port: u16, bytes: u8) -> u32 {
    let value: u32;
    // SAFETY: an access to a port changes a device, never the kernel's memory.
    unsafe {
        match bytes {
            1 => {
                let byte: u8;
                asm!("in al, dx", in("dx") port, out("al") byte, options(nomem, nostack, preserves_flags));
                value = u32::from(byte);
            }
            2 => {
                let word: u16;
                asm!("in ax, dx", in("dx") port, out("ax") word, options(nomem, nostack, preserves_flags));
                value = u32::from(word);
            }
            _ => {
                asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack, preserves_flags))
            }
        }
    }
    value
}

/// Writes the low 1, 2 or 4 bytes of `value`.
pub fn port_write(port: u16, bytes: u8, value: u32) {
    // SAFETY: as for `port_read`.
    unsafe {
        match bytes {
            1 => {
                asm!("out dx, al", in("dx") port, in("al") value as u8, options(nomem, nostack, preserves_flags))
            }
            2 => {
                asm!("out dx, ax", in("dx") port, in("ax") value as u16, options(nomem, nostack, preserves_flags))
            }
            _ => {
                asm!("out dx, eax", in("dx") port, in("eax") value, options(nomem, nostack, preserves_flags))
            }
        }
    }
}
