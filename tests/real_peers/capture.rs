//! The wire as Wireshark sees it: nothing we send or relay may be malformed.

use crate::process::{Process, output, until};
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running capture of the loopback's UDP and TCP traffic on some ports.
pub(crate) struct Capture {
    process: Process,
    file: PathBuf,
    sip: u16,
    /// Where SIP comes over WebSockets.
    web: Option<u16>,
    media: (u16, u16),
}

impl Capture {
    /// Captures everything to or from our SIP port and our media ports.
    pub(crate) fn start(folder: &Path, sip: u16, media: (u16, u16)) -> Capture {
        Capture::with_web(folder, sip, None, media)
    }

    /// The same, with the port of WebSockets.
    pub(crate) fn with_web(folder: &Path, sip: u16, web: Option<u16>, media: (u16, u16)) -> Capture {
        let file = folder.join("wire.pcapng");
        let also = web.map_or(String::new(), |web| format!("or tcp port {web} "));
        let filter = format!("port {sip} {also}or udp portrange {}-{}", media.0, media.1);
        let mut command = Command::new("tshark");
        command.args(["-q", "-i", "lo", "-f", &filter, "-w"]).arg(&file);
        let process = Process::start("tshark", folder, &mut command);
        until("tshark captures", Duration::from_secs(20), || process.said().contains("Capture started").then_some(()));
        Capture { process, file, sip, web, media }
    }

    /// Ends the capture and judges it: `calls` INVITEs with sound, every packet sound in form.
    #[track_caller]
    pub(crate) fn ends_clean(mut self, calls: usize) -> Capture {
        self.catch_up();
        self.process.stop();
        let faults = self.rows("_ws.malformed || _ws.expert.severity == 0x00800000", "frame.number -e _ws.col.Info");
        assert!(faults.is_empty(), "malformed:\n{}", faults.join("\n"));
        // Severity "warning" of these protocols only: UDP has opinions about checksums left to the hardware.
        let named =
            "(_ws.expert.severity == 0x00600000) && (_ws.expert.group == 0x07000000 || _ws.expert.group == 0x09000000)";
        let odd = self.rows(
            &format!("(sip || sdp || rtp || rtcp || http || websocket) && {named}"),
            "frame.number -e _ws.expert.message",
        );
        assert!(odd.is_empty(), "not as the protocol says:\n{}", odd.join("\n"));
        // Wireshark takes nearly anything for SIP, so what each message of ours must have is asked for.
        let web = self.web.unwrap_or(self.sip);
        let ours = format!("sip && (udp.srcport == {0} || tcp.srcport == {0} || tcp.srcport == {web})", self.sip);
        for incomplete in [
            "!(sip.Via && sip.from.addr && sip.to.addr && sip.Call-ID && sip.CSeq.method && sip.Content-Length)",
            "sip.Status-Code >= 200 && !sip.to.tag",
            "sip.Method == \"INVITE\" && !(sip.contact.uri && sip.Max-Forwards && sdp)",
            "sip.Content-Length > 0 && !sip.msg_body",
            "sdp && !(sdp.version && sdp.owner.address && sdp.connection_info.address && sdp.media.port && sdp.time)",
        ] {
            let found = self.rows(&format!("{ours} && ({incomplete})"), "frame.number -e _ws.col.Info");
            assert!(found.is_empty(), "{incomplete}:\n{}", found.join("\n"));
        }
        for message in self.rows(&format!("sip && udp.srcport == {}", self.sip), "sip.Content-Length -e udp.payload") {
            let (length, payload) = message.split_once('\t').unwrap();
            let body = payload.split_once("0d0a0d0a").map_or("", |(_, body)| body);
            assert_eq!(length.parse(), Ok(body.len() / 2), "Content-Length and body differ: {message}");
        }
        let invites = self.rows("sip.Method == \"INVITE\"", "sip.Call-ID");
        assert!(invites.len() >= calls, "{} INVITEs seen, {calls} calls made", invites.len());
        let sound = format!("rtp && udp.srcport >= {} && udp.srcport <= {}", self.media.0, self.media.1);
        let sent = self.rows(&sound, "frame.number").len();
        assert!(sent > 100 * calls, "{sent} RTP packets from us for {calls} calls");
        let reports = self.rows("rtcp.pt == 200 || rtcp.pt == 201", "frame.number").len();
        assert!(reports > 0, "no RTCP report");
        self
    }

    /// What is still on its way to the file when tshark is stopped is lost: waits for a keep-alive of a length of its own.
    fn catch_up(&self) {
        let last = b"\r\n".repeat(37);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&last, ("127.0.0.1", self.sip)).unwrap();
        let written = || fs::read(&self.file).unwrap().windows(last.len()).any(|bytes| bytes == last);
        until("the last packet is captured", Duration::from_secs(10), || written().then_some(()));
    }

    /// One field of every packet that `filter` shows, SIP and RTP recognised by their ports.
    pub(crate) fn rows(&self, filter: &str, fields: &str) -> Vec<String> {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(&self.file);
        for layer in ["udp", "tcp"] {
            command.args(["-d", &format!("{layer}.port=={},sip", self.sip)]);
        }
        if let Some(web) = self.web {
            command.args(["-d", &format!("tcp.port=={web},http")]);
        }
        for (rest, protocol) in [(0, "rtp"), (1, "rtcp")] {
            for port in (self.media.0..=self.media.1).filter(|port| port % 2 == rest) {
                command.args(["-d", &format!("udp.port=={port},{protocol}")]);
            }
        }
        command.args(["-Y", filter, "-T", "fields"]);
        command.args(format!("-e {fields}").split(' '));
        output(&mut command).lines().map(str::to_owned).collect()
    }
}
