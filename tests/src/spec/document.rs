//! A file of the specification, as it is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::behaviour::Behaviour;
use super::exchange::Exchange;
use super::names::Names;

/// One YAML file: a topic.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What the topic is and where it is described.
    about: String,
    /// The agent's configuration file: static options. Cases with equal ones share an agent.
    #[serde(default)]
    agent: Map<String, Value>,
    /// Back ends of every case.
    #[serde(default)]
    nodes: Nodes,
    /// Configuration of every case.
    #[serde(default)]
    config: Documents,
    cases: Vec<Value>,
}

/// Back ends by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Nodes {
    /// Names only: all of them echo.
    Echo(Vec<String>),
    /// Names with what they do.
    Scripted(Map<String, Value>),
}

impl Default for Nodes {
    fn default() -> Self {
        Self::Echo(Vec::new())
    }
}

impl Nodes {
    fn behaviours(&self) -> Result<Vec<(String, Behaviour)>, String> {
        match self {
            Self::Echo(names) => Ok(names
                .iter()
                .map(|name| (name.clone(), Behaviour::default()))
                .collect()),
            Self::Scripted(map) => map
                .iter()
                .map(|(name, value)| {
                    let behaviour = Behaviour::parse(value.clone());
                    let behaviour = behaviour.map_err(|e| format!("node {name}: {e}"))?;
                    Ok((name.clone(), behaviour))
                })
                .collect(),
        }
    }
}

/// Admin API documents by collection, in the order in which they are written. A collection may be
/// a path, such as `consumers/jack/credentials`.
pub(crate) type Documents = Map<String, Value>;

/// A case as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    case: String,
    #[serde(default)]
    nodes: Nodes,
    #[serde(default)]
    config: Documents,
    /// Text of an APISIX standalone file, for `weir apply`.
    #[serde(default)]
    standalone: Option<String>,
    steps: Vec<Value>,
}

/// One case, with what it shares with the others of its file.
#[derive(Debug)]
pub struct Case {
    /// `FOLDER/FILE: NAME OF THE CASE`.
    pub name: String,
    /// Topic of the file.
    pub about: Arc<str>,
    pub(crate) agent: Map<String, Value>,
    pub(crate) nodes: Vec<(String, Behaviour)>,
    pub(crate) config: Vec<(String, Value)>,
    pub(crate) standalone: Option<String>,
    pub(crate) steps: Vec<Step>,
}

/// One step of a case, as it is written: names are filled in when its turn comes.
#[derive(Debug)]
pub(crate) struct Step(Value);

/// What a step does. In the file, the field of this name says which.
#[derive(Debug)]
pub(crate) enum Action {
    /// Writes documents and waits until the agent has them.
    Configure(Documents),
    /// Removes objects, named `COLLECTION/ID`.
    Remove(Vec<String>),
    /// Writes one document that must be refused.
    Refused(Refused),
    /// Changes what nodes do.
    Set(Vec<(String, Behaviour)>),
    /// Closes the listener of a node and its connections.
    Stop(String),
    /// Opens it again, on the same address.
    Start(String),
    /// Lets time pass.
    Pause(Duration),
    /// Sends requests.
    Exchange(Box<Exchange>),
}

/// `refused: {COLLECTION: DOCUMENT}` and `says: TEXT`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refused {
    pub(crate) refused: Documents,
    /// The `error_msg`; after `~`, a regex that it must match.
    pub(crate) says: String,
}

impl Step {
    fn parse(value: Value) -> Result<Self, String> {
        action(value.clone()).map_err(|error| format!("{value}: {error}"))?;
        Ok(Self(value))
    }

    /// What to do.
    pub(crate) fn action(&self, names: &Names) -> Result<Action, String> {
        action(names.fill_value(&self.0))
    }

    /// How it is written, in one line.
    pub(crate) fn text(&self) -> String {
        self.0.to_string()
    }
}

