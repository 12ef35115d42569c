use anyhow::{Context, bail};
use mymonit_auth::EvaluationKey;
use mymonit_logging::TracingAuditLog;
use mymonit_model::UserId;
use mymonit_services::audit::{AuditEvent, AuditLog, Command};

use super::output::print;
use crate::configuration::{AuthConfiguration, DatabaseConfiguration, Environment};
use crate::container::Storage;
use crate::page::{TOKEN_VALID_FOR, issued};

/// Prints a token for a user of evaluation mode.
pub(super) async fn token(environment: &Environment, user_id: &str) -> anyhow::Result<()> {
    let AuthConfiguration::Evaluation { key_file } = AuthConfiguration::read(environment, true)? else {
        bail!("tokens are printed in evaluation mode only");
    };
    let key = EvaluationKey::read(&key_file).context("start `mymonit serve --evaluation` here first")?;
    let storage = Storage::open(DatabaseConfiguration::read(environment, true)?)?;
    storage.database().prepare().await?;
    let user_id = UserId::existing(user_id)?;
    let user = storage.users().find(&user_id).await?.with_context(|| format!("user {user_id} not found"))?;
    let token = key.sign(user.username.reveal(), TOKEN_VALID_FOR)?;
    print(&format!("{token}\n"))?;
    TracingAuditLog::new().record(AuditEvent { command: Some(Command::Token), ..issued(user_id) });
    Ok(())
}
