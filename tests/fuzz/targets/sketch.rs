#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wcmp_fuzz::sketch(data));
