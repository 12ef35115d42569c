//! Provokes each audit event and compares it with `docs/audit.md`, which must list exactly these.

use std::collections::{BTreeMap, BTreeSet};

use mymonit_services::audit::Action;
use reqwest::Method;
use serde_json::{Value, json};

use crate::environment::{
    ADMIN, Answer, AuditTrail, Client, Engine, OTHER_SCIENTIST, SCIENTIST, Service, ServiceBuilder, TIMEOUT,
    TestEnvironment, message, on_every_engine, user,
};

on_every_engine!(
    every_action_is_recorded_once_with_user_resource_and_outcome,
    a_reading_whose_client_disconnects_is_recorded_with_what_was_sent,
);

const PAGE: &str = include_str!("../../../../docs/audit.md");

/// The expected fields of an event.
#[derive(Debug, Default, Clone, PartialEq)]
struct ExpectedEvent {
    action: &'static str,
    outcome: &'static str,
    user_id: Option<&'static str>,
    resource: Option<(&'static str, String)>,
    reason: Option<&'static str>,
    operation: Option<&'static str>,
    measures: Option<u64>,
    changed: Option<&'static str>,
}

fn assert_event(event: &Value, expected_event: &ExpectedEvent) {
    let category = match expected_event.action {
        "authenticate" => "authentication",
        "create-experiment"
        | "update-experiment"
        | "create-measure-type"
        | "update-measure-type"
        | "update-sensor" => "configuration",
        action if ["measure", "message", "-flag"].iter().any(|part| action.contains(part)) => "database",
        _ => "iam",
    };
    let (kind, id) =
        expected_event.resource.as_ref().map(|(kind, id)| (Some(*kind), Some(&**id))).unwrap_or_default();
    for (name, expected) in [
        ("event.kind", Some("event")),
        ("event.category", Some(category)),
        ("event.action", Some(expected_event.action)),
        ("event.outcome", Some(expected_event.outcome)),
        ("event.reason", expected_event.reason),
        ("user.id", expected_event.user_id),
        ("source.ip", Some("127.0.0.1")),
        ("mymonit.operation", expected_event.operation),
        ("mymonit.changed", expected_event.changed),
        ("mymonit.resource.type", kind),
        ("mymonit.resource.id", id),
    ] {
        assert_eq!(event.get(name), expected.map(Value::from).as_ref(), "{name} of {event:#}");
    }
    assert_eq!(event.get("mymonit.measures"), expected_event.measures.map(Value::from).as_ref(), "{event:#}");
    // The page documents every field.
    for name in event.as_object().unwrap().keys() {
        assert!(PAGE.contains(&format!("`{name}`")), "docs/audit.md does not name the field {name}");
    }
}

/// The actions that the table of the page lists.
fn actions_of_the_page() -> BTreeSet<String> {
    let (_, section) = PAGE.split_once("## The actions").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"));
    rows.map(|(action, _)| action.to_owned()).collect()
}

/// The examples of the page, by their action.
fn examples_of_the_page() -> BTreeMap<String, Value> {
    let lines = PAGE.lines().filter(|line| line.starts_with("{\"@timestamp\""));
    let examples = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    examples.map(|example| (example["event.action"].as_str().unwrap().to_owned(), example)).collect()
}

#[test]
fn the_page_lists_exactly_the_actions_of_the_program_each_with_an_example() {
    let actions: BTreeSet<_> = Action::ALL.iter().map(|action| action.as_str().to_owned()).collect();
    assert_eq!(actions_of_the_page(), actions);
    let examples = examples_of_the_page();
    assert_eq!(examples.keys().cloned().collect::<BTreeSet<_>>(), actions);
    for action in Action::ALL {
        assert_eq!(examples[action.as_str()]["event.category"], action.category());
    }
}

/// Makes requests and keeps the audit events.
struct AuditScenario<'a> {
    trail: AuditTrail<'a>,
    events: BTreeMap<String, Value>,
}

impl AuditScenario<'_> {
    async fn expect(
        &mut self,
        client: &Client,
        request: (Method, &str, Option<Value>),
        status: u16,
        expected_event: ExpectedEvent,
    ) -> Answer {
        let (method, path, body) = request;
        let (answer, event) = self.trail.follow(client, method, path, body).await.unwrap();
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_event(&event, &expected_event);
        // For each action, keeps the first success, or else the last failure.
        let known = self.events.get(expected_event.action);
        if known.is_none_or(|known| known["event.outcome"] != "success") {
            self.events.insert(expected_event.action.to_owned(), event);
        }
        answer
    }
}

