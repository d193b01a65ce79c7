//! SchedControl: the right to hand out a core's time (abi.md 7.7).
use sel_abi::{Label, MIN_BUDGET_US, SCHED_CONTEXT_SPORADIC};

use super::sched_context::{self, Budget};
use crate::cap::Cap;
use crate::error::{Stop, SyscallError};
use crate::invoke::{Done, Invocation};
use crate::state::Kernel;

/// Decodes an invocation of a SchedControl capability.
pub fn invoke(k: &mut Kernel, call: &Invocation) -> Result<Done, Stop> {
    if call.label() != Some(Label::SchedControlConfigureFlags) {
        return Err(SyscallError::IllegalOperation.into());
    }
    let target = call.extra_cap(0)?;
    call.need_words(5)?;
    let [budget_us, period_us, extra_refills, badge, flags] = [0, 1, 2, 3, 4].map(|index| call.word(index));
    let max = k.time.max_us();
    for value in [budget_us, period_us] {
        if value > max {
            return Err(SyscallError::RangeError { min: MIN_BUDGET_US, max }.into());
        }
    }
    for value in [budget_us, period_us] {
        if value < MIN_BUDGET_US {
            return Err(SyscallError::RangeError { min: MIN_BUDGET_US, max }.into());
        }
    }
    if budget_us > period_us {
        return Err(SyscallError::RangeError { min: MIN_BUDGET_US, max: period_us }.into());
    }
    let Cap::SchedContext(context) = target else {
        return Err(SyscallError::InvalidCapability(1).into());
    };
    let max_extra = sched_context::max_extra(&context);
    if extra_refills > max_extra {
        return Err(SyscallError::RangeError { min: 0, max: max_extra }.into());
    }
    let budget = Budget {
        budget: k.time.ticks(budget_us),
        period: k.time.ticks(period_us),
        extra_refills,
        badge,
        sporadic: flags & SCHED_CONTEXT_SPORADIC != 0,
    };
    sched_context::configure(k, context.object, &budget);
    Ok(Done::Nothing)
}
