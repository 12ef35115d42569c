//! Defects of the Python system and rules that it lacked. Each test would fail on that system.

use std::net::Ipv4Addr;

use mymonit_test_support::{QueueState, RabbitMq, ReservedPort, wait_until};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::environment::{
    ADMIN, Adapter, Client, Engine, OTHER_SCIENTIST, SCIENTIST, TIMEOUT, TestEnvironment,
    WAITING_FOR_A_TABLE, message, on_every_engine, user,
};

on_every_engine!(
    a_measure_is_returned_with_correct_field_names,
    timestamps_are_rfc3339_and_good_to_the_nanosecond_beyond_2038,
    malformed_messages_do_not_end_consumption,
    nothing_is_acknowledged_before_it_is_committed,
    sixteen_concurrent_requests_are_all_answered_and_so_are_those_after_them,
    a_read_sees_what_others_committed_after_an_earlier_read,
    a_scientist_who_adds_a_user_is_told_403_and_nothing_is_added,
    a_username_can_be_changed_and_stays_unique,
    an_administrator_sees_all_experiments_without_any_association,
    associating_an_unknown_scientist_or_experiment_is_404,
    a_missing_header_is_401_and_an_unknown_user_403,
    created_things_are_answered_with_themselves_and_their_location,
    erasing_a_user_keeps_the_id_and_nothing_else,
    measures_are_read_by_page_and_by_time,
);

async fn a_measure_is_returned_with_correct_field_names(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let adapter = environment.adapter().await.unwrap();
    adapter
        .publish(&message("device-vibrations", "degree Celsius", -273.15, 1_700_000_000), None)
        .await
        .unwrap();

    let scientist = environment.client(&service, SCIENTIST);
    let measures = scientist.measures_when("/measures/1", |measures| measures.len() == 11).await.unwrap();
    assert_eq!(
        measures[0],
        json!({
            "experiment": "device-vibrations",
            "measure_type": "degree Celsius",
            "timestamp": "2023-11-14T22:13:20Z",
            "value": -273.15,
        })
    );
    assert_eq!(
        measures[10],
        json!({
            "experiment": "device-vibrations",
            "measure_type": "hertz",
            "timestamp": "2022-04-06T07:00:00Z",
            "value": 100.0,
        })
    );
}

