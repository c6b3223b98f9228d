//! What is not recorded is spoken: a program or a server makes the sound, on a thread of its own, and files keep it.

mod cache;
#[cfg(test)]
mod tests;

use crate::lookup::{Connections, client};
use busyhour_media::{Command, Library, mastered, wav};
use busyhour_model::{LegId, Name, Sound, Words};
use cache::Cache;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use prometheus::{Histogram, IntCounterVec};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Sounds being made at once; the next ones wait, within their time.
const AT_ONCE: usize = 4;
/// Texts not yet spoken; the next is not made.
const WAITING_MAX: usize = 1_000;
/// Bytes of a WAV file somebody made; a longer one is refused.
const WAV_MAX: u64 = 32 << 20;

/// `[tts]`: who speaks, and what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TtsSetup {
    /// Who makes the sound.
    pub hook: Hook,
    /// A sound that is not there after so long is not waited for.
    pub timeout: Duration,
    /// Where sounds are kept; `None`: nowhere.
    pub cache: Option<PathBuf>,
    /// How many; the longest unheard goes first.
    pub cache_max: usize,
    /// What is heard instead of a text that cannot be spoken; `None`: nothing.
    pub fallback: Option<Name>,
}

/// Who makes the sound; `{language}` stands for the caller's in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A program and its arguments; the text is on its standard input, or where an argument says `{text}`. It writes a WAV file.
    Command(Vec<String>),
    /// A server that is posted the text and answers a WAV file.
    Url(String),
}

/// What the thread counts.
#[derive(Clone, Debug)]
pub struct TtsCounts {
    /// Texts by outcome: `cached`, `made`, `failed`, `timed_out`.
    pub texts: IntCounterVec,
    /// How long those that were made took.
    pub seconds: Histogram,
}

/// The way to the thread; it ends with the last of these.
#[derive(Clone)]
pub struct Tts(UnboundedSender<(LegId, Words)>);

type Spoken = Option<Arc<[u8]>>;

/// What waits for the thread.
pub struct Asked(UnboundedReceiver<(LegId, Words)>);

impl Asked {
    /// Starts the thread; without a setup everything is answered with nothing. `tell` gets each answer.
    ///
    /// # Errors
    /// No thread, runtime or folder can be made.
    pub fn start(
        self,
        setup: Option<TtsSetup>,
        library: Arc<Library>,
        counts: TtsCounts,
        tell: impl Fn(Command) + Send + 'static,
    ) -> io::Result<()> {
        let voice = setup.map(|setup| Voice::new(setup, library, counts)).transpose()?.map(Arc::new);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(AT_ONCE).build()?;
        let run = move || runtime.block_on(serve(voice, self.0, tell));
        std::thread::Builder::new().name("tts".into()).spawn(run).map(drop)
    }
}

impl Tts {
    /// The way to a thread that is still to be started.
    pub fn new() -> (Tts, Asked) {
        let (asks, asked) = unbounded_channel();
        (Tts(asks), Asked(asked))
    }

    /// Asks for a sound, to be supplied to this leg; never waits.
    pub fn ask(&self, leg: LegId, words: Words) {
        // After the thread has ended there is nobody to hear it.
        let _ = self.0.send((leg, words));
    }
}

/// Whoever asks for what is being made already waits for that.
async fn serve(voice: Option<Arc<Voice>>, mut asked: UnboundedReceiver<(LegId, Words)>, tell: impl Fn(Command)) {
    let (done, mut made) = unbounded_channel::<(Words, Spoken)>();
    let mut waiting: BTreeMap<Words, Vec<LegId>> = BTreeMap::new();
    let supply = |leg, words, sound| tell(Command::Supply { leg, wanted: Sound::Spoken(words), sound });
    loop {
        tokio::select! {
            ask = asked.recv() => {
                let Some((leg, words)) = ask else { return };
                let Some(voice) = &voice else {
                    tracing::warn!("a text is not spoken: there was no [tts] at the start");
                    supply(leg, words, None);
                    continue;
                };
                if let Some(legs) = waiting.get_mut(&words) {
                    legs.push(leg);
                } else if waiting.len() >= WAITING_MAX {
                    let sound = voice.instead(&words, "failed", "too many texts wait to be spoken");
                    supply(leg, words, sound);
                } else {
                    waiting.insert(words.clone(), vec![leg]);
                    let (voice, done) = (Arc::clone(voice), done.clone());
                    tokio::spawn(async move {
                        let sound = voice.speak(&words).await;
                        let _ = done.send((words, sound));
                    });
                }
            }
            Some((words, sound)) = made.recv() => {
                for leg in waiting.remove(&words).into_iter().flatten() {
                    supply(leg, words.clone(), sound.clone());
                }
            }
        }
    }
}

