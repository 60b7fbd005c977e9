//! What it asserts stands in `src/targets/rules.rs`.
#![no_main]

use rulerun_fuzz::{prepare, targets};

libfuzzer_sys::fuzz_target!(init: prepare(&targets::rules::TARGET), |data: &[u8]| {
    (targets::rules::TARGET.run)(data);
});
