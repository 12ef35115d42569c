use std::io::{Read, Write};

use reqwest::header::ACCEPT_ENCODING;
use reqwest::{Method, Response};

use crate::memory::{CHUNK, ChunkFault, FIRST_CHUNK};
use crate::site::{Site, Who};

const CODINGS: [&str; 2] = ["gzip", "zstd"];

async fn ask(site: &Site, method: Method, path: &str, coding: &str) -> Response {
    site.request(method, path, Who::Peter).header(ACCEPT_ENCODING, coding).send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

/// Decompresses a complete document.
fn decompressed(coding: &str, document: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    match coding {
        "gzip" => flate2::read::GzDecoder::new(document).read_to_end(&mut plain)?,
        _ => zstd::Decoder::new(document)?.read_to_end(&mut plain)?,
    };
    Ok(plain)
}

/// A site whose experiment 1 has that many measures.
async fn site_with(measures: u64) -> Site {
    let site = Site::start().await;
    *site.memory.long_reading.measures.lock().unwrap() = measures;
    site
}

#[tokio::test]
async fn a_long_reading_is_compressed_for_those_who_ask_and_holds_the_same() {
    let site = site_with(50_000).await;
    for format in ["json", "ndjson", "csv", "arrow"] {
        let path = format!("/measures/1?format={format}");
        let response = ask(&site, Method::GET, &path, "identity").await;
        assert_eq!(header(&response, "content-encoding"), None);
        let plain = response.bytes().await.unwrap();
        for coding in CODINGS {
            let response = ask(&site, Method::GET, &path, coding).await;
            assert_eq!(header(&response, "content-encoding"), Some(coding));
            assert_eq!(header(&response, "vary"), Some("accept, accept-encoding"));
            assert_eq!(header(&response, "transfer-encoding"), Some("chunked"));
            let document = response.bytes().await.unwrap();
            assert!(document.len() * 2 < plain.len(), "{} bytes", document.len());
            assert_eq!(decompressed(coding, &document).unwrap(), plain);
        }
    }
}

#[tokio::test]
async fn a_short_answer_is_not_worth_compressing_and_a_longer_one_says_its_length() {
    let site = Site::start().await;
    for coding in CODINGS {
        let short = ask(&site, Method::GET, "/measures/1", coding).await;
        assert_eq!(header(&short, "content-encoding"), None);
        assert_eq!(header(&short, "vary"), Some("accept, accept-encoding"));
    }
    let site = site_with(100).await;
    let plain = site.get("/measures/1", Who::Peter).await.text;
    for coding in CODINGS {
        let response = ask(&site, Method::GET, "/measures/1", coding).await;
        assert_eq!(header(&response, "content-encoding"), Some(coding));
        let length: usize = header(&response, "content-length").unwrap().parse().unwrap();
        let document = response.bytes().await.unwrap();
        assert_eq!(document.len(), length);
        assert_eq!(decompressed(coding, &document).unwrap(), plain.as_bytes());
    }
}

#[tokio::test]
async fn head_has_the_compression_headers_of_get() {
    for measures in [1, 100, 50_000] {
        let site = site_with(measures).await;
        for coding in CODINGS {
            let get = ask(&site, Method::GET, "/measures/1", coding).await;
            let head = ask(&site, Method::HEAD, "/measures/1", coding).await;
            for name in ["content-encoding", "content-length", "content-type", "vary"] {
                assert_eq!(header(&head, name), header(&get, name), "{name}");
            }
            assert!(head.bytes().await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn other_answers_are_not_compressed() {
    let site = Site::start().await;
    for path in ["/users/me", "/experiments/", "/measure-types/", "/measures/99"] {
        let response = ask(&site, Method::GET, path, "gzip, zstd").await;
        assert_eq!(header(&response, "content-encoding"), None, "{path}");
    }
}

/// Undoes the compression of the beginning of a document, as it arrives.
enum Decompressor {
    Gzip(Box<flate2::write::GzDecoder<Vec<u8>>>),
    Zstd(zstd::stream::write::Decoder<'static, Vec<u8>>),
}

impl Decompressor {
    fn new(coding: &str) -> Self {
        match coding {
            "gzip" => Self::Gzip(Box::new(flate2::write::GzDecoder::new(Vec::new()))),
            _ => Self::Zstd(zstd::stream::write::Decoder::new(Vec::new()).unwrap()),
        }
    }

    /// All bytes decoded so far.
    fn take_in(&mut self, piece: &[u8]) -> &[u8] {
        match self {
            Self::Gzip(decoder) => {
                decoder.write_all(piece).unwrap();
                decoder.flush().unwrap();
                decoder.get_ref()
            }
            Self::Zstd(decoder) => {
                decoder.write_all(piece).unwrap();
                decoder.flush().unwrap();
                decoder.get_ref()
            }
        }
    }
}

#[tokio::test]
async fn a_slow_reading_still_delivers_what_is_there() {
    for coding in CODINGS {
        let site = site_with(1_000_000).await;
        // The fourth chunk never comes; the client gets the first three anyway.
        *site.memory.long_reading.chunk_fault.lock().unwrap() = Some((4, ChunkFault::Hangs));
        let mut response = ask(&site, Method::GET, "/measures/1", coding).await;
        let mut decompressor = Decompressor::new(coding);
        let last = format!("\"value\":{}.5}}", FIRST_CHUNK + 2 * CHUNK);
        loop {
            let piece = response.chunk().await.unwrap().unwrap();
            if decompressor.take_in(&piece).ends_with(last.as_bytes()) {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_failure_half_way_breaks_the_connection_and_leaves_no_whole_document() {
    for coding in CODINGS {
        let site = site_with(100_000).await;
        *site.memory.long_reading.chunk_fault.lock().unwrap() = Some((5, ChunkFault::Fails));
        let mut response = ask(&site, Method::GET, "/measures/1?format=csv", coding).await;
        assert_eq!(response.status(), 200);
        let mut received = Vec::new();
        let error = loop {
            match response.chunk().await {
                Ok(Some(piece)) => received.extend_from_slice(&piece),
                Ok(None) => panic!("the answer ended as if it were whole"),
                Err(error) => break error,
            }
        };
        assert!(error.is_body() || error.is_decode(), "{error}");
        // The format has no end mark; the end of the compressed document is missing.
        decompressed(coding, &received).unwrap_err();
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_a_compressed_reading() {
    let site = site_with(100_000).await;
    *site.memory.long_reading.chunk_fault.lock().unwrap() = Some((4, ChunkFault::Hangs));
    let mut response = ask(&site, Method::GET, "/measures/1", "gzip").await;
    response.chunk().await.unwrap();
    let mut read = site.memory.long_reading.chunks.subscribe();
    read.wait_for(|chunks| *chunks == 4).await.unwrap();
    drop(response);
    let mut given_up = site.memory.long_reading.was_given_up.subscribe();
    given_up.wait_for(|given_up| *given_up).await.unwrap();
}
