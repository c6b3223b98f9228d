//! Codecs that are not G.711, on their way to A-law at 8 kHz and back: that is what is recorded, mixed, played and listened to for keys.

use crate::g711;
use crate::g722::{Decoder, Encoder};
use busyhour_model::{Codec, G711};
use serde::{Deserialize, Serialize};

/// Both ways of one stream.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Wide {
    encoder: Encoder,
    decoder: Decoder,
}

impl Wide {
    /// For a codec; none is needed for G.711.
    pub(crate) fn of(codec: Codec) -> Option<Box<Wide>> {
        codec.g711().is_none().then(Box::default)
    }

    /// Appends the A-law of a payload.
    pub(crate) fn decode(&mut self, payload: &[u8], sound: &mut Vec<u8>) {
        sound.extend(payload.iter().map(|byte| g711::encode_a(self.decoder.decode_narrow(*byte))));
    }

    /// Appends the payload that sounds like these codes.
    pub(crate) fn encode(&mut self, law: G711, codes: &[u8], payload: &mut Vec<u8>) {
        payload.extend(codes.iter().map(|code| self.encoder.encode_narrow(g711::decode(law, *code))));
    }
}
