//! The role matrix: every route with every kind of caller, on the running service.
//!
//! A refused call must change nothing; an allowed write must change something.

use mymonit_test_support::wait_until;
use reqwest::Method;
use serde_json::{Value, json};

use crate::environment::{
    ADMIN, Answer, Client, Engine, OTHER_SCIENTIST, SCIENTIST, Service, TIMEOUT, TestEnvironment, message,
    on_every_engine, user,
};

on_every_engine!(
    every_route_answers_every_kind_of_caller_as_the_role_matrix_says,
    lists_hold_what_the_caller_may_see_and_nothing_else,
    resources_of_others_look_absent,
    forbidden_experiments_look_absent_to_scientists,
    the_last_administrator_cannot_be_erased,
);

/// The caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    NoToken,
    BrokenToken,
    UnknownUser,
    ErasedUser,
    /// The scientist of the row: owner of the record, associated with the experiment.
    Scientist,
    /// Another scientist, with their own experiment.
    OtherScientist,
    Administrator,
    /// A program with an API token of the scientist.
    Token,
    /// The same, restricted to the experiment of the row.
    RestrictedToken,
}

impl Caller {
    const ALL: [Self; 9] = [
        Self::NoToken,
        Self::BrokenToken,
        Self::UnknownUser,
        Self::ErasedUser,
        Self::Scientist,
        Self::OtherScientist,
        Self::Administrator,
        Self::Token,
        Self::RestrictedToken,
    ];
}

/// The sensor of a scene.
const SENSOR: &str = "left";

/// A method on a path, and the expected status for each kind of caller, in the order of
/// [`Caller::ALL`]. The status for API tokens is derived from the scientist's.
struct Row {
    method: Method,
    /// `{scientist}`, `{experiment}` and so on are replaced by values of the scene.
    path: &'static str,
    body: Option<Value>,
    expected: [u16; 7],
}

impl Row {
    /// The status that each kind of caller gets.
    fn cells(&self) -> impl Iterator<Item = (Caller, u16)> + use<> {
        let scientist = self.expected[4];
        let is_about_tokens = self.path.contains("/tokens/");
        let token = if self.method != Method::GET || is_about_tokens { 403 } else { scientist };
        let restricted = match self.path {
            "/users/me" | "/measure-types/" | "/experiments/" => token,
            path if path.starts_with("/experiments/") || path.starts_with("/measures/") => token,
            _ => 403,
        };
        Caller::ALL.into_iter().zip(self.expected.into_iter().chain([token, restricted]))
    }
}

const fn row(method: Method, path: &'static str, expected: [u16; 7]) -> Row {
    Row { method, path, body: None, expected }
}

fn row_with(method: Method, path: &'static str, body: Value, expected: [u16; 7]) -> Row {
    Row { method, path, body: Some(body), expected }
}

