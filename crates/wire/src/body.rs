//! Bodies: their encodings (aws-chunked framing and gzip, as incremental decoders that do no I/O), and their way out.

pub mod aws_chunked;
pub mod gzip;
pub(crate) mod outgoing;