fn get(path: &str) -> (Method, &str, Option<Value>) {
    (Method::GET, path, None)
}

fn post(path: &str) -> (Method, &str, Option<Value>) {
    (Method::POST, path, None)
}

fn delete(path: &str) -> (Method, &str, Option<Value>) {
    (Method::DELETE, path, None)
}

fn done(action: &'static str, kind: &'static str, id: &str) -> ExpectedEvent {
    ExpectedEvent {
        action,
        outcome: "success",
        user_id: Some("A001"),
        resource: Some((kind, id.to_owned())),
        ..ExpectedEvent::default()
    }
}

fn failed(reason: &'static str, expected_event: ExpectedEvent) -> ExpectedEvent {
    ExpectedEvent { outcome: "failure", reason: Some(reason), ..expected_event }
}

fn refused(user_id: &'static str, operation: &'static str, reason: &'static str) -> ExpectedEvent {
    ExpectedEvent {
        action: "authorize",
        outcome: "failure",
        user_id: Some(user_id),
        operation: Some(operation),
        reason: Some(reason),
        ..ExpectedEvent::default()
    }
}

async fn every_action_is_recorded_once_with_user_resource_and_outcome(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let mut scenario = AuditScenario { trail: AuditTrail::of(&service), events: BTreeMap::new() };
    authentication(&environment, &service, &mut scenario).await;
    users(&environment, &service, &mut scenario).await;
    api_tokens(&environment, &service, &mut scenario).await;
    experiments(&environment, &service, &mut scenario).await;
    refusals(&environment, &service, &mut scenario).await;
    measures(&environment, &service, &mut scenario).await;
    rejected_messages(&environment, &service, &mut scenario).await;
    // Reads that every user is allowed record no event.
    let admin = environment.client(&service, ADMIN);
    for path in [
        "/users/me",
        "/users/me/tokens/",
        "/users/S001/tokens/",
        "/experiments/",
        "/experiments/1",
        "/measure-types/",
        "/nowhere",
    ] {
        scenario.trail.untold(&admin, path).await.unwrap();
    }
    throughput(&environment, &service, &mut scenario).await;
    tokens(&environment, &mut scenario).await;

    let recorded: BTreeSet<_> = scenario.events.keys().cloned().collect();
    assert_eq!(recorded, actions_of_the_page());
    for (action, example) in examples_of_the_page() {
        let fields = |event: &Value| event.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(fields(&example), fields(&scenario.events[&action]), "the page's example of {action}");
    }
}

async fn authentication(environment: &TestEnvironment, service: &Service, scenario: &mut AuditScenario<'_>) {
    let nobody = ExpectedEvent { action: "authenticate", ..ExpectedEvent::default() };
    let anonymous = service.anonymous();
    scenario
        .expect(&anonymous, get("/users/me"), 401, failed("no Authorization header", nobody.clone()))
        .await;
    let basic = service.with_authorization("Basic YTpi");
    let reason = "the Authorization header is not `Bearer` and one token";
    scenario.expect(&basic, get("/users/me"), 401, failed(reason, nobody.clone())).await;
    let forger = service.with_authorization("Bearer not.a.token");
    let (answer, event) = scenario.trail.follow(&forger, Method::GET, "/users/me", None).await.unwrap();
    assert_eq!((answer.status, &event["event.action"]), (401, &json!("authenticate")));
    assert!(event["event.reason"].is_string(), "{event:#}");

    let stranger = environment.client(service, "a-stranger");
    let reason = "the token's user is not known here";
    let expected_event = ExpectedEvent { user_id: None, ..refused("", "sign-in", reason) };
    scenario.expect(&stranger, get("/users/me"), 403, expected_event).await;
}

