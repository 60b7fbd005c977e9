//! The key under which a caller says that a call is the same as an earlier one.

use hyper::HeaderMap;

/// The longest key.
const MAX_KEY: usize = 255;

/// The one `Idempotency-Key` of a call, if it has any. Of two, a proxy may have looked at the
/// other.
///
/// # Errors
/// A sentence for the caller.
pub fn given(headers: &HeaderMap) -> Result<Option<&str>, &'static str> {
    let mut named = headers.get_all("idempotency-key").iter();
    let Some(key) = named.next() else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=MAX_KEY).contains(&key.len()));
    match (key, named.next()) {
        (Some(key), None) => Ok(Some(key)),
        _ => Err("The Idempotency-Key must be 1 to 255 visible ASCII characters, sent once."),
    }
}
