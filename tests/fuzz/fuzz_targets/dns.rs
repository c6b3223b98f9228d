//! See `busyhour_fuzz::sip::dns`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| busyhour_fuzz::sip::dns(data));
