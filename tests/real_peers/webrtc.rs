//! A phone in somebody else's WebRTC (aiortc: OpenSSL's DTLS, libsrtp, aioice), called and calling by WebSocket, with sound both ways.

use crate::browser::{answer, takes};
use crate::exchange::{Exchange, free_port};
use crate::peer::{Peer, tcp};
use crate::process::{Process, until};
use crate::secret::{heard, phone};
use crate::storage::python;
use crate::web::connect;
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, sound, wanted};
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::thread;

const CONFIG: &str = r#"
skills = []
[sip]
ws = ["127.0.0.1:PORT"]
[[trunk]]
name = "carrier"
sources = ["127.0.0.2"]
[[number]]
number = "95118"
dialplan = "plan"
[[agent]]
numbers = "1001-1002"
password = "not-the-sample"
"#;

const PLAN: &str = r#"
name = "plan"
start = "ring"
[node.ring]
dial = { agent = "1001" }
timeout = "20s"
else = "end"
[node.end]
hangup = 486
"#;

/// Writes its offer, or the answer to the one it reads, to `ours`; says what is in `voice` and writes what it hears to `ear`, until its input
/// ends. It leaves the loopback out of its candidates unless told otherwise.
const PHONE: &str = r#"
import asyncio, os, sys, wave
import aioice.ice
aioice.ice.get_host_addresses = lambda **families: ["127.0.0.1"]
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer
ours, voice, ear, fingerprint = sys.argv[1:]

async def line():
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

async def description():
    lines = []
    while (text := await line()).strip() != ".":
        if not text:
            raise EOFError
        lines.append(text.strip())
    return "\r\n".join(lines) + "\r\n"

