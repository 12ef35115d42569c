use crate::ports::ReservedPort;
use crate::program;
use crate::supervised::{Program, Supervised, environment};

const PACKAGE: &str = "prometheus";

/// A private Prometheus with its own data folder and loopback port.
/// Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Prometheus {
    port: ReservedPort,
    _server: Supervised,
}

impl Prometheus {
    /// Starts it with this configuration and named files beside it, such as rules.
    ///
    /// # Errors
    /// Where Prometheus is not installed (the error names the Debian package), or does not take the
    /// configuration.
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
        let files = [files, &[("prometheus.yml", configuration)]].concat();
        let server =
            Supervised::start_with_files(program, folder, &files, "Server is ready to receive").await?;
        Ok(Self { port, _server: server })
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.get())
    }
}
