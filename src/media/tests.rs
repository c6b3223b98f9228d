//! The plane over real sockets on loopback: sound both ways, ports taken and freed, legs changing threads.
#![allow(clippy::unwrap_used)]

use super::sys::{Batch, Epoll};
use super::*;
use busyhour_media::rtp::{self, Header};
use busyhour_media::{g711, tone};
use busyhour_model::{Audio, CallId, Codec, Deafness, ForkId, G711, PlayId, Side, Sound};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use socket2::SockRef;
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU16;
use std::sync::mpsc::Receiver;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(10);

fn plane(threads: usize) -> (Plane, Receiver<Event>) {
    reported(threads, None)
}

fn reported(threads: usize, reporting: Option<&Reporting>) -> (Plane, Receiver<Event>) {
    configured(threads, &Config::default(), reporting)
}

fn configured(threads: usize, config: &Config, reporting: Option<&Reporting>) -> (Plane, Receiver<Event>) {
    let (sender, events) = channel();
    let (epoch, begin) = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap(), Instant::now());
    let clock = move || Time::from_micros((epoch + begin.elapsed()).as_micros() as u64);
    let listener = move |event| drop(sender.send(event));
    (Plane::start(threads, &Arc::new(Library::new()), config, clock, listener, drop, reporting).unwrap(), events)
}

/// An address of loopback that only this process uses, where nobody else takes its ports.
pub(crate) fn own_host() -> Ipv4Addr {
    let [_, high, low, lowest] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 1 + high % 250, low, lowest.clamp(1, 254))
}

/// An even port that is free together with the one above. Each is given to one test only.
pub(crate) fn free_port(host: IpAddr) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = (std::process::id() % 4000) as u16 * 2 + NEXT.fetch_add(2, Relaxed);
        let port = 20_000 + offset % 12_000;
        if [port, port + 1].iter().all(|port| UdpSocket::bind((host, *port)).is_ok()) {
            return port;
        }
    }
}

fn audio(remote: SocketAddr, codec: Codec) -> Audio {
    Audio { remote_rtcp: remote, ..Audio::plain(remote, codec) }
}

/// A far end: its sockets, our leg, and where our leg listens.
struct Phone {
    leg: LegId,
    socket: UdpSocket,
    local: SocketAddr,
    sequence: u16,
}

impl Phone {
    fn connected(plane: &Plane, leg: u64, codec: Codec) -> Phone {
        Phone::on(plane, own_host().into(), leg, codec)
    }