async fn users(environment: &TestEnvironment, service: &Service, scenario: &mut AuditScenario<'_>) {
    let admin = environment.client(service, ADMIN);
    let created = done("create-user", "user", "S003");
    let create = |body| (Method::POST, "/users/", Some(body));
    scenario.expect(&admin, create(user("S003", "SCIENTIST")), 201, created.clone()).await;
    let in_vain = ExpectedEvent { resource: None, ..created };
    scenario
        .expect(&admin, create(user("S003", "SCIENTIST")), 409, failed("conflict", in_vain.clone()))
        .await;
    scenario.expect(&admin, create(user("S004", "GOD")), 400, failed("invalid_argument", in_vain)).await;

    scenario
        .expect(&admin, get("/users/"), 200, ExpectedEvent { resource: None, ..done("list-users", "", "") })
        .await;
    scenario
        .expect(
            &admin,
            get("/users/?search=x&limit=1"),
            200,
            ExpectedEvent { resource: None, ..done("list-users", "", "") },
        )
        .await;
    scenario.expect(&admin, get("/users/S003"), 200, done("read-user", "user", "S003")).await;

    let update = |path, body| (Method::PUT, path, Some(body));
    let updated = done("update-user", "user", "S003");
    let mut other = user("S003", "SCIENTIST");
    (other["name"], other["email"]) = (json!("Other Name"), json!("other@home.cern"));
    let changed = ExpectedEvent { changed: Some("name,email"), ..updated.clone() };
    scenario.expect(&admin, update("/users/S003", other.clone()), 200, changed).await;
    scenario.expect(&admin, update("/users/S003", other), 200, updated.clone()).await;
    let taken = json!({"name": "x", "username": ADMIN, "email": "x@home.cern"});
    scenario.expect(&admin, update("/users/S003", taken), 409, failed("conflict", updated.clone())).await;
    let absent = failed("not_found", ExpectedEvent { resource: None, ..updated.clone() });
    scenario.expect(&admin, update("/users/nobody", user("nobody", "SCIENTIST")), 404, absent).await;
    let own = environment.client(service, "uid-S003");
    let other_name = json!({"name": "x", "username": "other", "email": "x@home.cern"});
    let expected_event = refused("S003", "update-user", "only an administrator may change `username`");
    let expected_event = ExpectedEvent { resource: Some(("user", "S003".to_owned())), ..expected_event };
    scenario.expect(&own, update("/users/S003", other_name), 403, expected_event).await;

    let erased = done("erase-user", "user", "S003");
    scenario
        .expect(&own, delete("/users/S003"), 204, ExpectedEvent { user_id: Some("S003"), ..erased })
        .await;
    let last = failed("conflict", done("erase-user", "user", "A001"));
    scenario.expect(&admin, delete("/users/A001"), 409, last).await;
}

async fn api_tokens(environment: &TestEnvironment, service: &Service, scenario: &mut AuditScenario<'_>) {
    let (admin, own) = (environment.client(service, ADMIN), environment.client(service, SCIENTIST));
    let create = |body| (Method::POST, "/users/me/tokens/", Some(body));
    let by =
        |user_id, expected_event: ExpectedEvent| ExpectedEvent { user_id: Some(user_id), ..expected_event };
    for id in ["1", "2"] {
        let expected_event = by("S001", done("create-api-token", "api-token", id));
        scenario.expect(&own, create(json!({"name": "x", "experiments": [1]})), 201, expected_event).await;
    }
    let none = by("S001", ExpectedEvent { resource: None, ..done("create-api-token", "api-token", "") });
    let wrong = create(json!({"name": "x", "experiments": [2]}));
    scenario.expect(&own, wrong, 400, failed("invalid_argument", none)).await;
    let revoked = |id| done("revoke-api-token", "api-token", id);
    scenario.expect(&own, delete("/users/me/tokens/1"), 204, by("S001", revoked("1"))).await;
    scenario.expect(&admin, delete("/users/S001/tokens/2"), 204, revoked("2")).await;
    let of_user = failed("not_found", done("revoke-api-token", "user", "S001"));
    scenario.expect(&admin, delete("/users/S001/tokens/2"), 404, of_user).await;
    let absent = failed("not_found", ExpectedEvent { resource: None, ..revoked("") });
    scenario.expect(&own, delete("/users/me/tokens/1"), 404, by("S001", absent)).await;
}

async fn flags(environment: &TestEnvironment, service: &Service, scenario: &mut AuditScenario<'_>) {
    let own = environment.client(service, SCIENTIST);
    let create = |to| {
        let body = json!({"from": 0, "to": to, "reason": "lid open"});
        (Method::POST, "/experiments/1/flags/", Some(body))
    };
    let by_own = |expected_event: ExpectedEvent| ExpectedEvent { user_id: Some("S001"), ..expected_event };
    scenario.expect(&own, create(1), 201, by_own(done("create-flag", "flag", "1/1"))).await;
    let in_vain = by_own(failed("invalid_argument", done("create-flag", "experiment", "1")));
    scenario.expect(&own, create(0), 400, in_vain).await;
    let path = "/experiments/1/flags/1";
    scenario.expect(&own, delete(path), 204, by_own(done("withdraw-flag", "flag", "1/1"))).await;
    let absent = by_own(failed("not_found", done("withdraw-flag", "experiment", "1")));
    scenario.expect(&own, delete(path), 404, absent).await;
}

