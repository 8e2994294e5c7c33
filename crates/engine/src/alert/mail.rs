//! Mail: one message to one server, step by step, so that it is known how far it came.

use crate::exchange::{is_private_host, public_addresses};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as From, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use model::definition::MailTls;
use model::{Millis, Problem};
use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};
use url::{Host, Url};

/// How long a server may take from the first byte until it wants the message.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to say that it has it.
const TAKES: Duration = Duration::from_secs(60);
/// The most letters of what a server says.
const SAID: usize = 200;

/// A server for mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MailServer {
    host: String,
    port: u16,
    /// TLS from the first byte on; else STARTTLS.
    is_wrapped: bool,
    allows_private: bool,
}

/// A mail, ready to be sent.
pub(super) struct Mail<'a> {
    pub(super) server: MailServer,
    pub(super) tls: MailTls,
    pub(super) login: Option<(&'a str, SecretString)>,
    pub(super) from: &'a str,
    pub(super) to: &'a [String],
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) at: Millis,
    /// The same for every try, so that a reader sees one mail.
    pub(super) id: String,
}

/// How a mail did not arrive.
#[derive(Debug)]
pub(super) enum Undelivered {
    /// Not now.
    Later(Problem),
    /// Never.
    Never(Problem),
    /// Nobody knows whether it did.
    Unknown(Problem),
}

