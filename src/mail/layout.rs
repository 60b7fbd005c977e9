//! The look of an e-mail: one quiet column that fits phones and screens. Mail programs
//! throw style sheets away, so every rule is written into the elements it is about.

use std::sync::LazyLock;

use css_inline::{CSSInliner, InlineOptions};
use pulldown_cmark::{Event, html};

use super::MailError;

const CSS: &str = "
body { margin: 0; padding: 0; background-color: #ffffff; }
.page { max-width: 600px; margin: 0 auto; padding: 24px 16px; color: #222222;
  font-family: -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;
  font-size: 16px; line-height: 1.5; }
p { margin: 0 0 16px 0; }
h1 { margin: 0 0 16px 0; font-size: 26px; line-height: 1.25; }
h2 { margin: 24px 0 12px 0; font-size: 21px; line-height: 1.3; }
h3, h4, h5, h6 { margin: 24px 0 8px 0; font-size: 17px; }
ul, ol { margin: 0 0 16px 0; padding-left: 24px; }
li { margin: 0 0 8px 0; }
a { color: #0b5cad; }
img { max-width: 100%; height: auto; border: 0; }
blockquote { margin: 0 0 16px 0; padding: 0 0 0 16px; border-left: 3px solid #cccccc; }
pre { margin: 0 0 16px 0; padding: 12px; background-color: #f4f4f4; white-space: pre-wrap; }
code { font-family: Consolas, Menlo, monospace; font-size: 14px; }
hr { margin: 24px 0; border: 0; border-top: 1px solid #dddddd; }
.footer p { margin: 0 0 8px 0; font-size: 13px; color: #595959; }
.footer a { color: #595959; }
";

static INLINER: LazyLock<CSSInliner<'static>> = LazyLock::new(|| {
    InlineOptions { load_remote_stylesheets: false, ..InlineOptions::default() }.build()
});

/// The whole HTML document.
pub(super) fn page(
    title: &str,
    body: &[Event<'static>],
    footer: &[Event<'static>],
) -> Result<String, MailError> {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
    );
    html::push_html(&mut page, std::iter::once(Event::Text(title.to_owned().into())));
    page.push_str("</title>\n<style>");
    page.push_str(CSS);
    page.push_str("</style>\n</head>\n<body>\n<div class=\"page\">\n");
    html::push_html(&mut page, body.iter().cloned());
    if !footer.is_empty() {
        page.push_str("<div class=\"footer\">\n");
        html::push_html(&mut page, footer.iter().cloned());
        page.push_str("</div>\n");
    }
    page.push_str("</div>\n</body>\n</html>\n");
    let page = INLINER
        .inline(&page)
        .map_err(|fault| MailError::Compose(format!("its layout: {fault}")))?;
    Ok(without_bare_marks(&page))
}

/// The page with every `<` and `>` within an attribute written as a reference. The inliner
/// leaves them as they are, which is allowed, and which careless mail programs take for tags.
fn without_bare_marks(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let (mut in_tag, mut in_value) = (false, false);
    for letter in page.chars() {
        match letter {
            '<' if in_value => out.push_str("&lt;"),
            '>' if in_value => out.push_str("&gt;"),
            _ => {
                match letter {
                    '<' => in_tag = true,
                    '>' => in_tag = false,
                    '"' if in_tag => in_value = !in_value,
                    _ => {}
                }
                out.push(letter);
            }
        }
    }
    out
}
