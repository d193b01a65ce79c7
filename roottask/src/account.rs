//! What each server holds of the machine's memory and of the root task's tables, and how much it may hold.

/// One server's account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Bytes of the blocks that it holds: whole blocks, paging structures too, not just what is mapped.
    held_bytes: u64,
    limit_bytes: u64,
    /// Places in the table of pieces.
    places: usize,
    /// Slots of the root CNode for frames and objects.
    slots: usize,
}

/// What a block takes, or what is left of it for all servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tables {
    /// Places in the table of pieces.
    pub places: usize,
    /// Slots of the root CNode.
    pub slots: usize,
}

impl Account {
    /// Nothing held, and no limit to the bytes yet: for a server that is being built.
    pub const fn new() -> Self {
        Account { held_bytes: 0, limit_bytes: u64::MAX, places: 0, slots: 0 }
    }

    /// From now on the server may hold `quota` bytes more than it does.
    pub fn limit(&mut self, quota: u64) {
        self.limit_bytes = self.held_bytes.saturating_add(quota);
    }

    /// Bytes that it may still take.
    pub fn room(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.held_bytes)
    }

    /// Enters a block of `bytes` that takes one place and these slots of tables that have `free` left.
    ///
    /// False, and nothing is entered, if it would go over the limit or take an [unfair](fair) share of a table.
    #[must_use]
    pub fn charge(&mut self, bytes: u64, slots: usize, free: Tables) -> bool {
        let is_fair = fair(self.places, 1, free.places) && fair(self.slots, slots, free.slots);
        if bytes > self.room() || !is_fair {
            return false;
        }
        self.burden(bytes, slots);
        true
    }

    /// Enters a block whatever the limit is: somebody else held it until now, and the server uses it.
    pub fn burden(&mut self, bytes: u64, slots: usize) {
        self.held_bytes += bytes;
        self.places += 1;
        self.slots += slots;
    }

    /// Takes a block out that was entered.
    pub fn refund(&mut self, bytes: u64, slots: usize) {
        debug_assert!(self.places > 0 && bytes <= self.held_bytes && slots <= self.slots);
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
        self.places = self.places.saturating_sub(1);
        self.slots = self.slots.saturating_sub(slots);
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

    const PLENTY: Tables = Tables { places: 1 << 20, slots: 1 << 20 };

    #[test]
    fn the_limit_counts_from_where_it_is_set() {
        let mut account = Account::new();
        assert!(account.charge(1 << 40, 1, PLENTY));
        account.limit(0x3000);
        assert_eq!(account.room(), 0x3000);
        assert!(account.charge(0x2000, 1, PLENTY));
        assert!(!account.charge(0x1001, 1, PLENTY));
        assert_eq!(account.room(), 0x1000);
        account.refund(0x2000, 1);
        assert!(account.charge(0x3000, 1, PLENTY) && !account.charge(1, 1, PLENTY));
        account.burden(0x2000, 1);
        assert_eq!(account.room(), 0);
        account.refund(0x2000, 1);
        account.limit(u64::MAX);
        assert!(account.charge(0x1000, 1, PLENTY));
    }

    #[test]
    fn nobody_takes_a_whole_table() {
        let places = 600;
        let mut accounts = [Account::new(); 5];
        let mut free = places;
        // The first takes all it can before the others come.
        for account in &mut accounts {
            let before = free;
            while account.charge(1, 0, Tables { places: free, ..PLENTY }) {
                free -= 1;
            }
            assert!(before - free >= before / 2 - 1, "{before} {free}");
            assert!(free > 0);
        }
        assert_eq!(accounts[0].places, places / 2);
        assert!(!fair(usize::MAX, usize::MAX, 1 << 20));
    }

    #[test]
    fn nobody_takes_all_slots() {
        let mut account = Account::new();
        let mut free = 65_000;
        while account.charge(0x4_0000, 64, Tables { slots: free, ..PLENTY }) {
            free -= 64;
        }
        assert!((32_300..=32_500).contains(&account.slots), "{}", account.slots);
        assert!(Account::new().charge(0x4_0000, 64, Tables { slots: free, ..PLENTY }));
        account.refund(0x4_0000, 64);
        assert!(account.charge(0x4_0000, 64, Tables { slots: free + 64, ..PLENTY }));
    }
}
