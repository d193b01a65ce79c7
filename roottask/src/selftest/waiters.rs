//! Long queues: order among many waiting threads, priorities that change meanwhile, and what becomes of the threads when
//! the object goes (abi.md 9.3, 9.5, 9.6, 7.4).

use libsel::Cap;
use libsel::abi::{CapRights, Syscall, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Endpoint, Notification};

use super::crowd::{Crowd, Deed, roll_entry, roll_is, roll_length};
use super::fixture::{at, tag};
use super::harness::{Outcome, Test, check, equal, test};

/// Threads of the tests of order.
const MANY: usize = 24;
/// Threads of the tests of endurance.
const VERY_MANY: usize = 200;

/// Priority of member `index`: five different ones, in no order.
fn priority(index: usize) -> Word {
    10 + (index as Word * 7) % 5
}

/// Members in the order in which they have to be served: highest priority first, and first come first served.
fn in_order(count: usize, priority: impl Fn(usize) -> Word) -> impl Iterator<Item = usize> {
    let by_priority = move |level: Word| (0..count).filter(move |_| true).map(move |index| (level, index));
    (0..256)
        .rev()
        .flat_map(by_priority)
        .filter(move |(level, index)| priority(*index) == *level)
        .map(|(_, index)| index)
}

/// Starts the first `count` members one after the other, each at its priority, until it waits.
fn queue(crowd: &Crowd, count: usize, deed: impl Fn(usize) -> Deed) -> libsel::Result<()> {
    for index in 0..count {
        crowd.start(index, priority(index), deed(index))?;
        crowd.settle();
    }
    Ok(())
}

/// Labels of the next `count` messages; their senders go on.
#[track_caller]
fn serves(endpoint: Cap<Endpoint>, expected: impl Iterator<Item = usize>) -> Outcome {
    for (place, index) in expected.enumerate() {
        // Labels are member numbers plus 1: 0 would mean that nobody waits.
        equal((place, endpoint.nb_wait().label()), (place, index as Word + 1))?;
    }
    Ok(())
}

/// A send with the member's number plus 1 for a label.
fn send(endpoint: Cap<Endpoint>) -> impl Fn(usize) -> Deed {
    move |index| Deed::with_label(Syscall::Send, endpoint.cptr(), index as Word + 1)
}

fn waiting(notification: Cap<Notification>) -> impl Fn(usize) -> Deed {
    move |_| Deed::new(Syscall::Wait, notification.cptr())
}

