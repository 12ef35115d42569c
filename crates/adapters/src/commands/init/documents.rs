//! JSON and XML: where the records are, and what fields they have.

use std::collections::BTreeMap;

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use serde_json::Value;

use super::columns::{Column, Guess, Sample};
use super::{quoted, quoted_list};
use crate::format::without_not_finite;

/// The number of records that are examined, and of array elements that are separate fields.
const RECORDS: usize = 200;
const MAX_ELEMENTS: usize = 8;

/// The fields of one record: the parts of each path, and its text.
type Fields = Vec<(Vec<String>, String)>;

/// Records at the same path.
#[derive(Default)]
struct Records {
    count: usize,
    fields: Vec<Fields>,
}

impl Records {
    fn add(&mut self, fields: Fields) {
        self.count += 1;
        if self.fields.len() < RECORDS {
            self.fields.push(fields);
        }
    }

    fn sample(&self, format: Vec<(&'static str, String)>, field: fn(&[String]) -> String) -> Sample {
        let mut paths: Vec<&Vec<String>> = Vec::new();
        for (path, _) in self.fields.iter().flatten() {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        let cell = |fields: &Fields, path: &[String]| {
            fields.iter().find(|(known, _)| known == path).map_or_else(String::new, |(_, cell)| cell.clone())
        };
        let cells = |path: &[String]| self.fields.iter().map(|fields| cell(fields, path)).collect::<Vec<_>>();
        let columns = paths.iter().map(|path| Column {
            field: field(path),
            name: path.last().map_or("", |name| name.trim_start_matches('@')).to_owned(),
            unit: unit_beside(path)
                .iter()
                .filter(|path| paths.contains(path))
                .find_map(|path| constant(cells(path))),
            cells: cells(path),
        });
        Sample { columns: columns.collect(), decimal: '.', may_lack_time: false, format }
    }
}

/// Where the unit of a value may be: an attribute of it, or a field beside it.
fn unit_beside(path: &[String]) -> Vec<Vec<String>> {
    let (last, parents) = path.split_last().map_or(("", path), |(last, parents)| (last.as_str(), parents));
    let below = |parents: &[String], name: &str| [parents, &[name.to_owned()]].concat();
    let mut paths: Vec<_> = ["@unit", "@units", "@uom"].iter().map(|name| below(path, name)).collect();
    if ["value", "val", "v", "reading", "."].contains(&last) {
        paths.extend(["unit", "units", "@unit", "EGU"].iter().map(|name| below(parents, name)));
    }
    paths
}

/// What all cells hold, if that is the same.
fn constant(cells: Vec<String>) -> Option<String> {
    let first = cells.first().filter(|first| !first.is_empty())?;
    cells.iter().all(|cell| cell == first).then(|| first.clone())
}

/// The largest set of records that look like measurements.
fn best(candidates: impl Iterator<Item = (usize, Sample)>) -> Option<Guess> {
    let guesses = candidates.filter_map(|(count, sample)| Some((count, Guess::of(sample)?)));
    guesses.max_by_key(|(count, guess)| (*count, guess.columns.len())).map(|(_, guess)| guess)
}

/// A JSON document, or JSON in lines.
pub(super) fn json(text: &str) -> Option<Guess> {
    let text = without_not_finite(text).unwrap_or_else(|| text.to_owned());
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let values: Vec<Value> = lines.map_while(|line| serde_json::from_str(line).ok()).take(RECORDS).collect();
    let objects: Vec<_> = values.iter().filter(|value| value.is_object()).collect();
    if objects.len() > 1 {
        let mut records = Records::default();
        objects.iter().for_each(|object| records.add(flat(object)));
        return Guess::of(records.sample(vec![("kind", quoted("ndjson"))], json_field));
    }
    let document: Value = serde_json::from_str(&text).ok()?;
    let mut found = BTreeMap::new();
    if document.is_object() {
        records_at(&mut found, &[], false).add(flat(&document));
    }
    find_records(&document, &mut Vec::new(), &mut found);
    best(found.iter().map(|((path, is_parallel), records)| {
        let mut format = vec![("kind", quoted("json"))];
        if !path.is_empty() {
            format.push(("records", quoted(&path.join("."))));
        }
        if *is_parallel {
            format.push(("parallel", "true".to_owned()));
        }
        (records.count, records.sample(format, json_field))
    }))
}

type Found = BTreeMap<(Vec<String>, bool), Records>;

fn records_at<'f>(found: &'f mut Found, path: &[String], is_parallel: bool) -> &'f mut Records {
    found.entry((path.to_vec(), is_parallel)).or_default()
}

