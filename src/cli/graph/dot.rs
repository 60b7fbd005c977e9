//! A graph in the language of Graphviz. Every text stands between double quotes.

use std::fmt::Write as _;

use super::model::{Graph, Kind, Link, Node};

/// Draws it from left to right.
pub(super) fn draw(graph: &Graph) -> String {
    let mut text = String::from(
        "digraph rules {\n    rankdir=LR;\n    node [fontname=\"sans-serif\"];\n    edge [fontname=\"sans-serif\", fontsize=10];\n",
    );
    let mut group: Option<&str> = None;
    for (index, node) in graph.nodes.iter().enumerate() {
        if node.group.as_deref() != group {
            if group.is_some() {
                text.push_str("    }\n");
            }
            group = node.group.as_deref();
            if let Some(name) = group {
                let title = quote(name);
                // Writing to a string cannot fail, here and below.
                let _ = writeln!(text, "    subgraph cluster_{index} {{\n        label={title};");
            }
        }
        let indent = if group.is_some() { "        " } else { "    " };
        let _ = writeln!(text, "{indent}n{index} [label={}, {}];", label(node), shape(node.kind));
    }
    if group.is_some() {
        text.push_str("    }\n");
    }
    for edge in &graph.edges {
        let label = edge.label();
        let mut looks = Vec::new();
        if !label.is_empty() {
            looks.push(format!("label={}", quote(&label)));
        }
        match edge.link {
            Link::Stop => looks.push(String::from("style=dashed, arrowhead=tee")),
            Link::Find => looks.push(String::from("style=dashed")),
            _ => {}
        }
        let looks =
            if looks.is_empty() { String::new() } else { format!(" [{}]", looks.join(", ")) };
        let _ = writeln!(text, "    n{} -> n{}{looks};", edge.from, edge.to);
    }
    text.push_str("}\n");
    text
}

fn shape(kind: Kind) -> &'static str {
    match kind {
        Kind::Endpoint => "shape=box, style=rounded",
        Kind::Record => "shape=cylinder",
        Kind::Sequence => "shape=box",
        Kind::Event => "shape=cds",
        Kind::Service => "shape=component",
    }
}

/// The name, and below it what there is to say; the lines of a sequence begin at the left.
fn label(node: &Node) -> String {
    let name = match node.kind {
        // Its group stands around it.
        Kind::Endpoint => node.name.rsplit('/').next().unwrap_or(&node.name),
        _ => &node.name,
    };
    let mut told = escape(name);
    for line in &node.lines {
        let end = if told.contains("\\l") { "" } else { "\\n" };
        let _ = write!(told, "{end}{}\\l", escape(line));
    }
    format!("\"{told}\"")
}

fn quote(text: &str) -> String {
    format!("\"{}\"", escape(text))
}

/// A backslash begins an escape, so it is doubled; other control characters become blanks.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            // Graphviz reads entities of HTML in every text.
            '&' => escaped.push_str("&amp;"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_text_can_leave_its_quotes() {
        assert_eq!(super::quote("a \"b\\\" &lt;\n"), "\"a \\\"b\\\\\\\" &amp;lt; \"");
    }
}
