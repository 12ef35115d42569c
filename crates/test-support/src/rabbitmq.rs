use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use tokio::sync::{Mutex, OnceCell};
use tokio::task::JoinSet;

use crate::ports::ReservedPort;
use crate::program;
use crate::supervised::{Program, Supervised, server_lifecycle};
use crate::wait::wait_until;

mod call;
mod installation;
mod node;

pub use call::QueueState;

use call::Called;
use node::{Identity, Node};

const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Few enough that creating them is not noticeable.
const VHOSTS_AT_ONCE: usize = 8;

/// A private RabbitMQ node: own name, loopback ports, data folder, cookie and port mapper (epmd).
/// No plugins by default. The user is `guest` with the password `guest`.
///
/// Dropping it ends the node and removes its data.
#[derive(Debug)]
pub struct RabbitMq {
    server: Supervised,
    node: Node,
    /// The names of unused, empty virtual hosts.
    spare_vhosts: Mutex<Vec<String>>,
}

/// Settings of a node before its start.
#[derive(Debug, Default)]
pub struct RabbitMqBuilder {
    configuration: String,
    plugins: Vec<String>,
    reserved: Vec<ReservedPort>,
    /// The role of the node in a cluster; none for a single node.
    identity: Option<Identity>,
    cookie: Option<String>,
}

impl RabbitMqBuilder {
    /// Adds a line to `rabbitmq.conf`, such as `heartbeat = 5`.
    #[must_use]
    pub fn config(mut self, line: &str) -> Self {
        self.configuration.push_str(line);
        self.configuration.push('\n');
        self
    }

    /// Enables a plugin, such as `rabbitmq_prometheus`.
    #[must_use]
    pub fn plugin(mut self, name: &str) -> Self {
        self.plugins.push(name.to_owned());
        self
    }

    /// Keeps a port that a configuration line names (as for TLS) reserved until the node is
    /// dropped.
    #[must_use]
    pub fn keep(mut self, port: ReservedPort) -> Self {
        self.reserved.push(port);
        self
    }

    /// Starts the node.
    ///
    /// # Errors
    /// Where RabbitMQ is not installed (the error names the Debian package) or does not start.
    pub async fn start(self) -> anyhow::Result<RabbitMq> {
        let (server, node) = tokio::task::spawn_blocking(move || self.set_up()).await??;
        let this = RabbitMq { server, node, spare_vhosts: Mutex::default() };
        this.start_again().await?;
        Ok(this)
    }

    fn set_up(self) -> anyhow::Result<(Supervised, Node)> {
        let folder = tempfile::Builder::new().prefix("mymonit-test-rabbitmq-").tempdir()?;
        let identity = self.identity.map_or_else(Identity::alone, Ok)?;
        let node = Node::new(folder.path(), identity, self.reserved);
        let installation = installation::lean_in(folder.path());
        let program = Program {
            name: format!("rabbitmq-server on port {}", node.port()),
            // RABBITMQ_ALLOW_INPUT makes the script `exec` the server, so that the supervised
            // process is the server. -noinput disables input again.
            command: vec![installation.script("rabbitmq-server").into(), "-noinput".into()],
            environment: node.environment(&installation),
            working_folder: folder.path().to_owned(),
            companion: node.port_mapper()?,
        };
        // Filled only now, when the supervisor removes the folder.
        let server = Supervised::new(program, folder)?;
        installation::lean(server.folder(), &self.plugins)?;
        fs::write(node.enabled_plugins_file(), format!("[{}].\n", self.plugins.join(",")))
            .context("cannot write which plugins are enabled")?;
        fs::write(node.configuration_file(), node.configuration() + &self.configuration)
            .context("cannot write the node's configuration")?;
        if let Some(cookie) = self.cookie {
            let path = node.cookie_file();
            fs::write(&path, cookie).context("cannot write the nodes' secret")?;
            // Erlang refuses a file that others can read.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o400))?;
        }
        Ok((server, node))
    }
}

static SHARED: OnceCell<RabbitMq> = OnceCell::const_new();

impl RabbitMq {
    /// Starts a node.
    ///
    /// # Errors
    /// As for [`RabbitMqBuilder::start`].
    pub async fn start() -> anyhow::Result<Self> {
        Self::builder().start().await
    }

    /// Starts a cluster of that many nodes on this host.
    ///
    /// # Errors
    /// As for [`RabbitMqBuilder::start`].
    pub async fn start_cluster(size: usize) -> anyhow::Result<Vec<Self>> {
        let identities = Identity::together(size)?;
        let cookie = format!("{:032X}", rand::random::<u128>());
        let mut configuration = String::from(
            "cluster_formation.peer_discovery_backend = classic_config\n\
             cluster_partition_handling = pause_minority\n",
        );
        for (number, identity) in (1..).zip(&identities) {
            let name = identity.name();
            configuration.push_str(&format!("cluster_formation.classic_config.nodes.{number} = {name}\n"));
        }
        let mut starting = JoinSet::new();
        for (number, identity) in identities.into_iter().enumerate() {
            let builder = RabbitMqBuilder {
                configuration: configuration.clone(),
                identity: Some(identity),
                cookie: Some(cookie.clone()),
                ..RabbitMqBuilder::default()
            };
            starting.spawn(async move { builder.start().await.map(|node| (number, node)) });
        }
        let mut nodes = Vec::new();
        while let Some(started) = starting.join_next().await {
            nodes.push(started??);
        }
        nodes.sort_unstable_by_key(|(number, _)| *number);
        Ok(nodes.into_iter().map(|(_, node)| node).collect())
    }

