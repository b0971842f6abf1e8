#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lambwire_fuzz::reader::run(data));