/// Reads `smtp://host:port` or `smtps://host:port`.
///
/// # Errors
/// `mail_server`, `address_private`.
pub(crate) fn mail_server(text: &str, allows_private: bool) -> Result<MailServer, Problem> {
    let wrong = || {
        Problem::new("mail_server", "this is no address of a mail server")
            .hint("write smtp://mail.example.com (STARTTLS) or smtps://mail.example.com, without user and password")
    };
    let (is_wrapped, rest) = match text.split_once("://") {
        Some(("smtp", rest)) => (false, rest),
        Some(("smtps", rest)) => (true, rest),
        _ => return Err(wrong()),
    };
    // Read as HTTP, so that every form of an address is known for what it is.
    let url = Url::parse(&format!("http://{rest}")).map_err(|_| wrong())?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let Some(host) = url.host().filter(|_| is_bare && url.username().is_empty() && url.password().is_none()) else {
        return Err(wrong());
    };
    if !allows_private && is_private_host(&host) {
        let problem = Problem::new("address_private", format!("{host} is a private address"));
        return Err(problem.hint("set allow_private_addresses: true beside it if this is meant"));
    }
    let host = match host {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    Ok(MailServer { host, port: url.port().unwrap_or(if is_wrapped { 465 } else { 587 }), is_wrapped, allows_private })
}

impl MailServer {
    /// For people.
    pub(super) fn shown(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Undelivered> {
        let found = match self.allows_private {
            true => tokio::net::lookup_host((self.host.as_str(), self.port))
                .await
                .map(Iterator::collect)
                .map_err(Into::into),
            false => public_addresses(&self.host, self.port).await,
        };
        found.map_err(|error| {
            let hint = "is the name right, and the address a public one?";
            Undelivered::Later(Problem::new("mail_unreachable", format!("{}: {error}", self.host)).hint(hint))
        })
    }
}

impl Mail<'_> {
    /// Sends it once.
    pub(super) async fn send(&self) -> Result<(), Undelivered> {
        let (envelope, bytes) = self.write()?;
        let late = || {
            let reason = format!("{} took longer than {} s", self.server.shown(), PATIENCE.as_secs());
            Undelivered::Later(Problem::new("mail_slow", reason))
        };
        let begun = tokio::time::timeout(PATIENCE, self.begin(&envelope, bytes.is_ascii()));
        let (mut connection, refused) = begun.await.map_err(|_| late())??;
        match tokio::time::timeout(TAKES, connection.message(&bytes)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) if error.status().is_some() => return Err(self.refused(&error)),
            Ok(Err(error)) => return Err(self.unknown(&self.said(&error))),
            Err(_) => return Err(self.unknown("it said nothing")),
        }
        // It has the mail; how it says goodbye changes nothing.
        let _ = tokio::time::timeout(Duration::from_secs(2), connection.quit()).await;
        match refused {
            None => Ok(()),
            Some(problem) => Err(Undelivered::Never(problem)),
        }
    }

    /// Envelope and bytes.
    fn write(&self) -> Result<(Envelope, Vec<u8>), Undelivered> {
        let wrong = |reason: String| Undelivered::Never(Problem::new("mail_wrong", reason));
        let address = |text: &str| text.parse::<Mailbox>().map_err(|error| wrong(format!("\"{text}\": {error}")));
        let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(self.at).unwrap_or(0));
        let mut message = Message::builder()
            .from(address(self.from)?)
            .subject(self.subject.clone())
            .date(at)
            .message_id(Some(self.id.clone()))
            // So that nobody's holiday answers it.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for to in self.to {
            message = message.to(address(to)?);
        }
        let message = message.singlepart(SinglePart::plain(self.text.clone()));
        let message = message.map_err(|error| wrong(error.to_string()))?;
        Ok((message.envelope().clone(), message.formatted()))
    }

    /// Comes as far as that the server wants the message. Tells of receivers that it will never take, where it takes some.
    async fn begin(
        &self,
        envelope: &Envelope,
        is_ascii: bool,
    ) -> Result<(AsyncSmtpConnection, Option<Problem>), Undelivered> {
        let mut connection = self.connect().await?;
        if let Some((user, password)) = &self.login {
            let login = Credentials::new((*user).to_owned(), password.expose_secret().to_owned());
            let signed_in = connection.auth(&[Mechanism::Plain, Mechanism::Login], &login).await;
            signed_in.map_err(|error| self.failed(&error))?;
        }
        let addresses = envelope.to().iter().chain(envelope.from());
        let is_plain = addresses.map(AsRef::<str>::as_ref).all(str::is_ascii);
        // Texts and headers are encoded: only an address can be left.
        if !(is_ascii && is_plain) {
            let reason = "addresses have ASCII letters only";
            return Err(Undelivered::Never(Problem::new("mail_address", reason)));
        }
        let from = From::new(envelope.from().cloned(), Vec::new());
        connection.command(from).await.map_err(|error| self.failed(&error))?;
        let mut refused: Vec<String> = Vec::new();
        for to in envelope.to() {
            match connection.command(Rcpt::new(to.clone(), Vec::new())).await {
                Ok(_) => {}
                Err(error) if error.is_permanent() => refused.push(format!("{to}: {}", self.said(&error))),
                Err(error) => return Err(self.failed(&error)),
            }
        }
        let all = refused.len() == envelope.to().len();
        let problem = (!refused.is_empty()).then(|| {
            let others = if all { "" } else { "; the others got it" };
            Problem::new("mail_refused", format!("{}{others}", refused.join("; ")))
        });
        if all && let Some(problem) = problem {
            return Err(Undelivered::Never(problem));
        }
        connection.command(Data).await.map_err(|error| self.failed(&error))?;
        Ok((connection, problem))
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Undelivered> {
        let addresses = self.server.addresses().await?;
        let hello = ClientId::default();
        let tls = || TlsParameters::new(self.server.host.clone()).map_err(|error| self.failed(&error));
        let wrapped = if self.server.is_wrapped { Some(tls()?) } else { None };
        let connected = AsyncSmtpConnection::connect_tokio1(&addresses[..], Some(PATIENCE), &hello, wrapped, None);
        let mut connection = connected.await.map_err(|error| self.failed(&error))?;
        if !self.server.is_wrapped && self.tls == MailTls::Required {
            if !connection.can_starttls() {
                let reason = format!("{} offers no TLS", self.server.shown());
                let hint = "use another port or smtps://; with tls: none it goes in the open";
                return Err(Undelivered::Never(Problem::new("mail_in_the_open", reason).hint(hint)));
            }
            connection.starttls(tls()?, &hello).await.map_err(|error| self.failed(&error))?;
        }
        Ok(connection)
    }

    /// A failure before the message itself was sent.
    fn failed(&self, error: &Error) -> Undelivered {
        if error.status().is_some() {
            return self.refused(error);
        }
        let reason = format!("{}: {}", self.server.shown(), self.said(error));
        Undelivered::Later(Problem::new("mail_unreachable", reason))
    }

    /// The server said no, for now or for ever.
    fn refused(&self, error: &Error) -> Undelivered {
        let problem = Problem::new("mail_refused", format!("{} said: {}", self.server.shown(), self.said(error)));
        if error.is_permanent() { Undelivered::Never(problem) } else { Undelivered::Later(problem) }
    }

    fn unknown(&self, why: &str) -> Undelivered {
        let reason = format!("{} did not say whether it took the mail: {why}", self.server.shown());
        Undelivered::Unknown(Problem::new("send_unknown", reason))
    }

    /// What was said, in one line, without the password: a server may repeat what it was sent.
    fn said(&self, error: &Error) -> String {
        let mut text = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
            .last()
            .map_or_else(|| error.to_string(), ToString::to_string);
        if error.status().is_some() {
            text = error.to_string();
        }
        if let Some((user, password)) = &self.login {
            let password = password.expose_secret();
            let plain = format!("\0{user}\0{password}");
            for secret in [password.to_owned(), STANDARD.encode(password), STANDARD.encode(plain)] {
                text = text.replace(&secret, "***");
            }
        }
        super::words::line(&text, SAID)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read() {
        let read = |text: &str, allows| {
            mail_server(text, allows).map(|server| (server.shown(), server.is_wrapped)).map_err(|problem| problem.code)
        };
        assert_eq!(read("smtp://mail.example.com", false), Ok(("mail.example.com:587".to_owned(), false)));
        assert_eq!(read("smtps://mail.example.com", false), Ok(("mail.example.com:465".to_owned(), true)));
        assert_eq!(read("smtp://127.0.0.1:2525", true), Ok(("127.0.0.1:2525".to_owned(), false)));
        let wrong = [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://user:pass@mail.example.com",
            "smtp://mail.example.com/path",
            "smtp://mail.example.com?tls=none",
            "smtp://mail.example.com:99999",
        ];
        for text in wrong {
            assert_eq!(read(text, true), Err("mail_server".into()), "{text}");
        }
        for private in
            ["smtp://127.0.0.1", "smtp://2130706433", "smtp://[::1]:25", "smtps://10.0.0.1", "smtp://localhost"]
        {
            assert_eq!(read(private, false), Err("address_private".into()), "{private}");
        }
    }

    #[test]
    fn no_text_adds_a_header() {
        let mail = Mail {
            server: mail_server("smtp://mail.example.com", false).unwrap(),
            tls: MailTls::Required,
            login: None,
            from: "Alerts <alerts@example.com>",
            to: &["ann@example.com".to_owned()],
            subject: "a\r\nBcc: eve@example.com\r\n\r\nx ü".to_owned(),
            text: "one\n.\ntwo ü\r\n".to_owned(),
            at: 1_790_000_000_000,
            id: "<1@here>".to_owned(),
        };
        let (envelope, bytes) = mail.write().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(envelope.to().len(), 1);
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{text}");
        assert!(head.contains("Message-ID: <1@here>") && head.contains("Auto-Submitted: auto-generated"), "{text}");
        assert!(text.is_ascii(), "{text}");
    }
}
