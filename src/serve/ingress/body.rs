//! A body on its way in. Whoever reads it, reads it within a time, at a least speed, and out
//! of the memory that all bodies share: none of the three can be kept from others for long.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::load::{Gauge, Share};

/// The whole body must have arrived within this time.
const LONGEST: Duration = Duration::from_secs(30);
/// A body may be slow for so long ...
const START: Duration = Duration::from_secs(10);
/// ... and must then have come at so many bytes a second.
const LEAST_SPEED: u64 = 1024;

/// Why a body did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// The connection or its chunks broke off.
    #[error("The body broke off before it was complete.")]
    Broken,
    /// It was too slow.
    #[error(
        "The body took too long to arrive: it must come at 1 KiB a second and within 30 seconds."
    )]
    Late,
    /// Too many bodies are being read at once.
    #[error("The server is busy with other bodies; please try again.")]
    NoRoom,
}

impl BodyFault {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Broken => 400,
            Self::Late => 408,
            Self::NoRoom => 503,
        }
    }
}

/// A body that is watched while it arrives.
#[derive(Debug)]
pub(super) struct Arriving {
    inner: Incoming,
    began: Instant,
    received: usize,
    share: Share,
    room: usize,
    /// Set while the next piece is waited for.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Arriving {
    /// Watches a body whose head has just arrived; all bodies of the gauge together may take
    /// `room` bytes.
    pub(super) fn new(inner: Incoming, gauge: &Arc<Gauge>, room: usize) -> Self {
        let (began, share) = (Instant::now(), gauge.share());
        Self { inner, began, received: 0, share, room, deadline: None }
    }

    /// The body without its watch, to be thrown away, and the memory that was taken for it.
    pub(super) fn into_parts(self) -> (Incoming, Share) {
        (self.inner, self.share)
    }

    /// When the next piece must be here.
    fn until(&self) -> Instant {
        let earned = Duration::from_millis(self.received as u64 * 1000 / LEAST_SPEED);
        self.began + LONGEST.min(START + earned)
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.deadline = None;
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.received += length;
                let room = self.room;
                let fits = self.share.grow(length, room);
                let late = Instant::now() > self.began + LONGEST;
                Poll::Ready(Some(match (fits, late) {
                    (true, false) => Ok(frame),
                    (true, true) => Err(BodyFault::Late),
                    (false, _) => Err(BodyFault::NoRoom),
                }))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(BodyFault::Broken))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let until = self.until();
                let deadline =
                    self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
                deadline.as_mut().poll(context).map(|()| Some(Err(BodyFault::Late)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
