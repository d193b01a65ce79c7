//! Finds the kernel's requests in its loaded image.
use crate::bytes::{put_u64, u64_at};
use crate::limine::{
    BASE_REVISION_MAGIC, END_MARKER, FEATURE_COUNT, Feature, MAX_REVISION, MIN_STACK_BYTES,
    PAGING_MODE_4_LEVELS, REQUEST_FIELDS, REQUEST_MAGIC, REQUEST_RESPONSE, REQUEST_REVISION, START_MARKER,
};
use core::fmt;
use core::ops::Range;

/// What is wrong with the requests of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no base revision tag (between the markers, if there are any).
    NoBaseRevision,
    /// The base revision tag is there twice.
    TwoBaseRevisions,
    /// A request is there twice.
    Twice(Feature),
    /// The kernel cannot run with 4 levels of page tables.
    NeedsFiveLevels,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBaseRevision => write!(
                f,
                "has no Limine base revision tag; put a limine::BaseRevision, marked #[used], between the request markers"
            ),
            Self::TwoBaseRevisions => write!(f, "has two Limine base revision tags; remove one"),
            Self::Twice(feature) => write!(f, "has two Limine requests {feature:?}; remove one"),
            Self::NeedsFiveLevels => {
                write!(f, "asks for 5-level page tables; set min_mode of its paging mode request to 4 levels")
            }
        }
    }
}

/// Where in the image the base revision tag and the requests lie, as byte offsets.
#[derive(Debug)]
pub struct Requests {
    base_revision_tag: usize,
    requested_revision: u64,
    found: [Option<usize>; FEATURE_COUNT],
}

impl Requests {
    /// Scans the loaded image at all multiples of 8 bytes.
    pub fn find(image: &[u8]) -> Result<Self, Fault> {
        let mut tag = None;
        let mut found = [None; FEATURE_COUNT];
        for offset in delimited(image).step_by(8) {
            if matches_at(image, offset, &BASE_REVISION_MAGIC) {
                let revision = u64_at(image, offset + 16).ok_or(Fault::NoBaseRevision)?;
                if tag.replace((offset, revision)).is_some() {
                    return Err(Fault::TwoBaseRevisions);
                }
            }
            if !matches_at(image, offset, &REQUEST_MAGIC) {
                continue;
            }
            for (place, (feature, id)) in found.iter_mut().zip(Feature::ALL) {
                if matches_at(image, offset + 16, &id) && place.replace(offset).is_some() {
                    return Err(Fault::Twice(feature));
                }
            }
        }
        let (base_revision_tag, requested_revision) = tag.ok_or(Fault::NoBaseRevision)?;
        let requests = Self { base_revision_tag, requested_revision, found };
        requests.check_paging_mode(image)?;
        Ok(requests)
    }

    /// The base revision that the kernel is loaded with.
    pub fn revision(&self) -> u64 {
        self.requested_revision.min(MAX_REVISION)
    }

    /// True if the kernel asks for `feature`.
    pub fn has(&self, feature: Feature) -> bool {
        self.offset(feature).is_some()
    }

    /// The size of the boot stack that the kernel asks for in bytes, or the least size.
    pub fn stack_bytes(&self, image: &[u8]) -> u64 {
        let request = self.offset(Feature::StackSize);
        request.and_then(|offset| u64_at(image, offset + REQUEST_FIELDS)).unwrap_or(0).max(MIN_STACK_BYTES)
    }

    /// Writes into the base revision tag: the revision in use into its second word, and 0 into its third if that is
    /// the revision asked for.
    pub fn answer_base_revision(&self, image: &mut [u8]) -> Option<()> {
        put_u64(image, self.base_revision_tag + 8, self.revision())?;
        if self.revision() == self.requested_revision {
            put_u64(image, self.base_revision_tag + 16, 0)?;
        }
        Some(())
    }

    /// Writes the virtual address of a response into its request.
    pub fn answer(&self, image: &mut [u8], feature: Feature, response: u64) -> Option<()> {
        put_u64(image, self.offset(feature)? + REQUEST_RESPONSE, response)
    }

    fn offset(&self, feature: Feature) -> Option<usize> {
        let known = self.found.iter().zip(Feature::ALL);
        known.filter(|(_, (other, _))| *other == feature).find_map(|(offset, _)| *offset)
    }

    /// `min_mode`, the third field, counts from request revision 1 on.
    fn check_paging_mode(&self, image: &[u8]) -> Result<(), Fault> {
        let request = self.offset(Feature::PagingMode);
        let field = |at: usize| request.and_then(|offset| u64_at(image, offset + at)).unwrap_or(0);
        if field(REQUEST_REVISION) >= 1 && field(REQUEST_FIELDS + 16) > PAGING_MODE_4_LEVELS {
            return Err(Fault::NeedsFiveLevels);
        }
        Ok(())
    }
}

/// The range between the last start marker and the first end marker after it; without them, from the image's start or
/// to its end.
fn delimited(image: &[u8]) -> Range<usize> {
    let places = || (0..image.len()).step_by(8);
    let after_marker = places().rev().find(|&at| matches_at(image, at, &START_MARKER));
    let start = after_marker.map_or(0, |at| at + 8 * START_MARKER.len());
    let end = places().find(|&at| at >= start && matches_at(image, at, &END_MARKER));
    start..end.unwrap_or(image.len())
}

fn matches_at(image: &[u8], offset: usize, words: &[u64]) -> bool {
    words.iter().enumerate().all(|(index, &word)| u64_at(image, offset + 8 * index) == Some(word))
}

#[cfg(test)]
#[path = "requests_tests.rs"]
mod tests;
