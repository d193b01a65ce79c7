//! What Configure, SetSpace and SetIPCBuffer check, and what they leave in a TCB (abi.md 7.3).

use libsel::abi::{CNodeCapData, CPtr, CapRights, Label, ObjectType, Word};
use libsel::bootinfo::initial;
use libsel::cap::{AnyFrame, CNode, PageTable, Tcb, Untyped, VSpace};
use libsel::invoke::{self, RetypeTarget};
use libsel::ipc::Message;
use libsel::{Cap, Error};

use super::fixture::{Fixture, at, tag};
use super::harness::{Outcome, Test, check, equal, fails, test};

/// The arguments of a call that would be accepted, and the thread that it is for.
#[derive(Clone, Copy)]
struct Spaces {
    tcb: Cap<Tcb>,
    cspace: CPtr,
    cspace_data: Word,
    vspace: CPtr,
    buffer: Word,
    frame: CPtr,
    handler: CPtr,
}

impl Spaces {
    fn new(t: &mut Fixture<'_>) -> libsel::Result<Self> {
        Ok(Spaces {
            tcb: t.tcb()?,
            cspace: initial::CNODE.cptr(),
            cspace_data: 0,
            vspace: initial::VSPACE.cptr(),
            buffer: 0x1000,
            frame: t.frame()?.cptr(),
            handler: t.endpoint()?.cptr(),
        })
    }

    fn configure(&self) -> libsel::Result<Message> {
        let words = [self.cspace_data, 0, self.buffer];
        self.send(Label::TcbConfigure, &words, &[self.cspace, self.vspace, self.frame])
    }

    fn set_space(&self) -> libsel::Result<Message> {
        let words = [self.cspace_data, 0];
        self.send(Label::TcbSetSpace, &words, &[self.handler, self.cspace, self.vspace])
    }

    fn set_ipc_buffer(&self) -> libsel::Result<Message> {
        self.send(Label::TcbSetIpcBuffer, &[self.buffer], &[self.frame])
    }

    fn send(&self, label: Label, words: &[Word], caps: &[CPtr]) -> libsel::Result<Message> {
        invoke::raw(self.tcb.cptr(), label.raw(), words, caps).result()
    }
}

/// Configure and SetSpace have to fail with `error` after `change`, and succeed without.
#[track_caller]
fn spaces_fail(t: &mut Fixture<'_>, error: Error, change: impl FnOnce(&mut Spaces)) -> Outcome {
    let good = Spaces::new(t)?;
    let mut bad = good;
    change(&mut bad);
    fails(bad.configure(), error)?;
    fails(bad.set_space(), error)?;
    good.configure()?;
    good.set_space()?;
    Ok(())
}

/// Configure and SetIPCBuffer have to fail with `error` after `change`, and succeed without.
#[track_caller]
fn buffer_fails(t: &mut Fixture<'_>, error: Error, change: impl FnOnce(&mut Spaces)) -> Outcome {
    let good = Spaces::new(t)?;
    let mut bad = good;
    change(&mut bad);
    fails(bad.configure(), error)?;
    fails(bad.set_ipc_buffer(), error)?;
    good.configure()?;
    good.set_ipc_buffer()?;
    Ok(())
}

/// Memory with a child.
fn used_memory(t: &mut Fixture<'_>) -> libsel::Result<Cap<Untyped>> {
    let memory = t.memory(12)?;
    memory.retype(ObjectType::Endpoint, 0, RetypeTarget::slots_of(initial::CNODE, t.slot()), 1)?;
    Ok(memory)
}

/// A frame of device memory.
fn device_frame(t: &mut Fixture<'_>) -> libsel::Result<Option<Cap<AnyFrame>>> {
    let mut devices = t.machine.bootinfo.untypeds().filter(|(_, desc)| desc.is_device != 0);
    let Some((device, _)) = devices.find(|(_, desc)| desc.size_bits >= 12) else { return Ok(None) };
    let slot = t.slot();
    device.retype(ObjectType::Page, 0, RetypeTarget::slots_of(initial::CNODE, slot), 1)?;
    Ok(Some(Cap::new(slot)))
}

