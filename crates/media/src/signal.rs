//! The tones of telephone networks: ring-back, busy, congestion and call waiting, country by country.

use crate::{g711, tone};
use busyhour_model::G711;

/// Level of each frequency; two together are as loud as one.
const ONE: f64 = -12.0;
const OF_TWO: f64 = -15.0;

/// Frequencies that sound together, and milliseconds on and off in turn; all of it repeats.
type Cadence = (&'static [f64], &'static [usize]);

/// A country's tones.
#[derive(Debug, PartialEq)]
pub struct Country {
    /// ISO 3166, in small letters.
    pub code: &'static str,
    ringback: Cadence,
    busy: Cadence,
    congestion: Cadence,
    call_waiting: Cadence,
}

/// As the `indications.conf` of Asterisk (hk: of FreePBX) has them, which draws on ITU-T E.180 Supplement 2, BT SIN 350 (gb)
/// and IDA TS PSTN 1 (sg). A tone that swells so many times a second is given as the two frequencies that beat so: 400 Hz
/// swelling by 16 Hz (jp) and 425 Hz by 24 Hz (sg).
pub static COUNTRIES: [Country; 7] = [
    Country {
        code: "cn",
        ringback: (&[450.0], &[1000, 4000]),
        busy: (&[450.0], &[350, 350]),
        congestion: (&[450.0], &[700, 700]),
        call_waiting: (&[450.0], &[400, 4000]),
    },
    Country {
        code: "de",
        ringback: (&[425.0], &[1000, 4000]),
        busy: (&[425.0], &[480, 480]),
        congestion: (&[425.0], &[240, 240]),
        call_waiting: (&[425.0], &[200, 200, 200, 5000]),
    },
    Country {
        code: "gb",
        ringback: (&[400.0, 450.0], &[400, 200, 400, 2000]),
        busy: (&[400.0], &[375, 375]),
        congestion: (&[400.0], &[400, 350, 225, 525]),
        call_waiting: (&[400.0], &[100, 4000]),
    },
    Country {
        code: "hk",
        ringback: (&[440.0, 480.0], &[400, 200, 400, 3000]),
        busy: (&[480.0, 620.0], &[500, 500]),
        congestion: (&[480.0, 620.0], &[250, 250]),
        call_waiting: (&[440.0], &[300, 10_000]),
    },
    Country {
        code: "jp",
        ringback: (&[392.0, 408.0], &[1000, 2000]),
        busy: (&[400.0], &[500, 500]),
        congestion: (&[400.0], &[500, 500]),
        call_waiting: (&[392.0, 408.0], &[500, 8000]),
    },
    Country {
        code: "sg",
        ringback: (&[413.0, 437.0], &[400, 200, 400, 2000]),
        busy: (&[425.0], &[750, 750]),
        congestion: (&[425.0], &[250, 250]),
        call_waiting: (&[413.0, 437.0], &[300, 200, 300, 3200]),
    },
    Country {
        code: "us",
        ringback: (&[440.0, 480.0], &[2000, 4000]),
        busy: (&[480.0, 620.0], &[500, 500]),
        congestion: (&[480.0, 620.0], &[250, 250]),
        call_waiting: (&[440.0], &[300, 10_000]),
    },
];

impl Country {
    /// The country of this code.
    pub fn find(code: &str) -> Option<&'static Country> {
        COUNTRIES.iter().find(|country| country.code == code)
    }

    /// `system/…` ids and their A-law, each one round of its cadence.
    pub(crate) fn tones(&self) -> [(&'static str, Vec<u8>); 4] {
        [
            ("system/ringback", sound(self.ringback)),
            ("system/busy", sound(self.busy)),
            ("system/congestion", sound(self.congestion)),
            ("system/call-waiting", sound(self.call_waiting)),
        ]
    }
}

/// One round of a cadence.
fn sound((hertz, cadence): Cadence) -> Vec<u8> {
    let dbm0 = if hertz.len() > 1 { OF_TWO } else { ONE };
    let mut sound = Vec::new();
    for (at, ms) in cadence.iter().enumerate() {
        if at % 2 == 1 {
            sound.extend(std::iter::repeat_n(g711::silence(G711::A), ms * 8));
            continue;
        }
        let mut parts: Vec<tone::Sine> = hertz.iter().map(|hertz| tone::Sine::new(*hertz, dbm0)).collect();
        let mixed = std::iter::repeat_with(|| parts.iter_mut().filter_map(Iterator::next).sum::<i16>());
        sound.extend(mixed.take(ms * 8).map(g711::encode_a));
    }
    sound
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_tone_has_its_frequencies_and_its_cadence() {
        for country in &COUNTRIES {
            assert_eq!(Country::find(country.code), Some(country));
            let cadences = [country.ringback, country.busy, country.congestion, country.call_waiting];
            for ((id, sound), (hertz, cadence)) in country.tones().iter().zip(cadences) {
                let pcm: Vec<i16> = sound.iter().map(|code| g711::decode_a(*code)).collect();
                assert_eq!(
                    (pcm.len(), cadence.len() % 2),
                    (cadence.iter().sum::<usize>() * 8, 0),
                    "{} {id}",
                    country.code
                );
                let (on, off) = pcm.split_at(cadence[0] * 8);
                let wanted = if hertz.len() > 1 { OF_TWO } else { ONE };
                for hertz in hertz.iter() {
                    // A beat of 100 ms tells apart what is 10 Hz apart.
                    let level = tone::level(on, *hertz);
                    assert!((level - wanted).abs() < 1.5, "{} {id}: {hertz} Hz at {level}", country.code);
                }
                assert!(off[..cadence[1] * 8].iter().all(|s| s.abs() <= 8), "{} {id}: a pause", country.code);
            }
        }
        assert_eq!(Country::find("xx"), None);
    }
}
