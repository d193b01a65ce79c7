//! Pages of 4 KiB: mapped, made read-only, made writable again, unmapped; the tables are there before.

use libsel::Cap;
use libsel::abi::{CapRights, ObjectType, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::Page;

use super::clock::ticks;
use super::objects::make_many;
use super::row::{Bench, Row, long_row, row};
use crate::bare::failure::Outcome;
use crate::bare::fixture::MAP_AREA;

const PAGE_BYTES: Word = 4096;
/// Pages of a page table.
const TABLE_PAGES: u64 = 512;

/// What is done to every page in turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Map,
    Protect,
    Unprotect,
    Unmap,
}

impl Phase {
    const ALL: [Phase; 4] = [Phase::Map, Phase::Protect, Phase::Unprotect, Phase::Unmap];

    fn apply(self, page: Cap<Page>, address: Word) -> libsel::Result<()> {
        let map = |rights| page.map(initial::VSPACE, address, rights, VmAttributes::WRITE_BACK);
        match self {
            Phase::Map | Phase::Unprotect => map(CapRights::READ_WRITE),
            Phase::Protect => map(CapRights::READ),
            Phase::Unmap => page.unmap(),
        }
    }
}

fn run(b: &mut Bench<'_>, pages: u64, measured: Phase) -> Outcome {
    for table in 0..pages.div_ceil(TABLE_PAGES) {
        b.tables(initial::VSPACE, MAP_AREA + table * TABLE_PAGES * PAGE_BYTES)?;
    }
    let first = make_many(b, ObjectType::Page, 0, pages)?;
    b.long_rounds(|_| {
        let mut seen = 0;
        for phase in Phase::ALL {
            let apply = |index| phase.apply(Cap::new(first + index), MAP_AREA + index * PAGE_BYTES);
            let (ticks, result) = ticks(|| (0..pages).try_for_each(apply));
            result?;
            if phase == measured {
                seen = ticks;
            }
        }
        Ok(seen)
    })
}

/// Mappings.
pub const ROWS: &[Row] = &[
    row("map/1", |b| run(b, 1, Phase::Map)),
    row("protect/1", |b| run(b, 1, Phase::Protect)),
    row("unprotect/1", |b| run(b, 1, Phase::Unprotect)),
    row("unmap/1", |b| run(b, 1, Phase::Unmap)),
    row("map/512", |b| run(b, 512, Phase::Map)),
    row("protect/512", |b| run(b, 512, Phase::Protect)),
    row("unprotect/512", |b| run(b, 512, Phase::Unprotect)),
    row("unmap/512", |b| run(b, 512, Phase::Unmap)),
    long_row("map/2048", |b| run(b, 2048, Phase::Map)),
    long_row("protect/2048", |b| run(b, 2048, Phase::Protect)),
    long_row("unprotect/2048", |b| run(b, 2048, Phase::Unprotect)),
    long_row("unmap/2048", |b| run(b, 2048, Phase::Unmap)),
];
