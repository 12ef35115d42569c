//! Lists of users and experiments: searched, and in pages.

use futures::future::BoxFuture;
use mymonit_model::{Experiment, ExperimentId, User, UserId};

use crate::ServiceError;
use crate::cursor::{self, Scope};
use crate::ports::StorageError;

/// The greatest `limit` of a list, whose pages are held in memory.
pub const MAX_LISTED: u32 = 10_000;

/// The greatest number of characters of a `search`.
pub const MAX_SEARCH_CHARS: usize = 255;

/// How many rows a search reads at a time.
const CHUNK: u32 = 1_000;

/// Which part of a list a client requests; not validated yet.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Only items that contain this text, in any case.
    pub search: Option<String>,
    /// At most this many, 1 to [`MAX_LISTED`]; `None` means all.
    pub limit: Option<u32>,
    /// Where the previous page ended.
    pub cursor: Option<String>,
}

/// A list, or a page of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T> {
    /// By id.
    pub items: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// What is listed.
pub(crate) trait Listed: Sized {
    type Id: ToString;
    /// Distinguishes the cursors of this list from those of others.
    const KIND: u8;

    fn id(&self) -> Self::Id;
    fn id_of(text: &str) -> Option<Self::Id>;
    /// The texts that are searched.
    fn texts(&self) -> Vec<&str>;
}

impl Listed for User {
    type Id = UserId;
    const KIND: u8 = b'u';

    fn id(&self) -> UserId {
        self.user_id.clone()
    }

    fn id_of(text: &str) -> Option<UserId> {
        UserId::existing(text).ok()
    }

    fn texts(&self) -> Vec<&str> {
        let (name, username) = (self.name.reveal().as_str(), self.username.reveal().as_str());
        vec![self.user_id.as_str(), name, username, self.email.reveal().as_str()]
    }
}

impl Listed for Experiment {
    type Id = ExperimentId;
    const KIND: u8 = b'e';

    fn id(&self) -> ExperimentId {
        self.experiment_id
    }

    fn id_of(text: &str) -> Option<ExperimentId> {
        text.parse().ok()
    }

    fn texts(&self) -> Vec<&str> {
        vec![self.name.as_str(), self.description.as_str()]
    }
}

impl ListRequest {
    /// Lists rows of `page`, which reads the first rows after an id, ordered by id. The search is
    /// not done in SQL, since each engine folds cases differently. `scope` distinguishes lists of
    /// one kind.
    pub(crate) async fn answer<'p, T: Listed>(
        self,
        scope: &str,
        page: impl Fn(Option<T::Id>, u32) -> BoxFuture<'p, Result<Vec<T>, StorageError>>,
    ) -> Result<List<T>, ServiceError> {
        let Self { search, limit, cursor } = self;
        if limit.is_some_and(|limit| !(1..=MAX_LISTED).contains(&limit)) {
            return Err(ServiceError::invalid("limit", format!("must be an integer from 1 to {MAX_LISTED}")));
        }
        let search = search.unwrap_or_default();
        if search.chars().count() > MAX_SEARCH_CHARS {
            let message = format!("must have at most {MAX_SEARCH_CHARS} characters");
            return Err(ServiceError::invalid("search", message));
        }
        let scope = Scope::of_list(T::KIND, [scope, &search]);
        let mut after = match cursor {
            Some(cursor) => {
                let id = cursor::decode_id(&scope, &cursor)?;
                Some(T::id_of(&id).ok_or_else(cursor::forged)?)
            }
            None => None,
        };
        let wanted = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let rows = match limit {
            None => u32::MAX,
            Some(limit) if search.is_empty() => limit + 1,
            Some(limit) => CHUNK.max(limit + 1),
        };
        let search = folded(&search);
        let is_match = |row: &T| row.texts().into_iter().any(|text| folded(text).contains(&search));
        let mut items = Vec::new();
        loop {
            let found = page(after, rows).await?;
            let is_last = u32::try_from(found.len()).is_ok_and(|found| found < rows);
            after = found.last().map(T::id);
            items.extend(found.into_iter().filter(is_match));
            if is_last || items.len() > wanted {
                break;
            }
        }
        let has_more = items.len() > wanted;
        items.truncate(wanted);
        let last = items.last().filter(|_| has_more);
        let next = last.map(|last| cursor::encode_id(&scope, &last.id().to_string()));
        Ok(List { items, next })
    }
}

