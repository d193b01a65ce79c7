//! The peer of the memory test: attaches what it is told to, and offers a region of its own.
#![cfg_attr(target_os = "none", no_std, no_main)]

use libsel::proto::root::{Map, MapFlags, Protection, RegionKey, RootService};
use libsel::proto::start::slot;
use libsel::proto::{Answer, Caller, Handler, Name, Service, ServiceError, serve};
use memtest::{Leave, Offer, PeerRequest, TEST, Use, Withdraw, fill, holds, pattern, write};

const ROOT: RootService = RootService(slot::ROOT);

/// Where its regions are.
#[derive(Default)]
struct Peer {
    attached: u64,
    offered: u64,
}

impl Service for Peer {}

impl Handler<Use> for Peer {
    fn handle(&mut self, request: Use, _: &mut Caller<u64>) -> Result<Answer<u64>, ServiceError> {
        let protection = if request.write { Protection::READ_WRITE } else { Protection::READ };
        self.attached = ROOT.attach(request.region, protection)?;
        // SAFETY: the root task mapped the region there.
        if !unsafe { holds(self.attached, request.bytes, false) } {
            return Err(ServiceError::InvalidArgument);
        }
        if request.write {
            for index in 0..request.bytes / 8 {
                // SAFETY: it is mapped writable.
                unsafe { write(self.attached + index * 8, !pattern(index)) }
            }
        }
        Ok((request.bytes / 8).into())
    }
}

impl Handler<Leave> for Peer {
    fn handle(&mut self, _: Leave, _: &mut Caller<()>) -> Result<Answer<()>, ServiceError> {
        ROOT.detach(self.attached)?;
        Ok(().into())
    }
}

impl Handler<Offer> for Peer {
    fn handle(
        &mut self,
        request: Offer,
        _: &mut Caller<RegionKey>,
    ) -> Result<Answer<RegionKey>, ServiceError> {
        let (bytes, protection) = (request.bytes, Protection::READ_WRITE);
        self.offered = ROOT.map(Map { address: 0, bytes, align: 0, protection, flags: MapFlags::NONE })?;
        // SAFETY: the root task mapped it there.
        unsafe { fill(self.offered, bytes) };
        let region = ROOT.share(self.offered, bytes)?;
        ROOT.grant(region, Name::new(TEST).ok_or(ServiceError::NotFound)?, Protection::READ)?;
        Ok(region.into())
    }
}

impl Handler<Withdraw> for Peer {
    fn handle(&mut self, _: Withdraw, _: &mut Caller<()>) -> Result<Answer<()>, ServiceError> {
        ROOT.detach(self.offered)?;
        Ok(().into())
    }
}

#[libsel::main]
fn main() {
    serve::<PeerRequest, _>(&mut Peer::default())
}
