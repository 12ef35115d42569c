//! The columns of CSV: their names, and which of them are mapped.

use crate::format::Header;
use crate::number::quoted;
use crate::source::Field;

/// Where a field comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot {
    Column(usize),
    /// The lines before the header.
    Head(String),
}

/// The names of a header without trailing delimiters.
pub(super) fn header(mut names: Vec<String>) -> Header {
    while names.len() > 1 && names.last().is_some_and(String::is_empty) {
        names.pop();
    }
    Header { names, row_width: None }
}

/// The columns of the fields; with `None`, columns by number only.
pub(super) fn slots(
    fields: &[Field],
    header: Option<&Header>,
    heads: &[Option<String>],
) -> Result<Vec<Slot>, String> {
    let slot = |(field, head): (&Field, &Option<String>)| match head {
        Some(text) => Ok(Slot::Head(text.clone())),
        None => column(field, header).map(Slot::Column),
    };
    fields.iter().zip(heads).map(slot).collect()
}

fn column(field: &Field, header: Option<&Header>) -> Result<usize, String> {
    let Some(Header { names, .. }) = header else {
        return by_number(field).ok_or_else(|| {
            format!("without a header columns have numbers, from 1, and no names such as {field}")
        });
    };
    let absent = || {
        let shown: Vec<_> = names.iter().map(|name| quoted(name)).collect();
        let hint = if names.len() == 1 { " (is `delimiter` right?)" } else { "" };
        format!("there is no column {field}; the columns are: {}{hint}", shown.join(", "))
    };
    let number = || by_number(field).filter(|column| *column < names.len()).ok_or_else(absent);
    let Field::Name(name) = field else { return number() };
    let mut found = names.iter().enumerate().filter(|(_, column)| *column == name);
    match (found.next(), found.next()) {
        (Some((column, _)), None) => Ok(column),
        (None, _) => number(),
        (Some(_), Some(_)) => Err(format!(
            "there are several columns `{name}`; name the one that is meant by its number, from 1"
        )),
    }
}

/// A column by its number from 1, which may be in quotation marks.
fn by_number(field: &Field) -> Option<usize> {
    let number = match field {
        Field::Number(number) => usize::try_from(*number).ok()?,
        Field::Name(name) if name.bytes().all(|byte| byte.is_ascii_digit()) => name.parse().ok()?,
        _ => return None,
    };
    number.checked_sub(1)
}

/// Whether some cells are the header again: `Some(true)` if its columns or their order differ.
pub(super) fn is_again(cells: &[String], header: &Header, fields: &[Field]) -> Option<bool> {
    if header.names.iter().eq(cells.iter().take(header.names.len())) {
        return Some(false);
    }
    let mut by_name = fields.iter().filter_map(|field| match field {
        Field::Name(name) if header.names.contains(name) => Some(name),
        _ => None,
    });
    let has_mapped =
        by_name.next().is_some_and(|first| cells.contains(first)) && by_name.all(|name| cells.contains(name));
    (has_mapped || header.names.iter().all(|name| cells.contains(name))).then_some(true)
}

/// Whether a column is mapped by its number.
pub(super) fn has_number(fields: &[Field], header: &Header) -> bool {
    let is_named = |field: &Field| matches!(field, Field::Name(name) if header.names.contains(name));
    fields.iter().any(|field| !is_named(field) && by_number(field).is_some())
}

/// Whether a first row is not a header: all columns are mapped by number, and hold values.
pub(super) fn is_first_row(cells: &[String], fields: &[Field]) -> bool {
    let mut mapped = fields.iter().filter(|field| !matches!(field, Field::Head(_))).peekable();
    let holds_value = |field: &Field| {
        let is_named = matches!(field, Field::Name(name) if cells.contains(name));
        let cell = by_number(field).filter(|_| !is_named).and_then(|column| cells.get(column));
        cell.is_some_and(|cell| is_value(cell))
    };
    mapped.peek().is_some() && mapped.all(holds_value)
}

/// Whether a cell holds a number, with a decimal point or comma.
pub(super) fn is_number(cell: &str) -> bool {
    let cell = cell.trim();
    cell.bytes().any(|byte| byte.is_ascii_digit()) && cell.replace(',', ".").parse::<f64>().is_ok()
}

/// Whether a cell holds a number, or a date or time in digits.
pub(super) fn is_value(cell: &str) -> bool {
    let cell = cell.trim().trim_matches('"');
    let begins = cell.trim_start_matches(['+', '-']).starts_with(|first: char| first.is_ascii_digit());
    let is_time = |char: char| char.is_ascii_digit() || "+-:./, TZ".contains(char);
    is_number(cell) || (begins && cell.chars().all(is_time))
}
