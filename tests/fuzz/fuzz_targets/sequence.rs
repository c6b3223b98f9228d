//! See `busyhour_fuzz::sequence::sequence`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| busyhour_fuzz::sequence::sequence(data));
