//! One conversation with a runtime, over either of two transports: frames on its inherited socket, or the Runtime API.
//!
//! A managed runtime has both: an `AWS_LAMBDA_EXEC_WRAPPER` may start an official client in place of our boot file.
//! Whichever ends init first is the one spoken to from then on.

use std::{borrow::Cow, io, os::fd::BorrowedFd};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    frames::{Frame, FrameSocket, Violation, to_runtime},
    runtime_api::RuntimeApi,
};

/// One event on its way in; serialised, it is the header of an `E` frame.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Event {
    pub(crate) request_id: String,
    pub(crate) deadline_ms: i64,
    pub(crate) invoked_function_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_context: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cognito_identity: Option<String>,
    #[serde(skip)]
    pub(crate) payload: Bytes,
}

/// What a runtime says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FromRuntime {
    /// Booted; waiting for its function.
    Parked,
    /// The function is loaded; waiting for an event.
    InitDone,
    /// The function cannot be loaded.
    InitFailed { payload: Bytes, error_type: String },
    /// The function is loaded; waiting to be restored.
    SnapshotReady,
    /// It waits for an image's descriptor.
    WantsImage,
    /// Its image is written.
    ImageDone,
    /// It can have no image, or become none.
    NoImage,
    /// A hook after the restore failed.
    RestoreFailed { payload: Bytes, error_type: String },
    /// The result of the event.
    Response(Bytes),
    /// The handler failed.
    Error { payload: Bytes, error_type: String },
    /// A streamed answer begins, of this media type.
    StreamBegins { content_type: String },
    /// The next part of it.
    Chunk(Bytes),
    /// It is whole.
    StreamEnds,
    /// It ends in the middle, by the handler's error.
    StreamFails { payload: Bytes, error_type: String },
    /// After a streamed answer: ready for the next event.
    Ready,
    /// A result over the limit, of this size.
    TooLarge(usize),
    /// It hung up.
    Closed,
    /// It broke the protocol.
    Malformed,
}

impl FromRuntime {
    /// A handler's error; its type is what the header says or else what the document says.
    pub(crate) fn error(payload: Bytes, header: Option<String>) -> FromRuntime {
        let error_type = header.unwrap_or_else(|| error_type(&payload));
        FromRuntime::Error { payload, error_type }
    }

    /// The error in the middle of a streamed answer, likewise.
    pub(crate) fn stream_fails(payload: Bytes, header: Option<String>) -> FromRuntime {
        let error_type = header.unwrap_or_else(|| error_type(&payload));
        FromRuntime::StreamFails { payload, error_type }
    }

    /// An init error, likewise.
    pub(crate) fn init_failed(payload: Bytes, header: Option<String>) -> FromRuntime {
        let error_type = header.unwrap_or_else(|| error_type(&payload));
        FromRuntime::InitFailed { payload, error_type }
    }

    /// An error of a hook after the restore, likewise.
    pub(crate) fn restore_failed(payload: Bytes, header: Option<String>) -> FromRuntime {
        let error_type = header.unwrap_or_else(|| error_type(&payload));
        FromRuntime::RestoreFailed { payload, error_type }
    }
}

impl From<Frame> for FromRuntime {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Parked => FromRuntime::Parked,
            Frame::InitDone => FromRuntime::InitDone,
            Frame::InitFailed(payload) => FromRuntime::init_failed(payload, None),
            Frame::Response(payload) => FromRuntime::Response(payload),
            Frame::Error(payload) => FromRuntime::error(payload, None),
            Frame::SnapshotReady => FromRuntime::SnapshotReady,
            Frame::WantsImage => FromRuntime::WantsImage,
            Frame::ImageDone => FromRuntime::ImageDone,
            Frame::NoImage => FromRuntime::NoImage,
            Frame::RestoreFailed(payload) => FromRuntime::restore_failed(payload, None),
            Frame::StreamBegins(content_type) => {
                FromRuntime::StreamBegins { content_type: String::from_utf8_lossy(&content_type).into_owned() }
            }
            Frame::Chunk(bytes) => FromRuntime::Chunk(bytes),
            Frame::StreamEnds => FromRuntime::StreamEnds,
            Frame::StreamFails(payload) => FromRuntime::stream_fails(payload, None),
            Frame::Ready => FromRuntime::Ready,
        }
    }
}

impl From<Violation> for FromRuntime {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::Closed => FromRuntime::Closed,
            Violation::TooLarge(bytes) => FromRuntime::TooLarge(bytes),
            Violation::Malformed => FromRuntime::Malformed,
        }
    }
}

