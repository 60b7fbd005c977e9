//! Reads a mail server's address. It holds a password, so no error repeats any of it.

use std::net::IpAddr;
use std::path::Path;

use super::tls::Tls;
use crate::base::Secret;

/// What is wrong with the address of a mail server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmtpSettingError {
    /// Neither `smtp://` nor `smtps://`.
    #[error(
        "the mail server's address must begin with smtp:// or smtps://, for example \
         smtps://user:password@mail.example.com:465"
    )]
    Scheme,
    /// No usable host name.
    #[error(
        "the mail server's address names no server: after smtp:// (and `user:password@`, if it \
         wants a login) comes its name, for example smtp://mail.example.com"
    )]
    Host,
    /// The port is no number.
    #[error("the port in the mail server's address is not a number from 1 to 65535")]
    Port,
    /// A user without a password, or the other way round.
    #[error("the mail server's address has a user or a password, but not both: user:password@")]
    HalfLogin,
    /// A `%` that is no escape, or an escape that is no text.
    #[error(
        "a % in the user or password of the mail server's address is not followed by a valid \
         code: write %25 for the % itself"
    )]
    Escape,
    /// Something after the host that is not `?tls=`.
    #[error(
        "after the mail server's name only ?tls=required, ?tls=opportunistic or ?tls=none may \
         follow; smtps:// is always encrypted and takes none of them"
    )]
    Option,
    /// A login that could only travel in the open.
    #[error(
        "the mail server's address has a password and says tls=none, but a password is never \
         sent unencrypted: leave tls=none out, or the login"
    )]
    OpenLogin,
    /// The file of additional authorities cannot be used.
    #[error("the file {path} with additional certificate authorities {problem}")]
    Roots {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// TLS could not be set up for this name.
    #[error("TLS could not be set up for the mail server: {0}")]
    Tls(String),
}

/// When the conversation becomes private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// From the first byte.
    Implicit,
    /// By STARTTLS, or not at all.
    Required,
    /// By STARTTLS where the server offers it.
    Opportunistic,
    /// Never.
    None,
}

/// Who we are to the server.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Secret,
}

/// A mail server as it was set up.
pub(super) struct Server {
    /// Its name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) login: Option<Login>,
    pub(super) tls: Tls,
    /// Whether it may be at a private address other than loopback.
    pub(super) allow_private: bool,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} ({:?})", self.host, self.port, self.encryption)
    }
}

impl Server {
    pub(super) fn read(url: &str, extra_root: Option<&Path>) -> Result<Self, SmtpSettingError> {
        let (scheme, rest) = url.trim().split_once("://").ok_or(SmtpSettingError::Scheme)?;
        let implicit = match scheme.to_ascii_lowercase().as_str() {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(SmtpSettingError::Scheme),
        };
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(read_login(login)?), rest),
            None => (None, rest),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (place, option) = rest.split_at(end);
        let (host, port) = read_place(place)?;
        let encryption = match (option.trim_start_matches('/'), implicit) {
            ("", true) => Encryption::Implicit,
            ("", false) if is_loopback(&host) => Encryption::Opportunistic,
            ("" | "?tls=required", false) => Encryption::Required,
            ("?tls=opportunistic", false) => Encryption::Opportunistic,
            ("?tls=none", false) if login.is_some() => return Err(SmtpSettingError::OpenLogin),
            ("?tls=none", false) => Encryption::None,
            _ => return Err(SmtpSettingError::Option),
        };
        let port = port.unwrap_or(match encryption {
            Encryption::Implicit => 465,
            Encryption::Required | Encryption::Opportunistic => 587,
            Encryption::None => 25,
        });
        let tls = Tls::new(&host, extra_root)?;
        Ok(Self { host, port, encryption, login, tls, allow_private: false })
    }
}

fn read_login(text: &str) -> Result<Login, SmtpSettingError> {
    let (user, password) = text.split_once(':').ok_or(SmtpSettingError::HalfLogin)?;
    if user.is_empty() || password.is_empty() {
        return Err(SmtpSettingError::HalfLogin);
    }
    Ok(Login { user: unescape(user)?, password: Secret::new(unescape(password)?) })
}

/// Undoes `%40` and the like.
fn unescape(text: &str) -> Result<String, SmtpSettingError> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).ok_or(SmtpSettingError::Escape)?;
        bytes.extend(hex::decode(code).map_err(|_| SmtpSettingError::Escape)?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| SmtpSettingError::Escape)
}

