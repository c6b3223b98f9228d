//! What a thread asks of the system's scheduler.
#![allow(unsafe_code)]

use std::io::{Error, Result};

/// Longer than the control thread works on nearly any input, shorter than what the system gives unasked.
const TURN_NS: u64 = 400_000;

/// Asks for short turns for the calling thread: whoever wants less at a time gets it sooner after waking up (Linux 6.12;
/// an older one hears it and does nothing). It needs no privilege and takes no CPU time from anybody; a thread that was
/// given another policy keeps it.
pub(crate) fn ask_for_short_turns() {
    // Where it is refused, turns are as long as everybody's.
    if let Ok(attributes) = attributes()
        && attributes.sched_policy == libc::SCHED_OTHER as u32
    {
        let wanted = libc::sched_attr { sched_runtime: TURN_NS, ..attributes };
        // SAFETY: it concerns the calling thread (0); `wanted` says its size and lives through the call.
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const wanted, 0) };
    }
}

/// How the calling thread is scheduled.
fn attributes() -> Result<libc::sched_attr> {
    let size = size_of::<libc::sched_attr>() as libc::c_uint;
    // SAFETY: sched_attr is plain integers; all zeros is a valid value.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    // SAFETY: it concerns the calling thread (0) and writes at most `size` bytes, which live through the call.
    let told = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if told == 0 { Ok(attributes) } else { Err(Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn who_asks_for_short_turns_keeps_the_rank_it_was_given() {
        // SAFETY: it takes no pointer and concerns the calling thread.
        assert_eq!(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 3) }, 0);
        ask_for_short_turns();
        let attributes = attributes().unwrap();
        assert_eq!((attributes.sched_policy, attributes.sched_nice), (libc::SCHED_OTHER as u32, 3));
        // Linux before 6.12 has no turns to ask for.
        assert!([0, TURN_NS].contains(&attributes.sched_runtime), "{}", attributes.sched_runtime);
    }
}
