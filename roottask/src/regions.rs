//! Memory that several servers share: who uses a region, who may, and who pays for it.
//!
//! A region is made of memory that one server mapped. It stays as long as anybody uses it, the maker included. Whoever
//! pays uses it: when the payer leaves, by itself or by its end, the next user pays, and with the last one the region
//! ends. Leave to use it is given by name, so that it holds for a server that was restarted.

use libsel::proto::Name;
use libsel::proto::root::Protection;

use crate::account::fair;

/// Regions at most.
pub const MAX_REGIONS: usize = 64;
/// Names that may use one region at most.
pub const MAX_GRANTS: usize = 8;
/// Servers have smaller numbers.
pub const MAX_USERS: usize = 32;

/// Number of a server.
pub type UserId = u8;

/// Why a request about a region cannot be met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// No such region, or none at this address.
    NotFound,
    /// The caller may not.
    Refused,
    /// The caller has it already.
    InUse,
    /// A table is full.
    Full,
}

/// Who may use a region.
#[derive(Clone, Copy, Debug)]
struct Grant {
    name: Name,
    protection: Protection,
}

/// One region.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    key: u64,
    maker: UserId,
    /// Who pays for its memory.
    pub payer: UserId,
    /// Bytes.
    pub bytes: u64,
    /// The first of the pieces that it is made of.
    pub first_piece: u32,
    grants: [Option<Grant>; MAX_GRANTS],
    /// Where each user has it; 0: it does not use it.
    addresses: [u64; MAX_USERS],
}

impl Region {
    fn address(&self, user: UserId) -> u64 {
        self.addresses.get(usize::from(user)).copied().unwrap_or(0)
    }
}

/// What becomes of a region when a user leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Departure {
    /// Nothing changes for the others.
    Stays,
    /// This user pays from now on.
    Pays(UserId),
    /// Nobody is left: it is no region any more.
    Ends,
}

/// All regions.
#[derive(Debug)]
pub struct Regions {
    table: [Option<Region>; MAX_REGIONS],
    last_key: u64,
}

impl Regions {
    /// None yet.
    pub const fn new() -> Self {
        Regions { table: [None; MAX_REGIONS], last_key: 0 }
    }

    /// A region.
    pub fn get(&self, key: u64) -> Option<&Region> {
        self.table.iter().flatten().find(|region| region.key == key)
    }

    fn get_mut(&mut self, key: u64) -> Option<&mut Region> {
        self.table.iter_mut().flatten().find(|region| region.key == key)
    }

    /// Makes a region of memory that the maker has at `address`; returns its key.
    ///
    /// # Errors
    /// [`Error::Full`]: no place, or no fair one, for this maker.
    pub fn create(
        &mut self,
        maker: UserId,
        address: u64,
        bytes: u64,
        first_piece: u32,
    ) -> Result<u64, Error> {
        let held = self.table.iter().flatten().filter(|region| region.maker == maker).count();
        let free = self.table.iter().filter(|place| place.is_none()).count();
        let place = self.table.iter_mut().find(|place| place.is_none()).ok_or(Error::Full)?;
        if !fair(held, 1, free) {
            return Err(Error::Full);
        }
        self.last_key += 1;
        let (key, grants) = (self.last_key, [None; MAX_GRANTS]);
        let mut addresses = [0; MAX_USERS];
        *addresses.get_mut(usize::from(maker)).ok_or(Error::Full)? = address;
        *place = Some(Region { key, maker, payer: maker, bytes, first_piece, grants, addresses });
        Ok(key)
    }

    /// Lets servers of a name use a region; a later leave replaces an earlier one.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Full`]; [`Error::Refused`]: the caller did not make it, or gave it up.
    pub fn grant(
        &mut self,
        caller: UserId,
        key: u64,
        name: Name,
        protection: Protection,
    ) -> Result<(), Error> {
        let region = self.get_mut(key).ok_or(Error::NotFound)?;
        if region.maker != caller || region.address(caller) == 0 {
            return Err(Error::Refused);
        }
        let same = |place: &&mut Option<Grant>| place.is_some_and(|grant| grant.name == name);
        let place = match region.grants.iter_mut().find(same) {
            Some(place) => place,
            None => region.grants.iter_mut().find(|place| place.is_none()).ok_or(Error::Full)?,
        };
        *place = Some(Grant { name, protection });
        Ok(())
    }

    /// Whether a server of this name may begin to use a region in this way.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Refused`]; [`Error::InUse`]: it uses it already.
    pub fn may_attach(
        &self,
        user: UserId,
        name: Name,
        key: u64,
        wanted: Protection,
    ) -> Result<Region, Error> {
        let region = self.get(key).ok_or(Error::NotFound)?;
        if region.address(user) != 0 {
            return Err(Error::InUse);
        }
        let grant = region.grants.iter().flatten().find(|grant| grant.name == name);
        let given = grant.ok_or(Error::Refused)?.protection;
        let allowed = (given.write || !wanted.write) && (given.execute || !wanted.execute);
        if allowed { Ok(*region) } else { Err(Error::Refused) }
    }

