//! Mail.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message as Letter, Tokio1Executor};
use tiphys_api::{EmailDestination, Encryption};
use tiphys_notify::{Message, SecretValues, mail};

use super::delivery::{Attempt, failed};
use crate::outbound::{Reach, resolve};

/// How long the server may take for each step.
const STEP: Duration = Duration::from_secs(10);
/// How long it may take for everything.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Tries to deliver a message by mail once.
pub async fn deliver(
    spec: &EmailDestination,
    secret: &SecretValues,
    reach: &Reach,
    message: &Message,
) -> Attempt {
    let letter = match letter(spec, message) {
        Ok(letter) => letter,
        Err(problem) => return Attempt::Never(problem),
    };
    let sent = tokio::time::timeout(TIMEOUT, send(spec, secret, reach, letter)).await;
    sent.unwrap_or_else(|_| {
        Attempt::Again(format!("the mail server did not take it within {} s", TIMEOUT.as_secs()), None)
    })
}

async fn send(spec: &EmailDestination, secret: &SecretValues, reach: &Reach, letter: Letter) -> Attempt {
    let port = spec.port.unwrap_or(match spec.encryption {
        Encryption::StartTls => 587,
        Encryption::Tls => 465,
        Encryption::None => 25,
    });
    let mut attempt = Attempt::Again("the mail server cannot be found".to_owned(), None);
    let addresses = match resolve(&spec.host, port, reach).await {
        Ok(addresses) => addresses,
        Err(error) => return failed(&error),
    };
    for address in addresses {
        let tls = match tls(spec, secret) {
            Ok(tls) => tls,
            Err(problem) => return Attempt::Never(problem),
        };
        // What was looked up is what is connected to; its certificate must be that of the host.
        let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
            .port(port)
            .timeout(Some(STEP))
            .tls(tls);
        if let (Some(user), Some(password)) = (secret.get("username"), secret.get("password")) {
            server =
                server.credentials(Credentials::new(user.reveal().to_owned(), password.reveal().to_owned()));
        }
        attempt = match server.build().send(letter.clone()).await {
            Ok(_) => return Attempt::Delivered,
            Err(error) => judge(&error),
        };
    }
    attempt
}

/// What an error of the server means. Its words are not shown: they may repeat what was sent.
fn judge(error: &lettre::transport::smtp::Error) -> Attempt {
    match error.status() {
        Some(code) if error.is_permanent() => {
            Attempt::Never(format!("the mail server refused it with code {code}"))
        }
        Some(code) => Attempt::Again(format!("the mail server put it off with code {code}"), None),
        None if error.is_client() => Attempt::Never(
            "the mail server does not offer what is needed: encryption or the way to log in".to_owned(),
        ),
        None if error.is_tls() => Attempt::Again("the TLS of the mail server failed".to_owned(), None),
        None => Attempt::Again("the mail server cannot be reached".to_owned(), None),
    }
}

fn tls(spec: &EmailDestination, secret: &SecretValues) -> Result<Tls, String> {
    if spec.encryption == Encryption::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(spec.host.clone());
    if let Some(authority) = secret.get("ca.crt") {
        let authority = Certificate::from_pem(authority.reveal().as_bytes());
        parameters = parameters
            .add_root_certificate(authority.map_err(|_| "ca.crt holds no certificate in PEM".to_owned())?);
    }
    let parameters = parameters.build().map_err(|_| "TLS cannot be set up for this host".to_owned())?;
    Ok(match spec.encryption {
        Encryption::Tls => Tls::Wrapper(parameters),
        Encryption::StartTls | Encryption::None => Tls::Required(parameters),
    })
}

fn letter(spec: &EmailDestination, message: &Message) -> Result<Letter, String> {
    let mail = mail(message);
    let address = |text: &str| -> Result<Mailbox, String> {
        text.parse().map_err(|_| format!("{text} is no address of mail: write name@example.com"))
    };
    let mut letter = Letter::builder()
        .from(address(&spec.from)?)
        .subject(mail.subject)
        .message_id(Some(mail.id))
        .header(lettre::message::header::ContentType::TEXT_PLAIN);
    for to in &spec.to {
        letter = letter.to(address(to)?);
    }
    letter.body(mail.body).map_err(|error| format!("the mail cannot be written: {error}"))
}
