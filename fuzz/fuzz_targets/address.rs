//! What it asserts stands in `src/targets/address.rs`.
#![no_main]

use rulerun_fuzz::{prepare, targets};

libfuzzer_sys::fuzz_target!(init: prepare(&targets::address::TARGET), |data: &[u8]| {
    (targets::address::TARGET.run)(data);
});
