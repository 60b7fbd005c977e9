//! What it asserts stands in `src/targets/mail.rs`.
#![no_main]

use rulerun_fuzz::{prepare, targets};

libfuzzer_sys::fuzz_target!(init: prepare(&targets::mail::TARGET), |data: &[u8]| {
    (targets::mail::TARGET.run)(data);
});
