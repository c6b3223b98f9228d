//! See `busyhour_fuzz::plan::plan`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| busyhour_fuzz::plan::plan(data));
