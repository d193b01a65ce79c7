//! Messages as test threads send and find them.

/// What a thread finds in its registers and IPC buffer after a system call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    pub badge: u64,
    pub label: u64,
    pub extra_caps: usize,
    pub unwrapped: u64,
    pub words: Vec<u64>,
}

/// A message: label, words, capability pointers.
#[derive(Clone, Copy, Default, Debug)]
pub struct Msg<'a> {
    pub label: u64,
    pub words: &'a [u64],
    pub caps: &'a [u64],
}

/// A message of words.
pub fn msg(label: u64, words: &[u64]) -> Msg<'_> {
    Msg { label, words, caps: &[] }
}