/// Every method on every path that requires a token.
///
/// | no token | broken token | unknown user | erased user | scientist | other scientist | admin |
fn matrix() -> Vec<Row> {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PUT: Method = Method::PUT;
    const DELETE: Method = Method::DELETE;
    let new_user = user("{fresh}", "SCIENTIST");
    let new_administrator = user("{fresh}", "ADMIN");
    let mut renamed = user("{scientist}", "SCIENTIST");
    renamed["name"] = json!("Another Name");
    let mut other_username = renamed.clone();
    other_username["username"] = json!("{fresh}");
    let mut other_role = renamed.clone();
    other_role["role"] = json!("ADMIN");
    let mut absent = renamed.clone();
    absent["user_id"] = json!("{absent}");
    let mut administrator = user("{administrator}", "ADMIN");
    administrator["name"] = json!("Another Name");
    let name = || json!({"name": "{fresh}"});
    let other_set = || json!({"user_ids": ["{other}"]});
    let kind = |name| json!({"name": name, "symbol": "{fresh}", "quantity": "any"});
    let binding = json!({"experiments": [1]});
    let sensor = |name| json!({"name": name, "description": "{fresh}"});
    let flag = || json!({"from": 0, "to": 1, "reason": "{fresh}"});
    vec![
        row(GET, "/users/", [401, 401, 403, 403, 403, 403, 200]),
        row_with(POST, "/users/", new_user, [401, 401, 403, 403, 403, 403, 201]),
        row_with(POST, "/users/", new_administrator, [401, 401, 403, 403, 403, 403, 201]),
        row(GET, "/users/me", [401, 401, 403, 403, 200, 200, 200]),
        row(GET, "/users/{scientist}", [401, 401, 403, 403, 200, 403, 200]),
        row_with(PUT, "/users/{scientist}", renamed, [401, 401, 403, 403, 200, 403, 200]),
        // Scientists cannot change their own username or role; no caller can change a role.
        row_with(PUT, "/users/{scientist}", other_username, [401, 401, 403, 403, 403, 403, 200]),
        row_with(PUT, "/users/{scientist}", other_role, [401, 401, 403, 403, 400, 403, 400]),
        row(DELETE, "/users/{scientist}", [401, 401, 403, 403, 204, 403, 204]),
        // A scientist cannot find out whether another user's id exists.
        row(GET, "/users/{absent}", [401, 401, 403, 403, 403, 403, 404]),
        row_with(PUT, "/users/{absent}", absent, [401, 401, 403, 403, 403, 403, 404]),
        row(DELETE, "/users/{absent}", [401, 401, 403, 403, 403, 403, 404]),
        row(GET, "/users/{administrator}", [401, 401, 403, 403, 403, 403, 200]),
        row_with(PUT, "/users/{administrator}", administrator, [401, 401, 403, 403, 403, 403, 200]),
        row(DELETE, "/users/{administrator}", [401, 401, 403, 403, 403, 403, 204]),
        row(GET, "/users/{scientist}/experiments", [401, 401, 403, 403, 200, 403, 200]),
        row(GET, "/users/{absent}/experiments", [401, 401, 403, 403, 403, 403, 404]),
        row(GET, "/users/me/tokens/", [401, 401, 403, 403, 200, 200, 200]),
        row_with(POST, "/users/me/tokens/", name(), [401, 401, 403, 403, 201, 201, 201]),
        row(DELETE, "/users/me/tokens/{token}", [401, 401, 403, 403, 204, 404, 404]),
        row(DELETE, "/users/me/tokens/4294967295", [401, 401, 403, 403, 404, 404, 404]),
        row(GET, "/users/{scientist}/tokens/", [401, 401, 403, 403, 403, 403, 200]),
        row(GET, "/users/{absent}/tokens/", [401, 401, 403, 403, 403, 403, 404]),
        row(DELETE, "/users/{scientist}/tokens/{token}", [401, 401, 403, 403, 403, 403, 204]),
        row(DELETE, "/users/{scientist}/tokens/4294967295", [401, 401, 403, 403, 403, 403, 404]),
        row(DELETE, "/users/{absent}/tokens/{token}", [401, 401, 403, 403, 403, 403, 404]),
        row(GET, "/experiments/", [401, 401, 403, 403, 200, 200, 200]),
        row_with(POST, "/experiments/", name(), [401, 401, 403, 403, 403, 403, 201]),
        row(GET, "/experiments/{experiment}", [401, 401, 403, 403, 200, 404, 200]),
        row_with(PUT, "/experiments/{experiment}", name(), [401, 401, 403, 403, 403, 403, 200]),
        row(GET, "/experiments/4294967295", [401, 401, 403, 403, 404, 404, 404]),
        row_with(PUT, "/experiments/4294967295", name(), [401, 401, 403, 403, 403, 403, 404]),
        row(GET, "/scientists-experiments/", [401, 401, 403, 403, 403, 403, 200]),
        row(GET, "/scientists-experiments/{experiment}", [401, 401, 403, 403, 403, 403, 200]),
        row(GET, "/scientists-experiments/4294967295", [401, 401, 403, 403, 403, 403, 404]),
        row_with(
            PUT,
            "/scientists-experiments/{experiment}",
            other_set(),
            [401, 401, 403, 403, 403, 403, 200],
        ),
        row_with(PUT, "/scientists-experiments/4294967295", other_set(), [401, 401, 403, 403, 403, 403, 404]),
        row(POST, "/scientists-experiments/{experiment}/{other}", [401, 401, 403, 403, 403, 403, 201]),
        row(DELETE, "/scientists-experiments/{experiment}/{scientist}", [401, 401, 403, 403, 403, 403, 204]),
        row(DELETE, "/scientists-experiments/{experiment}/{other}", [401, 401, 403, 403, 403, 403, 404]),
        row(GET, "/measures/{experiment}", [401, 401, 403, 403, 200, 404, 403]),
        row(GET, "/measures/4294967295", [401, 401, 403, 403, 404, 404, 403]),
        row(GET, "/experiments/{experiment}/series", [401, 401, 403, 403, 200, 404, 403]),
        row(GET, "/experiments/4294967295/series", [401, 401, 403, 403, 404, 404, 403]),
        row(GET, "/experiments/{experiment}/sensors/", [401, 401, 403, 403, 200, 404, 200]),
        row(GET, "/experiments/4294967295/sensors/", [401, 401, 403, 403, 404, 404, 404]),
        row_with(
            PUT,
            "/experiments/{experiment}/sensors/{sensor}",
            sensor("{sensor}"),
            [401, 401, 403, 403, 403, 403, 200],
        ),
        row_with(
            PUT,
            "/experiments/{experiment}/sensors/{sensor}",
            sensor("x"),
            [401, 401, 403, 403, 403, 403, 400],
        ),
        row_with(
            PUT,
            "/experiments/{experiment}/sensors/{absent}",
            sensor("{absent}"),
            [401, 401, 403, 403, 403, 403, 404],
        ),
        row(GET, "/experiments/{experiment}/flags/", [401, 401, 403, 403, 200, 404, 403]),
        row(GET, "/experiments/4294967295/flags/", [401, 401, 403, 403, 404, 404, 403]),
        row_with(POST, "/experiments/{experiment}/flags/", flag(), [401, 401, 403, 403, 201, 404, 403]),
        row_with(POST, "/experiments/4294967295/flags/", flag(), [401, 401, 403, 403, 404, 404, 403]),
        row(DELETE, "/experiments/{experiment}/flags/{flag}", [401, 401, 403, 403, 204, 404, 403]),
        row(DELETE, "/experiments/{experiment}/flags/4294967295", [401, 401, 403, 403, 404, 404, 403]),
        row(GET, "/measure-types/", [401, 401, 403, 403, 200, 200, 200]),
        row_with(POST, "/measure-types/", kind("{fresh}"), [401, 401, 403, 403, 403, 403, 201]),
        row_with(PUT, "/measure-types/1", kind("hertz"), [401, 401, 403, 403, 403, 403, 200]),
        row_with(PUT, "/measure-types/65535", kind("hertz"), [401, 401, 403, 403, 403, 403, 404]),
        row(GET, "/publishers/", [401, 401, 403, 403, 403, 403, 200]),
        row(GET, "/publishers/{publisher}", [401, 401, 403, 403, 403, 403, 200]),
        row_with(PUT, "/publishers/{fresh}", binding.clone(), [401, 401, 403, 403, 403, 403, 200]),
        row_with(PUT, "/publishers/{publisher}", binding, [401, 401, 403, 403, 403, 403, 200]),
        row(DELETE, "/publishers/{publisher}", [401, 401, 403, 403, 403, 403, 204]),
        row(GET, "/publishers/{absent}", [401, 401, 403, 403, 403, 403, 404]),
        row(DELETE, "/publishers/{absent}", [401, 401, 403, 403, 403, 403, 404]),
        row(GET, "/rejected-messages/", [401, 401, 403, 403, 403, 403, 200]),
        row(GET, "/rejected-messages/{rejected}", [401, 401, 403, 403, 403, 403, 200]),
        row(POST, "/rejected-messages/{rejected}/replay", [401, 401, 403, 403, 403, 403, 200]),
        row(POST, "/rejected-messages/replay", [401, 401, 403, 403, 403, 403, 200]),
        row(POST, "/rejected-messages/discard?from=0", [401, 401, 403, 403, 403, 403, 200]),
        row(POST, "/rejected-messages/discard", [401, 401, 403, 403, 403, 403, 400]),
        row(DELETE, "/rejected-messages/{rejected}", [401, 401, 403, 403, 403, 403, 204]),
        row(GET, "/rejected-messages/4294967295", [401, 401, 403, 403, 403, 403, 404]),
        row(POST, "/rejected-messages/4294967295/replay", [401, 401, 403, 403, 403, 403, 404]),
        row(DELETE, "/rejected-messages/4294967295", [401, 401, 403, 403, 403, 403, 404]),
    ]
}

