//! Regions shared with the peer.
use alloc::string::String;
use core::cell::Cell;

use libsel::cap::{Cap, Endpoint};
use libsel::proto::admin::{Kill, MemoryKind, Spawn};
use libsel::proto::root::{MapFlags, Protection, RegionKey};
use libsel::proto::start::slot;
use libsel::proto::{Name, Request, ServiceError, Text, call};
use libsel::rt::slots;
use memtest::{Leave, Offer, PEER, Use, Withdraw, fill, holds, read, write};

use crate::system::{kind_bytes, own_room};
use crate::{Checked, MIB, PAGE, ROOT, ensure, failed, map, stats, unmap};

/// Bytes of the regions: pieces of 256 KiB, and a smaller one.
const BYTES: u64 = MIB + 5 * PAGE;

fn peer_name() -> Name {
    match Name::new(PEER) {
        Some(name) => name,
        None => panic!("the peer's name is a name"),
    }
}

/// The peer's service, looked up each time: it may have been started again.
struct Peer(Cap<Endpoint>, Cell<u64>);

impl Peer {
    fn connect() -> Result<Self, String> {
        let cptr = slots::take().ok_or("no slot")?;
        ROOT.lookup(peer_name(), slots::absolute(cptr)).map_err(failed("lookup of the peer"))?;
        Ok(Peer(Cap::new(cptr), Cell::new(cptr)))
    }

    fn call<R: Request>(&self, request: &R) -> Result<R::Reply, ServiceError> {
        call(self.0, request)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let cptr = self.1.get();
        if slots::absolute(cptr).delete().is_ok() {
            slots::give_back(cptr);
        }
    }
}

fn kill_peer() -> Result<(), ServiceError> {
    call(slot::ADMIN, &Kill { name: peer_name() })
}

fn start_peer() -> Checked {
    let spawn = Spawn { image: peer_name(), arguments: Text::cut(b"again") };
    call(slot::ADMIN, &spawn).map_err(failed("spawn of the peer"))
}

/// Ends the peer, so that its memory is free when the machine's is counted.
pub fn end_peer() {
    let _ = kill_peer();
}

/// A region with the pattern in it.
fn new_region(flags: MapFlags, bytes: u64) -> Result<(u64, RegionKey), String> {
    let start = map(bytes, flags)?;
    if !flags.lazy {
        // SAFETY: it is mapped.
        unsafe { fill(start, bytes) };
    }
    let region = ROOT.share(start, bytes).map_err(failed("share"))?;
    // SAFETY: it is real now.
    unsafe { fill(start, bytes) };
    Ok((start, region))
}

/// Both see what the other writes; eager, promised and large memory.
pub fn region() -> Checked {
    let peer = Peer::connect()?;
    let large = MapFlags { lazy: true, large: true };
    for (flags, bytes) in [(MapFlags::NONE, BYTES), (MapFlags::LAZY, BYTES), (large, 4 * MIB + PAGE)] {
        let before = stats()?;
        let (start, region) = new_region(flags, bytes)?;
        ROOT.grant(region, peer_name(), Protection::READ_WRITE).map_err(failed("grant"))?;
        let words = peer.call(&Use { region, bytes, write: true }).map_err(failed("use by the peer"))?;
        ensure!(words == bytes / 8, "the peer saw {words} words");
        // SAFETY: it is mapped until it is detached.
        ensure!(unsafe { holds(start, bytes, true) }, "what the peer wrote is not here");
        ensure!(ROOT.unmap(start, bytes) == Err(ServiceError::InUse), "a region goes by Unmap");
        peer.call(&Leave {}).map_err(failed("leave of the peer"))?;
        ensure!(peer.call(&Leave {}) == Err(ServiceError::NotFound), "the peer leaves twice");
        // SAFETY: the same.
        ensure!(unsafe { holds(start, bytes, true) }, "it changed when the peer left");
        ROOT.detach(start).map_err(failed("detach"))?;
        let gone = peer.call(&Use { region, bytes, write: false });
        ensure!(gone == Err(ServiceError::NotFound), "the region is still there: {gone:?}");
        ensure!(stats()?.mapped_bytes == before.mapped_bytes, "memory stays after Detach");
    }
    nothing_shared()
}

fn nothing_shared() -> Checked {
    for kind in [MemoryKind::Shared, MemoryKind::Attached] {
        let bytes = kind_bytes(kind)?;
        ensure!(bytes == 0, "{bytes} bytes are still {kind}");
    }
    Ok(())
}