    fn on(plane: &Plane, host: IpAddr, leg: u64, codec: Codec) -> Phone {
        let socket = UdpSocket::bind((host, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let (leg, local) = (LegId(leg), SocketAddr::from((host, free_port(host))));
        let audio = audio(socket.local_addr().unwrap(), codec);
        plane.send(Command::Open { leg, local, side: Side::Trunk });
        plane.send(Command::Connect { leg, audio });
        Phone { leg, socket, local, sequence: 0 }
    }

    fn say(&mut self, payload_type: u8, payload: &[u8]) {
        let timestamp = self.sequence as u32 * 160;
        let header =
            Header { marker: false, payload_type, sequence: self.sequence, timestamp, ssrc: self.leg.0 as u32 };
        self.sequence += 1;
        let mut bytes = vec![];
        header.write(payload, &mut bytes);
        self.socket.send_to(&bytes, self.local).unwrap();
    }

    fn hear(&self) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let (len, from) = self.socket.recv_from(&mut buffer).expect("a packet comes");
        assert_eq!(from, self.local);
        rtp::read(&buffer[..len]).unwrap().1.to_vec()
    }
}

/// Half a second of a tone from one phone to the other, in step: it must arrive at its level.
fn assert_heard(from: &mut Phone, from_law: G711, to: &Phone, to_law: G711, hertz: f64) {
    let said: Vec<u8> = tone::Sine::new(hertz, -10.0).take(4000).map(|s| g711::encode(from_law, s)).collect();
    let mut heard = vec![];
    for frame in said.chunks(160) {
        from.say(if from_law == G711::A { 8 } else { 0 }, frame);
        heard.extend(to.hear().iter().map(|code| g711::decode(to_law, *code)));
    }
    let level = tone::level(&heard, hertz);
    assert!((level + 10.0).abs() < 0.3, "{hertz} Hz came with {level} dBm0");
}

fn closed(events: &Receiver<Event>) -> (LegId, busyhour_model::StreamStats) {
    loop {
        if let Event::Closed { leg, stats } = events.recv_timeout(PATIENCE).unwrap() {
            return (leg, stats);
        }
    }
}

#[test]
fn two_phones_hear_each_other_on_one_thread_or_two_and_their_ports_are_free_afterwards() {
    for threads in [1, 2] {
        let (plane, events) = plane(threads);
        let mut a = Phone::connected(&plane, 1, Codec::Pcma);
        let mut b = Phone::connected(&plane, 2, Codec::Pcmu);
        plane.send(Command::Bridge { a: a.leg, b: b.leg });
        assert_heard_once_bridged(&mut a, &b);
        assert_heard(&mut a, G711::A, &b, G711::Mu, 400.0);
        assert_heard(&mut b, G711::Mu, &a, G711::A, 1000.0);
        b.say(101, &[7, 10, 0, 160]);
        assert_eq!(events.recv_timeout(PATIENCE).unwrap(), Event::Digit { leg: b.leg, digit: '7' });
        for phone in [&a, &b] {
            plane.send(Command::Close { leg: phone.leg });
        }
        let stats: HashMap<_, _> = [closed(&events), closed(&events)].into();
        assert!(stats[&a.leg].packets_in >= 25 && stats[&a.leg].packets_out >= 25);
        assert_eq!(stats[&b.leg].lost_in, 0);
        for phone in [&a, &b] {
            let above = (phone.local.ip(), phone.local.port() + 1);
            assert!(UdpSocket::bind(phone.local).is_ok() && UdpSocket::bind(above).is_ok());
        }
        assert_eq!(plane.figures().legs, 0);
        assert!(plane.cpu() > Duration::ZERO);
    }
}

/// Commands and packets travel apart: says silence until the first of it comes through.
fn assert_heard_once_bridged(from: &mut Phone, to: &Phone) {
    to.socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut buffer = [0; 2048];
    let heard = (0..500).any(|_| {
        from.say(8, &[0xD5; 160]);
        to.socket.recv_from(&mut buffer).is_ok()
    });
    assert!(heard, "nothing came through the bridge");
    while to.socket.recv_from(&mut buffer).is_ok() {}
    to.socket.set_read_timeout(Some(PATIENCE)).unwrap();
}

#[test]
fn legs_that_change_partners_across_threads_are_heard_by_the_new_one() {
    let (plane, events) = plane(3);
    let mut phones: Vec<Phone> = (1..=6).map(|leg| Phone::connected(&plane, leg, Codec::Pcma)).collect();
    for shift in 1..6 {
        for a in 0..3 {
            let b = 3 + (a + shift) % 3;
            plane.send(Command::Bridge { a: phones[a].leg, b: phones[b].leg });
        }
        for a in 0..3 {
            let b = 3 + (a + shift) % 3;
            let (left, right) = phones.split_at_mut(b);
            assert_heard_once_bridged(&mut left[a], &right[0]);
            assert_heard(&mut left[a], G711::A, &right[0], G711::A, 500.0);
            assert_heard(&mut right[0], G711::A, &left[a], G711::A, 700.0);
        }
    }
    phones.iter().for_each(|phone| plane.send(Command::Close { leg: phone.leg }));
    let mut legs: Vec<u64> = phones.iter().map(|_| closed(&events).0.0).collect();
    legs.sort_unstable();
    assert_eq!(legs, [1, 2, 3, 4, 5, 6], "each is closed once");
    assert!(events.try_recv().is_err());
}

#[test]
fn a_beep_is_heard_at_its_pitch_and_its_end_is_told() {
    let (plane, events) = plane(1);
    let phone = Phone::connected(&plane, 1, Codec::Pcma);
    let beep = Sound::Prompt { language: "zh".into(), id: "system/beep".into() };
    plane.send(Command::Play { leg: phone.leg, play: PlayId(3), sounds: vec![beep], repeat: false });
    let began = Instant::now();
    let heard: Vec<i16> = (0..20).flat_map(|_| phone.hear()).map(g711::decode_a).collect();
    assert!((tone::level(&heard, 1000.0) + 12.0).abs() < 0.3);
    assert_eq!(events.recv_timeout(PATIENCE).unwrap(), Event::PlayEnded { leg: phone.leg, play: PlayId(3) });
    assert!(began.elapsed() >= Duration::from_millis(380), "no faster than speech");
}

#[test]
fn a_program_without_a_port_is_heard_by_a_phone_of_another_thread() {
    let (plane, events) = plane(2);
    let phone = Phone::connected(&plane, 1, Codec::Pcma);
    let (leg, fork) = (LegId(2), ForkId(3));
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    plane.send(Command::Program { leg, side: Side::Agent, fork });
    plane.send(Command::Connect { leg, audio: audio(nowhere, Codec::Pcma) });
    plane.send(Command::Bridge { a: phone.leg, b: leg });
    let sound = tone::Sine::new(1000.0, -10.0).take(8000).collect();
    plane.send(Command::Say { leg, fork, sound, mark: None });
    let mut heard = vec![];
    while heard.len() < 6000 {
        heard.extend(phone.hear().iter().map(|code| g711::decode(G711::A, *code)));
    }
    let level = tone::level(&heard[2000..6000], 1000.0);
    assert!((level + 10.0).abs() < 0.3, "{level}");
    [leg, phone.leg].into_iter().for_each(|leg| plane.send(Command::Close { leg }));
    assert!(closed(&events).0 != closed(&events).0);
}

#[test]
fn a_port_in_use_is_said_plainly_and_the_leg_can_still_be_closed() {
    let (plane, events) = plane(1);
    let (host, port) = (own_host(), free_port(own_host().into()));
    let _taken = UdpSocket::bind((host, port + 1)).unwrap();
    let (leg, local) = (LegId(9), SocketAddr::from((host, port)));
    plane.send(Command::Open { leg, local, side: Side::Agent });
    let Event::Failed { leg: failed, detail } = events.recv_timeout(PATIENCE).unwrap() else {
        panic!("no failure told")
    };
    assert_eq!(failed, leg);
    assert!(detail.starts_with(&format!("cannot bind UDP {host}:{port} and the port above: ")), "{detail}");
    plane.send(Command::Close { leg });
    assert_eq!(closed(&events).0, leg);
    assert!(UdpSocket::bind(local).is_ok(), "the half that could be bound is free again");
}

#[test]
fn datagrams_come_with_their_senders_and_a_cut_one_is_known() {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(receiver) = UdpSocket::bind(host) else { continue };
        let sender = UdpSocket::bind(host).unwrap();
        let mut epoll = Epoll::new().unwrap();
        epoll.add(&receiver, 7).unwrap();
        for datagram in [&b"one"[..], b"", &[1; 3000]] {
            sender.send_to(datagram, receiver.local_addr().unwrap()).unwrap();
        }
        assert_eq!((epoll.wait(None), epoll.token(0)), (1, 7));
        let mut batch = Batch::new();
        assert_eq!(batch.receive(&receiver), 3);
        let from = sender.local_addr().unwrap();
        assert_eq!(batch.datagram(0), Some((from, &b"one"[..])));
        assert_eq!(batch.datagram(1), Some((from, &b""[..])));
        assert_eq!(batch.datagram(2), None);
        assert_eq!(batch.receive(&receiver), 0);
    }
}

