use mymonit_test_support::{QueueState, wait_until};

use super::{Adapter, House, LONG, Session, queue_at};

/// Keeps account of what is in the database and what is in the queue, beside the ten measures of the example
/// data, while the service is ended again and again.
pub(crate) struct Books {
    database: Session,
    adapter: Adapter,
    broker_url: String,
    published: i64,
    /// The number of the last measure when the books were balanced last.
    last_id: i64,
    /// How many messages waited then, with those published since.
    pub(crate) waiting: u64,
    /// How much more than the published was there then: stored, and waiting to be delivered again or stored
    /// twice. Less than nothing is lost.
    pub(crate) excess: i64,
}

impl Books {
    /// Opens the books before anything has been published to the queue, which is declared.
    pub(crate) async fn open(house: &House) -> anyhow::Result<Self> {
        let adapter = house.adapter().await?;
        adapter.declare().await?;
        Ok(Self {
            database: house.session().await?,
            adapter,
            broker_url: house.broker_url.clone(),
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

    /// Waits until something has been stored since the books were balanced, and at most so many messages wait.
    pub(crate) async fn wait_until_few_are_left(&mut self, rest: u32) {
        wait_until("enough has been consumed", LONG, async || {
            let queue = self.adapter.queue().await.map_err(|error| format!("{error:#}"))?;
            let last_id = self.database.number("SELECT COALESCE(MAX(ID), 0) FROM MEASURES").await;
            let last_id = last_id.map_err(|error| format!("{error:#}"))?;
            let waiting = u64::from(queue.waiting);
            let is_reached = waiting <= self.waiting.min(rest.into()) && last_id > self.last_id;
            if is_reached { Ok(()) } else { Err(format!("{queue:?}, the last measure is {last_id}")) }
        })
        .await
        .unwrap();
    }

    /// Takes stock after the end of the service.
    pub(crate) async fn balance(&mut self) {
        self.waiting = self.wait_until_settled().await.ready;
        self.last_id = self.database.number("SELECT MAX(ID) FROM MEASURES").await.unwrap();
        self.excess = self.excess().await;
    }

    /// How much more than the published is there, with what waited then.
    pub(crate) async fn excess(&mut self) -> i64 {
        let stored = self.database.number("SELECT COUNT(*) FROM MEASURES").await.unwrap() - 10;
        stored + i64::try_from(self.waiting).unwrap() - self.published
    }

    /// Waits until broker and database have seen that the service is gone, so that nothing moves any more, and gives
    /// what the queue holds.
    async fn wait_until_settled(&mut self) -> QueueState {
        let stock = wait_until("the queue has everything back", LONG, async || {
            let stock = queue_at(&self.broker_url).await.map_err(|error| format!("{error:#}"))?;
            let is_back = stock.consumers == 0 && stock.unacknowledged == 0;
            if is_back { Ok(stock) } else { Err(format!("{stock:?}")) }
        })
        .await
        .unwrap();
        wait_until("nobody else uses the database any more", LONG, async || {
            match self.database.others_connected().await {
                Ok(0) => Ok(()),
                Ok(others) => Err(format!("{others} connections")),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
        .unwrap();
        stock
    }
}
