//! Signed ID tokens, and a double of Google's signing key endpoint.
//!
//! The service uses it by `FIREBASE_CERTS_URL` ([`FirebaseDouble::certs_url`]) and
//! `FIREBASE_PROJECT_ID` ([`FirebaseDouble::PROJECT_ID`]).

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize, SigningKey as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::ReservedPort;

/// About the `max-age` of Google's certificates.
const MAX_AGE_S: u64 = 6 * 60 * 60;

/// An RSA key of 2048 bits with its certificate, as Google signs ID tokens with.
pub struct TestKey {
    kid: String,
    pair: KeyPair,
    certificate: String,
}

impl TestKey {
    /// One of three keys. Each is generated on first use, because that takes a noticeable part of a
    /// second.
    ///
    /// # Panics
    /// From the fourth on.
    pub fn nth(number: usize) -> &'static Self {
        static KEYS: [LazyLock<TestKey>; 3] = [
            LazyLock::new(|| TestKey::generate("1f88d3a07c6e")),
            LazyLock::new(|| TestKey::generate("2b6cf0e95d41")),
            LazyLock::new(|| TestKey::generate("3e07aa51c8f2")),
        ];
        &KEYS[number]
    }

    #[expect(clippy::expect_used, reason = "a test cannot continue without a key")]
    fn generate(kid: &str) -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("an RSA key");
        let params = CertificateParams::new([format!("{kid}.test")]).expect("parameters of a certificate");
        let certificate = params.self_signed(&pair).expect("a certificate").pem();
        Self { kid: kid.to_owned(), pair, certificate }
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The key's X.509 certificate in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The private key in PEM, to sign with in other ways.
    pub fn private_key(&self) -> String {
        self.pair.serialize_pem()
    }

    /// The header of a token of this key, as Firebase writes it.
    pub fn header(&self) -> Value {
        json!({"alg": "RS256", "kid": self.kid, "typ": "JWT"})
    }

    /// A token of exactly these bytes, well-formed or not, with a right RS256 signature.
    #[expect(clippy::expect_used, reason = "a test cannot continue without a signature")]
    pub fn sign(&self, header: &[u8], payload: &[u8]) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.pair.sign(signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The raw RS256 signature of any text.
    #[expect(clippy::expect_used, reason = "a test cannot continue without a signature")]
    pub fn signature(&self, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(text.as_bytes()).expect("a signature"))
    }
}

/// The claims of an ID token of the project, as Firebase writes them for a user who signed in a
/// minute ago with e-mail and password. Valid for an hour.
pub fn claims(project_id: &str, username: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    json!({
        "iss": format!("https://securetoken.google.com/{project_id}"),
        "aud": project_id,
        "auth_time": now - 60,
        "user_id": username,
        "sub": username,
        "iat": now - 60,
        "exp": now + 3540,
        "email": "someone@home.cern",
        "email_verified": false,
        "firebase": {"identities": {"email": ["someone@home.cern"]}, "sign_in_provider": "password"},
    })
}

/// A token as the Firebase Auth emulator makes it: `alg` is `none`, there is no `kid`, the
/// signature is empty.
pub fn unsigned_token(claims: &Value) -> String {
    let header = json!({"alg": "none", "typ": "JWT"}).to_string();
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// The double's answer to every request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Sends this text and closes the connection.
    Response(String),
    /// Closes the connection without a response.
    HangUp,
    /// Holds the request until another answer is set.
    Held,
}

impl Answer {
    /// The certificates of these keys, as Google answers.
    pub fn certificates(keys: &[&TestKey], max_age_s: u64) -> Self {
        let certificates = keys.iter().map(|key| (key.kid.clone(), key.certificate.clone().into()));
        let body = Value::Object(certificates.collect()).to_string();
        let cache_control = format!("public, max-age={max_age_s}, must-revalidate, no-transform");
        Self::response("200 OK", &[("Cache-Control", &cache_control)], &body)
    }

    /// Any other response. Ends with the connection unless a header says otherwise.
    pub fn response(status: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Self::Response(format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json; charset=UTF-8\r\nConnection: close\r\n{headers}\r\n{body}"
        ))
    }
}

