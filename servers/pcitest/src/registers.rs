//! Registers of a device, and memory that it shares.
use alloc::string::String;

use libsel::proto::call;
use libsel::proto::root::{Device, MapDevice};
use libsel::proto::start::slot;

/// Words of 32 bits that a device reads and writes as well.
#[derive(Clone, Copy)]
pub struct Registers {
    start: usize,
    bytes: usize,
}

impl Registers {
    /// Base address register 0 of a PCI function.
    pub fn of(vendor: u16, device: u16) -> Result<Self, String> {
        let device = Device::Pci { vendor, device, bar: 0 };
        let mapped = call(slot::ROOT, &MapDevice { device });
        let mapped = mapped.map_err(|error| alloc::format!("its registers: {error}"))?;
        // SAFETY: the root task mapped so much there, for good.
        Ok(unsafe { Self::at(mapped.address, mapped.bytes) })
    }

    /// Memory at an address.
    ///
    /// # Safety
    /// So many bytes are mapped there, writable, for good, and no reference leads to them.
    pub const unsafe fn at(address: u64, bytes: u64) -> Self {
        Registers { start: address as usize, bytes: bytes as usize }
    }

    /// Address and bytes.
    pub const fn range(self) -> (u64, u64) {
        (self.start as u64, self.bytes as u64)
    }

    fn word(self, offset: usize) -> *mut u32 {
        assert!(offset.is_multiple_of(size_of::<u32>()) && offset + size_of::<u32>() <= self.bytes);
        core::ptr::with_exposed_provenance_mut(self.start + offset)
    }

    /// The word at a byte offset.
    pub fn read(self, offset: usize) -> u32 {
        // SAFETY: the type's promise; `word` has looked that it lies inside. Volatile: the device changes it.
        unsafe { self.word(offset).read_volatile() }
    }

    /// Writes the word at a byte offset.
    pub fn write(self, offset: usize, value: u32) {
        // SAFETY: as in `read`.
        unsafe { self.word(offset).write_volatile(value) }
    }

    /// Writes 64 bits at a byte offset, the lower half first.
    pub fn write_u64(self, offset: usize, value: u64) {
        self.write(offset, value as u32);
        self.write(offset + 4, (value >> 32) as u32);
    }
}
