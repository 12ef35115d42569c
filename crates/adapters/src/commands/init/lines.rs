//! Lines of text: one number each, or words with times and numbers at the same positions.

use std::collections::{BTreeMap, HashMap};

use regex::{Regex, escape};

use super::columns::{Column, Guess, Sample, Time, number};
use super::quoted;
use super::units::measure_type;

const LINES: usize = 200;
/// Words of which a time may consist.
const MAX_TIME_WORDS: usize = 5;

/// `None` if most lines have no numbers at the same positions.
pub(super) fn guess(lines: &[&str]) -> Option<Guess> {
    let is_comment = |line: &&&str| line.starts_with(['#', '%']);
    let comment = lines.iter().find(is_comment).and_then(|line| line.chars().next());
    let lines: Vec<_> =
        lines.iter().filter(|line| !line.trim().is_empty() && !is_comment(line)).take(LINES).collect();
    let mut format = vec![("kind", quoted("text"))];
    format.extend(comment.map(|comment| ("comment", quoted(&comment.to_string()))));
    let decimal = if lines.iter().any(|line| line.contains('.')) { '.' } else { ',' };
    if decimal == ',' && lines.iter().any(|line| line.contains(',')) {
        format.push(("decimal", quoted(",")));
    }
    if !lines.is_empty() && lines.iter().all(|line| number(line, decimal).is_some()) {
        let cells = lines.iter().map(|line| (**line).to_owned()).collect();
        let column = Column { field: quoted("line"), name: "line".to_owned(), unit: None, cells };
        return Guess::of(Sample { format, decimal, columns: vec![column], may_lack_time: true });
    }
    let words: Vec<Vec<&str>> = alike(&lines);
    let (pattern, units) = pattern(&words, decimal)?;
    let regex = Regex::new(&pattern).ok()?;
    let found: Vec<_> = lines.iter().filter_map(|line| regex.captures(line)).collect();
    if 2 * found.len() <= lines.len() {
        return None;
    }
    let columns = regex.capture_names().flatten().map(|name| Column {
        field: quoted(name),
        name: name.to_owned(),
        unit: units.get(name).cloned(),
        cells: found
            .iter()
            .map(|found| found.name(name).map_or("", |part| part.as_str()).to_owned())
            .collect(),
    });
    let columns = columns.collect();
    format.push(("pattern", quoted(&pattern)));
    Guess::of(Sample { format, decimal, columns, may_lack_time: true })
}

/// The words of the lines that differ in their numbers only, of which there are most.
fn alike<'t>(lines: &[&&'t str]) -> Vec<Vec<&'t str>> {
    let mut groups: BTreeMap<String, Vec<Vec<&str>>> = BTreeMap::new();
    for line in lines {
        let words: Vec<_> = line.split_whitespace().collect();
        let shape = words.join(" ").replace(|char: char| char.is_ascii_digit(), "");
        groups.entry(shape).or_default().push(words);
    }
    groups.into_values().max_by_key(Vec::len).unwrap_or_default()
}

/// A pattern for lines of these words, and the units of its groups.
fn pattern(lines: &[Vec<&str>], decimal: char) -> Option<(String, HashMap<String, String>)> {
    let first = lines.first()?;
    let (mut parts, mut units) = (Vec::new(), HashMap::new());
    let (mut at, mut has_time) = (0, false);
    while at < first.len() {
        let column: Vec<_> = lines.iter().map(|words| words[at]).collect();
        if let Some(count) = time_words(lines, at).filter(|_| !has_time) {
            parts.push(format!("\\[?(?<time>{})[\\],;:]*", vec!["\\S+?"; count].join("\\s+")));
            (has_time, at) = (true, at + count);
            continue;
        }
        let is_constant = column.iter().all(|word| *word == column[0])
            && !column[0].contains(|char: char| char.is_ascii_digit());
        match value(&column, decimal) {
            Some((before, after)) => {
                let label = if before.is_empty() && at > 0 { first[at - 1] } else { before };
                let name = name(label, &units);
                let unit =
                    [after, first.get(at + 1).unwrap_or(&"")].map(|unit| unit.trim_end_matches([',', ';']));
                let unit = unit.into_iter().find(|unit| measure_type(unit).is_some()).unwrap_or_default();
                parts.push(format!("{}(?<{name}>\\S+?){}", escape(before), escape(after)));
                units.insert(name, unit.to_owned());
            }
            None if is_constant => parts.push(escape(column[0])),
            None => parts.push("\\S+".to_owned()),
        }
        at += 1;
    }
    let units = units.into_iter().filter(|(_, unit)| !unit.is_empty()).collect();
    Some((format!("^\\s*{}\\s*$", parts.join("\\s+")), units))
}

/// How many words from there on are a time, in all lines.
fn time_words(lines: &[Vec<&str>], at: usize) -> Option<usize> {
    (1..=MAX_TIME_WORDS).rev().find(|count| {
        let cells = lines.iter().map(|words| {
            let words = words.get(at..at + count)?;
            Some(words.join(" ").trim_start_matches('[').trim_end_matches([']', ',', ';', ':']).to_owned())
        });
        let Some(cells) = cells.collect::<Option<Vec<_>>>() else { return false };
        let value = Column { field: String::new(), name: "value".to_owned(), unit: None, cells: vec!["1".to_owned()] };
        let time = Column { name: "time".to_owned(), cells, ..value.clone() };
        let sample = Sample { format: Vec::new(), decimal: '.', columns: vec![time, value], may_lack_time: false };
        matches!(Guess::of(sample), Some(Guess { time: Time::Fields { fields, .. }, .. }) if fields.len() == 1)
    })
}

/// The text before and after a number, if each word has one there.
fn value<'t>(words: &[&'t str], decimal: char) -> Option<(&'t str, &'t str)> {
    let is_sign = |char: char| char.is_ascii_digit() || "+-.,eE".contains(char);
    let split = |word: &'t str| {
        let end = word.rfind(|char: char| char.is_ascii_digit())? + 1;
        let start = word[..end]
            .rfind(|char| !is_sign(char))
            .map_or(0, |at| at + word[at..].chars().next().map_or(1, char::len_utf8));
        let start =
            start + word[start..end].find(|char: char| char.is_ascii_digit() || "+-.".contains(char))?;
        number(&word[start..end], decimal).map(|_| (&word[..start], &word[end..]))
    };
    let (before, after) = split(words.first()?)?;
    // `program[12]:` contains a process id.
    let is_value = !before.contains('[') && words.iter().all(|word| split(word) == Some((before, after)));
    is_value.then_some((before, after))
}

/// A name for a group, from the text before the number.
fn name(label: &str, taken: &HashMap<String, String>) -> String {
    let letters = label.trim_matches(|char: char| !char.is_alphanumeric());
    let letters: String =
        letters.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '_' }).collect();
    let letters = if letters.starts_with(|first: char| first.is_ascii_alphabetic()) {
        letters
    } else {
        "value".to_owned()
    };
    let numbered = (2..).map(|number| format!("{letters}_{number}"));
    let mut names = std::iter::once(letters.clone()).chain(numbered);
    names.find(|name| name != "time" && !taken.contains_key(name)).unwrap_or(letters)
}
