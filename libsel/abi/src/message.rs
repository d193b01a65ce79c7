//! The message info word and the IPC buffer (abi.md 2.2, 2.7).
use crate::{CPtr, MSG_MAX_EXTRA_CAPS, MSG_MAX_LENGTH, Word};

/// The message info word: what a message is and how long (abi.md 2.2).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct MessageInfo(pub Word);

impl MessageInfo {
    const LENGTH_MASK: Word = 0x7f;
    const EXTRA_CAPS_SHIFT: u32 = 7;
    const CAPS_UNWRAPPED_SHIFT: u32 = 9;
    const LABEL_SHIFT: u32 = 12;

    /// Packs the four fields; each is cut to its width.
    #[inline]
    pub const fn new(label: Word, caps_unwrapped: Word, extra_caps: usize, length: usize) -> Self {
        MessageInfo(
            (label << Self::LABEL_SHIFT)
                | ((caps_unwrapped & 7) << Self::CAPS_UNWRAPPED_SHIFT)
                | ((extra_caps as Word & 3) << Self::EXTRA_CAPS_SHIFT)
                | (length as Word & Self::LENGTH_MASK),
        )
    }

    /// User label, invocation label, error number or fault type (52 bits).
    #[inline]
    pub const fn label(self) -> Word {
        self.0 >> Self::LABEL_SHIFT
    }

    /// Sending: capabilities offered. Receiving: capabilities and badges received. 0..=3.
    #[inline]
    pub const fn extra_caps(self) -> usize {
        (self.0 >> Self::EXTRA_CAPS_SHIFT) as usize & MSG_MAX_EXTRA_CAPS
    }

    /// Receiving: bit i says that extra capability i arrived as a badge.
    #[inline]
    pub const fn caps_unwrapped(self) -> Word {
        (self.0 >> Self::CAPS_UNWRAPPED_SHIFT) & 7
    }

    /// Valid message words; the kernel treats values above 120 as 120, and so does this.
    #[inline]
    pub const fn length(self) -> usize {
        let length = (self.0 & Self::LENGTH_MASK) as usize;
        if length > MSG_MAX_LENGTH { MSG_MAX_LENGTH } else { length }
    }
}

impl core::fmt::Debug for MessageInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MessageInfo")
            .field("label", &self.label())
            .field("caps_unwrapped", &self.caps_unwrapped())
            .field("extra_caps", &self.extra_caps())
            .field("length", &self.length())
            .finish()
    }
}

/// The IPC buffer: 1024 bytes, 1024-aligned (abi.md 2.7).
#[derive(Clone, Copy)]
#[repr(C, align(1024))]
pub struct IpcBuffer {
    /// For the user alone; the kernel never touches it.
    pub tag: Word,
    /// Message registers; the kernel uses 4..120, registers carry 0..4.
    pub msg: [Word; MSG_MAX_LENGTH],
    /// For the user alone.
    pub user_data: Word,
    /// Sending: capability pointers of the extra capabilities. Receiving: badges of the unwrapped ones.
    pub caps_or_badges: [Word; MSG_MAX_EXTRA_CAPS],
    /// CNode in which the receive slot is looked up.
    pub receive_cnode: CPtr,
    /// Receive slot relative to `receive_cnode`.
    pub receive_index: CPtr,
    /// Bits of `receive_index` to resolve.
    pub receive_depth: Word,
}

/// Word index of the first extra capability in the buffer.
pub const IPC_BUFFER_CAPS_WORD: usize = core::mem::offset_of!(IpcBuffer, caps_or_badges) / 8;
/// Word index of `msg[0]` in the buffer.
pub const IPC_BUFFER_MSG_WORD: usize = core::mem::offset_of!(IpcBuffer, msg) / 8;
/// Word index of `receive_cnode` in the buffer; index and depth follow.
pub const IPC_BUFFER_RECEIVE_WORD: usize = core::mem::offset_of!(IpcBuffer, receive_cnode) / 8;

const _: () = assert!(size_of::<IpcBuffer>() == 1024);
const _: () = assert!(core::mem::offset_of!(IpcBuffer, msg) == 8);
const _: () = assert!(core::mem::offset_of!(IpcBuffer, caps_or_badges) == 976);
const _: () = assert!(core::mem::offset_of!(IpcBuffer, receive_cnode) == 1000);
