//! The processes on the other side: a server, and what stands for the limit.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use ottla_backends::disk::{DiskBackend, DiskOptions};
use ottla_backends::memory;
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_server::{Mechanism, Server, set_password};
use ottla_tests::bench::{Resident, cpu_time_of, resident};

/// Bytes of one message of a ping-pong.
pub(crate) const PING: usize = 100;

/// This very program in another process, until dropped: it ends when its input does.
pub(crate) struct Other {
    process: Child,
    input: Option<ChildStdin>,
    pub(crate) address: SocketAddr,
}

impl Other {
    /// Starts this program with other words; it says where it listens.
    fn start(words: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { input: process.stdin.take(), process, address: line.trim().parse().unwrap() }
    }

    /// A server over a directory, or `memory`.
    pub(crate) fn server(storage: &str) -> Self {
        Self::start(&["serve", storage, "open"])
    }

    /// A server on memory that asks its clients who they are.
    pub(crate) fn server_with_log_in() -> Self {
        Self::start(&["serve", "memory", "log-in"])
    }

    /// What stands for the limit: it sends messages back, and takes streams.
    pub(crate) fn echo() -> Self {
        Self::start(&["echo"])
    }

    pub(crate) fn url(&self) -> String {
        format!("kafka://{}", self.address)
    }

    pub(crate) fn resident(&self) -> Resident {
        resident(self.process.id())
    }

    pub(crate) fn cpu(&self) -> Duration {
        cpu_time_of(self.process.id())
    }

    /// Waits until it has done all that it can do for now: it uses no CPU any more.
    pub(crate) fn settle(&self) {
        let mut before = self.cpu();
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let now = self.cpu();
            if now == before {
                return;
            }
            before = now;
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

/// Waits until whoever started this process wants no more of it.
fn until_the_input_ends() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

pub(crate) fn serve(words: &[String]) {
    super::allow_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (server, broker) = runtime.block_on(async {
        let env = Env::system();
        let backend = match words[0].as_str() {
            "memory" => memory::backend(),
            directory => DiskBackend::open(directory, DiskOptions::default(), &env).await.unwrap().backend(),
        };
        let broker = Broker::start(BrokerConfig::default(), backend, env).await.unwrap();
        let mut builder = Server::builder(broker.clone());
        if words[1] == "log-in" {
            set_password(&broker, "user", "password").await.unwrap();
            builder = builder.sasl([Mechanism::Plain, Mechanism::ScramSha256]);
        }
        (builder.bind("127.0.0.1:0".parse().unwrap()).await.unwrap(), broker)
    });
    println!("{}", server.address());
    until_the_input_ends();
    runtime.block_on(async {
        drop(server);
        let _ = broker.close(Duration::from_secs(5)).await;
    });
}

/// Each connection says with its first byte what it wants.
pub(crate) fn echo() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                let mut kind = [0];
                stream.read_exact(&mut kind).unwrap();
                if kind == *b"p" {
                    let mut message = [0; PING];
                    while stream.read_exact(&mut message).is_ok() {
                        stream.write_all(&message).unwrap();
                    }
                } else {
                    let mut chunk = vec![0; 256 << 10];
                    while stream.read(&mut chunk).unwrap() > 0 {}
                    stream.write_all(&[1]).unwrap();
                }
            });
        }
    });
    until_the_input_ends();
}

/// A connection for [`PING`] bytes back and forth.
pub(crate) fn ping_pong(echo: &Other) -> TcpStream {
    let mut stream = TcpStream::connect(echo.address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(b"p").unwrap();
    stream
}

/// Sends `bytes` in one stream, and waits until all have come.
pub(crate) fn stream(echo: &Other, bytes: usize) {
    let mut stream = TcpStream::connect(echo.address).unwrap();
    stream.write_all(b"s").unwrap();
    let chunk = vec![7_u8; 256 << 10];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(chunk.len());
        stream.write_all(&chunk[..now]).unwrap();
        left -= now;
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    stream.read_exact(&mut [0]).unwrap();
}
