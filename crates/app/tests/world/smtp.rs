//! A mail server that does what it is told, right or wrong, over real sockets.
#![allow(unreachable_pub, reason = "a module of a test file")]

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a connection is treated.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// As it should be.
    Good,
    /// As it should be, and slowly.
    Slow,
    /// Closed without a word.
    Shut,
    /// This command gets this answer; `END` is the end of the message, `HELLO` the greeting.
    Says(&'static str, &'static str),
    /// Closed when this command has come.
    Drops(&'static str),
}

/// A mail that was taken.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub text: String,
}

/// A mail server. It listens for as long as the test runs.
pub struct Smtp {
    pub port: u16,
    taken: Arc<Mutex<Vec<Mail>>>,
    said: Arc<Mutex<Vec<String>>>,
}

/// Whether and when it speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    Never,
    Offered,
    FromTheStart,
}

impl Smtp {
    /// The first connection is treated in the first manner and so on, those after the last one as that.
    pub fn start(manners: &[Manner], tls: Tls) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { port: listener.local_addr().unwrap().port(), taken: Arc::default(), said: Arc::default() };
        let (taken, said, manners) = (server.taken.clone(), server.said.clone(), manners.to_vec());
        std::thread::spawn(move || {
            for (number, socket) in listener.incoming().enumerate() {
                let manner = manners[number.min(manners.len() - 1)];
                let (taken, said) = (taken.clone(), said.clone());
                // A client that goes away ends its connection, not the server.
                std::thread::spawn(move || drop(serve(socket.unwrap(), manner, tls, &taken, &said)));
            }
        });
        server
    }

    /// Mails that were taken.
    pub fn taken(&self) -> Vec<Mail> {
        self.taken.lock().unwrap().clone()
    }

    /// Commands that came, of all connections.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

/// A certificate of the tests.
pub fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn config() -> Arc<ServerConfig> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::from_pem_file(certificate("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificate("server-key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(vec![chain], key).unwrap())
}

trait Both: Read + Write + Send {}
impl<T: Read + Write + Send> Both for T {}

fn wrapped(socket: TcpStream) -> Box<dyn Both> {
    Box::new(StreamOwned::new(ServerConnection::new(config()).unwrap(), socket))
}

fn serve(
    socket: TcpStream,
    manner: Manner,
    tls: Tls,
    taken: &Mutex<Vec<Mail>>,
    said: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    if matches!(manner, Manner::Shut) {
        return Ok(());
    }
    let plain = socket.try_clone()?;
    let stream: Box<dyn Both> = if tls == Tls::FromTheStart { wrapped(socket) } else { Box::new(socket) };
    let mut stream = BufReader::new(stream);
    let mut mail = Mail::default();
    let answer = |stream: &mut BufReader<Box<dyn Both>>, command: &str, usual: &str| -> std::io::Result<bool> {
        if matches!(manner, Manner::Slow) {
            std::thread::sleep(Duration::from_millis(200));
        }
        let text = match manner {
            Manner::Drops(at) if at == command => return Ok(false),
            Manner::Says(at, text) if at == command => text,
            _ => usual,
        };
        stream.get_mut().write_all(format!("{text}\r\n").as_bytes())?;
        stream.get_mut().flush()?;
        Ok(true)
    };
    if !answer(&mut stream, "HELLO", "220 test ESMTP")? {
        return Ok(());
    }
    let mut line = String::new();
    let mut is_wrapped = tls == Tls::FromTheStart;
    while {
        line.clear();
        stream.read_line(&mut line)? > 0
    } {
        let text = line.trim_end().to_owned();
        said.lock().unwrap().push(text.clone());
        let command = text.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let argument = text.split_once(':').map(|(_, rest)| rest.trim().to_owned()).unwrap_or_default();
        let usual = match command.as_str() {
            "EHLO" if tls == Tls::Offered && !is_wrapped => "250-test\r\n250-STARTTLS\r\n250 SIZE",
            "EHLO" => "250-test\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE",
            "AUTH" => "235 welcome",
            "STARTTLS" => "220 go on",
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        match command.as_str() {
            "MAIL" => mail = Mail { from: argument, ..Mail::default() },
            "RCPT" => mail.to.push(argument),
            _ => {}
        }
        if !answer(&mut stream, &command, usual)? || command == "QUIT" {
            return Ok(());
        }
        if command == "STARTTLS" {
            (stream, is_wrapped) = (BufReader::new(wrapped(plain.try_clone()?)), true);
        }
        if command == "DATA" && !matches!(manner, Manner::Says("DATA", _)) {
            while {
                line.clear();
                stream.read_line(&mut line)? > 0
            } && line != ".\r\n"
            {
                mail.text.push_str(&line);
            }
            if matches!(manner, Manner::Says("END", _)) {
                answer(&mut stream, "END", "")?;
                continue;
            }
            taken.lock().unwrap().push(mail.clone());
            if !answer(&mut stream, "END", "250 taken")? {
                return Ok(());
            }
        }
    }
    Ok(())
}
