//! The binned malloc of a server's process, in the tradition of Doug Lea's.
//!
//! A heap is one area of memory that grows and shrinks at its end, cut into *chunks* without gaps. Every chunk starts
//! with a one-word boundary tag (its size and four flags); a free chunk repeats its size in its last word, so that
//! both neighbours of a chunk are found without a search and free neighbours are merged at once. Free chunks wait in
//! *bins*: one bin for every size below 1 KiB, thirty-two for every doubling above, with a bit map that names the bins
//! that are not empty. The free chunk that was cut or merged last is the *spare* chunk, in no bin. What lies behind the
//! last chunk is the *top* chunk; it is in no bin and is cut last.
//!
//! ```text
//!   alloc ─► cache ─► exact bin ─► best larger bin or the spare chunk, split ─► top ─► more memory from the source
//!   free  ─► cache ─► (a few at a time) merged with free neighbours ─► bin, spare chunk or top ─► trim
//! ```
//!
//! * A block below 1 KiB is not merged when it is freed: it goes on the last-in-first-out list of its size class and
//!   stays "in use" for its neighbours. A full list hands a bounded number of blocks to the bins, so that no single
//!   operation pays for many others; how much a list may hold follows what the program does. An empty list is filled with
//!   a few blocks cut in a row. Above 1 KiB the few sizes that were freed lately have such lists.
//! * A request of at least the mapping threshold that no free chunk satisfies goes straight to the source and comes back
//!   to it when freed. The threshold adapts: a program that frees such a block is likely to ask again, and each trip costs
//!   a call.
//! * A block is resized in place where a free neighbour or the top chunk allows it; the area grows under the top chunk
//!   before anything is copied.
//!
//! The heap takes no lock and knows no thread: its owner serialises calls. Threads that share one keep a [`ThreadCache`] each
//! in front of it. It asks for address space through
//! [`Source`] only, so the same code runs in a server, in host tests and under Miri.
//!
//! # What is checked, in every build
//! A block's tag has to match the size that it is freed with; a cached or free block no longer matches, so a double
//! free, a wild pointer and an overwritten tag are found by one comparison. Merging compares both tags of a neighbour,
//! unlinking compares the links from both sides, and links kept in freed memory are masked with a secret word. A
//! failure is reported through [`Source::corrupted`], which names the address and does not return.
//!
//! # Memory access
//! The heap computes with addresses. Memory handed out by the source has its provenance exposed once, and every access
//! goes through `chunk`, the one place that turns an address back into a pointer: a pointer that a caller hands in may
//! be limited to the caller's own bytes, and the tag lies before them.
//!
//! # Files
//! * `source`: where address space comes from and where corruption is reported
//! * `chunk`: boundary tags
//! * `bins`: size to bin, bit maps, the lists of free chunks
//! * `area`: cutting, merging, the top chunk; `segment`: growth and trim of the area
//! * `cache`: the class caches; `recent`: the same for recent sizes above them
//! * `large`: blocks of their own; `aligned`, `realloc`: what their names say
//! * `alloc`: the heap's interface; `stats`: figures
//! * `thread_cache`: what each thread keeps for itself

mod aligned;
mod alloc;
mod area;
mod bins;
mod cache;
mod chunk;
mod large;
mod realloc;
mod recent;
mod segment;
mod source;
mod stats;
mod thread_cache;

#[cfg(test)]
mod tests;

pub use alloc::Heap;
pub use source::{Corruption, CorruptionKind, Growth, PAGE_BYTES, Source};
pub use stats::{BinStats, SourceCalls, Stats};
pub use thread_cache::{Shared, ThreadCache};