/// `errorType` of an error document, or AWS's word for not knowing.
fn error_type(payload: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        #[serde(borrow)]
        error_type: Option<Cow<'a, str>>,
    }
    match serde_json::from_slice::<Document<'_>>(payload) {
        Ok(Document { error_type: Some(error_type) }) => error_type.into_owned(),
        _ => "Runtime.Unknown".to_owned(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Unknown,
    Frames,
    Http,
}

/// What a runtime is told of images.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ImageOrder<'a> {
    /// Write one.
    Save,
    /// Become the process of one.
    Load,
    /// This one.
    Descriptor(BorrowedFd<'a>),
}

/// The conversation.
pub(crate) struct Channel {
    frames: Option<FrameSocket>,
    api: RuntimeApi,
    speaker: Speaker,
}

impl Channel {
    pub(crate) fn new(frames: Option<FrameSocket>, api: RuntimeApi) -> Channel {
        Channel { frames, api, speaker: Speaker::Unknown }
    }

    /// Sends a managed runtime its function's settings; custom runtimes have them in their environment.
    pub(crate) async fn send_init(&mut self, settings: &[u8]) -> io::Result<()> {
        match &mut self.frames {
            Some(frames) => frames.send(to_runtime::INIT, &[settings]).await,
            None => Ok(()),
        }
    }

    /// Lets a snapshot go on.
    pub(crate) async fn send_restore(&mut self) -> io::Result<()> {
        match (&mut self.frames, self.speaker) {
            (Some(frames), Speaker::Frames) => frames.send(to_runtime::RESTORE, &[]).await,
            _ => {
                self.api.restore();
                Ok(())
            }
        }
    }

    /// Asks a runtime that speaks frames to write its image down, or to become an image's process.
    pub(crate) async fn send_image(&mut self, order: ImageOrder<'_>) -> io::Result<()> {
        let Some(frames) = &mut self.frames else { return Err(io::ErrorKind::Unsupported.into()) };
        match order {
            ImageOrder::Save => frames.send(to_runtime::SAVE, &[]).await,
            ImageOrder::Load => frames.send(to_runtime::LOAD, &[]).await,
            ImageOrder::Descriptor(descriptor) => frames.send_descriptor(descriptor).await,
        }
    }

    /// Whether nothing unasked-for waits to be read.
    pub(crate) fn is_quiet(&mut self) -> bool {
        match (&mut self.frames, self.speaker) {
            (Some(frames), Speaker::Frames) => frames.is_quiet(),
            _ => true,
        }
    }

    /// Sends one event.
    pub(crate) async fn send_event(&mut self, event: Event) -> io::Result<()> {
        match (&mut self.frames, self.speaker) {
            (Some(frames), Speaker::Frames) => {
                let header = serde_json::to_vec(&event)?;
                let length = (header.len() as u32).to_le_bytes();
                frames.send(to_runtime::EVENT, &[&length, &header, &event.payload]).await
            }
            _ => {
                self.api.offer(event);
                Ok(())
            }
        }
    }

    /// What the runtime says next. Dropping the future loses nothing.
    pub(crate) async fn receive(&mut self) -> FromRuntime {
        loop {
            let (from, message) = match (&mut self.frames, self.speaker) {
                (Some(frames), Speaker::Frames) => (Speaker::Frames, received(frames).await),
                (Some(frames), Speaker::Unknown) => tokio::select! {
                    biased;
                    message = received(frames) => (Speaker::Frames, message),
                    message = self.api.receive() => (Speaker::Http, message),
                },
                _ => (Speaker::Http, self.api.receive().await),
            };
            if message == FromRuntime::Closed && self.speaker == Speaker::Unknown {
                // Closing fd 3 before saying a word is what a wrapper with its own client does. A runtime that
                // *ended* is noticed by its exit.
                self.frames = None;
                continue;
            }
            if self.speaker == Speaker::Unknown && message != FromRuntime::Parked {
                self.speaker = from;
            }
            return message;
        }
    }
}

async fn received(frames: &mut FrameSocket) -> FromRuntime {
    match frames.receive().await {
        Ok(frame) => frame.into(),
        Err(violation) => violation.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_type_is_taken_from_the_document() {
        assert_eq!(error_type(br#"{"errorType":"KeyError","errorMessage":"'x'"}"#), "KeyError");
        assert_eq!(error_type(br#"{"errorType":"a\"b"}"#), "a\"b");
        for odd in [&b"not json"[..], b"[]", br#"{"errorType":7}"#, b"{}"] {
            assert_eq!(error_type(odd), "Runtime.Unknown");
        }
    }
}