async fn experiments(environment: &TestEnvironment, service: &Service, scenario: &mut AuditScenario<'_>) {
    let admin = environment.client(service, ADMIN);
    let create = || (Method::POST, "/experiments/", Some(json!({"name": "new"})));
    let created = done("create-experiment", "experiment", "3");
    scenario.expect(&admin, create(), 201, created.clone()).await;
    let in_vain = ExpectedEvent { resource: None, ..created };
    scenario.expect(&admin, create(), 409, failed("conflict", in_vain)).await;
    let update = |path| (Method::PUT, path, Some(json!({"name": "newer", "archived": true})));
    let updated = |id| done("update-experiment", "experiment", id);
    let changed = ExpectedEvent { changed: Some("name,archived"), ..updated("3") };
    scenario.expect(&admin, update("/experiments/3"), 200, changed).await;
    scenario.expect(&admin, update("/experiments/3"), 200, updated("3")).await;
    scenario.expect(&admin, update("/experiments/99"), 404, failed("not_found", updated("99"))).await;

    let kind = |symbol| Some(json!({"name": "newton metre", "symbol": symbol, "quantity": "torque"}));
    let created = done("create-measure-type", "measure-type", "39");
    scenario.expect(&admin, (Method::POST, "/measure-types/", kind("Nm")), 201, created.clone()).await;
    let in_vain = ExpectedEvent { resource: None, ..created };
    scenario
        .expect(&admin, (Method::POST, "/measure-types/", kind("N m")), 409, failed("conflict", in_vain))
        .await;
    let updated =
        ExpectedEvent { changed: Some("symbol"), ..done("update-measure-type", "measure-type", "39") };
    scenario.expect(&admin, (Method::PUT, "/measure-types/39", kind("N m")), 200, updated).await;

    let body = json!({
        "experiment": "newer", "measure": "hertz", "sensor": "thermometer-1", "value": 1.0, "timestamp": 1,
    });
    let back = json!({"name": "newer", "archived": false});
    assert_eq!(admin.put("/experiments/3", back).await.unwrap().status, 200);
    let adapter = environment.adapter().await.unwrap();
    adapter.publish(body.to_string().as_bytes(), None).await.unwrap();
    mymonit_test_support::wait_until("the sensor is there", TIMEOUT, async || {
        let list = admin.read("/experiments/3/sensors/").await.map_err(|error| format!("{error:#}"))?;
        if list == json!([{"name": "thermometer-1", "description": ""}]) {
            Ok(())
        } else {
            Err(list.to_string())
        }
    })
    .await
    .unwrap();
    let describe = |path| (Method::PUT, path, Some(json!({"name": "thermometer-1", "description": "PT100"})));
    let described = done("update-sensor", "sensor", "3/thermometer-1");
    scenario.expect(&admin, describe("/experiments/3/sensors/thermometer-1"), 200, described).await;
    let absent = failed("not_found", done("update-sensor", "experiment", "2"));
    scenario.expect(&admin, describe("/experiments/2/sensors/thermometer-1"), 404, absent).await;

    flags(environment, service, scenario).await;

    let associated = done("associate", "association", "3/S001");
    let path = "/scientists-experiments/3/S001";
    scenario.expect(&admin, post(path), 201, associated.clone()).await;
    scenario.expect(&admin, post(path), 409, failed("conflict", associated)).await;
    let nobody = done("associate", "experiment", "3");
    let path_of_nobody = "/scientists-experiments/3/nobody";
    scenario.expect(&admin, post(path_of_nobody), 404, failed("not_found", nobody)).await;
    let all = ExpectedEvent { resource: None, ..done("list-associations", "", "") };
    scenario.expect(&admin, get("/scientists-experiments/"), 200, all).await;
    let of_experiment = done("list-associations", "experiment", "3");
    scenario.expect(&admin, get("/scientists-experiments/3"), 200, of_experiment).await;
    let of_user = done("list-associations", "user", "S001");
    scenario.expect(&admin, get("/users/S001/experiments"), 200, of_user).await;
    scenario.expect(&admin, delete(path), 204, done("dissociate", "association", "3/S001")).await;
    let replace = |ids: &[&str]| (Method::PUT, "/scientists-experiments/3", Some(json!({"user_ids": ids})));
    scenario.expect(&admin, replace(&["S001"]), 200, done("associate", "association", "3/S001")).await;
    scenario.expect(&admin, replace(&[]), 200, done("dissociate", "association", "3/S001")).await;
    let in_vain = failed("invalid_argument", done("associate", "experiment", "3"));
    scenario.expect(&admin, replace(&["A001"]), 400, in_vain).await;
    let absent = done("dissociate", "experiment", "3");
    scenario.expect(&admin, delete(path), 404, failed("not_found", absent)).await;

    let path = "/publishers/station-1";
    let put = |ids| (Method::PUT, path, Some(json!({"experiments": ids})));
    let updated = done("update-publisher", "publisher", "station-1");
    scenario.expect(&admin, put([3]), 200, updated.clone()).await;
    let in_vain = ExpectedEvent { resource: None, ..updated };
    scenario.expect(&admin, put([99]), 400, failed("invalid_argument", in_vain)).await;
    let deleted = done("delete-publisher", "publisher", "station-1");
    scenario.expect(&admin, delete(path), 204, deleted.clone()).await;
    let absent = ExpectedEvent { resource: None, ..deleted };
    scenario.expect(&admin, delete(path), 404, failed("not_found", absent)).await;
}

