//! Recorded traces: sizes and lifetimes of all blocks of one process (`libsel/benches/traces/FORMAT.md`).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use super::workload::Builder;

/// Magic, number of operations, of allocations, of blocks live at once, of bytes live at once.
const HEADER_BYTES: usize = 36;
/// The alignment of everything but memalign.
const ALIGN_LOG2: u8 = 3;

/// The trace in the file `path`, with its name.
pub fn read(path: &str) -> Result<(String, Builder), String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| format!("no workload and no trace {path}: {error}"))?;
    GzDecoder::new(file).read_to_end(&mut bytes).map_err(|error| format!("{path}: {error}"))?;
    let builder = decode(&bytes).ok_or(format!("{path} is no AT1 trace"))?;
    let name = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path);
    Ok((name.trim_end_matches(".gz").trim_end_matches(".at1").to_string(), builder))
}

fn decode(bytes: &[u8]) -> Option<Builder> {
    if !bytes.starts_with(b"AT1\0") {
        return None;
    }
    let operations = u64::from_le_bytes(bytes.get(4..12)?.try_into().ok()?);
    let mut rest = bytes.get(HEADER_BYTES..)?;
    let mut builder = Builder::default();
    // The slot of each block, by the order of allocation.
    let mut slots: Vec<u32> = Vec::new();
    for _ in 0..operations {
        let word = varint(&mut rest)?;
        let value = word >> 3;
        let slot = |slots: &[u32]| slots.get(slots.len().checked_sub(value as usize)?).copied();
        match word & 7 {
            0 | 1 => slots.push(builder.alloc(value as u32, ALIGN_LOG2)),
            2 => slots.push(builder.alloc(value as u32, varint(&mut rest)? as u8)),
            3 => builder.free(slot(&slots)?),
            4 => builder.realloc(slot(&slots)?, varint(&mut rest)? as u32),
            _ => return None,
        }
    }
    Some(builder)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
