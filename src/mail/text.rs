//! The plain text of an e-mail, drawn from the same events as its HTML. Paragraphs stay
//! unwrapped: the reader's program knows how wide its window is, and encodings for the
//! wire are the message's business.

use crate::base::text::{ends_in_address, goes_on};
use pulldown_cmark::{Event, HeadingLevel, Tag, TagEnd};

/// Widest underline of a heading.
const UNDERLINE: usize = 60;

/// Draws the text.
pub(super) fn plain(events: impl Iterator<Item = Event<'static>>) -> String {
    let mut writer = Writer::default();
    for event in events {
        writer.take(event);
    }
    writer.flush();
    writer.out
}

/// A quote or a list item: what stands before its first and before every other line.
struct Container {
    first: String,
    rest: String,
    begun: bool,
}

/// Collects one block at a time and writes it with the marks of what it stands in.
#[derive(Default)]
struct Writer {
    out: String,
    /// The block being collected.
    block: String,
    /// Whether an empty line belongs before the next block.
    gap: bool,
    containers: Vec<Container>,
    /// For each open list the number of its next item; none is a bullet list.
    lists: Vec<Option<u64>>,
    /// The open link: where it leads, and where its text begins in the block.
    link: Option<(String, usize)>,
    /// Whether the block ends in an address that what follows must not go on with: in the HTML
    /// it ended there.
    apart: bool,
}

impl Writer {
    fn take(&mut self, event: Event<'static>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Code(text) => self.text(&text),
            Event::SoftBreak => self.block.push(' '),
            Event::HardBreak => self.block.push('\n'),
            Event::Rule => {
                self.block.push_str("----------");
                self.paragraph();
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        for letter in text.chars() {
            if self.apart && goes_on(letter) {
                self.block.extend((!self.block.ends_with(char::is_whitespace)).then_some(' '));
                self.apart = false;
            }
            self.block.push(letter);
        }
    }

    fn start(&mut self, tag: Tag<'static>) {
        match tag {
            Tag::List(number) => {
                self.flush();
                self.lists.push(number);
            }
            Tag::Item => {
                let first = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let mark = format!("{number}. ");
                        *number += 1;
                        mark
                    }
                    _ => "- ".to_owned(),
                };
                let rest = " ".repeat(first.len());
                self.containers.push(Container { first, rest, begun: false });
            }
            Tag::BlockQuote(_) => {
                self.flush();
                let mark = "> ".to_owned();
                self.containers.push(Container { first: mark.clone(), rest: mark, begun: false });
            }
            Tag::Link { dest_url, .. } => {
                self.link = Some((dest_url.into_string(), self.block.len()));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => self.paragraph(),
            TagEnd::CodeBlock => {
                self.block.truncate(self.block.trim_end().len());
                self.paragraph();
            }
            TagEnd::Heading(level) => {
                self.underline(level);
                self.paragraph();
            }
            TagEnd::Item => {
                self.flush();
                self.containers.pop();
            }
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.containers.pop();
                self.gap = true;
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.gap |= self.lists.is_empty();
            }
            TagEnd::Link => self.address(),
            _ => {}
        }
        self.apart = ends_in_address(&self.block);
    }

    /// Writes where a link leads, unless its text says so.
    fn address(&mut self) {
        let Some((url, begin)) = self.link.take() else { return };
        let shown = url.strip_prefix("mailto:").or(url.strip_prefix("tel:")).unwrap_or(&url);
        let text = self.block.get(begin..).unwrap_or_default().trim();
        if text.is_empty() {
            self.block.push_str(shown);
        } else if text != shown {
            self.block.extend([" (", shown, ")"]);
        }
    }

    fn underline(&mut self, level: HeadingLevel) {
        let mark = match level {
            HeadingLevel::H1 => "=",
            HeadingLevel::H2 => "-",
            _ => return,
        };
        let width = self.block.chars().count().min(UNDERLINE);
        self.block.push('\n');
        self.block.push_str(&mark.repeat(width));
    }

    /// Ends a block that keeps its distance to the next.
    fn paragraph(&mut self) {
        self.flush();
        self.gap = true;
    }

    /// Writes the collected block, each line with the marks before it.
    fn flush(&mut self) {
        let block = std::mem::take(&mut self.block);
        if block.trim().is_empty() {
            return;
        }
        if self.gap && !self.out.is_empty() {
            let marks: String = self
                .containers
                .iter()
                .filter(|container| container.begun)
                .map(|container| container.rest.as_str())
                .collect();
            self.out.push_str(marks.trim_end());
            self.out.push('\n');
        }
        self.gap = false;
        for line in block.lines() {
            let begin = self.out.len();
            for container in &mut self.containers {
                self.out.push_str(if container.begun { &container.rest } else { &container.first });
                container.begun = true;
            }
            self.out.push_str(line);
            self.out.truncate(begin + self.out[begin..].trim_end().len());
            self.out.push('\n');
        }
    }
}
