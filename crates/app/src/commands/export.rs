use super::output::print;
use crate::container::{Storage, directory_service};

/// Prints the directory as one JSON document.
pub(super) async fn export(storage: &Storage) -> anyhow::Result<()> {
    print(&directory_service(storage).export().await?)
}