    /// A user has a region at this address from now on.
    pub fn attach(&mut self, user: UserId, key: u64, address: u64) {
        let places = self.get_mut(key).map(|region| &mut region.addresses);
        if let Some(place) = places.and_then(|places| places.get_mut(usize::from(user))) {
            *place = address;
        }
    }

    /// The region that a user has at exactly this address.
    pub fn at(&self, user: UserId, address: u64) -> Option<u64> {
        let here = |region: &&Region| address != 0 && region.address(user) == address;
        self.table.iter().flatten().find(here).map(|region| region.key)
    }

    /// Some region that a server uses.
    pub fn any_of(&self, user: UserId) -> Option<u64> {
        self.table.iter().flatten().find(|region| region.address(user) != 0).map(|region| region.key)
    }

    /// A user leaves.
    pub fn leave(&mut self, user: UserId, key: u64) -> Departure {
        let place = self.table.iter_mut().find(|place| place.is_some_and(|region| region.key == key));
        let Some(place) = place else { return Departure::Stays };
        let Some(region) = place else { return Departure::Stays };
        if let Some(address) = region.addresses.get_mut(usize::from(user)) {
            *address = 0;
        }
        if region.maker == user {
            // The number may soon be another server's.
            region.maker = 0;
        }
        let Some(next) = region.addresses.iter().position(|address| *address != 0) else {
            *place = None;
            return Departure::Ends;
        };
        if region.payer != user {
            return Departure::Stays;
        }
        region.payer = next as UserId;
        Departure::Pays(region.payer)
    }
}

impl Default for Regions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn only_who_was_named_may_and_no_more_than_that() {
        let mut regions = Regions::new();
        let key = regions.create(3, 0x5000, 0x2000, 77).unwrap();
        let (read, write) = (Protection::READ, Protection::READ_WRITE);
        assert_eq!(regions.may_attach(4, name("b"), key, read).unwrap_err(), Error::Refused);
        assert_eq!(regions.grant(4, key, name("b"), write), Err(Error::Refused));
        assert_eq!(regions.grant(3, key + 1, name("b"), write), Err(Error::NotFound));
        regions.grant(3, key, name("b"), write).unwrap();
        assert_eq!(regions.may_attach(4, name("b"), key, write).unwrap().first_piece, 77);
        regions.grant(3, key, name("b"), read).unwrap();
        assert_eq!(regions.may_attach(4, name("b"), key, write).unwrap_err(), Error::Refused);
        regions.may_attach(4, name("b"), key, read).unwrap();
        regions.attach(4, key, 0x9000);
        assert_eq!(regions.may_attach(4, name("b"), key, read).unwrap_err(), Error::InUse);
        assert_eq!((regions.at(4, 0x9000), regions.at(4, 0x5000)), (Some(key), None));
        assert_eq!((regions.any_of(4), regions.any_of(5)), (Some(key), None));
    }

    #[test]
    fn whoever_is_left_pays_and_the_last_one_ends_it() {
        let mut regions = Regions::new();
        let key = regions.create(3, 0x5000, 0x2000, 0).unwrap();
        for user in [7, 5] {
            regions.attach(user, key, 0x9000);
        }
        assert_eq!(regions.leave(7, key), Departure::Stays);
        assert_eq!(regions.leave(3, key), Departure::Pays(5));
        assert_eq!(regions.get(key).map(|region| region.payer), Some(5));
        // Who gave it up gives no more leave, nor does a new server of the same number.
        assert_eq!(regions.grant(3, key, name("x"), Protection::READ), Err(Error::Refused));
        assert_eq!(regions.leave(5, key), Departure::Ends);
        assert!(regions.get(key).is_none() && regions.any_of(5).is_none());
        assert_eq!(regions.leave(5, key), Departure::Stays);
    }

    #[test]
    fn nobody_takes_all_places() {
        let mut regions = Regions::new();
        let mut made = 0;
        while regions.create(1, 0x1000, 0x1000, 0).is_ok() {
            made += 1;
        }
        assert_eq!(made, MAX_REGIONS / 2);
        assert!(regions.create(2, 0x1000, 0x1000, 0).is_ok());
        let key = regions.any_of(2).unwrap();
        for number in 0..MAX_GRANTS {
            regions.grant(2, key, name(&format!("s{number}")), Protection::READ).unwrap();
        }
        assert_eq!(regions.grant(2, key, name("more"), Protection::READ), Err(Error::Full));
        assert_eq!(regions.grant(2, key, name("s0"), Protection::READ_WRITE), Ok(()));
    }
}