/// Everything a text needs to be spoken.
struct Voice {
    setup: TtsSetup,
    library: Arc<Library>,
    cache: Arc<Cache>,
    client: Connections,
    counts: TtsCounts,
    slots: Semaphore,
}

impl Voice {
    fn new(setup: TtsSetup, library: Arc<Library>, counts: TtsCounts) -> io::Result<Voice> {
        let cache = Arc::new(Cache::open(setup.cache.clone(), setup.cache_max, &setup.hook)?);
        Ok(Voice { setup, library, cache, client: client(), counts, slots: Semaphore::new(AT_ONCE) })
    }

    /// The sound of a text, or what is heard instead.
    async fn speak(&self, words: &Words) -> Spoken {
        let (cache, key) = (Arc::clone(&self.cache), words.clone());
        if let Ok(Some(sound)) = tokio::task::spawn_blocking(move || cache.find(&key)).await {
            self.count("cached");
            return Some(sound.into());
        }
        let began = Instant::now();
        match tokio::time::timeout(self.setup.timeout, self.make(words)).await {
            Ok(Ok(sound)) => {
                self.count("made");
                self.counts.seconds.observe(began.elapsed().as_secs_f64());
                Some(sound)
            }
            Ok(Err(why)) => self.instead(words, "failed", &why),
            Err(_) => self.instead(words, "timed_out", &format!("no sound in {:?}", self.setup.timeout)),
        }
    }

    /// The texts are not logged: they may be about somebody.
    fn instead(&self, words: &Words, outcome: &str, why: &str) -> Spoken {
        self.count(outcome);
        tracing::warn!("a text is not spoken: {why}");
        self.library.find(&words.language, self.setup.fallback.as_ref()?).cloned()
    }

    async fn make(&self, words: &Words) -> Result<Arc<[u8]>, String> {
        let file = {
            // It is never closed.
            let _slot = self.slots.acquire().await;
            match &self.setup.hook {
                Hook::Command(argv) => run(argv, words).await,
                Hook::Url(url) => self.post(&url.replace("{language}", &words.language), words).await,
            }?
        };
        let (cache, key) = (Arc::clone(&self.cache), words.clone());
        let finish = move || {
            let sound = wav::samples(&file).and_then(|samples| mastered(&samples)).map_err(|e| e.to_string())?;
            cache.keep(&key, &sound);
            Ok(sound.into())
        };
        tokio::task::spawn_blocking(finish).await.map_err(|e| e.to_string())?
    }

    async fn post(&self, url: &str, words: &Words) -> Result<Vec<u8>, String> {
        let request = Request::post(url).header("content-type", "text/plain; charset=utf-8");
        let request = request.header("content-language", &*words.language);
        let request = request.body(Full::from(words.text.to_string())).map_err(|e| e.to_string())?;
        let answer = self.client.request(request).await.map_err(|_| "the server of [tts] does not answer")?;
        if !answer.status().is_success() {
            return Err(format!("the server of [tts] answered {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), WAV_MAX as usize).collect().await;
        let body = body.map_err(|_| "the answer of the server of [tts] is cut off or too long")?;
        Ok(body.to_bytes().to_vec())
    }

    fn count(&self, outcome: &str) {
        self.counts.texts.with_label_values(&[outcome]).inc();
    }
}

/// What the program writes; it is killed when nobody waits any more.
async fn run(argv: &[String], words: &Words) -> Result<Vec<u8>, String> {
    let [program, arguments @ ..] = argv else { return Err("the command of [tts] is empty".into()) };
    let in_argument = arguments.iter().any(|argument| argument.contains("{text}"));
    let mut command = tokio::process::Command::new(program);
    command.args(arguments.iter().map(|argument| filled(argument, words)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let failed = |e: io::Error| format!("the command of [tts], {program}: {e}");
    let mut child = command.spawn().map_err(failed)?;
    let (mut input, output) = (child.stdin.take(), child.stdout.take());
    let write = async {
        if let Some(mut input) = input.take().filter(|_| !in_argument) {
            // Whether it reads is its own affair: the sound counts.
            let _ = input.write_all(words.text.as_bytes()).await;
        }
    };
    let mut file = Vec::new();
    let read = async {
        match output {
            Some(output) => output.take(WAV_MAX).read_to_end(&mut file).await.map(drop),
            None => Ok(()),
        }
    };
    let ((), read) = tokio::join!(write, read);
    read.map_err(failed)?;
    match child.wait().await.map_err(failed)? {
        status if status.success() => Ok(file),
        status => Err(format!("the command of [tts], {program}, ended with {status}")),
    }
}

/// An argument with the text and the language in it; a text never looks like an option.
fn filled(argument: &str, words: &Words) -> String {
    let text = if argument.starts_with("{text}") && words.text.starts_with('-') { " " } else { "" };
    argument.replace("{language}", &words.language).replace("{text}", &format!("{text}{}", words.text))
}
