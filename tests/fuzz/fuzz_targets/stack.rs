//! See `busyhour_fuzz::stack::stack`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| busyhour_fuzz::stack::stack(data));
