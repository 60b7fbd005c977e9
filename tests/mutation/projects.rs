//! Every correct rule set of the repository: the campaign, the smallest example, what `init`
//! makes, and one of our own that uses what those do not.

use std::path::Path;

use rulerun::base::SourceMap;
use rulerun::serve::sources;

/// A correct rule set.
pub(crate) struct Project {
    pub(crate) name: &'static str,
    /// Path and text of every file.
    pub(crate) files: Vec<(String, String)>,
}

impl Project {
    /// The files with one of them changed; a file without a text is not there.
    pub(crate) fn with(&self, index: usize, text: Option<&str>) -> SourceMap {
        let mut sources = SourceMap::new();
        for (at, (path, own)) in self.files.iter().enumerate() {
            match (at == index, text) {
                (true, None) => {}
                (true, Some(changed)) => drop(sources.add(path.clone(), changed)),
                (false, _) => drop(sources.add(path.clone(), own.clone())),
            }
        }
        sources
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Project> {
    vec![
        read("campaign", &["rules", "schemas"]),
        read("hello", &["examples/hello.kdl"]),
        made(),
        read("shop", &["tests/mutation/shop"]),
    ]
}

fn read(name: &'static str, paths: &[&str]) -> Project {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let paths: Vec<_> = paths.iter().map(|path| root.join(path)).collect();
    let sources = sources::load(&paths).unwrap();
    let shown = |path: &str| {
        let path = Path::new(path);
        path.strip_prefix(root).unwrap_or(path).display().to_string()
    };
    let files = sources.iter().map(|(_, file)| (shown(&file.path), file.text.clone())).collect();
    Project { name, files }
}

/// What `rulerun init` writes.
fn made() -> Project {
    let files = [
        ("rules/hello.kdl", include_str!("../../src/cli/init/rules.kdl")),
        ("rules/emails/welcome-1.md", include_str!("../../src/cli/init/welcome-1.md")),
        ("rules/emails/welcome-2.md", include_str!("../../src/cli/init/welcome-2.md")),
        ("schemas/hello.kdl", include_str!("../../src/cli/init/schemas.kdl")),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).to_vec();
    Project { name: "init", files }
}