#[test]
fn a_bell_rings_until_quiet() {
    let (bell, mut epoll) = (Bell::new().unwrap(), Epoll::new().unwrap());
    epoll.add(&bell, 1).unwrap();
    assert_eq!(epoll.wait(Some(Duration::ZERO)), 0);
    bell.ring();
    bell.ring();
    assert_eq!(epoll.wait(None), 1);
    bell.quiet();
    assert_eq!(epoll.wait(Some(Duration::ZERO)), 0);
}

#[test]
fn whoever_is_rung_for_looks_although_rings_are_spared() {
    let (bell, mut epoll) = (Arc::new(Bell::new().unwrap()), Epoll::new().unwrap());
    epoll.add(&*bell, 0).unwrap();
    let (sender, letters) = channel();
    let postman = {
        let bell = bell.clone();
        std::thread::spawn(move || {
            for letter in 0..200_000_u32 {
                sender.send(letter).unwrap();
                bell.ring();
                // So that rings meet every moment of whoever looks.
                (0..letter % 97).for_each(|_| std::hint::spin_loop());
            }
        })
    };
    let mut next = 0;
    while next < 200_000 {
        assert!(epoll.wait(Some(PATIENCE)) > 0, "nobody rang for letter {next}");
        bell.quiet();
        next = letters.try_iter().last().map_or(next, |letter| letter + 1);
    }
    postman.join().unwrap();
}

