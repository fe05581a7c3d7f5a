//! `POST /_updraft/images`: an archive of container images on its way into Lambda, as a stream.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use compute::Lambda;
use compute::lambda::image::{LoadError, LoadedImage};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::mpsc;

/// Pieces that wait to be read; the sender waits beyond them.
const PIECES_MAX: usize = 16;

/// Loads the images of an archive; `name` is for an archive that has one and does not say it.
pub(crate) async fn load(
    lambda: &Lambda,
    mut body: Incoming,
    name: Option<String>,
) -> Result<Vec<LoadedImage>, LoadError> {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let reading = lambda.load_image(Pieces { receiver, present: Bytes::new() }, name);
    let feeding = async move {
        while let Some(frame) = body.frame().await {
            let piece = match frame {
                Ok(frame) => frame.into_data().map_err(|_| ()).map(Ok),
                Err(error) => Ok(Err(io::Error::other(error))),
            };
            // Trailers say nothing; a reader that has refused the archive hears nothing.
            if let Ok(piece) = piece
                && sender.send(piece).await.is_err()
            {
                break;
            }
        }
    };
    let (loaded, ()) = tokio::join!(reading, feeding);
    loaded
}

/// Pieces that arrive, as what blocking code reads from.
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    present: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.present.is_empty() {
            match self.receiver.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.present = piece?,
            }
        }
        let count = self.present.len().min(buffer.len());
        self.present.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
