//! `updraft image`: container images for functions.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use http_body::Frame;
use tokio::sync::mpsc;

use super::{Failure, tokio_runtime};
use crate::client::{Answer, Server, encoded};

/// Pieces of a file that are read ahead, and their size.
const PIECES_MAX: usize = 8;
const PIECE_BYTES: usize = 256 * 1024;

#[derive(Args)]
pub(super) struct Image {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Loads images into a running server, for functions with PackageType=Image.
    ///
    ///   docker save hello:1 | updraft image load -
    ///   updraft image load hello.tar --name 000000000000.dkr.ecr.us-east-1.amazonaws.com/hello:1
    ///
    /// FILE is an OCI layout or what `docker save` writes, in a tar. The name is then what Code.ImageUri says.
    #[command(verbatim_doc_comment)]
    Load {
        /// The archive, or - for standard input
        file: PathBuf,
        /// The image's name, where the archive has another or none
        #[arg(long, value_name = "NAME:TAG")]
        name: Option<String>,
        #[command(flatten)]
        server: Server,
    },
    /// Lists the images that were loaded.
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Forgets an image, unless a function uses it.
    Delete {
        /// The image's name
        #[arg(value_name = "NAME:TAG")]
        name: String,
        #[command(flatten)]
        server: Server,
    },
}

#[derive(serde::Deserialize)]
struct Loaded {
    name: String,
    digest: String,
}

impl Image {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Load { file, name, server } => load(&file, name.as_deref(), &server),
            Command::List { server } => {
                show(tokio_runtime(1)?.block_on(server.client().own(Method::GET, "/_updraft/images"))?)
            }
            Command::Delete { name, server } => {
                let path = format!("/_updraft/images?name={}", encoded(&name));
                tokio_runtime(1)?.block_on(server.client().own(Method::DELETE, &path))?.accepted()?;
                Ok(())
            }
        }
    }
}

fn load(file: &Path, name: Option<&str>, server: &Server) -> Result<(), Failure> {
    let source: Box<dyn std::io::Read + Send> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(File::open(file).map_err(|error| format!("{}: {error}", file.display()))?),
    };
    let path = match name {
        Some(name) => format!("/_updraft/images?name={}", encoded(name)),
        None => "/_updraft/images".to_owned(),
    };
    let answer = tokio_runtime(1)?.block_on(server.client().upload(&path, Pieces::of(source)))?;
    show(answer)
}

fn show(answer: Answer) -> Result<(), Failure> {
    let loaded: Vec<Loaded> = answer.json()?;
    for Loaded { name, digest } in loaded {
        println!("{name}\t{digest}");
    }
    Ok(())
}

/// What is read from a file, as the body of a request.
pub(crate) struct Pieces(mpsc::Receiver<std::io::Result<Bytes>>);

impl Pieces {
    fn of(mut source: Box<dyn std::io::Read + Send>) -> Pieces {
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        std::thread::spawn(move || {
            loop {
                let mut piece = vec![0; PIECE_BYTES];
                let read = source.read(&mut piece).map(|count| {
                    piece.truncate(count);
                    Bytes::from(piece)
                });
                let is_end = read.as_ref().is_ok_and(Bytes::is_empty);
                let is_broken = read.is_err();
                if is_end || sender.blocking_send(read).is_err() || is_broken {
                    break;
                }
            }
        });
        Pieces(receiver)
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
