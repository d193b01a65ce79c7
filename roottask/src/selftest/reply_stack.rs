//! Stacks of calls that are taken apart in the middle: out of order, by suspending, by deleting (abi.md 9.4).
//!
//! The caller (level 0) calls server 1, which calls server 2, and so on; all servers are passive. The last one has the
//! caller's time. Reply object `n` holds the thread that called server `n`.

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{CPtr, MessageInfo, Word};
use libsel::cap::{Endpoint, Notification, Reply};
use libsel::{Cap, sys};

use super::fixture::{Fixture, at, log, log_is, shared};
use super::harness::{Outcome, Test, check, equal, test};
use super::thread::{Options, Thread};

/// Servers of a chain.
const LEVELS: usize = 3;

fn endpoint_of(level: Word) -> CPtr {
    shared(10 + 2 * level as usize).load(Relaxed)
}

fn reply_of(level: Word) -> CPtr {
    shared(11 + 2 * level as usize).load(Relaxed)
}

/// Label and word of a message of one word.
fn one_word(word: Word) -> (MessageInfo, [Word; 4]) {
    (MessageInfo::new(0, 0, 0, 1), [word, 0, 0, 0])
}

/// Server `level`: takes one call; the last one waits for a signal, the others call the next. Logs `10 * level` when it
/// goes on, answers, logs `10 * level + 1`, and stops.
extern "C" fn serve(level: Word) {
    sys::recv(endpoint_of(level), reply_of(level));
    if level as usize == LEVELS {
        sys::wait(shared(9).load(Relaxed));
    } else {
        let (info, words) = one_word(level);
        sys::call(endpoint_of(level + 1), info, words);
    }
    log(10 * level);
    let (info, words) = one_word(70 + level);
    sys::send(reply_of(level), info, words);
    log(10 * level + 1);
}

/// Calls the first server and logs the answer.
extern "C" fn call_first(_: Word) {
    let (info, words) = one_word(0);
    log(sys::call(endpoint_of(1), info, words).mrs[0]);
}

/// A chain of calls that reaches the last server, which waits for `go`.
struct Chain {
    threads: [Thread; LEVELS + 1],
    go: Cap<Notification>,
}

impl Chain {
    fn reply(&self, level: Word) -> Cap<Reply> {
        Cap::new(reply_of(level))
    }

    /// Answers the thread that called server `level`, with 60 + `level`.
    fn answer(&self, level: Word) {
        self.reply(level).reply(0, &[60 + level], &[]);
    }

    fn done(&self) -> [bool; LEVELS + 1] {
        self.threads.map(|thread| thread.is_done())
    }
}

fn chain(t: &mut Fixture<'_>) -> libsel::Result<Chain> {
    let go = t.notification()?;
    shared(9).store(go.cptr(), Relaxed);
    for level in 1..=LEVELS {
        let (endpoint, reply): (Cap<Endpoint>, Cap<Reply>) = (t.endpoint()?, t.reply()?);
        shared(10 + 2 * level).store(endpoint.cptr(), Relaxed);
        shared(11 + 2 * level).store(reply.cptr(), Relaxed);
    }
    let mut servers = [None; LEVELS];
    for (level, server) in (1..).zip(&mut servers) {
        let thread = t.spawn(Options::at_priority(110), serve, level)?;
        t.settle()?;
        thread.sched_context.unbind_thread(thread.tcb)?;
        *server = Some(thread);
    }
    let caller = t.spawn(Options::default(), call_first, 0)?;
    t.settle()?;
    let [one, two, three] = servers.map(|server| server.unwrap_or(caller));
    Ok(Chain { threads: [caller, one, two, three], go })
}

/// Lets the last server go on and expects this log.
#[track_caller]
fn goes_on(t: &mut Fixture<'_>, chain: &Chain, expected: &[u64]) -> Outcome {
    chain.go.signal();
    t.settle()?;
    log_is(expected)
}

