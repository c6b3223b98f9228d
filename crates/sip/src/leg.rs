//! A leg: one INVITE session with one peer, from the first INVITE to the last BYE.

use crate::Response;
use crate::calling::Way;
use crate::cause::Reason;
use crate::dialog::Dialog;
use crate::expiry::Expiry;
use crate::invite::Invite;
use crate::media::Media;
use crate::reliable::Wish;
use crate::timer::Timer;
use busyhour_model::{Direction, LegId, Time, TrunkId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Early dialogs of one leg; responses from further ones are ignored until one answers.
pub(crate) const EARLY_MAX: usize = 16;
/// Tries of one re-INVITE against 491.
pub(crate) const GLARES_MAX: u8 = 5;

/// One leg.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Leg {
    /// The trunk it faces; `None` for a phone.
    pub(crate) trunk: Option<TrunkId>,
    pub(crate) phase: Phase,
    /// The switch has let go of it: it waits for an ACK to be hung up, and no event names it.
    pub(crate) gone: bool,
}

/// How far it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Their INVITE has no final response yet.
    Incoming(Box<Incoming>),
    /// Our INVITEs have no 2xx yet.
    Calling(Box<Calling>),
    /// Answered.
    Up(Box<Session>),
}

/// Their INVITE.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Incoming {
    /// Its transaction.
    pub(crate) server: u64,
    /// The INVITE itself, to answer it.
    pub(crate) request: Bytes,
    /// Its offer.
    pub(crate) offer: Option<Bytes>,
    pub(crate) session: Session,
    /// Our answer, once it went out in a provisional response.
    pub(crate) answered: Option<Bytes>,
    pub(crate) reliable: Wish,
}

/// Our INVITEs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Calling {
    pub(crate) forks: Vec<Fork>,
    /// What we offer in each, before it is known to whom.
    pub(crate) media: Media,
    pub(crate) early: Vec<Early>,
    /// Best final response so far.
    pub(crate) best: Option<Final>,
    /// Where a 3xx said the callee is.
    pub(crate) moved: Option<String>,
    /// How else the trunk may be reached.
    pub(crate) again: Option<Box<Again>>,
    /// The INVITE, while its time has not come.
    pub(crate) later: Option<Box<Invite>>,
}

/// A final response that refuses.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Final {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) reason: Option<Reason>,
}

impl Final {
    pub(crate) fn of(response: &Response) -> Final {
        let retry_after = response.headers.retry_after().map(|secs| Duration::from_secs(u64::from(secs)));
        Final { status: response.status, retry_after, reason: Reason::of(&response.headers) }
    }
}

/// What is done when the peer tried now takes no call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Again {
    pub(crate) invite: Invite,
    /// Further ways to the same callee; none when it can only be given up.
    pub(crate) rest: Vec<Way>,
    /// When the peer tried now has been silent for too long.
    pub(crate) timer: Option<Timer>,
}

/// One INVITE, to one contact.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fork {
    /// Its transaction.
    pub(crate) client: u64,
    /// Its dialogs' common part.
    pub(crate) dialog: Dialog,
    /// What we offer in it.
    pub(crate) media: Media,
    /// Still without a final response.
    pub(crate) open: bool,
}

/// A dialog made by a provisional response.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Early {
    pub(crate) client: u64,
    pub(crate) session: Session,
    /// RSeq of the last reliable provisional response.
    pub(crate) rseq: Option<u32>,
}

/// A dialog and what is heard in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) dialog: Dialog,
    pub(crate) media: Media,
    /// Our 2xx that waits for its ACK.
    pub(crate) unconfirmed: Option<Unconfirmed>,
    /// Our re-INVITE.
    pub(crate) pending: Option<Pending>,
    pub(crate) referral: Option<Referral>,
    /// The peer wants it transferred, and has not been told yet how that went.
    pub(crate) wanted: Option<Wanted>,
    /// When it ends by itself.
    pub(crate) expiry: Option<Expiry>,
}

/// The peer is to call somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Referral {
    /// Once our 2xx is acknowledged.
    To(String),
    /// It was asked and has not told yet how that went.
    Asked,
}

/// The peer's REFER.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// Its CSeq, which names the subscription (RFC 3515 section 2.4.6).
    pub(crate) number: u32,
    /// It wants no NOTIFY (RFC 4488).
    pub(crate) silent: bool,
    /// When the subscription ends.
    pub(crate) until: Time,
}

/// A 2xx of ours without ACK.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Unconfirmed {
    pub(crate) server: u64,
    pub(crate) cseq: u32,
    /// Our offer, when theirs did not come with the INVITE.
    pub(crate) offer: Option<Bytes>,
    /// It answered the INVITE that made the leg.
    pub(crate) first: bool,
}

/// A re-INVITE of ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) direction: Direction,
    /// What we offered; empty while it waits after a 491.
    pub(crate) offer: Bytes,
    pub(crate) client: Option<u64>,
    pub(crate) timer: Option<Timer>,
    /// 491s so far.
    pub(crate) glares: u8,
}

impl Session {
    pub(crate) fn new(dialog: Dialog, media: Media) -> Session {
        Session { dialog, media, unconfirmed: None, pending: None, referral: None, wanted: None, expiry: None }
    }
}

/// A tag of ours names its leg, so that requests are found without an index.
pub(crate) fn tag(leg: LegId, random: u64) -> String {
    format!("{:x}.{random:016x}", leg.0)
}

/// The leg that a tag of ours names.
pub(crate) fn tagged(tag: &str) -> Option<LegId> {
    u64::from_str_radix(tag.split_once('.')?.0, 16).ok().map(LegId)
}
