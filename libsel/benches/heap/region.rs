//! The memory that candidates work in.

use std::ptr;

/// The unit of memory that becomes resident.
pub const PAGE_BYTES: usize = 4096;

/// Memory of this process, not in the reach of its own allocator.
pub struct Region {
    pub base: usize,
    pub bytes: usize,
}

impl Region {
    /// `bytes` (whole pages) that become resident when they are touched, in small pages.
    pub fn new(bytes: usize) -> Self {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping takes the place of nothing.
        let base = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
        assert_ne!(base, libc::MAP_FAILED, "no {bytes} bytes of memory");
        // SAFETY: advice about the mapping just made.
        unsafe { libc::madvise(base, bytes, libc::MADV_NOHUGEPAGE) };
        Self { base: base.expose_provenance(), bytes }
    }

    /// The region with all pages resident, so that no page fault is timed.
    pub fn touched(self) -> Self {
        // SAFETY: all of the mapping, which nobody uses yet.
        unsafe { ptr::write_bytes(self.start(), 0x55, self.bytes) };
        self
    }

    /// The first byte.
    pub fn start(&self) -> *mut u8 {
        ptr::with_exposed_provenance_mut(self.base)
    }

    /// Bytes of the first `bytes` bytes from `offset` on that are resident.
    pub fn resident_bytes(&self, offset: usize, bytes: usize) -> usize {
        let mut pages = vec![0_u8; bytes.div_ceil(PAGE_BYTES)];
        let start = self.start().wrapping_add(offset).cast();
        // SAFETY: the vector has one byte for each page.
        let result = unsafe { libc::mincore(start, bytes, pages.as_mut_ptr()) };
        assert_eq!(result, 0, "mincore failed");
        pages.iter().filter(|page| **page & 1 != 0).count() * PAGE_BYTES
    }

    /// Gives the pages at `address` back; they are zero when they are touched again.
    pub fn discard(address: usize, bytes: usize) {
        // SAFETY: pages of a region, which the candidate said it uses no more.
        unsafe { libc::madvise(ptr::with_exposed_provenance_mut(address), bytes, libc::MADV_DONTNEED) };
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, whose users are gone.
        unsafe { libc::munmap(self.start().cast(), self.bytes) };
    }
}
