//! See `parallax_fuzz::redirect`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parallax_fuzz::redirect(bytes));
