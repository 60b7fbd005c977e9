//! The look of an e-mail: its text in a page, the footer at its end, and at its beginning
//! what lists of e-mails show. The built-in page is one quiet column that fits phones and
//! screens.

use pulldown_cmark::{Event, html};

use super::MailError;
use crate::markup;

/// How many letters a list of e-mails shows at most. Shorter preheaders are filled up with
/// what nobody sees: the list would go on with the first words of the text.
const SHOWN: usize = 140;

/// Text in Markdown as HTML, its styles in place.
pub(super) fn page(
    around: Option<&str>,
    body: &[Event<'static>],
    footer: &[Event<'static>],
) -> Result<String, MailError> {
    let mut text = String::new();
    html::push_html(&mut text, body.iter().cloned());
    let page = if let Some(around) = around {
        around.replacen(markup::CONTENT, &text, 1)
    } else {
        let mut own = String::new();
        if !footer.is_empty() {
            own.push_str("<div class=\"footer\">\n");
            html::push_html(&mut own, footer.iter().cloned());
            own.push_str("</div>\n");
        }
        markup::BARE.replacen(markup::CONTENT, &text, 1).replacen(markup::FOOTER, &own, 1)
    };
    markup::inline(&page).map_err(|why| MailError::Compose(format!("its layout: {why}")))
}

/// The page with its title, preheader and footer.
pub(super) fn finished(
    page: &str,
    title: &str,
    preheader: Option<&str>,
    footer: &[Event<'static>],
) -> String {
    let page = page.replacen("<title></title>", &format!("<title>{}</title>", escaped(title)), 1);
    let first = preheader.map(hidden).unwrap_or_default();
    let mut last = String::new();
    if !footer.is_empty() {
        let mut own = String::new();
        html::push_html(&mut own, footer.iter().cloned());
        let style = "margin:0 0 8px 0;font-size:13px;color:#595959;\
                     font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
        let own = own
            .replace("<p>", &format!("<p style=\"{style}\">"))
            .replace("<a href", "<a style=\"color:#595959\" href");
        last = format!(
            "<div style=\"max-width:600px;margin:0 auto;padding:0 16px 24px 16px\">\n{own}</div>\n"
        );
    }
    markup::within_body(&page, &first, &last)
}

/// A text that is there for lists of e-mails only.
fn hidden(preheader: &str) -> String {
    let preheader = super::message::one_line(preheader);
    let letters = preheader.chars().count();
    let blank = "&#847;&zwnj;&nbsp;".repeat(SHOWN.saturating_sub(letters).div_ceil(2));
    format!(
        "<div style=\"display:none;max-height:0;overflow:hidden;mso-hide:all\">{}{blank}</div>\n",
        escaped(&preheader)
    )
}

/// A text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    html::push_html(&mut out, std::iter::once(Event::Text(text.to_owned().into())));
    out
}
