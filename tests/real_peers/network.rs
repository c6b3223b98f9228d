//! A network of a test's own, so that tests whose peers use the same ports run side by side.

use crate::process::output;
use std::io;
use std::process::Command;

/// Moves this thread, and every program it starts, to a new network namespace: a loopback, and a way out that leads nowhere.
pub(crate) fn apart() {
    // SAFETY: it changes what this thread sees, no memory.
    #[allow(unsafe_code)]
    let moved = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    assert_eq!(moved, 0, "no network of its own: {}", io::Error::last_os_error());
    // Linphone registers nowhere without a way out; nothing is at its other end.
    for line in [
        "link set lo up",
        "link add out type veth peer name nowhere",
        "address add 192.0.2.1/24 dev out",
        "link set out up",
        "link set nowhere up",
        "route add default dev out",
    ] {
        output(Command::new("ip").args(line.split(' ')));
    }
}
