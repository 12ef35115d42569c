use crate::ports::ReservedPort;
use crate::program;
use crate::supervised::{Program, Supervised, environment};

const PACKAGE: &str = "nginx-light";

/// One process, since workers would outlive a killed master. Writes only below its working folder.
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

/// A private nginx. Dropping it ends it and removes its files.
#[derive(Debug)]
pub struct Nginx {
    port: ReservedPort,
    server: Supervised,
}

impl Nginx {
    /// Starts it with this `http` block, whose server listens on `port` of 127.0.0.1.
    ///
    /// # Errors
    /// If nginx is not installed (the error names the Debian package) or refuses the configuration.
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
                // The error log before the configuration is read.
                "-e".into(),
                "stderr".into(),
            ],
            environment: environment([("LC_ALL", "C.UTF-8")]),
            working_folder: path.clone(),
            companion: None,
        };
        let configuration = format!("{MAIN}http {{\n{FOLDERS}{http}}}\n");
        let files = [("nginx.conf", configuration.as_str())];
        let server = Supervised::start_with_files(program, folder, &files, "event method").await?;
        Ok(Self { port, server })
    }

    /// The newest lines of its log.
    pub fn log(&self) -> String {
        self.server.output().quote()
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.get())
    }
}
