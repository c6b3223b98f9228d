//! What must hold for any packet at a media worker.

use busyhour_media::{Command, Config, Event, Library, Worker, dtmf, rtcp, rtp};
use busyhour_model::{
    Audio, CallId, Codec, Fingerprint, Handshake, Ice, Keying, LegId, MasterKey, Side, Srtp, Suite, Time,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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

/// Where the peers of legs 1 and 2 are.
const PEERS: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 4000),
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 4000),
];

/// Legs 1 and 2, bridged; each with its codec and what keeps it secret.
fn bridged(now: Time, legs: [(Codec, Option<Keying>); 2]) -> Worker {
    let mut worker = Worker::new(LIBRARY.clone(), Config::default());
    for ((leg, remote), (codec, srtp)) in (1..).zip(PEERS).zip(legs) {
        let local = ([198, 51, 100, 1], 20_000 + leg as u16 * 2).into();
        let audio = Audio { srtp: srtp.map(Box::new), ..Audio::plain(remote, codec) };
        worker.handle_command(now, Command::Open { leg: LegId(leg), local, side: Side::Trunk });
        worker.handle_command(now, Command::Connect { leg: LegId(leg), audio });
    }
    worker.handle_command(now, Command::Bridge { a: LegId(1), b: LegId(2) });
    worker.handle_command(now, Command::Measure { call: CallId(1), caller: LegId(1), partner: LegId(2) });
    worker
}

/// What one worker seals another opens, whatever it is; with any bit of it changed nothing comes out. Packets are divided by 0xaa; the
/// first byte of each says whether and where it is changed.
pub fn sealed(data: &[u8]) {
    let now = Time::from_secs(1);
    let suite = Suite::ALL[usize::from(data.first().copied().unwrap_or(0)) % Suite::ALL.len()];
    let key =
        |byte| MasterKey::new(suite, &vec![byte; suite.key_len() + suite.salt_len()]).expect("as long as it wants");
    let (ours, theirs) = (key(1), key(2));
    let near = Srtp { suite, ours: ours.clone(), theirs: theirs.clone() };
    let far = Srtp { suite, ours: theirs, theirs: ours };
    let mut sealing = bridged(now, [(Codec::Pcma, None), (Codec::Pcma, Some(Keying::Said(near)))]);
    let mut opening = bridged(now, [(Codec::Pcma, Some(Keying::Said(far))), (Codec::Pcma, None)]);
    let packets = data.split(|byte| *byte == 0xaa).filter_map(|packet| packet.split_first());
    for (sequence, (change, payload)) in (1..).zip(packets) {
        let header =
            rtp::Header { marker: false, payload_type: 8, sequence, timestamp: 160 * u32::from(sequence), ssrc: 7 };
        let mut packet = Vec::new();
        header.write(payload, &mut packet);
        sealing.handle_rtp(now, LegId(1), PEERS[0], &packet);
        let Some(mut packet) = sealing.poll_transmit().map(|transmit| transmit.bytes.to_vec()) else { continue };
        let at = usize::from(*change) % packet.len();
        packet[at] ^= change & 0x80;
        opening.handle_rtp(now, LegId(1), PEERS[0], &packet);
        let opened = opening.poll_transmit().and_then(|transmit| rtp::read(transmit.bytes).map(|(_, it)| it.to_vec()));
        assert_eq!(opened.as_deref(), Some(payload).filter(|_| *change < 0x80), "{suite:?}");
    }
}

/// A bridged worker under any packets in any order sends nowhere but to its two peers, and closes both legs. The first byte says which
/// codecs they speak, and whether the second shakes hands.
pub fn worker(data: &[u8]) {
    let codec = |byte: u8| [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::G729][usize::from(byte % 4)];
    let first = data.first().copied().unwrap_or(1);
    let mut now = Time::from_secs(1);
    let ice = Ice { ufrag: "ours".into(), pwd: "password".into(), theirs: "theirs".into() };
    let ice = Some(ice).filter(|_| first & 4 != 0);
    let handshake = Handshake { active: false, fingerprint: Fingerprint([1; 32]), ice };
    let keying = Some(Keying::Handshake(handshake)).filter(|_| first & 8 != 0);
    let mut worker = bridged(now, [(codec(first >> 4), None), (codec(first), keying)]);
    for packet in data.split(|byte| *byte == 0xaa) {
        let which = packet.len() % 2;
        now += std::time::Duration::from_millis(packet.len() as u64);
        match packet.first() {
            Some(byte) if byte % 4 == 3 => {
                worker.handle_rtcp(now, LegId(which as u64 + 1), PEERS[which], packet);
            }
            _ => worker.handle_rtp(now, LegId(which as u64 + 1), PEERS[which], packet),
        }
        worker.handle_timeout(now);
        drain(&mut worker);
    }
    for leg in [LegId(1), LegId(2)] {
        worker.handle_command(now, Command::Close { leg });
    }
    assert_eq!((drain(&mut worker), worker.legs()), (2, 0));
}

/// Sees what goes out; how many legs were closed.
fn drain(worker: &mut Worker) -> usize {
    while let Some(transmit) = worker.poll_transmit() {
        assert!(PEERS.iter().any(|peer| peer.ip() == transmit.to.ip()), "sound for a stranger");
    }
    let mut closed = 0;
    while let Some(event) = worker.poll_event() {
        closed += usize::from(matches!(event, Event::Closed { .. }));
    }
    closed
}
