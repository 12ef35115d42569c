//! That the three judges can be put into a container.

use std::sync::Arc;

use mymonit_auth::{
    CertificateAddress, DemoProjectId, EmulatorTokenVerifier, EmulatorTokenVerifierParameters, EvaluationKey,
    EvaluationTokenVerifier, EvaluationTokenVerifierParameters, FirebaseTokenVerifier,
    FirebaseTokenVerifierParameters, ProjectId, SigningKeys,
};
use mymonit_services::ports::TokenVerifier;
use mymonit_test_support::tokens::{FirebaseDouble, claims, unsigned_token};
use shaku::{HasComponent, module};

use crate::table::verdict;

module! { FirebaseModule { components = [FirebaseTokenVerifier], providers = [] } }
module! { EmulatorModule { components = [EmulatorTokenVerifier], providers = [] } }
module! { EvaluationModule { components = [EvaluationTokenVerifier], providers = [] } }

fn resolve(module: &impl HasComponent<dyn TokenVerifier>) -> Arc<dyn TokenVerifier> {
    module.resolve()
}

#[tokio::test]
async fn the_container_builds_the_firebase_judge() {
    let double = FirebaseDouble::start().await.unwrap();
    let address = CertificateAddress::new(Some(&double.certs_url())).unwrap();
    let module = FirebaseModule::builder()
        .with_component_parameters::<FirebaseTokenVerifier>(FirebaseTokenVerifierParameters {
            project_id: ProjectId::new(FirebaseDouble::PROJECT_ID).unwrap(),
            keys: Arc::new(SigningKeys::start(address).unwrap()),
        })
        .build();
    let seen = verdict(&*resolve(&module), &double.token_for("uid")).await;
    assert_eq!(seen, Ok("uid".to_owned()));
}

#[tokio::test]
async fn the_container_builds_the_emulators_judge() {
    let project_id = DemoProjectId::new(ProjectId::new("demo-x").unwrap()).unwrap();
    let module = EmulatorModule::builder()
        .with_component_parameters::<EmulatorTokenVerifier>(EmulatorTokenVerifierParameters { project_id })
        .build();
    let seen = verdict(&*resolve(&module), &unsigned_token(&claims("demo-x", "uid"))).await;
    assert_eq!(seen, Ok("uid".to_owned()));
}

#[tokio::test]
async fn the_container_builds_the_evaluation_modes_judge() {
    let folder = tempfile::tempdir().unwrap();
    let key = EvaluationKey::read_or_create(&folder.path().join("evaluation.key")).unwrap();
    let token =
        key.sign(&mymonit_model::Username::new("uid").unwrap(), std::time::Duration::from_secs(60)).unwrap();
    let module = EvaluationModule::builder()
        .with_component_parameters::<EvaluationTokenVerifier>(EvaluationTokenVerifierParameters { key })
        .build();
    assert_eq!(verdict(&*resolve(&module), &token).await, Ok("uid".to_owned()));
}
