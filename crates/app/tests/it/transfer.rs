//! `mymonit export` and `mymonit import`: an export can be imported on either engine. A document
//! with mistakes changes nothing, and every mistake is named.

use std::path::{Path, PathBuf};

use mymonit_test_support::{MySqlServer, python_system};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::environment::{Engine, Finished, TestEnvironment, on_every_engine};

on_every_engine!(
    an_export_survives_an_import_on_either_engine,
    an_import_adds_and_changes_and_leaves_the_rest_and_the_second_one_does_nothing,
    names_and_addresses_are_exchanged_by_one_import,
    a_dry_run_shows_the_difference_and_changes_nothing,
    hostile_documents_change_nothing_and_every_mistake_is_named_at_once,
    each_change_of_an_import_is_an_audit_event,
    a_command_with_closed_output_succeeds_silently,
    a_database_that_was_not_migrated_is_left_alone,
);

/// An environment whose database has the schema and no rows.
async fn migrated(engine: Engine) -> TestEnvironment {
    let environment = TestEnvironment::new(engine).await.unwrap();
    assert_eq!(environment.command("migrate").unwrap().run().await.unwrap().status, 0);
    environment
}

async fn run(environment: &TestEnvironment, arguments: &[&str]) -> Finished {
    environment.command_with(arguments).unwrap().run().await.unwrap()
}

async fn export(environment: &TestEnvironment) -> String {
    let finished = run(environment, &["export"]).await;
    assert_eq!(finished.status, 0, "{finished:?}");
    finished.stdout + "\n"
}

