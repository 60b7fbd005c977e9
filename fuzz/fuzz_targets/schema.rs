//! What it asserts stands in `src/targets/schema.rs`.
#![no_main]

use rulerun_fuzz::{prepare, targets};

libfuzzer_sys::fuzz_target!(init: prepare(&targets::schema::TARGET), |data: &[u8]| {
    (targets::schema::TARGET.run)(data);
});
