//! Amazon SES by way of SNS: the name of Amazon's server is believed, its TLS and its
//! signature are checked as in real life; only the machine that answers to the name is a
//! stand-in within this process.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rulerun::serve::deliver::Network;
use rulerun::serve::ingress::Ingress;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::support::binary::agent;

pub(super) const HOST: &str = "sns.eu-west-1.amazonaws.com";
pub(super) const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:mail";
const PEM: &str = "SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem";

/// A server whose Amazon is a stand-in.
struct World {
    server: TestServer,
    signer: Signer,
    /// A door to the same server, whose pages come from the stand-in.
    address: SocketAddr,
    /// Every page that was opened, as `HOST/PATH`.
    opened: Arc<Mutex<Vec<String>>>,
    _stop: tokio::sync::watch::Sender<bool>,
}

async fn world() -> Option<World> {
    let signer = Signer::start()?;
    let server = make(&clock()).start().await;
    let opened = Arc::<Mutex<Vec<String>>>::default();
    let network = stand_in(&signer, &opened);
    let roots = std::fs::read(signer.folder().join("ca.pem")).unwrap();
    let ingress = Ingress::over(Arc::clone(server.app()), network, Some(roots));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(ingress.run(listener, stopped));
    Some(World { server, signer, address, opened, _stop: stop })
}

