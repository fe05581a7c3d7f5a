//! CloudWatch metrics: taken in (`intake`), kept (`records`, `bucket`), rolled up as they age.

mod bucket;
mod intake;
mod records;

use std::sync::Arc;

use store::Store;

/// CloudWatch.
pub struct CloudWatch {
    intake: Arc<intake::Intake>,
}

impl CloudWatch {
    /// The service over this store. Starts the task that writes what services measure; it ends with the last handle.
    pub fn start(store: Store) -> Arc<CloudWatch> {
        Arc::new(CloudWatch { intake: intake::Intake::start(store) })
    }

    /// The port by which services record their metrics.
    pub fn sink(&self) -> Arc<dyn cloud::ports::Metrics> {
        self.intake.clone()
    }

    /// Waits until everything recorded so far is readable and survives the end of the process.
    pub async fn flush(&self) {
        self.intake.flush().await;
    }
}