/// The stable error code of a status; none for success.
fn code_of(status: u16) -> &'static str {
    match status {
        400 => "invalid_argument",
        401 => "unauthenticated",
        403 => "forbidden",
        404 => "not_found",
        _ => "",
    }
}

/// A running service and its callers.
struct Stage<'a> {
    environment: &'a TestEnvironment,
    service: &'a Service,
    administrator: Client,
}

/// The users and resources of a row, made for it and consumed by an allowed write.
struct Scene {
    number: u32,
    experiment: u64,
    /// A rejected message that can be stored now; `None` if the row needs none.
    rejected: Option<u64>,
    /// The number and the secret of an API token of the scientist, and the secret of a restricted
    /// one.
    tokens: (u64, String, String),
    /// A flag of the experiment.
    flag: u64,
}

impl Scene {
    fn id(&self, letter: char) -> String {
        format!("{letter}{:05}", self.number)
    }

    /// Puts the scene's names into a path or a body.
    fn fill(&self, text: &str) -> String {
        text.replace("{scientist}", &self.id('S'))
            .replace("{other}", &self.id('T'))
            .replace("{administrator}", &self.id('A'))
            .replace("{publisher}", &self.id('P'))
            .replace("{absent}", &self.id('N'))
            .replace("{fresh}", &self.id('F'))
            .replace("{token}", &self.tokens.0.to_string())
            .replace("{sensor}", SENSOR)
            .replace("{flag}", &self.flag.to_string())
            .replace("{experiment}", &self.experiment.to_string())
            .replace("{rejected}", &self.rejected.unwrap_or_default().to_string())
    }
}

