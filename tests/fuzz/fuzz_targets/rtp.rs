//! See `busyhour_fuzz::media::rtp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| busyhour_fuzz::media::rtp(data));