async def listen(track):
    with wave.open(ear, "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
        while True:
            frame = await track.recv()
            assert (frame.sample_rate, frame.layout.name) == (8000, "mono"), frame
            file.writeframes(bytes(frame.planes[0])[: frame.samples * 2])

async def main():
    pc = RTCPeerConnection()
    pc.on("track", lambda track: asyncio.ensure_future(listen(track)))
    pc.on("connectionstatechange", lambda: print(pc.connectionState, flush=True))
    pc.addTrack(MediaPlayer(voice).audio)
    offered = await description()
    if offered.strip():
        await pc.setRemoteDescription(RTCSessionDescription(offered, "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
    else:
        await pc.setLocalDescription(await pc.createOffer())
    said = pc.localDescription.sdp
    if fingerprint == "another":
        said = "\r\n".join(l if "fingerprint:sha-256" not in l else l[:-2] + ("00" if l[-2:] != "00" else "11") for l in said.splitlines()) + "\r\n"
    with open(ours + ".new", "w", newline="") as file:
        file.write(said)
    os.rename(ours + ".new", ours)
    if not offered.strip():
        await pc.setRemoteDescription(RTCSessionDescription(await description(), "answer"))
    await line()
    await pc.close()

asyncio.run(main())
"#;

/// The browser's half that is not signalling.
struct Browser {
    ours: PathBuf,
    ear: PathBuf,
    process: Process,
    input: ChildStdin,
}

impl Browser {
    fn start(folder: &Path, fingerprint: &str) -> Browser {
        let [ours, voice, ear] = ["ours.sdp", "browser-voice.wav", "browser-ear.wav"].map(|name| folder.join(name));
        sound::write_tone(&voice, AGENT_HERTZ, 60);
        let mut command = python(PHONE);
        command.args([&ours, &voice, &ear]).arg(fingerprint);
        let (process, input) = Process::driven("aiortc", folder, &mut command);
        Browser { ours, ear, process, input }
    }

    fn reads(&mut self, description: &str) {
        write!(self.input, "{description}\n.\n").unwrap();
    }

    fn says(&self) -> String {
        until("aiortc has described itself", 20 * SECOND, || fs::read_to_string(&self.ours).ok())
    }

    /// Ends; where what it heard is.
    fn ends(self) -> PathBuf {
        drop(self.input);
        self.process.succeeds_within(10 * SECOND);
        self.ear
    }
}

pub(crate) fn exchange(name: &str) -> (Exchange, SocketAddr) {
    let web = free_port();
    let config = CONFIG.replace("PORT", &web.to_string());
    (Exchange::of_plan(name, &config, PLAN), SocketAddr::from((Ipv4Addr::LOCALHOST, web)))
}

pub(crate) fn text(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn an_agent_in_a_browser_is_called_hears_is_heard_and_is_recorded() {
    if !wanted() {
        return;
    }
    let (exchange, web) = exchange("webrtc");
    let mut agent = Peer::new(connect(tcp(web), "sip", None).unwrap().0, "WS", "1001");
    assert_eq!(agent.register().status, 200);
    let mut browser = Browser::start(&exchange.folder, "its own");
    let mut caller = phone(&exchange, "caller", 27_440, CALLER_HERTZ, "");
    caller.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    let rings = takes(&mut agent, "INVITE");
    let offered = text(&rings.body);
    assert!(offered.contains("UDP/TLS/RTP/SAVPF") && offered.contains("a=ice-lite"), "{offered}");
    browser.reads(&offered);
    answer(&mut agent, &rings, 200, &browser.says());
    takes(&mut agent, "ACK");
    caller.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    thread::sleep(6 * SECOND);
    caller.command("hangup", "");
    let bye = takes(&mut agent, "BYE");
    answer(&mut agent, &bye, 200, "");
    let record = exchange.records(1).remove(0);
    assert!(record["legs"].as_array().unwrap().iter().all(|leg| leg["unheard"].is_null()), "{record}");
    heard(&caller.ear(), AGENT_HERTZ);
    heard(&browser.ends(), CALLER_HERTZ);
    let keyed = r#"busyhour_dtls_handshakes_total{outcome="keyed"} 1"#;
    assert!(exchange.page("/metrics").unwrap().lines().any(|line| line == keyed));
    let [recording] = &exchange.rows("/api/recordings")[..] else { panic!("one conversation") };
    let file = exchange.folder.join("webrtc.wav");
    fs::write(&file, exchange.bytes(&format!("/api/recordings/{}/audio", recording["tape"])).unwrap()).unwrap();
    let [left, right] = sound::sides(&file);
    let clear = [sound::seconds_of(&left, CALLER_HERTZ), sound::seconds_of(&right, AGENT_HERTZ)];
    assert!(clear.iter().all(|seconds| *seconds >= 3.5), "what is secret on the wire is recorded: {clear:?}");
}

#[test]
fn a_browser_calls_a_colleague_with_a_plain_phone() {
    if !wanted() {
        return;
    }
    let (exchange, web) = exchange("webrtc-out");
    let mut caller = Peer::new(connect(tcp(web), "sip", None).unwrap().0, "WS", "1001");
    assert_eq!(caller.register().status, 200);
    let colleague = phone(&exchange, "1002", 27_400, CALLER_HERTZ, "");
    let there = || exchange.rows("/api/agents").iter().all(|agent| agent["contacts"] == 1).then_some(());
    until("the colleague is registered", 10 * SECOND, there);
    let mut browser = Browser::start(&exchange.folder, "its own");
    browser.reads("");
    let answered = caller.ask("INVITE", "sip:1002@busyhour.local", &browser.says());
    assert_eq!(answered.status, 200);
    caller.tell_within("ACK", &answered);
    browser.reads(&text(&answered.body));
    thread::sleep(6 * SECOND);
    caller.ask_within("BYE", &answered);
    exchange.records(1);
    heard(&colleague.ear(), AGENT_HERTZ);
    heard(&browser.ends(), CALLER_HERTZ);
}

#[test]
fn a_browser_with_another_certificate_than_it_announced_is_not_heard_and_named() {
    if !wanted() {
        return;
    }
    let (exchange, web) = exchange("webrtc-impostor");
    let mut agent = Peer::new(connect(tcp(web), "sip", None).unwrap().0, "WS", "1001");
    assert_eq!(agent.register().status, 200);
    let mut browser = Browser::start(&exchange.folder, "another");
    let mut caller = phone(&exchange, "caller", 27_440, CALLER_HERTZ, "");
    caller.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    let rings = takes(&mut agent, "INVITE");
    browser.reads(&text(&rings.body));
    answer(&mut agent, &rings, 200, &browser.says());
    takes(&mut agent, "ACK");
    thread::sleep(4 * SECOND);
    caller.command("hangup", "");
    let bye = takes(&mut agent, "BYE");
    answer(&mut agent, &bye, 200, "");
    let record = exchange.records(1).remove(0);
    assert!(record["legs"].as_array().unwrap().iter().any(|leg| leg["unheard"] == "certificate"), "{record}");
    let heard = sound::seconds_of_tone(&caller.ear(), AGENT_HERTZ);
    assert!(heard == 0.0, "{heard} s of the impostor");
}