impl Stage<'_> {
    async fn scene(&self, number: u32, with_rejected: bool) -> Scene {
        let mut scene = Scene { number, experiment: 0, rejected: None, tokens: Default::default(), flag: 0 };
        let administrator = &self.administrator;
        administrator.add_scientist(&scene.id('S')).await.unwrap();
        administrator.add_scientist(&scene.id('T')).await.unwrap();
        administrator.add_administrator(&scene.id('A')).await.unwrap();
        scene.experiment = administrator.add_experiment(&format!("experiment {number}")).await.unwrap();
        let others = administrator.add_experiment(&format!("other experiment {number}")).await.unwrap();
        administrator.associate(scene.experiment, &scene.id('S')).await.unwrap();
        administrator.associate(others, &scene.id('T')).await.unwrap();
        let scientist = self.caller(Caller::Scientist, &scene);
        let (id, secret) = scientist.add_api_token(None).await.unwrap();
        let (_, restricted) = scientist.add_api_token(Some(&[scene.experiment])).await.unwrap();
        scene.tokens = (id, secret, restricted);
        let flags = format!("/experiments/{}/flags/", scene.experiment);
        let flag = scientist.post(&flags, json!({"from": 0, "to": 1, "reason": "x"})).await.unwrap();
        scene.flag = flag.body["flag_id"].as_u64().unwrap();
        let publisher = format!("/publishers/{}", scene.id('P'));
        administrator.put(&publisher, json!({"experiments": null})).await.unwrap();
        if with_rejected {
            scene.rejected = Some(self.rejected_message(number).await);
        }
        scene
    }

    /// Publishes a message before its experiment is added, so that it is rejected but can be
    /// replayed.
    async fn rejected_message(&self, number: u32) -> u64 {
        let experiment = format!("late experiment {number}");
        let adapter = self.environment.adapter().await.unwrap();
        adapter.publish(&message(&experiment, "hertz", 1.0, 1), None).await.unwrap();
        let rejected = wait_until("the message is rejected", TIMEOUT, async || {
            let list = self.administrator.read("/rejected-messages/").await;
            let list = list.map_err(|error| format!("{error:#}"))?;
            let is_new = |message: &&Value| message["detail"].as_str().unwrap().contains(&experiment);
            list.as_array().unwrap().iter().find(is_new).cloned().ok_or_else(|| list.to_string())
        });
        let id = rejected.await.unwrap()["id"].as_u64().unwrap();
        self.administrator.add_experiment(&experiment).await.unwrap();
        id
    }

    /// Publishes the first measure of a sensor.
    async fn add_sensor(&self, scene: &Scene) {
        let adapter = self.environment.adapter().await.unwrap();
        let body = json!({
            "experiment": format!("experiment {}", scene.number),
            "measure": "hertz",
            "sensor": SENSOR,
            "value": 1.0,
            "timestamp": 1,
        });
        adapter.publish(body.to_string().as_bytes(), None).await.unwrap();
        let sensors = format!("/experiments/{}/sensors/", scene.experiment);
        wait_until("the sensor is there", TIMEOUT, async || {
            let list = self.administrator.read(&sensors).await.map_err(|error| format!("{error:#}"))?;
            if list.as_array().is_some_and(|list| list.is_empty()) { Err(list.to_string()) } else { Ok(()) }
        })
        .await
        .unwrap();
    }

    fn caller(&self, who: Caller, scene: &Scene) -> Client {
        let token_of = |username: &str| self.environment.client(self.service, username);
        match who {
            Caller::NoToken => self.service.anonymous(),
            Caller::BrokenToken => self.with_broken_token(),
            Caller::UnknownUser => token_of("uid-nobody"),
            Caller::ErasedUser => token_of("uid-ERASED"),
            Caller::Scientist => token_of(&format!("uid-{}", scene.id('S'))),
            Caller::OtherScientist => token_of(&format!("uid-{}", scene.id('T'))),
            Caller::Administrator => self.administrator.clone(),
            Caller::Token => self.service.with_authorization(format!("Bearer {}", scene.tokens.1)),
            Caller::RestrictedToken => self.service.with_authorization(format!("Bearer {}", scene.tokens.2)),
        }
    }

    /// An administrator's token with one changed character in the signature.
    fn with_broken_token(&self) -> Client {
        let token = self.environment.firebase.token_for(ADMIN);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        self.service.with_authorization(format!("Bearer {signed}.{first}{}", &signature[1..]))
    }

    /// Everything that a call could change, as the administrator sees it; API tokens without their
    /// last use.
    async fn state(&self, experiment: u64) -> Value {
        const PATHS: [&str; 6] = [
            "/users/",
            "/experiments/",
            "/scientists-experiments/",
            "/measure-types/",
            "/publishers/",
            "/rejected-messages/",
        ];
        let sensors = format!("/experiments/{experiment}/sensors/");
        let mut state = json!({ "sensors": self.administrator.read(&sensors).await.unwrap() });
        for path in PATHS {
            state[path] = self.administrator.read(path).await.unwrap();
        }
        state
    }

    /// [`Self::state`], the flags of the experiment, and the API tokens of the scene's people and
    /// of the administrator.
    async fn state_of(&self, scene: &Scene) -> Value {
        let mut state = self.state(scene.experiment).await;
        let flags = format!("/experiments/{}/flags/", scene.experiment);
        state["flags"] = self.caller(Caller::Scientist, scene).get(&flags).await.unwrap().body;
        for user_id in ["A001", &scene.id('S'), &scene.id('T'), &scene.id('A')] {
            let tokens = self.administrator.get(&format!("/users/{user_id}/tokens/")).await.unwrap();
            // The last use is noted at any time after it.
            let tokens = tokens.body.as_array().map(|tokens| ids(&json!(tokens), "token_id"));
            state["tokens"][user_id] = json!(tokens);
        }
        state
    }
}

