//! The number of rows in one statement. All numbers are powers of two: a server prepares each text
//! once, so that few texts are needed.

use std::iter;

/// Limit of rows in one statement. More gain nothing, and these stay far below the 65,535
/// placeholders of MySQL, the 32,766 of SQLite, and any `max_allowed_packet`.
pub(crate) const MAX_ROWS: usize = 1_024;

/// Bytes of a rejected message's body in one row, below any usual `max_allowed_packet`.
pub(crate) const BODY_CHUNK: usize = 512 * 1024;

/// The sizes of the statements that write `count` rows: full ones, then ever smaller powers of two.
pub(crate) fn statement_sizes(count: usize) -> impl Iterator<Item = usize> {
    let mut left = count;
    iter::from_fn(move || {
        let size = MAX_ROWS.min(left.checked_ilog2().map(|exponent| 1 << exponent)?);
        left -= size;
        Some(size)
    })
}

/// Limit, in bytes, of the rows in one statement of [`row_batches`], unless one row alone has more.
const STATEMENT_BYTES: usize = BODY_CHUNK;

/// The rows, split so that each part fits into one statement, where rows can be long: `bytes` is
/// the length of one.
pub(crate) fn row_batches<T>(mut rows: &[T], bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    iter::from_fn(move || {
        let mut total = 0;
        let fits = |row: &&T| {
            total += bytes(row);
            total <= STATEMENT_BYTES
        };
        let fitting = rows.iter().take(MAX_ROWS).take_while(fits).count();
        let size = 1 << fitting.max(1).ilog2();
        let (row_batch, rest) = rows.split_at_checked(size)?;
        rows = rest;
        Some(row_batch)
    })
}

/// `group` once for each row, separated by commas: `(?, ?), (?, ?)`.
pub(crate) fn repeated(group: &str, rows: usize) -> String {
    let mut text = String::with_capacity((group.len() + 2) * rows);
    for row in 0..rows {
        if row > 0 {
            text.push_str(", ");
        }
        text.push_str(group);
    }
    text
}

/// The values, and the last one repeated up to a power of two, which does not change an `IN (…)`.
pub(crate) fn padded<T>(values: &[T]) -> impl Iterator<Item = &T> {
    let size = if values.is_empty() { 0 } else { values.len().next_power_of_two() };
    values.iter().chain(iter::repeat(values.last()).flatten()).take(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_hold_every_row_once_in_few_sizes() {
        for count in (0..5_000).chain([10_000, 123_457]) {
            let sizes: Vec<_> = statement_sizes(count).collect();
            assert_eq!(sizes.iter().sum::<usize>(), count);
            assert!(sizes.iter().all(|size| size.is_power_of_two() && *size <= MAX_ROWS));
            assert!(sizes.len() <= count / MAX_ROWS + 10, "{count}");
        }
    }

    #[test]
    fn batches_hold_every_row_once_and_few_bytes_unless_one_row_has_many() {
        let large = STATEMENT_BYTES + 1;
        let rows: Vec<_> = (0..3_000).map(|row| if row % 700 == 0 { large } else { row }).collect();
        let row_batches: Vec<_> = row_batches(&rows, |row| *row).collect();
        assert_eq!(row_batches.concat(), rows);
        for row_batch in row_batches {
            assert!(row_batch.len().is_power_of_two() && row_batch.len() <= MAX_ROWS);
            assert!(row_batch.len() == 1 || row_batch.iter().sum::<usize>() <= STATEMENT_BYTES);
        }
        assert_eq!(
            super::row_batches(&[0; 1_500], |row| *row).map(<[_]>::len).collect::<Vec<_>>(),
            [1_024, 256, 128, 64, 16, 8, 4]
        );
        assert_eq!(super::row_batches::<usize>(&[], |row| *row).count(), 0);
    }

    #[test]
    fn lists_are_padded_with_their_last_value() {
        assert_eq!(padded(&[1, 2, 3]).collect::<Vec<_>>(), [&1, &2, &3, &3]);
        assert_eq!(padded(&[1]).collect::<Vec<_>>(), [&1]);
        assert_eq!(padded::<u8>(&[]).count(), 0);
        assert_eq!(repeated("(?, ?)", 2), "(?, ?), (?, ?)");
    }
}
