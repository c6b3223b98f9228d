//! What can be played: prompts by language and id, and the sounds of the system, as A-law shared by all legs.

use crate::{COUNTRIES, Country, SAMPLE_RATE, WavError, g711, keypad, tone, wav};
use busyhour_model::Name;
use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

/// The most prompts of all languages together.
pub const PROMPTS_MAX: usize = 20_000;

/// All sounds, loaded before the first call; nothing is copied to play one.
#[derive(Clone, Debug)]
pub struct Library {
    prompts: BTreeMap<Name, BTreeMap<Name, Arc<[u8]>>>,
    system: BTreeMap<Name, Arc<[u8]>>,
}

impl Default for Library {
    fn default() -> Library {
        Library::new()
    }
}

impl Library {
    /// Only the sounds of the system, with the tones of China.
    pub fn new() -> Library {
        Library::in_country(&COUNTRIES[0])
    }

    /// Only the sounds of the system: `system/moh`, `system/beep`, the country's tones `system/ringback`, `busy`, `congestion` and
    /// `call-waiting`, and everywhere `system/ringback-450` (450 Hz, 1 s on, 4 s off) and `system/busy-450` (450 Hz, .35 s on,
    /// .35 s off).
    pub fn in_country(country: &Country) -> Library {
        let system = [
            ("system/moh", music()),
            ("system/beep", beats(1000.0, 400, 0)),
            ("system/ringback-450", beats(450.0, 1000, 4000)),
            ("system/busy-450", beats(450.0, 350, 350)),
        ];
        let system = system.into_iter().chain(country.tones()).map(|(id, sound)| (Name::from(id), Arc::from(sound)));
        let keys = keypad::tones().map(|(id, sound)| (Name::from(id), Arc::from(sound)));
        Library { prompts: BTreeMap::new(), system: system.chain(keys).collect() }
    }

    /// Takes a WAV file: mono A-law, µ-law or 16-bit PCM of 8 to 48 kHz. An id given twice is replaced; a `system/…` id is that
    /// system sound for every language.
    pub fn insert(&mut self, language: &str, id: &str, file: &[u8]) -> Result<(), WavError> {
        let sound: Arc<[u8]> = wav::read(file)?.into();
        if self.len() >= PROMPTS_MAX && !self.contains(language, id) {
            return Err(WavError::TooMany);
        }
        if id.starts_with("system/") {
            self.system.insert(id.into(), sound);
        } else {
            self.prompts.entry(language.into()).or_default().insert(id.into(), sound);
        }
        Ok(())
    }

    /// The A-law samples of a prompt; a `system/…` id has no language.
    pub fn find(&self, language: &str, id: &str) -> Option<&Arc<[u8]>> {
        self.system.get(id).or_else(|| self.prompts.get(language)?.get(id))
    }

    /// Whether a prompt can be played.
    pub fn contains(&self, language: &str, id: &str) -> bool {
        self.find(language, id).is_some()
    }

    /// How long a prompt is.
    pub fn duration(&self, language: &str, id: &str) -> Option<Duration> {
        self.find(language, id).map(|sound| Duration::from_micros(sound.len() as u64 * 125))
    }

    /// Prompts loaded, system sounds among them.
    pub fn len(&self) -> usize {
        self.system.len() + self.prompts.values().map(BTreeMap::len).sum::<usize>()
    }

    /// Never: the system sounds are always there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One beat of a tone at -12 dBm0 and the pause after it.
fn beats(hertz: f64, on_ms: usize, off_ms: usize) -> Vec<u8> {
    let tone = tone::Sine::new(hertz, -12.0).take(on_ms * 8).map(g711::encode_a);
    tone.chain(std::iter::repeat_n(g711::silence(busyhour_model::G711::A), off_ms * 8)).collect()
}

/// Half a minute of soft bells over four chords (C, A minor, F, G), quiet enough to talk over, ending where it begins.
fn music() -> Vec<u8> {
    const CHORDS: [[f64; 4]; 4] = [
        [261.63, 329.63, 392.00, 523.25],
        [220.00, 261.63, 329.63, 440.00],
        [174.61, 261.63, 349.23, 440.00],
        [196.00, 293.66, 392.00, 493.88],
    ];
    const ORDER: [usize; 8] = [0, 2, 1, 3, 2, 1, 3, 1];
    const NOTE: usize = SAMPLE_RATE as usize / 2;
    const NOTES: usize = 64;
    let mut sound = vec![0f64; NOTE * NOTES];
    for note in 0..NOTES {
        let hertz = CHORDS[note / 8 % 4][ORDER[(note + note / 32) % 8]];
        for t in 0..NOTE * 4 {
            let seconds = t as f64 / SAMPLE_RATE as f64;
            let envelope = (seconds / 0.02).min(1.0) * (-2.2 * seconds).exp();
            let wave = (TAU * hertz * seconds).sin() + 0.25 * (TAU * 2.0 * hertz * seconds).sin();
            let at = (note * NOTE + t) % (NOTE * NOTES);
            sound[at] += envelope * wave;
        }
    }
    let scale = tone::amplitude(-24.0);
    sound.into_iter().map(|s| g711::encode_a((s * scale) as i16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wav::tests::wav;

    fn pcm(library: &Library, id: &str) -> Vec<i16> {
        library.find("", id).unwrap().iter().map(|code| g711::decode_a(*code)).collect()
    }

    #[test]
    fn the_system_sounds_are_what_a_caller_in_china_knows() {
        let library = Library::new();
        let ringback = pcm(&library, "system/ringback-450");
        assert_eq!(ringback.len(), 5 * 8000);
        assert!((tone::level(&ringback[..8000], 450.0) + 12.0).abs() < 0.2);
        assert!(ringback[8000..].iter().all(|s| s.abs() <= 8), "four seconds of silence");
        assert_eq!(library.duration("zh", "system/busy-450"), Some(Duration::from_millis(700)));
        assert!((tone::level(&pcm(&library, "system/beep"), 1000.0) + 12.0).abs() < 0.2);
    }

    #[test]
    fn the_music_is_quiet_never_clips_and_has_no_click_where_it_repeats() {
        let music = pcm(&Library::new(), "system/moh");
        assert_eq!(music.len(), 32 * 8000);
        let peak = music.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!((500..8000).contains(&peak), "peak {peak}");
        let power = music.iter().map(|s| (*s as f64).powi(2)).sum::<f64>() / music.len() as f64;
        let dbm0 = 10.0 * (power / (32_767f64.powi(2) / 2.0)).log10() + tone::FULL_SCALE_DBM0;
        assert!((-30.0..-15.0).contains(&dbm0), "{dbm0} dBm0");
        assert!((music[0] - music[music.len() - 1]).abs() < 400, "click at the seam");
    }

    #[test]
    fn a_prompt_is_found_by_its_language_and_id_only() {
        let mut library = Library::new();
        let before = library.len();
        library.insert("zh", "ivr/welcome", &wav(6, 8000, 1, 8, &[0x2A; 800])).unwrap();
        assert!(library.contains("zh", "ivr/welcome") && !library.contains("en", "ivr/welcome"));
        assert_eq!(library.duration("zh", "ivr/welcome"), Some(Duration::from_millis(100)));
        library.insert("", "system/moh", &wav(6, 8000, 1, 8, &[0x2A; 80])).unwrap();
        assert_eq!(library.duration("en", "system/moh"), Some(Duration::from_millis(10)), "own music replaces ours");
        assert_eq!(library.len(), before + 1);
        assert_eq!(library.insert("zh", "bad", b"x"), Err(WavError::NotWav));
    }
}
