//! Drains what a sandbox writes: its standard output and error (one pipe, plain lines) and its telemetry pipe (AWS's
//! framing, records that may span lines).
//!
//! Reading happens only while an invocation runs: a sandbox that writes between invocations fills its pipe and
//! waits. Memory is bounded by one record on each pipe; a flood is slowed to [`FLOOD_BYTES_PER_SECOND`] by leaving the
//! pipe full.

use std::{
    cell::RefCell, convert::Infallible, future::poll_fn, io, os::fd::OwnedFd, sync::Arc, task::Poll, time::Duration,
};

use base::Clock;
use bytes::{Buf, Bytes, BytesMut};
use tokio::{net::unix::pipe, time::Instant};

use super::{
    spec::LogSink,
    telemetry::{Stream, Telemetry},
};

/// Longest record handed on, in bytes (CloudWatch Logs: 256 KB an event). Longer ones come in pieces.
pub(crate) const RECORD_BYTES_MAX: usize = 256 * 1024;

/// A pipe's capacity as it is made.
const PIPE_BYTES: usize = 64 * 1024;

/// The largest capacity that an unprivileged owner of a pipe can give it: all that can have been written before the
/// response and not yet been read.
const PIPE_BYTES_MAX: usize = 1024 * 1024;

/// What a sandbox may write at once before it is slowed down.
const FLOOD_BURST_BYTES: f64 = 16.0 * 1024.0 * 1024.0;

/// Pace of a sandbox that floods its log.
const FLOOD_BYTES_PER_SECOND: f64 = 8.0 * 1024.0 * 1024.0;

/// Header of a telemetry record: type, length, microseconds since the epoch, all big-endian.
const TELEMETRY_HEADER_BYTES: usize = 16;

/// Upper half of every telemetry record type; the lower half tells level and format.
const TELEMETRY_MAGIC: u32 = 0xa55a;

/// Splits bytes into records.
#[derive(Debug)]
enum Splitter {
    /// `searched` bytes at the front are known to hold no line feed.
    Lines {
        bytes: BytesMut,
        searched: usize,
    },
    Telemetry {
        bytes: BytesMut,
        record: Option<(usize, i64)>,
    },
}

impl Splitter {
    fn lines() -> Splitter {
        Splitter::Lines { bytes: BytesMut::new(), searched: 0 }
    }

    fn telemetry() -> Splitter {
        Splitter::Telemetry { bytes: BytesMut::new(), record: None }
    }

    /// Takes in bytes and hands on the records they complete.
    fn push(&mut self, data: &[u8], now_ms: i64, emit: &mut dyn FnMut(i64, Bytes)) {
        match self {
            Splitter::Lines { bytes, searched } => {
                bytes.extend_from_slice(data);
                split_lines(bytes, searched, now_ms, emit);
            }
            Splitter::Telemetry { bytes, record } => {
                bytes.extend_from_slice(data);
                if !split_telemetry(bytes, record, emit) {
                    // Not AWS's framing: from here on what comes is shown as it is, rather than lost.
                    *self = Splitter::Lines { bytes: std::mem::take(bytes), searched: 0 };
                    self.push(b"", now_ms, emit);
                }
            }
        }
    }

    /// Hands on a line that has no end yet. A telemetry record is never cut here: its writer announced its length.
    fn flush(&mut self, now_ms: i64, emit: &mut dyn FnMut(i64, Bytes)) {
        if let Splitter::Lines { bytes, searched } = self
            && !bytes.is_empty()
        {
            *searched = 0;
            emit(now_ms, bytes.split().freeze());
        }
    }
}

fn split_lines(bytes: &mut BytesMut, searched: &mut usize, now_ms: i64, emit: &mut dyn FnMut(i64, Bytes)) {
    loop {
        let window = &bytes[*searched..bytes.len().min(RECORD_BYTES_MAX + 1)];
        if let Some(at) = window.iter().position(|byte| *byte == b'\n') {
            emit(now_ms, bytes.split_to(*searched + at + 1).freeze());
        } else if bytes.len() > RECORD_BYTES_MAX {
            emit(now_ms, bytes.split_to(RECORD_BYTES_MAX).freeze());
        } else {
            *searched = bytes.len();
            return;
        }
        *searched = 0;
    }
}

/// Answers `false` when the bytes are no telemetry.
fn split_telemetry(bytes: &mut BytesMut, record: &mut Option<(usize, i64)>, emit: &mut dyn FnMut(i64, Bytes)) -> bool {
    loop {
        let (remaining, at_ms) = match *record {
            Some(open) => open,
            None => {
                if bytes.len() < TELEMETRY_HEADER_BYTES {
                    return true;
                }
                if u32::from(u16::from_be_bytes([bytes[0], bytes[1]])) != TELEMETRY_MAGIC {
                    return false;
                }
                bytes.advance(4);
                let length = bytes.get_u32() as usize;
                (length, (bytes.get_u64() / 1000) as i64)
            }
        };
        let piece = remaining.min(RECORD_BYTES_MAX);
        if bytes.len() < piece {
            *record = Some((remaining, at_ms));
            return true;
        }
        let rest = remaining - piece;
        emit(at_ms, bytes.split_to(piece).freeze());
        *record = (rest > 0).then_some((rest, at_ms));
    }
}