fn json_field(path: &[String]) -> String {
    match path {
        [index] if index.parse::<u64>().is_ok() => index.clone(),
        _ if path.iter().any(|key| key.contains('.')) => quoted_list(path),
        _ => quoted(&path.join(".")),
    }
}

/// Finds arrays of records, and objects of parallel arrays.
fn find_records(value: &Value, path: &mut Vec<String>, found: &mut Found) {
    let below = |value: &Value, key: &str, path: &mut Vec<String>, found: &mut Found| {
        path.push(key.to_owned());
        find_records(value, path, found);
        path.pop();
    };
    match value {
        Value::Array(elements) => {
            for element in elements {
                if element.is_object() || element.is_array() {
                    records_at(found, path, false).add(flat(element));
                }
                below(element, "*", path, found);
            }
        }
        Value::Object(members) => {
            let arrays: Vec<_> = members
                .iter()
                .filter_map(|(key, value)| Some((key, value.as_array()?)))
                .filter(|(_, array)| array.iter().all(|element| !element.is_array() && !element.is_object()))
                .collect();
            let length = arrays.first().map_or(0, |(_, array)| array.len());
            let same: Vec<_> = arrays.iter().filter(|(_, array)| array.len() == length).collect();
            if same.len() > 1 && length > 1 {
                for row in 0..length {
                    let cells = same.iter().map(|(key, array)| (vec![(*key).clone()], scalar(&array[row])));
                    records_at(found, path, true).add(cells.collect());
                }
            }
            members
                .iter()
                .filter(|(key, _)| !key.contains('.'))
                .for_each(|(key, value)| below(value, key, path, found));
        }
        _ => {}
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The fields of a record.
fn flat(value: &Value) -> Fields {
    let with_key = |key: String, value: &Value| {
        flat(value)
            .into_iter()
            .map(move |(path, cell)| ([vec![key.clone()], path].concat(), cell))
            .collect::<Vec<_>>()
    };
    match value {
        Value::Object(members) => {
            members.iter().flat_map(|(key, value)| with_key(key.clone(), value)).collect()
        }
        Value::Array(elements) if elements.len() <= MAX_ELEMENTS => (0..)
            .zip(elements)
            .flat_map(|(index, value): (usize, _)| with_key(index.to_string(), value))
            .collect(),
        Value::Array(_) => Vec::new(),
        other => vec![(Vec::new(), scalar(other))],
    }
}

/// An XML document, up to its first error.
pub(super) fn xml(text: &str) -> Option<Guess> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<(String, Fields, String)> = Vec::new();
    let mut found = Found::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => open.push(begun(&element)),
            Ok(Event::Empty(element)) => {
                open.push(begun(&element));
                close(&mut open, &mut found);
            }
            Ok(Event::Text(part)) => append(&mut open, &part.xml10_content()),
            Ok(Event::CData(part)) => append(&mut open, &part.xml10_content()),
            Ok(Event::End(_)) => close(&mut open, &mut found),
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    best(found.iter().map(|((path, _), records)| {
        let format = vec![("kind", quoted("xml")), ("records", quoted(&path.join("/")))];
        (records.count, records.sample(format, |path| quoted(&path.join("/"))))
    }))
}

fn begun(element: &BytesStart<'_>) -> (String, Fields, String) {
    let fields = element.attributes().flatten().map(|attribute| {
        let name = format!("@{}", attribute.key.local_name().as_ref());
        (vec![name], attribute.value.to_string())
    });
    (element.local_name().as_ref().to_owned(), fields.collect(), String::new())
}

fn append(open: &mut [(String, Fields, String)], part: &str) {
    if let Some((.., text)) = open.last_mut() {
        text.push_str(part);
    }
}

/// Ends an element: it may be a record, and is a field of the element around it.
fn close(open: &mut Vec<(String, Fields, String)>, found: &mut Found) {
    let path: Vec<_> = open.iter().map(|(name, ..)| name.clone()).collect();
    let Some((name, mut fields, text)) = open.pop() else { return };
    let text = text.trim().to_owned();
    if let Some((_, parent, _)) = open.last_mut() {
        let own = (!text.is_empty()).then(|| (vec![name.clone()], text.clone()));
        let below = fields
            .iter()
            .map(|(path, cell)| ([std::slice::from_ref(&name), &path[..]].concat(), cell.clone()));
        for (path, cell) in own.into_iter().chain(below) {
            // Elements whose name occurs several times are not fields.
            if !parent.iter().any(|(known, _)| *known == path) && parent.len() < RECORDS {
                parent.push((path, cell));
            }
        }
    }
    if !text.is_empty() {
        fields.push((vec![".".to_owned()], text));
    }
    records_at(found, &path, false).add(fields);
}
