//! Flows: Kestra's word for what an address runs. Every endpoint of the live rules is one;
//! its group is the namespace.

use std::sync::Arc;

use axum::extract::State;
use serde_json::Value;

use super::answer::{Answer, At, Fault, ok};
use super::parameters;
use super::query::Asked;
use super::shapes;
use crate::serve::app::App;
use crate::serve::settings::{Live, LiveEndpoint};

/// What stands before the namespace in a webhook address.
const WEBHOOK_PATH: &str = "/executions/webhook/";

/// `GET /flows`: every flow, as an array.
pub(super) async fn all(State(app): State<Arc<App>>) -> Answer {
    let live = app.live.load_full();
    ok(&live.endpoints.iter().map(|endpoint| shapes::flow(endpoint, &live)).collect::<Value>())
}

/// `GET /flows/search`.
pub(super) async fn search(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::FLOWS)?;
    let rows = query.rows(parameters::MANY)?;
    let live = app.live.load_full();
    let wanted = query.get("namespace").map(|given| namespace(&live, given));
    let text = query.get("q").map(str::to_lowercase);
    let found: Vec<&Arc<LiveEndpoint>> = live
        .endpoints
        .iter()
        .filter(|endpoint| wanted.as_ref().is_none_or(|name| *name == endpoint.rule.group.name))
        .filter(|endpoint| text.as_ref().is_none_or(|text| mentions(endpoint, text)))
        .collect();
    let page = found.iter().skip(rows.skip).take(rows.take);
    ok(&shapes::page(page.map(|endpoint| shapes::flow(endpoint, &live)), found.len()))
}

fn mentions(endpoint: &LiveEndpoint, text: &str) -> bool {
    let about = endpoint.rule.about.as_deref().unwrap_or_default();
    endpoint.rule.full_name().to_lowercase().contains(text) || about.to_lowercase().contains(text)
}

/// `GET /flows/{namespace}` (an array) and `/flows/{namespace}/{id}` (one flow). A namespace
/// may have slashes for dots, so only the rules can tell the two apart.
pub(super) async fn named(State(app): State<Arc<App>>, At(name): At<String>) -> Answer {
    let live = app.live.load_full();
    let whole = namespace(&live, &name);
    if is_group(&live, &whole) {
        let of = live.endpoints.iter().filter(|endpoint| endpoint.rule.group.name == whole);
        return ok(&of.map(|endpoint| shapes::flow(endpoint, &live)).collect::<Value>());
    }
    let groups = || live.rules.webhooks.iter().map(|group| group.name.as_str());
    let Some((group, flow)) = name.rsplit_once('/') else {
        return Err(Fault::unknown("namespace", &name, groups()));
    };
    let group = namespace(&live, group);
    if !is_group(&live, &group) {
        return Err(Fault::unknown("namespace", &group, groups()));
    }
    let of = || live.endpoints.iter().filter(|endpoint| endpoint.rule.group.name == group);
    match of().find(|endpoint| endpoint.rule.name == flow) {
        Some(endpoint) => ok(&shapes::flow(endpoint, &live)),
        None => Err(Fault::unknown("flow", flow, of().map(|found| found.rule.name.as_str()))),
    }
}

/// `GET /rules`: the text of the rules that run, file by file.
pub(super) async fn rules(State(app): State<Arc<App>>) -> Answer {
    ok(&app.version(&app.live.load()).shape())
}

fn is_group(live: &Live, name: &str) -> bool {
    live.rules.webhooks.iter().any(|group| group.name == name)
}

/// The group that a namespace means: slashes count as dots, and the tail of a group's
/// webhook path (`christmas.handlers`) is another name for it. A name that no group has
/// stays as it is: executions of rules that are gone can still be asked for.
pub(super) fn namespace(live: &Live, given: &str) -> String {
    let dotted = given.trim_matches('/').replace('/', ".");
    let tail = |path: &String| {
        path.split_once(WEBHOOK_PATH).is_some_and(|(_, tail)| tail.replace('/', ".") == dotted)
    };
    let groups = || live.rules.webhooks.iter();
    groups()
        .find(|group| group.name == dotted || group.name == given)
        .or_else(|| groups().find(|group| group.paths.iter().any(tail)))
        .map_or(dotted, |group| group.name.clone())
}
