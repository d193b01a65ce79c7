//! What the processor can do, found at run time, and its control registers (SDM vol. 3, 2.5).
use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count, CpuidResult};
use core::fmt;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use x86_64::registers::control::{Cr0, Cr0Flags, Cr2, Cr4, Cr4Flags};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

use super::counters::Counters;
use super::msr;

bitflags::bitflags! {
    /// Features that the kernel uses or reports.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Features: u32 {
        /// Pages without execution. Required.
        const NX = 1 << 0;
        /// The kernel executes no user page.
        const SMEP = 1 << 1;
        /// The kernel reads and writes no user page.
        const SMAP = 1 << 2;
        /// SGDT and the like are refused in user mode.
        const UMIP = 1 << 3;
        /// FS and GS bases by instruction.
        const FSGSBASE = 1 << 4;
        /// Tagged TLB.
        const PCID = 1 << 5;
        /// Pages of 1 GiB.
        const HUGE_PAGES = 1 << 6;
        /// Local APIC through model-specific registers.
        const X2APIC = 1 << 7;
        /// Extended state save.
        const XSAVE = 1 << 8;
        /// Local APIC timer with a TSC deadline.
        const TSC_DEADLINE = 1 << 9;
        /// The TSC runs at one rate in all power states.
        const INVARIANT_TSC = 1 << 10;
        /// A hypervisor runs below.
        const HYPERVISOR = 1 << 11;
        /// AVX registers.
        const AVX = 1 << 12;
    }
}

/// Names for the boot report.
const NAMES: [(Features, &str); 13] = [
    (Features::NX, "nx"),
    (Features::SMEP, "smep"),
    (Features::SMAP, "smap"),
    (Features::UMIP, "umip"),
    (Features::FSGSBASE, "fsgsbase"),
    (Features::PCID, "pcid"),
    (Features::HUGE_PAGES, "1gib-pages"),
    (Features::X2APIC, "x2apic"),
    (Features::XSAVE, "xsave"),
    (Features::AVX, "avx"),
    (Features::TSC_DEADLINE, "tsc-deadline"),
    (Features::INVARIANT_TSC, "invariant-tsc"),
    (Features::HYPERVISOR, "hypervisor"),
];

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (_, name)) in NAMES.iter().filter(|(feature, _)| self.contains(*feature)).enumerate() {
            write!(f, "{}{name}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

static FEATURES: AtomicU32 = AtomicU32::new(0);
static PHYSICAL_BITS: AtomicU8 = AtomicU8::new(36);

/// Why the kernel cannot run on this processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsupported {
    /// There are no pages without execution.
    NoExecuteNever,
    /// The boot loader uses page tables of five levels.
    FiveLevels,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unsupported::NoExecuteNever => {
                "this processor has no NX (or it is switched off): enable \"execute disable\" in the firmware's setup, \
                 or give QEMU a `-cpu` that has it"
            }
            Unsupported::FiveLevels => {
                "the boot loader left five-level paging on: remove its `max_paging_mode` setting"
            }
        })
    }
}

/// True if the processor has all of these features.
#[inline]
pub fn has(features: Features) -> bool {
    Features::from_bits_retain(FEATURES.load(Ordering::Relaxed)).contains(features)
}

/// All features of the processor.
pub fn features() -> Features {
    Features::from_bits_retain(FEATURES.load(Ordering::Relaxed))
}

/// Physical addresses have this many bits.
pub fn physical_bits() -> u8 {
    PHYSICAL_BITS.load(Ordering::Relaxed)
}

/// A CPUID leaf; zeros if the processor does not have it.
pub fn leaf(number: u32, sub: u32) -> CpuidResult {
    const HYPERVISOR: u32 = 0x4000_0000;
    const EXTENDED: u32 = 0x8000_0000;
    let group = match number {
        EXTENDED.. => EXTENDED,
        HYPERVISOR.. => HYPERVISOR,
        _ => 0,
    };
    if __cpuid(group).eax < number {
        return CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };
    }
    __cpuid_count(number, sub)
}

/// Looks at what the processor can do.
fn detect() -> Features {
    let basic = leaf(1, 0);
    let structured = leaf(7, 0);
    let extended = leaf(0x8000_0001, 0);
    let power = leaf(0x8000_0007, 0);
    let sizes = leaf(0x8000_0008, 0);
    if sizes.eax & 0xff != 0 {
        PHYSICAL_BITS.store((sizes.eax & 0xff).clamp(32, 52) as u8, Ordering::Relaxed);
    }
    let mut features = Features::empty();
    for (feature, register, bit) in [
        (Features::NX, extended.edx, 20),
        (Features::SMEP, structured.ebx, 7),
        (Features::SMAP, structured.ebx, 20),
        (Features::UMIP, structured.ecx, 2),
        (Features::FSGSBASE, structured.ebx, 0),
        (Features::PCID, basic.ecx, 17),
        (Features::HUGE_PAGES, extended.edx, 26),
        (Features::X2APIC, basic.ecx, 21),
        (Features::XSAVE, basic.ecx, 26),
        (Features::TSC_DEADLINE, basic.ecx, 24),
        (Features::INVARIANT_TSC, power.edx, 8),
        (Features::AVX, basic.ecx, 28),
        (Features::HYPERVISOR, basic.ecx, 31),
    ] {
        features.set(feature, register >> bit & 1 != 0);
    }
    features
}

