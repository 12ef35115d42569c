//! Every record arrives exactly once, bit for bit, despite kills, rotations and broker restarts.
//!
//! `MYMONIT_LONG_TESTS=1` runs a million records, 50 kills, 20 rotations and 10 restarts.

mod chaos;
mod records;

use chaos::Scale;
use records::Format;

#[tokio::test]
async fn lines_of_text_arrive_exactly_once() {
    chaos::follow(Format::Text, &Scale::chosen()).await.unwrap();
}

#[tokio::test]
async fn rows_of_csv_arrive_exactly_once() {
    chaos::follow(Format::Csv, &Scale::chosen()).await.unwrap();
}

#[tokio::test]
async fn lines_of_json_arrive_exactly_once() {
    chaos::follow(Format::Ndjson, &Scale::chosen()).await.unwrap();
}

#[tokio::test]
async fn json_documents_arrive_exactly_once() {
    chaos::drop_files(Format::Json, &Scale::chosen()).await.unwrap();
}

#[tokio::test]
async fn xml_documents_arrive_exactly_once() {
    chaos::drop_files(Format::Xml, &Scale::chosen()).await.unwrap();
}
