//! Runs one case.

use super::configure;
use super::document::{Action, Case, Step};
use super::names::Names;
use super::node::Node;
use super::nodes::Memory;
use super::perform::perform;
use super::report;
use super::seen::Record;
use super::stage::Stage;

/// Runs a case on a stage of its own.
///
/// # Errors
/// The report of the first step that was not as expected.
pub async fn run(case: &Case) -> Result<(), String> {
    let mut stage = Stage::take(&case.agent).await;
    let outcome = play(case, &mut stage).await;
    let agent = stage.agent.tail();
    let cleared = configure::clear(&mut stage).await;
    // A stage that a case left in an unknown state is not used again.
    match (&outcome, cleared) {
        (Ok(()), Ok(())) => {
            stage.give_back();
            Ok(())
        }
        (Ok(()), Err(error)) => Err(report::case(case, &format!("clearing up: {error}"), &agent)),
        (Err(error), _) => Err(report::case(case, error, &agent)),
    }
}

/// What one case has beside its stage.
struct Play {
    names: Names,
    nodes: Vec<Node>,
    record: Record,
    memory: Memory,
}

async fn play(case: &Case, stage: &mut Stage) -> Result<(), String> {
    let mut play = Play {
        names: Names::default(),
        nodes: Vec::new(),
        record: Record::default(),
        memory: Memory::default(),
    };
    play.names.set("agent", stage.agent.ip.to_string());
    for (name, behaviour) in &case.nodes {
        let node = Node::start(name, stage.nodes, behaviour.clone(), &play.record).await;
        play.names.set(name, node.address.to_string());
        play.names
            .set(&format!("{name}.host"), node.address.ip().to_string());
        play.names
            .set(&format!("{name}.port"), node.address.port().to_string());
        play.nodes.push(node);
    }
    let config = case
        .config
        .iter()
        .map(|(kind, list)| (kind.clone(), play.names.fill_value(list)));
    configure::write(stage, config)
        .await
        .map_err(|error| format!("config: {error}"))?;
    if let Some(text) = &case.standalone {
        let text = play.names.fill(text);
        configure::apply(stage, &text)
            .await
            .map_err(|error| format!("standalone: {error}"))?;
    }
    for (step, number) in case.steps.iter().zip(1..) {
        let result = play.step(stage, step).await;
        result.map_err(|error| report::step(number, case.steps.len(), step, &error))?;
    }
    Ok(())
}

impl Play {
    async fn step(&mut self, stage: &mut Stage, step: &Step) -> Result<(), String> {
        match step.action(&self.names)? {
            Action::Configure(documents) => configure::write(stage, documents).await,
            Action::Remove(paths) => configure::remove(stage, &paths).await,
            Action::Refused(refused) => configure::refused(stage, &refused).await,
            Action::Set(nodes) => {
                for (name, behaviour) in nodes {
                    self.node(&name)?.set(behaviour).await;
                }
                Ok(())
            }
            Action::Stop(name) => {
                self.node(&name)?.stop();
                Ok(())
            }
            Action::Start(name) => {
                self.node(&name)?.restart().await;
                Ok(())
            }
            Action::Pause(seconds) => {
                tokio::time::sleep(seconds).await;
                Ok(())
            }
            Action::Exchange(exchange) => {
                let performed = perform(stage, &self.record, &mut self.memory, &exchange).await;
                if !performed.wrong.is_empty() {
                    return Err(report::performed(&performed));
                }
                if let Some(name) = &exchange.remember {
                    self.names.set(name, performed.node());
                }
                Ok(())
            }
        }
    }

    fn node(&mut self, name: &str) -> Result<&mut Node, String> {
        let found = self.nodes.iter_mut().find(|node| node.name == name);
        found.ok_or_else(|| format!("there is no node {name}"))
    }
}
