//! A browser itself: Chromium is called and calls by WebSocket, hears and is heard, its ICE, DTLS and SRTP its own.

use crate::browser::{answer, takes};
use crate::peer::{Peer, tcp};
use crate::process::{Process, until};
use crate::secret::{heard, phone};
use crate::web::connect;
use crate::webrtc::{exchange, text};
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, sound, wanted};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

/// Answers the offer it fetches with its microphone, or makes one itself (`#calls`), and tells for how many tenths of a second it heard
/// the tone.
const PAGE: &str = r##"<!doctype html><audio id="ear" autoplay></audio><script>
const post = (path, body) => fetch(path, { method: "POST", body });
function listen(stream) {
  document.getElementById("ear").srcObject = stream;
  const context = new AudioContext(), analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let tenths = 0;
  setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    let [re, im] = [0, 0];
    samples.forEach((sample, at) => {
      const phase = 2 * Math.PI * HERTZ * at / context.sampleRate;
      re += sample * Math.cos(phase);
      im += sample * Math.sin(phase);
    });
    tenths += 2 * Math.hypot(re, im) / samples.length > 0.02;
    post("/heard", String(tenths));
  }, 100);
}
(async () => {
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const voice = await navigator.mediaDevices.getUserMedia({ audio: plain });
  const pc = new RTCPeerConnection();
  pc.ontrack = event => listen(new MediaStream([event.track]));
  pc.onconnectionstatechange = () => post("/state", pc.connectionState);
  voice.getTracks().forEach(track => pc.addTrack(track, voice));
  const theirs = async type => {
    let sdp;
    while (!(sdp = await (await fetch("/theirs")).text())) await new Promise(wake => setTimeout(wake, 50));
    await pc.setRemoteDescription({ type, sdp });
  };
  const calls = location.hash === "#calls";
  post("/ready", "yes");
  if (!calls) await theirs("offer");
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== "complete") await new Promise(wake => setTimeout(wake, 20));
  await post("/ours", pc.localDescription.sdp);
  if (calls) await theirs("answer");
})().catch(error => post("/fault", String(error)));
</script>"##;

/// What the page was given and has told, by path.
#[derive(Clone, Default)]
struct Board(Arc<Mutex<BTreeMap<String, String>>>);

impl Board {
    fn says(&self, path: &str) -> Option<String> {
        assert!(path == "/fault" || self.says("/fault").is_none(), "{:?}", self.says("/fault"));
        self.0.lock().unwrap().get(path).cloned()
    }

    fn write(&self, path: &str, text: &str) {
        self.0.lock().unwrap().insert(path.to_owned(), text.to_owned());
    }

    /// The page has heard the tone for long enough.
    fn heard(&self) {
        let tenths: u32 = self.says("/heard").unwrap().parse().unwrap();
        assert!(tenths >= 35, "{tenths} tenths of a second of the caller");
    }

    /// Serves the page and the board; its port.
    fn start(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, board) = (listener.local_addr().unwrap().port(), self.clone());
        self.write("/", &PAGE.replace("HERTZ", &CALLER_HERTZ.to_string()));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A browser opens connections it does not use.
                let board = board.clone();
                thread::spawn(move || board.serve(stream));
            }
        });
        port
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut lines = reader.by_ref().lines().map_while(Result::ok);
        let request = lines.next()?;
        let (method, path) = request.split_once(' ')?;
        let path = path.split(' ').next()?;
        let length = lines.take_while(|line| !line.is_empty()).fold(0, |length, line| {
            let of = line.to_ascii_lowercase();
            of.strip_prefix("content-length:").and_then(|value| value.trim().parse().ok()).unwrap_or(length)
        });
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        if method == "POST" {
            self.write(path, &String::from_utf8_lossy(&body));
        }
        let shown = if method == "GET" { self.0.lock().unwrap().get(path).cloned() } else { None };
        let shown = shown.unwrap_or_default();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length";
        write!(stream, "{head}: {}\r\n\r\n{shown}", shown.len()).ok()
    }
}

fn chromium(folder: &Path, port: u16, does: &str) -> Process {
    let voice = folder.join("chromium-voice.wav");
    sound::write_tone(&voice, AGENT_HERTZ, 60);
    let mut command = Command::new("chromium");
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
    command.args(["--autoplay-policy=no-user-gesture-required", "--allow-loopback-in-peer-connection"]);
    command.args(["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]);
    command.arg(format!("--use-file-for-fake-audio-capture={}", voice.display()));
    command.arg(format!("--user-data-dir={}", folder.join("chromium").display()));
    command.arg(format!("http://127.0.0.1:{port}/#{does}"));
    Process::start("chromium", folder, &mut command)
}

#[test]
fn an_agent_in_chromium_is_called_hears_and_is_heard() {
    if !wanted() {
        return;
    }
    let (exchange, web) = exchange("chromium");
    let board = Board::default();
    let _browser = chromium(&exchange.folder, board.start(), "answers");
    until("the page has a microphone", 30 * SECOND, || board.says("/ready"));
    let mut agent = Peer::new(connect(tcp(web), "sip", None).unwrap().0, "WS", "1001");
    assert_eq!(agent.register().status, 200);
    let mut caller = phone(&exchange, "caller", 27_440, CALLER_HERTZ, "");
    caller.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    let rings = takes(&mut agent, "INVITE");
    board.write("/theirs", &text(&rings.body));
    let answered = until("Chromium has answered", 20 * SECOND, || board.says("/ours"));
    answer(&mut agent, &rings, 200, &answered);
    takes(&mut agent, "ACK");
    until("Chromium is connected", 10 * SECOND, || (board.says("/state")? == "connected").then_some(()));
    thread::sleep(6 * SECOND);
    caller.command("hangup", "");
    let bye = takes(&mut agent, "BYE");
    answer(&mut agent, &bye, 200, "");
    exchange.records(1);
    heard(&caller.ear(), AGENT_HERTZ);
    board.heard();
}

#[test]
fn an_agent_in_chromium_calls_a_colleague_with_a_plain_phone() {
    if !wanted() {
        return;
    }
    let (exchange, web) = exchange("chromium-out");
    let board = Board::default();
    let _browser = chromium(&exchange.folder, board.start(), "calls");
    let mut caller = Peer::new(connect(tcp(web), "sip", None).unwrap().0, "WS", "1001");
    assert_eq!(caller.register().status, 200);
    let colleague = phone(&exchange, "1002", 27_400, CALLER_HERTZ, "");
    let there = || exchange.rows("/api/agents").iter().all(|agent| agent["contacts"] == 1).then_some(());
    until("the colleague is registered", 10 * SECOND, there);
    let offered = until("Chromium has offered", 30 * SECOND, || board.says("/ours"));
    let answered = caller.ask("INVITE", "sip:1002@busyhour.local", &offered);
    assert_eq!(answered.status, 200);
    caller.tell_within("ACK", &answered);
    board.write("/theirs", &text(&answered.body));
    until("Chromium is connected", 10 * SECOND, || (board.says("/state")? == "connected").then_some(()));
    thread::sleep(6 * SECOND);
    caller.ask_within("BYE", &answered);
    exchange.records(1);
    heard(&colleague.ear(), AGENT_HERTZ);
    board.heard();
}