    /// Prepares a node with separate configuration.
    pub fn builder() -> RabbitMqBuilder {
        RabbitMqBuilder::default()
    }

    /// The node shared by all tests of this process, started on first use.
    /// Each test uses its own virtual host, from [`RabbitMq::create_vhost`].
    ///
    /// # Errors
    /// As for [`RabbitMq::start`].
    pub async fn shared() -> anyhow::Result<&'static Self> {
        SHARED.get_or_try_init(Self::start).await
    }

    /// The AMQP port on 127.0.0.1; kept by [`RabbitMq::start_again`].
    pub const fn port(&self) -> u16 {
        self.node.port()
    }

    /// The name of the node in its cluster.
    pub fn name(&self) -> String {
        self.node.name()
    }

    /// The address of the virtual host `/`, for the user `guest`.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.port())
    }

    /// Creates an empty virtual host with a unique name; returns its address.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn create_vhost(&self) -> anyhow::Result<String> {
        let mut spare = self.spare_vhosts.lock().await;
        if spare.is_empty() {
            *spare = self.make_vhosts().await?;
        }
        let name = spare.pop().context("no virtual host was made")?;
        Ok(format!("{}/{name}", self.url()))
    }

    /// Creates an empty virtual host whose default queue type is quorum; returns its name.
    ///
    /// # Errors
    /// Where the node does not answer.
    pub async fn create_quorum_vhost(&self) -> anyhow::Result<String> {
        let name = format!("test-{:016x}", rand::random::<u64>());
        self.ctl(&["add_vhost", &name, "--default-queue-type", "quorum"]).await?;
        self.ctl(&["set_permissions", "-p", &name, "guest", ".*", ".*", ".*"]).await?;
        Ok(name)
    }

    /// Creates several virtual hosts per call: the call itself takes nearly all of the time.
    async fn make_vhosts(&self) -> anyhow::Result<Vec<String>> {
        let names: Vec<_> =
            (0..VHOSTS_AT_ONCE).map(|_| format!("test-{:016x}", rand::random::<u64>())).collect();
        let binaries: Vec<_> = names.iter().map(|name| format!("<<\"{name}\">>")).collect();
        let made = self
            .call(format!(
                "lists:foreach(fun(Name) -> \
                     ok = rabbit_vhost:add(Name, <<\"test\">>), \
                     ok = rabbit_auth_backend_internal:set_permissions(\
                         <<\"guest\">>, Name, <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"test\">>) \
                 end, [{}]).",
                binaries.join(", ")
            ))
            .await?;
        ensure!(made == "ok", "cannot make virtual hosts: {made}");
        Ok(names)
    }

    /// The state of a queue; a cheap query. For a quorum queue, ask the node that leads it.
    ///
    /// # Errors
    /// Where the node does not answer, or has no such queue.
    pub async fn queue(&self, vhost: &str, queue: &str) -> anyhow::Result<QueueState> {
        QueueState::parse(&self.call(QueueState::question(vhost, queue)).await?)
    }

    /// Evaluates Erlang expressions on the node. A stalled node accepts no calls.
    async fn call(&self, expressions: String) -> anyhow::Result<String> {
        let environment = self.node.environment(&installation::lean_in(self.server.folder()));
        let caller = self.node.caller()?;
        let address = self.node.distribution_address();
        let call = Arc::new(move || call::call(&caller, &address, environment.clone(), &expressions));
        wait_until("a call into the node", CALL_TIMEOUT, async || {
            let call = call.clone();
            let called = tokio::task::spawn_blocking(move || call()).await;
            match called.map_err(anyhow::Error::from).flatten() {
                Ok(Called::Answered(answer)) => Ok(answer),
                Ok(Called::Refused(why)) if self.server.running().is_some() => Err(why),
                Ok(Called::Refused(why)) => Ok(Err(anyhow!("the node is not running: {why}"))),
                Err(error) => Ok(Err(error)),
            }
        })
        .await?
    }

    /// Runs `rabbitmqctl --quiet` against this node, such as `ctl(&["list_queues",
    /// "--no-table-headers", "name", "messages"])`; returns its output.
    ///
    /// # Errors
    /// If the command fails; the error holds its output.
    pub async fn ctl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let installation = installation::lean_in(self.server.folder());
        let mut command = Command::new(installation.script("rabbitmqctl"));
        command.env_clear().envs(self.node.environment(&installation));
        command.arg("--quiet").args(arguments).current_dir(self.server.folder());
        tokio::task::spawn_blocking(move || program::run(&mut command)).await?
    }
}

server_lifecycle!(RabbitMq, "Server startup complete");
