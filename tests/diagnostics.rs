//! Every mistake has a folder in `tests/diagnostics/`: rule files with the mistake, and
//! `case.stderr`, what a person sees. `UPDATE=1 cargo test --test diagnostics` writes the
//! expected texts anew; read the difference before you commit it.
//!
//! Besides: every code of the language is shown by some case, files that are broken at
//! random never hurt, and many mistakes take no long time.

#![allow(clippy::expect_used, reason = "a test that cannot read its files has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::test_runner::{RngAlgorithm, RngSeed, TestRng};
use rand_like::Pick as _;
use rulerun::base::report::{Style, human, json};
use rulerun::base::{Severity, SourceMap};
use rulerun::language::{analyze, codes};
use rulerun::model::Lookup;
use rulerun::serve::settings;

const PLAIN: Style = Style { colour: false, width: 100 };
