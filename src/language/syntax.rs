//! The one door to the KDL parser: limits first, then parsing, then our own tree.

use std::collections::BTreeSet;
use std::ops::Range;

use kdl::{KdlDocument, KdlEntry, KdlIdentifier, KdlNode, KdlValue};

use super::codes;
use super::lex;
use super::tree::{Data, Node, Property, Value};
use crate::base::{Diagnostic, FileId, Sink, Span};

/// Longest rule file in bytes.
const MAX_FILE: usize = 256 * 1024;

/// So many of the parser's own mistakes are told, one a line: most follow from the first.
const MAX_FOREIGN: usize = 5;

/// In a file with more slips than this the rest is not looked at.
const MAX_MENDS: usize = 100;

/// The nodes of a file, and every mistake that keeps it from being read as it stands. Where
/// each of those has one mend, the file is read on as if it were mended, so that the rest of
/// its mistakes is told in the same pass; otherwise there are no nodes.
pub(super) fn parse(file: FileId, text: &str, sink: &mut Sink) -> Option<Vec<Node>> {
    if text.len() > MAX_FILE {
        sink.push(
            Diagnostic::error(
                codes::LIMIT,
                "the file is longer than 256 KiB",
                Span::new(file, 0..text.find('\n').unwrap_or(0)),
            )
            .help("split it: all files below the rule folders form one rule set"),
        );
        return None;
    }
    let faults = lex::scan(text);
    if faults.is_empty() {
        return match KdlDocument::parse_v2(text) {
            Ok(document) => Some(nodes(&document, file, text)),
            Err(error) => {
                let mut lines = BTreeSet::new();
                let first_of_line = |fault: &&kdl::KdlDiagnostic| {
                    let at = floor(text, fault.span.offset());
                    lines.insert(text[..at].rfind('\n'))
                };
                let mut own: Vec<_> =
                    error.diagnostics.iter().filter(|fault| !follows(fault)).collect();
                if own.is_empty() {
                    own.extend(error.diagnostics.first());
                }
                for fault in own.into_iter().filter(first_of_line).take(MAX_FOREIGN) {
                    sink.push(foreign(fault, file, text));
                }
                None
            }
        };
    }
    let mended = Mended::of(text, &faults);
    for fault in faults {
        let span = Span::new(file, fault.range);
        let mut found =
            Diagnostic::error(fault.code, fault.message, span).label(fault.label).help(fault.help);
        if let Some((range, label)) = fault.also {
            found = found.also(Span::new(file, range), label);
        }
        if let Some((range, text)) = fault.fix {
            found = found.fix(Span::new(file, range), text);
        }
        sink.push(found);
    }
    // A mend may show the next slip: only what the first look finds nothing in is safe to parse.
    let mended = mended.filter(|mended| lex::scan(&mended.text).is_empty())?;
    let document = KdlDocument::parse_v2(&mended.text).ok()?;
    let mut nodes = nodes(&document, file, &mended.text);
    for node in &mut nodes {
        mended.place(node);
    }
    Some(nodes)
}

/// A text with its slips mended, and where each part of it really stands.
struct Mended {
    text: String,
    /// Start and end of each mend, in the mended text and in the real one.
    mends: Vec<(Range<usize>, Range<usize>)>,
}

impl Mended {
    /// The mended text; none where a slip has no mend, where two of them meet, or where there
    /// are so many that nobody reads on.
    fn of(text: &str, faults: &[lex::Fault]) -> Option<Self> {
        if faults.len() > MAX_MENDS {
            return None;
        }
        let mut by_place =
            faults.iter().map(|fault| fault.fix.as_ref()).collect::<Option<Vec<_>>>()?;
        by_place.sort_by_key(|(range, _)| range.start);
        let mut mended = Self { text: String::with_capacity(text.len() + 64), mends: Vec::new() };
        let mut from = 0;
        for (range, instead) in by_place {
            mended.text.push_str(text.get(from..range.start)?);
            let start = mended.text.len();
            mended.text.push_str(instead);
            mended.mends.push((start..mended.text.len(), range.clone()));
            from = range.end;
        }
        mended.text.push_str(text.get(from..)?);
        Some(mended)
    }

