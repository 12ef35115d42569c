//! The files of the page, as `npm run build` in the folder `page` left them before this program was
//! compiled. Beside each large one lie `.br` and `.gz`, compressed once and as well as can be.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use include_dir::{Dir, include_dir};

use crate::weighted::preferences;

static PAGE_FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../page/dist");

const INDEX: &str = "index.html";
/// Served if the page was not built.
const NO_PAGE: &[u8] = include_bytes!("no_page.html");
/// The folder of files with content hashes in their names.
const NAMED_BY_CONTENT: &str = "assets/";
/// The name in `Content-Encoding` and the file extension; the better ones first.
const CODINGS: [(&str, &str); 2] = [("br", "br"), ("gzip", "gz")];

/// A file of the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'a> {
    name: &'a str,
    media_type: &'static str,
    content: &'static [u8],
}

/// The file of that name below `/static/`.
pub(super) fn find(name: &str) -> Option<File<'_>> {
    let media_type = media_type(name)?;
    let content = match PAGE_FILES.get_file(name) {
        Some(file) => file.contents(),
        None if name == INDEX => NO_PAGE,
        None => return None,
    };
    Some(File { name, media_type, content })
}

/// The media type by extension. Compressed copies have none, so no client can ask for them by name.
fn media_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "woff2" => "font/woff2",
        _ => return None,
    })
}

impl File<'_> {
    pub(super) fn is_named_by_content(self) -> bool {
        self.name.starts_with(NAMED_BY_CONTENT)
    }

    /// The file in the best coding that the client accepts, or 304 if the client has it.
    pub(super) fn answer(self, headers: &HeaderMap) -> Response {
        let (coding, content) = self.coded(headers);
        let tag = tag(content);
        let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut tags =
            known.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
        let mut response = if tags.any(|known| known == tag || known == "*") {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(CONTENT_TYPE, self.media_type)], content).into_response()
        };
        let answered = response.headers_mut();
        if let Ok(tag) = HeaderValue::try_from(tag) {
            answered.insert(ETAG, tag);
        }
        answered.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if let Some(coding) = coding.filter(|_| response.status() == StatusCode::OK) {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        response
    }

    fn coded(self, headers: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
        let wanted = preferences(headers, ACCEPT_ENCODING).unwrap_or_default();
        let takes = |coding: &str| wanted.iter().any(|each| each.what == coding && each.weight > 0);
        let mut coded =
            CODINGS.into_iter().filter(|(coding, _)| takes(coding)).filter_map(|(coding, ending)| {
                let file = PAGE_FILES.get_file(format!("{}.{ending}", self.name))?;
                Some((Some(coding), file.contents()))
            });
        coded.next().unwrap_or((None, self.content))
    }
}

/// Changes with the content.
fn tag(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
