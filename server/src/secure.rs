//! How bytes come and go: as they are, or over TLS.

use std::net::SocketAddr;
use std::sync::Arc;
#[cfg(feature = "tls")]
use std::time::Duration;

#[cfg(feature = "tls")]
use futures::future::{Either, select};
#[cfg(feature = "tls")]
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::authorizer::Principal;
use crate::connection::{Ended, serve};
use crate::shared::Shared;

/// How long, and for how many bytes, a client with which there is no TLS is listened to.
#[cfg(feature = "tls")]
const LEAVE: Duration = Duration::from_secs(1);
#[cfg(feature = "tls")]
const LEAVE_BYTES: usize = 64 << 10;

/// How bytes come and go.
#[derive(Clone, Debug)]
pub(crate) struct Secure {
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::Tls>,
}

impl Secure {
    pub(crate) async fn serve(&self, shared: &Arc<Shared>, peer: SocketAddr, stream: TcpStream) -> Ended {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            // Its state is large, and soon gone.
            return match Box::pin(shake(shared, tls, stream)).await {
                Ok(stream) => match crate::tls::principal(stream.get_ref().1) {
                    Ok(principal) => {
                        let (from, to) = tokio::io::split(stream);
                        serve(Arc::clone(shared), peer, principal, from, to).await
                    }
                    Err(error) => Ended::Tls(error),
                },
                Err(ended) => ended,
            };
        }
        let (from, to) = stream.into_split();
        serve(Arc::clone(shared), peer, Principal::anonymous(), from, to).await
    }
}

/// The handshake of TLS, in time and while the server serves.
#[cfg(feature = "tls")]
async fn shake(
    shared: &Shared,
    tls: &crate::Tls,
    stream: TcpStream,
) -> Result<tokio_rustls::server::TlsStream<TcpStream>, Ended> {
    let limit = shared.limits.authentication;
    let stopped = std::pin::pin!(shared.draining());
    let shaking = async {
        match tls.acceptor.accept(stream).into_fallible().await {
            Ok(stream) => Ok(stream),
            Err((error, stream)) => {
                let _ = shared.env.timeout(LEAVE, take_leave(stream)).await;
                Err(error)
            }
        }
    };
    let shaking = std::pin::pin!(shared.env.timeout(limit, shaking));
    match select(shaking, stopped).await {
        Either::Left((Ok(Ok(stream)), _)) => Ok(stream),
        Either::Left((Ok(Err(error)), _)) => Err(Ended::Tls(error)),
        Either::Left((Err(_), _)) => Err(Ended::NoLogIn(limit)),
        Either::Right(_) => Err(Ended::Shutdown),
    }
}

/// Lets a client that was refused hear why: if a connection is closed with bytes unread, the system tears it down, and the
/// alert that was sent may be lost with it.
#[cfg(feature = "tls")]
async fn take_leave(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut space = [0; 1 << 10];
    let mut left = LEAVE_BYTES;
    while left > 0 {
        match stream.read(&mut space).await {
            Ok(0) | Err(_) => return,
            Ok(read) => left = left.saturating_sub(read),
        }
    }
}
