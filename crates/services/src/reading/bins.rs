use futures::stream::{self, BoxStream, Stream, StreamExt};
use mymonit_model::{Timestamp, Window};

use super::{Portion, Reader, name, names};
use crate::cursor::{self, BinPosition};
use crate::ports::{MeasureQuery, Order};
use crate::reduction::{Bin, Reducer, Reduction, width_for};
use crate::{Content, MeasureTypeService, NamedBin, ServiceError};

/// What to read for a reduced reading.
struct Plan {
    window: Window,
    /// The last moment in the order of the reading that the width was made for; nothing beyond it is read.
    bound: Option<Timestamp>,
    /// Where the page before ended.
    after: Option<BinPosition>,
    /// Whether there is nothing to read.
    is_empty: bool,
}

impl Reader {
    /// The bins after the cursor, with the cursor of what follows them.
    pub(crate) async fn bins(
        mut self,
        reduction: Reduction,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<(Option<String>, Content), ServiceError> {
        let plan = match cursor {
            Some(cursor) => self.go_on(cursor::decode_bin(&self.scope, cursor)?),
            None => self.begin(reduction).await?,
        };
        let window = plan.window;
        if plan.is_empty {
            return Ok((None, Content::Bins { window, bins: stream::empty().boxed() }));
        }
        match limit {
            Some(limit) => self.page_of_bins(plan, limit).await,
            None => {
                let measure_types = self.measure_types.clone();
                let bins = self.reduced(plan).then(move |bins| {
                    let measure_types = measure_types.clone();
                    async move { named(&*measure_types, bins?).await }
                });
                Ok((None, Content::Bins { window, bins: bins.boxed() }))
            }
        }
    }

    /// The width that was asked for, or one that is made for the measures that are there now. Of those that arrive
    /// meanwhile, the ones beyond are left out: there would be more points than asked for.
    async fn begin(&mut self, reduction: Reduction) -> Result<Plan, ServiceError> {
        let points = match reduction {
            Reduction::Window(window) => {
                return Ok(Plan { window, bound: None, after: None, is_empty: false });
            }
            Reduction::MaxPoints(points) => points,
        };
        let range = self.range().await?;
        let (first, last) = range.unwrap_or((Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH));
        let window = width_for(points, first, last);
        self.query.from = Some(first);
        self.read_up_to(last);
        let bound = match self.query.order {
            Order::Ascending => last,
            Order::Descending => first,
        };
        Ok(Plan { window, bound: Some(bound), after: None, is_empty: range.is_none() })
    }

    /// The first and the last moment that has a measure.
    async fn range(&self) -> Result<Option<(Timestamp, Timestamp)>, ServiceError> {
        let end = async |order| {
            let query = MeasureQuery { order, ..self.query.clone() };
            let rows = self.measures.page(&query, None, 1).await?;
            Ok::<_, ServiceError>(rows.first().map(|row| row.timestamp))
        };
        let first = end(Order::Ascending).await?;
        let last = if first.is_some() { end(Order::Descending).await? } else { None };
        Ok(first.zip(last))
    }

    /// Goes on at the position, or before the bins of its start if more of them follow: each is made of all its
    /// measures, so they are read again.
    fn go_on(&mut self, position: BinPosition) -> Plan {
        let BinPosition { window, start, amid, bound } = position;
        let plan = |is_empty| Plan { window, bound, after: Some(position), is_empty };
        match self.query.order {
            Order::Ascending => {
                if let Some(bound) = bound {
                    self.read_up_to(bound);
                }
                let Some(from) = amid.map_or(window.end_of(start), |_| Some(start)) else {
                    return plan(true);
                };
                self.query.from = self.query.from.max(Some(from));
            }
            Order::Descending => {
                self.query.from = self.query.from.max(bound);
                let to = amid.map_or(Some(start), |_| window.end_of(start));
                self.query.to = earlier(self.query.to, to);
            }
        }
        plan(false)
    }

    /// Leaves out what comes after that moment.
    fn read_up_to(&mut self, last: Timestamp) {
        let next = last.unix_nanos().checked_add(1).and_then(Timestamp::from_unix_nanos);
        self.query.to = earlier(self.query.to, next);
    }

    async fn page_of_bins(self, plan: Plan, limit: u32) -> Result<(Option<String>, Content), ServiceError> {
        let Plan { window, bound, .. } = plan;
        let (scope, measure_types, limit) = (self.scope.clone(), self.measure_types.clone(), limit as usize);
        let mut bins = Vec::new();
        let mut portions = self.reduced(plan);
        // One more than asked for tells whether anything follows.
        while bins.len() <= limit
            && let Some(more) = portions.next().await
        {
            bins.append(&mut more?);
        }
        let following = bins.get(limit).map(|bin| bin.start);
        bins.truncate(limit);
        let next = following.zip(bins.last()).map(|(following, last)| {
            let amid = (following == last.start).then_some(last.measure_type);
            cursor::encode_bin(&scope, BinPosition { window, start: last.start, amid, bound })
        });
        let bins = stream::once(async move { named(&*measure_types, bins).await }).boxed();
        Ok((next, Content::Bins { window, bins }))
    }

    /// The bins, a portion of them for each portion of measures.
    fn reduced(self, plan: Plan) -> BoxStream<'static, Result<Vec<Bin>, ServiceError>> {
        let order = self.query.order;
        let reducer = Reducer::new(plan.window, order);
        let portions = self.portions(None).boxed();
        reduce(portions, reducer, move |bin| plan.after.is_none_or(|after| is_beyond(after, order, bin)))
            .boxed()
    }
}

/// Whether a bin comes after the position.
fn is_beyond(position: BinPosition, order: Order, bin: &Bin) -> bool {
    match position.amid {
        Some(amid) if bin.start == position.start => match order {
            Order::Ascending => bin.measure_type > amid,
            Order::Descending => bin.measure_type < amid,
        },
        _ => true,
    }
}

fn reduce(
    portions: BoxStream<'static, Result<Portion, ServiceError>>,
    reducer: Reducer,
    is_wanted: impl Fn(&Bin) -> bool + Send + 'static,
) -> impl Stream<Item = Result<Vec<Bin>, ServiceError>> + Send {
    stream::try_unfold((portions, reducer, is_wanted), |(mut portions, mut reducer, is_wanted)| async move {
        let Some(portion) = portions.next().await else { return Ok(None) };
        let Portion { rows, is_last } = portion?;
        let mut bins = Vec::new();
        reducer.take(&rows, &mut bins);
        if is_last {
            reducer.finish(&mut bins);
        }
        bins.retain(&is_wanted);
        Ok(Some((bins, (portions, reducer, is_wanted))))
    })
}

/// The earlier of two ends, where none means never.
fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

async fn named(
    measure_types: &dyn MeasureTypeService,
    bins: Vec<Bin>,
) -> Result<Vec<NamedBin>, ServiceError> {
    let names = names(measure_types, bins.iter().map(|bin| bin.measure_type)).await?;
    let named = |Bin { start, measure_type, count, min, max, mean, std }: Bin| {
        Ok(NamedBin {
            measure_type: name(&names, measure_type)?,
            timestamp: start,
            count,
            min,
            max,
            mean,
            std,
        })
    };
    bins.into_iter().map(named).collect()
}