/// A double of Firebase: signs ID tokens of the project [`Self::PROJECT_ID`] and serves the
/// certificate of the key on the loopback address. It can inject faults and be unreachable.
pub struct FirebaseDouble {
    port: ReservedPort,
    key: Mutex<&'static TestKey>,
    answer: watch::Sender<Answer>,
    requests: watch::Sender<u64>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl FirebaseDouble {
    /// The id of the project whose tokens it signs.
    pub const PROJECT_ID: &str = "mymonit-test";

    /// Starts with the first test key on its own port. Dropping the value stops it.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If there is no port to listen on.
    pub async fn start() -> anyhow::Result<Self> {
        let double = Self::unreachable()?;
        double.listen().await?;
        Ok(double)
    }

    /// As [`Self::start`], but refuses connections until [`Self::listen`].
    ///
    /// # Errors
    /// If there is no port to reserve.
    pub fn unreachable() -> anyhow::Result<Self> {
        let key = TestKey::nth(0);
        Ok(Self {
            port: ReservedPort::reserve()?,
            key: Mutex::new(key),
            answer: watch::Sender::new(Answer::certificates(&[key], MAX_AGE_S)),
            requests: watch::Sender::new(0),
            listening: Mutex::default(),
        })
    }

    /// Starts to accept connections.
    ///
    /// # Errors
    /// If the port cannot be listened on.
    pub async fn listen(&self) -> anyhow::Result<()> {
        let address = ("127.0.0.1", self.port.get());
        let listener = TcpListener::bind(address).await.context("cannot listen for the Firebase double")?;
        let task = tokio::spawn(serve(listener, self.answer.clone(), self.requests.clone()));
        self.swap_task(Some(task));
        Ok(())
    }

    /// Closes all connections and refuses new ones.
    pub async fn stop_listening(&self) {
        if let Some(task) = self.swap_task(None) {
            task.abort();
            // An aborted task always returns an error.
            let _ = task.await;
        }
    }

    fn swap_task(&self, task: Option<JoinHandle<()>>) -> Option<JoinHandle<()>> {
        std::mem::replace(&mut self.listening.lock().unwrap_or_else(PoisonError::into_inner), task)
    }

    /// The address of the certificates, for `FIREBASE_CERTS_URL`.
    pub fn certs_url(&self) -> String {
        format!("http://127.0.0.1:{}/robot/v1/metadata/x509/securetoken", self.port.get())
    }

    /// A token for `username`, valid for an hour.
    pub fn token_for(&self, username: &str) -> String {
        self.token_with(&Self::claims_for(username))
    }

    /// A token of exactly these claims, with a valid signature of the current key.
    pub fn token_with(&self, claims: &Value) -> String {
        let key = self.key();
        key.sign(key.header().to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// The claims that [`Self::token_for`] signs.
    pub fn claims_for(username: &str) -> Value {
        claims(Self::PROJECT_ID, username)
    }

    /// The key that signs now.
    pub fn key(&self) -> &'static TestKey {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs with `key` from now on, and serves only its certificate.
    pub fn rotate_to(&self, key: &'static TestKey) {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = key;
        self.answer_with(Answer::certificates(&[key], MAX_AGE_S));
    }

    /// Sets the answer, also for held requests.
    pub fn answer_with(&self, answer: Answer) {
        self.answer.send_replace(answer);
    }

    /// The number of requests so far.
    pub fn requests(&self) -> u64 {
        *self.requests.borrow()
    }

    /// Waits until the total number of requests reaches `times`.
    pub async fn requested(&self, times: u64) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.requests.subscribe().wait_for(|requests| *requests >= times).await;
    }
}

impl Drop for FirebaseDouble {
    fn drop(&mut self) {
        if let Some(task) = self.swap_task(None) {
            task.abort();
        }
    }
}

/// Accepts until the task is aborted, which also drops the connections.
async fn serve(listener: TcpListener, answer: watch::Sender<Answer>, requests: watch::Sender<u64>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(handle(stream, answer.subscribe(), requests.clone()));
    }
}

/// One request and its answer. The client sees any error.
async fn handle(
    mut stream: TcpStream,
    mut answers: watch::Receiver<Answer>,
    requests: watch::Sender<u64>,
) -> Option<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.ok()?);
    }
    requests.send_modify(|requests| *requests += 1);
    let answer = answers.wait_for(|answer| !matches!(answer, Answer::Held)).await.ok()?.clone();
    if let Answer::Response(text) = answer {
        stream.write_all(text.as_bytes()).await.ok()?;
        stream.shutdown().await.ok()?;
    }
    Some(())
}
