//! Runs the operation to its end, whatever becomes of its caller, and makes an answer of a fault of ours.
//!
//! In the caller's own task as long as the caller waits: a task for each request would wake another thread each time,
//! which costs more than most operations. Only what a caller who hung up left behind becomes a task.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use base::{Cx, Error};
use shape::Value;

use super::record::Visit;
use crate::BoxFuture;
use crate::registry::Bound;

/// Runs it. A panic is AWS's 500, not a broken connection.
pub(super) async fn run(bound: Bound, cx: &Cx, visit: &Visit) -> Result<Value, Error> {
    match ToItsEnd(Some(bound.run(cx.clone()))).await {
        Ok(result) => result,
        Err(panic) => {
            let panic = words(&*panic);
            tracing::error!(panic, operation = visit.operation(), id = &*cx.request_id, "an operation panicked");
            Err(Error::internal())
        }
    }
}

/// Work that is finished in a task of its own if it is dropped before its end.
struct ToItsEnd<T: Send + 'static>(Option<BoxFuture<'static, T>>);

impl<T: Send + 'static> Future for ToItsEnd<T> {
    type Output = Result<T, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        // What a panic leaves half done is the same as in a task that panics: dropped, with its locks poisoned.
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        if !matches!(polled, Ok(Poll::Pending)) {
            self.0 = None;
        }
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

impl<T: Send + 'static> Drop for ToItsEnd<T> {
    fn drop(&mut self) {
        // Outside of a runtime the server is past its end.
        if let (Some(work), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_caller_who_hangs_up_leaves_nothing_half_done() {
        let (go_on, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let finished = Arc::new(AtomicBool::new(false));
        let work: BoxFuture<'static, ()> = Box::pin({
            let (go_on, done, finished) = (go_on.clone(), done.clone(), finished.clone());
            async move {
                go_on.notified().await;
                finished.store(true, Ordering::SeqCst);
                done.notify_one();
            }
        });
        let mut running = Box::pin(ToItsEnd(Some(work)));
        assert!(poll_once(&mut running).await.is_none(), "it waits");
        drop(running);
        assert!(!finished.load(Ordering::SeqCst));
        go_on.notify_one();
        done.notified().await;
        assert!(finished.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_words() {
        let work: BoxFuture<'static, ()> = Box::pin(async { panic!("no such {}", "thing") });
        let panic = ToItsEnd(Some(work)).await.unwrap_err();
        assert_eq!(words(&*panic), "no such thing");
        let fine: BoxFuture<'static, u8> = Box::pin(async { 7 });
        assert_eq!(ToItsEnd(Some(fine)).await.unwrap(), 7);
    }

    /// The output, if one poll is enough.
    async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|cx| match Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }
}
