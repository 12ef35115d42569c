use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use mymonit_model::{Timestamp, Window};

use super::chunk::{Chunks, Records, chunk};
use super::scan::Scan;
use crate::ServiceError;
use crate::cursor::{self, BinPosition};
use crate::ports::{MeasureQuery, Order, ReducedMeasures};
use crate::reduction::{Bin, Reducer, Reduction, width_for};

type Bins = BoxStream<'static, Result<Vec<Bin>, ServiceError>>;

impl Scan {
    /// The width of the bins, the cursor of the next page, and the bins after the position.
    pub(super) async fn bins(
        mut self,
        reduction: Reduction,
        after: Option<BinPosition>,
    ) -> Result<(Window, Option<String>, Chunks), ServiceError> {
        let (window, bound) = match (after, reduction) {
            (Some(after), _) => {
                self.resume_after(after)?;
                (after.window, after.bound)
            }
            (None, Reduction::Window(window)) => (window, None),
            (None, Reduction::MaxPoints(points)) => {
                let (window, bound) = self.fit(points).await?;
                (window, Some(bound))
            }
        };
        let dictionary = self.dictionary.clone();
        let Some(limit) = self.limit else {
            let bins = self.reduced(window, after);
            let chunks = bins.and_then(move |bins| chunk(dictionary.clone(), Records::Bins(bins)));
            return Ok((window, None, chunks.boxed()));
        };
        let (bins, next) = self.page_of_bins(window, bound, after, limit as usize).await?;
        Ok((window, next, stream::once(chunk(dictionary, Records::Bins(bins))).boxed()))
    }

    /// Chooses the width for the measures that are stored now, and bounds the query to their time:
    /// more measures could make more points. Gives the width and the last timestamp in the order of
    /// the reading.
    async fn fit(&mut self, points: u32) -> Result<(Window, Timestamp), ServiceError> {
        let (first, last) = self.range().await?.unwrap_or_else(|| {
            let nothing = self.query.from.unwrap_or(Timestamp::UNIX_EPOCH);
            (nothing, nothing)
        });
        self.query.from = Some(first);
        self.read_up_to(last);
        let bound = match self.query.order {
            Order::Ascending => last,
            Order::Descending => first,
        };
        Ok((width_for(points, first, last), bound))
    }

    /// The first and the last timestamp of the query.
    async fn range(&self) -> Result<Option<(Timestamp, Timestamp)>, ServiceError> {
        let end = async |order| {
            let query = MeasureQuery { order, ..self.query.clone() };
            let rows = self.measures.page(&query, None, 1).await?;
            Ok::<_, ServiceError>(rows.first().map(|row| row.timestamp))
        };
        let Some(first) = end(Order::Ascending).await? else { return Ok(None) };
        Ok(end(Order::Descending).await?.map(|last| (first, last)))
    }

    /// Continues after the position. Amid the bins of one start, these are rebuilt from all their
    /// measures.
    fn resume_after(&mut self, position: BinPosition) -> Result<(), ServiceError> {
        let BinPosition { window, start, amid, bound } = position;
        let end = window.end_of(start);
        match self.query.order {
            Order::Ascending => {
                if let Some(bound) = bound {
                    self.read_up_to(bound);
                }
                let from = if amid.is_some() { Some(start) } else { end };
                self.query.from = self.query.from.max(Some(from.ok_or_else(cursor::forged)?));
            }
            Order::Descending => {
                self.query.from = self.query.from.max(bound);
                self.query.to = earlier(self.query.to, if amid.is_some() { end } else { Some(start) });
            }
        }
        Ok(())
    }

    /// Excludes what is later.
    fn read_up_to(&mut self, last: Timestamp) {
        let next = last.unix_nanos().checked_add(1).and_then(Timestamp::from_unix_nanos);
        self.query.to = earlier(self.query.to, next);
    }

    async fn page_of_bins(
        self,
        window: Window,
        bound: Option<Timestamp>,
        after: Option<BinPosition>,
        limit: usize,
    ) -> Result<(Vec<Bin>, Option<String>), ServiceError> {
        let scope = self.scope.clone();
        let mut bins = Vec::new();
        let mut chunks = self.reduced(window, after);
        // One more bin than requested shows whether more follow.
        while bins.len() <= limit
            && let Some(mut more) = chunks.try_next().await?
        {
            bins.append(&mut more);
        }
        let following = bins.get(limit).map(|bin| bin.start);
        bins.truncate(limit);
        let next = following.zip(bins.last()).map(|(following, last)| {
            let amid = (following == last.start).then_some(last.series());
            cursor::encode_bin(&scope, BinPosition { window, start: last.start, amid, bound })
        });
        Ok((bins, next))
    }

    /// The bins after the position; those of one call to the store at a time.
    fn reduced(self, window: Window, after: Option<BinPosition>) -> Bins {
        let order = self.query.order;
        let state = Some((self, Reducer::new(order), None));
        stream::try_unfold(state, move |state| async move {
            let Some((scan, mut reducer, position)) = state else { return Ok(None) };
            let ReducedMeasures { bins: parts, next } =
                scan.measures.reduce(&scan.query, position, window).await?;
            let mut bins = Vec::new();
            parts.into_iter().for_each(|part| reducer.take(part, &mut bins));
            if next.is_none() {
                reducer.finish(&mut bins);
            }
            bins.retain(|bin| after.is_none_or(|after| is_beyond(after, order, bin)));
            Ok(Some((bins, next.map(|next| (scan, reducer, Some(next))))))
        })
        .boxed()
    }
}

/// Whether a bin comes after the position.
fn is_beyond(position: BinPosition, order: Order, bin: &Bin) -> bool {
    match position.amid {
        Some(amid) if bin.start == position.start => match order {
            Order::Ascending => bin.series() > amid,
            Order::Descending => bin.series() < amid,
        },
        _ => true,
    }
}

/// The earlier of two ends, where none means never.
fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
