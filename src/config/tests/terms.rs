//! What sound a trunk is offered, and what is taken from it.

use super::*;
use busyhour_model::Codec::{Pcma, Pcmu};
use busyhour_model::Gain;
use busyhour_switch::{Keys, Terms};

const TERMS: &str = with_hotline!(
    r#"[[trunk]]
name = "ct"
peer = "203.0.113.5"
sources = ["203.0.113.0/24"]
codecs = ["pcmu", "pcma"]
dtmf = "rfc4733"
telephone_event = 96
ptime = 30
gain_in = 6
gain_out = -3
"#
);

fn terms(source: &str) -> Terms {
    assert_eq!(told(source), Vec::<String>::new());
    read("centre.toml", source, Path::new("/nowhere")).site.unwrap().setup.trunks.remove(0).terms
}

#[test]
fn every_term_is_read() {
    assert_eq!(
        terms(TERMS),
        Terms {
            codecs: vec![Pcmu, Pcma],
            keys: Keys::Events,
            telephone_event: 96,
            ptime_ms: 30,
            gain: Gain { heard: 6, sent: -3 },
            ..Terms::default()
        }
    );
    let (head, rest) = TERMS.split_once("codecs").unwrap();
    let rest = rest.split_once("gain_out = -3\n").unwrap().1;
    assert_eq!(terms(&format!("{head}{rest}")), Terms::default());
    for (word, keys) in [("rfc4733-only", Keys::EventsOnly), ("inband", Keys::Tones), ("info", Keys::Info)] {
        let source = TERMS.replace("dtmf = \"rfc4733\"\ntelephone_event = 96\n", &format!("dtmf = \"{word}\"\n"));
        assert_eq!(terms(&source).keys, keys);
    }
    assert_eq!(terms(&TERMS.replace("[\"pcmu\", \"pcma\"]", "\"pcma\"")).codecs, [Pcma]);
}

const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "\"pcmu\", ",
        "\"g728\", ",
        if cfg!(feature = "opus") {
            "error centre.toml:5:11 `g728` is no codec we speak: \"pcma\", \"pcmu\", \"g722\", \"g729\" or \"opus\""
        } else {
            "error centre.toml:5:11 `g728` is no codec we speak: \"pcma\", \"pcmu\", \"g722\" or \"g729\""
        },
    ),
    (
        "\"pcmu\", \"pcma\"",
        "\"g729\"",
        "error centre.toml:5:11 `g729` is only passed on: name one more codec, in which prompts can be said",
    ),
    ("\"pcmu\", ", "\"pcma\", ", "error centre.toml:5:19 this codec is named twice"),
    (
        "\"rfc4733\"",
        "\"rfc2833\"",
        "error centre.toml:6:8 `rfc2833` is no way to tell keys: \"rfc4733\", \"rfc4733-only\", \"inband\" or \"info\"",
    ),
    (
        "\"rfc4733\"",
        "\"inband\"",
        "error centre.toml:7:19 no telephone-events are offered: take this out, or write `dtmf = \"rfc4733\"`",
    ),
    ("= 96", "= 8", "error centre.toml:7:19 8 is no dynamic payload type: 96 to 127"),
    ("= 6", "= 13", "error centre.toml:9:11 13 dB are no gain: -12 to 12"),
    ("= 30", "= 25", "error centre.toml:8:9 25 ms are no packet of ours: 10, 20, 30, 40, 50 or 60"),
    ("= 30", "= \"30ms\"", "error centre.toml:8:9 expected a whole number, found string"),
];

#[test]
fn every_mistake_in_a_term_is_located() {
    all_told(TERMS, MISTAKES);
}
