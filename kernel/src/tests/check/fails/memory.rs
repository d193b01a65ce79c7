//! Memory of objects and untypeds.
use sel_abi::ObjectType;

use super::{complaints, word};
use crate::addr::PhysAddr;
use crate::cap::{Cap, EndpointCap, UntypedCap, derivation};
use crate::tests::objects::OWN_TCB;

complaints! {
    dirty_free_memory: "is not clear", |s| {
        word(s.nowhere::<u64>(), 100).set(1);
    };
    the_last_free_word: "is not clear", |s| {
        word(s.nowhere::<u64>(), 511).set(1 << 63);
    };
    objects_that_overlap: "overlap", |s| {
        let Cap::Endpoint(endpoint) = s.m.cap(s.free_endpoint) else { panic!("no endpoint") };
        // SAFETY: an address inside the thread, which is only looked at.
        let object = unsafe { s.idle.tcb.first_slot().element(3).cast() };
        s.slot(s.free_endpoint).set_cap(Cap::Endpoint(EndpointCap { object, ..endpoint }));
    };
    an_object_that_was_not_derived: "but is not derived from it", |s| {
        let cap = s.m.cap(s.free_endpoint);
        derivation::remove(s.slot(s.free_endpoint));
        derivation::insert(s.slot(s.free_endpoint), cap, s.slot(OWN_TCB), true);
    };
    an_object_across_the_end: "lies across the end of", |s| {
        let page = s.m.object(ObjectType::Page);
        let untyped = s.m.sized(ObjectType::Untyped, 12);
        let endpoint = s.m.retype(untyped, ObjectType::Endpoint, 0, 1);
        let tcb = s.m.retype(untyped, ObjectType::Tcb, 0, 1);
        s.m.delete(page);
        s.m.delete(endpoint);
        let Cap::Untyped(cap) = s.m.cap(untyped) else { panic!("no untyped") };
        assert_eq!(s.m.cap(tcb).memory().map(|(base, _)| base.0), Some(cap.base.0 + 2048));
        // The thread ends behind the end now.
        let base = PhysAddr(cap.base.0 - 1024);
        s.slot(untyped).set_cap(Cap::Untyped(UntypedCap { base, ..cap }));
    };
}
