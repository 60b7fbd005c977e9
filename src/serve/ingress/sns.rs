//! The two pages of Amazon SNS that are opened: the certificate with which its messages are
//! signed, which is then kept, and the page that confirms a subscription. Both lie at
//! addresses that [`crate::signature::sns`] believes, no redirect is followed, and what is
//! read is bounded in length and time.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::sync::Semaphore;

use crate::base::Timestamp;
use crate::serve::deliver::Network;
use crate::serve::deliver::http::{HttpClient, Outgoing};
use crate::signature::sns;

/// The most certificates that are kept. Amazon has one per region and changes it rarely.
const KEPT: usize = 8;
/// The most pages that are opened at once: anybody can ask for one.
const AT_ONCE: usize = 4;
/// The most bytes of a page that are read.
const LONGEST: usize = 16 * 1024;
/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens pages of SNS.
#[derive(Debug)]
pub(super) struct Pages {
    network: Network,
    /// More certificate authorities to trust (PEM).
    roots: Option<Vec<u8>>,
    client: OnceLock<Option<HttpClient>>,
    certificates: Mutex<Vec<(String, Bytes)>>,
    /// Places of pages that are being opened.
    places: Semaphore,
}

impl Pages {
    pub(super) fn new(network: Network, roots: Option<Vec<u8>>) -> Self {
        Self {
            network,
            roots,
            client: OnceLock::new(),
            certificates: Mutex::default(),
            places: Semaphore::new(AT_ONCE),
        }
    }

    /// The certificate at an address, which must be Amazon's.
    ///
    /// # Errors
    /// Why there is none: a foreign address is told apart from one that does not answer.
    pub(super) async fn certificate(&self, url: &str, now: Timestamp) -> Result<Bytes, Missing> {
        if !sns::is_certificate_url(url) {
            return Err(Missing::Foreign);
        }
        let known = || self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pem)) = known().iter().find(|(known, _)| known == url) {
            return Ok(pem.clone());
        }
        Ok(Bytes::from(self.open(url, now).await?))
    }

    /// Keeps a certificate with which a message was signed.
    pub(super) fn keep(&self, url: &str, pem: &Bytes) {
        let mut known = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if known.iter().all(|(known, _)| known != url) {
            if known.len() >= KEPT {
                known.remove(0);
            }
            known.push((url.to_owned(), pem.clone()));
        }
    }

    /// Confirms a subscription.
    ///
    /// # Errors
    /// Why it is not confirmed.
    pub(super) async fn confirm(&self, url: &str, now: Timestamp) -> Result<(), Missing> {
        if !sns::is_subscribe_url(url) {
            return Err(Missing::Foreign);
        }
        self.open(url, now).await.map(|_| ())
    }

    async fn open(&self, url: &str, now: Timestamp) -> Result<Vec<u8>, Missing> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Missing::Silent("too many are being opened".into()));
        };
        let client =
            self.client.get_or_init(|| HttpClient::over(&self.network, self.roots.clone()).ok());
        let client = client.as_ref().ok_or_else(|| Missing::Silent("no TLS".into()))?;
        let outgoing = Outgoing {
            method: Method::GET,
            url: url.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            timeout: PATIENCE,
            allow_private: false,
            now,
        };
        let silent = |why: Option<String>| Missing::Silent(why.unwrap_or_default());
        let reply = client.fetch(outgoing, LONGEST).await.map_err(|tried| silent(tried.message))?;
        if reply.status != StatusCode::OK || reply.cut {
            return Err(silent(reply.tried(now).message));
        }
        Ok(reply.body)
    }
}

/// Why a page was not opened.
#[derive(Debug)]
pub(super) enum Missing {
    /// Its address is not Amazon's.
    Foreign,
    /// It did not answer, for this reason.
    Silent(String),
}
