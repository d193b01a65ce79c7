//! Capabilities: copied, minted, moved, deleted, revoked.

use libsel::abi::{CapRights, Word};
use libsel::bootinfo::initial;

use super::clock::ticks;
use super::row::{Bench, Row, long_row, row};
use crate::bare::failure::Outcome;

/// An operation on a source slot that has a capability and a destination slot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Copy,
    Mint,
    Move,
    Delete,
}

/// Measures an operation between two slots; afterwards the source is as before and the destination is empty.
fn run(b: &mut Bench<'_>, operation: Operation) -> Outcome {
    let source = initial::CNODE.at(b.endpoint()?.cptr());
    let place = b.place();
    b.rounds(|_| {
        let (ticks, result) = match operation {
            Operation::Copy => ticks(|| place.copy(source, CapRights::ALL)),
            Operation::Mint => ticks(|| place.mint(source, CapRights::ALL, 7)),
            Operation::Move => ticks(|| place.move_from(source)),
            Operation::Delete => {
                place.copy(source, CapRights::ALL)?;
                ticks(|| place.delete())
            }
        };
        result?;
        if operation == Operation::Move {
            source.move_from(place)?;
        }
        place.delete()?;
        Ok(ticks)
    })
}

/// Revokes a capability with `children` copies.
fn revoke(b: &mut Bench<'_>, children: Word) -> Outcome {
    let source = initial::CNODE.at(b.endpoint()?.cptr());
    let first = b.slots(children);
    b.long_rounds(|_| {
        (first..first + children)
            .try_for_each(|slot| initial::CNODE.at(slot).mint(source, CapRights::ALL, slot))?;
        let (ticks, result) = ticks(|| source.revoke());
        result?;
        Ok(ticks)
    })
}

/// Capabilities.
pub const ROWS: &[Row] = &[
    row("cap/copy", |b| run(b, Operation::Copy)),
    row("cap/mint", |b| run(b, Operation::Mint)),
    row("cap/move", |b| run(b, Operation::Move)),
    row("cap/delete", |b| run(b, Operation::Delete)),
    row("revoke/1", |b| revoke(b, 1)),
    row("revoke/100", |b| revoke(b, 100)),
    long_row("revoke/10000", |b| revoke(b, 10_000)),
];