fn read_place(text: &str) -> Result<(String, Option<u16>), SmtpSettingError> {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or(SmtpSettingError::Host)?)),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if host.parse::<IpAddr>().is_err() && (host.is_empty() || !host.bytes().all(name)) {
        return Err(SmtpSettingError::Host);
    }
    let port = port
        .map(|port| port.parse().ok().filter(|port| *port > 0).ok_or(SmtpSettingError::Port))
        .transpose()?;
    Ok((host.to_owned(), port))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{Encryption, Server, SmtpSettingError};

    fn read(url: &str) -> Result<(String, u16, Encryption, bool), SmtpSettingError> {
        Server::read(url, None)
            .map(|server| (server.host, server.port, server.encryption, server.login.is_some()))
    }

    #[test]
    fn every_address_that_people_write_is_understood() {
        use Encryption::{Implicit, None, Opportunistic, Required};
        for (url, host, port, encryption, login) in [
            ("smtps://u:p@mail.example.com", "mail.example.com", 465, Implicit, true),
            ("smtps://u:p@mail.example.com:2465/", "mail.example.com", 2465, Implicit, true),
            ("smtp://mail.example.com", "mail.example.com", 587, Required, false),
            (
                "SMTP://mail.example.com:25?tls=opportunistic",
                "mail.example.com",
                25,
                Opportunistic,
                false,
            ),
            ("smtp://relay?tls=none", "relay", 25, None, false),
            ("smtp://localhost:2525", "localhost", 2525, Opportunistic, false),
            ("smtp://127.0.0.1:2525?tls=required", "127.0.0.1", 2525, Required, false),
            ("smtp://[::1]:2525", "::1", 2525, Opportunistic, false),
            (
                "smtp://user@a.example:p@ss/w?rd%25@mail.example.com",
                "mail.example.com",
                587,
                Required,
                true,
            ),
        ] {
            assert_eq!(read(url), Ok((host.to_owned(), port, encryption, login)), "{url}");
        }
    }

    #[test]
    fn a_mistake_is_named_without_telling_the_password() {
        use SmtpSettingError as Error;
        for (url, error) in [
            ("", Error::Scheme),
            ("mail.example.com", Error::Scheme),
            ("https://u:hunter2@mail.example.com", Error::Scheme),
            ("smtp://", Error::Host),
            ("smtp://u:hunter2@", Error::Host),
            ("smtp://u:hunter2@mail server", Error::Host),
            ("smtp://u:hunter2@host:smtp", Error::Port),
            ("smtp://u:hunter2@host:0", Error::Port),
            ("smtp://u:hunter2@host:70000", Error::Port),
            ("smtp://hunter2@host", Error::HalfLogin),
            ("smtp://u:@host", Error::HalfLogin),
            ("smtp://u:hunter%2@host", Error::Escape),
            ("smtp://u:hunter%zz2@host", Error::Escape),
            ("smtp://u:hunter2%ff@host", Error::Escape),
            ("smtp://u:hunter2@host?tls=maybe", Error::Option),
            ("smtp://u:hunter2@host/name", Error::Option),
            ("smtps://u:hunter2@host?tls=none", Error::Option),
            ("smtp://u:hunter2@host?tls=none", Error::OpenLogin),
        ] {
            let found = Server::read(url, None).unwrap_err();
            assert_eq!(found, error, "{url}");
            assert!(!found.to_string().contains("hunter"), "{found}");
        }
    }

    #[test]
    fn passwords_may_hold_any_character() {
        assert_eq!(super::unescape("p%40ss%3a%C3%BC+%25"), Ok("p@ss:ü+%".to_owned()));
    }

    #[test]
    fn a_server_is_shown_without_its_login() {
        let server = Server::read("smtp://u:hunter2@mail.example.com", None).unwrap();
        assert_eq!(format!("{server:?}"), "mail.example.com:587 (Required)");
    }

    #[test]
    fn a_file_of_authorities_must_hold_some() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let read =
            || Server::read("smtps://mail.example.com", Some(&path)).unwrap_err().to_string();
        assert!(read().contains("cannot be read"), "{}", read());
        std::fs::write(&path, "hello").unwrap();
        assert!(read().contains("no certificate"), "{}", read());
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")
            .unwrap();
        assert!(read().contains("damaged"), "{}", read());
    }
}
