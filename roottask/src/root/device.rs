//! Buffers for devices, and devices' registers.
use libsel::bootinfo::initial;
use libsel::cap::{Cap, IoPort};
use libsel::proto::ServiceError;
use libsel::proto::root::{Device, DeviceMapped, DmaMapped, FramebufferInfo, MapDevice, MapDma};
use roottask::lazy::LARGE_BYTES;
use roottask::loader::PAGE;
use roottask::pci::{self, Bar, Config, Function};
use roottask::{acpi, msi, phys};

use super::answer::{Answer, Outcome, ServiceErrorOf};
use super::map::whole_pages;
use super::pieces::{LARGE_BITS, PAGE_BITS, Use, Wanted};
use super::server::ServerId;
use super::space::Access;
use super::{Root, own_slot};

/// log2 of the bytes of a DMA buffer at most: 64 MiB.
const DMA_BITS: u32 = 26;
/// End of the addresses that 32-bit devices reach.
const BELOW_4G: u64 = 1 << 32;
/// Where the HPET is if ACPI does not say: the usual place (IA-PC HPET specification, 2.3.2).
const HPET_ADDRESS: u64 = 0xfed0_0000;
/// The registers. Bits 16 to 31 of the first one are the vendor's number.
const HPET_BYTES: u64 = 1024;
/// The ports of PCI configuration mechanism 1: address and data. Port 0xcf9 of them resets the machine.
pub const CONFIG_PORTS: (u16, u16) = (0xcf8, 0xcff);
const CONFIG_DATA: u16 = 0xcfc;
/// log2 of the bytes of a block of small device pages at most: 64 pages.
const BLOCK_BITS: u8 = 18;

/// Configuration space through the ports.
pub struct Ports(pub Cap<IoPort>);

impl Config for Ports {
    fn read(&mut self, function: Function, offset: u8) -> u32 {
        let selected = self.0.out32(CONFIG_PORTS.0, function.address(offset));
        selected.and_then(|()| self.0.in32(CONFIG_DATA)).unwrap_or(u32::MAX)
    }

    fn write(&mut self, function: Function, offset: u8, value: u32) {
        if self.0.out32(CONFIG_PORTS.0, function.address(offset)).is_ok() {
            let _ = self.0.out32(CONFIG_DATA, value);
        }
    }
}

impl Root {
    /// Maps memory that is contiguous: one piece.
    pub fn map_dma(&mut self, id: ServerId, request: &MapDma) -> Outcome {
        let bytes = whole_pages(request.bytes)?;
        let align = request.align.max(PAGE);
        let block_bytes = bytes.checked_next_power_of_two().unwrap_or(u64::MAX).max(align);
        if !align.is_power_of_two() || block_bytes > 1 << DMA_BITS {
            return Err(ServiceError::InvalidArgument.into());
        }
        self.make_room(id, block_bytes)?;
        let frame_bits = if bytes >= LARGE_BYTES { LARGE_BITS } else { PAGE_BITS };
        let frames = bytes.div_ceil(1 << frame_bits);
        let vaddr = self.find_addresses(id, frames << frame_bits, 1 << frame_bits)?;
        let size_bits = block_bytes.ilog2() as u8;
        let limit = if request.below_4g { BELOW_4G } else { u64::MAX };
        let block = if request.below_4g {
            self.memory.alloc_below(limit, size_bits)
        } else {
            self.memory.alloc(size_bits)
        };
        let block = block.map_err(|_| ServiceError::OutOfMemory)?;
        let wanted = Wanted { owner: id, purpose: Use::Dma, vaddr, access: Access::DATA };
        let piece = self.pieces.cut(&mut self.memory, wanted, block, frames as u32, frame_bits)?;
        self.enter_piece(id, piece)?;
        let bytes = frames << frame_bits;
        Ok(Answer::of(&DmaMapped { address: vaddr, bytes, physical: block.paddr }))
    }

