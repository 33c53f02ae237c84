//! A stream of bytes to a broker.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::address::Address;
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
pub(super) async fn dial(address: &Address, _options: &Options) -> io::Result<BoxStream> {
    let stream = TcpStream::connect((&*address.host, address.port)).await?;
    // A request is written as a whole; waiting for more would only delay it.
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}
