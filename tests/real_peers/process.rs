//! Programs of other people, started and ended by their own process id.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running program; ended when dropped.
pub(crate) struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with everything it says going to `<folder>/<name>.log`.
    pub(crate) fn start(name: &str, folder: &Path, command: &mut Command) -> Process {
        Process::spawn(name, folder, command.stdin(Stdio::null()))
    }

    /// The same, and its standard input.
    pub(crate) fn driven(name: &str, folder: &Path, command: &mut Command) -> (Process, ChildStdin) {
        let mut process = Process::spawn(name, folder, command.stdin(Stdio::piped()));
        let keys = process.child.stdin.take().unwrap();
        (process, keys)
    }

    fn spawn(name: &str, folder: &Path, command: &mut Command) -> Process {
        let log = folder.join(format!("{name}.log"));
        let out = File::create(&log).unwrap();
        command.stderr(out.try_clone().unwrap()).stdout(out);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}; `./test setup` installs it"));
        Process { child, name: name.to_owned(), log }
    }

    /// Waits until somebody takes what comes to this port: what comes before is given back by ICMP, and fails. Or it has ended.
    pub(crate) fn listens(mut self, port: u16) -> Process {
        let local = format!(":{port:04X}");
        // Of this thread: each test may have a network of its own.
        let taken = |table: &&str| {
            let table = fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default();
            table.lines().any(|line| line.split_whitespace().nth(1).is_some_and(|at| at.ends_with(&local)))
        };
        until(&format!("{} listens", self.name), Duration::from_secs(10), || {
            let ended = self.child.try_wait().unwrap().is_some();
            (ended || ["udp", "udp6", "tcp", "tcp6"].iter().any(taken)).then_some(())
        });
        self
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits for its own end, which must be a success.
    pub(crate) fn succeeds_within(mut self, limit: Duration) {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return assert!(status.success(), "{} ended with {status}:\n{}", self.name, self.tail());
            }
            assert!(begin.elapsed() < limit, "{} still runs after {limit:?}:\n{}", self.name, self.tail());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks it to end (SIGINT) and waits until it has, so that it can finish its files.
    pub(crate) fn stop(&mut self) {
        let pid = i32::try_from(self.child.id()).unwrap();
        if self.child.try_wait().unwrap().is_none() {
            // SAFETY: our own child, not yet waited for, so the id is still its own.
            #[allow(unsafe_code)]
            unsafe {
                libc::kill(pid, libc::SIGINT);
            }
        }
        let begin = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if begin.elapsed() > Duration::from_secs(10) {
                self.child.kill().unwrap();
                // Its own children too, where it leads a group.
                // SAFETY: as above; there may be no such group, and that is no harm.
                #[allow(unsafe_code)]
                unsafe {
                    libc::kill(-pid, libc::SIGKILL);
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Does nothing from now on, and neither do the children of a group it leads.
    pub(crate) fn freezes(&self) {
        self.signal_group(libc::SIGSTOP);
    }

    /// Goes on where it was frozen.
    pub(crate) fn thaws(&self) {
        self.signal_group(libc::SIGCONT);
    }

    /// Ends at once, whatever it does, and its group with it.
    pub(crate) fn dies(mut self) {
        self.signal_group(libc::SIGKILL);
        self.child.wait().unwrap();
    }

    fn signal_group(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).unwrap();
        // SAFETY: our own child, not yet waited for, which leads a group of this name.
        #[allow(unsafe_code)]
        unsafe {
            libc::kill(-pid, signal);
        }
    }

    fn tail(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits until `done` gives something. What is waited for happens in another program, so there is nothing to be told by.
#[track_caller]
pub(crate) fn until<T>(what: &str, limit: Duration, mut done: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Runs `command` to its end and gives what it said on standard output; it must succeed.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}; `./test setup` installs it"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} ended with {}:\n{said}{complained}", output.status);
    said
}
