//! What it asserts stands in `src/targets/guard.rs`.
#![no_main]

use rulerun_fuzz::{prepare, targets};

libfuzzer_sys::fuzz_target!(init: prepare(&targets::guard::TARGET), |data: &[u8]| {
    (targets::guard::TARGET.run)(data);
});