    /// Moves a node, with all within it, to where it really stands.
    fn place(&self, node: &mut Node) {
        self.span(&mut node.span);
        self.span(&mut node.name_span);
        for value in &mut node.args {
            self.span(&mut value.span);
        }
        for property in &mut node.props {
            self.span(&mut property.name_span);
            self.span(&mut property.value.span);
        }
        for child in node.children.iter_mut().flatten() {
            self.place(child);
        }
    }

    fn span(&self, span: &mut Span) {
        let range = span.range();
        *span = Span::new(span.file, self.real(range.start)..self.real(range.end));
    }

    /// The real offset of one in the mended text.
    fn real(&self, offset: usize) -> usize {
        let before = self.mends.partition_point(|(mend, _)| mend.start <= offset);
        let Some((mend, real)) = self.mends[..before].last() else { return offset };
        match offset.checked_sub(mend.end) {
            Some(behind) => real.end + behind,
            None => (real.start + offset - mend.start).min(real.end),
        }
    }
}

/// What the first look did not foresee. The parser's own words are for programmers.
fn foreign(fault: &kdl::KdlDiagnostic, file: FileId, text: &str) -> Diagnostic {
    let start = floor(text, fault.span.offset());
    let end = floor(text, start + fault.span.len().max(1)).max(start);
    let line = text[start..end].find(['\n', '\r']).map_or(end, |newline| start + newline);
    Diagnostic::error(
        codes::SYNTAX,
        "this line cannot be read from here on",
        Span::new(file, start..line),
    )
    .help("a line is a word, then its values, then key=value; texts stand in \"…\"")
}

/// Whether a mistake of the parser only follows from another one: brackets are known to
/// have their partners.
fn follows(fault: &kdl::KdlDiagnostic) -> bool {
    let told = |words: &Option<String>| {
        words.as_deref().is_some_and(|words| {
            let words = words.to_lowercase();
            words.contains("no closing") || words.contains("end of document")
        })
    };
    told(&fault.message) || told(&fault.label)
}

