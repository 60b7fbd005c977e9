//! What an e-mail says, and what it says instead to some people: `variant` and `locale` in its
//! block, and texts in other languages beside its own. A part that a variant does not have is
//! the e-mail's; a part that is not in somebody's language is the plain one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::email_text::{Asked, text};
use super::reading::Reading;
use super::situation::Situation;
use super::tree::{Node, Value};
use super::{codes, enclosed, lints, locales};
use crate::base::diagnostic::did_you_mean;
use crate::base::{Diagnostic, Span};
use crate::model::Attachment;
use crate::model::rules::{Choice, EmailText, ITSELF, Share, Wording, chain, locale};
use crate::template::Template;

/// Subject, text and everything else.
type Read = (Arc<Template>, Arc<EmailText>, Choice);

/// Reads everything that an `email` says.
pub(super) fn read(
    reading: &mut Reading<'_>,
    node: &Node,
    sequence: &Node,
    situations: &[&Situation],
) -> Option<Read> {
    let speaks = sequence.prop("locale").is_some();
    let around = Around { node, sequence, situations, speaks };
    let own = around.speaker(reading, node, node.prop("template").or(node.first()));
    let attachments = enclosed::attachments(reading, node);
    let (shares, variants) = around.variants(reading);
    let mut languages = own.languages();
    languages.extend(variants.iter().flat_map(|(_, variant)| variant.languages()));
    around.halves(reading, &own, &variants, &languages);
    let whole = |variant: Option<&(String, Speaker<'_>)>, locale: Option<&str>| {
        let (name, speaker) = variant.map(|(name, speaker)| (name, speaker)).unzip();
        let speakers: Vec<&Speaker<'_>> = speaker.into_iter().chain([&own]).collect();
        compose(&speakers, locale, &attachments).map(|(subject, body)| Wording {
            variant: name.cloned(),
            locale: locale.map(str::to_owned),
            subject,
            body: Arc::new(body),
        })
    };
    let mut wordings = Vec::new();
    for variant in std::iter::once(None).chain(variants.iter().map(Some)) {
        if variant.is_some() {
            wordings.push(whole(variant, None)?);
        }
        for language in &languages {
            wordings.push(whole(variant, Some(language))?);
        }
    }
    let (subject, body) = compose(&[&own], None, &attachments)?;
    let all = wordings.iter().map(|wording| &*wording.body);
    enclosed::weigh(reading, node, all.chain([&body]));
    Some((subject, Arc::new(body), Choice { shares, wordings }))
}

/// The nearest to a language of what those who speak have to say, the first of them first.
fn nearest<'a, T>(
    speakers: &'a [&'a Speaker<'a>],
    locale: Option<&str>,
    part: impl Fn(&'a Speaker<'a>, Option<&str>) -> Option<T>,
) -> Option<T> {
    let languages = locale.into_iter().flat_map(chain).map(Some).chain([None]);
    languages
        .flat_map(|language| speakers.iter().map(move |speaker| (*speaker, language)))
        .find_map(|(speaker, language)| part(speaker, language))
}

fn compose(
    speakers: &[&Speaker<'_>],
    locale: Option<&str>,
    attachments: &[Arc<Attachment>],
) -> Option<(Arc<Template>, EmailText)> {
    let (subject, span) =
        nearest(speakers, locale, |one, language| one.words(language)?.subject.clone())?;
    let (body, is_plain) = nearest(speakers, locale, |one, language| {
        one.texts.get(&language.map(str::to_owned)).map(|text| (text.clone(), language.is_none()))
    })?;
    // Beside a text in another language the plain words would be in the wrong one.
    let preheader = nearest(speakers, locale, |one, language| {
        let words = one.words(language).filter(|_| language.is_some() || is_plain)?;
        words.preheader.clone()
    });
    let attachments = attachments.to_vec();
    let body = EmailText { subject: span, preheader, attachments, ..EmailText::clone(&*body?) };
    Some((subject, body))
}

/// What an e-mail or a variant says in a language.
#[derive(Default)]
struct Words {
    subject: Option<(Arc<Template>, Span)>,
    preheader: Option<Arc<Template>>,
}

/// An e-mail or a variant with what it says itself.
struct Speaker<'a> {
    node: &'a Node,
    plain: Words,
    /// What `locale` says, with the place of that.
    locales: BTreeMap<String, (Words, Span)>,
    /// Texts by language; none of them could be read where there is nothing.
    texts: BTreeMap<Option<String>, Option<Arc<EmailText>>>,
}

