//! What sound is offered to a peer, and taken from it.

use busyhour_model::{Codec, Gain};
use serde::{Deserialize, Serialize};

/// What a peer is offered, and what of its own offers is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// These codecs in this order; none named: those of G.711, in the order of who offers, and another where the peer or the other
    /// side of the call speaks nothing else.
    pub codecs: Vec<Codec>,
    /// How its keys come, and ours go.
    pub keys: Keys,
    /// What our own offers call telephone-event.
    pub telephone_event: u8,
    /// Milliseconds of speech per packet that our offers ask for.
    pub ptime_ms: u8,
    /// How much louder either way is made.
    pub gain: Gain,
    /// Whether sound is kept secret.
    pub srtp: Secrecy,
}

/// Whether sound is kept secret on its way (SRTP), with keys in the description (RFC 4568) or by a handshake (DTLS-SRTP, RFC 5763).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secrecy {
    /// Never: who wants it is refused.
    Refused,
    /// Where the peer offers it.
    #[default]
    Accepted,
    /// Offered, and left out where the peer does not take it.
    Offered,
    /// Always: who does not take it is refused. We offer keys in the description.
    Required,
    /// Always, and we offer a handshake, as browsers want it.
    Dtls,
}

/// How keys are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keys {
    /// As telephone-events (RFC 4733) where both speak them, as tones in the sound where the peer does not; by INFO as well.
    #[default]
    Events,
    /// As telephone-events where both speak them, and by INFO; tones in the sound are sound.
    EventsOnly,
    /// As tones in the sound (ITU-T Q.23), and in no other way.
    Tones,
    /// By INFO; ours go as tones.
    Info,
}

impl Default for Terms {
    fn default() -> Terms {
        let (gain, srtp) = Default::default();
        Terms { codecs: Vec::new(), keys: Keys::Events, telephone_event: 101, ptime_ms: 20, gain, srtp }
    }
}

impl Terms {
    /// The codecs of our offers; `first` before the others, where it is taken at all. One that is not understood is offered to whoever is
    /// to talk with one who speaks it, and then no other; none is left where it is not taken.
    pub(crate) fn offered(&self, first: Option<Codec>) -> impl Iterator<Item = Codec> + '_ {
        let named: &[Codec] = if self.codecs.is_empty() { &[Codec::Pcma, Codec::Pcmu] } else { &self.codecs };
        let alone = first.is_some_and(|first| !first.is_understood());
        let first = first.filter(|first| self.codecs.is_empty() || self.codecs.contains(first));
        let named = named.iter().copied().filter(move |codec| Some(*codec) != first && codec.is_understood());
        first.into_iter().chain(named.take(if alone { 0 } else { usize::MAX }))
    }

    /// The codecs taken from an offer, the most welcome first: of those in one list that which the peer names first. What is not
    /// understood comes last: no prompt can be said in it.
    pub(crate) fn taken(&self) -> impl Iterator<Item = &[Codec]> + '_ {
        let unnamed = [&[Codec::Pcma, Codec::Pcmu][..], &[Codec::G722]].into_iter().filter(|_| self.codecs.is_empty());
        let named = |understood| self.codecs.chunks(1).filter(move |codec| codec[0].is_understood() == understood);
        unnamed.chain(named(true)).chain(named(false))
    }

    pub(crate) fn speaks_events(&self) -> bool {
        matches!(self.keys, Keys::Events | Keys::EventsOnly)
    }

    /// Whether keys are listened for in the sound of a peer with whom telephone-events are agreed on, or not.
    pub(crate) fn hears_tones(&self, events: bool) -> bool {
        match self.keys {
            Keys::Tones => true,
            Keys::Events => !events,
            Keys::EventsOnly | Keys::Info => false,
        }
    }
}
