use anyhow::{Context, ensure};
use mymonit_test_support::wait_until;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::TIMEOUT;

/// A response with its complete body.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The JSON of the body, or null where there is no body.
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> anyhow::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).with_context(|| format!("{status}: {text}"))?
        };
        Ok(Self { status, headers, body })
    }

    /// The stable code of a problem document.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The detail of a problem document.
    pub(crate) fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// An HTTP client of the service.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: String,
    authorization: Option<String>,
}

impl Client {
    pub(crate) fn new(http: reqwest::Client, address: String, authorization: Option<String>) -> Self {
        Self { http, address, authorization }
    }

    /// A request builder with method, path and authorization.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.address));
        match &self.authorization {
            Some(authorization) => request.header("Authorization", authorization),
            None => request,
        }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let what = || format!("{method} {path}");
        let request = self.request(method.clone(), path);
        let request = if let Some(body) = body { request.json(body) } else { request };
        Answer::of(request.send().await.with_context(what)?).await.with_context(what)
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

    /// The body of a GET that must be answered with 200.
    pub(crate) async fn read(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.get(path).await?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
        Ok(answer.body)
    }

    /// The measures at that path, newest first.
    pub(crate) async fn measures(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        self.read(path).await?.as_array().cloned().context("an array of measures")
    }

    /// Polls the measures at that path until they are as expected.
    pub(crate) async fn measures_when(
        &self,
        path: &str,
        expected: impl Fn(&[Value]) -> bool,
    ) -> anyhow::Result<Vec<Value>> {
        wait_until("the measures are as expected", TIMEOUT, async || {
            let measures = self.measures(path).await.map_err(|error| format!("{error:#}"))?;
            if expected(&measures) { Ok(measures) } else { Err(brief(&measures)) }
        })
        .await
    }

    /// Adds a scientist with the username `uid-` and the id.
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

    /// Adds an experiment and returns its id.
    pub(crate) async fn add_experiment(&self, name: &str) -> anyhow::Result<u64> {
        let answer = self.post("/experiments/", json!({"name": name})).await?;
        ensure!(answer.status == 201, "{answer:?}");
        answer.body["experiment_id"].as_u64().context("an experiment's id")
    }

    /// Creates an API token of the client's user; returns its number and its secret.
    pub(crate) async fn add_api_token(&self, experiments: Option<&[u64]>) -> anyhow::Result<(u64, String)> {
        let body = json!({"name": "program", "experiments": experiments});
        let answer = self.post("/users/me/tokens/", body).await?;
        ensure!(answer.status == 201, "{answer:?}");
        let id = answer.body["token_id"].as_u64().context("a token's id")?;
        Ok((id, answer.body["secret"].as_str().context("a secret")?.to_owned()))
    }

    /// Associates a scientist with an experiment.
    pub(crate) async fn associate(&self, experiment_id: u64, user_id: &str) -> anyhow::Result<()> {
        let answer = self
            .send(Method::POST, &format!("/scientists-experiments/{experiment_id}/{user_id}"), None)
            .await?;
        ensure!(answer.status == 201, "{answer:?}");
        Ok(())
    }
}

/// The number of measures and the newest ones.
fn brief(measures: &[Value]) -> String {
    let newest = serde_json::to_string(&measures[..measures.len().min(3)]).unwrap_or_default();
    format!("{} measures, the first ones: {newest}", measures.len())
}

/// A user as it is sent and returned.
pub(crate) fn user(user_id: &str, role: &str) -> Value {
    json!({
        "user_id": user_id,
        "name": format!("Person {user_id}"),
        "username": format!("uid-{user_id}"),
        "email": format!("{user_id}@home.cern"),
        "role": role,
    })
}
