use anyhow::Context;
use mymonit_test_support::{Stream, wait_until};
use reqwest::Method;
use serde_json::Value;

use super::{Answer, Client, Service, TIMEOUT};

/// Reads the audit events of a service, and makes requests with known ids.
pub(crate) struct AuditTrail<'a> {
    service: &'a Service,
    requests: u32,
}

impl<'a> AuditTrail<'a> {
    pub(crate) fn of(service: &'a Service) -> Self {
        Self { service, requests: 0 }
    }

    /// All audit events so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        let lines = self.service.process.lines();
        let printed = lines.iter().filter(|line| line.stream == Stream::Stdout);
        let events = printed.map(|line| serde_json::from_str::<Value>(&line.text).unwrap());
        events.filter(|event| event["event.dataset"] == "mymonit.audit").collect()
    }

    /// Waits for the given number of events of a request.
    pub(crate) async fn of_request(&self, id: &str, number: usize) -> anyhow::Result<Vec<Value>> {
        // The line of the request itself is written last.
        let is_over =
            |line: &str| line.contains(id) && line.contains("mymonit_rest_listener::middleware::request_log");
        wait_until("the audit events of a request", TIMEOUT, async || {
            if !self.service.process.lines().iter().any(|line| is_over(&line.text)) {
                return Err("the request is not over".to_owned());
            }
            let mut events = self.events();
            events.retain(|event| event["http.request.id"] == id);
            if events.len() == number { Ok(events) } else { Err(format!("{events:#?}")) }
        })
        .await
    }

    /// The id of the next request.
    pub(crate) fn next_id(&mut self) -> String {
        self.requests += 1;
        format!("request-{}-of-this-test", self.requests)
    }

    /// Makes a request; returns its answer and its one audit event.
    pub(crate) async fn follow(
        &mut self,
        client: &Client,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(Answer, Value)> {
        let (answer, mut events) = self.request(client, method, path, body, 1).await?;
        Ok((answer, events.remove(0)))
    }

    /// Makes a request that must cause no audit event.
    pub(crate) async fn untold(&mut self, client: &Client, path: &str) -> anyhow::Result<Answer> {
        Ok(self.request(client, Method::GET, path, None, 0).await?.0)
    }

    async fn request(
        &mut self,
        client: &Client,
        method: Method,
        path: &str,
        body: Option<Value>,
        events: usize,
    ) -> anyhow::Result<(Answer, Vec<Value>)> {
        let id = self.next_id();
        let request = client.request(method.clone(), path).header("x-request-id", &id);
        let request = if let Some(body) = &body { request.json(body) } else { request };
        let answer = Answer::of(request.send().await?).await?;
        let events = self.of_request(&id, events).await;
        let events = events.with_context(|| format!("{method} {path}: {answer:?}"))?;
        Ok((answer, events))
    }
}
