//! baresip as somebody's softphone: a file is its microphone, a file its ear, a TCP socket its keys.

use crate::process::{Process, until};
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// A running softphone.
pub(crate) struct Softphone {
    pub(crate) process: Process,
    recordings: PathBuf,
    keys: TcpStream,
}

/// What one softphone is.
pub(crate) struct Line<'a> {
    /// Its name in file names.
    pub(crate) name: &'a str,
    /// Its own address.
    pub(crate) address: IpAddr,
    /// The first, even, of twenty ports that are its own: SIP, SIP over TLS, keys, sound.
    pub(crate) port: u16,
    /// The line of its `accounts` file.
    pub(crate) account: String,
    /// What it says.
    pub(crate) voice: &'a Path,
}

impl Softphone {
    /// Starts one and waits until it can be driven.
    pub(crate) fn start(folder: &Path, line: &Line<'_>) -> Softphone {
        let home = folder.join(line.name);
        let recordings = home.join("heard");
        fs::create_dir_all(&recordings).unwrap();
        let keys = SocketAddr::new(line.address, line.port + 2);
        fs::write(home.join("config"), config(line, keys, &recordings)).unwrap();
        fs::write(home.join("accounts"), format!("{}\n", line.account)).unwrap();
        fs::write(home.join("contacts"), "").unwrap();
        let mut command = Command::new("baresip");
        command.arg("-f").arg(&home).process_group(0);
        let process = Process::start(line.name, folder, &mut command);
        let keys = until("baresip takes commands", Duration::from_secs(10), || TcpStream::connect(keys).ok());
        keys.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Softphone { process, recordings, keys }
    }

    /// One command, as a netstring of JSON (baresip's ctrl_tcp).
    pub(crate) fn command(&mut self, command: &str, parameters: &str) {
        let message = format!(r#"{{"command":"{command}","params":"{parameters}"}}"#);
        write!(self.keys, "{}:{message},", message.len()).unwrap();
    }

    /// Language and service of the shipped hotline, each when it was heard for a moment: of the services, the first whole.
    pub(crate) fn chooses_an_agent(&mut self) {
        for heard in [2, 4] {
            thread::sleep(Duration::from_secs(heard));
            self.command("sndcode", "1");
        }
    }

    /// Waits for an event, `CALL_ESTABLISHED` or another.
    #[track_caller]
    pub(crate) fn hears_of(&mut self, event: &str, limit: Duration) {
        let mut heard = Vec::new();
        until(event, limit, || {
            let mut bytes = [0; 4096];
            let length = self.keys.read(&mut bytes).unwrap_or(0);
            heard.extend(&bytes[..length]);
            String::from_utf8_lossy(&heard).contains(event).then_some(())
        });
    }

    /// Ends it and gives the recording of what it heard in its only call.
    #[track_caller]
    pub(crate) fn ear(self) -> PathBuf {
        self.ears().pop().expect("baresip recorded its call")
    }

    /// The same of all its calls.
    pub(crate) fn ears(mut self) -> Vec<PathBuf> {
        self.process.stop();
        let files = fs::read_dir(&self.recordings).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).collect()
    }
}

fn config(line: &Line<'_>, keys: SocketAddr, recordings: &Path) -> String {
    let (address, port, voice, recordings) = (line.address, line.port, line.voice.display(), recordings.display());
    let folder = ["/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules", "/usr/lib64/baresip/modules"];
    let modules =
        folder.into_iter().find(|folder| Path::new(folder).is_dir()).expect("baresip's modules are installed");
    // Its RTP sockets have no address of their own, so on the loopback 127.0.0.1 is what it must announce.
    // aubridge pulls what was decoded at the pace of a sound card; sndfile writes it down on the way.
    let secrecy = if line.account.contains("mediaenc=") { "module srtp.so\n" } else { "" };
    let wideband = match &line.account {
        account if account.contains("G722") => "module g722.so\n",
        account if account.contains("opus") => "module opus.so\n",
        _ => "",
    };
    format!(
        "sip_listen {address}:{port}\nnet_interface 127.0.0.1\nrtp_ports {}-{}\n\
         audio_source aufile,{voice}\naudio_player aubridge,ear\n\
         ausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\n\
         module_path {modules}\nmodule g711.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\n{secrecy}{wideband}\
         snd_path {recordings}\nmodule_app account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen {keys}\n",
        port + 10,
        port + 19,
    )
}