/// What is refused.
pub fn refusals() -> Checked {
    let peer = Peer::connect()?;
    let (start, region) = new_region(MapFlags::NONE, BYTES)?;
    let refused = |write| peer.call(&Use { region, bytes: BYTES, write });
    ensure!(refused(false) == Err(ServiceError::Refused), "nobody was named: {:?}", refused(false));
    ROOT.grant(region, peer_name(), Protection::READ).map_err(failed("grant"))?;
    ensure!(refused(true) == Err(ServiceError::Refused), "it may only read");
    ensure!(refused(false).is_ok(), "it may read");
    ensure!(refused(false) == Err(ServiceError::InUse), "it has it already");
    ensure!(ROOT.share(start, BYTES) == Err(ServiceError::InUse), "it is shared already");
    ensure!(ROOT.attach(region, Protection::READ) == Err(ServiceError::InUse), "we have it already");
    ensure!(ROOT.attach(region + 1, Protection::READ) == Err(ServiceError::NotFound), "there is none");
    ensure!(ROOT.detach(start + PAGE) == Err(ServiceError::NotFound), "none begins there");
    let part = map(64 * PAGE, MapFlags::NONE)?;
    ensure!(ROOT.share(part, PAGE) == Err(ServiceError::InvalidArgument), "a part is shared");
    ensure!(ROOT.share(part + 64 * PAGE, PAGE) == Err(ServiceError::NotFound), "nothing is shared");
    unmap(part, 64 * PAGE)?;
    // We give it up first: the peer keeps it, and pays.
    ROOT.detach(start).map_err(failed("detach"))?;
    let kept = kind_bytes(MemoryKind::Shared)?;
    ensure!(kept >= BYTES, "{kept} bytes are left for the peer");
    peer.call(&Leave {}).map_err(failed("leave of the peer"))?;
    nothing_shared()
}

/// The peer ends in the middle: ours stays, and its memory comes back.
pub fn killed_user() -> Checked {
    let (start, region) = new_region(MapFlags::NONE, BYTES)?;
    ROOT.grant(region, peer_name(), Protection::READ_WRITE).map_err(failed("grant"))?;
    let peer = Peer::connect()?;
    peer.call(&Use { region, bytes: BYTES, write: true }).map_err(failed("use by the peer"))?;
    kill_peer().map_err(failed("kill"))?;
    ensure!(kill_peer() == Err(ServiceError::NotFound), "it is killed twice");
    let answer = peer.call(&Leave {});
    ensure!(answer == Err(ServiceError::Gone), "a dead peer answers {answer:?}");
    // SAFETY: it is ours.
    ensure!(unsafe { holds(start, BYTES, true) }, "it went with the peer");
    ensure!(kind_bytes(MemoryKind::Attached)? == 0, "the peer's mapping stays");
    start_peer()?;
    let peer = Peer::connect()?;
    // SAFETY: it is ours.
    unsafe { fill(start, BYTES) };
    // Leave was given to the name.
    peer.call(&Use { region, bytes: BYTES, write: false }).map_err(failed("use by the new peer"))?;
    peer.call(&Leave {}).map_err(failed("leave of the new peer"))?;
    ROOT.detach(start).map_err(failed("detach"))?;
    nothing_shared()
}

/// The peer made the region and ends: we keep it, and pay.
pub fn killed_maker() -> Checked {
    for is_killed in [false, true] {
        let peer = Peer::connect()?;
        let room = own_room()?;
        let region = peer.call(&Offer { bytes: BYTES }).map_err(failed("offer"))?;
        let start = ROOT.attach(region, Protection::READ).map_err(failed("attach"))?;
        if is_killed {
            kill_peer().map_err(failed("kill"))?;
        } else {
            peer.call(&Withdraw {}).map_err(failed("withdraw"))?;
        }
        // Its memory is given to others: ours must not be among it.
        let other = map(2 * MIB, MapFlags::NONE)?;
        for offset in (0..2 * MIB).step_by(8) {
            // SAFETY: it is mapped.
            unsafe { write(other + offset, u64::MAX) };
        }
        // SAFETY: it is attached.
        ensure!(unsafe { holds(start, BYTES, false) }, "it went with its maker");
        // SAFETY: it is mapped.
        ensure!(unsafe { read(other) } == u64::MAX, "memory is mixed up");
        unmap(other, 2 * MIB)?;
        let left = own_room()?;
        ensure!(left + BYTES <= room, "nobody pays: {left} of {room} bytes are left");
        ROOT.detach(start).map_err(failed("detach"))?;
        if is_killed {
            start_peer()?;
        }
        nothing_shared()?;
    }
    Ok(())
}
