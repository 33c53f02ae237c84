//! Being told to end.

use std::io;

use ottla::Env;

/// What a shell says of a program that SIGINT has ended.
pub(crate) const INTERRUPTED: i32 = 130;

/// From now on the second one ends the process at once, even while it is held up by somebody who does not read what it
/// prints.
///
/// # Errors
/// What the system says.
pub(crate) fn end_at_the_second(env: &Env) -> io::Result<()> {
    let mut signals = Signals::new()?;
    drop(env.spawn("ottla-second-signal", async move {
        signals.next().await;
        signals.next().await;
        std::process::exit(INTERRUPTED);
    }));
    Ok(())
}

/// Ctrl-C and, where there is one, SIGTERM.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on they do not end the process by themselves.
    ///
    /// # Errors
    /// What the system says.
    #[cfg(unix)]
    pub(crate) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The name of the next one. Cancel-safe.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    /// From now on Ctrl-C does not end the process by itself.
    ///
    /// # Errors
    /// None here.
    #[cfg(not(unix))]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// The name of the next one. Cancel-safe.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
