//! Build options of seL4 that move invocation labels (abi.md 1.3, 7.1).
//!
//! A root task is built for one choice of them. [`crate::Label`] has the numbers of the plain configuration; here is how
//! they shift. Labels that an option adds are for objects that this kernel does not have.
use crate::Label;

/// Options, all off in the plain configuration (profile P0 of abi.md 7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelProfile {
    /// HARDWARE_DEBUG_API: four labels from 16 on are TCB breakpoint calls.
    pub hardware_debug: bool,
    /// IOMMU: two labels for I/O page tables before X86PageMap, X86PageMapIO before X86PageGetAddress.
    pub iommu: bool,
    /// VT-x with 64-bit guests: two labels before X86PageDirectoryMap, one behind X86PageGetAddress, more at the end.
    pub vtx: bool,
}

impl LabelProfile {
    /// The plain configuration.
    pub const PLAIN: LabelProfile = LabelProfile { hardware_debug: false, iommu: false, vtx: false };

    /// What is added to the labels from this one up, in the order of the labels.
    fn shifts(self) -> [(Label, u64); 5] {
        let when = |on: bool, count: u64| if on { count } else { 0 };
        [
            (Label::TcbSetTlsBase, when(self.hardware_debug, 4)),
            (Label::X86PageDirectoryMap, when(self.vtx, 2)),
            (Label::X86PageMap, when(self.iommu, 2)),
            (Label::X86PageGetAddress, when(self.iommu, 1)),
            (Label::X86AsidControlMakePool, when(self.vtx, 1)),
        ]
    }

    /// The number that a program built for these options uses for a label.
    pub fn number(self, label: Label) -> u64 {
        let shift: u64 =
            self.shifts().iter().filter(|(from, _)| *from <= label).map(|(_, added)| added).sum();
        label.raw() + shift
    }

    /// The label that a program built for these options means by a number; None for numbers of objects that this kernel
    /// does not have, and for those that mean nothing.
    pub fn label(self, number: u64) -> Option<Label> {
        let mut label = number;
        for (from, added) in self.shifts() {
            if label < from.raw() {
                break;
            }
            label = label.checked_sub(added).filter(|label| *label >= from.raw())?;
        }
        Label::from_raw(label)
    }
}

/// Numbers of the largest profile.
const NUMBERS: usize = 80;

/// [`LabelProfile::label`] as a table: a label plus 1, 0 for none. Zeroed memory knows no number.
#[derive(Clone, Debug)]
pub struct LabelTable([u8; NUMBERS]);

impl LabelTable {
    /// Knows no number.
    pub const fn new() -> Self {
        LabelTable([0; NUMBERS])
    }

    /// The numbers of a profile.
    pub fn of(profile: LabelProfile) -> Self {
        let entry = |number| profile.label(number).map_or(0, |label| label.raw() as u8 + 1);
        LabelTable(core::array::from_fn(|number| entry(number as u64)))
    }

    /// The label that a number means.
    #[inline]
    pub fn label(&self, number: u64) -> Option<Label> {
        let entry = self.0.get(usize::try_from(number).ok()?)?;
        Label::from_raw(u64::from(*entry).checked_sub(1)?)
    }
}

impl Default for LabelTable {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P0: LabelProfile = LabelProfile::PLAIN;
    const P1: LabelProfile = LabelProfile { iommu: true, ..P0 };
    const P2: LabelProfile = LabelProfile { hardware_debug: true, ..P0 };
    const P3: LabelProfile = LabelProfile { hardware_debug: true, iommu: true, vtx: false };
    const P4: LabelProfile = LabelProfile { hardware_debug: false, iommu: true, vtx: true };

    /// Every choice of the three options.
    fn all() -> impl Iterator<Item = LabelProfile> {
        (0..8).map(|bits| LabelProfile {
            hardware_debug: bits & 1 != 0,
            iommu: bits & 2 != 0,
            vtx: bits & 4 != 0,
        })
    }

    /// Rows of the table in abi.md 7.1.
    const ROWS: [(Label, [u64; 5]); 14] = [
        (Label::InvalidInvocation, [0, 0, 0, 0, 0]),
        (Label::TcbUnbindNotification, [15, 15, 15, 15, 15]),
        (Label::TcbSetTlsBase, [16, 16, 20, 20, 16]),
        (Label::CNodeRevoke, [18, 18, 22, 22, 18]),
        (Label::SchedContextYieldTo, [38, 38, 42, 42, 38]),
        (Label::X86PdptUnmap, [40, 40, 44, 44, 40]),
        (Label::X86PageDirectoryMap, [41, 41, 45, 45, 43]),
        (Label::X86PageTableUnmap, [44, 44, 48, 48, 46]),
        (Label::X86PageMap, [45, 47, 49, 51, 49]),
        (Label::X86PageUnmap, [46, 48, 50, 52, 50]),
        (Label::X86PageGetAddress, [47, 50, 51, 54, 52]),
        (Label::X86AsidControlMakePool, [48, 51, 52, 55, 54]),
        (Label::X86IoPortOut32, [56, 59, 60, 63, 62]),
        (Label::X86IrqIssueIrqHandlerMsi, [58, 61, 62, 65, 64]),
    ];

    #[test]
    fn labels_have_the_numbers_of_the_table() {
        for (label, numbers) in ROWS {
            for (profile, number) in [P0, P1, P2, P3, P4].into_iter().zip(numbers) {
                assert_eq!(profile.number(label), number, "{label:?} {profile:?}");
            }
        }
    }

    #[test]
    fn numbers_mean_the_labels_that_have_them_and_no_others() {
        for profile in all() {
            for label in Label::ALL {
                assert_eq!(profile.label(profile.number(*label)), Some(*label), "{profile:?}");
            }
            let known = (0..200).filter(|number| profile.label(*number).is_some()).count();
            assert_eq!(known, Label::ALL.len(), "{profile:?}");
        }
        // Breakpoints, I/O page tables, guests.
        assert_eq!((P2.label(16), P2.label(19), P1.label(45), P1.label(49)), (None, None, None, None));
        assert_eq!((P4.label(41), P4.label(53), P4.label(65)), (None, None, None));
        assert_eq!(P3.label(u64::MAX), None);
    }

    #[test]
    fn the_table_agrees() {
        for profile in all() {
            let table = LabelTable::of(profile);
            for number in (0..200).chain([u64::MAX]) {
                assert_eq!(table.label(number), profile.label(number));
            }
        }
    }
}
