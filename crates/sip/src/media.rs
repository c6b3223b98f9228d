//! Our end of the offer/answer exchange (RFC 3264).

use crate::sdp::{self, Local, SdpError};
use crate::{Secrecy, Terms};
use busyhour_model::{Audio, Codec, Direction, KeySecret};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// What we said last, and what was agreed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Media {
    local: Local,
    sent: Bytes,
    pub(crate) agreed: Option<Audio>,
    /// What we want, whatever the peer allows.
    pub(crate) wanted: Direction,
    /// Offers went on since the first was answered.
    pub(crate) renewed: bool,
}

impl Media {
    pub(crate) fn new(address: SocketAddr, session_id: u64, terms: Terms, secret: KeySecret) -> Media {
        let local = Local { address, session_id, version: 1, terms, first: None, secret, standing: None };
        Media { local, sent: Bytes::new(), agreed: None, wanted: Direction::SendRecv, renewed: false }
    }

    /// Where we want RTP from now on.
    pub(crate) fn move_to(&mut self, address: SocketAddr) {
        self.local.address = address;
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.local.terms
    }

    /// Offers this codec first, as long as none is agreed on.
    pub(crate) fn prefer(&mut self, codec: Option<Codec>) {
        self.local.first = codec;
    }

    /// Its peer is a browser, that knows no other way than a handshake.
    pub(crate) fn shake_hands(&mut self) {
        if self.local.secret.certificate.is_some() && self.local.terms.srtp != Secrecy::Refused {
            self.local.terms.srtp = Secrecy::Dtls;
        }
    }

    /// What we offered or answered last.
    pub(crate) fn sent(&self) -> Bytes {
        self.sent.clone()
    }

    /// A new offer.
    pub(crate) fn offer(&mut self, direction: Direction) -> Bytes {
        if let Some(agreed) = &self.agreed {
            self.local.first = Some(agreed.codec);
        }
        let same = sdp::offer(&self.local, direction);
        if self.is_news(&same) {
            self.sent = sdp::offer(&self.local, direction);
        }
        self.sent.clone()
    }

    /// For a new call to somebody else: with other keys.
    pub(crate) fn renew(&mut self, secret: KeySecret) {
        self.local.secret = secret;
    }

    /// Answers their offer; what is agreed changes with it.
    pub(crate) fn answer(&mut self, offer: &[u8]) -> Result<Bytes, SdpError> {
        let (same, audio) = sdp::answer(&self.local, offer, self.wanted)?;
        if self.is_news(&same) {
            self.sent = sdp::answer(&self.local, offer, self.wanted)?.0;
        }
        self.renewed = self.agreed.is_some();
        self.agree(audio);
        Ok(self.sent.clone())
    }

    /// Takes their answer to `offer`.
    pub(crate) fn accept(&mut self, offer: &[u8], answer: &[u8]) -> Result<Audio, SdpError> {
        let audio = sdp::accepted(&self.local, offer, answer)?;
        self.agree(audio.clone());
        Ok(audio)
    }

    fn agree(&mut self, audio: Audio) {
        self.local.standing = audio.srtp.as_deref().cloned();
        self.agreed = Some(audio);
    }

    /// Counts the version up when `same`, written with the last version, differs from what we sent last (RFC 3264 section 8).
    fn is_news(&mut self, same: &Bytes) -> bool {
        if self.sent.is_empty() {
            self.sent = same.clone();
        }
        let news = self.sent != *same;
        self.local.version += u64::from(news);
        news
    }
}
