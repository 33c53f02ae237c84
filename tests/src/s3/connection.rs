//! One connection: reads requests, and ends as their courses say.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::pending;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::Response;
use hyper::body::{Frame, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::yield_now;

use super::answer::{Answer, Refusal};
use super::course::{Outcome, exchange, request};
use super::request::Request;
use super::server::Shared;

type Body = UnsyncBoxBody<Bytes, Ended>;

/// The connection ends without, or in the middle of, an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection ends here")]
struct Ended;

/// A socket that ends with a reset when it was told to.
struct Socket {
    stream: TcpStream,
    resets: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.resets.load(Ordering::Relaxed) {
            // A socket that cannot be set ends in the ordinary way, which is an end too.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Serves a connection until either side ends it.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let resets = Arc::new(AtomicBool::new(false));
    let socket = TokioIo::new(Socket { stream, resets: resets.clone() });
    let service = service_fn(|request| respond(shared.clone(), resets.clone(), request));
    // An error here is a client that went away, or an end that was planned.
    let _ = http1::Builder::new().serve_connection(socket, service).await;
}

async fn respond(
    shared: Arc<Shared>,
    resets: Arc<AtomicBool>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Ended> {
    let arrived = arrive(&shared, request).await;
    match exchange(&shared, arrived).await {
        Some(Outcome::Answer(answer)) => Ok(answer.into_response(whole)),
        Some(Outcome::Cut(mut answer, sent, with_reset)) => {
            resets.store(with_reset, Ordering::Relaxed);
            answer = answer.with_length();
            Ok(answer.into_response(|body| cut(&body, sent)))
        }
        Some(Outcome::Reset) => {
            resets.store(true, Ordering::Relaxed);
            Err(Ended)
        }
        Some(Outcome::Closed) => Err(Ended),
        None => pending().await,
    }
}

/// Reads all of a request.
async fn arrive(shared: &Shared, arriving: hyper::Request<Incoming>) -> Result<Request, Refusal> {
    let (parts, body) = arriving.into_parts();
    let body = Limited::new(body, shared.options.max_body_bytes).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return Refusal::bad("EntityTooLarge", format!("more than {} bytes", shared.options.max_body_bytes));
        }
        Refusal::bad("IncompleteBody", error.to_string())
    })?;
    request(parts, body.to_bytes())
}

impl Answer {
    /// Says the length of the whole body, also if less of it will be sent.
    fn with_length(self) -> Self {
        let length = self.body.len().to_string();
        self.with(CONTENT_LENGTH, length)
    }
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// The first bytes of a body, then its end.
fn cut(body: &Bytes, sent: usize) -> Body {
    let first = body.get(..sent).map(|part| body.slice_ref(part)).unwrap_or_default();
    let frames = stream::unfold(Some(first), |first| async move {
        match first {
            Some(first) if !first.is_empty() => Some((Ok(Frame::data(first)), Some(Bytes::new()))),
            _ => {
                // What was sent so far leaves before the connection ends.
                yield_now().await;
                Some((Err(Ended), None))
            }
        }
    });
    StreamBody::new(frames).boxed_unsync()
}
