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

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// From its first byte, a head must be complete within this time; on a new connection, from
/// the start.
const HEAD: Duration = Duration::from_secs(10);
/// So long a connection may be idle between two calls.
const IDLE: Duration = Duration::from_secs(60);
/// So long an answer may lie unread.
const UNREAD: Duration = Duration::from_secs(30);

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
    pub(super) fn end(&self) {
        self.answering.store(false, Ordering::Relaxed);
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
pub(super) struct Line {
    stream: TcpStream,
    calls: Arc<Calls>,
    seen: usize,
    turn: Turn,
    patience: Pin<Box<Sleep>>,
    /// Set while the caller does not take what is written.
    unread: Option<Pin<Box<Sleep>>>,
}

impl Line {
    /// A new connection, on which a head is expected.
    pub(super) fn new(stream: TcpStream, calls: Arc<Calls>) -> Self {
        let patience = Box::pin(tokio::time::sleep(HEAD));
        Self { stream, calls, seen: 0, turn: Turn::Head, patience, unread: None }
    }

    fn wait(&mut self, turn: Turn, time: Duration) {
        self.turn = turn;
        self.patience.as_mut().reset(Instant::now() + time);
    }

    /// Looks at whose turn it is now.
    fn look(&mut self) {
        let begun = self.calls.begun.load(Ordering::Relaxed);
        if begun != self.seen {
            self.seen = begun;
            self.turn = Turn::Answer;
        }
        if self.turn == Turn::Answer && !self.calls.answering.load(Ordering::Relaxed) {
            self.wait(Turn::Idle, IDLE);
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
        let unread = self.unread.get_or_insert_with(|| Box::pin(tokio::time::sleep(UNREAD)));
        unread.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = &mut *self;
        line.look();
        let read = Pin::new(&mut line.stream).poll_read(context, buffer);
        match (&read, line.turn) {
            (_, Turn::Answer) => read,
            (Poll::Pending, _) => {
                let end = line.patience.as_mut().poll(context);
                end.map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            (Poll::Ready(_), Turn::Idle) => {
                line.wait(Turn::Head, HEAD);
                read
            }
            (Poll::Ready(_), Turn::Head) => read,
        }
    }
}

impl AsyncWrite for Line {
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
