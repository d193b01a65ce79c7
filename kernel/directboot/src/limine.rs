//! Numbers of the Limine boot protocol (PROTOCOL.md and limine.h of the Limine project).

/// The newest base revision that directboot speaks; kernels that ask for a later one are loaded with this one and
/// told so. Revision 5 asks for a prepared local APIC and for the SMBIOS tables, which directboot does not offer.
pub const MAX_REVISION: u64 = 4;

/// First two words of the base revision tag; the third is the revision.
pub const BASE_REVISION_MAGIC: [u64; 2] = [0xf956_2b2d_5c95_a6c8, 0x6a7b_3849_4453_6bdc];
/// Requests before the last one of these are ignored.
pub const START_MARKER: [u64; 4] =
    [0xf6b8_f4b3_9de7_d1ae, 0xfab9_1a69_40fc_b9cf, 0x785c_6ed0_15d3_e316, 0x181e_920a_7852_b9d9];
/// Requests after the first one of these are ignored.
pub const END_MARKER: [u64; 2] = [0xadc0_e053_1bb1_0d03, 0x9572_709f_3176_4c62];
/// First two words of every request.
pub const REQUEST_MAGIC: [u64; 2] = [0xc7b1_dd30_df4c_8b88, 0x0a82_e883_a194_f07b];

/// Byte offsets in a request: its revision, the pointer to the response, and the first field of its own.
pub const REQUEST_REVISION: usize = 32;
/// See [`REQUEST_REVISION`].
pub const REQUEST_RESPONSE: usize = 40;
/// See [`REQUEST_REVISION`].
pub const REQUEST_FIELDS: usize = 48;

/// The requests that directboot answers. All others are left alone, as the protocol wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Name and version of the bootloader.
    BootloaderInfo,
    /// The kernel command line.
    CommandLine,
    /// The kind of firmware.
    FirmwareType,
    /// A boot stack of a certain size.
    StackSize,
    /// Where the direct map lies.
    DirectMap,
    /// 4 or 5 levels of page tables.
    PagingMode,
    /// The memory map.
    MemoryMap,
    /// The kernel's own file.
    ExecutableFile,
    /// The modules.
    Modules,
    /// The ACPI root pointer.
    Rsdp,
    /// Where the kernel was loaded.
    ExecutableAddress,
    /// The screen.
    Framebuffer,
}

/// How many features there are.
pub const FEATURE_COUNT: usize = 12;

impl Feature {
    /// All features with the third and fourth word of their requests.
    pub const ALL: [(Self, [u64; 2]); FEATURE_COUNT] = [
        (Self::BootloaderInfo, [0xf550_38d8_e2a1_202f, 0x2794_26fc_f5f5_9740]),
        (Self::CommandLine, [0x4b16_1536_e598_651e, 0xb390_ad4a_2f1f_303a]),
        (Self::FirmwareType, [0x8c2f_75d9_0bef_28a8, 0x7045_a468_8eac_00c3]),
        (Self::StackSize, [0x224e_f046_0a8e_8926, 0xe1cb_0fc2_5f46_ea3d]),
        (Self::DirectMap, [0x48dc_f1cb_8ad2_b852, 0x6398_4e95_9a98_244b]),
        (Self::PagingMode, [0x95c1_a0ed_ab09_44cb, 0xa4e5_cb38_42f7_488a]),
        (Self::MemoryMap, [0x67cf_3d9d_378a_806f, 0xe304_acdf_c50c_3c62]),
        (Self::ExecutableFile, [0xad97_e90e_83f1_ed67, 0x31eb_5d1c_5ff2_3b69]),
        (Self::Modules, [0x3e7e_2797_02be_32af, 0xca1c_4f3b_d128_0cee]),
        (Self::Rsdp, [0xc5e7_7b6b_397e_7b43, 0x2763_7845_accd_cf3c]),
        (Self::ExecutableAddress, [0x71ba_7686_3cc5_5f63, 0xb264_4a48_c516_a487]),
        (Self::Framebuffer, [0x9d58_27dc_d881_dd75, 0xa314_8604_f6fa_b11b]),
    ];
}

/// `LIMINE_FIRMWARE_TYPE_X86BIOS`: what runs below QEMU's `-kernel` is a BIOS.
pub const FIRMWARE_TYPE_BIOS: u64 = 0;
/// `LIMINE_PAGING_MODE_X86_64_4LVL`.
pub const PAGING_MODE_4_LEVELS: u64 = 0;
/// The least size of the boot stack in bytes.
pub const MIN_STACK_BYTES: u64 = 0x1_0000;
