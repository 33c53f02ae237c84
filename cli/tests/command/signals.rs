//! A signal ends what waits, and a second one is not waited for.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::Signal;

use super::support::{Running, Served};

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

/// Passes on what is asked, but requests of this API, which it swallows. Says so for each.
fn swallowing(key: i16, server: SocketAddr, listener: TcpListener) -> mpsc::Receiver<()> {
    let (swallowed, heard) = mpsc::channel();
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let mut broker = TcpStream::connect(server).unwrap();
            let (mut from, mut to) = (broker.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let swallowed = swallowed.clone();
            std::thread::spawn(move || {
                let mut len = [0; 4];
                while client.read_exact(&mut len).is_ok() {
                    let mut frame = vec![0; u32::from_be_bytes(len) as usize];
                    if client.read_exact(&mut frame).is_err() {
                        return;
                    }
                    if frame[..2] == key.to_be_bytes() {
                        // Whoever listened may have heard enough.
                        let _ = swallowed.send(());
                    } else {
                        broker.write_all(&[&len[..], &frame].concat()).unwrap();
                    }
                }
            });
        }
    });
    heard
}

#[test]
fn what_waits_for_a_broker_is_ended_by_a_signal() {
    // A producer's identity, and the cluster itself.
    for (key, args, words) in
        [(22, &["produce", "t"][..], "before anything was sent"), (3, &["bench"], "before it began")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Served::start("memory://", &["--advertise", &address]);
        let heard = swallowing(key, server.address(), listener);
        let url = format!("kafka://{address}");
        let mut waiting = Running::start(&[&["-u", &url][..], args].concat());
        heard.recv().unwrap();
        waiting.signal(Signal::INT);
        let (code, told) = waiting.end();
        assert!(code == 1 && told.contains("ended by SIGINT") && told.contains(words), "{code}: {told}");
    }
}