/// One pipe and what is left over from its last read.
struct Drain {
    pipe: pipe::Receiver,
    splitter: Splitter,
    /// Who writes into it, the function or an extension.
    stream: Stream,
    open: bool,
}

impl Drain {
    fn new(fd: OwnedFd, splitter: Splitter, stream: Stream) -> io::Result<Drain> {
        Ok(Drain { pipe: pipe::Receiver::from_owned_fd(fd)?, splitter, stream, open: true })
    }
}

/// The pipes of one sandbox, and where their records go.
pub(crate) struct Logs {
    /// Standard output, the telemetry pipe, then those of extensions.
    drains: Vec<Drain>,
    sink: Arc<dyn LogSink>,
    /// Who else may want to hear.
    telemetry: Option<Arc<Telemetry>>,
    clock: Clock,
    pace: Pace,
}

thread_local! {
    /// What is read from a pipe passes through here. A buffer of its own would be held by every idle sandbox.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; PIPE_BYTES]);
}

impl Logs {
    /// Takes over the pipes' read ends. Must be called within a tokio runtime.
    pub(crate) fn new(
        output: OwnedFd,
        telemetry: Option<OwnedFd>,
        sink: Arc<dyn LogSink>,
        clock: Clock,
    ) -> io::Result<Logs> {
        let mut drains = vec![Drain::new(output, Splitter::lines(), Stream::Function)?];
        if let Some(telemetry) = telemetry {
            drains.push(Drain::new(telemetry, Splitter::telemetry(), Stream::Function)?);
        }
        Ok(Logs { drains, sink, telemetry: None, clock, pace: Pace::new() })
    }

    /// Extensions may hear of what is written, too.
    pub(crate) fn tap(&mut self, telemetry: Arc<Telemetry>) {
        self.telemetry = Some(telemetry);
    }

    /// Takes over the output of an extension as well.
    pub(crate) fn add_extension(&mut self, output: OwnedFd) -> io::Result<()> {
        self.drains.push(Drain::new(output, Splitter::lines(), Stream::Extension)?);
        Ok(())
    }

    /// Sends records elsewhere from now on.
    pub(crate) fn set_sink(&mut self, sink: Arc<dyn LogSink>) {
        self.sink = sink;
    }

    /// Hands records on for as long as it is polled. Dropping it loses nothing.
    pub(crate) async fn pump(&mut self) -> Infallible {
        loop {
            self.pace.wait().await;
            let number = self.readable().await;
            self.read_once(number, true);
        }
    }

