//! Tests of the ordered queue.
use super::*;
use proptest::prelude::*;

const POOL: usize = 96;

struct Item {
    links: Links<&'static Item>,
    id: usize,
    key: Cell<u64>,
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
impl Eq for Item {}

impl Node for &'static Item {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

fn pool() -> &'static [Item] {
    let items = (0..POOL).map(|id| Item { links: Links::new(), id, key: Cell::new(0) });
    Vec::leak(items.collect())
}

fn by_key(a: &'static Item, b: &'static Item) -> bool {
    a.key.get() < b.key.get()
}

fn ids(queue: &Queue<&'static Item>) -> Vec<usize> {
    queue.iter().map(|item| item.id).collect()
}

#[test]
fn sizes_are_part_of_the_object_layouts() {
    assert_eq!(size_of::<Queue<&'static Item>>(), 16);
    assert_eq!(size_of::<Links<&'static Item>>(), 32);
}

#[test]
fn one_object_comes_and_goes() {
    let items = pool();
    let queue = Queue::new();
    assert!(queue.is_empty());
    assert!(queue.pop_first().is_none());
    for _ in 0..2 {
        queue.insert(&items[3], by_key);
        assert!(items[3].links.is_linked());
        assert_eq!(queue.first().map(|item| item.id), Some(3));
        assert_eq!(queue.check(by_key), 1);
        queue.remove(&items[3]);
        assert!(!items[3].links.is_linked());
        assert!(queue.is_empty() && queue.first().is_none());
    }
}

#[test]
fn equals_keep_their_order() {
    let items = pool();
    let queue = Queue::new();
    for item in &items[..10] {
        item.key.set(item.id as u64 % 2);
        queue.insert(item, by_key);
    }
    assert_eq!(ids(&queue), [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]);
    queue.remove(&items[4]);
    queue.insert(&items[4], by_key);
    assert_eq!(ids(&queue), [0, 2, 6, 8, 4, 1, 3, 5, 7, 9]);
    assert_eq!(queue.pop_first().map(|item| item.id), Some(0));
}

#[test]
fn depth_stays_logarithmic_for_sorted_input() {
    for ascending in [true, false] {
        let items = pool();
        let queue = Queue::new();
        for item in items {
            let key = if ascending { item.id } else { POOL - item.id };
            item.key.set(key as u64);
            queue.insert(item, by_key);
            queue.check(by_key);
        }
        // An AVL tree of 8 levels has at least 54 nodes, one of 9 levels at least 88, one of 10 at least 143.
        let root = queue.root.get().unwrap();
        assert!(root.links.height.get() <= 9);
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert { id: usize, key: u64 },
    Remove { place: usize },
    Pop,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0..POOL, 0..12u64).prop_map(|(id, key)| Op::Insert { id, key }),
        3 => (0..POOL).prop_map(|place| Op::Remove { place }),
        1 => Just(Op::Pop),
    ]
}

proptest! {
    /// The queue behaves as a list that is kept in stable order.
    #[test]
    fn behaves_as_a_sorted_list(ops in prop::collection::vec(op(), 1..400)) {
        let items = pool();
        let queue = Queue::new();
        let mut model: Vec<(u64, usize)> = Vec::new();
        for op in ops {
            match op {
                Op::Insert { id, key } => {
                    if items[id].links.is_linked() {
                        continue;
                    }
                    items[id].key.set(key);
                    queue.insert(&items[id], by_key);
                    let place = model.partition_point(|&(other, _)| other <= key);
                    model.insert(place, (key, id));
                }
                Op::Remove { place } => {
                    if model.is_empty() {
                        continue;
                    }
                    let (_, id) = model.remove(place % model.len());
                    queue.remove(&items[id]);
                    prop_assert!(!items[id].links.is_linked());
                }
                Op::Pop => {
                    let expected = if model.is_empty() { None } else { Some(model.remove(0).1) };
                    prop_assert_eq!(queue.pop_first().map(|item| item.id), expected);
                }
            }
            prop_assert_eq!(queue.check(by_key), model.len());
            prop_assert_eq!(ids(&queue), model.iter().map(|&(_, id)| id).collect::<Vec<_>>());
        }
    }
}
