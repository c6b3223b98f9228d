//! Prompts made by synthesizers: Mandarin from numeric pinyin by espeak-ng, English by flite, fit for the telephone.

use super::phrases::Phrase;
use busyhour_media::{mastered, wav};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Words per minute of the Mandarin voice.
const SPEED: &str = "165";
/// espeak-ng's Mandarin is tonally flat: a wider range of pitch makes the four tones clear.
const VARIANT: &str = "language variant\nname clear\npitch 120 300\n";
const INSTALL: &str = "install both synthesizers (Debian, Ubuntu: `apt-get install espeak-ng flite`)";

/// Writes the recording of each phrase below the folder: all, or those that are not there. How many were made.
///
/// # Errors
/// A synthesizer is missing or fails, or a file cannot be written.
pub fn build(phrases: &[Phrase], folder: &Path, again: bool) -> Result<usize, String> {
    let wanted = phrases.iter().filter(|phrase| again || !folder.join(phrase.file()).exists());
    let wanted: Vec<&Phrase> = wanted.collect();
    if wanted.is_empty() {
        return Ok(0);
    }
    let voices = Voices::new()?;
    for phrase in &wanted {
        let file = folder.join(phrase.file());
        let told = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
        let spoken = voices.speak(phrase).map_err(|e| told(&e))?;
        let sound = wav::samples(&spoken).and_then(|samples| mastered(&samples)).map_err(|e| told(&e))?;
        write(&file, &wav::file(&sound)).map_err(|e| told(&e))?;
    }
    Ok(wanted.len())
}

fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    fs::write(file, bytes)
}

/// A folder of their own for the synthesizers, gone with it.
struct Voices(PathBuf);

impl Voices {
    fn new() -> Result<Voices, String> {
        let version = run(Command::new("espeak-ng").arg("--version"))?;
        let data = version.split_once("Data at:").map(|(_, data)| PathBuf::from(data.trim()));
        let data = data.ok_or_else(|| format!("espeak-ng does not say where its data is; 1.51 does: {version}"))?;
        run(Command::new("flite").arg("-lv"))?;
        let voices = Voices(std::env::temp_dir().join(format!("busyhour-voices-{}", std::process::id())));
        voices.fill(&data).map_err(|e| format!("no voice can be made in {}: {e}", voices.0.display()))?;
        Ok(voices)
    }

    /// espeak-ng finds variants only inside its data: here they are, by links, and ours beside them.
    fn fill(&self, data: &Path) -> io::Result<()> {
        let own = self.0.join("espeak-ng-data");
        fs::create_dir(&self.0)?;
        fs::create_dir_all(own.join("voices/!v"))?;
        for item in fs::read_dir(data)? {
            let item = item?;
            if item.file_name() != "voices" {
                symlink(item.path(), own.join(item.file_name()))?;
            }
        }
        fs::write(own.join("voices/!v/clear"), VARIANT)
    }

    /// The WAV file as the synthesizer makes it.
    fn speak(&self, phrase: &Phrase) -> Result<Vec<u8>, String> {
        let file = self.0.join("spoken.wav");
        let mut command = match phrase.language {
            "zh" => {
                let mut command = Command::new("espeak-ng");
                command.arg(format!("--path={}", self.0.display()));
                command.args(["-v", "cmn-latn-pinyin+clear", "-s", SPEED, "-w"]).arg(&file).arg("--").arg(&phrase.text);
                command
            }
            _ => {
                let mut command = Command::new("flite");
                command.args(["-voice", "slt", "-t", &phrase.text, "-o"]).arg(&file);
                command
            }
        };
        run(&mut command)?;
        let spoken = fs::read(&file).map_err(|e| format!("{command:?} made no sound: {e}"))?;
        fs::remove_file(&file).map_err(|e| e.to_string())?;
        Ok(spoken)
    }
}

impl Drop for Voices {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a program says; that it is missing is told with what to do.
fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => format!("`{program}` is not installed; {INSTALL}"),
        _ => format!("`{program}` cannot be run: {e}"),
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{program}` failed ({}): {}", output.status, said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
