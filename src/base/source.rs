//! The text that people wrote: every rule file, schema and e-mail of one rule set, and
//! spans that point into it. Offsets are bytes; lines and columns are worked out only
//! when a person is about to read them.

use std::ops::Range;
use std::sync::Arc;

/// Which file of a [`SourceMap`] a span points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(u32);

/// A stretch of text in one file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file it points into.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span of `range` in `file`. Files are at most 256 KiB, so offsets fit in 32 bits.
    #[must_use]
    pub fn new(file: FileId, range: Range<usize>) -> Self {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { file, start: clamp(range.start), end: clamp(range.end) }
    }

    /// The byte range within the file.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One file of a rule set.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The path as the reader knows it, relative to where the command runs.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// A file that no text is read from: what e-mails show or bring along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The path as the reader knows it.
    pub path: String,
    /// How many bytes it has.
    pub size: u64,
    /// SHA-256 over its bytes, in hex; empty where they were not read.
    pub hash: String,
    /// Its bytes; none where nothing names the file, where it is too large, and in a version
    /// of the rules from before.
    pub bytes: Option<Arc<[u8]>>,
}

/// Every file below the rule paths: rules, schemas, e-mail texts.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
    assets: Vec<Asset>,
}

impl SourceMap {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file and answers its id.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile { path: path.into(), text: text.into() });
        id
    }

    /// A map without texts that has the other files of another one.
    #[must_use]
    pub fn with_assets_of(other: &Self) -> Self {
        Self { files: Vec::new(), assets: other.assets.clone() }
    }

    /// Adds a file that is no text.
    pub fn add_asset(&mut self, asset: Asset) {
        self.assets.push(asset);
    }

    /// Every file that is no text, in the order in which they were added.
    pub fn assets(&self) -> impl Iterator<Item = &Asset> {
        self.assets.iter()
    }

    /// The file that is no text with exactly this path.
    #[must_use]
    pub fn asset(&self, path: &str) -> Option<&Asset> {
        self.assets.iter().find(|asset| asset.path == path)
    }

    /// The file behind an id of this map.
    #[must_use]
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// Every file with its id, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files
            .iter()
            .enumerate()
            .map(|(index, file)| (FileId(u32::try_from(index).unwrap_or(u32::MAX)), file))
    }

    /// The file with exactly this path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<FileId> {
        self.iter().find(|(_, file)| file.path == path).map(|(id, _)| id)
    }

    /// The text under a span.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file).text.get(span.range()).unwrap_or("")
    }

    /// Line and column of a byte offset, both from 1; a column counts characters.
    #[must_use]
    pub fn line_column(&self, file: FileId, offset: usize) -> (usize, usize) {
        let text = &self.file(file).text;
        let mut at = offset.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}
