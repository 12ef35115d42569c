//! Puts canaries (unique texts, line breaks with forged log lines) into every input, and provokes
//! errors.
//!
//! None may appear in logs, metrics or answers to others, and no forged log line may exist.

use std::collections::BTreeSet;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use mymonit_test_support::{LogstashDouble, MySqlServer, Proxy, RabbitMq, Stream, wait_until};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::environment::{
    ADMIN, Client, Engine, SCIENTIST, STOP_LIMIT, Service, TIMEOUT, TestEnvironment, message, on_every_engine,
};

on_every_engine!(no_output_contains_secrets_or_forged_lines,);

/// Part of every canary, in any case. The rest names its place.
const CANARY: &str = "xcanaryx";
/// A line that the service would never write.
const FORGED: &str = "{\"@timestamp\":\"2026-01-01T00:00:00Z\",\"message\":\"xforgedx\"}";

fn canary(place: &str) -> String {
    format!("{CANARY}-{place}")
}

/// A canary followed by forged log lines, with several line ends.
fn forging(place: &str) -> String {
    format!("{CANARY}-{place}\r\n{FORGED}\n{FORGED}\u{2028}{FORGED}\u{85}{FORGED}\u{1b}[2K{FORGED}")
}

/// The text, percent-encoded for a path.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// The URLs of the service's environment, all of them with secrets.
struct Scene {
    environment: TestEnvironment,
    database: Option<Proxy>,
    broker: Proxy,
    logstash: LogstashDouble,
}

/// A database user whose password is a canary.
async fn database_with_secrets() -> (String, Proxy) {
    let server = MySqlServer::shared().await.unwrap();
    let url = server.create_database().await.unwrap();
    let database = url.rsplit_once('/').unwrap().1;
    let user = format!("xc{:08x}", rand::random::<u32>());
    let password = canary("database-password");
    let grant = format!(
        "CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'; GRANT ALL ON {database}.* TO '{user}'@'%'"
    );
    server.execute(&grant).await.unwrap();
    let proxy = Proxy::start(server.port()).await.unwrap();
    (format!("mysql://{user}:{password}@127.0.0.1:{}/{database}", proxy.port()), proxy)
}

/// A broker user whose name and password are canaries.
async fn broker_with_secrets() -> (String, Proxy) {
    let broker = RabbitMq::shared().await.unwrap();
    let url = broker.create_vhost().await.unwrap();
    let vhost = url.rsplit_once('/').unwrap().1;
    let user = format!("{}-{:08x}", canary("broker-user"), rand::random::<u32>());
    let password = canary("broker-password");
    broker.ctl(&["add_user", &user, &password]).await.unwrap();
    broker.ctl(&["set_permissions", "-p", vhost, &user, ".*", ".*", ".*"]).await.unwrap();
    let proxy = Proxy::start(broker.port()).await.unwrap();
    (format!("amqp://{user}:{password}@127.0.0.1:{}/{vhost}", proxy.port()), proxy)
}

impl Scene {
    async fn set(engine: Engine) -> Self {
        let (broker_url, broker) = broker_with_secrets().await;
        let (environment, database) = match engine {
            Engine::Sqlite => (TestEnvironment::with_broker(engine, broker_url).await.unwrap(), None),
            Engine::MySql => {
                let (database_url, proxy) = database_with_secrets().await;
                (TestEnvironment::with_mysql(database_url, broker_url).await.unwrap(), Some(proxy))
            }
        };
        Self { environment, database, broker, logstash: LogstashDouble::start().await.unwrap() }
    }

    /// The service with the most verbose log.
    async fn service(&self) -> Service {
        let service =
            self.environment.service().unwrap().env("LOG_LEVEL", "trace,lapin=trace,sqlx=trace,hyper=trace");
        let service = service.env("LOGSTASH_HOST", "127.0.0.1");
        service.env("LOGSTASH_PORT", &self.logstash.port().to_string()).ready().await.unwrap()
    }
}

