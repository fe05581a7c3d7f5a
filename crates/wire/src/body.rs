//! Encodings of request bodies: aws-chunked framing and gzip, as incremental decoders that do no I/O.

pub mod aws_chunked;
pub mod gzip;
