//! The container builds the three verifiers, and they count tokens from the future.

use std::sync::Arc;

use mymonit_auth::{
    CertificateAddress, DemoProjectId, EmulatorTokenVerifier, EmulatorTokenVerifierParameters, EvaluationKey,
    EvaluationTokenVerifier, EvaluationTokenVerifierParameters, FirebaseTokenVerifier,
    FirebaseTokenVerifierParameters, ProjectId, SigningKeys, TokenMetrics,
};
use mymonit_services::ports::TokenVerifier;
use mymonit_test_support::tokens::{FirebaseDouble, claims, unsigned_token};
use shaku::{HasComponent, module};

use crate::table::{seconds_from_now, verdict, with};

module! { FirebaseModule { components = [FirebaseTokenVerifier], providers = [] } }
module! { EmulatorModule { components = [EmulatorTokenVerifier], providers = [] } }
module! { EvaluationModule { components = [EvaluationTokenVerifier], providers = [] } }

fn resolve(module: &impl HasComponent<dyn TokenVerifier>) -> Arc<dyn TokenVerifier> {
    module.resolve()
}

#[tokio::test]
async fn the_container_builds_the_firebase_verifier() {
    let (double, metrics) = (FirebaseDouble::start().await.unwrap(), TokenMetrics::default());
    let address = CertificateAddress::new(Some(&double.certs_url())).unwrap();
    let module = FirebaseModule::builder()
        .with_component_parameters::<FirebaseTokenVerifier>(FirebaseTokenVerifierParameters {
            project_id: ProjectId::new(FirebaseDouble::PROJECT_ID).unwrap(),
            keys: Arc::new(SigningKeys::start(address).unwrap()),
            metrics: metrics.clone(),
        })
        .build();
    let verifier = resolve(&module);
    let ahead = with(FirebaseDouble::claims_for("uid"), "iat", seconds_from_now(30));
    for (token, from_future) in [(double.token_for("uid"), 0), (double.token_with(&ahead), 1)] {
        assert_eq!(verdict(&*verifier, &token).await, Ok("uid".to_owned()));
        assert_eq!(metrics.from_future(), from_future);
    }
    let unsigned = unsigned_token(&ahead);
    assert!(verdict(&*verifier, &unsigned).await.is_err());
    assert_eq!(metrics.from_future(), 1, "only verified tokens count");
}

#[tokio::test]
async fn the_container_builds_the_emulators_verifier() {
    let project_id = DemoProjectId::new(ProjectId::new("demo-x").unwrap()).unwrap();
    let module = EmulatorModule::builder()
        .with_component_parameters::<EmulatorTokenVerifier>(EmulatorTokenVerifierParameters {
            project_id,
            metrics: TokenMetrics::default(),
        })
        .build();
    let seen = verdict(&*resolve(&module), &unsigned_token(&claims("demo-x", "uid"))).await;
    assert_eq!(seen, Ok("uid".to_owned()));
}

#[tokio::test]
async fn the_container_builds_the_evaluation_modes_verifier() {
    let folder = tempfile::tempdir().unwrap();
    let key = EvaluationKey::read_or_create(&folder.path().join("evaluation.key")).unwrap();
    let token =
        key.sign(&mymonit_model::Username::new("uid").unwrap(), std::time::Duration::from_secs(60)).unwrap();
    let module = EvaluationModule::builder()
        .with_component_parameters::<EvaluationTokenVerifier>(EvaluationTokenVerifierParameters {
            key,
            metrics: TokenMetrics::default(),
        })
        .build();
    assert_eq!(verdict(&*resolve(&module), &token).await, Ok("uid".to_owned()));
}
