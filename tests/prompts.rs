//! `busyhour prompts build` with synthesizers of its own, with the real ones where they are installed, and without any.
#![allow(clippy::unwrap_used)]

use busyhour_media::keypad::Ear;
use busyhour_media::{Library, Quality, wav};
use busyhour_model::G711;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const LIST: &str =
    "# id\tChinese\tpinyin\tEnglish\nivr/welcome\t您好。\tnin2 hao3\tHello and welcome.\ndigits/11\t-\t-\televen\n";

/// A folder of this test's own, with a list of phrases in it.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prompts").join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    std::fs::write(folder.join("own.tsv"), LIST).unwrap();
    folder
}

fn program(folder: &Path, name: &str, script: &str) {
    let file = folder.join("bin").join(name);
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Builds with the programs in `path` only.
fn build(folder: &Path, path: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_busyhour"));
    command.args(["prompts", "build", "--out"]).arg(folder.join("made")).arg("--recipe").arg(folder.join("own.tsv"));
    command.args(more).env("PATH", path).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Half a second of a square wave between two silences, 22.05 kHz PCM, with the length a pipe gives.
fn voice() -> Vec<u8> {
    let mut file =
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\x22\x56\0\0\x44\xac\0\0\x02\0\x10\0data\xff\xff\xff\xff"
            .to_vec();
    let sample = |n: usize| if (11_025..22_050).contains(&n) { if n % 44 < 22 { 9_000i16 } else { -9_000 } } else { 0 };
    file.extend((0..33_075).flat_map(|n| sample(n).to_le_bytes()));
    file
}

/// A carrier whose keys are tones may send the echo of what it hears.
#[test]
fn no_prompt_presses_a_key() {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
    assert!(files.len() > 300, "{} prompts", files.len());
    files.sort();
    // All of them take too long for every run.
    for path in files.iter().step_by(8) {
        let mut library = Library::new();
        library.insert("zh", "it", &std::fs::read(path).unwrap()).unwrap();
        let pressed = Ear::default().take(0, G711::A, library.find("zh", "it").unwrap());
        assert_eq!(pressed, None, "{}", path.display());
    }
}

#[test]
fn phrases_become_prompts_and_recordings_are_left_alone() {
    let folder = folder("fake");
    std::fs::write(folder.join("voice.wav"), voice()).unwrap();
    let (bin, data) = (folder.join("bin"), folder.join("espeak-ng-data"));
    std::fs::create_dir_all(data.join("voices")).unwrap();
    std::fs::write(data.join("phontab"), "x").unwrap();
    let log = format!("echo \"$(basename \"$0\") $*\" >> {}", folder.join("log").display());
    let copy = format!("cat {} >", folder.join("voice.wav").display());
    let version = format!("[ \"$1\" = --version ] && echo \"eSpeak NG: 1.51  Data at: {}\" && exit", data.display());
    // The variant must be where espeak-ng looks for it, beside the links.
    let variant =
        "own=${1#--path=}/espeak-ng-data; [ -f \"$own/voices/!v/clear\" ] && [ -f \"$own/phontab\" ] || exit 3";
    program(&folder, "espeak-ng", &format!("{version}\n{variant}\n{log}\n{copy} \"$7\""));
    program(&folder, "flite", &format!("[ \"$1\" = -lv ] && exit\n{log}\n{copy} \"$6\""));
    let path = format!("{}:/usr/bin:/bin", bin.display());

    let made = build(&folder, &path, &[]);
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    assert!(said(&made).contains("3 recordings made") && said(&made).contains("0 faults"), "{}", said(&made));
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    assert!(log.contains("-v cmn-latn-pinyin+clear -s 165 -w") && log.contains("-- nin2 hao3\n"), "{log}");
    assert!(log.contains("flite -voice slt -t eleven -o"), "{log}");
    let file = folder.join("made/zh/ivr/welcome.wav");
    let quality = Quality::of(&std::fs::read(&file).unwrap()).unwrap();
    assert!((540..600).contains(&quality.length_ms) && (quality.level_db + 20.0).abs() < 0.5, "{quality:?}");

    let recorded = wav::file(&[0xD5; 1_600]);
    std::fs::write(&file, &recorded).unwrap();
    assert!(said(&build(&folder, &path, &[])).contains("0 recordings made"));
    assert_eq!(std::fs::read(&file).unwrap(), recorded, "a recording is kept");
    assert!(said(&build(&folder, &path, &["--again"])).contains("3 recordings made"));
    assert_ne!(std::fs::read(&file).unwrap(), recorded);

    program(&folder, "flite", "[ \"$1\" = -lv ] && exit\necho no such voice >&2; exit 1");
    let failed = build(&folder, &path, &["--again"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        said(&failed).contains("en/ivr/welcome.wav") && said(&failed).contains("no such voice"),
        "{}",
        said(&failed)
    );
}

#[test]
fn whoever_has_no_synthesizer_or_a_wrong_list_is_told_what_to_do() {
    let folder = folder("none");
    let missing = build(&folder, "/nowhere", &[]);
    assert_eq!(missing.status.code(), Some(1));
    for words in ["`espeak-ng` is not installed", "apt-get install espeak-ng flite"] {
        assert!(said(&missing).contains(words), "{}", said(&missing));
    }
    std::fs::write(folder.join("own.tsv"), "ivr/welcome\tnin2 hao3\n").unwrap();
    let wrong = build(&folder, "/nowhere", &[]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("own.tsv:1") && said(&wrong).contains("numeric pinyin"), "{}", said(&wrong));
}

#[test]
fn the_real_synthesizers_speak_both_languages() {
    let path = std::env::var("PATH").unwrap_or_default();
    let is_installed = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    if !["espeak-ng", "flite"].into_iter().all(is_installed) {
        eprintln!("skipped: espeak-ng or flite is not installed");
        return;
    }
    let folder = folder("real");
    let made = build(&folder, &path, &[]);
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    for (file, lengths) in [("zh/ivr/welcome.wav", 400..1_200), ("en/digits/11.wav", 300..1_000)] {
        let quality = Quality::of(&std::fs::read(folder.join("made").join(file)).unwrap()).unwrap();
        assert!(lengths.contains(&quality.length_ms), "{file}: {quality:?}");
    }
}
