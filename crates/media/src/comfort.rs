//! Comfort noise (RFC 3389): what a sender that pauses says its silence sounds like, made again.

use serde::{Deserialize, Serialize};

/// Reflection coefficients that are used; what a packet says beyond is finer than noise is heard (RFC 3389 section 3).
const ORDER: usize = 10;
/// A filter stays stable below 1.
const REFLECTION_MAX: f32 = 0.98;

/// Noise of a level and a shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comfort {
    /// Of the white noise in front of the filter, its peak in 16-bit steps.
    peak: f32,
    reflections: [f32; ORDER],
    backward: [f32; ORDER],
    random: u32,
}

impl Comfort {
    /// Noise as a packet's payload asks for it: the level in -dBov, then the quantised reflection coefficients. `None` when it is empty.
    pub fn told(payload: &[u8]) -> Option<Comfort> {
        let (level, shape) = payload.split_first()?;
        let mut reflections = [0.0; ORDER];
        for (reflection, index) in reflections.iter_mut().zip(shape) {
            let exact = 258.0 / 32_768.0 * (f32::from(*index) - 127.0);
            *reflection = exact.clamp(-REFLECTION_MAX, REFLECTION_MAX);
        }
        // A square wave that just overloads is 0 dBov; what the filter adds is taken off in front of it.
        let power = 32_767.0 * 10f32.powf(-f32::from(level & 0x7F) / 20.0);
        let gain: f32 = reflections.iter().map(|k| 1.0 - k * k).product();
        let peak = power * gain.sqrt() * 3f32.sqrt();
        Some(Comfort { peak, reflections, backward: [0.0; ORDER], random: 1 })
    }

    /// The next samples.
    pub fn fill(&mut self, sound: &mut [i16]) {
        for sample in sound {
            *sample = self.next() as i16;
        }
    }

    /// The same noise, another level or shape: without a step.
    pub(crate) fn change(&mut self, to: &Comfort) {
        (self.peak, self.reflections) = (to.peak, to.reflections);
    }

    /// The lattice of an all-pole filter, fed with white noise.
    fn next(&mut self) -> f32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut forward = self.peak * (self.random as i32 as f32 / 2_147_483_648.0);
        for at in (0..ORDER).rev() {
            forward -= self.reflections[at] * self.backward[at];
            if at + 1 < ORDER {
                self.backward[at + 1] = self.reflections[at] * forward + self.backward[at];
            }
        }
        self.backward[0] = forward;
        forward
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jitter::tests::power;
    use crate::tone;

    #[test]
    fn it_has_the_level_and_the_shape_that_was_told() {
        let shapes: [(&[u8], f64); 5] = [
            (&[], 0.0),
            (&[127], 0.0),
            (&[40], 15.0),
            (&[214], -15.0),
            (&[60, 180, 127, 110, 140, 127, 150, 120, 127, 130, 1, 254], 0.0),
        ];
        for level in [20, 45, 70, 0x80 | 50] {
            for (shape, tilt) in shapes {
                let mut comfort = Comfort::told(&[&[level], shape].concat()).unwrap();
                let mut sound = vec![0; 40_000];
                comfort.fill(&mut sound);
                let dbov = 20.0 * (power(&sound).sqrt() / 32_767.0).log10();
                assert!((dbov + f64::from(level & 0x7F)).abs() < 1.5, "{level} {shape:?}: {dbov:.1} dBov");
                let band = |from: u32| {
                    (0..20).map(|n| tone::level(&sound[..8000], f64::from(from + 17 * n))).sum::<f64>() / 20.0
                };
                let heard = band(200) - band(3400);
                assert!(tilt == 0.0 || (heard > 8.0) == (tilt > 0.0), "{shape:?}: {heard:.1} dB lower at 3.4 kHz");
            }
        }
        assert_eq!(Comfort::told(&[]), None);
    }
}
