//! The identity of a node: name, ports and folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::installation::Installation;
use crate::ports::ReservedPort;
use crate::program;
use crate::servers;
use crate::supervised::environment;

const ERLANG_PACKAGE: &str = "erlang-base";

/// Erlang's distribution listens on every address by default.
const LOOPBACK_ONLY: &str = "-kernel inet_dist_use_interface {127,0,0,1}";

/// The name of a node, and its address.
#[derive(Debug)]
pub(super) struct Identity {
    amqp: ReservedPort,
    distribution: ReservedPort,
    /// The port of the port mapper (epmd) that knows the node.
    port_mapper: Arc<ReservedPort>,
    /// Whether this node starts and ends the port mapper.
    has_port_mapper: bool,
}

impl Identity {
    /// A node outside of any cluster.
    pub(super) fn alone() -> anyhow::Result<Self> {
        Self::with(Arc::new(ReservedPort::reserve()?), true)
    }

    /// Nodes of one cluster. The first one has the port mapper, also while it is down.
    pub(super) fn together(count: usize) -> anyhow::Result<Vec<Self>> {
        let port_mapper = Arc::new(ReservedPort::reserve()?);
        (0..count).map(|number| Self::with(port_mapper.clone(), number == 0)).collect()
    }

    fn with(port_mapper: Arc<ReservedPort>, has_port_mapper: bool) -> anyhow::Result<Self> {
        let [amqp, distribution] = [ReservedPort::reserve()?, ReservedPort::reserve()?];
        Ok(Self { amqp, distribution, port_mapper, has_port_mapper })
    }

    /// The node's name. An IP address as host (a long name in Erlang) avoids DNS lookups.
    pub(super) fn name(&self) -> String {
        format!("mymonit-test-{}@127.0.0.1", self.amqp.get())
    }
}

/// A node's folder, its name and its ports.
#[derive(Debug)]
pub(super) struct Node {
    folder: PathBuf,
    identity: Identity,
    _further: Vec<ReservedPort>,
}

impl Node {
    pub(super) fn new(folder: &Path, identity: Identity, further: Vec<ReservedPort>) -> Self {
        Self { folder: folder.to_owned(), identity, _further: further }
    }

    pub(super) const fn port(&self) -> u16 {
        self.identity.amqp.get()
    }

    pub(super) fn name(&self) -> String {
        self.identity.name()
    }

    /// The path of the cookie with which nodes authenticate each other.
    pub(super) fn cookie_file(&self) -> PathBuf {
        self.folder.join(".erlang.cookie")
    }

    pub(super) fn configuration_file(&self) -> PathBuf {
        self.folder.join("rabbitmq.conf")
    }

    pub(super) fn enabled_plugins_file(&self) -> PathBuf {
        self.folder.join("enabled_plugins")
    }

    pub(super) fn configuration(&self) -> String {
        format!(
            "listeners.tcp.1 = 127.0.0.1:{}\n\
             log.console = true\n\
             log.console.level = info\n\
             # No disk alarm on a nearly full disk.\n\
             disk_free_limit.absolute = 1MB\n\
             # The default of 10 s is too short on a busy host.\n\
             handshake_timeout = 120000\n\
             # The default of 30 s is too short for tests with a stalled client.\n\
             # The other options repeat RabbitMQ's defaults, which setting any option replaces.\n\
             tcp_listen_options.send_timeout = 600000\n\
             tcp_listen_options.backlog = 128\n\
             tcp_listen_options.nodelay = true\n\
             tcp_listen_options.linger.on = true\n\
             tcp_listen_options.linger.timeout = 0\n\
             tcp_listen_options.exit_on_close = false\n",
            self.port()
        )
    }

    /// The command line of the node's port mapper, if it has one.
    /// Without it Erlang starts one for the host and leaves it running.
    pub(super) fn port_mapper(&self) -> anyhow::Result<Option<String>> {
        let Identity { port_mapper, has_port_mapper, .. } = &self.identity;
        if !has_port_mapper {
            return Ok(None);
        }
        let epmd = match servers::unpacked() {
            Some(folder) => folder.join("usr/lib/erlang/bin/epmd"),
            None => program::find("epmd", ERLANG_PACKAGE)?,
        };
        Ok(Some(format!("{} -address 127.0.0.1 -port {}", program::text(&epmd)?, port_mapper.get())))
    }

    /// The path of `erl_call`.
    pub(super) fn caller(&self) -> anyhow::Result<PathBuf> {
        match servers::unpacked() {
            Some(folder) => Ok(folder.join("usr/lib/erlang/bin/erl_call")),
            None => program::find("erl_call", ERLANG_PACKAGE),
        }
    }

    /// The address of Erlang distribution.
    pub(super) fn distribution_address(&self) -> String {
        format!("127.0.0.1:{}", self.identity.distribution.get())
    }

    /// The complete environment of the server and rabbitmqctl.
    pub(super) fn environment(&self, installation: &Installation) -> Vec<(OsString, OsString)> {
        let in_folder = |name: &str| self.folder.join(name).into_os_string();
        environment([
            ("PATH", servers::path()),
            ("LC_ALL", "C.UTF-8".into()),
            // The Erlang cookie is in the home folder.
            ("HOME", in_folder("")),
            ("ERL_EPMD_PORT", self.identity.port_mapper.get().to_string().into()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
            ("RABBITMQ_SCRIPTS_DIR", installation.scripts().into()),
            ("RABBITMQ_NODENAME", self.name().into()),
            ("RABBITMQ_USE_LONGNAME", "true".into()),
            ("RABBITMQ_DIST_PORT", self.identity.distribution.get().to_string().into()),
            ("RABBITMQ_MNESIA_BASE", in_folder("data")),
            ("RABBITMQ_LOG_BASE", in_folder("log")),
            ("RABBITMQ_LOGS", "-".into()),
            ("RABBITMQ_CONFIG_FILE", self.configuration_file().into()),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", in_folder("advanced.config")),
            ("RABBITMQ_GENERATED_CONFIG_DIR", in_folder("generated")),
            ("RABBITMQ_CONF_ENV_FILE", in_folder("rabbitmq-env.conf")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", self.enabled_plugins_file().into()),
            ("RABBITMQ_PID_FILE", in_folder("rabbitmq.pid")),
            ("RABBITMQ_ALLOW_INPUT", "1".into()),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", LOOPBACK_ONLY.into()),
            ("RABBITMQ_CTL_ERL_ARGS", LOOPBACK_ONLY.into()),
        ])
    }
}
