//! `ottla serve`.

use std::net::TcpListener;

use rustix::process::Signal;

use super::support::{Served, ottla};

#[test]
fn what_was_served_is_there_afterwards() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = tempfile::tempdir().unwrap();
        let place = format!("file://{}", directory.path().display());
        let mut server = Served::start(&place, &[]);
        assert_eq!(
            (server.ready["url"].as_str(), server.ready["durability"].as_str()),
            (Some(place.as_str()), Some("fsync"))
        );
        assert_eq!(ottla(&["-u", &server.url(), "topic", "create", "orders", "-p", "4"]).code, 0);
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0));
        let topics = ottla(&["-u", &place, "topic", "list", "--json"]).json();
        assert_eq!((topics[0]["name"].as_str(), topics[0]["partitions"].as_i64()), (Some("orders"), Some(4)));
    }
}

#[test]
fn one_line_says_what_is_served_where_and_how_well() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let mut command = super::support::program(&["serve", "memory://", "--listen", "127.0.0.1:0", "--log", "off"]);
    let mut child = command.args(["--advertise", "log.example.org"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port: u16 = line.split("127.0.0.1:").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let expected = format!(
        "serving memory:// at 127.0.0.1:{port} (durability: memory; clients find it at log.example.org:{port}); Ctrl-C ends it\n"
    );
    assert_eq!(line, expected);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn brokers_elsewhere_are_not_served() {
    ottla(&["serve", "kafka://localhost:9092"]).failed(2, &["names brokers", "ottla serve file:///"]);
    ottla(&["serve"]).failed(2, &["there is no URL"]);
    ottla(&["serve", "memory://", "--listen", "here"]).failed(2, &["--listen"]);
    ottla(&["serve", "memory://", "--advertise", "http://log"]).failed(2, &["`http://log`", "log.example.org"]);
    ottla(&["serve", "memory://", "-X", "server.limits.connections=0"]).failed(2, &["would serve nobody"]);
    let greedy = ["serve", "memory://", "--max-request-bytes", "10", "--max-buffered-bytes", "9"];
    ottla(&greedy).failed(2, &["one request may have 10 bytes"]);
}

#[test]
fn connections_are_counted() {
    use std::io::Read;
    use std::net::TcpStream;

    let server = Served::start("memory://", &["--max-connections", "1"]);
    let _first = TcpStream::connect(server.address()).unwrap();
    let mut second = TcpStream::connect(server.address()).unwrap();
    assert_eq!(second.read(&mut [0]).unwrap_or(0), 0, "it is closed without a word");
}

/// An answer over HTTP, with its head.
#[cfg(feature = "telemetry")]
fn get(address: &str, path: &str) -> String {
    use std::io::{Read, Write};

    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[cfg(feature = "telemetry")]
#[test]
fn health_and_metrics_are_told() {
    let server = Served::start("memory://", &["--metrics", "127.0.0.1:0"]);
    let address = server.ready["metrics"].as_str().unwrap();
    assert!(get(address, "/health").starts_with("HTTP/1.1 200"));
    assert_eq!(ottla(&["-u", &server.url(), "topic", "create", "t"]).code, 0);
    let metrics = get(address, "/metrics");
    assert!(metrics.contains("ottla_server_"), "{metrics}");
}

#[test]
fn certificates_that_cannot_be_are_refused_before_anything_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let (log, pem) = (directory.path().join("log"), directory.path().join("x.pem"));
    std::fs::write(&pem, "no certificate").unwrap();
    let (place, pem) = (format!("file://{}", log.display()), pem.to_str().unwrap());
    ottla(&["serve", &place, "--tls-cert", pem]).failed(2, &["--tls-cert", "--tls-key"]);
    ottla(&["serve", &place, "--tls-cert", "/nowhere", "--tls-key", pem]).failed(2, &["/nowhere cannot be read"]);
    ottla(&["serve", &place, "--tls-cert", pem, "--tls-key", pem]).failed(2, &["TLS"]);
    assert!(!log.exists());
}

#[cfg(feature = "tls")]
#[test]
fn tls_is_spoken_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (directory.path().join("chain.pem"), directory.path().join("key.pem"));
    std::fs::write(&chain, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let options = ["--tls-cert", chain.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let mut server = Served::start("memory://", &options);
    assert_eq!(server.ready["tls"], true);
    let url = format!("{}?request_timeout_ms=2000&connect_timeout_ms=2000", server.url());
    ottla(&["-u", &url, "topic", "list"]).failed(4, &["cannot connect to"]);
    server.await_log("TLS");
}

#[test]
fn a_port_is_free_again_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    for _ in 0..2 {
        let server = Served::of(super::support::program(&["serve", "memory://", "--listen", &address, "--json"]));
        assert_eq!(ottla(&["-u", &server.url(), "topic", "list"]).code, 0);
        server.end();
    }
}
