//! A second signal is not waited for.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;

use super::support::Served;

/// Asks ever more and reads no answer, until neither side takes any more.
fn stuffed(server: &Served) -> TcpStream {
    // ApiVersions, version 0, without a client's name.
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    let many = request.repeat(4_096);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    loop {
        match stream.write_all(&many) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return stream,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Served::start("memory://", &["--shutdown-ms", "3600000", "-X", "server.limits.send_ms=3600000"]);
    let stuffed = stuffed(&server);
    server.signal(Signal::TERM);
    server.await_log("told to end");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(130));
    drop(stuffed);
}

#[test]
fn what_is_not_done_in_time_is_cut_off() {
    let mut server = Served::start("memory://", &["--shutdown-ms", "1", "-X", "server.limits.send_ms=3600000"]);
    let stuffed = stuffed(&server);
    server.signal(Signal::TERM);
    server.await_log("cut connections off");
    assert_eq!(server.wait().code(), Some(0));
    drop(stuffed);
}
