//! What it asserts stands in `src/targets/forwarded.rs`.
#![no_main]

use rulerun_fuzz::{prepare, targets};

libfuzzer_sys::fuzz_target!(init: prepare(&targets::forwarded::TARGET), |data: &[u8]| {
    (targets::forwarded::TARGET.run)(data);
});
