//! How bytes come and go: as they are, or over TLS.

use std::net::SocketAddr;
use std::sync::Arc;

#[cfg(feature = "tls")]
use futures::future::{Either, select};
use tokio::net::TcpStream;

use crate::authorizer::Principal;
#[cfg(feature = "tls")]
use crate::connection::take_leave;
use crate::connection::{Ended, serve};
use crate::shared::Shared;

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
            Err((error, mut stream)) => {
                // It is to hear the alert, which says why.
                let (mut from, mut to) = stream.split();
                take_leave(shared, &mut from, &mut to).await;
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