/// A folder with one file in it.
fn file(name: &str, content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

async fn import(environment: &TestEnvironment, document: impl AsRef<[u8]>, further: &[&str]) -> Finished {
    let (_folder, path) = file("document.json", document);
    run(environment, &[&["import", text(&path)], further].concat()).await
}

async fn import_ok(environment: &TestEnvironment, document: &Value) -> Finished {
    let finished = import(environment, document.to_string(), &[]).await;
    assert_eq!(finished.status, 0, "{finished:?}");
    finished
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn person(id: &str, role: &str) -> Value {
    json!({ "user_id": id, "name": format!("Zoë \"{id}\" 黒穴"), "username": format!("uid-{id}"),
        "email": format!("{id}@home.cern"), "role": role })
}

fn document() -> Value {
    json!({
        "format": "mymonit-directory",
        "version": 1,
        "users": [person("S2", "SCIENTIST"), person("A1", "ADMIN"), person("S1", "SCIENTIST")],
        "erased_users": [{ "user_id": "S9", "role": "SCIENTIST", "erased_at": "2026-01-02T03:04:05.000000006Z" }],
        "experiments": [{ "experiment_id": 7, "name": "device-vibrations", "description": "in hall 7", "archived": true }, { "name": "zeta" }, { "experiment_id": 3, "name": "b" }],
        "associations": [{ "experiment": "zeta", "user_id": "S1" }, { "experiment": "device-vibrations", "user_id": "S1" },
            { "experiment": "device-vibrations", "user_id": "S2" }],
        "measure_types": [{ "name": "bit", "symbol": "bit", "quantity": "information" },
            { "name": "hertz", "symbol": "Hz", "quantity": "frequency" }],
        "sensors": [{ "experiment": "zeta", "name": "left" }, { "experiment": "device-vibrations", "name": "left", "description": "PT100" },
            { "experiment": "device-vibrations", "name": "Ofen/rechts \u{1f600}" }],
    })
}

fn other(engine: Engine) -> Engine {
    match engine {
        Engine::MySql => Engine::Sqlite,
        Engine::Sqlite => Engine::MySql,
    }
}

async fn an_export_survives_an_import_on_either_engine(engine: Engine) {
    let environment = migrated(engine).await;
    import_ok(&environment, &document()).await;
    let exported = export(&environment).await;
    assert!(
        exported
            .contains("    {\"experiment_id\":8,\"name\":\"zeta\",\"description\":\"\",\"archived\":false}"),
        "{exported}"
    );
    assert!(exported.find("\"A1\"").unwrap() < exported.find("\"S1\"").unwrap());
    for engine in [engine, other(engine)] {
        let empty = migrated(engine).await;
        let finished = import(&empty, &exported, &[]).await;
        assert_eq!(finished.status, 0, "{finished:?}");
        assert_eq!(export(&empty).await, exported);
        // User ids erased in the source cannot be used here either.
        let mut erased = document();
        erased["users"] = json!([person("S9", "SCIENTIST")]);
        assert_eq!(import(&empty, erased.to_string(), &[]).await.status, 3);
    }
}

async fn an_import_adds_and_changes_and_leaves_the_rest_and_the_second_one_does_nothing(engine: Engine) {
    let environment = migrated(engine).await;
    import_ok(&environment, &document()).await;
    let mut next = document();
    next["users"] = json!([person("S1", "SCIENTIST"), person("S3", "SCIENTIST")]);
    next["users"][0]["email"] = json!("new@home.cern");
    next["experiments"] = json!([{ "experiment_id": 7, "name": "renamed", "archived": false }]);
    next["associations"] = json!([{ "experiment": "renamed", "user_id": "S3" }]);
    next["sensors"] = json!([{ "experiment": "renamed", "name": "left", "description": "PT1000" },
        { "experiment": "b", "name": "left", "description": "x" }]);
    next.as_object_mut().unwrap().remove("measure_types");
    let finished = import_ok(&environment, &next).await;
    for line in [
        "~ user S1: e-mail \"S1@home.cern\" -> \"new@home.cern\"",
        "+ user S3: SCIENTIST",
        "~ experiment 7: name \"device-vibrations\" -> \"renamed\", brought back",
        "+ association: S3 may read \"renamed\"",
        "= user A1 is not in the document, and is left as it is",
        "= experiment 3: name \"b\" is not in the document",
        "= association: S2 may read \"renamed\" is not in the document",
        "= the document has no measure types; there are 39, left as they are",
        "~ sensor \"left\" of experiment 7: description \"PT100\" -> \"PT1000\"",
        "+ sensor \"left\" of \"b\": description \"x\"",
        "= sensor \"Ofen/rechts \u{1f600}\" of \"renamed\" is not in the document",
        "= sensor \"left\" of \"zeta\" is not in the document",
        "6 changes made",
    ] {
        assert!(finished.stdout.contains(line), "{line}: {}", finished.stdout);
    }
    let exported = export(&environment).await;
    assert!(import_ok(&environment, &next).await.stdout.ends_with("nothing to change"));
    let own = import(&environment, &exported, &[]).await;
    assert_eq!((own.status, own.stdout.as_str()), (0, "nothing to change"));
    assert_eq!(export(&environment).await, exported);
    assert!(exported.contains("\"A1\"") && exported.contains("\"new@home.cern\""));
}

async fn names_and_addresses_are_exchanged_by_one_import(engine: Engine) {
    let environment = migrated(engine).await;
    let people = |first: &str, second: &str, third: &str| {
        [("S1", first), ("S2", second), ("S3", third)].map(|(id, like)| {
            let mut person = person(id, "SCIENTIST");
            for field in ["name", "username", "email"] {
                person[field] = json!(format!("{like}{}", if field == "email" { "@home.cern" } else { "" }));
            }
            person
        })
    };
    let experiments = |first: &str, second: &str, third: &str| {
        json!([(1, first), (2, second), (3, third)].map(|(id, name)| {
            json!({ "experiment_id": id, "name": name, "description": "", "archived": false })
        }))
    };
    let mut document = json!({ "format": "mymonit-directory", "version": 1,
        "users": people("a", "b", "c"), "experiments": experiments("a", "b", "c"),
        "associations": [{ "experiment": "a", "user_id": "S1" }] });
    import_ok(&environment, &document).await;
    // A cycle of three, a swap of two, and a name that another experiment frees.
    for (names, changes) in [(["b", "c", "a"], 6), (["c", "b", "a"], 4), (["c", "d", "b"], 4)] {
        let [first, second, third] = names;
        document["users"] = json!(people(first, second, third));
        document["experiments"] = experiments(first, second, third);
        document["associations"] = json!([{ "experiment": first, "user_id": "S1" }]);
        let finished = import_ok(&environment, &document).await;
        assert!(finished.stdout.ends_with(&format!("{changes} changes made")), "{}", finished.stdout);
        let exported: Value = serde_json::from_str(&export(&environment).await).unwrap();
        for section in ["users", "experiments", "associations"] {
            assert_eq!(exported[section], document[section]);
        }
        assert!(import_ok(&environment, &document).await.stdout.ends_with("nothing to change"));
    }
    // A name that another user keeps cannot be given away.
    document["users"] = json!([people("b", "", "")[0]]);
    let refused = import(&environment, document.to_string(), &[]).await;
    assert_eq!(refused.status, 3);
    assert!(refused.stderr.contains("`users[0].email` is in use by another user"), "{}", refused.stderr);
}

async fn a_dry_run_shows_the_difference_and_changes_nothing(engine: Engine) {
    let environment = migrated(engine).await;
    let before = export(&environment).await;
    let finished = import(&environment, document().to_string(), &["--dry-run"]).await;
    assert_eq!(finished.status, 0);
    for line in [
        "+ user A1: ADMIN, name \"Zoë \\\"A1\\\" 黒穴\"",
        "+ erased user S9",
        "+ experiment 7: name \"device-vibrations\", description \"in hall 7\", archived",
        "+ experiment with the next number: name \"zeta\"",
        "+ measure type \"bit\"",
        "14 changes would be made; nothing was changed",
    ] {
        assert!(finished.stdout.contains(line), "{line}: {}", finished.stdout);
    }
    assert_eq!(export(&environment).await, before);
}

async fn hostile_documents_change_nothing_and_every_mistake_is_named_at_once(engine: Engine) {
    let environment = migrated(engine).await;
    import_ok(&environment, &document()).await;
    let before = export(&environment).await;
    let mut long = person("S7", "SCIENTIST");
    long["name"] = json!("x".repeat(101));
    let hostile = r#"{
        "format": "mymonit-directory", "version": 2, "comment": "unknown", "version": 1,
        "users": [
            {"user_id": "S1", "name": "A", "username": "u-1", "email": "a@b.ch", "role": "ADMIN"},
            {"user_id": "A1", "name": "A", "username": "u-a", "email": "x@b.ch", "role": "SCIENTIST"},
            {"user_id": "S9", "name": "A", "username": "u-9", "email": "9@b.ch", "role": "SCIENTIST"},
            {"user_id": 17, "name": null, "username": ["x"], "email": "no address", "role": "ROOT", "phone": "1"},
            {"user_id": "S4", "name": " ", "username": "uid-S2", "email": "S2@HOME.cern", "role": "SCIENTIST"},
            {"user_id": "S4", "name": "A", "username": "u-1", "email": "A@b.ch", "role": "SCIENTIST", "role": "ADMIN"},
            "no object", LONG
        ],
        "erased_users": [{"user_id": "S2", "role": "SCIENTIST", "erased_at": "2026"}],
        "experiments": [
            {"experiment_id": 3, "name": "zeta"}, {"experiment_id": -1, "name": "n1"}, {"experiment_id": "3", "name": "n2"},
            {"experiment_id": 4294967295, "name": "n3"}, {"name": "twice"}, {"name": "twice"}, {"name": "a\nb", "description": 1, "archived": "yes"}
        ],
        "associations": [
            {"experiment": "zeta", "user_id": "A1"}, {"experiment": "nowhere", "user_id": "nobody"},
            {"experiment": "device-vibrations", "user_id": "S1"}, {"experiment": "device-vibrations", "user_id": "S1"}
        ],
        "measure_types": [{"name": "hertz", "symbol": "hz", "quantity": "frequency"}, {"name": "n", "symbol": ""}, {}],
        "sensors": [
            {"experiment": "nowhere", "name": "left"}, {"experiment": "zeta", "name": "twice"}, {"experiment": "zeta", "name": "twice"},
            {"experiment": "zeta", "name": ".."}, {"experiment": "zeta", "name": "n", "description": null}
        ]
    }"#
    .replace("LONG", &long.to_string());
    let finished = import(&environment, &hostile, &[]).await;
    assert_eq!(finished.status, 3, "{finished:?}");
    for mistake in [
        "`comment` is not known here",
        "`version` occurs twice",
        "`version` must be 1",
        "`users[0].role` cannot be changed; it is SCIENTIST",
        "`users[1].role` cannot be changed; it is ADMIN",
        "`users[2].user_id` was used by an erased user",
        "`users[3].user_id` must be a string",
        "`users[3].name` must be a string",
        "`users[3].username` must be a string",
        "`users[3].email` must be a valid e-mail address",
        "`users[3].role` must be `ADMIN` or `SCIENTIST`",
        "`users[3].phone` is not known here",
        "`users[4].name` must not be blank",
        "`users[4].username` is in use by another user",
        "`users[4].email` is in use by another user",
        "`users[5].role` occurs twice",
        "`users[5].user_id` occurs twice; see `users[4]`",
        "`users[5].username` occurs twice; see `users[0]`",
        "`users[5].email` occurs twice; see `users[0]`",
        "`users[6]` must be an object",
        "`users[7].name` must have at most 100 characters",
        "`erased_users[0].user_id` is a user's who was not erased",
        "`erased_users[0].erased_at` must be",
        "`experiments[0].name` is in use by experiment 8",
        "`experiments[1].experiment_id` must be an integer from 1",
        "`experiments[2].experiment_id` must be an integer from 1",
        "`experiments[3].experiment_id` must be at most 2000000000",
        "`experiments[5].name` occurs twice; see `experiments[4]`",
        "`experiments[6].name` must not contain control characters",
        "`experiments[6].description` must be a string",
        "`experiments[6].archived` must be true or false",
        "`associations[0].user_id` must be a scientist's",
        "`associations[1].experiment` there is no such experiment",
        "`associations[1].user_id` there is no such user",
        "`associations[3].user_id` occurs twice; see `associations[2]`",
        "`measure_types[0].symbol` cannot be changed; it is \"Hz\"",
        "`measure_types[1].symbol` must not be blank",
        "`measure_types[1].quantity` is missing",
        "`measure_types[2].name` is missing",
        "`sensors[0].experiment` there is no such experiment",
        "`sensors[2].name` occurs twice; see `sensors[1]`",
        "`sensors[3].name` must not be `.` or `..`",
        "`sensors[4].description` must be a string",
        "nothing was changed",
    ] {
        assert!(finished.stderr.contains(mistake), "{mistake}: {}", finished.stderr);
    }
    assert!(!finished.stderr.contains("no address"));
    assert_eq!(export(&environment).await, before);

    // Not a document. Only as much of 1 GB is read as is needed to refuse it.
    let deep = format!("{{\"users\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for (document, mistake) in [
        (b"".to_vec(), "is not JSON"),
        (b"[]".to_vec(), "must be an object"),
        (b"{\"users\": [\xff]}".to_vec(), "is not valid UTF-8"),
        (b"{} {}".to_vec(), "is not JSON"),
        (deep.into_bytes(), "recursion limit"),
        (b"{}".to_vec(), "`format` must be"),
    ] {
        let finished = import(&environment, document, &[]).await;
        assert_eq!(finished.status, 3, "{finished:?}");
        assert!(finished.stderr.contains(mistake), "{mistake}: {}", finished.stderr);
    }
    let (_folder, huge) = file("huge.json", b"");
    std::fs::OpenOptions::new().write(true).open(&huge).unwrap().set_len(1 << 30).unwrap();
    let finished = run(&environment, &["import", text(&huge)]).await;
    assert_eq!(finished.status, 3);
    assert!(finished.stderr.contains("more than 16777216 bytes"), "{}", finished.stderr);
    assert_eq!(export(&environment).await, before);
}

async fn each_change_of_an_import_is_an_audit_event(engine: Engine) {
    let environment = migrated(engine).await;
    let finished = import_ok(&environment, &document()).await;
    let mut events: Vec<_> = finished
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["event.dataset"] == "mymonit.audit")
        .map(|event| {
            assert_eq!(
                (&event["mymonit.command"], &event["event.outcome"]),
                (&json!("import"), &json!("success"))
            );
            assert_eq!(event.get("user.id"), None);
            let name = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
            format!("{} {}", name("event.action"), name("mymonit.resource.id"))
        })
        .collect();
    events.sort();
    assert_eq!(
        events,
        [
            "associate 7/S1",
            "associate 7/S2",
            "associate 8/S1",
            "create-experiment 3",
            "create-experiment 7",
            "create-experiment 8",
            "create-user A1",
            "create-user S1",
            "create-user S2",
            "erase-user S9",
            "update-sensor 7/Ofen/rechts \u{1f600}",
            "update-sensor 7/left",
            "update-sensor 8/left"
        ]
    );
    assert!(!finished.stderr.contains("home.cern"));
}

