//! What it asserts stands in `src/targets/signature.rs`.
#![no_main]

use rulerun_fuzz::{prepare, targets};

libfuzzer_sys::fuzz_target!(init: prepare(&targets::signature::TARGET), |data: &[u8]| {
    (targets::signature::TARGET.run)(data);
});
