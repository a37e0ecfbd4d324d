//! One connection over gRPC, and the services that are subscribed on it.
//!
//! The server knows a connection by the stream on which it pushes, and takes requests beside it
//! on the same connection. It forgets all subscriptions when the connection ends.

mod calls;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tonic::Streaming;

use super::Topic;
use super::client::Client;
use super::messages::{Carrier, Nothing, Numbered, Payload, Reply, ServiceInfo};
use crate::{Error, ErrorKind};
use calls::Calls;

/// Between two questions whether the connection is still good.
const PROBE: Duration = Duration::from_secs(5);
/// Between two tries while the server takes note of a new connection.
const EARLY: Duration = Duration::from_millis(30);
/// Answers to the server that wait to be sent.
const OUTBOX: usize = 64;

type Sender = watch::Sender<Arc<ServiceInfo>>;
/// What is subscribed, by group and service.
type Topics = Mutex<HashMap<(String, String), Sender>>;

/// A connection that the server knows. Dropping it ends it.
pub(super) struct Session {
    client: Arc<Client>,
    calls: Calls,
    topics: Arc<Topics>,
    /// Why it ended.
    ended: watch::Receiver<Option<Error>>,
    /// What nobody wants any more.
    leave: mpsc::UnboundedSender<Topic>,
    task: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A service that is followed. Dropping it ends that.
pub(super) struct Subscription {
    session: Arc<Session>,
    topic: Topic,
    news: watch::Receiver<Arc<ServiceInfo>>,
    ended: watch::Receiver<Option<Error>>,
}

impl Session {
    /// Connects to the first server that takes us.
    pub(super) async fn open(client: &Arc<Client>, namespace: &str) -> Result<Arc<Self>, Error> {
        // A login that fails is told as such.
        client.headers(None).await?;
        let asked = client.servers.ask(|server| async move {
            let calls = Calls::connect(client, client.grpc(&server)?).await?;
            calls
                .ask::<Nothing>("ServerCheckRequest", HashMap::new(), &json!({}))
                .await?;
            Ok(calls)
        });
        let calls = asked.await?;
        let topics = Arc::<Topics>::default();
        let (end, ended) = watch::channel(None);
        let (leave, left) = mpsc::unbounded_channel();
        let work = Work {
            client: Arc::clone(client),
            calls: calls.clone(),
            topics: Arc::clone(&topics),
            namespace: namespace.to_owned(),
        };
        let task = tokio::spawn(async move {
            let error = work.run(left).await;
            end.send_replace(Some(error));
        });
        Ok(Arc::new(Self {
            client: Arc::clone(client),
            calls,
            topics,
            ended,
            leave,
            task,
        }))
    }

    /// Whether it has not ended.
    pub(super) fn lives(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Follows a service from now on.
    pub(super) async fn subscribe(self: &Arc<Self>, topic: &Topic) -> Result<Subscription, Error> {
        let info = self.ask(topic).await?;
        let news = {
            let mut topics = lock(&self.topics);
            match topics.get(&key(topic)) {
                Some(sender) => {
                    publish(sender, info);
                    sender.subscribe()
                }
                None => {
                    let (sender, news) = watch::channel(Arc::new(info));
                    topics.insert(key(topic), sender);
                    news
                }
            }
        };
        Ok(Subscription {
            session: Arc::clone(self),
            topic: topic.clone(),
            news,
            ended: self.ended.clone(),
        })
    }

    /// Asks for the whole service again.
    pub(super) async fn fetch(&self, topic: &Topic) -> Result<(), Error> {
        let info = self.ask(topic).await?;
        if let Some(sender) = lock(&self.topics).get(&key(topic)) {
            publish(sender, info);
        }
        Ok(())
    }

    /// Subscribes, which answers the service as it is.
    async fn ask(&self, topic: &Topic) -> Result<ServiceInfo, Error> {
        let began = Instant::now();
        let body = subscription(topic, true);
        loop {
            if let Some(error) = self.ended.borrow().clone() {
                return Err(error);
            }
            let headers = self.client.headers(Some(topic)).await?;
            let asked = self
                .calls
                .ask::<Carrier>("SubscribeServiceRequest", headers, &body);
            match asked.await {
                Ok(Reply::Is(carrier)) => {
                    let mut info = carrier.service_info;
                    info.server.clone_from(&self.calls.server);
                    return Ok(info);
                }
                Ok(Reply::TooEarly) if began.elapsed() < self.client.limit => sleep(EARLY).await,
                Ok(Reply::TooEarly) => {
                    let message = "the server does not take note of the connection";
                    return Err(Error::at(&self.calls.server, ErrorKind::Failed, message));
                }
                Err(error) => {
                    if error.kind == ErrorKind::Refused {
                        self.client.refused().await;
                    }
                    return Err(error);
                }
            }
        }
    }
}

impl Subscription {
    /// The service as it is known now.
    pub(super) fn info(&mut self) -> Arc<ServiceInfo> {
        Arc::clone(&self.news.borrow_and_update())
    }

