use std::fs;
use std::time::Duration;

use anyhow::Context as _;

use crate::ports::ReservedPort;
use crate::program;
use crate::supervised::{Program, Supervised, environment};

const PACKAGE: &str = "prometheus";

/// Generous, since a machine that compiles beside the tests is slow.
const START: Duration = Duration::from_secs(60);

/// A Prometheus of the test's own, with its own data folder and port, on the loopback address only. Dropping it ends
/// it and removes its data.
#[derive(Debug)]
pub struct Prometheus {
    port: ReservedPort,
    _server: Supervised,
}

impl Prometheus {
    /// Starts it with this configuration and these files beside it, such as rules, by their names.
    ///
    /// # Errors
    /// Where Prometheus is not installed (the error names the Debian package), or does not take the configuration.
    pub async fn start(configuration: &str, files: &[(&str, &str)]) -> anyhow::Result<Self> {
        let port = ReservedPort::reserve()?;
        let folder = tempfile::Builder::new().prefix("mymonit-test-prometheus-").tempdir()?;
        let binary = program::find("prometheus", PACKAGE)?;
        let path = folder.path().to_owned();
        let option = |name: &str, value: String| format!("--{name}={value}").into();
        let program = Program {
            name: format!("prometheus on port {}", port.get()),
            command: vec![
                binary.into(),
                option("config.file", program::text(&path.join("prometheus.yml"))?.to_owned()),
                option("storage.tsdb.path", program::text(&path.join("data"))?.to_owned()),
                option("web.listen-address", format!("127.0.0.1:{}", port.get())),
            ],
            environment: environment([("LC_ALL", "C.UTF-8")]),
            working_folder: path.clone(),
            companion: None,
        };
        // From here on the folder goes with the process, whatever happens; so it is filled only now.
        let server = Supervised::new(program, folder)?;
        for (name, content) in files.iter().chain(&[("prometheus.yml", configuration)]) {
            let file = path.join(name);
            let parent = file.parent().context("a file without a folder")?;
            fs::create_dir_all(parent)?;
            fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
        }
        server.start().await?;
        server.wait_until_ready(0, START, |line| line.contains("Server is ready to receive")).await?;
        Ok(Self { port, _server: server })
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.get())
    }
}
