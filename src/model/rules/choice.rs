//! The wordings of an e-mail: its variants, of which each person gets one, and its languages.

use std::sync::Arc;

use super::EmailText;
use crate::template::Template;

/// What the e-mail itself is called where it has variants.
pub const ITSELF: &str = "a";

/// How many of 100 people get a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The variant's name.
    pub name: String,
    /// So many of 100 people, from 1 to 99.
    pub weight: u32,
}

/// One of the other wordings of an e-mail.
#[derive(Debug)]
pub struct Wording {
    /// The variant; none is the e-mail itself.
    pub variant: Option<String>,
    /// The language in the form of [`locale`]; none is whatever the plain text is written in.
    pub locale: Option<String>,
    /// Subject line.
    pub subject: Arc<Template>,
    /// Its text, with what goes with it.
    pub body: Arc<EmailText>,
}

/// Everything that an e-mail says instead of its own subject and text.
#[derive(Debug, Default)]
pub struct Choice {
    /// The variants besides the e-mail itself, in the order of the rules. Together they leave
    /// something of 100: that is the share of the e-mail itself.
    pub shares: Vec<Share>,
    /// What they and the languages say.
    pub wordings: Vec<Wording>,
}

/// A wording of an e-mail, its own or another.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The variant; none where there is only one.
    pub variant: Option<&'a str>,
    /// The language that was asked for and is there; none is the plain text.
    pub locale: Option<&'a str>,
    /// Subject line.
    pub subject: &'a Arc<Template>,
    /// Its text.
    pub body: &'a Arc<EmailText>,
}

impl Choice {
    /// The wording of a variant in a language, or in the nearest to it that there is.
    pub(super) fn find(&self, variant: Option<&str>, locale: &str) -> Option<&Wording> {
        let other = variant.filter(|name| *name != ITSELF);
        let of = |locale: Option<&str>| {
            self.wordings.iter().find(|wording| {
                wording.variant.as_deref() == other && wording.locale.as_deref() == locale
            })
        };
        chain(locale).find_map(|locale| of(Some(locale))).or_else(|| of(None))
    }

    /// Whether somebody is declared as that variant, the e-mail itself included.
    #[must_use]
    pub fn has(&self, variant: &str) -> bool {
        !self.shares.is_empty()
            && (variant == ITSELF || self.shares.iter().any(|share| share.name == variant))
    }

    /// Every variant with its share of 100 people, the e-mail itself first; empty without
    /// variants.
    #[must_use]
    pub fn shares(&self) -> Vec<(&str, u32)> {
        if self.shares.is_empty() {
            return Vec::new();
        }
        let others: u32 = self.shares.iter().map(|share| share.weight).sum();
        let own = (ITSELF, 100_u32.saturating_sub(others));
        let others = self.shares.iter().map(|share| (share.name.as_str(), share.weight));
        std::iter::once(own).chain(others).collect()
    }
}

/// A language in the one form in which they are compared: small letters, with dashes:
/// `de_AT` is `de-at`. None for what cannot name a language.
#[must_use]
pub fn locale(text: &str) -> Option<String> {
    // `de_AT.UTF-8`, as machines write it.
    let text = text.trim().split(['.', '@']).next().unwrap_or_default();
    let text = text.to_ascii_lowercase().replace('_', "-");
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let letters = language.bytes().all(|byte| byte.is_ascii_lowercase());
    let fits = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let sound = (2..=3).contains(&language.len()) && letters && parts.all(fits);
    (sound && text.len() <= 35).then_some(text)
}

/// A language, and the ones behind it: `de-at`, then `de`.
pub fn chain(locale: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(locale), |locale| locale.rsplit_once('-').map(|(less, _)| less))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_has_one_form_however_it_is_written() {
        for (written, form) in [
            ("de", Some("de")),
            (" de_AT ", Some("de-at")),
            ("DE-at", Some("de-at")),
            ("pt_BR.UTF-8", Some("pt-br")),
            ("zh-Hant-TW", Some("zh-hant-tw")),
            ("", None),
            ("d", None),
            ("german", None),
            ("de--at", None),
            ("de/../x", None),
            ("d\u{e9}", None),
        ] {
            assert_eq!(locale(written).as_deref(), form, "{written}");
        }
    }

    #[test]
    fn a_language_falls_back_to_what_is_less_special() {
        assert_eq!(chain("zh-hant-tw").collect::<Vec<_>>(), ["zh-hant-tw", "zh-hant", "zh"]);
        assert_eq!(chain("de").collect::<Vec<_>>(), ["de"]);
    }
}
