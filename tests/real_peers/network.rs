//! A network of a test's own, so that tests whose peers use the same ports run side by side.

use crate::process::output;
use std::io;
use std::process::Command;

/// Moves this thread, and every program it starts, to a new network namespace with nothing but a loopback.
pub(crate) fn apart() {
    // SAFETY: it changes what this thread sees, no memory.
    #[allow(unsafe_code)]
    let moved = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    assert_eq!(moved, 0, "no network of its own: {}", io::Error::last_os_error());
    output(Command::new("ip").args(["link", "set", "lo", "up"]));
}
