//! Blocks aligned beyond 16 bytes: cut from a longer chunk, whose ends are freed again.

use super::area::Area;
use super::chunk::{Chunk, FLAGS, IN_USE, MIN_CHUNK, PREVIOUS_IN_USE};
use super::source::Source;

impl<S: Source> Area<S> {
    /// Cuts a chunk of `bytes` (a chunk size) whose bytes for the program are aligned to `align`, a power of two.
    pub fn allocate_aligned(&mut self, bytes: usize, align: usize) -> Option<Chunk> {
        // What is cut off in front must be a chunk by itself, so up to `align + MIN_CHUNK` bytes may be lost there.
        let chunk = self.allocate(bytes.checked_add(align)?.checked_add(MIN_CHUNK)?)?;
        let address = chunk.payload_address();
        let mut lead = address.next_multiple_of(align) - address;
        while lead != 0 && lead < MIN_CHUNK {
            lead += align;
        }
        let mut aligned = chunk;
        if lead != 0 {
            let tag = chunk.tag();
            aligned = chunk.after(lead);
            aligned.set_tag(((tag & !FLAGS) - lead) | IN_USE | PREVIOUS_IN_USE);
            self.release(chunk, lead | (tag & FLAGS));
        }
        self.shrink_chunk(aligned, bytes);
        Some(aligned)
    }
}
