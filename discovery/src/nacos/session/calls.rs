//! The two calls that Nacos's gRPC consists of.

use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

use http::uri::PathAndQuery;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;
use weir_net::causes;

use super::super::client::Client;
use super::super::messages::{Payload, Reply};
use crate::http::{BODY_LIMIT, Server, kind_of};
use crate::{Error, ErrorKind};

/// A connection to one server. Clones share it.
#[derive(Clone)]
pub(super) struct Calls {
    grpc: Grpc<Channel>,
    /// Whom we talk to.
    pub(super) server: String,
    limit: Duration,
}

impl Calls {
    /// Connects.
    pub(super) async fn connect(client: &Client, server: Server) -> Result<Self, Error> {
        let endpoint = Endpoint::from(server.url("/")?);
        let connecting = endpoint.connect_with_connector(client.http.connector());
        let channel = match timeout(client.limit, connecting).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => return Err(Error::at(&server, kind_of(&error), causes(&error))),
            Err(_) => return Err(Error::timeout(&server, client.limit)),
        };
        Ok(Self {
            grpc: Grpc::new(channel).max_decoding_message_size(BODY_LIMIT),
            server: server.to_string(),
            limit: client.limit,
        })
    }

    /// Asks for something.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        kind: &str,
        headers: HashMap<String, String>,
        body: &Value,
    ) -> Result<Reply<T>, Error> {
        let payload = Payload::new(kind, headers, body);
        let mut grpc = self.grpc.clone();
        let asked = async {
            grpc.ready().await.map_err(|error| unready(&error))?;
            let path = PathAndQuery::from_static("/Request/request");
            let codec = ProstCodec::<Payload, Payload>::default();
            grpc.unary(Request::new(payload), path, codec).await
        };
        match timeout(self.limit, asked).await {
            Ok(Ok(answer)) => answer.get_ref().reply(&self.server),
            Ok(Err(status)) => Err(self.failure(&status)),
            Err(_) => Err(Error::timeout(&self.server, self.limit)),
        }
    }

    /// Opens the stream of both directions. Returns when the server sends something first.
    pub(super) async fn stream(
        &self,
        outgoing: mpsc::Receiver<Payload>,
    ) -> Result<Streaming<Payload>, Error> {
        let mut grpc = self.grpc.clone();
        let asked = async {
            grpc.ready().await.map_err(|error| unready(&error))?;
            let path = PathAndQuery::from_static("/BiRequestStream/requestBiStream");
            let codec = ProstCodec::<Payload, Payload>::default();
            let outgoing = Request::new(ReceiverStream::new(outgoing));
            grpc.streaming(outgoing, path, codec).await
        };
        match asked.await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(self.failure(&status)),
        }
    }

    /// What a status means.
    pub(super) fn failure(&self, status: &Status) -> Error {
        let kind = match status.code() {
            Code::DeadlineExceeded => ErrorKind::Timeout,
            Code::Unauthenticated | Code::PermissionDenied => ErrorKind::Refused,
            Code::OutOfRange | Code::ResourceExhausted => ErrorKind::TooLarge,
            _ => match status.source() {
                Some(source) => kind_of(source),
                None => ErrorKind::Failed,
            },
        };
        let message = match status.source() {
            Some(source) => causes(source),
            None => format!("{:?}: {}", status.code(), status.message()),
        };
        Error::at(&self.server, kind, message)
    }
}

fn unready(error: &tonic::transport::Error) -> Status {
    Status::unavailable(causes(error))
}
