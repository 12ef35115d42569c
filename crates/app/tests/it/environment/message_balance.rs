use mymonit_test_support::{QueueState, wait_until};

use super::{Adapter, LONG, Session, TestEnvironment, queue_at};

/// Compares stored (on SQLite) and queued with published messages after each end of the service.
/// The ten measures of the example data come on top.
pub(crate) struct MessageBalance {
    database: Session,
    adapter: Adapter,
    broker_url: String,
    published: i64,
    /// The id of the last measure at the last balance.
    last_id: i64,
    /// Messages ready at the last balance, and those published since.
    pub(crate) waiting: u64,
    /// Stored and ready minus published messages at the last balance; negative means loss.
    pub(crate) excess: i64,
}

impl MessageBalance {
    /// Declares the queue; call it before anything is published.
    pub(crate) async fn open(environment: &TestEnvironment) -> anyhow::Result<Self> {
        let adapter = environment.adapter().await?;
        adapter.declare().await?;
        Ok(Self {
            database: environment.session().await?,
            adapter,
            broker_url: environment.broker_url.clone(),
            published: 0,
            last_id: 10,
            waiting: 0,
            excess: 0,
        })
    }

    /// Publishes messages of one measure while no service runs.
    pub(crate) async fn publish(&mut self, messages: Vec<(Vec<u8>, Option<String>)>) {
        let count = messages.len();
        self.adapter.publish_all(messages).await.unwrap();
        self.published += i64::try_from(count).unwrap();
        self.waiting += u64::try_from(count).unwrap();
    }

    /// Waits until something was stored since the last balance, and at most `rest` messages are
    /// ready.
    pub(crate) async fn wait_until_few_are_left(&mut self, rest: u32) {
        wait_until("enough has been consumed", LONG, async || {
            let queue = self.adapter.queue().await.map_err(|error| format!("{error:#}"))?;
            let last_id = self.database.number("SELECT COALESCE(MAX(ID), 0) FROM MEASURES").await;
            let last_id = last_id.map_err(|error| format!("{error:#}"))?;
            let waiting = u64::from(queue.message_count());
            let is_reached = waiting <= self.waiting.min(rest.into()) && last_id > self.last_id;
            if is_reached { Ok(()) } else { Err(format!("{queue:?}, the last measure is {last_id}")) }
        })
        .await
        .unwrap();
    }

    /// Counts after the end of the service.
    pub(crate) async fn balance(&mut self) {
        self.waiting = self.wait_until_settled().await.ready;
        self.last_id = self.database.number("SELECT MAX(ID) FROM MEASURES").await.unwrap();
        self.excess = self.excess().await;
    }

    /// Stored messages, plus those ready at the last balance, minus published ones.
    pub(crate) async fn excess(&mut self) -> i64 {
        let stored = self.database.number("SELECT COUNT(*) FROM MEASURES").await.unwrap() - 10;
        stored + i64::try_from(self.waiting).unwrap() - self.published
    }

    /// Waits until the broker has removed the consumer; returns the state of the queue.
    async fn wait_until_settled(&mut self) -> QueueState {
        wait_until("the queue has everything back", LONG, async || {
            let stock = queue_at(&self.broker_url).await.map_err(|error| format!("{error:#}"))?;
            let is_back = stock.consumers == 0 && stock.unacknowledged == 0;
            if is_back { Ok(stock) } else { Err(format!("{stock:?}")) }
        })
        .await
        .unwrap()
    }
}
