//! See `busyhour_fuzz::media::reports_and_keys`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| busyhour_fuzz::media::reports_and_keys(data));