fn action(value: Value) -> Result<Action, String> {
    let fields = value.as_object().ok_or("expected a mapping")?;
    let only = |name: &str| {
        let one = fields.len() == 1;
        if one {
            Ok(fields[name].clone())
        } else {
            Err(format!("{name} stands alone"))
        }
    };
    if fields.contains_key("configure") {
        typed(only("configure")?).map(Action::Configure)
    } else if fields.contains_key("remove") {
        typed(only("remove")?).map(Action::Remove)
    } else if fields.contains_key("set") {
        let nodes: Map<String, Value> = typed(only("set")?)?;
        Nodes::Scripted(nodes).behaviours().map(Action::Set)
    } else if fields.contains_key("stop") {
        typed(only("stop")?).map(Action::Stop)
    } else if fields.contains_key("start") {
        typed(only("start")?).map(Action::Start)
    } else if fields.contains_key("pause") {
        typed(only("pause")?).map(|seconds: f64| Action::Pause(Duration::from_secs_f64(seconds)))
    } else if fields.contains_key("refused") {
        typed(value).map(Action::Refused)
    } else {
        let exchange: Exchange = typed(value)?;
        exchange.check()?;
        Ok(Action::Exchange(Box::new(exchange)))
    }
}

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Reads every file below `dir`, in the order of their names.
///
/// # Errors
/// All files and cases that cannot be read, one a line.
pub fn load(dir: &Path) -> Result<Vec<Case>, String> {
    let mut files = Vec::new();
    find(dir, &mut files)?;
    files.sort();
    let (mut cases, mut errors) = (Vec::new(), Vec::new());
    for path in files {
        let topic = path.strip_prefix(dir).unwrap_or(&path).with_extension("");
        let topic = topic.display().to_string();
        let read = std::fs::read_to_string(&path).map_err(|error| vec![error.to_string()]);
        match read.and_then(|text| parse(&topic, &text)) {
            Ok(found) => cases.extend(found),
            Err(found) => errors.extend(found.iter().map(|error| format!("{topic}: {error}"))),
        }
    }
    if errors.is_empty() {
        Ok(cases)
    } else {
        Err(errors.join("\n"))
    }
}

fn find(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = std::fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(path);
        }
    }
    Ok(())
}

/// The cases of one file; the errors name the case.
fn parse(topic: &str, text: &str) -> Result<Vec<Case>, Vec<String>> {
    // `on`, `off`, `yes` and `n` are names like any other.
    let options = serde_saphyr::options! { strict_booleans: true };
    let file: File = serde_saphyr::from_str_with_options::<Value>(text, options)
        .map_err(|error| vec![error.to_string()])
        .and_then(|value| typed(value).map_err(|error| vec![error]))?;
    let about: Arc<str> = file.about.trim().into();
    let shared = file.nodes.behaviours().map_err(|error| vec![error])?;
    let (mut cases, mut errors) = (Vec::new(), Vec::new());
    for value in file.cases {
        let name = value["case"]
            .as_str()
            .unwrap_or("a case without name")
            .to_owned();
        let case = typed(value).and_then(|written: Written| {
            let mut nodes = shared.clone();
            for (name, behaviour) in written.nodes.behaviours()? {
                nodes.retain(|(known, _)| *known != name);
                nodes.push((name, behaviour));
            }
            let config = file.config.iter().chain(&written.config);
            Ok(Case {
                name: format!("{topic}: {}", written.case),
                about: Arc::clone(&about),
                agent: file.agent.clone(),
                nodes,
                config: config
                    .map(|(kind, list)| (kind.clone(), list.clone()))
                    .collect(),
                standalone: written.standalone.clone(),
                steps: written
                    .steps
                    .into_iter()
                    .map(Step::parse)
                    .collect::<Result<_, _>>()?,
            })
        });
        match case {
            Ok(case) => cases.push(case),
            Err(error) => errors.push(format!("case `{name}`: {error}")),
        }
    }
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    for pair in names.windows(2).filter(|pair| pair[0] == pair[1]) {
        errors.push(format!("two cases are named `{}`", pair[0]));
    }
    if errors.is_empty() {
        Ok(cases)
    } else {
        Err(errors)
    }
}
