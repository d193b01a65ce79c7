//! What the root task gets as untyped memory: devices, and the RAM that is left (abi.md 8.5).
use super::region::{Region, RegionList};
use super::{BootEnv, split};
use crate::addr::PhysAddr;
use crate::cap::UntypedCap;

/// RAM below is handed out as device memory (abi.md 8.5).
const LOW_MEMORY_END: u64 = 1 << 20;
/// End of what device untypeds may cover (abi.md 8.5).
const DEVICE_TOP: u64 = 1 << 47;

/// The untyped capabilities: device memory first, then RAM, each in the order of addresses (abi.md 8.5). `ring` is RAM
/// that is handed out as a device; there is always a device above.
pub fn untypeds<'a>(
    env: &'a BootEnv,
    ram: &'a RegionList,
    mut ring: Option<UntypedCap>,
) -> impl Iterator<Item = UntypedCap> {
    let cap = |device: bool| {
        move |piece: split::Piece| UntypedCap {
            base: PhysAddr(piece.paddr),
            size_bits: piece.size_bits as u8,
            device,
            // RAM is cleared by the first retype.
            watermark: if device { 0 } else { 1 << piece.size_bits },
        }
    };
    let devices = Gaps::new(&env.reserved, DEVICE_TOP);
    let devices = devices.flat_map(|gap| split::split(gap.start, gap.end)).map(cap(true));
    let devices =
        devices.flat_map(move |cap| ring.take_if(|ring| ring.base < cap.base).into_iter().chain([cap]));
    let memory = ram.iter().flat_map(|region| split::split(region.start.max(LOW_MEMORY_END), region.end));
    devices.chain(memory.map(cap(false)))
}

/// What lies between the regions of a list.
struct Gaps<'a> {
    list: &'a RegionList,
    at: u64,
    top: u64,
}

impl<'a> Gaps<'a> {
    fn new(list: &'a RegionList, top: u64) -> Self {
        Gaps { list, at: 0, top }
    }
}

impl Iterator for Gaps<'_> {
    type Item = Region;

    fn next(&mut self) -> Option<Region> {
        while self.at < self.top {
            let start = self.at;
            let next = self.list.iter().find(|region| region.end > start);
            let (end, resume) = match next {
                Some(region) => (region.start.max(start).min(self.top), region.end),
                None => (self.top, self.top),
            };
            self.at = resume;
            if start < end {
                return Some(Region { start, end });
            }
        }
        None
    }
}