async fn no_output_contains_secrets_or_forged_lines(engine: Engine) {
    let scene = Scene::set(engine).await;
    let service = scene.service().await;
    let mut to_others = Vec::new();

    let admin = scene.environment.client(&service, ADMIN);
    let owner = add_canary_user(&scene, &service, &admin).await;
    let secrets = use_api_tokens(&service, &owner).await;
    to_others.extend(ask_everywhere(&scene, &service, &owner).await);
    to_others.extend(send_raw(&service).await);
    publish_everything(&scene, &admin).await;
    break_everything(&scene, &service, &owner).await;

    // Responses contain the user's data unmasked: `***` is for logs.
    let user = admin.read("/users/C001").await.unwrap();
    assert!(user["email"].as_str().unwrap().contains(CANARY), "{user}");
    assert_eq!(owner.read("/users/me").await.unwrap(), user);
    let metrics = service.metrics().await.unwrap().text;
    assert_eq!(admin.delete("/users/C001").await.unwrap().status, 204);
    assert_eq!(service.process.terminate(STOP_LIMIT).await.unwrap().to_string(), "status 0");

    assert_clean("the metrics", &metrics);
    for answer in &to_others {
        assert_clean("an answer to another user", answer);
    }
    for secret in &secrets {
        let lines = service.process.lines();
        let mut texts = lines.iter().map(|line| &line.text).chain(&to_others).chain([&metrics]);
        assert!(!texts.any(|text| text.contains(secret)), "{secret}");
        assert!(!scene.logstash.lines().iter().any(|line| line.contains(secret)), "{secret}");
    }
    let lines = service.process.lines();
    assert!(lines.len() > 500, "{} lines", lines.len());
    for line in &lines {
        assert_clean("the console", &line.text);
        assert_eq!(line.stream, Stream::Stdout, "{line}");
        assert_genuine(&line.text);
    }
    let sent = scene.logstash.lines();
    assert!(sent.len() > 500, "{} lines", sent.len());
    for line in &sent {
        assert_clean("Logstash", line);
        assert_genuine(line);
    }
    // A last line cut off by the end of the service begins like a printed one.
    assert!(scene.logstash.fragments().len() <= 1, "{:#?}", scene.logstash.fragments());
    for fragment in scene.logstash.fragments() {
        assert!(lines.iter().any(|line| line.text.starts_with(&fragment)), "{fragment}");
    }
    // The log was on: its lines contain all provoked errors.
    let all = lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n");
    for said in
        ["authenticate", "authorize", "create-user", "\"error.code\":\"invalid_argument\"", "not consuming"]
    {
        assert!(all.contains(said), "{said}");
    }
    for level in ["trace", "debug"] {
        let level = format!("\"log.level\":\"{level}\"");
        let own = lines.iter().filter(|line| line.text.contains(&level));
        assert!(own.clone().all(|line| line.text.contains("\"log.logger\":\"mymonit")), "{level}");
        assert!(level.contains("trace") || own.count() > 0, "{level}");
    }
}

/// Contains neither a canary nor a forged line, in any case or encoding.
#[track_caller]
fn assert_clean(place: &str, text: &str) {
    let lower = text.to_lowercase();
    assert!(!lower.contains(CANARY), "in {place}: {text}");
    assert!(!lower.contains("xforgedx"), "in {place}: {text}");
    use base64::Engine as _;
    // The three base64 alignments of the bytes.
    for shift in ["", "a", "aa"] {
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{shift}{CANARY}"));
        let middle = &encoded[4..encoded.len() - 4];
        assert!(!text.contains(middle), "in base64, in {place}: {text}");
    }
}

/// Checks that it is one complete log line of the service.
#[track_caller]
fn assert_genuine(line: &str) {
    let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let event = event.as_object().unwrap();
    for name in
        ["@timestamp", "log.level", "message", "ecs.version", "service.name", "event.dataset", "log.logger"]
    {
        assert!(event[name].is_string(), "{name} of {line}");
    }
    // A duplicate key would be ambiguous.
    let keys = line.matches("\",\"").count();
    assert!(keys >= event.len() / 2, "{line}");
    assert!(!line.chars().any(char::is_control), "{line}");
}

