//! Files that come with a message. A message that waits in the queue holds a mark in the place
//! of each: ten thousand people who get the same guide would else fill the disk with it. The
//! bytes are put in right before it leaves.

use std::borrow::Cow;
use std::sync::Arc;

/// Stands around the hash of a file. No other part of a message can hold it: all of them are
/// coded as printable ASCII.
const MARK: u8 = 0;

/// What stands in a waiting message for a file.
pub(super) fn mark(hash: &str) -> String {
    let mark = char::from(MARK);
    format!("{mark}{hash}{mark}")
}

/// The hashes of the files that a message waits for.
#[must_use]
pub fn waits_for(message: &[u8]) -> Vec<&str> {
    message
        .split(|byte| *byte == MARK)
        .skip(1)
        .step_by(2)
        .filter_map(|hash| std::str::from_utf8(hash).ok())
        .collect()
}

/// The whole message, with every file in its place. `find` knows the files, coded in base64,
/// by their hashes. In the JSON of a mail provider they stand on one line.
///
/// # Errors
/// The hash of a file that is not known.
pub fn complete(
    message: &[u8],
    find: impl Fn(&str) -> Option<Arc<str>>,
) -> Result<Cow<'_, [u8]>, String> {
    if !message.contains(&MARK) {
        return Ok(Cow::Borrowed(message));
    }
    let is_json = message.first() == Some(&b'{');
    let mut whole = Vec::with_capacity(message.len());
    for (index, part) in message.split(|byte| *byte == MARK).enumerate() {
        if index % 2 == 0 {
            whole.extend_from_slice(part);
        } else {
            let hash = String::from_utf8_lossy(part);
            let file = find(&hash).ok_or_else(|| hash.into_owned())?;
            if is_json {
                whole.extend(file.bytes().filter(|byte| !byte.is_ascii_whitespace()));
            } else {
                whole.extend_from_slice(file.as_bytes());
            }
        }
    }
    Ok(Cow::Owned(whole))
}