/// The text without regard to case. By characters, so that it does not depend on those around it,
/// and by way of upper case, so that `ß` is `SS` and `ς` is `Σ`.
fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt;
    use mymonit_model::{Description, ExperimentDetails, ExperimentName};

    use super::*;

    fn experiment(id: u32, name: &str, description: &str) -> Experiment {
        let description = Description::new(description).unwrap();
        let name = ExperimentName::new(name).unwrap();
        let details = ExperimentDetails { description, ..ExperimentDetails::named(name) };
        details.numbered(ExperimentId::new(id))
    }

    /// The numbers of a page of those experiments, and its cursor.
    async fn page_of(
        rows: &Mutex<Vec<Experiment>>,
        request: ListRequest,
    ) -> Result<(Vec<u32>, Option<String>), ServiceError> {
        let page = |after: Option<ExperimentId>, limit: u32| {
            let rows = rows.lock().unwrap();
            let left = rows.iter().filter(|row| after.is_none_or(|after| row.experiment_id > after));
            let found: Vec<_> = left.take(limit as usize).cloned().collect();
            async { Ok(found) }.boxed()
        };
        let list = request.answer("", page).await?;
        Ok((list.items.iter().map(|item| item.experiment_id.get()).collect(), list.next))
    }

    fn search(text: &str) -> ListRequest {
        ListRequest { search: Some(text.to_owned()), ..ListRequest::default() }
    }

    #[tokio::test]
    async fn a_search_takes_any_case_of_all_unicode_and_no_wildcards() {
        let rows = Mutex::new(vec![
            experiment(1, "Straße", "100 % of ΟΔΥΣΣΕΥΣ"),
            experiment(2, "a_b", "Zoë"),
            experiment(3, "axb", "ZOË İstanbul"),
        ]);
        for (text, found) in [
            ("", vec![1, 2, 3]),
            ("strasse", vec![1]),
            ("STRAẞE", vec![]),
            ("οδυσσευς", vec![1]),
            ("οδυσ", vec![1]),
            ("zoË", vec![2, 3]),
            ("A_B", vec![2]),
            ("%", vec![1]),
            ("İSTAN", vec![3]),
            ("\\", vec![]),
        ] {
            assert_eq!(page_of(&rows, search(text)).await.unwrap().0, found, "{text}");
        }
    }

    #[tokio::test]
    async fn pages_hold_each_row_once_while_rows_come_and_go() {
        let rows =
            (1..=2_500).map(|id| experiment(id, &format!("{} {id}", ["odd", "even"][id as usize % 2]), ""));
        let rows = Mutex::new(rows.collect::<Vec<_>>());
        for text in ["", "even"] {
            let request = ListRequest { limit: Some(100), ..search(text) };
            let (mut found, mut next) = page_of(&rows, request.clone()).await.unwrap();
            while let Some(cursor) = next {
                // Removes a row that was read; the next pages do not shift.
                rows.lock().unwrap().retain(|row| row.experiment_id.get() != found[0]);
                let request = ListRequest { cursor: Some(cursor), ..request.clone() };
                let (page, cursor) = page_of(&rows, request).await.unwrap();
                assert!(page.len() == 100 || cursor.is_none());
                found.extend(page);
                next = cursor;
            }
            let expected = (1..=2_500).filter(|id| text.is_empty() || id % 2 == 1);
            let expected: Vec<u32> =
                expected.filter(|id| !text.is_empty() && *id > 1 || text.is_empty()).collect();
            assert_eq!(found, expected);
        }
    }

    #[tokio::test]
    async fn limits_searches_and_cursors_are_refused_by_name() {
        let rows = Mutex::new((1..=3).map(|id| experiment(id, &format!("e{id}"), "")).collect());
        let first = ListRequest { limit: Some(1), ..search("e") };
        let cursor = page_of(&rows, first.clone()).await.unwrap().1;
        let other_search = ListRequest { cursor: cursor.clone(), ..search("E") };
        let forged = ListRequest { cursor: Some("AAAA".to_owned()), ..first.clone() };
        let none = ListRequest { limit: Some(0), ..first.clone() };
        let too_many = ListRequest { limit: Some(MAX_LISTED + 1), ..first.clone() };
        for (request, name) in [
            (other_search, "cursor"),
            (forged, "cursor"),
            (none, "limit"),
            (too_many, "limit"),
            (search(&"é".repeat(256)), "search"),
        ] {
            let refusal = page_of(&rows, request).await.unwrap_err();
            assert!(
                matches!(&refusal, ServiceError::InvalidArgument { field, .. } if field == name),
                "{refusal}"
            );
        }
        assert_eq!(page_of(&rows, ListRequest { cursor, ..first }).await.unwrap().0, [2]);
    }
}