/// Adds a scientist with canaries as data, with and without mistakes.
async fn add_canary_user(scene: &Scene, service: &Service, admin: &Client) -> Client {
    let user = json!({
        "user_id": "C001",
        "name": canary("name"),
        "username": canary("username"),
        "email": format!("{}@example.org", canary("email")),
        "role": "SCIENTIST",
    });
    assert_eq!(admin.post("/users/", user.clone()).await.unwrap().status, 201);
    // Again: each answer names the field and does not repeat its value.
    assert_eq!(admin.post("/users/", user.clone()).await.unwrap().status, 409);
    for field in ["user_id", "name", "username", "email", "role"] {
        for wrong in
            [json!(forging(field)), json!(format!("{CANARY}{}", "x".repeat(300))), json!({CANARY: CANARY})]
        {
            let mut wrong_user = user.clone();
            wrong_user["user_id"] = json!("C002");
            wrong_user["username"] = json!(canary("other"));
            wrong_user["email"] = json!(format!("{}@example.org", canary("other")));
            wrong_user[field] = wrong;
            let answer = admin.post("/users/", wrong_user.clone()).await.unwrap();
            assert_eq!(answer.status, 400, "{field}: {answer:?}");
            assert_eq!(admin.put("/users/C001", wrong_user).await.unwrap().status, 400);
        }
    }
    assert_eq!(admin.put("/users/C001", user).await.unwrap().status, 200);
    admin.associate(1, "C001").await.unwrap();
    scene.environment.client(service, &canary("username"))
}

/// Uses API tokens named by canaries, validly and invalidly; returns the random part of each
/// secret.
async fn use_api_tokens(service: &Service, owner: &Client) -> Vec<String> {
    let mut secrets = Vec::new();
    for experiments in [json!(null), json!([1])] {
        let body = json!({"name": canary("token"), "experiments": experiments});
        let created = owner.post("/users/me/tokens/", body).await.unwrap();
        assert_eq!(created.status, 201, "{created:?}");
        let secret = created.body["secret"].as_str().unwrap();
        let program = service.with_authorization(format!("Bearer {secret}"));
        assert_eq!(program.get("/measures/1?limit=3").await.unwrap().status, 200);
        assert_eq!(program.get("/experiments/99").await.unwrap().status, 404);
        assert_eq!(program.post("/users/me/tokens/", json!({"name": secret})).await.unwrap().status, 403);
        secrets.push(secret.strip_prefix("mymonit_").unwrap().to_owned());
    }
    for name in [json!(forging("token")), json!({CANARY: CANARY})] {
        let body = json!({"name": name, "expires_in_days": canary("days"), "experiments": [CANARY]});
        assert_eq!(owner.post("/users/me/tokens/", body).await.unwrap().status, 400);
    }
    let forger = service.with_authorization(format!("Bearer mymonit_{CANARY}"));
    assert_eq!(forger.get("/measures/1").await.unwrap().status, 401);
    secrets
}

/// Sends a request full of canaries and returns the answer as text.
async fn ask(client: &Client, method: Method, path: &str, body: Option<Vec<u8>>) -> String {
    let mut request = client.request(method, path);
    for name in
        ["user-agent", "referer", "cookie", "origin", "accept", "if-none-match", "x-forwarded-for", "range"]
    {
        request = request.header(name, canary(name));
    }
    for id in ["id with spaces", "{\"id\":1}"] {
        request = request.header("x-request-id", format!("{} {id}", canary("id")));
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body);
    }
    let answer = request.send().await.unwrap();
    let head = format!("{} {:?}", answer.status(), answer.headers());
    format!("{head}\n{}", answer.text().await.unwrap())
}

