//! See `busyhour_fuzz::media::sealed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| busyhour_fuzz::media::sealed(data));
