//! Rows of columns with a header.

use super::columns::{Column, Guess, Sample, number};
use super::quoted;

/// The number of lines that are searched for a header, and of rows that are examined.
const HEADER_LINES: usize = 100;
const ROWS: usize = 200;

/// `None` if the lines are not a table with a header, a time and a number.
pub(super) fn guess(lines: &[&str]) -> Option<Guess> {
    let samples = ['\t', ';', ','].into_iter().filter_map(|delimiter| sample(lines, delimiter));
    samples.filter_map(Guess::of).max_by_key(|guess| guess.columns.len())
}

fn cells(line: &str, delimiter: char) -> Vec<String> {
    let mut is_quoted = false;
    let parts = line.split(|sign| {
        is_quoted ^= sign == '"';
        sign == delimiter && !is_quoted
    });
    parts.map(|cell| cell.trim().trim_matches('"').to_owned()).collect()
}

fn sample(lines: &[&str], delimiter: char) -> Option<Sample> {
    let rows: Vec<_> = lines.iter().map(|line| cells(line, delimiter)).collect();
    let decimals: &[char] = if delimiter == ',' { &['.'] } else { &['.', ','] };
    decimals.iter().find_map(|decimal| {
        // The first row of values that has as many columns as a row of words before it.
        let (first, header) = (1..rows.len().min(HEADER_LINES)).find_map(|first| {
            let width = rows[first].len();
            let is_header = |at: &usize| {
                let row = &rows[*at];
                // Campbell's first line has the station, and may have as many columns.
                let is_name = |cell: &String| !cell.is_empty() && row[0] != "TOA5";
                row.len() == width && width > 1 && row.iter().all(is_name) && !is_data(row, *decimal)
            };
            let header = (0..first).find(is_header)?;
            is_data(&rows[first], *decimal).then_some((first, header))
        })?;
        Some(build(&rows, header, first, delimiter, *decimal))
    })
}

/// Whether a row holds a number or time, and a number.
fn is_data(row: &[String], decimal: char) -> bool {
    let begins = |cell: &String| {
        cell.len() > 1 && cell.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
    };
    row.iter().any(begins) && row.iter().any(|cell| number(cell, decimal).is_some())
}

fn build(rows: &[Vec<String>], header: usize, first: usize, delimiter: char, decimal: char) -> Sample {
    let names = &rows[header];
    let data: Vec<_> = rows[first..].iter().filter(|row| row.len() == names.len()).take(ROWS).collect();
    let columns = names.iter().enumerate().map(|(at, name)| {
        let mut below = rows[header + 1..first].iter().filter_map(|row| row.get(at));
        Column {
            field: quoted(name),
            name: name.clone(),
            unit: below.find(|unit| !unit.is_empty()).cloned(),
            cells: data.iter().map(|row| row[at].clone()).collect(),
        }
    });
    let mut format = vec![("kind", quoted("csv"))];
    let mut set = |key, is_set: bool, value: String| is_set.then(|| format.push((key, value)));
    set("delimiter", delimiter != ',', quoted(&delimiter.to_string()));
    set("skip_lines", header > 0, header.to_string());
    set("skip_rows", first > header + 1, (first - header - 1).to_string());
    set("decimal", decimal != '.', quoted(&decimal.to_string()));
    Sample { decimal, columns: columns.collect(), may_lack_time: false, format }
}
