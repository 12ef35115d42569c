use std::fs;
use std::time::Duration;

use anyhow::Context as _;

use crate::ports::ReservedPort;
use crate::program;
use crate::supervised::{Program, Supervised, environment};

const PACKAGE: &str = "nginx-light";

/// Generous, since a machine that compiles beside the tests is slow.
const START: Duration = Duration::from_secs(60);

/// One process: workers would outlive a master that is killed. Nothing is written but below the folder it runs in.
const MAIN: &str = "daemon off;\n\
    master_process off;\n\
    error_log stderr notice;\n\
    pid nginx.pid;\n\
    events { worker_connections 1024; }\n";
const FOLDERS: &str = "client_body_temp_path client-body;\n\
    proxy_temp_path proxy;\n\
    fastcgi_temp_path fastcgi;\n\
    uwsgi_temp_path uwsgi;\n\
    scgi_temp_path scgi;\n\
    access_log off;\n";

/// An nginx of the test's own. Dropping it ends it and removes its files.
#[derive(Debug)]
pub struct Nginx {
    port: ReservedPort,
    _server: Supervised,
}

impl Nginx {
    /// Starts it with what stands in its block `http`; that has a server which listens on this port of 127.0.0.1.
    ///
    /// # Errors
    /// Where nginx is not installed (the error names the Debian package), or does not take the configuration.
    pub async fn start(port: ReservedPort, http: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("mymonit-test-nginx-").tempdir()?;
        let path = folder.path().to_owned();
        let program = Program {
            name: format!("nginx on port {}", port.get()),
            command: vec![
                program::find("nginx", PACKAGE)?.into(),
                "-p".into(),
                path.clone().into(),
                "-c".into(),
                "nginx.conf".into(),
                // Before it has read where the log is to be.
                "-e".into(),
                "stderr".into(),
            ],
            environment: environment([("LC_ALL", "C.UTF-8")]),
            working_folder: path.clone(),
            companion: None,
        };
        // From here on the folder goes with the process, whatever happens; so it is filled only now.
        let server = Supervised::new(program, folder)?;
        fs::write(path.join("nginx.conf"), format!("{MAIN}http {{\n{FOLDERS}{http}}}\n"))
            .context("cannot write the configuration of nginx")?;
        server.start().await?;
        // It says so once it listens.
        server.wait_until_ready(0, START, |line| line.contains("event method")).await?;
        Ok(Self { port, _server: server })
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.get())
    }
}