async fn timestamps_are_rfc3339_and_good_to_the_nanosecond_beyond_2038(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    // Sent and answered, oldest first.
    let times = [
        ("0", "1970-01-01T00:00:00Z"),
        ("0.000000001", "1970-01-01T00:00:00.000000001Z"),
        ("1650000000", "2022-04-15T05:20:00Z"),
        ("1650000000.123456789", "2022-04-15T05:20:00.123456789Z"),
        ("\"2022-04-15T07:20:00.1234567891+02:00\"", "2022-04-15T05:20:00.123456789Z"),
        ("\"2022-04-15T05:20:00.500Z\"", "2022-04-15T05:20:00.5Z"),
        ("2147483648", "2038-01-19T03:14:08Z"),
        ("\"2100-02-28T23:59:59.999999999Z\"", "2100-02-28T23:59:59.999999999Z"),
        ("9223372036.854775807", "2262-04-11T23:47:16.854775807Z"),
    ];
    let messages = times.map(|(sent, _)| {
        let body =
            format!(r#"{{"experiment":"black-holes","measure":"hertz","value":1,"timestamp":{sent}}}"#);
        (body.into_bytes(), None)
    });
    environment.adapter().await.unwrap().publish_all(messages).await.unwrap();

    let scientist = environment.client(&service, OTHER_SCIENTIST);
    let measures = scientist
        .measures_when("/measures/2?order=asc", |measures| measures.len() == times.len())
        .await
        .unwrap();
    let answered: Vec<_> = measures.iter().map(|measure| measure["timestamp"].as_str().unwrap()).collect();
    assert_eq!(answered, times.map(|(_, answered)| answered));
}

async fn malformed_messages_do_not_end_consumption(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let adapter = environment.adapter().await.unwrap();
    let malformed: [&[u8]; 8] =
        [b"", b"x", b"{", b"[1]", b"\xff\xfe", b"null", b"{}", br#"{"experiment":"device-vibrations"}"#];
    for (number, body) in malformed.into_iter().enumerate() {
        adapter.publish(body, None).await.unwrap();
        let value = 1000.0 + f64::from(u32::try_from(number).unwrap());
        adapter.publish(&message("device-vibrations", "hertz", value, 1_700_000_000), None).await.unwrap();
    }
    let scientist = environment.client(&service, SCIENTIST);
    scientist.measures_when("/measures/1", |measures| measures.len() == 10 + malformed.len()).await.unwrap();
    service.wait_until_ready().await.unwrap();
    // None is left in the queue for endless redelivery.
    environment.wait_until_all_is_acknowledged().await;
    service.stop().await.unwrap();
    assert_eq!(adapter.queue().await.unwrap().message_count(), 0);
}

async fn nothing_is_acknowledged_before_it_is_committed(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let adapter = environment.adapter().await.unwrap();
    // Another session holds a lock that the commit needs.
    let mut holder = environment.session().await.unwrap();
    let hold = match engine {
        Engine::MySql => "LOCK TABLES MEASURES WRITE",
        Engine::Sqlite => "BEGIN IMMEDIATE",
    };
    holder.rows(hold).await.unwrap();
    adapter.publish(&message("device-vibrations", "hertz", 4711.0, 1_700_000_000), None).await.unwrap();
    // The service has the message and tries to commit it.
    match engine {
        Engine::MySql => {
            environment.session().await.unwrap().wait_until_found(WAITING_FOR_A_TABLE).await.unwrap();
        }
        Engine::Sqlite => service.wait_until_part("consumer", false).await.unwrap(),
    }
    environment.wait_until_queue_holds(QueueState { ready: 0, unacknowledged: 1, consumers: 1 }).await;

    service.process.kill9().await.unwrap();
    // The message is back in the queue.
    environment.wait_until_queue_holds(QueueState { ready: 1, unacknowledged: 0, consumers: 0 }).await;

    drop(holder);
    service.process.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let measures = scientist.measures_when("/measures/1", |measures| measures.len() == 11).await.unwrap();
    assert_eq!(measures[0]["value"], 4711.0);
}

async fn sixteen_concurrent_requests_are_all_answered_and_so_are_those_after_them(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let expected = scientist.read("/measures/1").await.unwrap();
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        let (scientist, expected) = (scientist.clone(), expected.clone());
        clients.spawn(async move {
            for _ in 0..20 {
                assert_eq!(scientist.read("/measures/1").await.unwrap(), expected);
            }
        });
    }
    clients.join_all().await;
    assert_eq!(scientist.read("/measures/1").await.unwrap(), expected);
}

async fn a_read_sees_what_others_committed_after_an_earlier_read(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    // Enough parallel reads that each pooled connection has read before; none may see an old
    // snapshot.
    let read_by_all = async || {
        let mut readers = JoinSet::new();
        for _ in 0..40 {
            let scientist = scientist.clone();
            readers.spawn(async move { scientist.measures("/measures/1").await.unwrap().len() });
        }
        readers.join_all().await
    };
    let mut other_program = environment.session().await.unwrap();
    for count in 10..13 {
        assert_eq!(read_by_all().await, [count; 40]);
        let insert = format!(
            "INSERT INTO MEASURES (ID, TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE) \
             VALUES ({count} + 1, 1, 1700000000000000000, 1, 7.5)"
        );
        other_program.rows(&insert).await.unwrap();
    }
}

async fn a_scientist_who_adds_a_user_is_told_403_and_nothing_is_added(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let answer =
        environment.client(&service, SCIENTIST).post("/users/", user("S003", "SCIENTIST")).await.unwrap();
    assert_eq!((answer.status, answer.code()), (403, "forbidden"));
    let administrator = environment.client(&service, ADMIN);
    assert_eq!(administrator.get("/users/S003").await.unwrap().status, 404);
    assert_eq!(administrator.read("/users/").await.unwrap().as_array().unwrap().len(), 3);
}

async fn a_username_can_be_changed_and_stays_unique(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let administrator = environment.client(&service, ADMIN);
    let old = administrator.read("/users/S001").await.unwrap();
    let with_username = |username: &str| {
        let mut changed = old.clone();
        changed["username"] = username.into();
        changed
    };

    let answer = administrator.put("/users/S001", with_username("another-uid")).await.unwrap();
    assert_eq!((answer.status, &answer.body), (200, &with_username("another-uid")));
    let renamed = environment.client(&service, "another-uid");
    assert_eq!(renamed.read("/users/me").await.unwrap(), with_username("another-uid"));
    assert_eq!(environment.client(&service, SCIENTIST).get("/users/me").await.unwrap().status, 403);

    let taken = administrator.put("/users/S001", with_username(OTHER_SCIENTIST)).await.unwrap();
    assert_eq!((taken.status, taken.code()), (409, "conflict"));
    assert!(taken.detail().contains("`username`"), "{taken:?}");
    assert_eq!(administrator.read("/users/S001").await.unwrap(), with_username("another-uid"));
    assert_eq!(
        environment.client(&service, OTHER_SCIENTIST).read("/users/me").await.unwrap()["user_id"],
        "S002"
    );
}

async fn an_administrator_sees_all_experiments_without_any_association(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let administrator = environment.client(&service, ADMIN);
    for association in ["/scientists-experiments/1/S001", "/scientists-experiments/2/S002"] {
        assert_eq!(administrator.delete(association).await.unwrap().status, 204);
    }
    let third = administrator.add_experiment("third").await.unwrap();
    assert_eq!(administrator.read("/scientists-experiments/").await.unwrap(), json!({}));
    assert_eq!(
        administrator.read("/experiments/").await.unwrap(),
        json!([
            {"experiment_id": 1, "name": "device-vibrations", "description": "", "archived": false},
            {"experiment_id": 2, "name": "black-holes", "description": "", "archived": false},
            {"experiment_id": third, "name": "third", "description": "", "archived": false},
        ])
    );
}

async fn associating_an_unknown_scientist_or_experiment_is_404(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let administrator = environment.client(&service, ADMIN);
    let before = administrator.read("/scientists-experiments/").await.unwrap();
    for (path, status, code) in [
        ("/scientists-experiments/1/S999", 404, "not_found"),
        ("/scientists-experiments/99/S001", 404, "not_found"),
        ("/scientists-experiments/99/S999", 404, "not_found"),
        // Related rules.
        ("/scientists-experiments/1/A001", 400, "invalid_argument"),
        ("/scientists-experiments/x/S001", 400, "invalid_argument"),
        ("/scientists-experiments/1/S001", 409, "conflict"),
    ] {
        let answer = administrator.send(Method::POST, path, None).await.unwrap();
        assert_eq!((answer.status, answer.code()), (status, code), "{path}: {answer:?}");
    }
    assert_eq!(administrator.read("/scientists-experiments/").await.unwrap(), before);
}

async fn a_missing_header_is_401_and_an_unknown_user_403(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let mut expired = mymonit_test_support::tokens::FirebaseDouble::claims_for(SCIENTIST);
    expired["exp"] = json!(1);
    let expired = format!("Bearer {}", environment.firebase.token_with(&expired));
    for client in [
        service.anonymous(),
        service.with_authorization(""),
        service.with_authorization("Bearer"),
        service.with_authorization("Bearer nonsense"),
        service.with_authorization("Basic czAwMTpwYXNzd29yZA=="),
        service.with_authorization(expired),
    ] {
        let answer = client.get("/measures/1").await.unwrap();
        assert_eq!((answer.status, answer.code()), (401, "unauthenticated"));
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    // Known to Firebase and not to MyMONIT; known and not allowed.
    for (username, path) in [("uid-nobody", "/measures/1"), (ADMIN, "/measures/1"), (SCIENTIST, "/users/")] {
        let answer = environment.client(&service, username).get(path).await.unwrap();
        assert_eq!((answer.status, answer.code()), (403, "forbidden"));
        assert_eq!(answer.header("www-authenticate"), "");
    }
}

async fn created_things_are_answered_with_themselves_and_their_location(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let administrator = environment.client(&service, ADMIN);

    let new_user = user("S 003/ö?", "SCIENTIST");
    let mut new_user = new_user;
    new_user["email"] = json!("s003@home.cern");
    let made = administrator.post("/users/", new_user.clone()).await.unwrap();
    assert_eq!((made.status, &made.body), (201, &new_user));
    assert_eq!(administrator.read(made.header("location")).await.unwrap(), new_user);

    let made = administrator.post("/experiments/", json!({"name": "a third one"})).await.unwrap();
    assert_eq!((made.status, &made.body["name"]), (201, &json!("a third one")));
    assert_eq!(administrator.read(made.header("location")).await.unwrap(), made.body);

    let made = administrator.send(Method::POST, "/scientists-experiments/2/S001", None).await.unwrap();
    assert_eq!((made.status, &made.body), (201, &json!({"experiment_id": 2, "user_id": "S001"})));
    assert_eq!(administrator.delete(made.header("location")).await.unwrap().status, 204);
}

#[tokio::test]
async fn the_configured_broker_user_and_password_are_used_in_plain_and_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem").display().to_string();
    let (key_file, certificate_file) = (folder.path().join("key.pem"), folder.path().join("certificate.pem"));
    let (certificate, key) = certificate_for_loopback(&ca_file);
    std::fs::write(&key_file, key).unwrap();
    std::fs::write(&certificate_file, certificate).unwrap();
    let tls_port = ReservedPort::reserve().unwrap();
    let tls = tls_port.get();
    let broker = RabbitMq::builder()
        .config(&format!("listeners.ssl.1 = 127.0.0.1:{tls}"))
        .config(&format!("ssl_options.certfile = {}", certificate_file.display()))
        .config(&format!("ssl_options.keyfile = {}", key_file.display()))
        .keep(tls_port)
        .start()
        .await
        .unwrap();
    let (name, password) = ("vibration-lab", "p@ss/w:rd #1");
    broker.ctl(&["add_user", name, password]).await.unwrap();
    broker.ctl(&["set_permissions", name, ".*", ".*", ".*"]).await.unwrap();
    // The fixed account of the Python system.
    broker.ctl(&["delete_user", "guest"]).await.unwrap();
    let plain = format!("127.0.0.1:{}", broker.port());
    let secure = format!("amqps://127.0.0.1:{tls}");

    for (url, password, ca_file, state) in [
        (&plain, "wrong", "", "refused by the broker"),
        (&secure, "wrong", ca_file.as_str(), "refused by the broker"),
        // The password is not sent to a broker with an untrusted certificate.
        (&secure, password, "", "connecting"),
        (&plain, password, "", "consuming"),
        (&secure, password, &ca_file, "consuming"),
    ] {
        let environment = TestEnvironment::with_broker(Engine::Sqlite, url.clone()).await.unwrap();
        let service =
            environment.service().unwrap().env("RABBIT_USER", name).env("RABBIT_PASSWORD", password);
        let service = service.env("RABBIT_CA_FILE", ca_file).start().await.unwrap();
        service.wait_until_part("database", true).await.unwrap();
        let is_ready = state == "consuming";
        // The first attempt is over once its failure is logged or the consumer exists.
        if is_ready {
            service.wait_until_ready().await.unwrap();
        } else {
            service.process.wait_for_line("not consuming", TIMEOUT).await.unwrap();
        }
        wait_until("the consumer is in its state", TIMEOUT, async || {
            let (status, body) = service.readiness().await.map_err(|error| error.to_string())?;
            let expected = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            let part = json!({"ready": is_ready, "state": state});
            if status == expected && body["parts"]["consumer"] == part {
                Ok(())
            } else {
                Err(body.to_string())
            }
        })
        .await
        .unwrap();
        let said = service.process.lines().iter().map(|line| line.text.clone()).collect::<String>();
        assert!(!said.contains(password) && !said.contains("p%40ss"), "{said}");
        if is_ready {
            let account = "vibration-lab:p%40ss%2Fw%3Ard%20%231";
            let adapter =
                Adapter::connect(&format!("amqp://{account}@127.0.0.1:{}", broker.port())).await.unwrap();
            let body = message("black-holes", "hertz", 1.0, 1);
            adapter.publish(&body, None).await.unwrap();
            let scientist = environment.client(&service, OTHER_SCIENTIST);
            scientist.measures_when("/measures/2", |measures| measures.len() == 1).await.unwrap();
            service.stop().await.unwrap();
        }
    }
}

/// A certificate for 127.0.0.1 with its key, in PEM; that of the authority which signed it is
/// written to a file.
fn certificate_for_loopback(ca_file: &str) -> (String, String) {
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    std::fs::write(ca_file, authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let mut server = CertificateParams::new([]).unwrap();
    server.subject_alt_names = vec![SanType::IpAddress(Ipv4Addr::LOCALHOST.into())];
    let key = KeyPair::generate().unwrap();
    (server.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
}

async fn erasing_a_user_keeps_the_id_and_nothing_else(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let administrator = environment.client(&service, ADMIN);
    let scientist = environment.client(&service, SCIENTIST);
    let erased = administrator.read("/users/S001").await.unwrap();
    assert_eq!(scientist.delete("/users/S001").await.unwrap().status, 204);

    // Removed for all callers at once.
    let refused = scientist.get("/users/me").await.unwrap();
    assert_eq!((refused.status, refused.code()), (403, "forbidden"));
    assert_eq!(administrator.get("/users/S001").await.unwrap().status, 404);
    assert_eq!(administrator.delete("/users/S001").await.unwrap().status, 404);
    let listed = administrator.read("/users/").await.unwrap().to_string();
    assert!(!listed.contains("S001") && !listed.contains("phigg"), "{listed}");
    let associations = administrator.read("/scientists-experiments/").await.unwrap();
    assert_eq!(associations.as_object().unwrap().keys().collect::<Vec<_>>(), ["2"]);

    // The staff identification stays, alone, and is never given again.
    let mut database = environment.session().await.unwrap();
    let row = "SELECT ID, NAME, USERNAME, EMAIL, EMAIL_KEY FROM USERS WHERE ID = 'S001'";
    assert_eq!(database.rows(row).await.unwrap(), [["S001", "NULL", "NULL", "NULL", "NULL"]]);
    assert_eq!(
        database.number("SELECT COUNT(*) FROM USER_EXPERIMENTS WHERE USER_ID = 'S001'").await.unwrap(),
        0
    );
    let again = administrator.post("/users/", erased.clone()).await.unwrap();
    assert_eq!((again.status, again.code()), (409, "conflict"));
    assert!(again.detail().contains("`user_id`"), "{again:?}");

    // The person may be added again as a new user, without the old rights.
    let mut newcomer = erased;
    newcomer["user_id"] = json!("S003");
    assert_eq!(administrator.post("/users/", newcomer).await.unwrap().status, 201);
    assert_eq!(scientist.read("/users/me").await.unwrap()["user_id"], "S003");
    assert_eq!(scientist.read("/experiments/").await.unwrap(), json!([]));
    assert_eq!(scientist.get("/measures/1").await.unwrap().status, 404);
}

async fn measures_are_read_by_page_and_by_time(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let adapter = environment.adapter().await.unwrap();
    let values = |measures: &[Value]| -> Vec<f64> {
        measures.iter().map(|measure| measure["value"].as_f64().unwrap()).collect()
    };
    // Newest first; `from` is included, `to` is not.
    let all = values(&scientist.measures("/measures/1").await.unwrap());
    assert_eq!(all, [120.0, 105.0, 110.0, 110.0, 130.0, 120.0, 110.0, 94.0, 95.0, 100.0]);
    for (query, expected) in [
        ("from=2022-04-06T07:02:00Z&to=2022-04-06T07:05:00Z", &[120.0, 110.0, 94.0][..]),
        ("from=1649228520&to=1649228700", &[120.0, 110.0, 94.0]),
        ("from=2022-04-06T07:02:00.000000001Z&to=2022-04-06T07:05:00Z", &[120.0, 110.0]),
        ("to=2022-04-06T07:02:00Z&order=asc", &[100.0, 95.0]),
        ("from=2022-04-06T07:10:00Z", &[]),
        ("type=radian", &[]),
        ("limit=2&order=asc&type=hertz&type=radian", &[100.0, 95.0]),
    ] {
        let path = format!("/measures/1?{query}");
        assert_eq!(values(&scientist.measures(&path).await.unwrap()), expected, "{query}");
    }

    // Page by page, while newer and older ones arrive: no duplicates, and no old measure is
    // missing.
    let mut read = Vec::new();
    let mut next = Some("/measures/1?limit=3".to_owned());
    let mut arrivals = 10;
    while let Some(path) = next.take() {
        let page = scientist.get(&path).await.unwrap();
        assert_eq!(page.status, 200, "{page:?}");
        read.extend(values(page.body.as_array().unwrap()));
        next = link_to_next(&page.headers);
        adapter.publish(&message("device-vibrations", "hertz", -1.0, 1_700_000_000), None).await.unwrap();
        arrivals += 1;
        scientist.measures_when("/measures/1", |measures| measures.len() == arrivals).await.unwrap();
    }
    assert_eq!(read, all);
    assert_eq!(arrivals, 14);
}

/// The address of the page after this one.
fn link_to_next(headers: &reqwest::header::HeaderMap) -> Option<String> {
    let link = headers.get("link")?.to_str().unwrap();
    let (address, rest) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
    assert_eq!(rest, "; rel=\"next\"");
    Some(address.to_owned())
}

#[tokio::test]
async fn sixteen_concurrent_writers_of_one_record_all_succeed() {
    let environment = TestEnvironment::new(Engine::MySql).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let mut writers = JoinSet::new();
    for number in 0..16 {
        let scientist: Client = environment.client(&service, SCIENTIST);
        writers.spawn(async move {
            let mut record = scientist.read("/users/me").await.unwrap();
            record["name"] = json!(format!("Peter {number}"));
            let answer = scientist.put("/users/S001", record.clone()).await.unwrap();
            assert_eq!((answer.status, answer.body), (200, record));
        });
    }
    writers.join_all().await;
    let name = environment.client(&service, SCIENTIST).read("/users/me").await.unwrap()["name"].to_string();
    assert!(name.starts_with("\"Peter "), "{name}");
}
