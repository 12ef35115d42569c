//! Every record arrives exactly once and bit for bit, while the adapter is killed, its files are rotated and the
//! broker is restarted.
//!
//! By default some thousand records in each format; with `MYMONIT_LONG_TESTS=1` in the environment a million, with 50
//! kills, 20 rotations and 10 restarts of the broker.

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
