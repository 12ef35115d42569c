use std::time::Duration;

use anyhow::{Context, bail};
use mymonit_auth::EvaluationKey;
use mymonit_model::UserId;

use super::print;
use crate::configuration::{AuthConfiguration, DatabaseConfiguration, Environment};
use crate::container::Storage;

/// Long enough for a day of trying things out.
pub(crate) const VALID_FOR: Duration = Duration::from_secs(12 * 60 * 60);

/// Prints a token with which evaluation mode takes its bearer for that user.
pub(crate) async fn token(environment: &Environment, user_id: &str) -> anyhow::Result<()> {
    let AuthConfiguration::Evaluation { key_file } = AuthConfiguration::read(environment, true)? else {
        bail!("tokens are printed in evaluation mode only");
    };
    let key = EvaluationKey::read(&key_file).context("start `mymonit serve --evaluation` here first")?;
    let storage = Storage::open(DatabaseConfiguration::read(environment, true)?)?;
    storage.prepare().await?;
    let user_id = UserId::new(user_id)?;
    let user =
        storage.users().find(&user_id).await?.with_context(|| format!("there is no user {user_id}"))?;
    print(&format!("{}\n", key.sign(user.username.reveal(), VALID_FOR)?))
}