fn floor(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn nodes(document: &KdlDocument, file: FileId, text: &str) -> Vec<Node> {
    document.nodes().iter().map(|one| node(one, file, text)).collect()
}

fn node(from: &KdlNode, file: FileId, text: &str) -> Node {
    let name_span = span(from.name(), file);
    let stop = floor(text, from.span().offset() + from.span().len());
    let start = name_span.start as usize;
    let end = start + text.get(start..stop).unwrap_or("").trim_end_matches([';', ' ', '\n']).len();
    let mut args = Vec::new();
    let mut props = Vec::new();
    for entry in from.entries() {
        match entry.name() {
            Some(key) => props.push(Property {
                name: key.value().to_owned(),
                name_span: span(key, file),
                value: value(entry, file),
            }),
            None => args.push(value(entry, file)),
        }
    }
    Node {
        name: from.name().value().to_owned(),
        name_span,
        span: Span::new(file, start..end.max(name_span.end as usize)),
        annotation: from.ty().map(|ty| ty.value().to_owned()),
        args,
        props,
        children: from.children().map(|children| nodes(children, file, text)),
    }
}

fn span(name: &KdlIdentifier, file: FileId) -> Span {
    let at = name.span();
    Span::new(file, at.offset()..at.offset() + at.len())
}

fn value(entry: &KdlEntry, file: FileId) -> Value {
    let end = entry.span().offset() + entry.span().len();
    let length =
        entry.format().map_or(entry.span().len(), |format| format.value_repr.len()).min(end);
    Value {
        data: match entry.value() {
            KdlValue::String(text) => Data::Text(text.clone()),
            KdlValue::Integer(number) => Data::Integer(*number),
            KdlValue::Float(number) => Data::Float(*number),
            KdlValue::Bool(value) => Data::Boolean(*value),
            KdlValue::Null => Data::Null,
        },
        annotation: entry.ty().map(|ty| ty.value().to_owned()),
        span: Span::new(file, end - length..end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SourceMap;

    fn read(text: &str) -> (Option<Vec<Node>>, Vec<Diagnostic>) {
        let mut sources = SourceMap::new();
        let file = sources.add("a.kdl", text);
        let mut sink = Sink::new();
        let nodes = parse(file, text, &mut sink);
        (nodes, sink.finish())
    }

    fn codes_of(text: &str) -> Vec<&'static str> {
        read(text).1.iter().map(|found| found.code).collect()
    }

    #[test]
    fn nodes_and_values_know_their_places() {
        let text = "// é\nendpoint \"a\" key=(env)\"K\" {\n    save \"b\" id=\"{{x}}\"; reply 200\n}\n\nnext 1\n";
        let (nodes, found) = read(text);
        let nodes = nodes.expect("it parses");
        assert!(found.is_empty());
        let at = |span: Span| &text[span.range()];
        assert!(at(nodes[0].span).starts_with("endpoint") && at(nodes[0].span).ends_with('}'));
        assert_eq!(at(nodes[0].props[0].value.span), "\"K\"");
        assert_eq!(nodes[0].props[0].value.annotation.as_deref(), Some("env"));
        assert_eq!(at(nodes[0].nodes()[0].span), "save \"b\" id=\"{{x}}\"");
        assert_eq!(at(nodes[0].nodes()[0].props[0].value.span), "\"{{x}}\"");
        assert_eq!(at(nodes[1].span), "next 1");
    }

    #[test]
    fn a_file_is_read_on_behind_slips_that_have_one_mend_each() {
        let text = "email \"é\" after=5min\nip 10.0.0.5 { wrong #true }\nnext \"one\"\n";
        let (nodes, found) = read(text);
        let nodes = nodes.expect("it is read as if it were mended");
        assert_eq!(found.len(), 2);
        let at = |span: Span| &text[span.range()];
        assert_eq!(at(nodes[0].props[0].value.span), "5min");
        assert_eq!(at(nodes[1].args[0].span), "10.0.0.5");
        assert_eq!(at(nodes[1].nodes()[0].span), "wrong #true");
        assert_eq!(at(nodes[2].span), "next \"one\"");
    }

    #[test]
    fn slips_are_named_in_plain_words() {
        for (text, code) in [
            ("email \"a\" after=5min", codes::UNQUOTED_DURATION),
            ("a optional=true", codes::BARE_KEYWORD),
            ("url https://example.com/x", codes::UNQUOTED_URL),
            ("path /signup", codes::UNQUOTED_TEXT),
            ("ip 10.0.0.5", codes::UNQUOTED_ADDRESS),
            ("ip 10.0.0.0/8", codes::UNQUOTED_ADDRESS),
            ("require status == \"sent\"", codes::UNQUOTED_GUARD),
            ("require a > 3", codes::UNQUOTED_GUARD),
            ("about 'hello'", codes::SINGLE_QUOTES),
            ("about \"hello", codes::SYNTAX),
            ("a {\n b\n", codes::SYNTAX),
            ("a }\n", codes::SYNTAX),
        ] {
            assert_eq!(codes_of(text).first(), Some(&code), "{text}");
        }
        assert_eq!(codes_of("queue batch=10 a=1.5 b=-3 c=0xff d=1e3 mon-fri a@b.c"), [""; 0]);
    }

    #[test]
    fn the_deepest_allowed_nesting_fits_a_small_stack() {
        let deep = |levels| format!("{}{}", "a { ".repeat(levels), "}".repeat(levels));
        let run = move || (codes_of(&deep(32)), codes_of(&deep(33)), codes_of(&deep(50_000)));
        let small = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run);
        let (fits, deeper, absurd) = small.expect("a thread").join().expect("no overflow");
        assert_eq!(fits, [""; 0]);
        assert_eq!((deeper, absurd), (vec![codes::LIMIT], vec![codes::LIMIT]));
    }

    #[test]
    fn switched_off_blocks_within_each_other_are_refused_before_they_cost_time() {
        assert_eq!(codes_of(&"a /-{\n".repeat(30)), [codes::LIMIT]);
        assert_eq!(codes_of(&"/-a {\n".repeat(30)), [codes::LIMIT]);
        assert_eq!(codes_of(&"/- \\\n a {\n".repeat(30)), [codes::LIMIT]);
        assert_eq!(codes_of(&format!("{}{}", "/*".repeat(9), "*/".repeat(9))), [codes::LIMIT]);
        assert_eq!(codes_of("/-a {\n  /-b {\n c \"}\" \"{\"\n }\n}\nd {}\n"), [""; 0]);
    }
}
