//! Rings of events in files: the machine's memory after a run, or what was kept of it.
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail};
use libsel::abi::trace::{MAGIC, RING_BYTES, RING_WORDS};
use libsel::trace::Ring;

use crate::failure::missing;

/// A copy of one core's ring.
pub struct Recording {
    words: Vec<AtomicU64>,
}

impl Recording {
    /// From the words of a ring.
    pub fn new(words: impl IntoIterator<Item = u64>) -> Self {
        Self { words: words.into_iter().map(AtomicU64::new).collect() }
    }

    /// The ring, to be read.
    ///
    /// # Errors
    /// It is none.
    pub fn ring(&self) -> Result<Ring<'_>> {
        Ring::new(&self.words).context("the recording is damaged")
    }
}

/// Finds every ring in a file: a ring stands at a multiple of its size, in memory as in a file of recordings.
///
/// # Errors
/// The file cannot be read, or there is none in it.
pub fn find(path: &Path) -> Result<Vec<Recording>> {
    let mut file =
        File::open(path).map_err(|error| missing(format!("cannot read {}: {error}", path.display())))?;
    let length = file.metadata()?.len();
    let mut found = Vec::new();
    let mut first = [0; 8];
    for start in (0..length / RING_BYTES as u64).map(|index| index * RING_BYTES as u64) {
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut first)?;
        if u64::from_le_bytes(first) != MAGIC {
            continue;
        }
        let mut bytes = vec![0; RING_BYTES];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut bytes)?;
        found.push(Recording::new(bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word))));
    }
    if found.is_empty() {
        bail!("{} has no ring of events in it", path.display());
    }
    Ok(found)
}

/// Writes recordings to a file that [`find`] reads.
///
/// # Errors
/// It cannot be written.
pub fn save(path: &Path, recordings: &[Recording]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create(path)?;
        for recording in recordings {
            let mut words: Vec<u64> =
                recording.words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
            words.resize(RING_WORDS, 0);
            file.write_all(&words.into_iter().flat_map(u64::to_le_bytes).collect::<Vec<u8>>())?;
        }
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn rings_are_found_where_they_stand() {
        let path = std::env::temp_dir().join(format!("selkie-rings-{}", std::process::id()));
        save(&path, &[Recording::new([1, 2, 3]), sample::recording(), sample::recording()]).unwrap();
        let found = find(&path).unwrap();
        let events = |recording: &Recording| recording.ring().unwrap().events().count();
        assert_eq!(found.iter().map(events).collect::<Vec<_>>(), [sample::EVENTS.len(); 2]);
        save(&path, &[Recording::new([MAGIC])]).unwrap();
        assert!(find(&path).unwrap()[0].ring().is_err(), "a damaged one");
        save(&path, &[]).unwrap();
        assert!(find(&path).err().unwrap().to_string().contains("no ring of events"));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(crate::failure::exit_code(&find(&path).err().unwrap()), 2);
    }
}