async fn refusals(environment: &TestEnvironment, service: &Service, scenario: &mut AuditScenario<'_>) {
    const ONLY_ADMINISTRATORS: &str = "only an administrator may do this";
    let scientist = environment.client(service, SCIENTIST);
    let new_user = Some(user("S009", "SCIENTIST"));
    let name = Some(json!({"name": "x"}));
    let kind = Some(json!({"name": "x", "symbol": "x", "quantity": "x"}));
    let sensor = Some(json!({"name": "left", "description": "x"}));
    let set = Some(json!({"user_ids": []}));
    let experiment = Some(("experiment", "1".to_owned()));
    for (method, path, body, operation, resource) in [
        (Method::GET, "/users/", None, "list-users", None),
        (Method::POST, "/users/", new_user, "create-user", None),
        (Method::GET, "/users/S001/tokens/", None, "list-api-tokens", None),
        (Method::DELETE, "/users/S001/tokens/1", None, "revoke-api-token", None),
        (Method::POST, "/experiments/", name.clone(), "create-experiment", None),
        (Method::PUT, "/experiments/1", name, "update-experiment", experiment.clone()),
        (Method::POST, "/measure-types/", kind.clone(), "create-measure-type", None),
        (
            Method::PUT,
            "/measure-types/1",
            kind,
            "update-measure-type",
            Some(("measure-type", "1".to_owned())),
        ),
        (Method::PUT, "/experiments/1/sensors/left", sensor, "update-sensor", experiment.clone()),
        (Method::GET, "/scientists-experiments/", None, "list-associations", None),
        (Method::GET, "/scientists-experiments/1", None, "list-associations", experiment.clone()),
        (Method::PUT, "/scientists-experiments/1", set, "associate", experiment.clone()),
        (Method::POST, "/scientists-experiments/1/S001", None, "associate", experiment.clone()),
        (Method::DELETE, "/scientists-experiments/1/S001", None, "dissociate", experiment),
        (Method::GET, "/publishers/", None, "list-publishers", None),
        (Method::GET, "/publishers/a", None, "read-publisher", None),
        (Method::PUT, "/publishers/a", Some(json!({"experiments": null})), "update-publisher", None),
        (Method::DELETE, "/publishers/a", None, "delete-publisher", None),
        (Method::GET, "/rejected-messages/", None, "list-rejected-messages", None),
        (Method::GET, "/rejected-messages/1", None, "read-rejected-message", None),
        (Method::POST, "/rejected-messages/1/replay", None, "replay-rejected-message", None),
        (Method::POST, "/rejected-messages/replay", None, "replay-rejected-message", None),
        (Method::DELETE, "/rejected-messages/1", None, "discard-rejected-message", None),
        (Method::POST, "/rejected-messages/discard", None, "discard-rejected-message", None),
    ] {
        let expected_event = ExpectedEvent { resource, ..refused("S001", operation, ONLY_ADMINISTRATORS) };
        scenario.expect(&scientist, (method, path, body), 403, expected_event).await;
    }
    let reason = "a scientist has access to the own record only";
    let of_other = Some(("user", "S002".to_owned()));
    for (method, operation) in
        [(Method::GET, "read-user"), (Method::PUT, "update-user"), (Method::DELETE, "erase-user")]
    {
        let body = (method == Method::PUT).then(|| user("S002", "SCIENTIST"));
        let expected_event =
            ExpectedEvent { resource: of_other.clone(), ..refused("S001", operation, reason) };
        scenario.expect(&scientist, (method, "/users/S002", body), 403, expected_event).await;
    }
    // Unknown user ids are not logged.
    let expected_event = refused("S001", "read-user", reason);
    scenario.expect(&scientist, get("/users/peter.higg@home.cern"), 403, expected_event).await;
    let reason = "not associated with the experiment, or there is none";
    for (path, operation, id) in [
        ("/experiments/2", "read-experiment", "2"),
        ("/experiments/2/sensors/", "read-sensors", "2"),
        ("/experiments/2/series", "read-measures", "2"),
        ("/experiments/2/flags/", "read-flags", "2"),
        ("/measures/2", "read-measures", "2"),
        ("/measures/99", "read-measures", "99"),
    ] {
        let resource = Some(("experiment", id.to_owned()));
        let expected_event = ExpectedEvent { resource, ..refused("S001", operation, reason) };
        scenario.expect(&scientist, get(path), 404, expected_event).await;
    }
    let resource = Some(("experiment", "1".to_owned()));
    let expected_event =
        ExpectedEvent { resource, ..refused("A001", "read-measures", "only scientists may read measures") };
    scenario
        .expect(&environment.client(service, ADMIN), get("/measures/1"), 403, expected_event.clone())
        .await;
    scenario
        .expect(&environment.client(service, ADMIN), get("/experiments/1/series"), 403, expected_event)
        .await;
    let flag = Some(json!({"from": 0, "to": 1, "reason": "x"}));
    for (method, path, body, operation) in [
        (Method::GET, "/experiments/1/flags/", None, "read-flags"),
        (Method::POST, "/experiments/1/flags/", flag, "create-flag"),
        (Method::DELETE, "/experiments/1/flags/1", None, "withdraw-flag"),
    ] {
        let reason = "only scientists may read, set and withdraw flags";
        let resource = Some(("experiment", "1".to_owned()));
        let expected_event = ExpectedEvent { resource, ..refused("A001", operation, reason) };
        scenario.expect(&environment.client(service, ADMIN), (method, path, body), 403, expected_event).await;
    }
}

