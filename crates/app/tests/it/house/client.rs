use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use mymonit_test_support::wait_until;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::SOON;

/// Less than what the service waits for a connection to its database, or the database for a lock, before it gives up.
pub(crate) const SERVICE_WAITS: Duration = Duration::from_secs(4);
/// How long the service waits for the request of a client that has connected, before it closes the connection.
const SERVICE_LISTENS: Duration = Duration::from_secs(10);
/// Within this time the service says that it takes too long, while a change may go on: who makes it again may meet what it has done.
const SERVICE_TAKES: Duration = Duration::from_secs(25);
/// How often in a row a client does as it is told and comes back: a minute long at the least.
const TIMES: usize = 15;

/// An answer, taken in whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The JSON of the body, or null where there is no body.
    pub(crate) body: Value,
}

impl Answer {
    /// Takes an answer in.
    pub(crate) async fn of(response: reqwest::Response) -> anyhow::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? };
        Ok(Self { status, headers, body })
    }

    /// The stable code of a problem document.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// What a problem document says.
    pub(crate) fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Somebody with `curl`, who comes back when told to: see [`Client::answer_to`].
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: String,
    authorization: Option<String>,
    comes_back: bool,
    /// How often it has come back, and its clones.
    came_back: Arc<AtomicUsize>,
}

impl Client {
    pub(crate) fn new(http: reqwest::Client, address: String, authorization: Option<String>) -> Self {
        Self { http, address, authorization, comes_back: true, came_back: Arc::default() }
    }

    /// The same client, if it makes each request once, whatever it is told.
    pub(crate) fn asking_once(&self) -> Self {
        Self { comes_back: false, ..self.clone() }
    }

    /// How often it has come back so far: where the machine stood still, and for no other reason.
    pub(crate) fn came_back(&self) -> usize {
        self.came_back.load(Ordering::Relaxed)
    }

    /// A request to be completed and sent by the caller.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.address));
        match &self.authorization {
            Some(authorization) => request.header("Authorization", authorization),
            None => request,
        }
    }

    /// Makes a request, and makes it again where the service has waited in vain and says when to come back: the database, or this
    /// machine, stood still for longer than a request waits. Nothing has been done then. Who is told to come back without having
    /// waited is not expected to. The same holds where this test stood still for so long, once it had connected, that the service has
    /// closed the connection.
    pub(crate) async fn answer_to(
        &self,
        mut request: impl FnMut() -> reqwest::RequestBuilder,
    ) -> anyhow::Result<reqwest::Response> {
        for _ in 0..TIMES {
            let asked = Instant::now();
            match request().send().await {
                Err(error) if error.is_request() && asked.elapsed() >= SERVICE_LISTENS => {}
                response => {
                    let response = response?;
                    let is_told_to_come_back =
                        response.status() == 503 && response.headers().contains_key("retry-after");
                    let has_waited = (SERVICE_WAITS..SERVICE_TAKES).contains(&asked.elapsed());
                    if !is_told_to_come_back || !has_waited {
                        return Ok(response);
                    }
                }
            }
            self.came_back.fetch_add(1, Ordering::Relaxed);
        }
        bail!("told to come back again and again, or hung up on, each time after a wait")
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let what = || format!("{method} {path}");
        let request = || {
            let request = self.request(method.clone(), path);
            if let Some(body) = body { request.json(body) } else { request }
        };
        if !self.comes_back {
            return Answer::of(request().send().await.with_context(what)?).await.with_context(what);
        }
        for _ in 0..TIMES {
            let begun = Instant::now();
            let response = self.answer_to(request).await.with_context(what)?;
            match Answer::of(response).await {
                // What was being read is broken off, where the service has waited in vain for the rest of it.
                Err(_) if method == Method::GET && begun.elapsed() >= SERVICE_WAITS => {
                    self.came_back.fetch_add(1, Ordering::Relaxed);
                }
                answer => return answer.with_context(what),
            }
        }
        bail!("{}: broken off again and again, each time after a wait", what())
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, Some(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> anyhow::Result<Answer> {
        self.send(Method::PUT, path, Some(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::DELETE, path, None).await
    }

    /// What a GET answers with 200.
    pub(crate) async fn read(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.get(path).await?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
        Ok(answer.body)
    }

    /// The measures at that path, newest first.
    pub(crate) async fn measures(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        self.read(path).await?.as_array().cloned().context("an array of measures")
    }

    /// Reads the measures at that path again and again until they are as expected.
    pub(crate) async fn measures_when(
        &self,
        path: &str,
        expected: impl Fn(&[Value]) -> bool,
    ) -> anyhow::Result<Vec<Value>> {
        wait_until("the measures are as expected", SOON, async || {
            let measures = self.measures(path).await.map_err(|error| format!("{error:#}"))?;
            if expected(&measures) { Ok(measures) } else { Err(brief(&measures)) }
        })
        .await
    }

    /// Adds a scientist of that id, whose username is `uid-` and the id; for administrators.
    pub(crate) async fn add_scientist(&self, user_id: &str) -> anyhow::Result<Value> {
        self.add(user(user_id, "SCIENTIST")).await
    }

    /// Adds an administrator, otherwise as [`Self::add_scientist`].
    pub(crate) async fn add_administrator(&self, user_id: &str) -> anyhow::Result<Value> {
        self.add(user(user_id, "ADMIN")).await
    }

    async fn add(&self, user: Value) -> anyhow::Result<Value> {
        let answer = self.post("/users/", user).await?;
        ensure!(answer.status == 201, "{answer:?}");
        Ok(answer.body)
    }

    /// Adds an experiment and gives its id; for administrators.
    pub(crate) async fn add_experiment(&self, name: &str) -> anyhow::Result<u64> {
        let answer = self.post("/experiments/", json!({"name": name})).await?;
        ensure!(answer.status == 201, "{answer:?}");
        answer.body["experiment_id"].as_u64().context("an experiment's id")
    }

    /// Associates a scientist with an experiment; for administrators.
    pub(crate) async fn associate(&self, experiment_id: u64, user_id: &str) -> anyhow::Result<()> {
        let answer = self
            .send(Method::POST, &format!("/scientists-experiments/{experiment_id}/{user_id}"), None)
            .await?;
        ensure!(answer.status == 201, "{answer:?}");
        Ok(())
    }
}

/// How many measures there are, and the newest ones.
fn brief(measures: &[Value]) -> String {
    let newest = serde_json::to_string(&measures[..measures.len().min(3)]).unwrap_or_default();
    format!("{} measures, the first ones: {newest}", measures.len())
}

/// A user of that id, as it is sent and as it is answered.
pub(crate) fn user(user_id: &str, role: &str) -> Value {
    json!({
        "user_id": user_id,
        "name": format!("Person {user_id}"),
        "username": format!("uid-{user_id}"),
        "email": format!("{user_id}@home.cern"),
        "role": role,
    })
}