/// Calls every operation as every caller, with canaries in all inputs.
/// Returns the answers to callers that did not send the canary and may not see it.
async fn ask_everywhere(scene: &Scene, service: &Service, owner: &Client) -> Vec<String> {
    let document = service.anonymous().request(Method::GET, "/api.yaml").send().await.unwrap();
    let document: Value = yaml_serde::from_str(&document.text().await.unwrap()).unwrap();
    let admin = scene.environment.client(service, ADMIN);
    let peter = scene.environment.client(service, SCIENTIST);
    let forger =
        service.with_authorization(format!("Bearer {}.{}.{}", canary("h"), canary("p"), canary("s")));
    let basic = service.with_authorization(format!("Basic {}", canary("basic")));
    let stranger = scene.environment.client(service, &canary("stranger"));
    let wrong =
        [forging("body").into_bytes(), json!({"name": forging("name"), CANARY: 1}).to_string().into_bytes()];
    let mut seen = BTreeSet::new();
    let mut to_others = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|key| key.len() <= 6) {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            seen.insert((method.clone(), template.clone()));
            let mut path = template.clone();
            while let Some((before, rest)) = path.split_once('{') {
                path = format!("{before}{}{}", encoded(&forging("path")), rest.split_once('}').unwrap().1);
            }
            let query = format!("{path}?{}={}", encoded(&canary("parameter")), encoded(&forging("value")));
            let known = "from to type order limit cursor reason format window max_points";
            let all: Vec<_> =
                known.split(' ').map(|name| format!("{name}={}", encoded(&forging(name)))).collect();
            let all = format!("{path}?{}", all.join("&"));
            for client in [&admin, &peter, owner, &forger, &basic, &stranger, &service.anonymous()] {
                for path in [&path, &query, &all] {
                    // Errors may quote the client's own input.
                    ask(client, method.clone(), path, None).await;
                    for body in &wrong {
                        ask(client, method.clone(), path, Some(body.clone())).await;
                    }
                }
            }
            // Real ids of others, so that the services refuse, too.
            let real = template
                .replace("{experiment_id}", "1")
                .replace("{user_id}", "C001")
                .replace("{id}", "1")
                .replace("{token_id}", "1");
            if method == Method::GET {
                for client in [&peter, &stranger, &service.anonymous()] {
                    let answer = client.request(method.clone(), &real).send().await.unwrap();
                    to_others.push(format!("{:?}{}", answer.headers().clone(), answer.text().await.unwrap()));
                }
            }
        }
    }
    assert!(seen.len() >= 20, "{seen:?}");
    to_others
}

