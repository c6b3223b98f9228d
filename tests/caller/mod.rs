//! One caller over real sockets, who speaks in a tone and listens for another.

use busyhour::clock::Clock;
use busyhour_model::G711;
use busyhour_sim::peer::{AGENT_HZ, Action, CALLER_HZ, Caller, CallerSetup, Out, Outcome};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Calls, does what the script says once it is answered, and stays until the server hangs up. `seed` makes the call one of its own.
pub(crate) async fn call(server: SocketAddr, seed: u64, script: &[Action]) -> Outcome {
    let (sip, media) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let setup = CallerSetup {
        number: "13800138000".into(),
        withheld: false,
        dialled: "95118".into(),
        domain: server.to_string(),
        sip: sip.local_addr().unwrap(),
        media: media.local_addr().unwrap(),
        target: server,
        codecs: vec![G711::A],
        tone_hz: CALLER_HZ,
        listen_hz: AGENT_HZ,
        script: [&[Action::AwaitAnswer(PATIENCE)], script].concat(),
    };
    let clock = Clock::start();
    let mut caller = Caller::new(clock.now(), setup, seed);
    let (mut text, mut sound) = ([0; 8192], [0; 2048]);
    while !caller.is_done() {
        while let Some(out) = caller.poll_transmit() {
            match out {
                Out::Sip { to, bytes } => drop(sip.send_to(&bytes, to).await.unwrap()),
                Out::Rtp { to, bytes } => drop(media.send_to(&bytes, to).await.unwrap()),
            }
        }
        let due = caller.poll_timeout().map_or(clock.now() + PATIENCE, |at| at);
        tokio::select! {
            Ok((length, from)) = sip.recv_from(&mut text) => caller.handle_datagram(clock.now(), from, &text[..length]),
            Ok((length, _)) = media.recv_from(&mut sound) => caller.handle_rtp(clock.now(), &sound[..length]),
            () = tokio::time::sleep_until(clock.instant(due).into()) => caller.handle_timeout(clock.now()),
        }
    }
    while let Some(Out::Sip { to, bytes }) = caller.poll_transmit() {
        sip.send_to(&bytes, to).await.unwrap();
    }
    caller.outcome()
}