async fn measures(environment: &TestEnvironment, service: &Service, scenario: &mut AuditScenario<'_>) {
    let scientist = environment.client(service, SCIENTIST);
    let read = |measures| ExpectedEvent {
        user_id: Some("S001"),
        measures: Some(measures),
        ..done("read-measures", "experiment", "1")
    };
    scenario.expect(&scientist, get("/measures/1"), 200, read(10)).await;
    scenario.expect(&scientist, get("/measures/1?limit=3"), 200, read(3)).await;
    scenario.expect(&scientist, get("/measures/1?type=volt"), 200, read(0)).await;
    scenario.expect(&scientist, get("/experiments/1/series"), 200, read(1)).await;
    let empty =
        ExpectedEvent { user_id: Some("S002"), resource: Some(("experiment", "2".to_owned())), ..read(0) };
    scenario.expect(&environment.client(service, OTHER_SCIENTIST), get("/measures/2"), 200, empty).await;
    scenario.trail.untold(&scientist, "/measures/1?limit=0").await.unwrap();
    // HEAD authorises and sends no measures.
    let id = scenario.trail.next_id();
    let head = scientist.request(Method::HEAD, "/measures/1").header("x-request-id", &id);
    assert_eq!(head.send().await.unwrap().status(), 200);
    assert!(scenario.trail.of_request(&id, 0).await.unwrap().is_empty());
}

