//! `busyhour recordings key` and `decrypt`, which need no server.

use crate::server::{busyhour, err, folder, out};
use busyhour_media::sealed::{Content, Keys, Part, Seal};
use busyhour_media::wav;
use std::os::unix::fs::PermissionsExt;

#[test]
fn what_was_sealed_with_the_first_of_two_keys_is_opened_without_a_server() {
    let home = folder("sealed", "");
    let path = |name: &str| home.join(name).display().to_string();
    let _ = std::fs::remove_file(path("keys"));
    let made = busyhour(&["recordings", "key", &path("keys")]);
    assert!(made.status.success(), "{}", err(&made));
    assert_eq!(std::fs::metadata(path("keys")).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(path("keys")).unwrap();
    let key = Keys::read(&text).unwrap().newest().clone();
    assert!(out(&made).contains(&key.id().to_string()) && !out(&made).contains(&key.written()), "{}", out(&made));
    let seal = Seal::new(&key, Content::Sound(2), [5; 16]);
    std::fs::write(path("1.wav.sealed"), [&seal.head()[..], &seal.seal(0, Part::Last, &[0xD5; 800])].concat()).unwrap();
    assert!(busyhour(&["recordings", "key", &path("keys")]).status.success());

    let opened = busyhour(&["recordings", "decrypt", &path("1.wav.sealed"), "--keys", &path("keys")]);
    assert!(opened.status.success(), "{}", err(&opened));
    let expected = [&wav::header(2, 400)[..], &[0xD5; 800]].concat();
    assert_eq!(std::fs::read(path("1.wav")).unwrap(), expected);
    let newest = std::fs::read_to_string(path("keys")).unwrap().lines().nth(1).unwrap().to_owned();
    std::fs::write(path("keys"), newest).unwrap();
    let refused = busyhour(&["recordings", "decrypt", &path("1.wav.sealed"), "--keys", &path("keys")]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains(&format!("it is sealed with key {}", key.id())), "{}", err(&refused));
}