#[test]
fn rtcp_of_the_peer_and_ours_is_told_and_no_strangers() {
    const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 7];
    const AFTER: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 8];
    let (teller, told) = channel();
    let tell = move |_, leg, way: [SocketAddr; 2], bytes: &[u8]| drop(teller.send((leg, way, bytes.to_vec())));
    let tell: Reporting = Arc::new(tell);
    let (plane, events) = reported(1, Some(&tell));
    let mut phone = Phone::connected(&plane, 1, Codec::Pcma);
    let (theirs, ours) =
        (phone.socket.local_addr().unwrap(), SocketAddr::new(phone.local.ip(), phone.local.port() + 1));
    let first = (0..500).find_map(|_| {
        phone.socket.send_to(&REPORT, ours).unwrap();
        told.recv_timeout(Duration::from_millis(20)).ok()
    });
    assert_eq!(first, Some((phone.leg, [theirs, ours], REPORT.to_vec())));
    let stranger = UdpSocket::bind("127.0.0.2:0").unwrap();
    stranger.send_to(&REPORT, ours).unwrap();
    // Who was heard gets a last report.
    phone.say(8, &[0xD5; 160]);
    phone.socket.send_to(&AFTER, ours).unwrap();
    // Of those before some may still be to come.
    let mut told_of = std::iter::from_fn(|| told.recv_timeout(PATIENCE).ok()).map(|(_, way, bytes)| {
        assert!(way.contains(&theirs), "{way:?} is the stranger's");
        bytes
    });
    assert_eq!(told_of.find(|bytes| *bytes == AFTER), Some(AFTER.to_vec()));
    plane.send(Command::Close { leg: phone.leg });
    closed(&events);
    let rest: Vec<_> = told.try_iter().collect();
    assert!(rest.iter().all(|(_, way, _)| way.contains(&theirs)), "{rest:?}");
    let last = rest.last().unwrap();
    assert_eq!((last.1, last.2[1]), ([ours, theirs], 201), "our last report");
}

/// Hosts of both families that this machine has.
fn hosts() -> impl Iterator<Item = IpAddr> {
    let hosts: [IpAddr; 2] = [own_host().into(), Ipv6Addr::LOCALHOST.into()];
    hosts.into_iter().filter(|host| UdpSocket::bind((*host, 0)).is_ok())
}

