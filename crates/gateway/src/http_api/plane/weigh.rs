//! How many bytes a request and its answer have, for the metric `DataProcessed`: counted when the answer is over, since one that
//! streams is not known before.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use base::Timestamp;
use bytes::Bytes;
use cloud::ports::Series;
use futures_util::Stream;
use shape::Body;
use shape::body::ByteStream;

/// Where bytes are counted, and those counted so far.
struct Scale {
    bytes: u64,
    at: Timestamp,
    series: Vec<Arc<dyn Series>>,
}

impl Drop for Scale {
    fn drop(&mut self) {
        self.series.iter().for_each(|series| series.record(self.at, self.bytes as f64));
    }
}

/// Counts the bytes of an answer beside those of its request. The body is to be sent in the place of the one given.
pub(super) fn weigh(body: Body, request_bytes: u64, at: Timestamp, series: Vec<Arc<dyn Series>>) -> Body {
    let mut scale = Scale { bytes: request_bytes, at, series };
    match body {
        Body::Whole(bytes) => {
            scale.bytes += bytes.len() as u64;
            Body::Whole(bytes)
        }
        Body::Stream(stream) => Body::Stream(Box::pin(Weighed { stream, scale })),
    }
}

struct Weighed {
    stream: ByteStream,
    scale: Scale,
}

impl Stream for Weighed {
    type Item = std::io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let piece = ready!(this.stream.as_mut().poll_next(cx));
        if let Some(Ok(bytes)) = &piece {
            this.scale.bytes += bytes.len() as u64;
        }
        Poll::Ready(piece)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::{StreamExt as _, stream};

    use super::*;

    #[derive(Default)]
    struct Noted(Mutex<Vec<f64>>);

    impl Series for Noted {
        fn record(&self, _: Timestamp, value: f64) {
            self.0.lock().unwrap().push(value);
        }
    }

    #[tokio::test]
    async fn bytes_are_counted_once_and_at_the_end() {
        let noted = Arc::new(Noted::default());
        let all = || vec![noted.clone() as Arc<dyn Series>, noted.clone()];
        weigh(Bytes::from_static(b"four").into(), 3, Timestamp::default(), all());
        assert_eq!(*noted.0.lock().unwrap(), [7.0, 7.0]);
        let pieces = stream::iter([Ok(Bytes::from_static(b"ab")), Ok(Bytes::from_static(b"cde"))]);
        let body = weigh(Body::Stream(Box::pin(pieces)), 1, Timestamp::default(), all());
        let Body::Stream(mut stream) = body else { panic!("it streams") };
        while stream.next().await.is_some() {}
        assert_eq!(noted.0.lock().unwrap().len(), 2, "not before its end");
        drop(stream);
        assert_eq!(noted.0.lock().unwrap()[2..], [6.0, 6.0]);
    }
}