async fn stage_with_an_erased_user<'a>(environment: &'a TestEnvironment, service: &'a Service) -> Stage<'a> {
    let administrator = environment.client(service, ADMIN);
    administrator.add_administrator("ERASED").await.unwrap();
    assert_eq!(environment.client(service, "uid-ERASED").get("/users/").await.unwrap().status, 200);
    assert_eq!(administrator.delete("/users/ERASED").await.unwrap().status, 204);
    Stage { environment, service, administrator }
}

/// The errors of an answer, as text.
fn complaints(answer: &Answer, expected: u16) -> Vec<String> {
    let mut complaints = Vec::new();
    if (answer.status, answer.code()) != (expected, code_of(expected)) {
        complaints.push(format!("{expected} {} was expected, not {answer:?}", code_of(expected)));
    }
    let is_problem = answer.header("content-type") == "application/problem+json";
    if is_problem != (expected >= 400) {
        complaints.push(format!("the media type is {:?}", answer.header("content-type")));
    }
    if expected >= 400 && answer.body["status"] != expected {
        complaints.push(format!("the problem's status is {}", answer.body["status"]));
    }
    if (answer.header("www-authenticate") == "Bearer") != (expected == 401) {
        complaints.push(format!("WWW-Authenticate is {:?}", answer.header("www-authenticate")));
    }
    complaints
}

