//! Being asked to stop: a lab that ends without its destructors would leave its namespaces behind.

use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// Ends when the process is asked to stop: by Ctrl-C, by `kill`, or because the terminal is gone. Signals that come
/// after this call and before the first poll count.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
