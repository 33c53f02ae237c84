//! The server and its handle.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderMap;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::connection::serve;
use super::counts::{Counter, Requests};
use super::faults::Faults;
use super::store::{Condition, Object, Store, Stored};

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port on loopback; 0 for any that is free.
    pub port: u16,
    /// Buckets that exist; a request for another is refused. If none is named, each exists once it is named.
    pub buckets: Vec<String>,
    /// What faults are drawn from.
    pub seed: u64,
    /// Greatest body of a request.
    pub max_body_bytes: usize,
    /// Least size of each part of a multipart upload but the last: 5 MiB in S3.
    pub min_part_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { port: 0, buckets: Vec::new(), seed: 0, max_body_bytes: 256 << 20, min_part_bytes: 5 << 20 }
    }
}

/// What the connections of a server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) store: Mutex<Store>,
    pub(super) faults: Faults,
    pub(super) counter: Counter,
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        Self {
            store: Mutex::new(Store::new(&options.buckets)),
            faults: Faults::new(options.seed),
            counter: Counter::default(),
            options,
        }
    }
}

/// An S3 endpoint on a thread of its own. It ends, with all that is under way, when this is dropped.
#[derive(Debug)]
pub struct S3Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl S3Server {
    /// Starts a server. It accepts connections when this returns.
    ///
    /// # Errors
    ///
    /// The port is taken, or the system gives no thread.
    pub fn start(options: Options) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared::new(options));
        let (stop, stopped) = oneshot::channel();
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let accepting = accept(listener, shared.clone());
        let thread = std::thread::Builder::new().name("s3".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = stopped => {}
                    () = accepting => {}
                }
            });
            // With the runtime go its connections and what they were doing.
        })?;
        Ok(Self { shared, address, stop: Some(stop), thread: Some(thread) })
    }

    /// The endpoint: `http://127.0.0.1:PORT`. Buckets are the first part of the path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the server does wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What was asked so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.shared.counter.snapshot()
    }

    /// Waits until the counts are as wanted; gives them.
    pub async fn until(&self, reached: impl Fn(&Requests) -> bool) -> Requests {
        self.shared.counter.until(reached).await
    }

    /// The objects of a bucket in the order of their keys. No request is counted.
    #[must_use]
    pub fn objects(&self, bucket: &str) -> Vec<Stored> {
        let store = self.store();
        let objects = store.peek(bucket).into_iter().flat_map(|bucket| &bucket.objects);
        objects
            .map(|(key, object)| Stored {
                key: key.clone(),
                bytes: object.body.len() as u64,
                etag: object.etag.clone(),
            })
            .collect()
    }

    /// Keys of multipart uploads that were neither completed nor aborted.
    #[must_use]
    pub fn uploads(&self, bucket: &str) -> Vec<String> {
        let store = self.store();
        store.peek(bucket).into_iter().flat_map(|bucket| bucket.uploads.values()).map(|u| u.key().to_owned()).collect()
    }

    /// An object's bytes. No request is counted.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        Some(self.store().peek(bucket)?.objects.get(key)?.body.clone())
    }

    /// Writes an object behind the clients' backs, in place of what is there: to damage it, or to plant one.
    pub fn plant(&self, bucket: &str, key: &str, body: Bytes) {
        let object = Object::new(body, HeaderMap::new());
        let mut store = self.store();
        store.make(bucket);
        if let Ok(bucket) = store.bucket(bucket) {
            // Without a condition nothing refuses it.
            let _ = bucket.put(key, object, &Condition::default());
        }
    }

    /// Takes an object away behind the clients' backs; says whether there was one.
    pub fn remove(&self, bucket: &str, key: &str) -> bool {
        self.store().bucket(bucket).is_ok_and(|bucket| bucket.objects.remove(key).is_some())
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.shared.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of its thread has failed the requests that met it.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Small answers must not wait for an acknowledgement; a socket that refuses is slower, not wrong.
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(shared.clone(), stream));
            }
            // Out of file handles, most likely: those of others come free.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}
