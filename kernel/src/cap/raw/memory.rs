//! Capabilities to memory, looked at without unpacking all of them: invocations of untyped memory and of frames do little
//! else, so that unpacking would be the larger part.
use sel_abi::{CapRights, CapTag};

use super::{ADDRESS_SHIFT, RawCap, TAG_BITS, mapping_word, word0};
use crate::addr::PhysAddr;
use crate::cap::{FrameCap, FrameSize, Mapping, UntypedCap};

/// Small field of a frame capability: where its rights are.
const FRAME_RIGHTS_SHIFT: u32 = 2;
/// Small field of a frame capability: it is a device's.
const FRAME_DEVICE: u64 = 1 << 4;

impl RawCap {
    /// The capability if it is one to a frame, cheaper than [`RawCap::unpack`].
    #[inline(always)]
    pub fn frame(self) -> Option<FrameCap> {
        self.has_tag(CapTag::Frame).then(|| self.unpack_frame())
    }

    /// As [`RawCap::frame`] for untyped memory.
    #[inline(always)]
    pub fn untyped(self) -> Option<UntypedCap> {
        self.has_tag(CapTag::Untyped).then(|| self.unpack_untyped())
    }

    /// The capability to the object of this kind that lies `bytes` further on.
    #[inline(always)]
    pub fn further_on(self, bytes: u64) -> RawCap {
        RawCap(self.0 + (bytes << ADDRESS_SHIFT), self.1)
    }

    /// The first capability to a new frame.
    #[inline(always)]
    pub fn new_frame(base: PhysAddr, size: FrameSize, device: bool) -> RawCap {
        let rights = CapRights::READ_WRITE;
        RawCap::from_frame(&FrameCap { base, size, rights, device, mapping: None })
    }

    #[inline(always)]
    pub(super) fn from_frame(frame: &FrameCap) -> RawCap {
        let size = match frame.size {
            FrameSize::Small => 0,
            FrameSize::Large => 1,
            FrameSize::Huge => 2,
        };
        let rights = (frame.rights.bits() & 3) << FRAME_RIGHTS_SHIFT;
        let small = size | rights | if frame.device { FRAME_DEVICE } else { 0 };
        RawCap(word0(CapTag::Frame, small, frame.base.0), mapping_word(frame.mapping))
    }

    #[inline(always)]
    pub(super) fn from_untyped(untyped: &UntypedCap) -> RawCap {
        let small = u64::from(untyped.size_bits) | u64::from(untyped.device) << 6;
        RawCap(word0(CapTag::Untyped, small, untyped.base.0), untyped.watermark)
    }

    /// The same capability to untyped memory of which this much is used.
    #[inline(always)]
    pub fn with_watermark(self, watermark: u64) -> RawCap {
        debug_assert!(self.has_tag(CapTag::Untyped), "only untyped memory is used up");
        RawCap(self.0, watermark)
    }

    /// The same capability to a frame with another mapping.
    #[inline(always)]
    pub fn with_mapping(self, mapping: Option<Mapping>) -> RawCap {
        debug_assert!(self.has_tag(CapTag::Frame), "only frames are mapped so");
        RawCap(self.0, mapping_word(mapping))
    }

    /// The memory of a frame that is RAM and may be used with these rights, READ or READ and WRITE.
    #[inline(always)]
    pub fn buffer_memory(self, rights: CapRights) -> Option<(PhysAddr, FrameSize)> {
        let needed = rights.bits() << FRAME_RIGHTS_SHIFT;
        let looked_at = (needed | FRAME_DEVICE) << TAG_BITS | ((1 << TAG_BITS) - 1);
        let wanted = needed << TAG_BITS | CapTag::Frame.raw();
        (self.0 & looked_at == wanted).then(|| (self.address(), self.frame_size()))
    }

    #[inline(always)]
    fn frame_size(self) -> FrameSize {
        match self.small(0, 2) {
            0 => FrameSize::Small,
            1 => FrameSize::Large,
            _ => FrameSize::Huge,
        }
    }

    #[inline(always)]
    pub(super) fn unpack_frame(self) -> FrameCap {
        FrameCap {
            base: self.address(),
            size: self.frame_size(),
            rights: CapRights::from_bits_truncate(self.small(FRAME_RIGHTS_SHIFT, 2)),
            device: self.0 & FRAME_DEVICE << TAG_BITS != 0,
            mapping: super::unpack_mapping(self.1),
        }
    }

    #[inline(always)]
    pub(super) fn unpack_untyped(self) -> UntypedCap {
        UntypedCap {
            base: self.address(),
            size_bits: self.small(0, 6) as u8,
            device: self.small(6, 1) != 0,
            watermark: self.1,
        }
    }
}
