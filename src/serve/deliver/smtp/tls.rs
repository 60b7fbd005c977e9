//! Encryption towards a mail server, from the first byte or after STARTTLS.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::setting::SmtpSettingError;
use crate::serve::deliver::wire::Wire;

/// A connection that nobody else can read.
pub(super) type Private = TlsStream<Wire>;

/// Whom to trust, and under which name the server has to prove itself.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Trusts the usual authorities and those in the file.
    pub(super) fn new(host: &str, extra_root: Option<&Path>) -> Result<Self, SmtpSettingError> {
        let failed = |fault: &dyn std::error::Error| SmtpSettingError::Tls(fault.to_string());
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for root in extra_root.map(read_roots).transpose()?.unwrap_or_default() {
            roots.add(root).map_err(|fault| failed(&fault))?;
        }
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .map_err(|fault| failed(&fault))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name: ServerName::try_from(host.to_owned()).map_err(|_| SmtpSettingError::Host)?,
        })
    }

    /// Makes a connection private.
    pub(super) async fn wrap(&self, stream: Wire) -> io::Result<Private> {
        self.connector.connect(self.name.clone(), stream).await
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
