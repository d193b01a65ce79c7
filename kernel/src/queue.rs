//! An ordered queue whose links live inside the queued objects: a balanced (AVL) tree with a cached first element.
//!
//! It serves where order matters and many objects can wait: the wait queues of endpoints and notifications (highest
//! priority first, abi.md 9.3) and the release queue (earliest time first, abi.md 9.7). Equal objects keep the order in
//! which they came. Inserting and removing take O(log n) steps, whatever object is removed; the usual cases, a queue of
//! one and a look at the first, take a few instructions.
//!
//! Memory that is all zero is an empty queue and an unlinked object, so retype has nothing to initialise.
#![forbid(unsafe_code)]

use core::cell::Cell;
use core::iter;

/// A handle of an object that can be queued, such as a pointer to a TCB.
pub trait Node: Copy + Eq {
    /// The links inside the object. One object can be in one queue per `Links` that it has.
    fn links(&self) -> &Links<Self>;
}

/// The place of one object in a queue; part of the object.
#[repr(C)]
pub struct Links<N> {
    left: Cell<Option<N>>,
    right: Cell<Option<N>>,
    parent: Cell<Option<N>>,
    /// Levels of the subtree that starts here: 1 without children, 0 while in no queue.
    height: Cell<u64>,
}

/// A queue of objects in an order that the users of the queue agree on. At most one queue holds an object's [`Links`].
#[repr(C)]
pub struct Queue<N> {
    root: Cell<Option<N>>,
    /// The leftmost object of the tree.
    first: Cell<Option<N>>,
}

/// Which child.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

impl<N: Node> Links<N> {
    /// Links of an object in no queue.
    pub const fn new() -> Self {
        Links { left: Cell::new(None), right: Cell::new(None), parent: Cell::new(None), height: Cell::new(0) }
    }

    /// Whether the object is in a queue.
    #[inline]
    pub fn is_linked(&self) -> bool {
        self.height.get() != 0
    }

    #[inline]
    fn child(&self, side: Side) -> &Cell<Option<N>> {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    fn child_height(&self, side: Side) -> u64 {
        self.child(side).get().map_or(0, |child| child.links().height.get())
    }

    fn update_height(&self) {
        self.height.set(1 + self.child_height(Side::Left).max(self.child_height(Side::Right)));
    }
}

impl<N: Node> Default for Links<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N: Node> Queue<N> {
    /// An empty queue.
    pub const fn new() -> Self {
        Queue { root: Cell::new(None), first: Cell::new(None) }
    }

    /// Whether nothing is queued.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.root.get().is_none()
    }

    /// The object that stands before all others.
    #[inline]
    pub fn first(&self) -> Option<N> {
        self.first.get()
    }

    /// The object that follows `node` in the queue that holds it.
    pub fn next(node: N) -> Option<N> {
        if let Some(right) = node.links().right.get() {
            return Some(leftmost(right));
        }
        let mut child = node;
        while let Some(parent) = child.links().parent.get() {
            if parent.links().left.get() == Some(child) {
                return Some(parent);
            }
            child = parent;
        }
        None
    }

    /// The first object in order for which `is_behind` holds; it holds for all behind that one.
    pub fn first_behind(&self, is_behind: impl Fn(N) -> bool) -> Option<N> {
        let (mut found, mut next) = (None, self.root.get());
        while let Some(node) = next {
            let side = if is_behind(node) {
                found = Some(node);
                Side::Left
            } else {
                Side::Right
            };
            next = node.links().child(side).get();
        }
        found
    }

    /// All objects in order. Nothing may be inserted or removed until the iterator is dropped.
    pub fn iter(&self) -> impl Iterator<Item = N> {
        iter::successors(self.first(), |&node| Self::next(node))
    }

    /// Puts `node`, which is in no queue, behind all objects that it does not go before.
    ///
    /// `goes_before(a, b)` says whether `a` must stand before `b`; it is false for equals and gives the same answers
    /// for as long as both are queued. An object whose priority or time changes is removed first.
    #[inline]
    pub fn insert(&self, node: N, goes_before: impl Fn(N, N) -> bool) {
        debug_assert!(!node.links().is_linked(), "the object is in a queue already");
        match self.root.get() {
            None => self.insert_only(node),
            Some(root) => self.insert_below(root, node, goes_before),
        }
    }

    /// Takes `node`, which is in this queue, out of it.
    #[inline]
    pub fn remove(&self, node: N) {
        let links = node.links();
        debug_assert!(links.is_linked(), "the object is in no queue");
        if links.parent.get().is_none() && links.left.get().is_none() && links.right.get().is_none() {
            links.height.set(0);
            self.root.set(None);
            self.first.set(None);
        } else {
            self.remove_from_tree(node);
        }
    }

    /// The only object, if there is just one.
    #[inline(always)]
    pub fn only(&self) -> Option<N> {
        self.root.get().filter(|root| root.links().height.get() == 1)
    }

    /// Takes out [`Queue::only`].
    #[inline(always)]
    pub fn remove_only(&self, node: N) {
        debug_assert!(self.only() == Some(node), "others are in the queue");
        node.links().height.set(0);
        self.root.set(None);
        self.first.set(None);
    }

    /// Puts `node`, which is in no queue, into this empty one.
    #[inline(always)]
    pub fn insert_only(&self, node: N) {
        debug_assert!(self.is_empty() && !node.links().is_linked(), "one object in one queue");
        node.links().height.set(1);
        self.root.set(Some(node));
        self.first.set(Some(node));
    }

    /// Takes out the object that stands before all others.
    #[inline]
    pub fn pop_first(&self) -> Option<N> {
        let first = self.first()?;
        self.remove(first);
        Some(first)
    }

