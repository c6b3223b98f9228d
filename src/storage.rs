//! A bucket of S3-compatible storage: files are put there, fetched and removed.

mod signature;

use crate::client::escaped;
use crate::digest::EMPTY;
use crate::lookup::{Connections, cause, client};
use busyhour_model::Time;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, SizeHint};
use hyper::{Request, Response, Uri};
use signature::{Asked, signed, stamp};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An answer after so long, and the time its bytes take at the least rate, is none.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes a second on a line that is worth waiting for.
const RATE_MIN: u64 = 64 * 1024;
/// Bytes read from the disk at once.
const BLOCK: u64 = 64 * 1024;
/// Bytes of a recording that is fetched: a day of two channels.
const FETCHED_MAX: u64 = 24 * 3600 * 16_000 + (64 << 20);
/// Bytes of an answer that says why not.
const REASON_MAX: usize = 64 * 1024;
/// Names the file of credentials where the configuration does not; other programs know it too.
pub const CREDENTIALS_VARIABLE: &str = "AWS_SHARED_CREDENTIALS_FILE";

/// Where recordings are uploaded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageSetup {
    /// `https://s3.example`, without a path.
    pub endpoint: String,
    /// As the endpoint calls itself.
    pub region: String,
    /// There already.
    pub bucket: String,
    /// In front of names of files, with its `/`, or empty.
    pub prefix: String,
    /// The bucket stands in the path, not in front of the host.
    pub path_style: bool,
    /// Read anew for each request.
    pub credentials: PathBuf,
}

/// Who we are to the storage.
pub(crate) struct Credentials {
    id: String,
    secret: String,
    /// Of a session.
    token: Option<String>,
}

impl Credentials {
    /// As `~/.aws/credentials` has them: of `[default]`, or all there is.
    fn read(text: &str) -> Result<Credentials, String> {
        let mut other = false;
        let (mut id, mut secret, mut token) = (None, None, None);
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                other = line != "[default]";
            }
            let Some((key, value)) = line.split_once('=').filter(|_| !other) else { continue };
            let place = match key.trim() {
                "aws_access_key_id" => &mut id,
                "aws_secret_access_key" => &mut secret,
                "aws_session_token" => &mut token,
                _ => continue,
            };
            *place = Some(value.trim().to_owned());
        }
        let both = id.zip(secret).ok_or("it has no aws_access_key_id and aws_secret_access_key of [default]")?;
        Ok(Credentials { id: both.0, secret: both.1, token })
    }

    fn of(setup: &StorageSetup) -> Result<Credentials, String> {
        let path = &setup.credentials;
        let text = std::fs::read_to_string(path).map_err(|e| e.to_string());
        let read = text.and_then(|text| Credentials::read(&text));
        read.map_err(|why| format!("the credentials in {} cannot be used: {why}", path.display()))
    }
}

/// The storage as a client sees it.
pub(crate) struct Storage {
    setup: StorageSetup,
    client: Connections<Sent>,
}

impl Storage {
    pub(crate) fn new(setup: StorageSetup) -> Storage {
        Storage { setup, client: client() }
    }

    /// What a file of this name is called there.
    pub(crate) fn place(&self, name: &str) -> String {
        format!("s3://{}/{}{name}", self.setup.bucket, self.setup.prefix)
    }

    /// Puts a file there; the storage refuses another one than that with this SHA-256.
    pub(crate) async fn put(&self, place: &str, file: File, sha256: &str) -> Result<(), String> {
        let left = file.metadata().map_err(|e| e.to_string())?.len();
        self.ask("PUT", place, sha256, Sent { file: Some(file), left }).await.map(drop)
    }

    /// What is there.
    pub(crate) async fn fetch(&self, place: &str) -> Result<Bytes, String> {
        let body = self.ask("GET", place, EMPTY, Sent::default()).await?.into_body();
        let len = body.size_hint().upper().unwrap_or(FETCHED_MAX).min(FETCHED_MAX);
        let limited = Limited::new(body, FETCHED_MAX as usize).collect();
        let fetched = tokio::time::timeout(patience(len), limited).await.map_err(|_| self.late(patience(len)))?;
        fetched.map(|body| body.to_bytes()).map_err(|e| self.told(&format!("the answer broke off: {e}")))
    }

    /// Removes it; what is not there is as good as removed.
    pub(crate) async fn remove(&self, place: &str) -> Result<(), String> {
        self.ask("DELETE", place, EMPTY, Sent::default()).await.map(drop)
    }

    async fn ask(
        &self,
        method: &str,
        place: &str,
        sha256: &str,
        body: Sent,
    ) -> Result<Response<hyper::body::Incoming>, String> {
        let patience = patience(body.left);
        let request = self.request(method, place, sha256, body)?;
        let answer = tokio::time::timeout(patience, self.client.request(request)).await;
        let answer = answer.map_err(|_| self.late(patience))?.map_err(|e| self.told(&cause(&e)))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let reason = tokio::time::timeout(PATIENCE, Limited::new(answer.into_body(), REASON_MAX).collect()).await;
        let reason = reason.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
        Err(self.told(&format!("{status}{}", why(&String::from_utf8_lossy(&reason)))))
    }

