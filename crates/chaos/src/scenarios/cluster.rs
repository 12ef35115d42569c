//! A cluster of three brokers with a quorum queue repeatedly loses a node.

use std::time::Duration;

use anyhow::Context;
use mymonit_test_support::{Proxy, RabbitMq, wait_until};
use rand::RngExt;
use tokio::time::sleep;

use crate::message::random;
use crate::publisher::QUEUE;
use crate::report::Report;
use crate::setting::{Setting, Size, up_to_ms};
use crate::site::Site;

const NODES: usize = 3;
/// How long the nodes may take to agree on the members.
const AGREE_WITHIN: Duration = Duration::from_secs(120);
/// The maximum downtime of a node after the others continue, in milliseconds.
const MAX_DOWNTIME_MS: u64 = 1_500;

pub(super) async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (300_000, 40), (6_000, 2));
    let cluster = Cluster::start().await?;
    let site = Site::with_broker_url(setting, cluster.url.clone()).await?;
    let mut random = random(setting.seed, 14);
    let catalogue = site.catalogue(true);
    let mut publisher = site.publisher(catalogue, 0);
    let mut service = site.ready_service().await?;
    let mut leaders = 0;
    for (turn, fault) in [0, 1].into_iter().cycle().zip(0..size.faults) {
        let leader = cluster.wait_until_whole().await?;
        // The short form has one of each.
        let victim = (leader + turn * random.random_range(1..NODES)) % NODES;
        leaders += u32::from(victim == leader);
        // Kills happen while a publisher and a consumer are active.
        publisher.allow(size.end(fault));
        site.wait_until_consumed(size.place(fault, &mut random), &publisher).await?;
        sleep(up_to_ms(&mut random, 20)).await;
        cluster.nodes[victim].kill().await?;
        // Two of three are a majority.
        site.wait_until_consumed(size.end(fault), &publisher).await?;
        service.wait_until_ready().await?;
        sleep(up_to_ms(&mut random, MAX_DOWNTIME_MS)).await;
        cluster.nodes[victim].start_again().await?;
    }
    publisher.allow(size.messages);
    publisher.wait_until_confirmed(size.messages).await?;
    let progress = publisher.finish().await?;
    cluster.wait_until_whole().await?;
    cluster.wait_until_drained().await?;
    let notes = service.finish().await?;
    let verdict = site.compare(catalogue, size.messages).await?.exactly_once()?;
    Ok(Report::new(size.messages, size.faults, verdict, notes).remark(format!(
        "{leaders} of the {} nodes that were killed led the queue; the publisher sent {} messages once more, under the same ids",
        size.faults, progress.repeated
    )))
}

/// The nodes and the proxy in front of them: clients use one address, as with a Kubernetes service.
struct Cluster {
    nodes: Vec<RabbitMq>,
    vhost: String,
    url: String,
    _balancer: Proxy,
}

impl Cluster {
    async fn start() -> anyhow::Result<Self> {
        let nodes = RabbitMq::start_cluster(NODES).await?;
        let vhost = nodes[0].create_quorum_vhost().await?;
        let ports: Vec<_> = nodes.iter().map(RabbitMq::port).collect();
        let balancer = Proxy::start_balancing(&ports).await?;
        let url = format!("amqp://guest:guest@127.0.0.1:{}/{vhost}", balancer.port());
        Ok(Self { nodes, vhost, url, _balancer: balancer })
    }

    /// The given columns of the queue, as the broker reports them.
    async fn queue<const N: usize>(&self, columns: [&str; N]) -> anyhow::Result<[String; N]> {
        let list = ["list_queues", "--no-table-headers", "-p", &self.vhost, "name"];
        let listed = self.nodes[0].ctl(&[list.as_slice(), columns.as_slice()].concat()).await?;
        let row = listed.lines().find_map(|line| line.strip_prefix(QUEUE)?.strip_prefix('\t'));
        let row: Vec<_> = row.context("no queue")?.split('\t').map(str::to_owned).collect();
        row.try_into().map_err(|row| anyhow::anyhow!("{row:?}"))
    }

    /// Waits until the queue has a leader and all members; returns the leader's number. An earlier
    /// kill of a second node would leave no majority.
    async fn wait_until_whole(&self) -> anyhow::Result<usize> {
        wait_until("the queue has all its members", AGREE_WITHIN, async || {
            let queue =
                self.queue(["type", "leader", "online"]).await.map_err(|error| format!("{error:#}"))?;
            let [kind, leader, online] = &queue;
            let number = self.nodes.iter().position(|node| node.name() == *leader);
            let is_whole = self.nodes.iter().all(|node| online.contains(&node.name()));
            match number {
                Some(number) if is_whole && kind == "quorum" => Ok(number),
                _ => Err(format!("{queue:?}")),
            }
        })
        .await
    }

    /// Waits until the queue has neither ready nor unacknowledged messages.
    async fn wait_until_drained(&self) -> anyhow::Result<()> {
        wait_until("the queue is empty", AGREE_WITHIN, async || {
            match self.queue(["messages_ready", "messages_unacknowledged"]).await {
                Ok(counts) if counts.iter().all(|count| count == "0") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }
}
