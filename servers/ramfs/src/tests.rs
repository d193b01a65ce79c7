//! The files against a model, and their limits.
use std::collections::BTreeMap;

use libsel::proto::ServiceError;
use proptest::prelude::*;

use crate::files::{Files, MAX_FILES, MAX_OPEN};

const FIXED: &[u8] = b"of the boot archive";
const LIMIT: usize = 400;

#[derive(Clone, Debug)]
enum Step {
    Open { client: u64, path: usize, create: bool },
    Read { client: u64, number: u64, offset: u64, count: u64 },
    Write { client: u64, number: u64, offset: u64, count: usize },
    Remove { path: usize },
    Close { client: u64, number: u64 },
    Gone { client: u64 },
}

const PATHS: [&str; 4] = ["boot", "a", "b/c", "d"];

fn step() -> impl Strategy<Value = Step> {
    let (client, number, path, offset) = (1..4_u64, 0..6_u64, 0..PATHS.len(), 0..150_u64);
    prop_oneof![
        3 => (client.clone(), path.clone(), any::<bool>())
            .prop_map(|(client, path, create)| Step::Open { client, path, create }),
        3 => (client.clone(), number.clone(), offset.clone(), 0..200_u64)
            .prop_map(|(client, number, offset, count)| Step::Read { client, number, offset, count }),
        4 => (client.clone(), number.clone(), offset, 0..100_usize)
            .prop_map(|(client, number, offset, count)| Step::Write { client, number, offset, count }),
        1 => path.prop_map(|path| Step::Remove { path }),
        2 => (client.clone(), number).prop_map(|(client, number)| Step::Close { client, number }),
        1 => client.prop_map(|client| Step::Gone { client }),
    ]
}

/// Files by path, and open ones by client and number.
#[derive(Default)]
struct Model {
    files: BTreeMap<&'static str, Vec<u8>>,
    open: BTreeMap<u64, (u64, &'static str)>,
}

impl Model {
    fn used(&self) -> usize {
        self.files.iter().map(|(path, bytes)| path.len() + bytes.len()).sum()
    }

    fn path(&self, client: u64, number: u64) -> Result<&'static str, ServiceError> {
        let found = self.open.get(&number).filter(|(owner, _)| *owner == client);
        found.map(|(_, path)| *path).ok_or(ServiceError::NotFound)
    }

    fn bytes(&self, path: &str) -> &[u8] {
        if path == PATHS[0] { FIXED } else { &self.files[path] }
    }

    fn open(&mut self, client: u64, path: &'static str, create: bool) -> Result<u64, ServiceError> {
        if path != PATHS[0] && !self.files.contains_key(path) {
            if !create {
                return Err(ServiceError::NotFound);
            }
            if self.used() + path.len() > LIMIT {
                return Err(ServiceError::OutOfMemory);
            }
            self.files.insert(path, Vec::new());
        }
        let number = (0..).find(|number| !self.open.contains_key(number)).unwrap();
        self.open.insert(number, (client, path));
        Ok(number)
    }

    fn write(&mut self, client: u64, number: u64, offset: u64, bytes: &[u8]) -> Result<(), ServiceError> {
        let path = self.path(client, number)?;
        let used = self.used();
        let Some(content) = self.files.get_mut(path) else { return Err(ServiceError::Refused) };
        let end = offset as usize + bytes.len();
        let length = if bytes.is_empty() { content.len() } else { end.max(content.len()) };
        if used + length - content.len() > LIMIT {
            return Err(ServiceError::OutOfMemory);
        }
        content.resize(length, 0);
        if !bytes.is_empty() {
            content[offset as usize..end].copy_from_slice(bytes);
        }
        Ok(())
    }

    fn remove(&mut self, path: &'static str) -> Result<(), ServiceError> {
        if path == PATHS[0] {
            return Err(ServiceError::Refused);
        }
        if !self.files.contains_key(path) {
            return Err(ServiceError::NotFound);
        }
        if self.open.values().any(|(_, open)| *open == path) {
            return Err(ServiceError::InUse);
        }
        self.files.remove(path);
        Ok(())
    }
}

