//! Ending a connection from this side.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::shared::Shared;

/// For how many bytes the other side is listened to: some batches that were on their way.
const LEAVE_BYTES: usize = 16 << 20;
const AT_ONCE: usize = 8 << 10;

/// Says that no more comes, and lets the other side take what was sent: if a connection is closed with bytes unread, the
/// system tears it down, and what was sent may be lost with it.
pub(crate) async fn take_leave(
    shared: &Shared,
    from: &mut (impl AsyncRead + Unpin + Send),
    to: &mut (impl AsyncWrite + Unpin + Send),
) {
    let leaving = async {
        if to.shutdown().await.is_err() {
            return;
        }
        let mut space = vec![0; AT_ONCE];
        let mut left = LEAVE_BYTES;
        while left > 0 {
            match from.read(&mut space).await {
                Ok(0) | Err(_) => return,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
    };
    // Whoever stays longer has had the time to read.
    let _ = shared.env.timeout(shared.limits.leave, leaving).await;
}