/// A thread whose CSpace slot holds the last capability to a CNode.
fn last_holder(t: &mut Fixture<'_>) -> libsel::Result<Spaces> {
    let (spaces, node) = (Spaces::new(t)?, t.cnode(2)?);
    Spaces { cspace: node.cptr(), ..spaces }.configure()?;
    at(node).delete()?;
    Ok(spaces)
}

/// Spaces and buffers of threads.
pub const TESTS: &[Test] = &[
    test("SPACE0001", "configure needs three words and three capabilities", |t| {
        let s = Spaces::new(t)?;
        let caps = [s.cspace, s.vspace, s.frame];
        fails(s.send(Label::TcbConfigure, &[0, 0], &caps), Error::TruncatedMessage)?;
        fails(s.send(Label::TcbConfigure, &[0, 0, 0x1000], &caps[..2]), Error::TruncatedMessage)
    }),
    test("SPACE0002", "set space needs two words and three capabilities", |t| {
        let s = Spaces::new(t)?;
        let caps = [s.handler, s.cspace, s.vspace];
        fails(s.send(Label::TcbSetSpace, &[0], &caps), Error::TruncatedMessage)?;
        fails(s.send(Label::TcbSetSpace, &[0, 0], &caps[..2]), Error::TruncatedMessage)
    }),
    test("SPACE0003", "set IPC buffer needs a word and a capability", |t| {
        let s = Spaces::new(t)?;
        fails(s.send(Label::TcbSetIpcBuffer, &[], &[s.frame]), Error::TruncatedMessage)?;
        fails(s.send(Label::TcbSetIpcBuffer, &[0x1000], &[]), Error::TruncatedMessage)
    }),
    test("SPACE0004", "memory with children as a buffer is revoked first", |t| {
        let memory = used_memory(t)?.cptr();
        buffer_fails(t, Error::RevokeFirst, |s| s.frame = memory)
    }),
    test("SPACE0005", "a buffer lies in a frame", |t| {
        buffer_fails(t, Error::IllegalOperation, |s| s.frame = initial::CNODE.cptr())?;
        let empty = t.slot();
        buffer_fails(t, Error::IllegalOperation, |s| s.frame = empty)
    }),
    test("SPACE0006", "a buffer does not lie in device memory", |t| {
        let Some(frame) = device_frame(t)? else { return check(false, "a device untyped of a page") };
        // The device is checked before the alignment.
        buffer_fails(t, Error::IllegalOperation, |s| (s.frame, s.buffer) = (frame.cptr(), 0x1008))
    }),
    test("SPACE0007", "a buffer is aligned to its 1024 bytes", |t| {
        for buffer in [1, 0x1008, 0x1200] {
            buffer_fails(t, Error::AlignmentError, |s| s.buffer = buffer)?;
        }
        Ok(())
    }),
    test("SPACE0008", "without a buffer address the frame is ignored", |t| {
        let s = Spaces { buffer: 0, frame: initial::CNODE.cptr(), ..Spaces::new(t)? };
        s.configure()?;
        s.set_ipc_buffer()?;
        Ok(())
    }),
    test("SPACE0009", "a root whose deletion takes long is not replaced", |t| {
        let s = last_holder(t)?;
        fails(s.configure(), Error::IllegalOperation)?;
        fails(s.set_space(), Error::IllegalOperation)?;
        s.set_ipc_buffer()?;
        Ok(())
    }),
    test("SPACE0010", "a guard that does not fit the CSpace root is refused", |t| {
        spaces_fail(t, Error::IllegalOperation, |s| s.cspace_data = CNodeCapData::new(0, 63).0)
    }),
    test("SPACE0011", "the CSpace root is a CNode", |t| {
        let (endpoint, empty) = (t.endpoint()?.cptr(), t.slot());
        spaces_fail(t, Error::IllegalOperation, |s| s.cspace = endpoint)?;
        spaces_fail(t, Error::IllegalOperation, |s| s.cspace = empty)?;
        // Data of a capability that takes none are ignored, those of a badged one are not.
        let badged = t.mint(Cap::<libsel::cap::Endpoint>::new(endpoint), CapRights::ALL, 3)?;
        spaces_fail(t, Error::IllegalOperation, |s| (s.cspace, s.cspace_data) = (badged.cptr(), 5))
    }),
    test("SPACE0012", "memory with children as a root is revoked first", |t| {
        let memory = used_memory(t)?.cptr();
        spaces_fail(t, Error::RevokeFirst, |s| s.cspace = memory)?;
        spaces_fail(t, Error::RevokeFirst, |s| s.vspace = memory)
    }),
    test("SPACE0013", "the VSpace root is a PML4 with an ASID", |t| {
        let (pml4, endpoint) = (t.make::<VSpace>(0)?.cptr(), t.endpoint()?.cptr());
        let table = t.make::<PageTable>(0)?.cptr();
        let empty = t.slot();
        for vspace in [pml4, endpoint, table, empty, initial::CNODE.cptr()] {
            spaces_fail(t, Error::IllegalOperation, |s| s.vspace = vspace)?;
        }
        Ok(())
    }),
    test("SPACE0014", "a fault handler can be called, or is nothing", |t| {
        let s = Spaces::new(t)?;
        let endpoint = Cap::<libsel::cap::Endpoint>::new(s.handler);
        let no_grant = t.copy(endpoint, CapRights::READ_WRITE)?.cptr();
        let no_write = t.copy(endpoint, CapRights::READ | CapRights::GRANT)?.cptr();
        for handler in [t.notification()?.cptr(), no_grant, no_write] {
            fails(Spaces { handler, ..s }.set_space(), Error::InvalidCapability(1))?;
        }
        for rights in [CapRights::GRANT, CapRights::GRANT_REPLY] {
            let handler = t.copy(endpoint, CapRights::WRITE | rights)?.cptr();
            Spaces { handler, ..s }.set_space()?;
        }
        Spaces { handler: 0, ..s }.set_space()?;
        Ok(())
    }),
    test("SPACE0015", "the buffer is checked before the roots, the CSpace before the VSpace", |t| {
        let memory = used_memory(t)?.cptr();
        let s = Spaces::new(t)?;
        let s = Spaces { cspace: memory, vspace: s.frame, buffer: 0x1008, ..s };
        fails(s.configure(), Error::AlignmentError)?;
        fails(Spaces { buffer: 0x1000, ..s }.configure(), Error::RevokeFirst)?;
        fails(Spaces { handler: memory, ..s }.set_space(), Error::RevokeFirst)?;
        let s = Spaces { cspace: initial::CNODE.cptr(), handler: memory, ..s };
        fails(s.set_space(), Error::IllegalOperation)?;
        fails(Spaces { vspace: initial::VSPACE.cptr(), ..s }.set_space(), Error::InvalidCapability(1))
    }),
    test("SPACE0016", "a failed call changes nothing", |t| {
        let node = t.cnode(2)?;
        let s = Spaces { cspace: node.cptr(), ..Spaces::new(t)? };
        s.configure()?;
        let bad = Spaces { cspace: initial::CNODE.cptr(), vspace: s.frame, ..s };
        fails(bad.configure(), Error::IllegalOperation)?;
        // The thread still holds the CNode: it is not the last capability that goes.
        at(node).delete()?;
        fails(s.set_space(), Error::IllegalOperation)
    }),
    test("SPACE0017", "what is configured is a copy that goes with its original", |t| {
        let node = t.cnode(2)?;
        let s = Spaces { cspace: node.cptr(), ..Spaces::new(t)? };
        s.configure()?;
        at(node).revoke()?;
        // The slot is empty again: nothing long to delete.
        Spaces { cspace: initial::CNODE.cptr(), ..s }.configure()?;
        equal(tag(node.cptr()), 10)
    }),
    test("SPACE0018", "a thread can be configured with itself as part of its CSpace", |t| {
        let node: Cap<CNode> = t.cnode(2)?;
        let s = Spaces { cspace: node.cptr(), ..Spaces::new(t)? };
        s.configure()?;
        node.slot(1, 2).move_from(at(s.tcb))?;
        // CNode and TCB hold each other.
        at(node).delete()?;
        equal(tag(node.cptr()), 0)
    }),
];
