use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use mymonit_model::{FlagFilter, FlagRange, StoredMeasure, Window};

use super::chunk::{Chunks, Dictionary, Records, chunk};
use crate::ServiceError;
use crate::cursor::{self, BinPosition, Scope};
use crate::ports::{Access, Identity, MeasurePosition, MeasureQuery, MeasureStore};
use crate::reduction::Reduction;

/// Rows of the first page of a stream: few, so that the first byte comes soon.
const FIRST_PAGE: u32 = 1_000;
/// Rows of further pages: a query costs little beside its rows then. Each client holds up to two
/// pages in memory.
const PAGE: u32 = 4_000;

/// What to read, and from where on.
pub(crate) struct Scan {
    pub(super) measures: Arc<dyn MeasureStore>,
    pub(super) dictionary: Dictionary,
    pub(super) query: MeasureQuery,
    pub(super) scope: Scope,
    pub(crate) limit: Option<u32>,
    start: Start,
}

/// Where to start: what the cursor holds.
#[derive(Clone, Copy)]
enum Start {
    Measures(Option<MeasurePosition>),
    Bins(Reduction, Option<BinPosition>),
}

impl Scan {
    pub(crate) fn new(
        measures: Arc<dyn MeasureStore>,
        dictionary: Dictionary,
        query: MeasureQuery,
        reduction: Option<Reduction>,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Self, ServiceError> {
        let scope = Scope::of(&query, reduction);
        let start = match reduction {
            None => Start::Measures(cursor.map(|cursor| cursor::decode(&scope, cursor)).transpose()?),
            Some(reduction) => {
                Start::Bins(reduction, cursor.map(|cursor| cursor::decode_bin(&scope, cursor)).transpose()?)
            }
        };
        Ok(Self { measures, dictionary, query, scope, limit, start })
    }

    /// The rows of a page in one statement with what its user may read, where that statement can
    /// tell. They are not filtered by flags.
    pub(crate) async fn first_page_for(
        &self,
        identity: &Identity,
    ) -> Result<Option<(Access, Vec<StoredMeasure>)>, ServiceError> {
        let (Start::Measures(after), Some(limit)) = (self.start, self.limit) else { return Ok(None) };
        Ok(self.measures.page_for(identity, &self.query, after, limit + 1).await?)
    }

    /// Reads only those measures that these flags of the experiment let through.
    pub(crate) fn filter(&mut self, ranges: &[FlagRange]) {
        let MeasureQuery { types, sensors, flags, .. } = &self.query;
        self.query.flags = FlagFilter::new(flags.flagged(), ranges, types, sensors);
    }

    /// Starts reading; a page may have its `rows` already. Gives the width of the bins, the cursor
    /// of the next page, and the chunks.
    pub(crate) async fn begin(
        self,
        rows: Option<Vec<StoredMeasure>>,
    ) -> Result<(Option<Window>, Option<String>, Chunks), ServiceError> {
        match (self.start, self.limit) {
            (Start::Bins(reduction, after), _) => {
                let (window, next, chunks) = self.bins(reduction, after).await?;
                Ok((Some(window), next, chunks))
            }
            (Start::Measures(after), Some(limit)) => {
                // One more row than requested shows whether more follow.
                let mut rows = match rows {
                    Some(rows) => self.kept(rows, limit + 1).await?,
                    None => self.measures.page(&self.query, after, limit + 1).await?,
                };
                let has_more = rows.len() > limit as usize;
                rows.truncate(limit as usize);
                let last = rows.last().filter(|_| has_more);
                let next = last.map(|last| cursor::encode(&self.scope, last.into()));
                let chunk = chunk(self.dictionary, Records::Measures(rows));
                Ok((None, next, stream::once(chunk).boxed()))
            }
            (Start::Measures(after), None) => {
                let dictionary = self.dictionary.clone();
                let chunks = self
                    .pages(after)
                    .and_then(move |page| chunk(dictionary.clone(), Records::Measures(page)));
                Ok((None, None, chunks.boxed()))
            }
        }
    }

    /// The rows that the filter keeps, and further ones in the place of the others.
    async fn kept(
        &self,
        mut rows: Vec<StoredMeasure>,
        size: u32,
    ) -> Result<Vec<StoredMeasure>, ServiceError> {
        let (is_last, last) = (rows.len() < size as usize, rows.last().map(MeasurePosition::from));
        rows.retain(|row| self.query.flags.keeps(row));
        let missing = size.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        if missing > 0 && !is_last {
            rows.extend(self.measures.page(&self.query, last, missing).await?);
        }
        Ok(rows)
    }

    /// All rows of the query after the position.
    fn pages(
        self,
        after: Option<MeasurePosition>,
    ) -> impl Stream<Item = Result<Vec<StoredMeasure>, ServiceError>> + Send + use<> {
        let next = Some((after, FIRST_PAGE));
        stream::try_unfold((self, next), |(scan, next)| async move {
            let Some((after, size)) = next else { return Ok(None) };
            let rows = scan.measures.page(&scan.query, after, size).await?;
            let is_last = rows.len() < size as usize;
            let next = (!is_last).then(|| (rows.last().map(MeasurePosition::from), PAGE));
            Ok(Some((rows, (scan, next))))
        })
    }
}