/// Like [`complaints`], for responses without body.
fn complaints_about_head(answer: &Answer, expected: u16) -> Vec<String> {
    let is_challenge = answer.header("www-authenticate") == "Bearer";
    if answer.status == expected && answer.body.is_null() && is_challenge == (expected == 401) {
        return Vec::new();
    }
    vec![format!("HEAD: {expected} was expected, not {answer:?}")]
}

async fn every_route_answers_every_kind_of_caller_as_the_role_matrix_says(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let stage = stage_with_an_erased_user(&environment, &service).await;
    let mut wrong = Vec::new();
    let mut scenes = 0;
    for row in matrix() {
        let cells = row.cells();
        let Row { method, path, body, .. } = row;
        let mut scene = None;
        for (who, expected) in cells {
            let scene_now = match scene.take() {
                Some(scene) => scene,
                None => {
                    scenes += 1;
                    let scene = stage.scene(scenes, path.starts_with("/rejected-messages/")).await;
                    if path.contains("/sensors/") {
                        stage.add_sensor(&scene).await;
                    }
                    scene
                }
            };
            let path = scene_now.fill(path);
            let body: Option<Value> =
                body.as_ref().map(|body| serde_json::from_str(&scene_now.fill(&body.to_string())).unwrap());
            let caller = stage.caller(who, &scene_now);
            let before = stage.state_of(&scene_now).await;
            let answer = caller.send(method.clone(), &path, body.as_ref()).await.unwrap();
            let mut complaints = complaints(&answer, expected);
            if method == Method::GET {
                let answer = caller.send(Method::HEAD, &path, None).await.unwrap();
                complaints.extend(complaints_about_head(&answer, expected));
            }
            let has_changed = stage.state_of(&scene_now).await != before;
            let may_change = method != Method::GET && expected < 400;
            if has_changed != may_change {
                complaints.push(format!("what is stored has changed: {has_changed}"));
            }
            wrong.extend(
                complaints.iter().map(|complaint| format!("{method} {path} by {who:?}: {complaint}")),
            );
            scene = (!may_change).then_some(scene_now);
        }
    }
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A method on a path of the OpenAPI document.
struct Operation {
    method: Method,
    path: String,
    value: Value,
}

impl Operation {
    fn wants_a_token(&self) -> bool {
        self.value["security"] != json!([])
    }

    /// The document's example of a body, if the operation has one.
    fn example_body(&self, document: &Value) -> Option<Value> {
        let body = self.value.get("requestBody")?;
        let reference = body["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
        let schema = document.pointer(reference.trim_start_matches('#')).unwrap();
        assert!(schema["example"].is_object(), "{reference} has no example");
        Some(schema["example"].clone())
    }
}

/// The document of the running service.
async fn document(service: &Service) -> Value {
    let answer = service.anonymous().request(Method::GET, "/api.yaml").send().await.unwrap();
    yaml_serde::from_str(&answer.text().await.unwrap()).unwrap()
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, value) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            operations.push(Operation { method, path: path.clone(), value: value.clone() });
        }
    }
    operations.retain(Operation::wants_a_token);
    assert!(operations.len() > 15, "{}", operations.len());
    operations
}

