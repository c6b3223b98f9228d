//! Codecs that are not G.711, on their way to A-law at 8 kHz and back: that is what is recorded, mixed, played and listened to for keys;
//! from one of them to another at 16 kHz.

#[cfg(feature = "opus")]
use crate::opus::Opus;
use crate::{g711, g722};
use busyhour_model::Codec;
use serde::{Deserialize, Serialize};

/// Samples per second between two codecs that are not G.711.
#[cfg(feature = "opus")]
const WIDEBAND_RATE: u32 = 2 * crate::SAMPLE_RATE;

/// Both ways of one stream.
#[allow(clippy::large_enum_variant, reason = "each is in a box of its own")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Wide {
    G722 {
        encoder: g722::Encoder,
        decoder: g722::Decoder,
    },
    #[cfg(feature = "opus")]
    Opus {
        codec: Opus,
        lower: g722::LowerBand,
    },
}

impl Wide {
    /// For a codec; none is needed for G.711, and none is there for what is not understood.
    pub(crate) fn of(codec: Codec) -> Option<Box<Wide>> {
        let wide = match codec {
            Codec::Pcma | Codec::Pcmu | Codec::G729 => return None,
            Codec::G722 => Wide::G722 { encoder: g722::Encoder::default(), decoder: g722::Decoder::default() },
            #[cfg(feature = "opus")]
            Codec::Opus => Wide::Opus { codec: Opus::default(), lower: g722::LowerBand::default() },
        };
        Some(Box::new(wide))
    }

    /// Appends the A-law of a payload; nothing when it is broken. `samples` is room for it, and empty before and after.
    pub(crate) fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>, sound: &mut Vec<u8>) {
        match self {
            Wide::G722 { decoder, .. } => samples.extend(payload.iter().map(|byte| decoder.decode_narrow(*byte))),
            #[cfg(feature = "opus")]
            Wide::Opus { codec, .. } => codec.decode(crate::SAMPLE_RATE, payload, samples),
        }
        sound.extend(samples.drain(..).map(g711::encode_a));
    }

    /// Appends the samples at 16 kHz of a payload as well.
    pub(crate) fn decode_wideband(&mut self, payload: &[u8], samples: &mut Vec<i16>, sound: &mut Vec<u8>) {
        match self {
            Wide::G722 { decoder, .. } => {
                for byte in payload {
                    let (pair, narrow) = decoder.decode_both(*byte);
                    samples.extend(pair);
                    sound.push(g711::encode_a(narrow));
                }
            }
            #[cfg(feature = "opus")]
            Wide::Opus { codec, lower } => {
                codec.decode(WIDEBAND_RATE, payload, samples);
                sound.extend(samples.as_chunks::<2>().0.iter().map(|pair| g711::encode_a(lower.of(*pair))));
            }
        }
    }

    /// Appends the payload that sounds like these samples at 8 kHz.
    pub(crate) fn encode(&mut self, samples: impl Iterator<Item = i16>, payload: &mut Vec<u8>) {
        match self {
            Wide::G722 { encoder, .. } => payload.extend(samples.map(|sample| encoder.encode_narrow(sample))),
            #[cfg(feature = "opus")]
            Wide::Opus { codec, .. } => codec.encode(crate::SAMPLE_RATE, samples, payload),
        }
    }

    /// The same of samples at 16 kHz.
    pub(crate) fn encode_wideband(&mut self, mut samples: impl Iterator<Item = i16>, payload: &mut Vec<u8>) {
        match self {
            Wide::G722 { encoder, .. } => {
                let pairs = std::iter::from_fn(|| Some([samples.next()?, samples.next()?]));
                payload.extend(pairs.map(|pair| encoder.encode(pair)));
            }
            #[cfg(feature = "opus")]
            Wide::Opus { codec, .. } => codec.encode(WIDEBAND_RATE, samples, payload),
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
