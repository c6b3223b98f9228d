//! What must hold for any packet at a media worker.

use busyhour_media::{Command, Config, Event, Library, Worker, dtmf, rtcp, rtp};
use busyhour_model::{Audio, Codec, Direction, LegId, Side, Time};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

/// Its tones take longer to make than many packets to read.
static LIBRARY: LazyLock<Arc<Library>> = LazyLock::new(Arc::default);

/// A packet that is read fits in what came, and its header is written as it was.
pub fn rtp(data: &[u8]) {
    let Some((header, payload)) = rtp::read(data) else { return };
    assert!(payload.len() <= data.len() && header.payload_type < 128);
    let mut out = Vec::new();
    header.write(payload, &mut out);
    assert_eq!(rtp::read(&out).expect("what we wrote"), (header, payload));
}

/// Reports and key presses: nothing breaks, and every packet gives one key at most.
pub fn reports_and_keys(data: &[u8]) {
    let _ = rtcp::read(data, 1);
    let mut receiver = dtmf::Receiver::default();
    for packet in data.chunks(6) {
        let (timestamp, payload) = packet.split_at(packet.len().min(2));
        let timestamp = timestamp.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        let key = receiver.take(timestamp, payload);
        assert!(key.is_none_or(|key| "0123456789*#ABCD".contains(key)));
    }
}

/// A bridged worker under any packets in any order sends nowhere but to its two peers, and closes both legs.
pub fn worker(data: &[u8]) {
    let peers: [SocketAddr; 2] = [([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 4000).into()];
    let mut worker = Worker::new(LIBRARY.clone(), Config::default());
    let mut now = Time::from_secs(1);
    for (leg, remote, codec, number) in [(1, peers[0], Codec::Pcma, 8), (2, peers[1], Codec::Pcmu, 0)] {
        let local = ([198, 51, 100, 1], 20_000 + leg as u16 * 2).into();
        let remote_rtcp = SocketAddr::new(remote.ip(), remote.port() + 1);
        let direction = Direction::SendRecv;
        let audio = Audio {
            remote,
            remote_rtcp,
            codec,
            payload_type: number,
            telephone_event: Some(101),
            tones: false,
            ptime_ms: 20,
            direction,
            srtp: None,
        };
        worker.handle_command(now, Command::Open { leg: LegId(leg), local, side: Side::Trunk });
        worker.handle_command(now, Command::Connect { leg: LegId(leg), audio });
    }
    worker.handle_command(now, Command::Bridge { a: LegId(1), b: LegId(2) });
    for packet in data.split(|byte| *byte == 0xaa) {
        let which = packet.len() % 2;
        now += std::time::Duration::from_millis(packet.len() as u64);
        match packet.first() {
            Some(byte) if byte % 4 == 3 => {
                worker.handle_rtcp(now, LegId(which as u64 + 1), peers[which], packet);
            }
            _ => worker.handle_rtp(now, LegId(which as u64 + 1), peers[which], packet),
        }
        worker.handle_timeout(now);
        drain(&mut worker, &peers);
    }
    for leg in [LegId(1), LegId(2)] {
        worker.handle_command(now, Command::Close { leg });
    }
    assert_eq!((drain(&mut worker, &peers), worker.legs()), (2, 0));
}

/// Sees what goes out; how many legs were closed.
fn drain(worker: &mut Worker, peers: &[SocketAddr]) -> usize {
    while let Some(transmit) = worker.poll_transmit() {
        assert!(peers.iter().any(|peer| peer.ip() == transmit.to.ip()), "sound for a stranger");
    }
    let mut closed = 0;
    while let Some(event) = worker.poll_event() {
        closed += usize::from(matches!(event, Event::Closed { .. }));
    }
    closed
}