    /// Maps a device's registers, if the manifest lets the server have them.
    pub fn map_device(&mut self, id: ServerId, request: &MapDevice) -> Outcome {
        if !self.server(id).is_some_and(|server| server.facts.devices.has(request.device)) {
            return Err(ServiceError::Refused.into());
        }
        let (Bar { paddr, bytes }, function) = self.find_device(request.device)?;
        let (purpose, access) = match request.device {
            Device::Framebuffer => (Use::Screen, Access::DATA),
            Device::Trace => (Use::Trace, Access { write: false, execute: false }),
            _ => (Use::Device, Access::DATA),
        };
        let end = paddr.checked_add(bytes).and_then(|end| end.checked_next_multiple_of(PAGE));
        let end = end.ok_or(ServiceError::InvalidArgument)?;
        let start = paddr & !(PAGE - 1);
        let large = start.is_multiple_of(LARGE_BYTES) && end - start >= LARGE_BYTES;
        let vaddr = self.find_addresses(id, end - start, if large { LARGE_BYTES } else { PAGE })?;
        let mut at = start;
        while at < end {
            let place = vaddr + (at - start);
            let wanted = Wanted { owner: id, purpose, vaddr: place, access };
            match self.map_device_block(wanted, at, end) {
                Ok(next) => at = next,
                Err(error) => {
                    self.unmap_range(id, vaddr, place);
                    return Err(error);
                }
            }
        }
        if let Some(function) = function {
            self.start_function(id, function);
        }
        Ok(Answer::of(&DeviceMapped { address: vaddr + (paddr - start), bytes, physical: paddr }))
    }

    /// Maps the next block of a device's memory; returns where it ends.
    fn map_device_block(&mut self, wanted: Wanted, at: u64, end: u64) -> Result<u64, ServiceErrorOf> {
        let is_large = (at | wanted.vaddr).is_multiple_of(LARGE_BYTES) && end - at >= LARGE_BYTES;
        let (size_bits, frame_bits) = if is_large {
            (LARGE_BITS, LARGE_BITS)
        } else {
            let fits = (end - at).ilog2().min(at.trailing_zeros()) as u8;
            (fits.min(BLOCK_BITS), PAGE_BITS)
        };
        let block = self.memory.alloc_at(at, size_bits).map_err(|error| match error {
            phys::Error::Busy => ServiceError::InUse,
            phys::Error::OutOfRange | phys::Error::BadBlock => ServiceError::NotFound,
            _ => ServiceError::OutOfMemory,
        })?;
        let frames = 1 << (size_bits - frame_bits);
        let piece = self.pieces.cut(&mut self.memory, wanted, block, frames, frame_bits)?;
        self.enter_piece(wanted.owner, piece)?;
        Ok(at + block.bytes())
    }

    /// What the framebuffer looks like.
    pub fn framebuffer(&self) -> Outcome {
        let screen = self.bootinfo.framebuffer().ok_or(ServiceError::NotFound)?;
        Ok(Answer::of(&FramebufferInfo {
            width: screen.width,
            height: screen.height,
            pitch: screen.pitch,
            bits_per_pixel: screen.bits_per_pixel,
        }))
    }

    /// Where a device's registers are; and the PCI function, if it is one.
    fn find_device(&mut self, device: Device) -> Result<(Bar, Option<Function>), ServiceError> {
        match device {
            Device::Framebuffer => {
                let screen = self.bootinfo.framebuffer().ok_or(ServiceError::NotFound)?;
                let bytes = u64::from(screen.pitch) * u64::from(screen.height);
                Ok((Bar { paddr: screen.paddr, bytes }, None))
            }
            Device::Trace => {
                let report = self.bootinfo.boot_report().filter(|report| report.trace_paddr != 0);
                let report = report.ok_or(ServiceError::NotFound)?;
                Ok((Bar { paddr: report.trace_paddr, bytes: report.trace_bytes }, None))
            }
            Device::Hpet => Ok((self.find_hpet().ok_or(ServiceError::NotFound)?, None)),
            Device::Pci { vendor, device, bar } => {
                let mut ports = Ports(self.config_ports().ok_or(ServiceError::NotFound)?);
                let function = pci::find(&mut ports, vendor, device).ok_or(ServiceError::NotFound)?;
                let bar = pci::bar(&mut ports, function, bar).ok_or(ServiceError::InvalidArgument)?;
                Ok((bar, Some(function)))
            }
        }
    }