    #[inline(never)]
    fn insert_below(&self, root: N, node: N, goes_before: impl Fn(N, N) -> bool) {
        let mut parent = root;
        let mut is_first = true;
        let side = loop {
            let side = if goes_before(node, parent) { Side::Left } else { Side::Right };
            is_first &= matches!(side, Side::Left);
            let child = parent.links().child(side).get();
            match child {
                Some(child) => parent = child,
                None => break side,
            }
        };
        parent.links().child(side).set(Some(node));
        node.links().parent.set(Some(parent));
        node.links().height.set(1);
        if is_first {
            self.first.set(Some(node));
        }
        self.rebalance(Some(parent));
    }

    #[inline(never)]
    fn remove_from_tree(&self, node: N) {
        if self.first.get() == Some(node) {
            self.first.set(Self::next(node));
        }
        let links = node.links();
        let changed = match (links.left.get(), links.right.get()) {
            (Some(left), Some(right)) => self.replace_by_next(node, left, right),
            (child, None) | (None, child) => {
                self.replace_child(links.parent.get(), node, child);
                links.parent.get()
            }
        };
        links.left.set(None);
        links.right.set(None);
        links.parent.set(None);
        links.height.set(0);
        self.rebalance(changed);
    }

    /// Puts the object that follows `node` in its place, where `node` has two children. Returns the lowest object whose
    /// subtree lost a member.
    fn replace_by_next(&self, node: N, left: N, right: N) -> Option<N> {
        let next = leftmost(right);
        let next_links = next.links();
        let changed = if next == right {
            next
        } else {
            // Out of its old place, where it has no left child; then above the whole right subtree.
            let old_parent = next_links.parent.get().unwrap_or(right);
            self.replace_child(Some(old_parent), next, next_links.right.get());
            next_links.right.set(Some(right));
            right.links().parent.set(Some(next));
            old_parent
        };
        next_links.left.set(Some(left));
        left.links().parent.set(Some(next));
        next_links.height.set(node.links().height.get());
        self.replace_child(node.links().parent.get(), node, Some(next));
        Some(changed)
    }

    /// Lets `parent`, or the root if that is `None`, point to `new` where it pointed to `old`.
    fn replace_child(&self, parent: Option<N>, old: N, new: Option<N>) {
        match parent {
            None => self.root.set(new),
            Some(parent) => {
                let side = if parent.links().left.get() == Some(old) { Side::Left } else { Side::Right };
                parent.links().child(side).set(new);
            }
        }
        if let Some(new) = new {
            new.links().parent.set(parent);
        }
    }

    /// Restores heights and balance from `lowest` upwards, up to the first subtree that keeps its height.
    fn rebalance(&self, lowest: Option<N>) {
        let mut next = lowest;
        while let Some(node) = next {
            let old_height = node.links().height.get();
            let top = self.balance(node);
            if top.links().height.get() == old_height {
                break;
            }
            next = top.links().parent.get();
        }
    }

    /// Balances the subtree of `node`, whose children are balanced and differ by two levels at most. Returns the object
    /// that is on top of it now.
    fn balance(&self, node: N) -> N {
        let links = node.links();
        let left = links.child_height(Side::Left);
        let right = links.child_height(Side::Right);
        let tall = if left > right + 1 {
            Side::Left
        } else if right > left + 1 {
            Side::Right
        } else {
            links.update_height();
            return node;
        };
        if let Some(child) = links.child(tall).get()
            && child.links().child_height(tall) < child.links().child_height(tall.other())
        {
            self.raise_child(child, tall.other());
        }
        self.raise_child(node, tall)
    }

    /// Rotation: the child on `side` of `node` takes its place, `node` becomes its child on the other side. Returns the
    /// object on top.
    fn raise_child(&self, node: N, side: Side) -> N {
        let links = node.links();
        let Some(child) = links.child(side).get() else { return node };
        let inner = child.links().child(side.other()).get();
        self.replace_child(links.parent.get(), node, Some(child));
        links.child(side).set(inner);
        if let Some(inner) = inner {
            inner.links().parent.set(Some(node));
        }
        child.links().child(side.other()).set(Some(node));
        links.parent.set(Some(child));
        links.update_height();
        child.links().update_height();
        child
    }

    /// Asserts every invariant of the tree and the order; returns the number of objects.
    #[cfg(test)]
    pub fn check(&self, goes_before: impl Fn(N, N) -> bool) -> usize {
        let count = self.root.get().map_or(0, |root| {
            assert!(root.links().parent.get().is_none(), "the root has a parent");
            Self::check_subtree(root)
        });
        assert!(self.first.get() == self.root.get().map(leftmost), "stale first object");
        assert_eq!(self.iter().count(), count);
        for (a, b) in self.iter().zip(self.iter().skip(1)) {
            assert!(!goes_before(b, a), "order");
        }
        count
    }

    #[cfg(test)]
    fn check_subtree(node: N) -> usize {
        let links = node.links();
        let (left, right) = (links.child_height(Side::Left), links.child_height(Side::Right));
        assert!(left.abs_diff(right) <= 1, "balance");
        assert_eq!(links.height.get(), 1 + left.max(right), "height");
        let mut count = 1;
        for child in [links.left.get(), links.right.get()].into_iter().flatten() {
            assert!(child.links().parent.get() == Some(node), "parent link");
            count += Self::check_subtree(child);
        }
        count
    }
}

impl<N: Node> Default for Queue<N> {
    fn default() -> Self {
        Self::new()
    }
}

fn leftmost<N: Node>(top: N) -> N {
    let mut node = top;
    while let Some(left) = node.links().left.get() {
        node = left;
    }
    node
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
