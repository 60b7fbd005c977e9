//! What it asserts stands in `src/targets/json.rs`.
#![no_main]

use rulerun_fuzz::{prepare, targets};

libfuzzer_sys::fuzz_target!(init: prepare(&targets::json::TARGET), |data: &[u8]| {
    (targets::json::TARGET.run)(data);
});