/// Requests that no HTTP library would send.
async fn send_raw(service: &Service) -> Vec<String> {
    let forged = FORGED.replace('\n', "");
    let mut answers = Vec::new();
    for request in [
        format!("GET /users/me HTTP/1.1\r\nHost: {CANARY}\r\nX-Request-Id: a\r\n {forged}\r\n\r\n"),
        format!("GET /{CANARY}\u{b}{forged} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("{CANARY} /users/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
        format!("GET /users/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {CANARY}\u{1}\r\n\r\n"),
        format!("{CANARY}\r\n{forged}\r\n\r\n"),
        format!("GET http://{CANARY}:x@host/ HTTP/1.1\r\nHost: {CANARY}\r\n\r\n"),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answers.push(String::from_utf8_lossy(&answer).into_owned());
    }
    answers
}

/// Messages with a canary in every field, property and header, one at a time.
async fn publish_everything(scene: &Scene, admin: &Client) {
    let adapter = scene.environment.adapter().await.unwrap();
    let good = json!({"experiment": "device-vibrations", "measure": "hertz", "value": 1.0, "timestamp": 1});
    let mut bodies =
        vec![forging("body").into_bytes(), vec![0xff, 0xfe], json!([good, CANARY]).to_string().into()];
    for field in ["experiment", "measure", "value", "timestamp"] {
        for wrong in
            [json!(canary(field)), json!(forging(field)), json!([forging(field)]), json!({CANARY: 1})]
        {
            let mut message = good.clone();
            message[field] = wrong;
            bodies.push(message.to_string().into());
        }
    }
    let mut headers = FieldTable::default();
    headers.insert(canary("header").into(), AMQPValue::LongString(forging("header").into()));
    let text = |place: &str| ShortString::from(forging(place).chars().take(60).collect::<String>());
    let properties = BasicProperties::default()
        .with_content_type(text("content-type"))
        .with_content_encoding(text("content-encoding"))
        .with_correlation_id(text("correlation-id"))
        .with_reply_to(text("reply-to"))
        .with_message_id(text("message-id"))
        .with_type(text("type"))
        .with_app_id(text("app-id"))
        .with_cluster_id(text("cluster-id"))
        .with_headers(headers);
    let rejected = bodies.len();
    let all = bodies.into_iter().enumerate().map(|(number, body)| {
        let id = ShortString::from(format!("{}-{number}", canary("message")));
        (body, properties.clone().with_message_id(id))
    });
    adapter.publish_with(all).await.unwrap();
    adapter.publish_with([(good.to_string().into(), properties)]).await.unwrap();
    wait_until("all are rejected", TIMEOUT, async || {
        let list = admin.read("/rejected-messages/").await.map_err(|error| error.to_string())?;
        match list.as_array().unwrap().len() {
            kept if kept == rejected => Ok(()),
            kept => Err(format!("{kept} of {rejected}")),
        }
    })
    .await
    .unwrap();
    // Read, replayed without success, and discarded.
    assert!(admin.read("/rejected-messages/1").await.unwrap().to_string().contains(CANARY));
    assert_eq!(admin.post("/rejected-messages/1/replay", json!(null)).await.unwrap().status, 200);
    assert_eq!(admin.post("/rejected-messages/replay", json!(null)).await.unwrap().status, 200);
    assert_eq!(admin.delete("/rejected-messages/1").await.unwrap().status, 204);
}

/// Breaks database, broker and signing keys while requests and messages are in progress.
async fn break_everything(scene: &Scene, service: &Service, owner: &Client) {
    scene.broker.refuse().await;
    scene.broker.cut().await;
    service.wait_until_part("consumer", false).await.unwrap();
    if let Some(database) = &scene.database {
        database.refuse().await;
        database.cut().await;
        service.wait_until_part("database", false).await.unwrap();
        let admin = scene.environment.client(service, ADMIN);
        for client in [owner, &admin] {
            assert_eq!(client.get("/users/C001").await.unwrap().status, 503);
        }
        database.resume().await.unwrap();
    }
    scene.broker.resume().await.unwrap();
    service.wait_until_ready().await.unwrap();
    let adapter = scene.environment.adapter().await.unwrap();
    adapter.publish(&message("device-vibrations", "hertz", 7.0, 1_700_000_000), None).await.unwrap();
    let owner = scene.environment.client(service, &canary("username"));
    owner.measures_when("/measures/1", |measures| measures[0]["value"] == 7.0).await.unwrap();
}

#[tokio::test]
async fn wrong_credentials_are_reported_without_them() {
    let broker = RabbitMq::shared().await.unwrap().create_vhost().await.unwrap();
    let broker_port = RabbitMq::shared().await.unwrap().port();
    let database_port = MySqlServer::shared().await.unwrap().port();
    let secret = canary("password");
    // A known user without access to the virtual host; the broker's error contains the name.
    let user = format!("{}-{:08x}", canary("broker-user"), rand::random::<u32>());
    RabbitMq::shared().await.unwrap().ctl(&["add_user", &user, &secret]).await.unwrap();
    let not_allowed = format!("amqp://{user}:{secret}@127.0.0.1:{broker_port}/");
    for (name, value) in [
        ("DATABASE_URL", format!("mysql://{secret}:{secret}@127.0.0.1:{database_port}/{CANARY}")),
        ("DATABASE_URL", format!("mysql://{secret}:{secret}@127.0.0.1:1/{CANARY}?ssl-mode=REQUIRED")),
        ("DATABASE_URL", format!("mysql://{secret}:{secret}@{CANARY}.invalid/{CANARY}")),
        ("DATABASE_URL", format!("mysql://{secret}:{secret}@127.0.0.1:notaport/x")),
        // The path of a certificate is not secret, and is named.
        ("DATABASE_URL", format!("mysql://{secret}:{secret}@127.0.0.1/x?ssl-ca=/nowhere")),
        ("RABBIT_URL", format!("amqp://{secret}:{secret}@127.0.0.1:{broker_port}/")),
        ("RABBIT_URL", not_allowed),
        ("RABBIT_URL", format!("amqp://{secret}:{secret}@127.0.0.1:notaport/x")),
        ("RABBIT_URL", format!("amqp://{secret}:{secret}@127.0.0.1:1/?heartbeat=x")),
    ] {
        let environment = TestEnvironment::with_broker(Engine::Sqlite, broker.clone()).await.unwrap();
        let service = environment.service().unwrap().env(name, &value).env("LOG_LEVEL", "trace");
        let service = service.start().await.unwrap();
        // Either it refuses to start, or it logs that it waits.
        let waits = async {
            let lines = ["the database is not ready", "not consuming"];
            tokio::select! {
                line = service.process.wait_for_line(lines[0], TIMEOUT) => line.map(drop),
                line = service.process.wait_for_line(lines[1], TIMEOUT) => line.map(drop),
            }
        };
        let ends = service.process.wait_for_exit(TIMEOUT);
        tokio::select! {
            biased;
            ended = ends => assert!(!ended.unwrap().success()),
            said = waits => said.unwrap(),
        }
        for line in service.process.lines() {
            let shown = line.text.replace(&format!("{CANARY}.invalid"), "");
            assert_clean(&value, &shown);
        }
    }
}