impl Speaker<'_> {
    fn words(&self, language: Option<&str>) -> Option<&Words> {
        match language {
            None => Some(&self.plain),
            Some(language) => self.locales.get(language).map(|(words, _)| words),
        }
    }

    fn languages(&self) -> BTreeSet<String> {
        self.locales.keys().chain(self.texts.keys().flatten()).cloned().collect()
    }

    fn has_text(&self, language: &str) -> bool {
        chain(language).any(|language| self.texts.contains_key(&Some(language.to_owned())))
    }

    fn has_subject(&self, language: &str) -> bool {
        chain(language).any(|language| self.locales.contains_key(language))
    }
}

/// The e-mail that is read.
struct Around<'a> {
    node: &'a Node,
    sequence: &'a Node,
    situations: &'a [&'a Situation],
    /// Whether the sequence says whose language is which.
    speaks: bool,
}

impl<'a> Around<'a> {
    /// Reads what a node says itself.
    fn speaker(
        &self,
        reading: &mut Reading<'_>,
        node: &'a Node,
        named: Option<&'a Value>,
    ) -> Speaker<'a> {
        let plain = self.words(reading, node);
        let mut own = BTreeMap::<String, (Words, Span)>::new();
        for child in node.all("locale") {
            let Some(value) = child.first() else { continue };
            let Some(language) = self.language(reading, value) else { continue };
            let words = self.words(reading, child);
            let first = own.get(&language).map(|(_, span)| *span);
            if let Some(first) = first {
                let message = format!("two subjects in `{language}`");
                reading.push(
                    Diagnostic::error(codes::DUPLICATE, message, value.span)
                        .label("once more")
                        .also(first, "first here")
                        .help("keep one of them"),
                );
            }
            own.entry(language).or_insert((words, value.span));
        }
        Speaker { node, plain, locales: own, texts: self.texts(reading, named) }
    }

    fn words(&self, reading: &mut Reading<'_>, node: &Node) -> Words {
        let subject = node.prop("subject");
        if let Some(subject) = subject {
            lints::subject(reading, subject);
        }
        let mut template = |value: &Value| reading.template(value, self.situations, false);
        Words {
            subject: subject.and_then(|value| Some((Arc::new(template(value)?), value.span))),
            preheader: node.prop("preheader").and_then(template).map(Arc::new),
        }
    }

    /// The texts of a name in every language.
    fn texts(
        &self,
        reading: &mut Reading<'_>,
        named: Option<&'a Value>,
    ) -> BTreeMap<Option<String>, Option<Arc<EmailText>>> {
        let mut texts = BTreeMap::new();
        let Some((named, name)) = named.and_then(|named| Some((named, named.text()?))) else {
            return texts;
        };
        // One that is read from somebody's data holds braces, which no language does.
        let everybody = self.sequence.prop_text("locale").and_then(locale);
        let mut languages = BTreeSet::from([None]);
        if self.speaks {
            let found = locales::texts(reading.sources, self.node, name);
            languages.extend(found.into_iter().map(|(language, ..)| language));
        }
        for language in languages {
            let asked = Asked {
                node: self.node,
                named,
                locale: language.as_deref(),
                everybody: everybody.as_deref(),
                sequence: self.sequence.title().unwrap_or_default(),
                situations: self.situations,
            };
            let read = text(reading, asked).map(Arc::new);
            texts.insert(language, read);
        }
        texts
    }

    /// The language behind `locale`.
    fn language(&self, reading: &mut Reading<'_>, value: &Value) -> Option<String> {
        let written = value.text()?;
        let Some(language) = locale(written) else {
            reading.push(locales::no_language(value));
            return None;
        };
        if !self.speaks {
            let sequence = self.sequence.title().unwrap_or_default();
            reading.push(
                Diagnostic::error(
                    codes::MISSING,
                    format!("nobody knows whose language is `{written}`"),
                    value.span,
                )
                .label("never chosen")
                .also(self.sequence.title_span(), "`locale=` is missing here")
                .help(format!("write sequence \"{sequence}\" … locale=\"{{{{language}}}}\"")),
            );
            return None;
        }
        Some(language)
    }

    /// The variants with their shares.
    fn variants(&self, reading: &mut Reading<'_>) -> (Vec<Share>, Vec<(String, Speaker<'a>)>) {
        let (mut shares, mut variants) = (Vec::<Share>::new(), Vec::new());
        let mut total = 0_u32;
        for child in self.node.all("variant") {
            let (Some(name), Some(value)) = (child.title(), child.first()) else { continue };
            let weight = child.prop("weight").and_then(Value::whole).unwrap_or_default();
            let mut wrong = |message: String, span: Span, help: &str| {
                reading.push(Diagnostic::error(codes::BAD_VARIANT, message, span).help(help));
            };
            if name.eq_ignore_ascii_case(ITSELF) {
                let message = String::from("the variant `a` is the e-mail itself");
                wrong(message, value.span, "call the others \"b\", \"c\" and so on");
            } else if shares.iter().any(|share| share.name.eq_ignore_ascii_case(name)) {
                let message = format!("two variants of this e-mail are called `{name}`");
                wrong(message, value.span, "variants are told apart by name; call it \"c\"");
            }
            total = total.saturating_add(weight);
            if total >= 100 && total - weight < 100 {
                let span = child.prop("weight").map_or(value.span, |weight| weight.span);
                let message = format!("the variants get {total} of 100 people");
                let help = "nobody is left for the e-mail itself, which is variant `a`: the \
                            weights together must be less than 100";
                wrong(message, span, help);
            }
            let says =
                ["subject", "template", "preheader"].iter().any(|word| child.prop(word).is_some());
            if !says && child.child("locale").is_none() {
                let message = format!("the variant `{name}` says the same as the e-mail itself");
                wrong(message, value.span, "give it a subject= or a template= of its own");
            }
            shares.push(Share { name: name.to_owned(), weight });
            let speaker = self.speaker(reading, child, child.prop("template"));
            variants.push((name.to_owned(), speaker));
        }
        (shares, variants)
    }

    /// Tells where only a part is in a language.
    fn halves(
        &self,
        reading: &mut Reading<'_>,
        own: &Speaker<'_>,
        variants: &[(String, Speaker<'_>)],
        languages: &BTreeSet<String>,
    ) {
        let email = self.node.title().unwrap_or_default();
        for language in languages {
            self.no_text(reading, own, &[own], language);
            if own.has_text(language) && !own.has_subject(language) {
                let span = own.node.prop("subject").map_or(own.node.head(), |value| value.span);
                half(
                    reading,
                    span,
                    format!(
                        "the text of `{email}` is there in `{language}`, and its subject is not"
                    ),
                    format!("write locale \"{language}\" subject=\"…\" in its block"),
                );
            }
            for (name, variant) in variants {
                self.no_text(reading, variant, &[variant, own], language);
                let mut missing =
                    |part: &str, value: Option<&Value>, is_there: bool, help: String| {
                        let Some(value) = value.filter(|_| !is_there) else { return };
                        let message = format!(
                            "the variant `{name}` has a {part} of its own, and none in `{language}`"
                        );
                        half(reading, value.span, message, help);
                    };
                missing(
                    "subject",
                    variant.node.prop("subject"),
                    variant.has_subject(language),
                    format!(
                        "write locale \"{language}\" subject=\"…\" in its block, or its readers get that of the e-mail itself"
                    ),
                );
                let text = variant.node.prop("template");
                let file = text.and_then(Value::text).unwrap_or_default();
                missing(
                    "text",
                    text,
                    variant.has_text(language),
                    format!(
                        "write emails/{file}.{language}.md, or its readers get that of the e-mail itself"
                    ),
                );
            }
        }
    }

    /// Tells about a subject in a language in which there is no text.
    fn no_text(
        &self,
        reading: &mut Reading<'_>,
        own: &Speaker<'_>,
        speakers: &[&Speaker<'_>],
        language: &str,
    ) {
        let Some((_, span)) = own.locales.get(language) else { return };
        if speakers.iter().any(|speaker| speaker.has_text(language)) {
            return;
        }
        let known = locales::all(reading.sources);
        let name = self.node.prop_text("template").or(self.node.title()).unwrap_or_default();
        let create = format!("create emails/{name}.{language}.md with the text in it");
        if known.contains(language) {
            let message = format!("the subject is there in `{language}`, and the text is not");
            half(reading, *span, message, create);
            return;
        }
        let help = did_you_mean(language, known.iter().map(String::as_str)).unwrap_or(create);
        reading.push(
            Diagnostic::error(
                codes::UNKNOWN_LOCALE,
                format!("no text anywhere is written in `{language}`"),
                *span,
            )
            .label("no file has this language")
            .help(help),
        );
    }
}

fn half(reading: &mut Reading<'_>, span: Span, message: String, help: String) {
    reading.push(
        Diagnostic::warning(codes::HALF_TRANSLATED, message, span)
            .label("not in this language")
            .help(help),
    );
}