#[tokio::test]
async fn the_matrix_has_every_method_of_every_path_of_the_document_and_no_others() {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let operations = operations(&document(&service).await);
    let is_one = |row: &Row, operation: &Operation| {
        row.method == operation.method && of_one_route(row.path, &operation.path)
    };
    for operation in &operations {
        let Operation { method, path, .. } = operation;
        assert!(matrix().iter().any(|row| is_one(row, operation)), "the matrix lacks {method} {path}");
    }
    for row in matrix() {
        let Row { method, path, .. } = &row;
        let is_known = operations.iter().any(|operation| is_one(&row, operation));
        assert!(is_known, "the document lacks {method} {path}");
    }
}

/// Each operation on a named resource, with resources of others and with unknown ones.
async fn resources_of_others_look_absent(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let administrator = environment.client(&service, ADMIN);
    let stage = Stage { environment: &environment, service: &service, administrator };
    let rejected = stage.rejected_message(1).await.to_string();
    let other = environment.client(&service, OTHER_SCIENTIST);
    let token = other.add_api_token(None).await.unwrap().0.to_string();
    let flag = json!({"from": 0, "to": 1, "reason": "x"});
    let flag = other.post("/experiments/2/flags/", flag).await.unwrap().body["flag_id"].to_string();
    let fill = |path: &str, [experiment, user, rejected]: [&str; 3]| {
        let path = path.replace("{token_id}", if experiment == "2" { &token } else { "4294967295" });
        let path = path.replace("{flag_id}", if experiment == "2" { &flag } else { "4294967295" });
        let path = path.replace("{measure_type_id}", if experiment == "2" { "2" } else { "65535" });
        path.replace("{experiment_id}", experiment)
            .replace("{user_id}", user)
            .replace("{id}", rejected)
            .replace("{name}", "left")
    };
    let document = document(&service).await;
    let named: Vec<_> = operations(&document).into_iter().filter(|one| one.path.contains('{')).collect();
    assert!(named.len() > 8, "{}", named.len());
    // Peter Higg requests resources of Katie Bouman and of an administrator.
    let scientist = environment.client(&service, SCIENTIST);
    for hidden in [["2", "S002", &rejected], ["2", "A001", &rejected]] {
        for operation in &named {
            let Operation { method, path, .. } = operation;
            let body = operation.example_body(&document);
            let before = stage.state(2).await;
            let (hidden, absent) = (fill(path, hidden), fill(path, ["4294967295", "S999", "4294967295"]));
            let hidden = scientist.send(method.clone(), &hidden, body.as_ref()).await.unwrap();
            let absent = scientist.send(method.clone(), &absent, body.as_ref()).await.unwrap();
            assert!([403, 404].contains(&hidden.status), "{method} {path}: {hidden:?}");
            assert_eq!((hidden.status, &hidden.body), (absent.status, &absent.body), "{method} {path}");
            let names = |answer: &Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&hidden), names(&absent), "{method} {path}");
            assert_eq!(stage.state(2).await, before, "{method} {path}");
        }
    }
}

/// Whether two paths of the matrix are the same route with other parameters.
fn of_one_route(one: &str, other: &str) -> bool {
    let is_parameter = |part: &str| part.starts_with('{') || part.parse::<u64>().is_ok();
    let one = one.split_once('?').map_or(one, |(path, _)| path);
    let (one, other): (Vec<_>, Vec<_>) = (one.split('/').collect(), other.split('/').collect());
    let same = |(one, other): (&&str, &&str)| one == other || (is_parameter(one) && is_parameter(other));
    one.len() == other.len() && one.iter().zip(&other).all(same)
}

fn ids(list: &Value, field: &str) -> Vec<Value> {
    list.as_array().unwrap().iter().map(|item| item[field].clone()).collect()
}

