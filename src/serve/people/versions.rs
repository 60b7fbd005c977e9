//! The text of the rules that run. A running server tells it, and keeps it in its store, so
//! that a data folder can be read with the rules that it was filled by.

use serde_json::{Value, json};

use crate::base::{Asset, SourceMap};
use crate::language;
use crate::model::RuleSet;
use crate::model::commit::{Commit, Write};
use crate::store::{Store, StoreError};

/// The flag that holds the rules that ran last.
const FLAG: &str = "rules";

/// The text of a rule set, and how it is run.
#[derive(Clone, Debug, Default)]
pub struct Version {
    /// The hash of the rule set.
    pub hash: String,
    /// How many times faster the waits of sequences pass.
    pub speed: u32,
    /// Every file.
    pub sources: SourceMap,
}

impl Version {
    /// For the API and the store.
    #[must_use]
    pub fn shape(&self) -> Value {
        let files = self.sources.iter();
        let files = files.map(|(_, file)| json!({ "path": file.path, "text": file.text }));
        let mut shape =
            json!({ "hash": self.hash, "speed": self.speed, "files": files.collect::<Value>() });
        // What comes with e-mails is named and not told: only its hash is part of the rules.
        let known = self.sources.assets().filter(|asset| !asset.hash.is_empty());
        let assets: Vec<Value> = known
            .map(|asset| json!({ "path": asset.path, "size": asset.size, "hash": asset.hash }))
            .collect();
        if !assets.is_empty() {
            shape["assets"] = Value::from(assets);
        }
        shape
    }

    /// Reads [`shape`](Self::shape) back; none when it is none.
    #[must_use]
    pub fn read(shape: &Value) -> Option<Self> {
        let mut sources = SourceMap::new();
        for file in shape["files"].as_array()? {
            sources.add(file["path"].as_str()?, file["text"].as_str()?);
        }
        for asset in shape["assets"].as_array().into_iter().flatten() {
            sources.add_asset(Asset {
                path: asset["path"].as_str()?.to_owned(),
                size: asset["size"].as_u64()?,
                hash: asset["hash"].as_str()?.to_owned(),
                bytes: None,
            });
        }
        Some(Self {
            hash: shape["hash"].as_str()?.to_owned(),
            speed: shape["speed"].as_u64().and_then(|speed| speed.try_into().ok()).unwrap_or(1),
            sources,
        })
    }

    /// The rules, if this program still understands them.
    #[must_use]
    pub fn rules(&self) -> Option<RuleSet> {
        language::analyze(&self.sources).0
    }

    /// What a store was run with last, if a server has kept it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) async fn kept(store: &dyn Store) -> Result<Option<Self>, StoreError> {
        let text = store.flag(FLAG).await?;
        Ok(text.and_then(|text| Self::read(&serde_json::from_str(&text).ok()?)))
    }
}

/// Keeps a version in the store, unless it is there already.
///
/// # Errors
/// The store does not accept it at the moment.
pub async fn keep(store: &dyn Store, version: &Version, now: i64) -> Result<(), StoreError> {
    let value = version.shape().to_string();
    if store.flag(FLAG).await?.as_ref() == Some(&value) {
        return Ok(());
    }
    let write = Write::Flag { name: FLAG.to_owned(), value: Some(value) };
    store.commit(Commit { now, writes: vec![write], ..Commit::default() }).await.map(drop)
}
