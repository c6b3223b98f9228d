//! What the thread that writes recordings does, in no time; its answers come after what the worker says.

use crate::world::World;
use busyhour_media::{self as media, Filed, Taped, Track};
use busyhour_model::{LegId, Sound, TapeId};

impl World {
    pub(crate) fn file(&mut self, taped: Taped) {
        match taped {
            Taped::Sound { .. } if self.disk_full => {}
            Taped::Sound { tape, track: Track::Mono, at, sound } => {
                let whole = self.tapes.entry(tape).or_default();
                assert_eq!(whole.len() as u64, at, "a tape is handed out without a hole");
                whole.extend(sound);
            }
            Taped::Sound { tape, track, at, sound } => {
                let side = self.sides.entry((tape, track)).or_insert(at);
                assert_eq!(*side, at, "a side is handed out without a hole");
                *side += sound.len() as u64;
            }
            // The other side's end does not end the tape.
            Taped::End { tape, track, .. } if track.is_right() => drop(self.sides.remove(&(tape, track))),
            Taped::End { leg, tape, .. } if self.disk_full => {
                self.filed.push_back(media::Event::Filed { leg, tape, file: None });
            }
            Taped::End { leg, tape, track, at } => {
                if track == Track::Mono {
                    self.tapes.entry(tape).or_default().truncate(at as usize);
                }
                self.complete(leg, tape, at);
            }
            Taped::Live { fork, .. } => self.talks.hear(fork),
            // Nobody has a certificate here, so nobody is offered a handshake.
            Taped::Shake { .. } => {}
            Taped::Wanted { leg, sound: wanted } => {
                let sound = match &wanted {
                    Sound::Tape(tape) => self.tapes.get(tape).map(|sound| sound.as_slice().into()),
                    // Whoever speaks here says each byte of the text for 10 ms.
                    Sound::Spoken(words) => Some(words.text.bytes().flat_map(|code| [code; 80]).collect()),
                    _ => None,
                };
                self.worker.handle_command(self.now, media::Command::Supply { leg, wanted, sound });
            }
        }
    }

    fn complete(&mut self, leg: LegId, tape: TapeId, samples: u64) {
        let file = format!("{}.wav", tape.0).into();
        let filed = Filed { file, ms: samples / 8, gap_ms: 0, sha256: "".into() };
        self.filed.push_back(media::Event::Filed { leg, tape, file: Some(filed) });
    }
}
