//! What the network of this host can do: a peer on a thread of its own, that takes or sends back.
#![expect(clippy::disallowed_methods, reason = "whoever measures reads the machine's clock")]

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::samples::Samples;

/// How long a peer that has gone is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes a second over a TCP connection within this host, in writes of `chunk` bytes, `total` bytes in all, until the
/// peer has taken them.
///
/// # Errors
/// What the operating system says: an address that is not this host's, for one.
pub fn stream(address: IpAddr, total: u64, chunk: usize) -> io::Result<f64> {
    with_peer(address, take_all, |mut stream| {
        let buffer = vec![7_u8; chunk.max(1)];
        let start = Instant::now();
        let mut written = 0;
        while written < total {
            stream.write_all(&buffer)?;
            written += buffer.len() as u64;
        }
        stream.shutdown(std::net::Shutdown::Write)?;
        // The peer says so when it has all of it.
        stream.read_exact(&mut [0])?;
        Ok(written as f64 / start.elapsed().as_secs_f64().max(1e-9))
    })
}

/// How long each of `count` messages of `size` bytes takes there and back within this host, in seconds.
///
/// # Errors
/// As [`stream`].
pub fn ping_pong(address: IpAddr, count: u64, size: usize) -> io::Result<Samples> {
    let size = size.max(1);
    let send_back = move |mut stream: TcpStream| {
        let mut buffer = vec![0; size];
        while stream.read_exact(&mut buffer).is_ok() {
            stream.write_all(&buffer)?;
        }
        Ok(())
    };
    with_peer(address, send_back, |mut stream| {
        let mut buffer = vec![7_u8; size];
        let mut latencies = Samples::default();
        for _ in 0..count {
            let start = Instant::now();
            stream.write_all(&buffer)?;
            stream.read_exact(&mut buffer)?;
            latencies.push(start.elapsed().as_secs_f64());
        }
        Ok(latencies)
    })
}

fn take_all(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    while stream.read(&mut buffer)? > 0 {}
    stream.write_all(&[1])
}

/// Runs `work` on one end of a connection, and `peer` on the other.
fn with_peer<T>(
    address: IpAddr,
    peer: impl FnOnce(TcpStream) -> io::Result<()> + Send,
    work: impl FnOnce(TcpStream) -> io::Result<T>,
) -> io::Result<T> {
    let listener = TcpListener::bind(SocketAddr::new(address, 0))?;
    // Who it comes from does not matter, as long as it comes.
    let stream = TcpStream::connect_timeout(&listener.local_addr()?, PATIENCE)?;
    let (accepted, _) = listener.accept()?;
    for end in [&stream, &accepted] {
        end.set_nodelay(true)?;
        end.set_read_timeout(Some(PATIENCE))?;
    }
    std::thread::scope(|scope| {
        let peer = scope.spawn(move || peer(accepted));
        let done = work(stream);
        let peer = peer.join().unwrap_or_else(|_| Err(io::Error::other("the peer of the measurement panicked")));
        done.and_then(|done| peer.map(|()| done))
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn each_limit_is_a_rate() {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert!(stream(here, 1 << 20, 16 << 10).unwrap() > 0.0);
        assert_eq!(ping_pong(here, 5, 100).unwrap().len(), 5);
        // Documentation's addresses are nobody's (RFC 5737).
        assert!(stream(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 1, 1).is_err());
    }
}