async fn lists_hold_what_the_caller_may_see_and_nothing_else(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let [administrator, scientist, other] =
        [ADMIN, SCIENTIST, OTHER_SCIENTIST].map(|username| environment.client(&service, username));

    let users = administrator.read("/users/").await.unwrap();
    assert_eq!(ids(&users, "user_id"), ["A001", "S001", "S002"]);
    for (caller, own) in [(&administrator, "A001"), (&scientist, "S001"), (&other, "S002")] {
        assert_eq!(caller.read("/users/me").await.unwrap()["user_id"], own);
    }

    let of = async |caller: &Client| ids(&caller.read("/experiments/").await.unwrap(), "name");
    assert_eq!(of(&administrator).await, ["device-vibrations", "black-holes"]);
    assert_eq!(of(&scientist).await, ["device-vibrations"]);
    assert_eq!(of(&other).await, ["black-holes"]);

    administrator.associate(1, "S002").await.unwrap();
    assert_eq!(of(&other).await, ["device-vibrations", "black-holes"]);
    assert_eq!(other.measures("/measures/1").await.unwrap().len(), 10);
    assert_eq!(other.measures("/measures/1?limit=3").await.unwrap().len(), 3);
    let associations = administrator.read("/scientists-experiments/").await.unwrap();
    assert_eq!(ids(&associations["1"]["users"], "user_id"), ["S001", "S002"]);
    assert_eq!(ids(&associations["2"]["users"], "user_id"), ["S002"]);

    // Access ends with the association, also for a caller that has just read.
    assert_eq!(administrator.delete("/scientists-experiments/1/S002").await.unwrap().status, 204);
    assert_eq!(of(&other).await, ["black-holes"]);
    assert_eq!(other.get("/measures/1?limit=3").await.unwrap().status, 404);
    assert_eq!(other.get("/measures/1").await.unwrap().status, 404);

    // Access ends with the erasure too, even if the ID token's signature is cached.
    administrator.associate(1, "S002").await.unwrap();
    assert_eq!(other.measures("/measures/1?limit=3").await.unwrap().len(), 3);
    assert_eq!(administrator.delete("/users/S002").await.unwrap().status, 204);
    assert_eq!(other.get("/measures/1?limit=3").await.unwrap().status, 403);
    assert_eq!(other.get("/measures/1").await.unwrap().status, 403);
}

async fn forbidden_experiments_look_absent_to_scientists(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let adapter = environment.adapter().await.unwrap();
    // The list is not empty for its own scientist.
    adapter.publish(&message("black-holes", "hertz", 1.0, 1_700_000_000), None).await.unwrap();
    let other = environment.client(&service, OTHER_SCIENTIST);
    wait_until("the measure has arrived", TIMEOUT, async || {
        let measures = other.measures("/measures/2").await.map_err(|error| error.to_string())?;
        if measures.len() == 1 { Ok(()) } else { Err(format!("{measures:?}")) }
    })
    .await
    .unwrap();

    for (hidden, absent) in [
        ("/experiments/2", "/experiments/99"),
        ("/measures/2", "/measures/99"),
        ("/measures/2?limit=1", "/measures/99?limit=1"),
        ("/measures/2?from=1970-01-01T00:00:00Z", "/measures/99?from=1970-01-01T00:00:00Z"),
        ("/users/S002", "/users/S999"),
        ("/users/A001", "/users/S999"),
    ] {
        let (hidden, absent) = (scientist.get(hidden).await.unwrap(), scientist.get(absent).await.unwrap());
        assert_eq!((hidden.status, &hidden.body), (absent.status, &absent.body));
        assert!(hidden.status == 404 || hidden.status == 403, "{hidden:?}");
    }
}

async fn the_last_administrator_cannot_be_erased(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let first = environment.client(&service, ADMIN);
    first.add_administrator("A002").await.unwrap();
    let second = environment.client(&service, "uid-A002");
    // Each erases the other concurrently: one of them must remain.
    let (one, other) = tokio::join!(first.delete("/users/A002"), second.delete("/users/A001"));
    let mut statuses = [one.unwrap().status, other.unwrap().status];
    statuses.sort_unstable();
    assert!([[204, 403], [204, 409]].contains(&statuses), "{statuses:?}");
    let left = if first.get("/users/me").await.unwrap().status == 200 { first } else { second };
    let users = left.read("/users/").await.unwrap();
    assert_eq!(ids(&users, "role").iter().filter(|role| **role == "ADMIN").count(), 1);

    let refused = left.delete(&format!("/users/{}", users[0]["user_id"].as_str().unwrap())).await.unwrap();
    assert_eq!((refused.status, refused.code()), (409, "conflict"));
    assert_eq!(left.read("/users/").await.unwrap(), users);
}
