//! A graph in mermaid's language. Every text stands between double quotes; what could end
//! them, or mean something to mermaid or to the HTML that it makes, is written as the number
//! of its letter.

use std::fmt::Write as _;

use super::model::{Graph, Kind, Link, Node};

/// Draws it from left to right.
pub(in crate::cli) fn draw(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    let mut group: Option<&str> = None;
    for (index, node) in graph.nodes.iter().enumerate() {
        if node.group.as_deref() != group {
            if group.is_some() {
                text.push_str("    end\n");
            }
            group = node.group.as_deref();
            if let Some(name) = group {
                line(&mut text, &format!("    subgraph g{index}[\"{}\"]", escape(name)));
            }
        }
        let indent = if group.is_some() { "        " } else { "    " };
        line(&mut text, &format!("{indent}n{index}{}", shape(node)));
    }
    if group.is_some() {
        text.push_str("    end\n");
    }
    for edge in &graph.edges {
        let label = edge.label();
        let label = if label.is_empty() { label } else { format!("|\"{}\"|", escape(&label)) };
        let arrow = match edge.link {
            Link::Stop => "-.-x",
            Link::Find => "-.->",
            _ => "-->",
        };
        line(&mut text, &format!("    n{} {arrow}{label} n{}", edge.from, edge.to));
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

/// The node's text within the brackets of its shape.
fn shape(node: &Node) -> String {
    let name = match node.kind {
        // Its group stands around it.
        Kind::Endpoint => node.name.rsplit('/').next().unwrap_or(&node.name),
        _ => &node.name,
    };
    let lines = std::iter::once(name).chain(node.lines.iter().map(String::as_str));
    let told = lines.map(escape).collect::<Vec<_>>().join("<br>");
    let (open, close) = match node.kind {
        Kind::Endpoint => ("([", "])"),
        Kind::Record => ("[(", ")]"),
        Kind::Sequence => ("[", "]"),
        Kind::Event => (">", "]"),
        Kind::Service => ("[[", "]]"),
    };
    format!("{open}\"{told}\"{close}")
}

/// Letters, digits and harmless signs as they are, everything else as `#number;`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        let plain = letter.is_alphanumeric() || " -_./:,=()!?+…".contains(letter);
        if plain {
            escaped.push(letter);
        } else {
            let _ = write!(escaped, "#{};", u32::from(letter));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_text_can_leave_its_quotes() {
        assert_eq!(super::escape("a \"b\" <i>#&;`\n"), "a #34;b#34; #60;i#62;#35;#38;#59;#96;#10;");
        assert_eq!(super::escape("größe-1 (x)"), "größe-1 (x)");
    }
}
