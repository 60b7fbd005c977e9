//! Encryption towards a mail server. STARTTLS is the transport's business, which is given
//! what to trust; a connection that is private from the first byte is made here, on a
//! socket of our own, because only ours is told to send small packets at once.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::{
    AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::setting::SmtpSettingError;
use crate::serve::deliver::wire::Wire;

/// Whom to trust, and under which name the server has to prove itself.
pub(super) struct Tls {
    starttls: TlsParameters,
    implicit: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Trusts the usual authorities and those in the file.
    pub(super) fn new(host: &str, extra_root: Option<&Path>) -> Result<Self, SmtpSettingError> {
        let failed = |fault: &dyn std::error::Error| SmtpSettingError::Tls(fault.to_string());
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let mut starttls = TlsParameters::builder(host.to_owned())
            .certificate_store(CertificateStore::WebpkiRoots);
        for root in extra_root.map(read_roots).transpose()?.unwrap_or_default() {
            roots.add(root.clone()).map_err(|fault| failed(&fault))?;
            let root = Certificate::from_der(root.to_vec()).map_err(|fault| failed(&fault))?;
            starttls = starttls.add_root_certificate(root);
        }
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .map_err(|fault| failed(&fault))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            starttls: starttls.build().map_err(|fault| failed(&fault))?,
            implicit: TlsConnector::from(Arc::new(config)),
            name: ServerName::try_from(host.to_owned()).map_err(|_| SmtpSettingError::Host)?,
        })
    }

    /// What the transport needs for STARTTLS.
    pub(super) fn starttls(&self) -> TlsParameters {
        self.starttls.clone()
    }

    /// Makes a connection private before the first word.
    pub(super) async fn wrap(&self, stream: Wire) -> io::Result<Private> {
        self.implicit.connect(self.name.clone(), stream).await.map(Private)
    }
}

fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, SmtpSettingError> {
    let wrong =
        |problem: String| SmtpSettingError::Roots { path: path.display().to_string(), problem };
    let pem = std::fs::read(path).map_err(|fault| wrong(format!("cannot be read: {fault}")))?;
    let roots: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| wrong("holds a certificate that is damaged".to_owned()))?;
    if roots.is_empty() {
        return Err(wrong("holds no certificate in PEM form".to_owned()));
    }
    Ok(roots)
}

/// A connection that is private from the first byte, as the transport takes it.
#[derive(Debug)]
pub(super) struct Private(TlsStream<Wire>);

impl AsyncTokioStream for Private {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Private {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Private {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
