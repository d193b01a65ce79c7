//! The machine boots, and its helpers do what they say.
use sel_abi::ObjectType;

use super::machine::{Machine, msg};

#[test]
fn boots_and_makes_objects() {
    let mut m = Machine::new();
    for object in [ObjectType::Endpoint, ObjectType::Notification, ObjectType::Reply, ObjectType::Tcb] {
        let cap = m.object(object);
        assert!(!m.cap(cap).is_null());
    }
}

#[test]
fn a_server_answers() {
    let mut m = Machine::new();
    let (endpoint, reply) = (m.endpoint(), m.reply());
    let server = m.server(10, endpoint, reply);
    m.call_ipc(endpoint, msg(7, &[1, 2, 3]));
    assert_eq!(m.current(), server.tcb);
    let got = m.reply_of(server.tcb);
    assert_eq!((got.label, got.words), (7, vec![1, 2, 3]));
    m.reply_recv(endpoint, reply, msg(8, &[4]));
    assert_eq!(m.current(), m.root);
    let got = m.reply_of(m.root);
    assert_eq!((got.badge, got.label, got.words), (0, 8, vec![4]));
}
