//! Figures about a heap. Computed when asked for, so that allocation pays for no counter but those of source calls.

use super::alloc::Heap;
use super::bins::bin_floor;
use super::source::Source;

/// How often the source was called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceCalls {
    /// Calls of [`Source::grow`], failed ones included.
    pub grow: usize,
    /// Calls of [`Source::shrink`].
    pub shrink: usize,
    /// Calls of [`Source::map`], failed ones included.
    pub map: usize,
    /// Calls of [`Source::unmap`] for whole blocks.
    pub unmap: usize,
}

impl SourceCalls {
    pub(super) const NONE: Self = Self { grow: 0, shrink: 0, map: 0, unmap: 0 };
}

/// Where a heap's memory is. Chunk sizes include the boundary tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Bytes in chunks that the program has allocated, without mapped blocks.
    pub live_bytes: usize,
    /// Bytes in chunks that are cached, by class or as a recent size.
    pub cached_bytes: usize,
    /// Cached chunks.
    pub cached_chunks: usize,
    /// Bytes in free chunks other than the top chunk.
    pub free_bytes: usize,
    /// Free chunks other than the top chunk.
    pub free_chunks: usize,
    /// Bytes in the top chunk.
    pub top_bytes: usize,
    /// Bytes that the area has from the source.
    pub area_bytes: usize,
    /// The most that `area_bytes` ever was.
    pub area_peak_bytes: usize,
    /// Bytes in mapped blocks.
    pub mapped_bytes: usize,
    /// Mapped blocks.
    pub mapped_blocks: usize,
    /// Calls of the source so far.
    pub calls: SourceCalls,
}

/// The contents of one bin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BinStats {
    /// The smallest chunk size that belongs in this bin.
    pub floor_bytes: usize,
    /// Its chunks.
    pub chunks: usize,
    /// Their bytes.
    pub bytes: usize,
}

impl<S: Source> Heap<S> {
    /// The heap's figures. Takes time proportional to the number of free chunks.
    pub fn stats(&self) -> Stats {
        let mut free_bytes = self.area.spare_bytes;
        let mut free_chunks = usize::from(self.area.spare.is_some());
        for (_, chunk) in self.area.bins.iter() {
            free_bytes += chunk.size();
            free_chunks += 1;
        }
        let (mut cached_bytes, mut cached_chunks) = (0, 0);
        for (bytes, count) in self.cache.iter().chain(self.recent.iter()) {
            cached_bytes += bytes * count;
            cached_chunks += count;
        }
        let top_bytes = self.area.top_bytes();
        let used = self.area.area_bytes - self.area.overhead_bytes();
        Stats {
            live_bytes: used - free_bytes - cached_bytes - top_bytes,
            cached_bytes,
            cached_chunks,
            free_bytes,
            free_chunks,
            top_bytes,
            area_bytes: self.area.area_bytes,
            area_peak_bytes: self.area.area_peak_bytes,
            mapped_bytes: self.large.mapped_bytes,
            mapped_blocks: self.large.blocks,
            calls: self.area.calls,
        }
    }

    /// Calls `visit` for every bin that is not empty, in the order of sizes.
    pub fn visit_bins(&self, mut visit: impl FnMut(BinStats)) {
        let mut current: Option<BinStats> = None;
        for (bin, chunk) in self.area.bins.iter() {
            let floor_bytes = bin_floor(bin);
            match &mut current {
                Some(stats) if stats.floor_bytes == floor_bytes => {
                    stats.chunks += 1;
                    stats.bytes += chunk.size();
                }
                _ => {
                    let next = BinStats { floor_bytes, chunks: 1, bytes: chunk.size() };
                    if let Some(done) = current.replace(next) {
                        visit(done);
                    }
                }
            }
        }
        if let Some(last) = current {
            visit(last);
        }
    }
}