async fn a_command_with_closed_output_succeeds_silently(engine: Engine) {
    let environment = migrated(engine).await;
    let (_folder, path) = file("document.json", document().to_string());
    for arguments in [&["import", text(&path)][..], &["export"], &["openapi"]] {
        let finished = environment.command_with(arguments).unwrap().run_unread().await.unwrap();
        assert_eq!(finished.status, 0, "{arguments:?}: {finished:?}");
        // The log is on standard error.
        let spoken: Vec<_> = finished.stderr.lines().filter(|line| !line.starts_with('{')).collect();
        assert!(spoken.is_empty(), "{arguments:?}: {spoken:?}");
    }
    // The changes are made.
    assert!(import_ok(&environment, &document()).await.stdout.ends_with("nothing to change"));
}

async fn a_database_that_was_not_migrated_is_left_alone(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    for arguments in [&["export"][..], &["import", "-"]] {
        let finished = run(&environment, arguments).await;
        assert_eq!(finished.status, 1, "{finished:?}");
        assert!(finished.stderr.contains("`mymonit migrate`"), "{}", finished.stderr);
    }
    match engine {
        Engine::Sqlite => {
            assert!(!Path::new(environment.database_url.strip_prefix("sqlite://").unwrap()).exists())
        }
        Engine::MySql => {
            // The same of a database of the Python system.
            let server = MySqlServer::shared().await.unwrap();
            let database = environment.database_url.rsplit('/').next().unwrap();
            server.execute(&format!("USE {database}; {}", python_system::SCHEMA)).await.unwrap();
            assert_eq!(run(&environment, &["export"]).await.status, 1);
            let tables =
                format!("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{database}'");
            assert_eq!(server.execute(&tables).await.unwrap().trim(), "6");
        }
    }
}
