//! Health and metrics over HTTP.
#![cfg(feature = "telemetry")]

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
    client.read_exact(&mut [0; 8]).await.unwrap();
    let told = get(address, "/metrics").await;
    assert!(told.contains("ottla_server_requests_total{api=\"ApiVersions\"} 1"), "{told}");
    assert!(told.contains("ottla_server_connections 1"), "{told}");
    assert!(get(address, "/").await.starts_with("HTTP/1.1 404"));

    server.shutdown(Duration::from_secs(10)).await.unwrap();
    broker.close(Duration::from_secs(10)).await.unwrap();
    let told = get(address, "/health").await;
    assert!(told.starts_with("HTTP/1.1 503") && told.contains("the broker is closed"), "{told}");
}
