//! What all fuzz targets share: their bodies, in [`targets`], and what a fuzzer begins with.
//! `tests/fuzz_seeds.rs` of rulerun runs the same bodies without a fuzzer.
#![forbid(unsafe_code)]

pub mod targets;

use std::fs;
use std::path::Path;

use targets::Target;

/// Writes the seeds of a target into `corpus/NAME/`, where cargo-fuzz looks for them, and its
/// words into `dictionaries/NAME.dict`. Both are made anew from the tracked files of rulerun
/// each time, so that neither grows old; what a fuzzer found itself stays beside them.
///
/// # Panics
/// When the folder of the fuzz targets cannot be written to: nothing could be learnt then.
pub fn prepare(target: &Target) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.parent().expect("the fuzz targets lie in rulerun's folder");
    let corpus = here.join("corpus").join(target.name);
    let dictionaries = here.join("dictionaries");
    for folder in [&corpus, &dictionaries] {
        fs::create_dir_all(folder).expect("a writable folder");
    }
    for (number, seed) in (target.seeds)(root).into_iter().enumerate() {
        fs::write(corpus.join(format!("seed-{number:04}")), seed).expect("a writable folder");
    }
    let words: String = target.words.iter().map(|word| entry(word)).collect();
    fs::write(dictionaries.join(format!("{}.dict", target.name)), words)
        .expect("a writable folder");
}

/// A word as libFuzzer's dictionaries have it: in quotes, what is not a plain letter in hex.
fn entry(word: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02X}"),
    };
    format!("\"{}\"\n", word.bytes().map(escaped).collect::<String>())
}
