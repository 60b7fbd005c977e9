//! What it asserts stands in `src/targets/template.rs`.
#![no_main]

use rulerun_fuzz::{prepare, targets};

libfuzzer_sys::fuzz_target!(init: prepare(&targets::template::TARGET), |data: &[u8]| {
    (targets::template::TARGET.run)(data);
});