    /// Waits until a pipe has something to read, and says which.
    async fn readable(&self) -> usize {
        poll_fn(|cx| {
            for (number, drain) in self.drains.iter().enumerate().filter(|(_, drain)| drain.open) {
                if let Poll::Ready(Ok(())) = drain.pipe.poll_read_ready(cx) {
                    return Poll::Ready(number);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Hands on everything written so far, and a last line without an end. Does not wait.
    pub(crate) fn drain(&mut self) {
        for number in 0..self.drains.len() {
            let mut left = PIPE_BYTES_MAX;
            while left > 0 {
                match self.read_once(number, false) {
                    0 => break,
                    bytes => left = left.saturating_sub(bytes),
                }
            }
        }
        let now_ms = self.clock.now().millis();
        let Logs { drains, sink, telemetry, .. } = self;
        for drain in drains {
            let stream = drain.stream;
            drain.splitter.flush(now_ms, &mut |at_ms, text| tell(sink, telemetry.as_deref(), stream, at_ms, text));
        }
    }

    /// One read from one pipe; answers how many bytes came. `registered` tells tokio's poll when the pipe is empty;
    /// without it the kernel is asked directly, as tokio may not have heard yet of what was just written.
    fn read_once(&mut self, number: usize, registered: bool) -> usize {
        BUFFER.with_borrow_mut(|buffer| self.read_through(buffer, number, registered))
    }

    fn read_through(&mut self, buffer: &mut [u8], number: usize, registered: bool) -> usize {
        let Some(drain) = self.drains.get_mut(number) else { return 0 };
        if !drain.open {
            return 0;
        }
        let read = |buffer: &mut [u8]| rustix::io::read(&drain.pipe, buffer).map_err(io::Error::from);
        let result = if registered { drain.pipe.try_io(|| read(buffer)) } else { read(buffer) };
        match result {
            Ok(0) => drain.open = false,
            Ok(bytes) => {
                let (sink, telemetry, stream) = (&self.sink, self.telemetry.as_deref(), drain.stream);
                let now_ms = self.clock.now().millis();
                let tell = &mut |at_ms, text| tell(sink, telemetry, stream, at_ms, text);
                drain.splitter.push(&buffer[..bytes], now_ms, tell);
                self.pace.spend(bytes);
                return bytes;
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => drain.open = false,
        }
        0
    }
}

/// Hands a record on. Extensions get it without the line break at its end.
fn tell(sink: &Arc<dyn LogSink>, telemetry: Option<&Telemetry>, stream: Stream, at_ms: i64, text: Bytes) {
    if let Some(telemetry) = telemetry.filter(|telemetry| telemetry.is_watched()) {
        let line = text.strip_suffix(b"\n").map_or(&text[..], |line| line.strip_suffix(b"\r").unwrap_or(line));
        telemetry.line(stream, at_ms, text.slice_ref(line));
    }
    sink.line(at_ms, text);
}

/// A token bucket for bytes.
struct Pace {
    tokens: f64,
    at: Instant,
}

impl Pace {
    fn new() -> Pace {
        Pace { tokens: FLOOD_BURST_BYTES, at: Instant::now() }
    }

    fn spend(&mut self, bytes: usize) {
        self.tokens -= bytes as f64;
    }

    async fn wait(&mut self) {
        if self.tokens > 0.0 {
            return;
        }
        let now = Instant::now();
        self.tokens += (now - self.at).as_secs_f64() * FLOOD_BYTES_PER_SECOND;
        self.tokens = self.tokens.min(FLOOD_BURST_BYTES);
        self.at = now;
        if self.tokens <= 0.0 {
            tokio::time::sleep(Duration::from_secs_f64(-self.tokens / FLOOD_BYTES_PER_SECOND)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(mut splitter: Splitter, chunks: &[&[u8]]) -> Vec<(i64, Bytes)> {
        let mut records = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, 7, &mut |at, text| records.push((at, text)));
        }
        splitter.flush(7, &mut |at, text| records.push((at, text)));
        records
    }

    fn texts(records: &[(i64, Bytes)]) -> Vec<&str> {
        records.iter().map(|(_, text)| std::str::from_utf8(text).unwrap()).collect()
    }

    fn telemetry(kind: u32, micros: u64, text: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &(text.len() as u32).to_be_bytes(), &micros.to_be_bytes(), text].concat()
    }

    #[test]
    fn lines_are_split_and_the_rest_is_flushed() {
        let records = run(Splitter::lines(), &[b"a\nb\r\n\nhal", b"f\nopen"]);
        assert_eq!(texts(&records), ["a\n", "b\r\n", "\n", "half\n", "open"]);
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let long = vec![b'x'; RECORD_BYTES_MAX * 2 + 5];
        let records = run(Splitter::lines(), &[&long]);
        assert_eq!(
            records.iter().map(|(_, text)| text.len()).collect::<Vec<_>>(),
            [RECORD_BYTES_MAX, RECORD_BYTES_MAX, 5]
        );
    }

    #[test]
    fn telemetry_keeps_its_time_and_its_lines_together() {
        let one = telemetry(0xa55a_0003, 1_500_000, b"Traceback\n  line 2\n");
        let two = telemetry(0xa55a_0017, 2_500_999, b"{\"level\":\"INFO\"}");
        let records = run(Splitter::telemetry(), &[&one[..5], &one[5..], &two]);
        assert_eq!(texts(&records), ["Traceback\n  line 2\n", "{\"level\":\"INFO\"}"]);
        assert_eq!((records[0].0, records[1].0), (1500, 2500));
    }

    #[test]
    fn what_is_no_telemetry_is_shown_as_text() {
        let records = run(Splitter::telemetry(), &[b"plain text, no frame\nmore\n"]);
        assert_eq!(texts(&records), ["plain text, no frame\n", "more\n"]);
    }

    #[test]
    fn a_huge_telemetry_record_comes_in_pieces_without_being_stored() {
        let huge = telemetry(0xa55a_0003, 0, &vec![b'y'; RECORD_BYTES_MAX * 3 + 1]);
        let records = run(Splitter::telemetry(), &huge.chunks(1000).collect::<Vec<_>>());
        assert_eq!(records.iter().map(|(_, text)| text.len()).sum::<usize>(), RECORD_BYTES_MAX * 3 + 1);
        assert!(records.iter().all(|(_, text)| text.len() <= RECORD_BYTES_MAX));
    }

    proptest! {
        #[test]
        fn any_bytes_cut_anyhow_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000), step in 1usize..100) {
            run(Splitter::telemetry(), &bytes.chunks(step).collect::<Vec<_>>());
            let whole = run(Splitter::lines(), &[&bytes]);
            let cut = run(Splitter::lines(), &bytes.chunks(step).collect::<Vec<_>>());
            prop_assert_eq!(whole, cut);
        }
    }
}
