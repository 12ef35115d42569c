//! Takes the files of Swagger UI that `/docs` needs out of the archive that the crate
//! utoipa-swagger-ui-vendored carries, so that a build needs neither network nor Node.

use std::borrow::Cow;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

/// The files, by their path within the archive's only folder. The licence goes with them into the
/// binary.
const FILES: [&str; 4] = ["dist/swagger-ui.css", "dist/swagger-ui-bundle.js", "LICENSE", "NOTICE"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    // So that a page that was built again is compiled in again.
    println!("cargo::rerun-if-changed=../../page/dist");
    let folder = PathBuf::from(std::env::var("OUT_DIR")?).join("swagger-ui");
    fs::create_dir_all(&folder)?;
    let mut archive = ZipArchive::new(Cursor::new(utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED))?;
    for path in FILES {
        let is_it = |inside: &str| inside.split_once('/').is_some_and(|(_, rest)| rest == path);
        let inside = archive.file_names().flatten().find(|inside| is_it(inside)).map(Cow::into_owned);
        let inside = inside.ok_or_else(|| format!("Swagger UI's archive holds no {path}"))?;
        let name = Path::new(path).file_name().ok_or("a file has a name")?;
        io::copy(&mut archive.by_name(&inside)?, &mut File::create(folder.join(name))?)?;
    }
    Ok(())
}
