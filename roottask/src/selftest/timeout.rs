//! Timeout faults and their answers (abi.md 5.3, 5.4, 9.7).

use libsel::abi::{CapRights, Word};
use libsel::invoke::UserContext;
use libsel::rt::ticks as now;
use libsel::{Cap, sys};

use super::code;
use super::faulter::{Faulter, HANDLER_BADGE, Seen, registers};
use super::fixture::Fixture;
use super::harness::{Test, check, equal, eventually, test, within};
use super::thread::Options;

/// Label of a timeout message.
const TIMEOUT: Word = 5;

/// A thread that spins on 1 ms of every 8 ms, with the test as its timeout handler.
fn spinner(t: &mut Fixture<'_>) -> libsel::Result<Faulter> {
    let options = Options { sched_badge: 0x77, ..Options::with_budget(1000, 8000) };
    let faulter = t.faulter(options)?;
    let handler = t.mint(faulter.endpoint, CapRights::ALL, HANDLER_BADGE)?;
    faulter.thread.tcb.set_timeout_endpoint(handler)?;
    let context = registers(&faulter.thread, code::spin());
    faulter.thread.tcb.write_registers(true, 20, &context)?;
    Ok(faulter)
}

/// Answers a timeout until another fault comes: a host that stops the machine meanwhile uses up more budgets.
fn answer_timeouts(faulter: &Faulter, words: &[Word]) -> Seen {
    loop {
        let seen = faulter.answer(0, words);
        if seen.label != TIMEOUT {
            return seen;
        }
    }
}

/// Timeouts.
pub const TESTS: &[Test] = &[
    test("TIMEOUT0001", "a used-up budget is a fault with badge and time", |t| {
        let faulter = spinner(t)?;
        let seen = faulter.fault();
        equal((seen.badge, seen.label, seen.words().len()), (HANDLER_BADGE, TIMEOUT, 2))?;
        equal(seen.words()[0], 0x77)?;
        within(seen.words()[1], 900..=500_000, "microseconds consumed")
    }),
    test("TIMEOUT0002", "an answered timeout continues in the next period", |t| {
        let faulter = spinner(t)?;
        faulter.fault();
        let before = now();
        let seen = answer_timeouts(&faulter, &[code::ud2()]);
        let us = (now() - before) / t.machine.ticks_per_us;
        // Restart address, stack and flags are the first words of the answer.
        seen.reached(code::ud2())?;
        within(us, 5000..=1_000_000, "microseconds until the next period")
    }),
    test("TIMEOUT0003", "a timeout answer sets 19 registers", |t| {
        let faulter = spinner(t)?;
        faulter.fault();
        let order = libsel::abi::fault::timeout::REPLY_REGISTERS;
        let mut words = [0; 19];
        for (index, word) in words.iter_mut().enumerate() {
            *word = 0x200 + index as Word;
        }
        (words[0], words[1], words[2]) = (code::ud2(), faulter.thread.stack_end - 64, 0x202);
        answer_timeouts(&faulter, &words).reached(code::ud2())?;
        let seen: UserContext = faulter.thread.tcb.read_registers(false, 20)?;
        order
            .into_iter()
            .zip(words)
            .try_for_each(|(register, word)| equal((register, seen.get(register)), (register, word)))
    }),
    test("TIMEOUT0004", "a timeout answered with a label stops the thread", |t| {
        let faulter = spinner(t)?;
        faulter.fault();
        faulter.refuse(t, &[])?;
        t.sleep_us(10_000)?;
        equal(faulter.endpoint.nb_recv(faulter.reply).badge, 0)
    }),
    test("TIMEOUT0005", "a round-robin thread has no timeout faults", |t| {
        let faulter = t.faulter(Options::with_budget(500, 500))?;
        faulter.thread.tcb.set_timeout_endpoint(faulter.endpoint)?;
        let context = registers(&faulter.thread, code::spin());
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        t.sleep_us(3000)?;
        equal(faulter.endpoint.nb_recv(faulter.reply).label(), 0)
    }),
    test("TIMEOUT0006", "yield is no timeout", |t| {
        extern "C" fn yield_once(_: Word) {
            sys::yield_();
        }
        let endpoint = t.endpoint()?;
        let thread = t.prepare(Options::with_budget(10_000, 11_000), yield_once, 0)?;
        thread.tcb.set_timeout_endpoint(endpoint)?;
        thread.tcb.resume()?;
        thread.join();
        check(endpoint.nb_recv(t.reply()?).label() == 0, "no fault message")
    }),
    test("TIMEOUT0007", "without a handler the thread just waits", |t| {
        let faulter = t.faulter(Options::with_budget(1000, 4000))?;
        let context = registers(&faulter.thread, code::spin());
        faulter.thread.tcb.write_registers(true, 20, &context)?;
        faulter.thread.tcb.set_timeout_endpoint(Cap::NULL)?;
        t.sleep_us(2000)?;
        within(faulter.thread.sched_context.consumed()?, 900..=u64::MAX, "microseconds of the first budget")?;
        eventually(|| {
            let before = now();
            t.sleep_us(8000)?;
            let us = (now() - before) / t.machine.ticks_per_us;
            // One period more may have begun. An overrun is paid back: perhaps the thread does not run at all.
            within(faulter.thread.sched_context.consumed()?, 0..=us / 4 + 1500, "microseconds consumed")
        })?;
        equal(faulter.endpoint.nb_recv(faulter.reply).label(), 0)
    }),
];