/// Long queues.
pub const TESTS: &[Test] = &[
    test("WAITERS0001", "24 senders of five priorities are served by priority, then by age", |t| {
        let (endpoint, crowd) = (t.endpoint()?, t.crowd(MANY)?);
        queue(&crowd, MANY, send(endpoint))?;
        serves(endpoint, in_order(MANY, priority))?;
        equal(endpoint.nb_wait().label(), 0)
    }),
    test("WAITERS0002", "24 receivers of five priorities are served by priority, then by age", |t| {
        let (endpoint, crowd) = (t.endpoint()?, t.crowd(MANY)?);
        queue(&crowd, MANY, |_| Deed::new(Syscall::Wait, endpoint.cptr()))?;
        for _ in 0..MANY {
            endpoint.nb_send(1, &[], &[]);
            crowd.settle();
        }
        roll_is(in_order(MANY, priority))
    }),
    test("WAITERS0003", "24 threads that wait for a notification are woken by priority, then by age", |t| {
        let (notification, crowd) = (t.notification()?, t.crowd(MANY)?);
        queue(&crowd, MANY, waiting(notification))?;
        for _ in 0..MANY {
            notification.signal();
            crowd.settle();
        }
        roll_is(in_order(MANY, priority))
    }),
    test("WAITERS0004", "each signal wakes one thread, which gets the badge of that signal", |t| {
        let (notification, crowd) = (t.notification()?, t.crowd(4)?);
        let badged = [1, 2, 4, 8].map(|badge| t.mint(notification, CapRights::WRITE, badge));
        queue(&crowd, 4, waiting(notification))?;
        // All at once: none of the woken ones runs in between.
        for badged in badged {
            badged?.signal();
        }
        crowd.settle();
        equal(roll_length(), 4)?;
        for place in 0..4 {
            let (member, badge) = roll_entry(place);
            let served = in_order(4, priority).position(|index| index == member);
            equal(Some(badge), served.map(|served| 1 << served))?;
        }
        equal(notification.poll(), 0)
    }),
    test("WAITERS0005", "a new priority puts a waiting sender behind its new equals", |t| {
        let (endpoint, crowd) = (t.endpoint()?, t.crowd(MANY)?);
        queue(&crowd, MANY, send(endpoint))?;
        // The first eight, from the last to the first, get the highest priority of all.
        for index in (0..8).rev() {
            crowd.tcb(index).set_priority(initial::TCB, 50)?;
        }
        let later = |index: usize| if index < 8 { 0 } else { priority(index) };
        let rest = in_order(MANY, later).filter(|index| *index >= 8);
        serves(endpoint, (0..8).rev().chain(rest))
    }),
    test("WAITERS0006", "a new priority that is the old one puts a waiting sender behind its equals", |t| {
        let (endpoint, crowd) = (t.endpoint()?, t.crowd(3)?);
        for index in 0..3 {
            crowd.start(index, 10, send(endpoint)(index))?;
            crowd.settle();
        }
        crowd.tcb(0).set_priority(initial::TCB, 10)?;
        serves(endpoint, [1, 2, 0].into_iter())
    }),
    test("WAITERS0007", "a new priority moves a thread that waits for a notification", |t| {
        let (notification, crowd) = (t.notification()?, t.crowd(5)?);
        for index in 0..5 {
            crowd.start(index, 10 + index as Word, waiting(notification)(index))?;
            crowd.settle();
        }
        crowd.tcb(0).set_priority(initial::TCB, 20)?;
        crowd.tcb(4).set_priority(initial::TCB, 5)?;
        crowd.tcb(2).set_priority(initial::TCB, 13)?;
        for _ in 0..5 {
            notification.signal();
            crowd.settle();
        }
        roll_is([0, 3, 2, 1, 4].into_iter())
    }),
    test("WAITERS0008", "a new priority moves a waiting receiver", |t| {
        let (endpoint, crowd) = (t.endpoint()?, t.crowd(4)?);
        for index in 0..4 {
            crowd.start(index, 10, Deed::new(Syscall::Wait, endpoint.cptr()))?;
            crowd.settle();
        }
        crowd.tcb(3).set_priority(initial::TCB, 11)?;
        crowd.tcb(0).set_priority(initial::TCB, 9)?;
        for _ in 0..4 {
            endpoint.nb_send(1, &[], &[]);
            crowd.settle();
        }
        roll_is([3, 1, 2, 0].into_iter())
    }),
    test("WAITERS0009", "threads that leave the queue in the middle leave the others in order", |t| {
        let (endpoint, crowd) = (t.endpoint()?, t.crowd(MANY)?);
        queue(&crowd, MANY, send(endpoint))?;
        let leaves = |index: usize| index % 3 == 1;
        for index in (0..MANY).filter(|index| leaves(*index)) {
            if index % 2 == 0 {
                crowd.tcb(index).suspend()?;
            } else {
                at(crowd.tcb(index)).delete()?;
            }
        }
        serves(endpoint, in_order(MANY, priority).filter(|index| !leaves(*index)))?;
        equal(endpoint.nb_wait().label(), 0)
    }),
    test("WAITERS0010", "ready threads run by priority, the newest first among equals", |t| {
        let crowd = t.crowd(MANY)?;
        for index in 0..MANY {
            crowd.start(index, priority(index), Deed::new(Syscall::NbWait, t.notification()?.cptr()))?;
        }
        crowd.settle();
        // Each was woken by a thread of higher priority, and so came to the head of its queue.
        let newest_first =
            (0..256).rev().flat_map(|level| (0..MANY).rev().filter(move |index| priority(*index) == level));
        roll_is(newest_first)
    }),
    test("WAITERS0011", "new priorities put ready threads at the head of their queue", |t| {
        let crowd = t.crowd(4)?;
        for index in 0..4 {
            crowd.start(index, 10, Deed::new(Syscall::NbWait, t.notification()?.cptr()))?;
        }
        crowd.tcb(1).set_priority(initial::TCB, 10)?;
        crowd.tcb(0).set_priority(initial::TCB, 11)?;
        crowd.tcb(3).set_priority(initial::TCB, 9)?;
        crowd.settle();
        roll_is([0, 1, 2, 3].into_iter())
    }),
    test("WAITERS0012", "deleting an endpoint lets 200 senders go on", |t| {
        let (endpoint, crowd) = (t.endpoint()?, t.crowd(VERY_MANY)?);
        queue(&crowd, VERY_MANY, send(endpoint))?;
        at(endpoint).delete()?;
        crowd.settle();
        // They send again, to an empty slot now.
        equal(roll_length(), VERY_MANY)
    }),
    test(
        "WAITERS0013",
        "revoking an endpoint's memory lets 200 receivers fault, and their memory be used again",
        |t| {
            let memory = t.memory(12)?;
            let endpoint = memory.retype_one::<Endpoint>(0, initial::CNODE, t.slot())?;
            let crowd = t.crowd(VERY_MANY)?;
            // A handler for all of them: who receives from an empty slot faults.
            let handler = t.endpoint()?;
            for index in 0..VERY_MANY {
                crowd.tcb(index).set_space(handler, initial::CNODE, 0, initial::VSPACE)?;
            }
            queue(&crowd, VERY_MANY, |_| Deed::new(Syscall::Wait, endpoint.cptr()))?;
            at(memory).revoke()?;
            crowd.settle();
            let reply = t.reply()?;
            let faults = (0..VERY_MANY).filter(|_| handler.nb_recv(reply).label() == 1).count();
            equal((faults, handler.nb_recv(reply).label(), roll_length()), (VERY_MANY, 0, 0))
        },
    ),
    test("WAITERS0014", "deleting a notification lets 200 waiting threads fault", |t| {
        let (notification, crowd) = (t.notification()?, t.crowd(VERY_MANY)?);
        let handler = t.endpoint()?;
        for index in 0..VERY_MANY {
            crowd.tcb(index).set_space(handler, initial::CNODE, 0, initial::VSPACE)?;
        }
        queue(&crowd, VERY_MANY, waiting(notification))?;
        at(notification).delete()?;
        crowd.settle();
        let faults = (0..VERY_MANY).filter(|_| handler.nb_wait().label() == 1).count();
        equal((faults, roll_length()), (VERY_MANY, 0))
    }),
    test("WAITERS0015", "cancelling one badge of five among 200 senders restarts those alone", |t| {
        let (endpoint, crowd) = (t.endpoint()?, t.crowd(VERY_MANY)?);
        let first = t.slots(5);
        for badge in 0..5 {
            initial::CNODE.at(first + badge).mint(at(endpoint), CapRights::ALL, badge + 1)?;
        }
        let badge_of = |index: usize| (index as Word * 3) % 5;
        queue(&crowd, VERY_MANY, |index| {
            Deed::with_label(Syscall::Send, first + badge_of(index), index as Word + 1)
        })?;
        initial::CNODE.at(first + 2).cancel_badged_sends()?;
        // They send again, and so stand behind their equals.
        crowd.settle();
        equal(roll_length(), 0)?;
        initial::CNODE.at(first + 2).cancel_badged_sends()?;
        at(Cap::<Endpoint>::new(first + 2)).delete()?;
        crowd.settle();
        // Now they find an empty slot.
        equal(roll_length(), VERY_MANY / 5)?;
        for place in 0..roll_length() {
            equal(badge_of(roll_entry(place).0), 2)?;
        }
        serves(endpoint, in_order(VERY_MANY, priority).filter(|index| badge_of(*index) != 2))?;
        equal(endpoint.nb_wait().label(), 0)
    }),
    test("WAITERS0016", "cancelled senders of faults stop", |t| {
        let endpoint = t.endpoint()?;
        let badged = t.mint(endpoint, CapRights::ALL, 7)?;
        let crowd = t.crowd(2)?;
        for index in 0..2 {
            crowd.tcb(index).set_space(badged, initial::CNODE, 0, initial::VSPACE)?;
            // An unknown pointer: a capability fault that waits for its handler.
            crowd.start(index, 10, Deed::new(Syscall::Wait, u64::MAX))?;
        }
        crowd.settle();
        at(badged).cancel_badged_sends()?;
        crowd.settle();
        equal((endpoint.nb_wait().label(), roll_length()), (0, 0))
    }),
    test("WAITERS0017", "deleting a server leaves its 50 queued callers waiting", |t| {
        let (endpoint, crowd) = (t.endpoint()?, t.crowd(51)?);
        let reply = t.reply()?;
        let receive = Deed { reply: reply.cptr(), ..Deed::new(Syscall::Recv, endpoint.cptr()) };
        // Member 50 is the server, with the call of member 0 in its hands.
        crowd.start(50, 60, receive)?;
        crowd.settle();
        for index in 0..50 {
            crowd.start(index, 10, Deed::with_label(Syscall::Call, endpoint.cptr(), index as Word + 1))?;
            crowd.settle();
        }
        at(crowd.tcb(50)).delete()?;
        equal(roll_length(), 1)?;
        serves(endpoint, 1..50)?;
        reply.reply(0, &[], &[]);
        crowd.settle();
        roll_is([50, 0].into_iter())
    }),
    test("WAITERS0018", "revoking memory with 100 threads that wait for each other leaves nothing", |t| {
        let memory = t.memory(20)?;
        let whole = core::mem::replace(&mut t.untyped, memory);
        let (endpoint, notification, crowd) = (t.endpoint()?, t.notification()?, t.crowd(100)?);
        queue(&crowd, 100, |index| match index % 3 {
            0 => waiting(notification)(index),
            1 => Deed::with_label(Syscall::Call, endpoint.cptr(), 1),
            _ => send(endpoint)(index),
        })?;
        t.untyped = whole;
        at(memory).revoke()?;
        t.settle()?;
        check(roll_length() == 0, "nobody went on")?;
        equal((tag(endpoint.cptr()), tag(crowd.tcb(99).cptr())), (0, 0))
    }),
    test("WAITERS0019", "a message wakes the highest receiver although it was the last to come", |t| {
        let (endpoint, crowd) = (t.endpoint()?, t.crowd(VERY_MANY)?);
        for index in 0..VERY_MANY {
            crowd.start(index, 1 + index as Word % 240, Deed::new(Syscall::Wait, endpoint.cptr()))?;
        }
        crowd.settle();
        endpoint.nb_send(1, &[], &[]);
        crowd.settle();
        roll_is([VERY_MANY - 1].into_iter())
    }),
];
