//! What an e-mail says and brings along, once its tags are filled in.

use std::sync::Arc;

/// A file that goes with an e-mail, or an image that is shown in it. Its bytes are coded for
/// the wire once, when the rules are read.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The name under which readers see it.
    pub name: String,
    /// Its media type: `application/pdf`.
    pub media: &'static str,
    /// SHA-256 over its bytes, in hex.
    pub hash: String,
    /// How many bytes it has.
    pub size: u64,
    /// Its bytes in base64, in lines of 76 letters; none in rules whose files are not at hand.
    pub encoded: Option<Arc<str>>,
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attachment({}, {} bytes)", self.name, self.size)
    }
}

/// Letters of base64 on a line.
const LINE: usize = 76;

impl Attachment {
    /// A file of these bytes.
    #[must_use]
    pub fn new(name: String, hash: String, size: u64, bytes: Option<&[u8]>) -> Self {
        Self { media: media(&name), encoded: bytes.map(encoded), name, hash, size }
    }

    /// What the HTML calls it: `cid:…` with this behind the colon.
    #[must_use]
    pub fn content_id(&self) -> String {
        format!("{}@rulerun", self.hash.get(..20).unwrap_or(&self.hash))
    }
}

fn encoded(bytes: &[u8]) -> Arc<str> {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut lines = String::with_capacity(text.len() + text.len() / LINE * 2);
    let mut rest = text.as_str();
    while rest.len() > LINE {
        let (line, behind) = rest.split_at(LINE);
        lines.push_str(line);
        lines.push_str("\r\n");
        rest = behind;
    }
    lines.push_str(rest);
    lines.into()
}

/// The media type of a file, by its ending.
fn media(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    match ending.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "ics" => "text/calendar",
        "vcf" => "text/vcard",
        "csv" => "text/csv",
        "txt" => "text/plain",
        "zip" => "application/zip",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "ppt" => "application/vnd.ms-powerpoint",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt" => "application/vnd.oasis.opendocument.text",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    }
}

/// The link of an unsubscribe page in somebody's language.
#[must_use]
pub fn in_language(link: &str, locale: Option<&str>) -> String {
    locale.map_or_else(|| link.to_owned(), |locale| format!("{link}?lang={locale}"))
}

/// The text of an e-mail, as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Markdown, in which values are escaped already.
    Markdown(String),
    /// A whole page of HTML with its styles in place, in which values are escaped already.
    Html(String),
}

/// An e-mail filled in for one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its text.
    pub body: Body,
    /// The plain text that the author wrote; none draws it from the text.
    pub plain: Option<String>,
    /// The page around Markdown, with a mark where the text goes; none is the built-in one.
    pub layout: Option<String>,
    /// What a list of e-mails shows beside the subject.
    pub preheader: Option<String>,
    /// Images that the text shows, by the names under which it does.
    pub images: Vec<Arc<Attachment>>,
    /// Files that come with it.
    pub attachments: Vec<Arc<Attachment>>,
    /// Which variant it is; none where there is only one.
    pub variant: Option<String>,
    /// The person's language, for the words that are not its author's.
    pub locale: Option<String>,
}

impl Content {
    /// A text in Markdown and nothing else.
    #[must_use]
    pub fn markdown(text: impl Into<String>) -> Self {
        Self::of(Body::Markdown(text.into()))
    }

    /// A text and nothing else.
    #[must_use]
    pub fn of(body: Body) -> Self {
        Self {
            body,
            plain: None,
            layout: None,
            preheader: None,
            images: Vec::new(),
            attachments: Vec::new(),
            variant: None,
            locale: None,
        }
    }

    /// The text as it stands, before it is drawn.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.body {
            Body::Markdown(text) | Body::Html(text) => text,
        }
    }

    /// Everything that comes with it: images and files.
    pub fn files(&self) -> impl Iterator<Item = &Arc<Attachment>> {
        self.images.iter().chain(&self.attachments)
    }
}
