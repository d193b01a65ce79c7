//! What the test of the memory service and its peer have in common: the peer's requests, and access to mapped memory.
#![cfg_attr(not(test), no_std)]

use libsel::proto::root::RegionKey;
use libsel::protocol;

/// The peer's name.
pub const PEER: &str = "mempeer";
/// The test's name.
pub const TEST: &str = "memtest";
/// What is written into word `index` of shared memory.
pub const fn pattern(index: u64) -> u64 {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5e1_c1e
}

protocol! {
    /// Requests of the peer.
    pub enum PeerRequest {
        /// Attaches a region, checks that it holds the pattern, and writes the complement of each word if it may. The
        /// answer is the number of words.
        ///
        /// Errors: those of the root task; `InvalidArgument` the words are others.
        Use = 0x1000 -> u64 {
            /// Which region.
            region: RegionKey,
            /// Its bytes.
            bytes: u64,
            /// For writing too.
            write: bool,
        },
        /// Detaches the region that was attached last.
        Leave = 0x1001 -> () {},
        /// Makes a region with the pattern in it and lets the test attach it.
        Offer = 0x1002 -> RegionKey {
            /// Its bytes.
            bytes: u64,
        },
        /// Gives the offered region up.
        Withdraw = 0x1003 -> () {},
    }
}

/// The word at `address`.
///
/// # Safety
/// The root task mapped a word there, readable.
pub unsafe fn read(address: u64) -> u64 {
    let word = core::ptr::with_exposed_provenance::<u64>(address as usize);
    // SAFETY: the caller's promise; others may write it at any time, hence volatile.
    unsafe { word.read_volatile() }
}

/// Writes the word at `address`.
///
/// # Safety
/// The root task mapped a word there, writable, and no reference leads to it.
pub unsafe fn write(address: u64, value: u64) {
    let word = core::ptr::with_exposed_provenance_mut::<u64>(address as usize);
    // SAFETY: the caller's promise.
    unsafe { word.write_volatile(value) }
}

/// Writes the pattern into `bytes` bytes.
///
/// # Safety
/// As of [`write`], for all of them.
pub unsafe fn fill(address: u64, bytes: u64) {
    for index in 0..bytes / 8 {
        // SAFETY: the caller's promise.
        unsafe { write(address + index * 8, pattern(index)) }
    }
}

/// Whether `bytes` bytes hold the pattern, or its complement.
///
/// # Safety
/// As of [`read`], for all of them.
pub unsafe fn holds(address: u64, bytes: u64, complement: bool) -> bool {
    let flip = if complement { u64::MAX } else { 0 };
    // SAFETY: the caller's promise.
    (0..bytes / 8).all(|index| unsafe { read(address + index * 8) } == pattern(index) ^ flip)
}
