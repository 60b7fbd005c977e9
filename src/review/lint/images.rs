//! Images: many people never see them, because their mail program asks first.

use super::{MOST_TARGETS, Paper};
use crate::base::Diagnostic;
use crate::language::codes;
use crate::mail::Contents;
use crate::model::rules::TextKind;

/// Letters that an e-mail with images needs, so that it says something without them.
const LETTERS: usize = 200;

pub(super) fn check(paper: &Paper<'_>, contents: &Contents, found: &mut Vec<Diagnostic>) {
    for image in contents.images.iter().take(MOST_TARGETS) {
        if !image.kept {
            found.push(
                Diagnostic::warning(
                    codes::DEAD_LINK,
                    "this image is left out: it has no complete web address",
                    paper.place(&image.url),
                )
                .label("not shown")
                .help(
                    "put the file into the folder emails, beside the text, or on your website: \
                     ![what it shows](https://…)",
                ),
            );
        } else if image.is_silent {
            found.push(
                Diagnostic::warning(
                    codes::SILENT_IMAGE,
                    "this image has no words for those who do not see it",
                    paper.place(&image.url),
                )
                .label("no words")
                .help(paper.words_of_images()),
            );
        }
    }
    let first = contents.images.iter().find(|image| image.kept);
    if let Some(image) = first.filter(|_| contents.letters < LETTERS) {
        found.push(
            Diagnostic::warning(
                codes::IMAGE_ONLY,
                format!("this e-mail is images and only {} letters of text", contents.letters),
                paper.place(&image.url),
            )
            .label("an image")
            .help(
                "filters take that for advertising that hides its words, and who sees no images \
                 sees nothing: say in a few sentences what the image says",
            ),
        );
    }
}

impl Paper<'_> {
    /// How the words of an image are written.
    fn words_of_images(&self) -> String {
        let how = match self.body.kind {
            TextKind::Markdown => "![what it shows](https://…)",
            TextKind::Html => "<img alt=\"what it shows\" …>",
            TextKind::Mjml => "<mj-image alt=\"what it shows\" …>",
        };
        format!(
            "many mail programs show images only when asked, and some people have them read \
             aloud: write {how}"
        )
    }
}
