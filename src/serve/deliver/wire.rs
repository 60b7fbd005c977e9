//! Where connections to the outside lead: to the sockets of this machine, or, for a world
//! that is simulated, to peers within this process. Everything above a connection (deadlines,
//! TLS, HTTP, SMTP, pools, retries) is the same for both.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

/// The status that a service answers everything with, by its name.
pub type Told = dyn Fn(&str) -> u16 + Send + Sync;

/// Opens a connection to a host and port within this process.
pub type Peers = dyn Fn(&str, u16) -> io::Result<DuplexStream> + Send + Sync;

/// What is on the other side of outgoing connections.
#[derive(Clone, Default)]
pub enum Network {
    /// The machines that names and addresses stand for.
    #[default]
    Sockets,
    /// Peers within this process. No name is resolved and no address is checked.
    Simulated(Arc<Peers>),
    /// Nobody: no connection is ever opened, and services answer what they are told to.
    Told(Arc<Told>),
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sockets => "Sockets",
            Self::Simulated(_) => "Simulated",
            Self::Told(_) => "Told",
        })
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) enum Wire {
    /// To another machine, or to this one.
    Socket(TcpStream),
    /// To a peer within this process.
    Memory(DuplexStream),
}

impl Wire {
    /// Passes a call on to the connection, whatever it is.
    fn with<T>(
        self: Pin<&mut Self>,
        call: impl FnOnce(Pin<&mut (dyn Stream + 'static)>) -> T,
    ) -> T {
        match self.get_mut() {
            Self::Socket(stream) => call(Pin::new(stream as &mut dyn Stream)),
            Self::Memory(stream) => call(Pin::new(stream as &mut dyn Stream)),
        }
    }
}

/// What can be read and written.
trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl Stream for TcpStream {}
impl Stream for DuplexStream {}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(context))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Socket(stream) => stream.is_write_vectored(),
            Self::Memory(stream) => stream.is_write_vectored(),
        }
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        match self {
            Self::Socket(stream) => stream.connected(),
            Self::Memory(_) => Connected::new(),
        }
    }
}
