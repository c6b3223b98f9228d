//! Requests until they are answered and answers until they are acknowledged (RFC 3261 section 17).

use super::Out;
use busyhour_model::Time;
use rsip::Method;
use std::net::SocketAddr;
use std::time::Duration;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// Timers B, F, H and the wait for an ACK.
const GIVE_UP: Duration = Duration::from_secs(32);

/// Bytes sent again, ever more slowly, until something stops them.
#[derive(Clone, Debug)]
pub(super) struct Resend {
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
    next: Option<Time>,
    gap: Duration,
    deadline: Option<Time>,
    capped: bool,
}

impl Resend {
    /// Starts with T1; `capped`: never slower than T2.
    pub(super) fn new(now: Time, to: SocketAddr, bytes: Vec<u8>, capped: bool) -> Resend {
        Resend { to, bytes, next: Some(now + T1), gap: T1, deadline: Some(now + GIVE_UP), capped }
    }

    /// Bytes only sent again when asked for.
    pub(super) fn once(to: SocketAddr, bytes: Vec<u8>) -> Resend {
        Resend { to, bytes, next: None, gap: T1, deadline: None, capped: true }
    }

    pub(super) fn out(&self) -> Out {
        Out::Sip { to: self.to, bytes: self.bytes.clone() }
    }

    /// The other side has it.
    pub(super) fn stop(&mut self) {
        (self.next, self.deadline) = (None, None);
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.next.into_iter().chain(self.deadline).min()
    }

    /// What is to be sent now; `Err` once it is given up.
    pub(super) fn handle_timeout(&mut self, now: Time) -> Result<Option<Out>, ()> {
        if self.deadline.is_some_and(|d| d <= now) {
            self.stop();
            return Err(());
        }
        if self.next.is_none_or(|next| next > now) {
            return Ok(None);
        }
        self.gap = if self.capped { (self.gap * 2).min(T2) } else { self.gap * 2 };
        self.next = Some(now + self.gap);
        Ok(Some(self.out()))
    }
}

/// A request of ours without a final response.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) method: Method,
    pub(super) branch: String,
    pub(super) cseq: u32,
    pub(super) uri: String,
    pub(super) resend: Resend,
    /// A provisional response came.
    pub(super) proceeding: bool,
}

impl Pending {
    pub(super) fn new(
        now: Time,
        method: Method,
        branch: String,
        cseq: u32,
        uri: String,
        to: SocketAddr,
        bytes: Vec<u8>,
    ) -> Pending {
        let resend = Resend::new(now, to, bytes, method != Method::Invite);
        Pending { method, branch, cseq, uri, resend, proceeding: false }
    }

    /// A provisional response came (sections 17.1.1.2 and 17.1.2.2).
    pub(super) fn proceed(&mut self, now: Time) {
        self.proceeding = true;
        if self.method == Method::Invite {
            self.resend.stop();
        } else {
            self.resend.gap = T2;
            self.resend.next = Some(now + T2);
        }
    }

    /// A cancelled INVITE is not waited for any longer than this (section 9.1).
    pub(super) fn expire(&mut self, now: Time) {
        self.resend.deadline = Some(now + GIVE_UP);
    }
}

/// Our answer to a request, kept for its retransmissions.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) branch: String,
    pub(super) method: Method,
    pub(super) cseq: u32,
    pub(super) status: u16,
    pub(super) resend: Resend,
}