    /// Waits for something newer.
    pub(super) async fn changed(&mut self) -> Result<(), Error> {
        let gone = || Error::at("", ErrorKind::Unreachable, "the connection is gone");
        tokio::select! {
            changed = self.news.changed() => changed.map_err(|_| gone()),
            ended = self.ended.wait_for(Option::is_some) => {
                Err(ended.ok().and_then(|error| error.clone()).unwrap_or_else(gone))
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut topics = lock(&self.session.topics);
        let key = key(&self.topic);
        // This one still counts.
        if topics
            .get(&key)
            .is_some_and(|sender| sender.receiver_count() <= 1)
        {
            topics.remove(&key);
            // When the session is over, so is the subscription.
            let _ = self.session.leave.send(self.topic.clone());
        }
    }
}

/// What the task of a session does.
struct Work {
    client: Arc<Client>,
    calls: Calls,
    topics: Arc<Topics>,
    namespace: String,
}

impl Work {
    async fn run(&self, left: mpsc::UnboundedReceiver<Topic>) -> Error {
        tokio::select! {
            error = self.receive() => error,
            error = self.probe() => error,
            error = self.unsubscribe(left) => error,
        }
    }

    /// Takes what the server pushes.
    async fn receive(&self) -> Error {
        let setup = json!({
            "clientVersion": concat!("Weir:v", env!("CARGO_PKG_VERSION")),
            "labels": {"source": "sdk", "module": "naming"},
            "tenant": self.namespace,
        });
        let (outbox, outgoing) = mpsc::channel(OUTBOX);
        let setup = Payload::new("ConnectionSetupRequest", HashMap::new(), &setup);
        let opened = async {
            // There is room for the first.
            let _ = outbox.send(setup).await;
            self.calls.stream(outgoing).await
        };
        match opened.await {
            Ok(incoming) => self.listen(incoming, outbox).await,
            Err(error) => error,
        }
    }

    async fn listen(
        &self,
        mut incoming: Streaming<Payload>,
        outbox: mpsc::Sender<Payload>,
    ) -> Error {
        loop {
            let payload = match incoming.message().await {
                Ok(Some(payload)) => payload,
                Ok(None) => {
                    let message = "the server ended the stream of pushes";
                    return Error::at(&self.calls.server, ErrorKind::Unreachable, message);
                }
                Err(status) => return self.calls.failure(&status),
            };
            let answer = match self.take(&payload) {
                Ok(answer) => answer,
                Err(error) => return error,
            };
            // Someone who does not take answers gets none; probes tell whether it is alive.
            if let Some(answer) = answer {
                let _ = outbox.try_send(answer);
            }
        }
    }

    /// Does what a message from the server says, and answers it.
    fn take(&self, payload: &Payload) -> Result<Option<Payload>, Error> {
        let server = &self.calls.server;
        let answer = match payload.kind() {
            "NotifySubscriberRequest" => {
                let pushed: Carrier = payload.read(server)?;
                self.pushed(pushed.service_info);
                "NotifySubscriberResponse"
            }
            "ClientDetectionRequest" => "ClientDetectionResponse",
            "SetupAckRequest" => "SetupAckResponse",
            "ConnectResetRequest" => {
                let message = "the server wants us to connect anew";
                return Err(Error::at(server, ErrorKind::Failed, message));
            }
            // Of later releases; nothing that we asked for.
            _ => return Ok(None),
        };
        let number: Numbered = payload.read(server)?;
        let body = json!({"resultCode": 200, "requestId": number.request_id});
        Ok(Some(Payload::new(answer, HashMap::new(), &body)))
    }

    fn pushed(&self, mut info: ServiceInfo) {
        info.server.clone_from(&self.calls.server);
        let (group, name) = info.place();
        let key = (group.to_owned(), name.to_owned());
        if let Some(sender) = lock(&self.topics).get(&key) {
            publish(sender, info);
        }
    }

    /// Asks from time to time, so that a connection that died without a word is noticed.
    async fn probe(&self) -> Error {
        loop {
            sleep(PROBE).await;
            let body = json!({});
            let asked = self
                .calls
                .ask::<Nothing>("HealthCheckRequest", HashMap::new(), &body);
            match asked.await {
                Ok(Reply::Is(_)) => {}
                Ok(Reply::TooEarly) => {
                    let message = "the server has forgotten the connection";
                    return Error::at(&self.calls.server, ErrorKind::Failed, message);
                }
                Err(error) => return error,
            }
        }
    }

    async fn unsubscribe(&self, mut left: mpsc::UnboundedReceiver<Topic>) -> Error {
        while let Some(topic) = left.recv().await {
            // Somebody may want it again by now.
            if lock(&self.topics).contains_key(&key(&topic)) {
                continue;
            }
            let asked = async {
                let headers = self.client.headers(Some(&topic)).await?;
                let body = subscription(&topic, false);
                let asked = self
                    .calls
                    .ask::<Nothing>("SubscribeServiceRequest", headers, &body);
                asked.await.map(drop)
            };
            if let Err(error) = asked.await {
                return error;
            }
        }
        // All senders are gone, and with them the session.
        std::future::pending().await
    }
}

fn key(topic: &Topic) -> (String, String) {
    (topic.group.clone(), topic.service.clone())
}

fn subscription(topic: &Topic, wanted: bool) -> Value {
    json!({
        "module": "naming", "namespace": topic.namespace, "groupName": topic.group,
        "serviceName": topic.service, "clusters": "", "subscribe": wanted,
    })
}

/// Tells what is known of a service, unless something newer is.
fn publish(sender: &Sender, info: ServiceInfo) {
    sender.send_if_modified(|known| {
        let newer = info.last_ref_time >= known.last_ref_time;
        if newer {
            *known = Arc::new(info);
        }
        newer
    });
}

fn lock(topics: &Topics) -> MutexGuard<'_, HashMap<(String, String), Sender>> {
    topics.lock().unwrap_or_else(PoisonError::into_inner)
}
