//! What requests for memory say and are answered: kinds of mappings, regions, devices, files.

use super::call;
use super::root::{
    Attach, BootFile, Detach, Framebuffer, Grant, Grow, MapBootFile, MapDevice, MapDma, Protection,
    RootService, Share,
};
use super::text::Name;
use super::wire::{DecodeError, Field, ServiceError, Sink, Source};
use crate::abi::Word;
use crate::fields;

/// Number of a region that servers share.
pub type RegionKey = u64;

/// How memory is mapped: one word, bit 0 lazily, bit 1 in large pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MapFlags {
    /// Only promised: a page comes, zeroed, when it is first touched, and counts from then on. If there is none left
    /// then, the server ends.
    pub lazy: bool,
    /// Pages of 2 MiB where size and memory allow; each goes back as a whole.
    pub large: bool,
}

impl MapFlags {
    /// There at once, in small pages.
    pub const NONE: Self = MapFlags { lazy: false, large: false };
    /// Promised, in small pages.
    pub const LAZY: Self = MapFlags { lazy: true, large: false };
    /// There at once, in large pages where it goes.
    pub const LARGE: Self = MapFlags { lazy: false, large: true };
}

impl Field for MapFlags {
    const MAX_WORDS: usize = 1;

    fn put(&self, sink: &mut impl Sink) {
        sink.put(Word::from(self.lazy) | Word::from(self.large) << 1);
    }

    fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
        let bits = source.take()?;
        if bits > 3 {
            return Err(DecodeError);
        }
        Ok(MapFlags { lazy: bits & 1 != 0, large: bits & 2 != 0 })
    }
}

fields! {
    /// A buffer for devices.
    pub struct DmaMapped {
        /// Address of its first byte for the server.
        address: u64,
        /// How many, as Unmap wants them.
        bytes: u64,
        /// Address of its first byte for devices.
        physical: u64,
    }
}

/// A device with registers in memory: two words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// The screen's memory.
    Framebuffer,
    /// The high precision event timer.
    Hpet,
    /// A memory region of the first PCI function of this vendor and device number.
    Pci {
        /// Vendor number.
        vendor: u16,
        /// The vendor's number of the device.
        device: u16,
        /// Base address register, 0 to 5.
        bar: u8,
    },
    /// The kernel's ring of events ([`crate::trace`]), read-only. A kernel that keeps none has no such device.
    Trace,
}

impl Field for Device {
    const MAX_WORDS: usize = 2;

    fn put(&self, sink: &mut impl Sink) {
        let (kind, place) = match *self {
            Device::Framebuffer => (0, 0),
            Device::Hpet => (1, 0),
            Device::Pci { vendor, device, bar } => {
                (2, Word::from(vendor) | Word::from(device) << 16 | Word::from(bar) << 32)
            }
            Device::Trace => (3, 0),
        };
        sink.put(kind);
        sink.put(place);
    }

    fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
        match (source.take()?, source.take()?) {
            (0, 0) => Ok(Device::Framebuffer),
            (1, 0) => Ok(Device::Hpet),
            (3, 0) => Ok(Device::Trace),
            (2, place) if place >> 40 == 0 => Ok(Device::Pci {
                vendor: place as u16,
                device: (place >> 16) as u16,
                bar: (place >> 32) as u8,
            }),
            _ => Err(DecodeError),
        }
    }
}

fields! {
    /// A device's registers.
    pub struct DeviceMapped {
        /// Address of the first byte for the server.
        address: u64,
        /// How many.
        bytes: u64,
        /// Physical address of the first byte.
        physical: u64,
    }
}

fields! {
    /// What a framebuffer looks like.
    pub struct FramebufferInfo {
        /// Pixels of a line.
        width: u32,
        /// Lines.
        height: u32,
        /// Bytes from one line to the next.
        pitch: u32,
        /// Bits of a pixel.
        bits_per_pixel: u8,
    }
}

fields! {
    /// A file of the boot archive.
    pub struct FileInfo {
        /// Its name.
        name: Name,
        /// Bytes.
        bytes: u64,
    }
}

impl RootService {
    /// [`Grow`]; returns the address.
    pub fn grow(self, address: Word, bytes: Word) -> Result<Word, ServiceError> {
        call(self.0, &Grow { address, bytes }).map(|mapped| mapped.address)
    }

    /// [`Share`].
    pub fn share(self, address: Word, bytes: Word) -> Result<RegionKey, ServiceError> {
        call(self.0, &Share { address, bytes })
    }

    /// [`Grant`].
    pub fn grant(self, region: RegionKey, to: Name, protection: Protection) -> Result<(), ServiceError> {
        call(self.0, &Grant { region, to, protection })
    }

    /// [`Attach`]; returns the address.
    pub fn attach(self, region: RegionKey, protection: Protection) -> Result<Word, ServiceError> {
        call(self.0, &Attach { region, protection }).map(|mapped| mapped.address)
    }

    /// [`Detach`].
    pub fn detach(self, address: Word) -> Result<(), ServiceError> {
        call(self.0, &Detach { address })
    }

    /// [`MapDma`].
    pub fn map_dma(self, request: MapDma) -> Result<DmaMapped, ServiceError> {
        call(self.0, &request)
    }

    /// [`MapDevice`].
    pub fn map_device(self, device: Device) -> Result<DeviceMapped, ServiceError> {
        call(self.0, &MapDevice { device })
    }

    /// [`Framebuffer`].
    pub fn framebuffer(self) -> Result<FramebufferInfo, ServiceError> {
        call(self.0, &Framebuffer {})
    }

    /// [`BootFile`].
    pub fn boot_file(self, index: u64) -> Result<FileInfo, ServiceError> {
        call(self.0, &BootFile { index })
    }

    /// [`MapBootFile`]; returns the address.
    pub fn map_boot_file(self, index: u64) -> Result<Word, ServiceError> {
        call(self.0, &MapBootFile { index }).map(|mapped| mapped.address)
    }
}
