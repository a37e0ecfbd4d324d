//! Puts responses on the wire that were encoded before: the chunk is shared by all streams, only
//! the nonce in front of it is the stream's own. In protobuf two encodings in a row are one
//! message that has the fields of both.

use std::sync::Arc;

use bytes::{BufMut, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use weir_proto::sync::{StreamRequest, StreamResponse};

/// A `StreamResponse`: `chunk` is its encoding without nonce.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) nonce: Option<Arc<str>>,
    pub(crate) chunk: Bytes,
}

/// Frames out, requests in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FrameCodec;

impl Codec for FrameCodec {
    type Encode = Frame;
    type Decode = StreamRequest;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for FrameCodec {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        if let Some(nonce) = &frame.nonce {
            let head = StreamResponse {
                nonce: nonce.to_string(),
                ..StreamResponse::default()
            };
            head.encode(out)
                .map_err(|error| Status::internal(error.to_string()))?;
        }
        out.put(frame.chunk);
        Ok(())
    }
}

impl Decoder for FrameCodec {
    type Item = StreamRequest;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<StreamRequest>, Status> {
        StreamRequest::decode(bytes)
            .map(Some)
            .map_err(|error| Status::invalid_argument(error.to_string()))
    }
}
