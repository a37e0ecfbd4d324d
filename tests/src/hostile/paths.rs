//! Paths that could mean two things: route match, plugins and node must agree on one.

use serde::Deserialize;

/// A path, and what it means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathCase {
    /// As it stands in the request line.
    pub path: String,
    /// The one meaning, decoded; refused when absent.
    pub is: Option<String>,
    /// It may be refused as well.
    #[serde(default)]
    pub or_refused: bool,
}

/// What was seen of a path.
#[derive(Debug, Default)]
pub struct Observed {
    /// Status of the answer.
    pub status: u16,
    /// The route that took it, as the answer says.
    pub route: Option<String>,
    /// `$uri`, as a plugin of the route saw it.
    pub plugin: Option<String>,
    /// Target at the node, when it got there.
    pub node: Option<String>,
}

impl PathCase {
    /// Everything that does not agree; nothing when all do.
    #[must_use]
    pub fn judge(&self, with_key: bool, observed: &Observed) -> Vec<String> {
        let raw = self.path.split('?').next().unwrap_or_default();
        let Some(is) = &self.is else {
            return match observed {
                Observed {
                    status: 400,
                    node: None,
                    ..
                } => Vec::new(),
                _ => vec![format!("must be refused: {observed:?}")],
            };
        };
        if self.or_refused && observed.status == 400 && observed.node.is_none() {
            return Vec::new();
        }
        let mut problems = Vec::new();
        if weir_reader::path(raw).as_ref() != Ok(is) {
            problems.push(format!("the corpus is wrong: {:?}", weir_reader::path(raw)));
        }
        let (route, status) = match is.split('/').nth(1) {
            Some("open") => (Some("open"), 200),
            Some("guarded") if with_key => (Some("guarded"), 200),
            Some("guarded") => (Some("guarded"), 401),
            _ => (None, 404),
        };
        if observed.status != status || observed.route.as_deref() != route {
            problems.push(format!("must be {status} by {route:?}: {observed:?}"));
        }
        if route.is_some() && observed.plugin.as_ref() != Some(is) {
            problems.push(format!("plugins see {:?}", observed.plugin));
        }
        let at_node = observed.node.as_deref().map(|target| {
            let path = target.split('?').next().unwrap_or_default();
            weir_reader::path(path)
        });
        let wanted = (status == 200).then(|| Ok(is.clone()));
        if at_node != wanted {
            problems.push(format!("the node reads {at_node:?}"));
        }
        problems
    }
}
