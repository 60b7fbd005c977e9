//! What it asserts stands in `src/targets/duration.rs`.
#![no_main]

use rulerun_fuzz::{prepare, targets};

libfuzzer_sys::fuzz_target!(init: prepare(&targets::duration::TARGET), |data: &[u8]| {
    (targets::duration::TARGET.run)(data);
});