    /// Notes that a function is a server's. False if it is another one's, or the server has too many.
    pub fn note_function(&mut self, id: ServerId, function: Function) -> bool {
        let is_taken = (0..).zip(self.servers.iter()).any(|(other, server)| {
            other != id
                && server.as_ref().is_some_and(|server| server.facts.functions.contains(&Some(function)))
        });
        let functions = self.server_mut(id).filter(|_| !is_taken).map(|server| &mut server.facts.functions);
        let place = functions.and_then(|functions| {
            functions.iter_mut().find(|place| place.is_none_or(|known| known == function))
        });
        place.map(|place| *place = Some(function)).is_some()
    }

    /// Lets a function that a server was given work.
    fn start_function(&mut self, id: ServerId, function: Function) {
        if self.note_function(id, function)
            && let Some(ports) = self.config_ports()
        {
            pci::start(&mut Ports(ports), function);
        }
    }

    /// Keeps the functions that a server was given from writing into memory that is not its any more.
    pub fn stop_functions(&mut self, id: ServerId) {
        let functions = self.server(id).map(|server| server.facts.functions);
        for function in functions.into_iter().flatten().flatten() {
            if let Some(ports) = self.config_ports() {
                pci::stop(&mut Ports(ports), function);
                msi::clear(&mut Ports(ports), function);
            }
        }
    }

    /// The ports of PCI configuration space; issued when they are first needed.
    pub fn config_ports(&mut self) -> Option<Cap<IoPort>> {
        if self.config_ports.is_none() {
            let slot = self.memory.kernel().slots.take(1)?;
            let (first, last) = CONFIG_PORTS;
            match initial::IO_PORT_CONTROL.issue(first, last, own_slot(slot)) {
                Ok(()) => self.config_ports = Some(Cap::new(u64::from(slot))),
                Err(_) => self.memory.kernel().slots.give(slot, 1),
            }
        }
        self.config_ports
    }

    /// The HPET: where ACPI says it is; where it usually is, if something there looks like one.
    fn find_hpet(&mut self) -> Option<Bar> {
        let told = self.read_acpi(acpi::hpet);
        let paddr = told.unwrap_or(HPET_ADDRESS);
        // If somebody has it already, it is there: mapping it will say so.
        let looks_like_one = |register: u32| !matches!(register >> 16, 0 | 0xffff);
        let is_there = told.is_some() || self.read_register(paddr).is_ok_and(looks_like_one);
        is_there.then_some(Bar { paddr, bytes: HPET_BYTES })
    }

    /// What `read` finds in the first ACPI table that it takes for its own.
    pub fn read_acpi<R>(&mut self, read: impl Fn(&[u8]) -> Option<R>) -> Option<R> {
        let (list, is_wide) = acpi::table_list(self.bootinfo.rsdp()?)?;
        let mut addresses = [0; acpi::MAX_TABLES];
        self.with_table(list, |table| {
            for (to, address) in addresses.iter_mut().zip(acpi::tables(table, is_wide)) {
                *to = address;
            }
        })?;
        let known = addresses.into_iter().filter(|address| *address != 0);
        known.into_iter().find_map(|address| self.with_table(address, &read).flatten())
    }

    /// Runs `f` on an ACPI table.
    fn with_table<R>(&mut self, paddr: u64, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let bytes = self.with_physical(paddr, acpi::HEADER_BYTES, acpi::table_bytes).ok().flatten()?;
        self.with_physical(paddr, bytes, f).ok()
    }
}
