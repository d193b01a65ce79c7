//! Tables of invocations and their answers.
use sel_abi::{Error, Label};

use super::machine::Machine;

/// Name, what it is about, invoked capability, label, words, extra capabilities, error and the words of the reply.
pub type Row<'a> = (&'a str, &'a str, u64, Label, &'a [u64], &'a [u64], Error, &'a [u64]);

/// Performs the invocations one after the other. Refused ones must leave all capabilities as they were.
#[track_caller]
pub fn run(m: &mut Machine, rows: &[Row]) {
    for &(name, what, cap, label, words, caps, error, result) in rows {
        let before = capabilities(m);
        let reply = m.call(cap, label, words, caps);
        let found = (Error::from_raw(reply.label), reply.words.as_slice());
        assert_eq!(found, (Some(error), result), "{name}: {what}");
        assert_eq!((reply.badge, reply.extra_caps, reply.unwrapped), (0, 0, 0), "{name}: {what}");
        if error != Error::NoError {
            assert!(before == capabilities(m), "{name}: {what} changed something");
        }
    }
}

fn capabilities(m: &Machine) -> Vec<(u64, u64)> {
    let slots = (0..m.root_cnode.slot_count()).map(|cptr| m.slot(cptr).raw());
    slots.map(|raw| (raw.0, raw.1)).collect()
}
