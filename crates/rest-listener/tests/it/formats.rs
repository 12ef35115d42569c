use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_ipc::reader::StreamReader;
use reqwest::Method;

use crate::site::{Answer, Site, Who, finish};

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv; charset=utf-8; header=present";
const ARROW: &str = "application/vnd.apache.arrow.stream";

async fn accepting(site: &Site, path: &str, accept: &str) -> Answer {
    finish(site.request(Method::GET, path, Who::Peter).header("accept", accept)).await
}

#[tokio::test]
async fn a_format_is_chosen_by_parameter_or_by_accept() {
    let site = Site::start().await;
    for (parameter, accept, media_type) in [
        ("", "*/*", JSON),
        ("", "text/html,application/xml;q=0.9,*/*;q=0.8", JSON),
        ("", "text/csv", CSV),
        ("", "application/x-ndjson, application/json;q=0.9", NDJSON),
        ("&format=json", "text/csv", JSON),
        ("&format=ndjson", "image/png", NDJSON),
        ("&format=csv", "application/json", CSV),
        ("", ARROW, ARROW),
        ("&format=arrow", "application/json", ARROW),
    ] {
        let answer = accepting(&site, &format!("/measures/1?limit=1{parameter}"), accept).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, media_type), "{accept}");
        assert_eq!(answer.header("vary"), "accept, accept-encoding");
    }
}

#[tokio::test]
async fn a_format_that_there_is_not_is_named() {
    let site = Site::start().await;
    accepting(&site, "/measures/1", "image/png").await.names("Accept");
    accepting(&site, "/measures/1?format=xml", "*/*").await.names("format");
    accepting(&site, "/measures/1?format=csv&format=csv", "*/*").await.names("format");
    // Formats are checked only for those who may read.
    let refused = site.request(Method::GET, "/measures/1", Who::Admin).header("accept", "text/csv");
    finish(refused).await.problem(403, "forbidden");
}

#[tokio::test]
async fn csv_is_a_table_with_a_header_line_to_keep_as_a_file() {
    let site = Site::start().await;
    let answer = site.get("/measures/1?format=csv&limit=2", Who::Peter).await;
    assert_eq!(
        answer.text,
        "experiment,measure_type,timestamp,value,sensor\r\n\
         device-vibrations,hertz,2022-04-06T07:09:00Z,120.0,\r\n\
         device-vibrations,hertz,2022-04-06T07:08:00Z,105.0,\r\n"
    );
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"measures-1.csv\"");
    assert_eq!(answer.header("content-length"), answer.text.len().to_string());
    assert!(answer.header("link").contains("format=csv"));
    let empty = site.get("/measures/2?format=csv", Who::Katie).await;
    assert_eq!(empty.text, "experiment,measure_type,timestamp,value,sensor\r\n");
}

#[tokio::test]
async fn ndjson_has_the_objects_of_json_on_lines() {
    let site = Site::start().await;
    let json = site.get("/measures/1", Who::Peter).await;
    assert!(json.headers.get("content-disposition").is_none());
    let ndjson = site.get("/measures/1?format=ndjson", Who::Peter).await;
    assert_eq!(ndjson.header("content-disposition"), "attachment; filename=\"measures-1.ndjson\"");
    let objects: Vec<serde_json::Value> =
        ndjson.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json.json(), serde_json::Value::Array(objects));
    assert_eq!(site.get("/measures/2?format=ndjson", Who::Katie).await.text, "");
}

#[tokio::test]
async fn head_answers_with_the_headers_of_get_and_no_body() {
    let site = Site::start().await;
    for query in ["", "?format=csv", "?format=arrow", "?window=5m&format=ndjson", "?limit=2"] {
        let path = format!("/measures/1{query}");
        let get = site.get(&path, Who::Peter).await;
        let head = finish(site.request(Method::HEAD, &path, Who::Peter)).await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
        for name in
            ["content-type", "content-length", "vary", "link", "content-disposition", "mymonit-window"]
        {
            assert_eq!(head.headers.get(name), get.headers.get(name), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn arrow_holds_the_measures_of_json_and_is_a_file_of_its_own_kind() {
    let site = Site::start().await;
    let json = site.get("/measures/1", Who::Peter).await.json();
    let response = site.request(Method::GET, "/measures/1?format=arrow", Who::Peter).send().await.unwrap();
    let disposition = response.headers()["content-disposition"].to_str().unwrap();
    assert_eq!(disposition, "attachment; filename=\"measures-1.arrows\"");
    let document = response.bytes().await.unwrap();
    let reader = StreamReader::try_new(&document[..], None).unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    let values =
        batches.iter().flat_map(|batch| batch["value"].as_primitive::<Float64Type>().values().to_vec());
    let expected = json.as_array().unwrap().iter().map(|measure| measure["value"].as_f64().unwrap());
    assert!(values.eq(expected));
}

#[tokio::test]
async fn an_empty_arrow_stream_has_a_schema() {
    let site = Site::start().await;
    for (query, columns) in [("", 5), ("&window=5m", 9)] {
        let path = format!("/measures/2?format=arrow{query}");
        let response = site.request(Method::GET, &path, Who::Katie).send().await.unwrap();
        let document = response.bytes().await.unwrap();
        let mut reader = StreamReader::try_new(&document[..], None).unwrap();
        assert_eq!(reader.schema().fields().len(), columns);
        assert!(reader.next().is_none());
    }
}
