//! Every fuzz target over damaged samples, the same ones in every run: what holds for any bytes holds without a fuzzer too.
#![allow(clippy::unwrap_used)]

#[path = "fuzz/src/lib.rs"]
#[allow(unreachable_pub)]
mod fuzz;

use std::path::Path;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

/// The files of a folder, by name.
fn files(folder: &str, end: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .filter(|path| path.extension().is_some_and(|found| found == end))
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// `target` over each sample as it is, and then with some bytes changed, taken out or repeated.
fn damage(samples: &[Vec<u8>], rounds: usize, target: fn(&[u8])) {
    let mut random = Random(4475);
    samples.iter().for_each(|sample| target(sample));
    for _ in 0..rounds {
        let mut bytes = samples[random.below(samples.len())].clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len() + 1);
            let end = (at + random.below(4)).min(bytes.len());
            let new: Vec<u8> = match random.below(3) {
                0 => vec![random.below(256) as u8],
                1 => vec![],
                _ => bytes[at..(at + random.below(40)).min(bytes.len())].repeat(2),
            };
            bytes.splice(at..end, new);
        }
        target(&bytes);
    }
}

#[test]
fn damaged_messages_break_neither_parser_nor_stack() {
    let samples = files("tests/torture", "dat");
    for target in [fuzz::sip::message, fuzz::sip::stream, fuzz::sip::description] {
        damage(&samples, 500, target);
    }
    let dialogue: Vec<Vec<u8>> = samples.chunks(3).map(|datagrams| datagrams.join(&b"\0"[..])).collect();
    damage(&dialogue, 100, fuzz::stack::stack);
}

#[test]
fn whatever_is_said_in_whatever_order_in_the_end_nothing_is_left() {
    let mut random = Random(3261);
    for _ in 0..2_000 {
        let choices: Vec<u8> = (0..random.below(400)).map(|_| random.below(256) as u8).collect();
        fuzz::sequence::sequence(&choices);
    }
}

#[test]
fn damaged_values_break_no_parser() {
    let samples: Vec<Vec<u8>> = files("tests/torture", "dat")
        .iter()
        .flat_map(|message| {
            message.split(|byte| *byte == b'\n').map(|line| line.trim_ascii().to_vec()).collect::<Vec<_>>()
        })
        .map(|line| line.splitn(2, |byte| *byte == b':').last().unwrap_or_default().trim_ascii().to_vec())
        .chain([
            b"Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"".to_vec(),
            b"Digest username=\"u\", realm=r, nonce=n, uri=\"sip:h\", response=\"0\", qop=auth, nc=0000000a, cnonce=c"
                .to_vec(),
        ])
        .collect();
    for target in [fuzz::sip::uri, fuzz::sip::address, fuzz::sip::digest] {
        damage(&samples, 2_000, target);
    }
}

#[test]
fn damaged_answers_of_name_servers_are_read_or_refused() {
    let record = |kind: u8, data: &[u8]| [&[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8], data].concat();
    let samples = [
        record(1, &[192, 0, 2, 1]),
        record(33, b"\0\x0a\0\x3c\x13\xc5\x03sbc\xc0\x0c"),
        record(35, b"\0\x32\0\x0a\x01s\x07SIP+D2U\0\x03sbc\xc0\x0c"),
    ];
    let samples = [samples.concat(), samples[1].repeat(4), samples[2].repeat(4)];
    damage(&samples, 5_000, fuzz::sip::dns);
}

#[test]
fn damaged_packets_break_no_worker() {
    let mut random = Random(3550);
    let mut packet =
        |kind: u8, len: usize| [vec![0x80, kind], (0..len).map(|_| random.below(160) as u8).collect()].concat();
    let samples: Vec<Vec<u8>> =
        (0..20).map(|_| [packet(8, 170), packet(101, 14), packet(200, 26), packet(0, 171)].join(&0xaa)).collect();
    for target in [fuzz::media::rtp, fuzz::media::reports_and_keys, fuzz::media::worker, fuzz::media::sealed] {
        damage(&samples, 500, target);
    }
}

#[test]
fn damaged_dialplans_are_told_what_is_wrong() {
    damage(&files("dialplans", "toml"), 100, fuzz::plan::plan);
}
