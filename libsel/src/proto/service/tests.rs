//! One step of the loop at a time, against a recorded kernel.
use super::*;
use crate::abi::MessageInfo;
use crate::sys::Registers;
use crate::sys::host::{Entry, install};
use std::rc::Rc;
use std::vec::Vec;
use std::{cell::RefCell, vec};

crate::protocol! {
    /// Requests of a bell.
    pub enum BellRequest {
        /// The number of strokes so far.
        Count = 0x1000 -> u64 {},
        /// Waits for a stroke with this number.
        Await = 0x1001 -> u64 {
            /// Which; 0 is none.
            stroke: u64,
        },
    }
}

#[derive(Default)]
struct Bell {
    strokes: u64,
    waiting: Vec<Pending<u64>>,
}

impl Service for Bell {
    fn notified(&mut self, bits: Word) {
        assert_eq!(bits, 1);
        self.strokes += 1;
        for pending in self.waiting.drain(..) {
            pending.answer(self.strokes);
        }
    }
}

impl Handler<Count> for Bell {
    fn handle(&mut self, _: Count, caller: &mut Caller<u64>) -> Result<Answer<u64>, ServiceError> {
        assert_eq!(caller.badge(), 7);
        Ok(self.strokes.into())
    }
}

impl Handler<Await> for Bell {
    fn handle(&mut self, request: Await, caller: &mut Caller<u64>) -> Result<Answer<u64>, ServiceError> {
        if request.stroke == 0 {
            return Err(ServiceError::InvalidArgument);
        }
        let (pending, later) = caller.defer()?;
        self.waiting.push(pending);
        Ok(later)
    }
}

/// A kernel that delivers these messages, gives reply objects, and records what else is sent where.
fn kernel(mut arriving: Vec<(Word, Word, Vec<Word>)>) -> Rc<RefCell<Vec<(CPtr, Word, Word)>>> {
    let sent = Rc::new(RefCell::new(Vec::new()));
    let log = sent.clone();
    arriving.reverse();
    install(move |entry: Entry| {
        if entry.cap == slot::ROOT.cptr() {
            assert_eq!(entry.info.label(), 0x106, "only reply objects are asked for");
            return Registers { badge: 0, info: MessageInfo::new(0, 0, 1, 0), mrs: [0; 4] };
        }
        let receives = entry.cap == slot::SERVICE.cptr();
        if !receives || entry.number != crate::abi::Syscall::Recv.raw() {
            // A reply alone goes to its object; one that is followed by a receive names it beside the endpoint.
            let to = if receives { entry.r12 } else { entry.cap };
            log.borrow_mut().push((to, entry.info.label(), entry.mrs[0]));
        }
        if !receives {
            return Registers::default();
        }
        let (badge, label, words) = arriving.pop().expect("nothing arrives any more");
        let mut mrs = [0; 4];
        mrs[..words.len()].copy_from_slice(&words);
        Registers { badge, info: MessageInfo::new(label, 0, 0, words.len()), mrs }
    });
    sent
}

fn run(bell: &mut Bell, messages: usize) -> Option<Outgoing> {
    let mut exchange = Exchange::new();
    let mut answer = None;
    for _ in 0..messages {
        answer = step::<BellRequest, _>(bell, &mut exchange, answer);
    }
    answer
}

#[test]
fn requests_reach_their_handlers_and_mistakes_are_refused() {
    let sent = kernel(vec![
        (7, 0x1000, vec![]),
        (7, 0x1001, vec![0]),
        (7, 0x1001, vec![]),
        (7, 0x1002, vec![]),
        (7, 0x1000, vec![]),
    ]);
    let mut bell = Bell { strokes: 12, ..Bell::default() };
    let last = run(&mut bell, 5);
    assert!(last.is_some(), "the last one is not sent yet");
    let reply = slot::REPLY.cptr();
    let refused = |error: ServiceError| (reply, error.label(), 0);
    assert_eq!(
        *sent.borrow(),
        [
            (reply, 0, 12),
            refused(ServiceError::InvalidArgument),
            refused(ServiceError::BadRequest),
            refused(ServiceError::UnknownRequest),
        ]
    );
}

#[test]
fn who_waits_is_answered_later_and_others_meanwhile() {
    let sent = kernel(vec![
        (7, 0x1001, vec![1]),
        (7, 0x1000, vec![]),
        (slot::SIGNAL | 1, 0, vec![]),
        (7, 0x1001, vec![2]),
    ]);
    let mut bell = Bell::default();
    assert!(run(&mut bell, 4).is_none());
    let first = slot::REPLY.cptr();
    let second = sent.borrow()[0].0;
    assert!(second >= slot::FIRST_FREE, "a received one");
    // The one who counts is answered through the new reply object; then the stroke comes, and the first object is spare.
    assert_eq!(*sent.borrow(), [(second, 0, 0), (first, 0, 1)]);
    bell.waiting.clear();
    let gone = ServiceError::Gone.label();
    assert_eq!(sent.borrow().last(), Some(&(second, gone, 0)), "dropped without an answer");
}

#[test]
fn the_kernels_errors_mean_that_nobody_is_there() {
    for label in 1..=10 {
        assert_eq!(ServiceError::from_label(label), Some(ServiceError::Gone));
    }
    assert_eq!(ServiceError::from_label(0), None);
    assert_eq!(ServiceError::from_label(11), Some(ServiceError::BadReply));
}
