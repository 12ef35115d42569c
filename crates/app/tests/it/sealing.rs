//! The service seals in the background; commands seal, verify and unseal.

use crate::environment::{Engine, Finished, SCIENTIST, TIMEOUT, TestEnvironment, on_every_engine};

on_every_engine!(the_service_seals_what_is_old_and_reads_it_as_before, commands_seal_verify_and_unseal,);

const ROWS: &str = "SELECT COUNT(*) FROM MEASURES";

async fn run(environment: &TestEnvironment, arguments: &[&str]) -> Finished {
    environment.command_with(arguments).unwrap().run().await.unwrap()
}

async fn the_service_seals_what_is_old_and_reads_it_as_before(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let path = "/measures/1?order=asc";
    let before = environment.client(&service, SCIENTIST).get(path).await.unwrap();
    assert_eq!(before.status, 200);
    service.stop().await.unwrap();

    let service = environment.service().unwrap().env("SEAL_AFTER_HOURS", "1").ready().await.unwrap();
    let mut session = environment.session().await.unwrap();
    session.wait_until_found("SELECT COUNT(*) FROM MEASURE_BLOCKS").await.unwrap();
    assert_eq!(session.number(ROWS).await.unwrap(), 0);
    let after = environment.client(&service, SCIENTIST).get(path).await.unwrap();
    assert_eq!(after.body, before.body);

    session.rows("UPDATE MEASURE_BLOCKS SET CRC = CRC + 1").await.unwrap();
    let broken = environment.client(&service, SCIENTIST).get(path).await.unwrap();
    assert_eq!(broken.status, 500);
    service.process.wait_for_line("block of experiment 1 at timestamp ", TIMEOUT).await.unwrap();
    service.stop().await.unwrap();
}

async fn commands_seal_verify_and_unseal(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    environment.ready_service().await.unwrap().stop().await.unwrap();
    let mut session = environment.session().await.unwrap();

    assert_eq!(run(&environment, &["seal", "--older-than", "20000d"]).await.status, 0);
    assert_eq!(session.number(ROWS).await.unwrap(), 10);
    assert_eq!(run(&environment, &["seal", "--older-than", "soon"]).await.status, 2);
    let sealed = run(&environment, &["seal"]).await;
    assert_eq!(sealed.status, 0, "{sealed:?}");
    assert_eq!(session.number(ROWS).await.unwrap(), 0);
    assert_eq!(run(&environment, &["verify"]).await.status, 0);

    session.rows("UPDATE MEASURE_BLOCKS SET CRC = CRC + 1").await.unwrap();
    let broken = run(&environment, &["verify"]).await;
    assert_eq!(broken.status, 1);
    assert!(broken.stderr.contains("1 of 1 blocks are broken"), "{broken:?}");
    assert_eq!(run(&environment, &["unseal"]).await.status, 1);

    session.rows("UPDATE MEASURE_BLOCKS SET CRC = CRC - 1").await.unwrap();
    assert_eq!(run(&environment, &["unseal"]).await.status, 0);
    assert_eq!(session.number(ROWS).await.unwrap(), 10);
    assert_eq!(session.number("SELECT COUNT(*) FROM MEASURE_BLOCKS").await.unwrap(), 0);
}