async fn rejected_messages(
    environment: &TestEnvironment,
    service: &Service,
    scenario: &mut AuditScenario<'_>,
) {
    let admin = environment.client(service, ADMIN);
    let adapter = environment.adapter().await.unwrap();
    for value in [1.0, 2.0] {
        adapter.publish(&message("later", "hertz", value, 1_700_000_000), None).await.unwrap();
    }
    let list = mymonit_test_support::wait_until("the messages are rejected", TIMEOUT, async || {
        let list = admin.read("/rejected-messages/").await.map_err(|error| error.to_string())?;
        if list.as_array().unwrap().len() == 2 { Ok(list) } else { Err(list.to_string()) }
    });
    let list = list.await.unwrap();
    let ids: Vec<_> = list.as_array().unwrap().iter().map(|message| message["id"].to_string()).collect();

    let listed = ExpectedEvent { resource: None, ..done("list-rejected-messages", "", "") };
    scenario.expect(&admin, get("/rejected-messages/?limit=1"), 200, listed.clone()).await;
    scenario.expect(&admin, get("/rejected-messages/"), 200, listed).await;
    let path = format!("/rejected-messages/{}", ids[0]);
    let read = done("read-rejected-message", "rejected-message", &ids[0]);
    scenario.expect(&admin, get(&path), 200, read).await;

    let replayed = |id: &str| done("replay-rejected-message", "rejected-message", id);
    let path = format!("/rejected-messages/{}/replay", ids[0]);
    let still = failed("unknown_experiment", replayed(&ids[0]));
    scenario.expect(&admin, post(&path), 200, still).await;
    admin.add_experiment("later").await.unwrap();
    let stored = ExpectedEvent { measures: Some(1), ..replayed(&ids[0]) };
    scenario.expect(&admin, post(&path), 200, stored).await;
    scenario.expect(&admin, post(&path), 404, failed("not_found", replayed(&ids[0]))).await;

    let path = format!("/rejected-messages/{}", ids[1]);
    let discarded = done("discard-rejected-message", "rejected-message", &ids[1]);
    scenario.expect(&admin, delete(&path), 204, discarded.clone()).await;
    scenario.expect(&admin, delete(&path), 404, failed("not_found", discarded)).await;

    // A replay of many records one event for each message.
    for value in [3.0, 4.0] {
        adapter.publish(&message("latest", "hertz", value, 1_700_000_000), None).await.unwrap();
    }
    let id = scenario.trail.next_id();
    mymonit_test_support::wait_until("both are tried", TIMEOUT, async || {
        let request = admin.request(Method::POST, "/rejected-messages/replay?reason=unknown_experiment");
        let answer = Answer::of(request.header("x-request-id", &id).send().await.unwrap()).await.unwrap();
        if answer.body["still_rejected"] == 2 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await
    .unwrap();
    // What a process prints arrives a moment later.
    let events = mymonit_test_support::wait_until("both are recorded", TIMEOUT, async || {
        let mut events = scenario.trail.events();
        events.retain(|event| event["http.request.id"] == *id);
        if events.len() >= 2 { Ok(events) } else { Err(format!("{events:#?}")) }
    });
    let events = events.await.unwrap();
    assert!(events.iter().all(|event| event["event.reason"] == "unknown_experiment"), "{events:#?}");
    // And so does a discard of many.
    let id = scenario.trail.next_id();
    let request = admin.request(Method::POST, "/rejected-messages/discard?reason=unknown_experiment");
    let answer = Answer::of(request.header("x-request-id", &id).send().await.unwrap()).await.unwrap();
    assert_eq!(answer.body, json!({"discarded": 2, "complete": true}));
    for event in scenario.trail.of_request(&id, 2).await.unwrap() {
        let (action, outcome) = (&event["event.action"], &event["event.outcome"]);
        assert_eq!((action, outcome), (&json!("discard-rejected-message"), &json!("success")));
    }
}

/// Tokens of evaluation mode, from the command and from the page.
async fn tokens(environment: &TestEnvironment, scenario: &mut AuditScenario<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let serve = ServiceBuilder::bare(&["serve", "--evaluation"], Some(folder.path())).unwrap();
    let service = serve.env("RABBIT_URL", &environment.broker_url).ready().await.unwrap();
    let token = ServiceBuilder::bare(&["token", "S001"], Some(folder.path())).unwrap().run().await.unwrap();
    let by_command: Value = serde_json::from_str(&token.stderr).unwrap();
    let mut trail = AuditTrail::of(&service);
    let path = "/static/evaluation-tokens/S001";
    let (_, by_page) = trail.follow(&service.anonymous(), Method::POST, path, None).await.unwrap();
    for (event, command) in [(&by_command, Some("token")), (&by_page, None)] {
        for (name, expected) in [
            ("event.category", Some("iam")),
            ("event.action", Some("issue-token")),
            ("event.outcome", Some("success")),
            ("mymonit.resource.type", Some("user")),
            ("mymonit.resource.id", Some("S001")),
            ("mymonit.command", command),
        ] {
            assert_eq!(event.get(name), expected.map(Value::from).as_ref(), "{name} of {event:#}");
        }
    }
    scenario.events.insert("issue-token".to_owned(), by_command);
}

/// A graceful shutdown records the incomplete last minute.
async fn throughput(environment: &TestEnvironment, service: &Service, scenario: &mut AuditScenario<'_>) {
    environment.wait_until_all_is_acknowledged().await;
    service.stop().await.unwrap();
    service.process.wait_for_line("\"message\":\"stopped\"", TIMEOUT).await.unwrap();
    let mut events = scenario.trail.events();
    events.retain(|event| event["event.action"] == "consume-messages");
    let sum = |name: &str| {
        let name = format!("mymonit.throughput.{name}");
        events.iter().map(|event| event[&name].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!([sum("received"), sum("stored"), sum("duplicate"), sum("rejected")], [5, 1, 0, 4]);
    let last = events.pop().unwrap();
    assert_eq!((&last["event.kind"], &last["event.category"]), (&json!("metric"), &json!("database")));
    assert!(last["mymonit.throughput.seconds"].as_f64().unwrap() > 0.0);
    scenario.events.insert("consume-messages".to_owned(), last);
}

async fn a_reading_whose_client_disconnects_is_recorded_with_what_was_sent(engine: Engine) {
    const STORED: u32 = 300_000;
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    environment.session().await.unwrap().add_measures(2, STORED).await.unwrap();
    let mut trail = AuditTrail::of(&service);
    let id = trail.next_id();
    let scientist = environment.client(&service, OTHER_SCIENTIST);
    let request = scientist.request(Method::GET, "/measures/2").header("x-request-id", &id);
    let mut response = request.send().await.unwrap();
    let mut seen = 0;
    while seen < 1_000_000 {
        seen += response.chunk().await.unwrap().unwrap().len();
    }
    drop(response);
    let event = trail.of_request(&id, 1).await.unwrap().remove(0);
    let sent = event["mymonit.measures"].as_u64().unwrap();
    assert_eq!(
        (&event["event.outcome"], &event["user.id"]),
        (&json!("failure"), &json!("S002")),
        "{event:#}"
    );
    assert_eq!(event["event.reason"], "the client did not stay to the end");
    // A measure takes about a hundred bytes; those in sockets and buffers count as sent.
    assert!((5_000..u64::from(STORED)).contains(&sent), "{sent}");
}

#[tokio::test]
async fn the_source_is_taken_from_trusted_proxies_only() {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let (trusting, other) = tokio::join!(
        environment.service().unwrap().env("REST_TRUSTED_PROXIES", "127.0.0.0/8").ready(),
        environment.ready_service(),
    );
    for (service, source) in [(trusting.unwrap(), "198.51.100.9"), (other.unwrap(), "127.0.0.1")] {
        let mut trail = AuditTrail::of(&service);
        let id = trail.next_id();
        let request = service.anonymous().request(Method::GET, "/users/me").header("x-request-id", &id);
        request.header("x-forwarded-for", "6.6.6.6, 198.51.100.9").send().await.unwrap();
        assert_eq!(trail.of_request(&id, 1).await.unwrap()[0]["source.ip"], source);
    }
}

#[tokio::test]
async fn no_filter_silences_the_audit_events() {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    for level in ["off", "error", "off,mymonit::audit=off", "mymonit=trace,[request]=off"] {
        let service = environment.service().unwrap().env("LOG_LEVEL", level).ready().await.unwrap();
        let request = service.anonymous().request(Method::GET, "/users/me").header("x-request-id", "seen");
        request.send().await.unwrap();
        let line = service.process.wait_for_line("\"authenticate\"", TIMEOUT).await.unwrap();
        let event: Value = serde_json::from_str(&line.text).unwrap();
        assert_eq!((&event["http.request.id"], &event["source.ip"]), (&json!("seen"), &json!("127.0.0.1")));
        service.stop().await.unwrap();
    }
}