/// Detects features and sets the control registers up for them. Features in `unwanted` are left off.
pub fn init(unwanted: Features) -> Result<(), Unsupported> {
    const EFER_SYSCALL: u64 = 1 << 0;
    const EFER_NO_EXECUTE: u64 = 1 << 11;
    /// WB, WT, UC-, UC, WC (abi.md 7.8), then WT, UC-, UC as after reset.
    const PAT: u64 = 0x0007_0401_0007_0406;
    let mut features = detect() - unwanted;
    // There is no saving it without.
    features.set(Features::AVX, features.contains(Features::AVX | Features::XSAVE));
    FEATURES.store(features.bits(), Ordering::Relaxed);
    if !features.contains(Features::NX) {
        return Err(Unsupported::NoExecuteNever);
    }
    if Cr4::read().contains(Cr4Flags::L5_PAGING) {
        return Err(Unsupported::FiveLevels);
    }
    let mut cr4 = Cr4Flags::PHYSICAL_ADDRESS_EXTENSION
        | Cr4Flags::MACHINE_CHECK_EXCEPTION
        | Cr4Flags::OSFXSR
        | Cr4Flags::OSXMMEXCPT_ENABLE;
    for (feature, flag) in [
        (Features::SMEP, Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION),
        (Features::SMAP, Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION),
        (Features::UMIP, Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION),
        (Features::FSGSBASE, Cr4Flags::FSGSBASE),
        (Features::XSAVE, Cr4Flags::OSXSAVE),
    ] {
        cr4.set(flag, features.contains(feature));
    }
    let cr0 = Cr0Flags::PROTECTED_MODE_ENABLE
        | Cr0Flags::MONITOR_COPROCESSOR
        | Cr0Flags::EXTENSION_TYPE
        | Cr0Flags::NUMERIC_ERROR
        | Cr0Flags::WRITE_PROTECT
        // For users who set RFLAGS.AC; the kernel is not checked.
        | Cr0Flags::ALIGNMENT_MASK
        | Cr0Flags::PAGING;
    // SAFETY: 1. Each bit of CR4 is set only with its feature; paging stays on with four levels. 2. No user page and no
    // page without execution is in use by the kernel yet. 3. Index 0 of the PAT, the only one in use, stays write-back.
    unsafe {
        msr::write(msr::EFER, msr::read(msr::EFER) | EFER_SYSCALL | EFER_NO_EXECUTE);
        msr::write(msr::PAT, PAT);
        Cr0::write_raw(cr0.bits());
        Cr4::write_raw(cr4.bits());
        if features.contains(Features::XSAVE) {
            let mut components = XCr0Flags::X87 | XCr0Flags::SSE;
            components.set(XCr0Flags::AVX, features.contains(Features::AVX));
            XCr0::write(components);
        }
    }
    Ok(())
}

/// Lets users read performance counters by RDPMC.
pub fn enable_counters() {
    // SAFETY: the bit changes what one instruction does in user mode; every 64-bit processor has it.
    unsafe { Cr4::write_raw((Cr4::read() | Cr4Flags::PERFORMANCE_MONITOR_COUNTER).bits()) }
}

/// The performance counters of this processor.
fn counters() -> Counters {
    const LEAF: u32 = 0x0a;
    Counters::of_leaf(leaf(LEAF, 0).eax)
}

/// What a register of a performance counter holds; 0 for any other.
pub fn read_counter_register(msr: u64) -> u64 {
    match u32::try_from(msr) {
        // SAFETY: CPUID says that the processor has the register.
        Ok(msr) if counters().writable(msr).is_some() => unsafe { msr::read(msr) },
        _ => 0,
    }
}

/// Writes a register of a performance counter; nothing happens to any other.
pub fn write_counter_register(msr: u64, value: u64) {
    if let Ok(msr) = u32::try_from(msr)
        && let Some(bits) = counters().writable(msr)
    {
        // SAFETY: CPUID says that the processor has the register. These bits are legal in all combinations, and the
        // kernel uses no counter.
        unsafe { msr::write(msr, value & bits) }
    }
}

/// Lets pages that all address spaces share stay in the TLB; what is in it by now is forgotten.
pub fn enable_global_pages() {
    // SAFETY: the kernel's own page tables are in use, and mark as global only what is the same in all of them.
    unsafe { Cr4::write_raw((Cr4::read() | Cr4Flags::PAGE_GLOBAL).bits()) }
}

/// Lets CR3 hold the tag of an address space.
pub fn enable_tags() {
    // SAFETY: CR3 holds tag 0: the kernel's own page tables are in use. The processor has the feature.
    unsafe { Cr4::write_raw((Cr4::read() | Cr4Flags::PCID).bits()) }
}

/// Address of the last page fault.
#[inline]
pub fn fault_address() -> u64 {
    Cr2::read_raw()
}

/// Clears RFLAGS.AC, so that SMAP is in force.
#[inline]
pub fn clear_access_flag() {
    if has(Features::SMAP) {
        // SAFETY: the instruction exists where SMAP does, and the kernel nowhere relies on the flag being set.
        unsafe { asm!("clac", options(nomem, nostack)) }
    }
}

/// The processor's name, as it gives it itself.
pub struct Name;

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 48];
        let registers = (0x8000_0002..=0x8000_0004).flat_map(|number| {
            let CpuidResult { eax, ebx, ecx, edx } = leaf(number, 0);
            [eax, ebx, ecx, edx]
        });
        for (to, from) in text.chunks_exact_mut(4).zip(registers) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        let length = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        let name = core::str::from_utf8(text.get(..length).unwrap_or_default()).unwrap_or("").trim();
        f.write_str(if name.is_empty() { "x86_64 processor" } else { name })
    }
}