/// Stacks of calls.
pub const TESTS: &[Test] = &[
    test("STACK0001", "time goes down three servers and comes back up, level by level", |t| {
        let chain = chain(t)?;
        // Each server stands behind its answer: the time has left it.
        goes_on(t, &chain, &[30, 20, 10, 71])?;
        equal(chain.done(), [true, false, false, false])
    }),
    test("STACK0002", "an answer to the first caller leaves the time with the last server", |t| {
        let chain = chain(t)?;
        chain.answer(1);
        t.settle()?;
        // It has its answer, but no time to read it.
        log_is(&[])?;
        // The time comes back through the levels that are still connected, and stays with server 1, whose answer
        // nobody waits for.
        goes_on(t, &chain, &[30, 20, 10, 11])?;
        equal(chain.done(), [false, true, false, false])
    }),
    test("STACK0003", "an answer in the middle cuts the stack in both directions", |t| {
        let chain = chain(t)?;
        chain.answer(2);
        t.settle()?;
        log_is(&[])?;
        // Server 3's answer gives the time to server 2. Nobody waits for that one's answer: it keeps the time.
        goes_on(t, &chain, &[30, 20, 21])?;
        // Server 1 has an answer but no time; the caller below it is no longer connected.
        let time = t.sched_context(1000, 1000)?;
        time.bind(chain.threads[1].tcb)?;
        t.settle()?;
        log_is(&[30, 20, 21, 10, 11])?;
        // The caller was answered without time.
        equal(chain.done(), [false, true, true, false])?;
        let time = t.sched_context(1000, 1000)?;
        time.bind(chain.threads[0].tcb)?;
        t.settle()?;
        log_is(&[30, 20, 21, 10, 11, 71])
    }),
    test("STACK0004", "an answer to the newest call takes the time from the last server", |t| {
        let chain = chain(t)?;
        chain.answer(3);
        t.settle()?;
        log_is(&[20, 10, 71])?;
        // Server 3 has no time to see the signal.
        goes_on(t, &chain, &[20, 10, 71])
    }),
    test("STACK0005", "a caller suspended in the middle cuts the stack", |t| {
        let chain = chain(t)?;
        chain.threads[1].tcb.suspend()?;
        // Server 3 answers server 2, which keeps the time: its caller is gone.
        goes_on(t, &chain, &[30, 20, 21])?;
        // The first caller is still held by server 1's reply object, without a way for the time.
        chain.answer(1);
        t.settle()?;
        log_is(&[30, 20, 21])?;
        let time = t.sched_context(1000, 1000)?;
        time.bind(chain.threads[0].tcb)?;
        t.settle()?;
        log_is(&[30, 20, 21, 61])
    }),
    test("STACK0006", "the first caller suspended leaves the rest of the stack as it is", |t| {
        let chain = chain(t)?;
        chain.threads[0].tcb.suspend()?;
        goes_on(t, &chain, &[30, 20, 10, 11])
    }),
    test("STACK0007", "the newest caller suspended leaves the time with the last server", |t| {
        let chain = chain(t)?;
        chain.threads[2].tcb.suspend()?;
        goes_on(t, &chain, &[30, 31])?;
        equal(chain.done(), [false, false, false, true])
    }),
    test("STACK0008", "a caller deleted in the middle cuts the stack", |t| {
        let chain = chain(t)?;
        at(chain.threads[1].tcb).delete()?;
        goes_on(t, &chain, &[30, 20, 21])
    }),
    test("STACK0009", "a reply object deleted in the middle stops its caller and cuts the stack", |t| {
        let chain = chain(t)?;
        at(chain.reply(2)).delete()?;
        goes_on(t, &chain, &[30, 20, 21])?;
        // Server 1 is inactive: it does not go on with time either.
        let time = t.sched_context(1000, 1000)?;
        time.bind(chain.threads[1].tcb)?;
        t.settle()?;
        log_is(&[30, 20, 21])
    }),
    test("STACK0010", "the newest reply object deleted takes the time away from the last server", |t| {
        let chain = chain(t)?;
        at(chain.reply(3)).delete()?;
        // Server 2 is inactive and has the time.
        goes_on(t, &chain, &[])?;
        // The stack below is whole: server 2 answers when it is resumed somewhere else; here the test does.
        chain.answer(2);
        t.settle()?;
        log_is(&[10, 71])
    }),
    test("STACK0011", "the oldest reply object deleted stops the first caller", |t| {
        let chain = chain(t)?;
        at(chain.reply(1)).delete()?;
        goes_on(t, &chain, &[30, 20, 10, 11])?;
        equal(chain.done(), [false, true, false, false])
    }),
    test(
        "STACK0012",
        "reply objects deleted from the newest to the oldest give the time to the caller",
        |t| {
            let chain = chain(t)?;
            for level in [3, 2, 1] {
                at(chain.reply(level)).delete()?;
            }
            // The caller is inactive and calls again with the time that it has.
            chain.threads[0].tcb.resume()?;
            t.settle()?;
            equal(Cap::<Endpoint>::new(endpoint_of(1)).nb_wait().length(), 1)
        },
    ),
    test("STACK0013", "the last server deleted keeps the time in the stack until it is answered", |t| {
        let chain = chain(t)?;
        at(chain.threads[3].tcb).delete()?;
        t.settle()?;
        log_is(&[])?;
        chain.answer(3);
        t.settle()?;
        log_is(&[20, 10, 71])
    }),
    test(
        "STACK0014",
        "the last server deleted, the newest reply object gives the time back when it goes",
        |t| {
            let chain = chain(t)?;
            at(chain.threads[3].tcb).delete()?;
            at(chain.reply(3)).delete()?;
            chain.answer(2);
            t.settle()?;
            log_is(&[10, 71])
        },
    ),
    test("STACK0015", "the last server suspended and resumed waits again and goes on", |t| {
        let chain = chain(t)?;
        chain.threads[3].tcb.suspend()?;
        goes_on(t, &chain, &[])?;
        chain.threads[3].tcb.resume()?;
        t.settle()?;
        log_is(&[30, 20, 10, 71])
    }),
    test("STACK0016", "time unbound while it is lent stops the server, and comes back to nobody", |t| {
        let chain = chain(t)?;
        chain.threads[0].sched_context.unbind()?;
        goes_on(t, &chain, &[])?;
        chain.answer(3);
        chain.answer(2);
        chain.answer(1);
        t.settle()?;
        log_is(&[])?;
        chain.threads[0].sched_context.bind(chain.threads[0].tcb)?;
        t.settle()?;
        log_is(&[61])
    }),
    test("STACK0017", "time deleted while it is lent stops the server, not the answers", |t| {
        let chain = chain(t)?;
        at(chain.threads[0].sched_context).delete()?;
        goes_on(t, &chain, &[])?;
        chain.answer(1);
        let time = t.sched_context(1000, 1000)?;
        time.bind(chain.threads[0].tcb)?;
        t.settle()?;
        log_is(&[61])
    }),
    test("STACK0018", "a caller that gets other time while it waits does not take the lent one back", |t| {
        let chain = chain(t)?;
        let time = t.sched_context(1000, 1000)?;
        time.bind(chain.threads[0].tcb)?;
        // Server 1 answers and goes on behind it: it keeps the lent time.
        goes_on(t, &chain, &[30, 20, 10, 11, 71])?;
        equal(chain.done(), [true, true, false, false])
    }),
    test(
        "STACK0019",
        "a server in the middle that gets time of its own does not take the lent one back",
        |t| {
            let chain = chain(t)?;
            let time = t.sched_context(1000, 1000)?;
            time.bind(chain.threads[2].tcb)?;
            // Server 3 keeps the lent time, until server 2 answers the call below and so passes it on.
            goes_on(t, &chain, &[30, 31, 20, 21, 10, 71])?;
            equal(chain.done(), [true, false, true, true])
        },
    ),
    test(
        "STACK0020",
        "a reply object that is used again in the middle drops its caller and cuts the stack",
        |t| {
            let chain = chain(t)?;
            let endpoint = t.endpoint()?;
            equal(endpoint.nb_recv(chain.reply(2)).badge, 0)?;
            goes_on(t, &chain, &[30, 20, 21])?;
            check(!chain.done()[1], "server 1 is inactive")
        },
    ),
];
