//! The text of an e-mail filled in for one person, with what goes with it.

use serde_json::Value;

use super::world::World;
use crate::model::rules::Said;
use crate::model::{Body, Content, Context, in_language};
use crate::template::Template;

/// Fills a text in. Besides the payload it knows where this person leaves the list and where
/// the sender lives.
///
/// # Errors
/// Which file could not be filled in, and why.
pub(super) fn fill(
    world: &World<'_>,
    said: Said<'_>,
    locale: Option<String>,
    unsubscribe_url: &str,
    context: &Context<'_>,
) -> Result<Content, String> {
    let text = said.body;
    let mut context = context.clone();
    let postal = world.rules.sender.as_ref().and_then(|sender| sender.postal_address.as_deref());
    let link = in_language(unsubscribe_url, locale.as_deref());
    context.set("unsubscribe_url", Value::from(link.as_str()));
    context.set("preferences_url", Value::from(link));
    context.set("postal_address", Value::from(one_line(postal.unwrap_or_default())));
    let filled = |path: &str, template: &Template| {
        template.text(&context).map_err(|why| format!("{path}: {why}"))
    };
    let body = match &text.page {
        Some(page) => Body::Html(filled(&text.path, page)?),
        None => Body::Markdown(filled(&text.path, &text.template)?),
    };
    let plain = text.plain.as_ref().map(|plain| filled(&plain.path, &plain.template));
    let layout = text.layout.as_ref().map(|layout| filled(&layout.path, &layout.page));
    let preheader = text.preheader.as_ref().map(|preheader| preheader.text(&context));
    Ok(Content {
        body,
        plain: plain.transpose()?,
        layout: layout.transpose()?,
        preheader: preheader.transpose()?,
        images: text.images.clone(),
        attachments: text.attachments.clone(),
        variant: said.variant.map(str::to_owned),
        locale,
    })
}

/// An address of several lines on one.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(", ")
}
