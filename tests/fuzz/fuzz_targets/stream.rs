//! See `busyhour_fuzz::sip::stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| busyhour_fuzz::sip::stream(data));
