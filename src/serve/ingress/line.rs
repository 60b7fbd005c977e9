//! One connection as hyper sees it, with the patience that hyper does not have: how long a
//! head may take, how long a connection may be idle between two calls, and how long a caller
//! may leave an answer unread. While a call is being answered nothing is timed here; bodies
//! have their own time (see `body`).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long a caller is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a head to be complete, from its first byte; on a new connection, from the start.
    head: Duration,
    /// For another call, when one has been answered.
    idle: Duration,
    /// For an answer to be taken.
    unread: Duration,
}

/// What every connection gets.
pub(super) const PATIENCE: Patience = Patience {
    head: Duration::from_secs(10),
    idle: Duration::from_mins(1),
    unread: Duration::from_secs(30),
};

/// What the calls of a connection tell its line.
#[derive(Debug, Default)]
pub(super) struct Calls {
    begun: AtomicUsize,
    answering: AtomicBool,
}

impl Calls {
    /// A head is complete: its call is being answered.
    pub(super) fn begin(&self) {
        self.answering.store(true, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// The call has its answer.
    fn end(&self) {
        self.answering.store(false, Ordering::Relaxed);
    }
}

/// The body of an answer. Its call is being answered until hyper has done with it: an answer
/// may be streamed for hours, and its caller is not idle meanwhile.
#[derive(Debug)]
pub(super) struct Answering<B> {
    body: B,
    calls: Arc<Calls>,
}

impl<B> Answering<B> {
    /// The body that ends a call of this connection.
    pub(super) fn new(body: B, calls: Arc<Calls>) -> Self {
        Self { body, calls }
    }
}

impl<B> Drop for Answering<B> {
    fn drop(&mut self) {
        self.calls.end();
    }
}

impl<B: Body + Unpin> Body for Answering<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the caller is expected to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Send the rest of a head.
    Head,
    /// Nothing: a call is being answered.
    Answer,
    /// Call again, or go.
    Idle,
}

/// A connection with patience.
#[derive(Debug)]
pub(super) struct Line<S> {
    stream: S,
    calls: Arc<Calls>,
    seen: usize,
    turn: Turn,
    patience: Patience,
    end: Pin<Box<Sleep>>,
    /// Set while the caller does not take what is written.
    unread: Option<Pin<Box<Sleep>>>,
}

impl<S> Line<S> {
    /// A new connection, on which a head is expected.
    pub(super) fn new(stream: S, calls: Arc<Calls>, patience: Patience) -> Self {
        let end = Box::pin(tokio::time::sleep(patience.head));
        Self { stream, calls, seen: 0, turn: Turn::Head, patience, end, unread: None }
    }

    fn wait(&mut self, turn: Turn, time: Duration) {
        self.turn = turn;
        self.end.as_mut().reset(Instant::now() + time);
    }

    /// Looks at whose turn it is now.
    fn look(&mut self) {
        let begun = self.calls.begun.load(Ordering::Relaxed);
        if begun != self.seen {
            self.seen = begun;
            self.turn = Turn::Answer;
        }
        if self.turn == Turn::Answer && !self.calls.answering.load(Ordering::Relaxed) {
            self.wait(Turn::Idle, self.patience.idle);
        }
    }

    /// Bounds a wait for the caller to take what is written.
    fn taken<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.unread = None;
            return poll;
        }
        let time = self.patience.unread;
        let unread = self.unread.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        unread.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = &mut *self;
        line.look();
        let read = Pin::new(&mut line.stream).poll_read(context, buffer);
        if line.turn == Turn::Answer {
            return read;
        }
        if read.is_pending() {
            let end = line.end.as_mut().poll(context);
            return end.map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        if line.turn == Turn::Idle {
            line.wait(Turn::Head, line.patience.head);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.taken(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.taken(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    const QUICK: Patience = Patience {
        head: Duration::from_millis(80),
        idle: Duration::from_millis(400),
        unread: Duration::from_millis(80),
    };

    async fn line() -> (Line<TcpStream>, Arc<Calls>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let caller = TcpStream::connect(address).await.expect("a connection");
        let (stream, _) = listener.accept().await.expect("a connection");
        let calls = Arc::<Calls>::default();
        (Line::new(stream, Arc::clone(&calls), QUICK), calls, caller)
    }

    /// Reads until the line gives up; answers how long that took.
    async fn until_it_gives_up(line: &mut Line<TcpStream>) -> Duration {
        let began = Instant::now();
        let mut piece = [0; 64];
        loop {
            match line.read(&mut piece).await {
                Ok(0) => panic!("the caller has gone"),
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                    return began.elapsed();
                }
            }
        }
    }

    fn is_about(took: Duration, expected: Duration) {
        assert!(took >= expected.mul_f64(0.9) && took < expected * 4, "{took:?}, {expected:?}");
    }

    #[tokio::test]
    async fn a_head_that_trickles_in_gets_no_more_time_than_one_that_does_not_come() {
        let (mut line, _, _caller) = line().await;
        is_about(until_it_gives_up(&mut line).await, QUICK.head);
        let (mut line, _, mut caller) = self::line().await;
        let trickle = tokio::spawn(async move {
            for _ in 0..40 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                if caller.write_all(b"x").await.is_err() {
                    return;
                }
            }
        });
        is_about(until_it_gives_up(&mut line).await, QUICK.head);
        drop(line);
        trickle.await.expect("it ends");
    }

    #[tokio::test]
    async fn a_line_may_be_idle_for_longer_than_a_head_may_take_and_not_for_ever() {
        let (mut line, calls, mut caller) = line().await;
        caller.write_all(b"head").await.expect("it is read");
        assert_eq!(line.read(&mut [0; 64]).await.expect("a head"), 4);
        calls.begin();
        // While a call is answered, nothing ends the line.
        let answered = tokio::time::timeout(QUICK.head * 2, line.read(&mut [0; 64])).await;
        assert!(answered.is_err());
        calls.end();
        is_about(until_it_gives_up(&mut line).await, QUICK.idle);
        let (mut line, calls, mut caller) = self::line().await;
        calls.begin();
        calls.end();
        let _ = tokio::time::timeout(Duration::from_millis(1), line.read(&mut [0; 64])).await;
        caller.write_all(b"h").await.expect("it is read");
        is_about(until_it_gives_up(&mut line).await, QUICK.head);
    }

    #[tokio::test]
    async fn an_answer_that_nobody_reads_is_given_up() {
        let (mut line, _, _caller) = line().await;
        let piece = vec![0; 65_536];
        let mut written = 0;
        let error = loop {
            match line.write(&piece).await {
                Ok(length) => written += length,
                Err(error) => break error,
            }
            assert!(written < 256 * 1024 * 1024, "the system keeps that much?");
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
