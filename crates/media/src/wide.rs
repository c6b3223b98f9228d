//! Codecs that are not G.711, on their way to A-law at 8 kHz and back: that is what is recorded, mixed, played and listened to for keys.

#[cfg(feature = "opus")]
use crate::opus::Opus;
use crate::{g711, g722};
use busyhour_model::Codec;
use serde::{Deserialize, Serialize};

/// Both ways of one stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Wide {
    G722 {
        encoder: g722::Encoder,
        decoder: g722::Decoder,
    },
    #[cfg(feature = "opus")]
    Opus(Opus),
}

impl Wide {
    /// For a codec; none is needed for G.711, and none is there for what is not understood.
    pub(crate) fn of(codec: Codec) -> Option<Box<Wide>> {
        let wide = match codec {
            Codec::Pcma | Codec::Pcmu | Codec::G729 => return None,
            Codec::G722 => Wide::G722 { encoder: g722::Encoder::default(), decoder: g722::Decoder::default() },
            #[cfg(feature = "opus")]
            Codec::Opus => Wide::Opus(Opus::default()),
        };
        Some(Box::new(wide))
    }

    /// Appends the A-law of a payload; nothing when it is broken.
    pub(crate) fn decode(&mut self, payload: &[u8], sound: &mut Vec<u8>) {
        match self {
            Wide::G722 { decoder, .. } => {
                sound.extend(payload.iter().map(|byte| g711::encode_a(decoder.decode_narrow(*byte))));
            }
            #[cfg(feature = "opus")]
            Wide::Opus(opus) => opus.decode(payload, sound),
        }
    }

    /// Appends the payload that sounds like these samples at 8 kHz.
    pub(crate) fn encode(&mut self, samples: impl Iterator<Item = i16>, payload: &mut Vec<u8>) {
        match self {
            Wide::G722 { encoder, .. } => payload.extend(samples.map(|sample| encoder.encode_narrow(sample))),
            #[cfg(feature = "opus")]
            Wide::Opus(opus) => opus.encode(samples, payload),
        }
    }
}

/// Samples at 8 kHz of a payload.
pub(crate) fn samples(codec: Codec, payload: &[u8]) -> u32 {
    match codec {
        Codec::Pcma | Codec::Pcmu | Codec::G722 => payload.len() as u32,
        // Frames of ten bytes, 10 ms each; the last may be a shorter one of Annex B.
        Codec::G729 => payload.len().div_ceil(10) as u32 * 80,
        #[cfg(feature = "opus")]
        Codec::Opus => crate::opus::samples(payload),
    }
}