    fn request(&self, method: &str, place: &str, sha256: &str, body: Sent) -> Result<Request<Sent>, String> {
        let credentials = Credentials::of(&self.setup)?;
        let (bucket, key) =
            place.strip_prefix("s3://").and_then(|path| path.split_once('/')).ok_or("this is no place in storage")?;
        let endpoint: Uri = self.setup.endpoint.parse().map_err(|_| "the endpoint is no address")?;
        let host = endpoint.authority().map(ToString::to_string).unwrap_or_default();
        let key: String = key.split('/').map(|part| format!("/{}", escaped(part))).collect();
        let (host, path) = match self.setup.path_style {
            true => (host, format!("/{bucket}{key}")),
            false => (format!("{bucket}.{host}"), key),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stamp = stamp(Time::from_secs(now.as_secs()));
        let mut headers =
            vec![("host", host.clone()), ("x-amz-content-sha256", sha256.to_owned()), ("x-amz-date", stamp.clone())];
        if method == "PUT" {
            headers.push(("x-amz-meta-sha256", sha256.to_owned()));
        }
        if let Some(token) = &credentials.token {
            headers.push(("x-amz-security-token", token.clone()));
        }
        let asked = Asked { method, path: &path, headers: &headers, sha256 };
        let authorization = signed(&credentials, &self.setup.region, &stamp, &asked);
        let uri = format!("{}://{host}{path}", endpoint.scheme_str().unwrap_or("https"));
        let request = Request::builder().method(method).uri(uri).header("authorization", authorization);
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        // Its error might quote what is secret.
        request.body(body).map_err(|_| "the credentials or the place cannot stand in a request".into())
    }

    fn late(&self, patience: Duration) -> String {
        self.told(&format!("no answer in {} s", patience.as_secs()))
    }

    fn told(&self, why: &str) -> String {
        format!("storage at {}: {why}", self.setup.endpoint)
    }
}

fn patience(len: u64) -> Duration {
    PATIENCE + Duration::from_secs(len / RATE_MIN)
}

/// Code and message of an error, and nothing else of it: there may stand what was signed.
fn why(xml: &str) -> String {
    let of = |tag: &str| {
        let text = xml.split_once(&format!("<{tag}>"))?.1.split_once(&format!("</{tag}>"))?.0;
        Some(text.chars().filter(|c| !c.is_control()).take(200).collect::<String>())
    };
    ["Code", "Message"].iter().filter_map(|tag| of(tag)).map(|text| format!(": {text}")).collect()
}

/// A file on its way, read as it is sent; or nothing.
#[derive(Default)]
pub(crate) struct Sent {
    file: Option<File>,
    left: u64,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut block = vec![0; self.left.min(BLOCK) as usize];
        let Some(file) = self.file.as_mut().filter(|_| !block.is_empty()) else { return Poll::Ready(None) };
        let read = file.read_exact(&mut block);
        self.left -= block.len() as u64;
        Poll::Ready(Some(read.map(|()| Frame::data(block.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn credentials_are_read_as_other_programs_write_them() {
        let two = "[other]\naws_access_key_id = x\n[default]\naws_access_key_id=ID\naws_secret_access_key = S=E \n";
        let read = Credentials::read(two).unwrap();
        assert_eq!((&*read.id, &*read.secret, read.token), ("ID", "S=E", None));
        let bare =
            Credentials::read("aws_access_key_id = a\naws_secret_access_key = b\naws_session_token = c").unwrap();
        assert_eq!(bare.token.as_deref(), Some("c"));
        assert!(Credentials::read("[other]\naws_access_key_id=x\naws_secret_access_key=y").is_err());
    }

    #[test]
    fn of_a_refusal_only_what_it_means_is_told() {
        let xml = "<Error><Code>SignatureDoesNotMatch</Code><Message>no\nmatch</Message><StringToSign>s</StringToSign>";
        assert_eq!(why(xml), ": SignatureDoesNotMatch: nomatch");
        assert_eq!(why("<html>"), "");
    }

    #[test]
    fn a_request_names_bucket_and_key_as_the_storage_wants_them() {
        let folder = std::env::temp_dir().join(format!("busyhour-storage-{}", std::process::id()));
        std::fs::write(&folder, "aws_access_key_id = ID\naws_secret_access_key = SECRET\n").unwrap();
        let setup = StorageSetup {
            endpoint: "http://127.0.0.1:9000".into(),
            region: "r".into(),
            bucket: "b".into(),
            prefix: "centre a/".into(),
            path_style: true,
            credentials: folder.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let asked = |setup: StorageSetup| {
            let storage = Storage::new(setup);
            let place = storage.place("2026-11-25/1.wav");
            assert_eq!(place, "s3://b/centre a/2026-11-25/1.wav");
            let request = storage.request("PUT", &place, EMPTY, Sent::default()).unwrap();
            (request.uri().to_string(), request.headers()["host"].to_str().unwrap().to_owned())
        };
        let told = |host: &str, path: &str| (format!("http://{host}{path}"), host.to_owned());
        assert_eq!(asked(setup.clone()), told("127.0.0.1:9000", "/b/centre%20a/2026-11-25/1.wav"));
        let hosted = StorageSetup { endpoint: "http://s3.example".into(), path_style: false, ..setup };
        assert_eq!(asked(hosted), told("b.s3.example", "/centre%20a/2026-11-25/1.wav"));
        std::fs::remove_file(folder).unwrap();
    }
}
