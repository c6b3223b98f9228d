//! What goes to storage and comes back, before a server that answers as it is told.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::metrics::Metrics;
use crate::tapes;
use busyhour_media::Filed;
use busyhour_model::{CallId, Conversation, Deed, Fact, Handled, Party, Time, What};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

struct Rig {
    uploader: Uploader,
    folder: PathBuf,
    storage: Storage,
    _tapes: tapes::Inbox,
}

impl Rig {
    fn new(name: &str, endpoint: &str) -> Rig {
        let home = std::env::temp_dir().join(format!("busyhour-upload-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&home);
        let folder = home.join("recordings");
        std::fs::create_dir_all(folder.join("2026-11-25")).unwrap();
        let credentials = home.join("credentials");
        std::fs::write(&credentials, "aws_access_key_id = ID\naws_secret_access_key = SECRET\n").unwrap();
        let storage = StorageSetup {
            endpoint: endpoint.into(),
            region: "r".into(),
            bucket: "b".into(),
            prefix: "p/".into(),
            path_style: true,
            credentials,
        };
        let metrics = Metrics::new();
        let (tapes, inbox) = Tapes::new(metrics.tapes.clone());
        let (store, _thread) = Store::open(None, metrics.store.clone()).unwrap();
        let uploader = Uploader {
            setup: UploadSetup { storage: storage.clone(), keep_local: Some(Duration::ZERO) },
            archive: Archive { folder: folder.clone(), keys: None },
            tapes,
            store,
            clock: Clock::start(),
            counts: metrics.uploads,
        };
        Rig { uploader, folder, storage: Storage::new(storage), _tapes: inbox }
    }

    /// A recording as the facts of a call leave it.
    fn recorded(&self, tape: u64, sound: &str) {
        let file = format!("2026-11-25/{tape}.wav");
        std::fs::write(self.folder.join(&file), sound).unwrap();
        let filed = Filed { file: file.into(), ms: 1, gap_ms: 0, sha256: digest(sound.as_bytes()).unwrap().into() };
        let conversation = Conversation {
            tape: TapeId(tape),
            call: CallId(1),
            began: Time::from_secs(tape),
            from: "138".into(),
            to: "95118".into(),
            left: Party::Trunk("ct".into()),
            right: Party::Agent("1001".into()),
            queue: None,
            retention: "default".into(),
        };
        self.told(What::ConversationTaped(Box::new(conversation)));
        self.uploader.store.mended(TapeId(tape), filed);
    }

    fn told(&self, what: What) {
        self.uploader.store.fact(&Fact { at: Time::from_secs(1), what });
    }

    fn counted(&self, outcome: &str) -> u64 {
        self.uploader.counts.outcomes.with_label_values(&[outcome]).get()
    }
}

/// A server that answers each request with the next of these, and what it was asked: first lines, and bodies.
fn server(answers: &'static [&'static str]) -> (String, std::thread::JoinHandle<Vec<(String, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = move |answer: &&str| {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut buffer = [0; 4096];
        let (head, len) = loop {
            let read = stream.read(&mut buffer).unwrap();
            asked.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&asked).into_owned();
            if let Some((head, _)) = text.split_once("\r\n\r\n") {
                let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
                break (head.to_owned(), len.parse::<usize>().unwrap());
            }
        };
        while asked.len() < head.len() + 4 + len {
            let read = stream.read(&mut buffer).unwrap();
            asked.extend_from_slice(&buffer[..read]);
        }
        let (head_of_answer, body) = answer.split_once('|').unwrap();
        let len = body.len();
        write!(stream, "HTTP/1.1 {head_of_answer}\r\nconnection: close\r\ncontent-length: {len}\r\n\r\n{body}")
            .unwrap();
        let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
        assert!(head.contains("authorization: AWS4-HMAC-SHA256 Credential=ID/") && !head.contains("SECRET"), "{head}");
        (line, String::from_utf8_lossy(&asked[head.len() + 4..]).into_owned())
    };
    (url, std::thread::spawn(move || answers.iter().map(serve).collect()))
}

const FORBIDDEN: &str = "403 Forbidden|<Error><Code>InvalidAccessKeyId</Code><Message>no such key</Message></Error>";

#[tokio::test]
async fn what_the_storage_refuses_waits_and_a_file_that_was_changed_holds_nothing_up() {
    let (url, served) = server(&[FORBIDDEN, "200 OK|", "200 OK|"]);
    let rig = Rig::new("refused", &url);
    (1..=3).for_each(|tape| rig.recorded(tape, &format!("sound {tape}")));
    std::fs::write(rig.folder.join("2026-11-25/2.wav"), "forged").unwrap();
    let why = rig.uploader.pass(&rig.storage).await.unwrap_err();
    assert!(why.ends_with(": 403 Forbidden: InvalidAccessKeyId: no such key"), "{why}");
    assert_eq!((rig.uploader.counts.waiting.get(), rig.counted("uploaded")), (3, 0));
    rig.uploader.pass(&rig.storage).await.unwrap();
    let asked = served.join().unwrap();
    let line = |tape| (format!("PUT /b/p/2026-11-25/{tape}.wav"), format!("sound {tape}"));
    assert_eq!(asked, [line(1), line(1), line(3)]);
    assert_eq!((rig.uploader.counts.waiting.get(), rig.counted("uploaded"), rig.counted("failed")), (0, 2, 1));
    let kept = |tape| rig.uploader.store.recording(TapeId(tape));
    let (one, forged) = (kept(1).await.unwrap().0.unwrap(), kept(2).await.unwrap().0.unwrap());
    assert_eq!((one.place.as_deref(), one.local), (Some("s3://b/p/2026-11-25/1.wav"), false));
    assert!(one.uploaded.is_some() && forged.uploaded.is_none() && forged.local);
    assert!(forged.fault.unwrap().contains("was "), "it is told why");
}

#[tokio::test]
async fn a_removed_recording_is_removed_from_storage_and_a_held_file_stays_here() {
    let (url, served) = server(&["200 OK|", "200 OK|", "204 No Content|", "200 OK|sound 1", "404 Not Found|"]);
    let rig = Rig::new("removed", &url);
    let handled = |tape, deed| What::RecordingHandled(Handled { tape: TapeId(tape), deed, by: "alice".into() });
    rig.recorded(1, "sound 1");
    rig.recorded(2, "sound 2");
    rig.told(handled(1, Deed::Held("case 7".into())));
    rig.uploader.pass(&rig.storage).await.unwrap();
    let held = rig.uploader.store.recording(TapeId(1)).await.unwrap().0.unwrap();
    assert!(held.local && held.uploaded.is_some());
    rig.told(handled(2, Deed::Removed));
    rig.uploader.pass(&rig.storage).await.unwrap();
    assert_eq!((rig.counted("removed"), rig.uploader.store.doomed().await.unwrap()), (1, vec![]));
    assert_eq!(rig.storage.fetch(&held.place.clone().unwrap()).await.unwrap(), "sound 1");
    let gone = rig.storage.fetch(&held.place.unwrap()).await.unwrap_err();
    assert!(gone.ends_with(": 404 Not Found"), "{gone}");
    let asked: Vec<String> = served.join().unwrap().into_iter().map(|(line, _)| line).collect();
    assert_eq!(asked[2..4], ["DELETE /b/p/2026-11-25/2.wav", "GET /b/p/2026-11-25/1.wav"]);
}

#[tokio::test]
async fn more_than_may_be_fetched_at_once_are_refused() {
    let (uploads, _inbox) = Uploads::new();
    let way = uploads.0.as_ref().unwrap();
    (0..FETCHES_MAX).for_each(|_| way.fetches.try_send((String::new(), oneshot::channel().0)).unwrap());
    assert_eq!(uploads.fetch("s3://b/x").await, Err("too many are fetched at once".into()));
    let nowhere = Uploads::default().fetch("s3://b/x").await.unwrap_err();
    assert!(nowhere.contains("[recording.upload] does not say"), "{nowhere}");
}
