//! See `parallax_fuzz::vetting`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parallax_fuzz::vetting(bytes));
