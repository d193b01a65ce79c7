//! What each server holds of the machine's memory and of the root task's tables, and how much it may hold.

/// One server's account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Bytes of the blocks that it holds: whole blocks, paging structures too, not just what is mapped.
    held_bytes: u64,
    limit_bytes: u64,
    /// Places in the table of pieces.
    places: usize,
}

impl Account {
    /// Nothing held, and no limit to the bytes yet: for a server that is being built.
    pub const fn new() -> Self {
        Account { held_bytes: 0, limit_bytes: u64::MAX, places: 0 }
    }

    /// From now on the server may hold `quota` bytes more than it does.
    pub fn limit(&mut self, quota: u64) {
        self.limit_bytes = self.held_bytes.saturating_add(quota);
    }

    /// Bytes that it may still take.
    pub fn room(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.held_bytes)
    }

    /// Enters a block of `bytes` that takes one place of a table that has `free_places` left.
    ///
    /// False, and nothing is entered, if it would go over the limit or take an [unfair](fair) share of the table.
    #[must_use]
    pub fn charge(&mut self, bytes: u64, free_places: usize) -> bool {
        if bytes > self.room() || !fair(self.places, 1, free_places) {
            return false;
        }
        self.held_bytes += bytes;
        self.places += 1;
        true
    }

    /// Enters a block whatever the limit is: somebody else held it until now, and the server uses it.
    pub fn burden(&mut self, bytes: u64) {
        self.held_bytes += bytes;
        self.places += 1;
    }

    /// Takes a block out that was entered.
    pub fn refund(&mut self, bytes: u64) {
        debug_assert!(self.places > 0 && bytes <= self.held_bytes);
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
        self.places = self.places.saturating_sub(1);
    }
}

/// Whether someone who holds `held` entries of a shared table may take `more` when `free` are left: nobody may hold
/// more than it leaves to the others. So one alone gets half of a table, two get a third each, and some is always left.
pub fn fair(held: usize, more: usize, free: usize) -> bool {
    held.saturating_add(more.saturating_mul(2)) <= free
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: usize = 1 << 20;

    #[test]
    fn the_limit_counts_from_where_it_is_set() {
        let mut account = Account::new();
        assert!(account.charge(1 << 40, PLENTY));
        account.limit(0x3000);
        assert_eq!(account.room(), 0x3000);
        assert!(account.charge(0x2000, PLENTY));
        assert!(!account.charge(0x1001, PLENTY));
        assert_eq!(account.room(), 0x1000);
        account.refund(0x2000);
        assert!(account.charge(0x3000, PLENTY) && !account.charge(1, PLENTY));
        account.burden(0x2000);
        assert_eq!(account.room(), 0);
        account.refund(0x2000);
        account.limit(u64::MAX);
        assert!(account.charge(0x1000, PLENTY));
    }

    #[test]
    fn nobody_takes_a_whole_table() {
        let places = 600;
        let mut accounts = [Account::new(); 5];
        let mut free = places;
        // The first takes all it can before the others come.
        for account in &mut accounts {
            let before = free;
            while account.charge(1, free) {
                free -= 1;
            }
            assert!(before - free >= before / 2 - 1, "{before} {free}");
            assert!(free > 0);
        }
        assert_eq!(accounts[0].places, places / 2);
        assert!(!fair(usize::MAX, usize::MAX, PLENTY));
    }
}