/// Answers to the name [`HOST`] alone, over TLS: the certificate at its address, and every
/// other page with a word.
fn stand_in(signer: &Signer, opened: &Arc<Mutex<Vec<String>>>) -> Network {
    let read = |name: &str| std::fs::read(signer.folder().join(name)).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(&read("cert.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(&read("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let certificate: Arc<[u8]> = read("amazon.pem").into();
    let opened = Arc::clone(opened);
    Network::Simulated(Arc::new(move |host, port| {
        if (host, port) != (HOST, 443) {
            opened.lock().unwrap().push(format!("{host}:{port} was dialled"));
            return Err(std::io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (acceptor, opened) = (acceptor.clone(), Arc::clone(&opened));
        let certificate = Arc::clone(&certificate);
        tokio::spawn(async move {
            let Ok(mut stream) = acceptor.accept(theirs).await else { return };
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            opened.lock().unwrap().push(path.clone());
            let body: &[u8] = if path == format!("/{PEM}") { &certificate } else { b"fine" };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
            let _ = stream.shutdown().await;
        });
        Ok(ours)
    }))
}

impl World {
    /// A message as SNS sends it, signed with that key.
    fn message(&mut self, change: &Value, key: &str) -> Value {
        let mut message = json!({
            "Type": "Notification",
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": TOPIC,
            "Message": bounce_of("sarah@example.com").to_string(),
            "Timestamp": "2026-03-02T09:59:59.123Z",
            "SignatureVersion": "1",
            "SigningCertURL": format!("https://{HOST}/{PEM}"),
            "UnsubscribeURL": format!("https://{HOST}/?Action=Unsubscribe&SubscriptionArn=x"),
        });
        for (name, value) in change.as_object().into_iter().flatten() {
            message[name] = value.clone();
        }
        message["Signature"] = json!(self.signer.amazon(&message, key));
        message
    }

    /// Sends it as SNS does.
    async fn send(&self, message: &Value) -> (u16, String) {
        let (url, body) = (format!("http://{}/hooks/ses", self.address), message.to_string());
        let sent = tokio::task::spawn_blocking(move || {
            let request = agent().post(&url).content_type("text/plain; charset=UTF-8");
            let mut answer = request.send(body).unwrap();
            (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
        });
        sent.await.unwrap()
    }

    fn opened(&self) -> Vec<String> {
        self.opened.lock().unwrap().clone()
    }
}

fn bounce_of(email: &str) -> Value {
    json!({
        "eventType": "Bounce",
        "bounce": {
            "bounceType": "Permanent", "bounceSubType": "General",
            "bouncedRecipients": [{ "emailAddress": email, "diagnosticCode": "smtp; 550 5.1.1" }],
        },
        "mail": { "messageId": "x", "headers": [], "commonHeaders": {} },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_amazon_has_signed_in_either_way_is_believed_once() {
    let Some(mut world) = world().await else { return };
    let job = first_mail(&world.server, "sarah@example.com").await;
    let mut told = bounce_of("sarah@example.com");
    told["mail"]["headers"] =
        json!([{ "name": "Message-ID", "value": format!("<{}@acme.test>", job.id) }]);
    let mut delivered = told.clone();
    delivered["eventType"] = json!("Delivery");
    delivered["delivery"] = json!({ "recipients": ["sarah@example.com"] });
    let first = json!({ "Message": delivered.to_string(), "MessageId": "1" });
    let subject = "Amazon SES Email Event Notification";
    let second = json!({ "Message": told.to_string(), "MessageId": "2", "SignatureVersion": "2", "Subject": subject });
    for (change, what) in [(first, Tally::Delivered), (second, Tally::Bounced)] {
        let message = world.message(&change, "amazon");
        for _ in 0..2 {
            let (status, text) = world.send(&message).await;
            assert_eq!(status, 200, "{text}");
        }
        assert_eq!(tally(&world.server, "one", what).await, 1, "{what:?}");
    }
    assert_eq!(reasons(&world.server, "sarah@example.com").await, ["bounced"]);
    assert_eq!(world.opened(), [format!("/{PEM}")], "the certificate is fetched once");
    let sentence = json!({ "MessageId": "3", "Message": "Successfully validated SNS topic for Amazon SES event publishing." });
    let sentence = world.message(&sentence, "amazon");
    let (status, text) = world.send(&sentence).await;
    assert!(status == 200 && text.contains("ignored"), "{status} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_amazon_has_not_signed_is_refused_and_nobody_else_is_called() {
    let Some(mut world) = world().await else { return };
    let honest = world.message(&json!({}), "amazon");
    let mut refused = vec![
        ("a stranger's key", 401, world.message(&json!({}), "stranger")),
        (
            "another topic",
            403,
            world.message(
                &json!({ "TopicArn": "arn:aws:sns:eu-west-1:666666666666:mail" }),
                "amazon",
            ),
        ),
        (
            "too old",
            401,
            world.message(&json!({ "Timestamp": "2026-03-01T09:00:00.000Z" }), "amazon"),
        ),
        ("another version", 401, world.message(&json!({ "SignatureVersion": "3" }), "amazon")),
        ("not of SNS at all", 400, bounce_of("sarah@example.com")),
    ];
    for (field, value) in [
        ("Message", bounce_of("bob@example.com").to_string()),
        ("MessageId", String::from("another")),
        ("Timestamp", String::from("2026-03-02T10:00:00.000Z")),
        ("Subject", String::from("added")),
        ("Type", String::from("SubscriptionConfirmation")),
        ("Signature", String::from("not base64")),
        ("Signature", String::new()),
    ] {
        let mut changed = honest.clone();
        changed[field] = json!(value);
        refused.push((field, 401, changed));
    }
    for (what, expected, message) in refused {
        let (status, text) = world.send(&message).await;
        assert_eq!(status, expected, "{what}: {text}");
    }
    for url in [
        format!("https://evil.example.com/{PEM}"),
        format!("https://{HOST}.example.com/{PEM}"),
        format!("https://{HOST}@evil.example.com/{PEM}"),
        format!("http://{HOST}/{PEM}"),
        format!("https://{HOST}:8443/{PEM}"),
        format!("https://{HOST}/x/{PEM}"),
        String::from("https://169.254.169.254/latest/meta-data/"),
        String::from("file:///etc/passwd"),
        String::new(),
    ] {
        let message = world.message(&json!({ "SigningCertURL": url }), "stranger");
        let (status, text) = world.send(&message).await;
        assert_eq!(status, 401, "{url}: {text}");
    }
    assert!(world.opened().iter().all(|path| *path == format!("/{PEM}")), "{:?}", world.opened());
    assert!(reasons(&world.server, "sarah@example.com").await.is_empty());
    assert_eq!(world.send(&honest).await.0, 200);
    assert_eq!(reasons(&world.server, "sarah@example.com").await, ["bounced"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_confirmed_at_amazon_alone() {
    let Some(mut world) = world().await else { return };
    let page = format!("?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37");
    let wish = |url: String| json!({ "Type": "SubscriptionConfirmation", "Token": "2336412f37", "SubscribeURL": url });
    for url in [
        format!("https://evil.example.com/{page}"),
        format!("https://{HOST}/?Action=DeleteTopic&TopicArn={TOPIC}"),
        String::from("http://127.0.0.1:9/"),
    ] {
        let message = world.message(&wish(url.clone()), "amazon");
        let (status, text) = world.send(&message).await;
        assert_eq!(status, 401, "{url}: {text}");
    }
    let forged = world.message(&wish(format!("https://{HOST}/{page}")), "stranger");
    assert_eq!(world.send(&forged).await.0, 401);
    assert!(world.opened().iter().all(|path| *path == format!("/{PEM}")), "{:?}", world.opened());
    let honest = world.message(&wish(format!("https://{HOST}/{page}")), "amazon");
    let (status, text) = world.send(&honest).await;
    assert!(status == 200 && text.contains("is confirmed"), "{status} {text}");
    assert_eq!(world.opened().last(), Some(&format!("/{page}")));
    let mut left = wish(format!("https://{HOST}/{page}"));
    left["Type"] = json!("UnsubscribeConfirmation");
    let left = world.message(&left, "amazon");
    let before = world.opened().len();
    assert_eq!(world.send(&left).await.0, 200);
    assert_eq!(world.opened().len(), before, "nobody subscribes again by itself");
}