#[test]
fn what_we_send_says_on_the_wire_that_it_is_urgent_and_goes_both_ways_on_ipv4_and_ipv6() {
    for host in hosts() {
        let (plane, _events) = plane(2);
        let mut a = Phone::on(&plane, host, 1, Codec::Pcma);
        let mut b = Phone::on(&plane, host, 2, Codec::Pcmu);
        plane.send(Command::Bridge { a: a.leg, b: b.leg });
        assert_heard_once_bridged(&mut a, &b);
        assert_heard(&mut a, G711::A, &b, G711::Mu, 400.0);
        assert_heard(&mut b, G711::Mu, &a, G711::A, 1000.0);
        match host {
            IpAddr::V4(_) => SockRef::from(&b.socket).set_recv_tos_v4(true).unwrap(),
            IpAddr::V6(_) => SockRef::from(&b.socket).set_recv_tclass_v6(true).unwrap(),
        }
        a.say(8, &[0xD5; 160]);
        let (mut bytes, mut control) = ([0; 2048], nix::cmsg_space!(libc::c_int));
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let came = recvmsg::<()>(b.socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty()).unwrap();
        let class = came.cmsgs().unwrap().find_map(|told| match told {
            ControlMessageOwned::Ipv4Tos(class) => Some(i32::from(class)),
            ControlMessageOwned::Ipv6TClass(class) => Some(class),
            _ => None,
        });
        assert_eq!(class.map(|class| class >> 2), Some(46), "expedited forwarding on {host}");
    }
}

#[test]
fn ten_thousand_legs_come_and_go_and_every_port_is_free_again() {
    const AT_ONCE: u64 = 20;
    let (plane, events) = plane(2);
    let ports: Vec<u16> = (0..AT_ONCE).map(|_| free_port(own_host().into())).collect();
    for round in 0..10_000 / AT_ONCE {
        let legs = (0..AT_ONCE).map(|i| LegId(round * AT_ONCE + i));
        for (leg, port) in legs.clone().zip(&ports) {
            let local = (own_host(), *port).into();
            plane.send(Command::Open { leg, local, side: Side::Trunk });
        }
        // Of every other pair one changes threads before it goes.
        for leg in legs.clone().step_by(4) {
            plane.send(Command::Bridge { a: leg, b: LegId(leg.0 + 1) });
        }
        legs.for_each(|leg| plane.send(Command::Close { leg }));
        for _ in 0..AT_ONCE {
            let event = events.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(event, Event::Closed { .. }), "{event:?}");
        }
    }
    assert_eq!(plane.figures().legs, 0);
    assert!(ports.iter().all(|port| [*port, port + 1].iter().all(|port| UdpSocket::bind((own_host(), *port)).is_ok())));
}

#[test]
fn a_phone_that_falls_silent_is_told_of_and_one_that_speaks_is_not() {
    let silence = Duration::from_millis(200);
    let config = Config { silence_timeout: silence, agent_silence_timeout: silence, seed: 1 };
    let (plane, events) = configured(1, &config, None);
    let (silent, mut speaking) = (Phone::connected(&plane, 1, Codec::Pcma), Phone::connected(&plane, 2, Codec::Pcma));
    let told = (0..500).find_map(|_| {
        speaking.say(8, &[0xD5; 160]);
        events.recv_timeout(Duration::from_millis(20)).ok()
    });
    assert_eq!(told, Some(Event::Silent { leg: silent.leg }));
}

/// ICMP: the system tells that nobody has that port.
#[test]
fn where_nobody_listens_is_named_as_the_cause_and_nothing_else_is_lost_by_it() {
    let (plane, events) = plane(1);
    let (mut speaking, gone) = (Phone::connected(&plane, 1, Codec::Pcma), Phone::connected(&plane, 2, Codec::Pcma));
    plane.send(Command::Bridge { a: speaking.leg, b: gone.leg });
    plane.send(Command::Measure { call: CallId(7), caller: speaking.leg, partner: gone.leg });
    drop(gone.socket);
    let told = (0..500).find_map(|_| {
        // Two at once: the second is sent when the first has come back.
        (0..2).for_each(|_| speaking.say(8, &[0xD5; 80]));
        events.recv_timeout(Duration::from_millis(20)).ok()
    });
    assert_eq!(told, Some(Event::Unheard { leg: gone.leg, why: Deafness::Unreachable }));
    assert_eq!(plane.figures().send_errors, 0, "each was sent, whatever came back of those before");
}
