//! Health and metrics over HTTP.
#![cfg(feature = "telemetry")]
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking, and run tasks of their own"
)]

use std::net::SocketAddr;
use std::time::Duration;

use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_server::{Metrics, Server, Telemetry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn health_and_metrics_are_told() {
    let metrics = Metrics::install().unwrap();
    assert!(Metrics::install().is_err(), "a process has one");
    let broker =
        Broker::start(BrokerConfig::default(), ottla_backends::memory::backend(), Env::system()).await.unwrap();
    let server = Server::builder(broker.clone()).bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let telemetry = Telemetry::bind("127.0.0.1:0".parse().unwrap(), broker.clone(), Some(metrics)).await.unwrap();
    let address = telemetry.address();

    assert!(get(address, "/health").await.starts_with("HTTP/1.1 200"));
    let mut client = TcpStream::connect(server.address()).await.unwrap();
    client.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255]).await.unwrap();
    let mut len = [0; 4];
    client.read_exact(&mut len).await.unwrap();
    client.read_exact(&mut vec![0; u32::from_be_bytes(len) as usize]).await.unwrap();
    let told = get(address, "/metrics").await;
    assert!(told.contains("ottla_server_requests_total{api=\"ApiVersions\"} 1"), "{told}");
    assert!(told.contains("ottla_server_connections 1"), "{told}");
    assert!(get(address, "/").await.starts_with("HTTP/1.1 404"));
    for (request, counted) in [
        // A version of ApiVersions that nobody knows.
        (&[0, 0, 0, 10, 0, 18, 0, 99, 0, 0, 0, 3, 255, 255][..], "ApiVersions\"} 2"),
        // A handshake of version 0, for PLAIN, which nobody asks for here: it is the last that is answered.
        (&[0, 0, 0, 17, 0, 17, 0, 0, 0, 0, 0, 2, 255, 255, 0, 5, b'P', b'L', b'A', b'I', b'N'], "SaslHandshake\"} 1"),
    ] {
        client.write_all(request).await.unwrap();
        let mut len = [0; 4];
        client.read_exact(&mut len).await.unwrap();
        client.read_exact(&mut vec![0; u32::from_be_bytes(len) as usize]).await.unwrap();
        let told = get(address, "/metrics").await;
        assert!(told.contains(&format!("ottla_server_requests_total{{api=\"{counted}")), "{told}");
    }

    drop(client);
    while server.connections() > 0 {
        tokio::task::yield_now().await;
    }
    // One whose runtime ends with it is counted no more.
    let elsewhere = broker.clone();
    let ended = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::builder(elsewhere).bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
            let _client = TcpStream::connect(server.address()).await.unwrap();
            while server.connections() == 0 {
                tokio::task::yield_now().await;
            }
            std::mem::forget(server);
        });
    });
    ended.join().unwrap();
    let told = get(address, "/metrics").await;
    assert!(told.contains("ottla_server_connections 0"), "{told}");

    server.shutdown(Duration::from_secs(10)).await.unwrap();
    broker.close(Duration::from_secs(10)).await.unwrap();
    let told = get(address, "/health").await;
    assert!(told.starts_with("HTTP/1.1 503") && told.contains("the broker is closed"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_nothing_is_not_long_in_the_way() {
    let env = Env::system();
    let broker = Broker::start(BrokerConfig::default(), ottla_backends::memory::backend(), env.clone()).await.unwrap();
    let telemetry = Telemetry::bind("127.0.0.1:0".parse().unwrap(), broker, None).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..16 {
        idle.push(TcpStream::connect(telemetry.address()).await.unwrap());
    }
    let since = env.now();
    assert!(get(telemetry.address(), "/health").await.starts_with("HTTP/1.1 200"));
    let took = env.now().since(since);
    assert!(took <= Duration::from_secs(3), "{took:?}");
}
