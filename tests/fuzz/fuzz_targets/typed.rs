//! See `parallax_fuzz::typed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parallax_fuzz::typed(bytes));