proptest! {
    #[test]
    fn files_do_what_the_model_does(steps in prop::collection::vec(step(), 0..200)) {
        let mut files = Files::new(LIMIT);
        files.add(PATHS[0], FIXED).unwrap();
        let mut model = Model::default();
        for (number, step) in (0_u8..).zip(steps) {
            let content = [number; 100];
            match step {
                Step::Open { client, path, create } if model.open.len() < MAX_OPEN => {
                    let path = PATHS[path];
                    prop_assert_eq!(files.open(client, path, create), model.open(client, path, create));
                }
                Step::Open { .. } => {}
                Step::Read { client, number, offset, count } => {
                    let expected = model.path(client, number).map(|path| {
                        let rest = model.bytes(path).iter().copied().skip(offset as usize);
                        rest.take(count as usize).collect::<Vec<u8>>()
                    });
                    prop_assert_eq!(files.read(client, number, offset, count).map(<[u8]>::to_vec), expected);
                }
                Step::Write { client, number, offset, count } => {
                    let bytes = &content[..count];
                    let written = files.write(client, number, offset, bytes);
                    prop_assert_eq!(written, model.write(client, number, offset, bytes));
                }
                Step::Remove { path } => prop_assert_eq!(files.remove(PATHS[path]), model.remove(PATHS[path])),
                Step::Close { client, number } => {
                    let expected = model.path(client, number).map(|_| ());
                    prop_assert_eq!(files.close(client, number), expected);
                    if expected.is_ok() {
                        model.open.remove(&number);
                    }
                }
                Step::Gone { client } => {
                    files.client_gone(client);
                    model.open.retain(|_, (owner, _)| *owner != client);
                }
            }
            prop_assert_eq!(files.used(), model.used());
            let mut listed: Vec<&str> = files.list(0).map(|(_, file)| file.path()).collect();
            listed.sort();
            let mut expected: Vec<&str> = model.files.keys().copied().chain([PATHS[0]]).collect();
            expected.sort();
            prop_assert_eq!(listed, expected);
        }
    }
}

#[test]
fn limits_are_errors_and_change_nothing() {
    let mut files = Files::new(usize::MAX);
    for number in 0..MAX_FILES {
        let opened = files.open(1, &number.to_string(), true).unwrap();
        files.close(1, opened).unwrap();
    }
    let used = files.used();
    assert_eq!(files.open(1, "one more", true), Err(ServiceError::OutOfMemory));
    for _ in 0..MAX_OPEN {
        files.open(1, "7", false).unwrap();
    }
    assert_eq!(files.open(1, "7", false), Err(ServiceError::OutOfMemory));
    let other = files.open(2, "7", false).unwrap();
    for offset in [u64::MAX, u64::MAX / 2] {
        assert_eq!(files.write(2, other, offset, b"xy"), Err(ServiceError::OutOfMemory));
    }
    assert_eq!((files.used(), files.stat(2, other).unwrap().bytes().len()), (used, 0));
    assert_eq!(files.read(2, other, u64::MAX, u64::MAX), Ok(&b""[..]));
    assert_eq!(files.read(2, u64::MAX, 0, 1), Err(ServiceError::NotFound));
}

#[test]
fn paths_are_checked() {
    let mut files = Files::new(LIMIT);
    for path in ["", "a\0b", &"x".repeat(256)] {
        assert_eq!(files.open(1, path, true), Err(ServiceError::InvalidArgument), "{path:?}");
        assert_eq!(files.add(path, FIXED), Err(ServiceError::InvalidArgument), "{path:?}");
    }
    files.add("boot", FIXED).unwrap();
    assert_eq!(files.add("boot", FIXED), Err(ServiceError::InUse));
}

#[test]
fn a_walk_through_the_list_misses_no_file_that_stays() {
    let mut files = Files::new(usize::MAX);
    for path in ["a", "b", "c", "d"] {
        let opened = files.open(1, path, true).unwrap();
        files.close(1, opened).unwrap();
    }
    let (place, first) = files.list(0).next().unwrap();
    assert_eq!((place, first.path()), (0, "a"));
    files.remove("a").unwrap();
    files.remove("c").unwrap();
    let rest: Vec<_> = files.list(place + 1).map(|(place, file)| (place, file.path())).collect();
    assert_eq!(rest, [(1, "b"), (3, "d")]);
}
