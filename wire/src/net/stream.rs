//! A stream of bytes to a broker.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::address::Address;
use super::handshake::Failure;
use super::options::Options;

/// A stream of bytes, whatever lies beneath.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) type BoxStream = Box<dyn Stream>;

impl fmt::Debug for dyn Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// Connects. Every address that the host's name stands for is tried.
pub(super) async fn dial(address: &Address, options: &Options) -> Result<BoxStream, Failure> {
    let stream = connect(address).await.map_err(|error| Failure::new(format!("connecting failed: {error}")))?;
    #[cfg(feature = "tls")]
    if let Some(tls) = &options.tls {
        // Its state is large, and soon gone.
        return Box::pin(tls.secure(address, stream)).await;
    }
    #[cfg(not(feature = "tls"))]
    let _ = options;
    Ok(Box::new(stream))
}

async fn connect(address: &Address) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((&*address.host, address.port)).await?;
    // A request is written as a whole; waiting for more would only delay it.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What a connection failed with, before anything was asked over it. With TLS 1.3 a client hears what the broker thinks of
/// its certificate with the first bytes that it reads.
pub(super) fn lost(when: impl fmt::Display, error: &io::Error) -> Failure {
    #[cfg(feature = "tls")]
    if let Some(reason) = super::tls::explain(error) {
        return Failure::insecure(reason);
    }
    Failure::new(format!("the connection was lost at {when}: {error}"))
}
