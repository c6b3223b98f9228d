//! The floor: relays that only copy datagrams from one leg to its partner, once a millisecond, as cheaply as sockets allow.

use crate::phones::{Load, Phones};
use crate::sys::{BATCH_MAX, Batch, Epoll, thread_cpu};
use crate::wire::{self, Many};
use crate::{TICK, Turn};
use socket2::SockAddr;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What all threads of a relay have done.
#[derive(Default)]
struct Done {
    stop: AtomicBool,
    cpu_ns: AtomicU64,
    relayed: AtomicU64,
}

/// A socket per leg, connected to its phone, so that the kernel need not look for the way.
pub(crate) fn sockets(phones: &mut Phones, legs: usize, threads: usize, span: Duration) -> Turn {
    let ours: Vec<UdpSocket> = (0..legs).map(|_| wire::bound()).collect();
    for (i, socket) in ours.iter().enumerate() {
        socket.connect(phones.address(i)).expect("a socket can be connected");
    }
    phones.connect(&ours.iter().map(wire::address).collect::<Vec<SocketAddr>>());
    run(phones, threads, span, |done, thread| {
        let mut epoll = Epoll::new().expect("epoll works");
        let mut batch = Batch::new();
        for (i, socket) in ours.iter().enumerate().filter(|(i, _)| i / 2 % threads == thread) {
            epoll.add(socket, i as u64).expect("a socket can be watched");
        }
        passes(done, || {
            let (ready, began, mut sent) = (epoll.wait(Some(TICK * 100)), Instant::now(), 0);
            for leg in (0..ready).map(|i| epoll.token(i) as usize) {
                loop {
                    let count = batch.receive(&ours[leg]);
                    for (_, bytes) in (0..count).filter_map(|i| batch.datagram(i)) {
                        sent += u64::from(ours[leg ^ 1].send(bytes).is_ok());
                    }
                    if count < BATCH_MAX {
                        break;
                    }
                }
            }
            (began, sent)
        });
    })
}

/// Few sockets, each for many legs, which only their phones' addresses tell apart: one call takes or sends what many say.
pub(crate) fn shared(phones: &mut Phones, legs: usize, threads: usize, span: Duration) -> Turn {
    let ours: Vec<UdpSocket> = (0..legs.div_ceil(wire::MANY)).map(|_| wire::bound()).collect();
    let ends: Vec<SocketAddr> = (0..legs).map(|leg| wire::address(&ours[leg / wire::MANY])).collect();
    phones.connect(&ends);
    let partners: Vec<SockAddr> = (0..legs).map(|leg| phones.address(leg ^ 1).into()).collect();
    let mut leg_of = vec![0; 1 << 16];
    (0..legs).for_each(|leg| leg_of[usize::from(phones.address(leg).port())] = leg);
    run(phones, threads, span, |done, thread| {
        let mut epoll = Epoll::new().expect("epoll works");
        let mut many = Many::new();
        for (i, socket) in ours.iter().enumerate().filter(|(i, _)| i % threads == thread) {
            epoll.add(socket, i as u64).expect("a socket can be watched");
        }
        passes(done, || {
            let (ready, began, mut sent) = (epoll.wait(Some(TICK * 100)), Instant::now(), 0);
            for socket in (0..ready).map(|i| &ours[epoll.token(i) as usize]) {
                loop {
                    let count = many.receive(socket);
                    let mut to = [0; wire::MANY];
                    (0..count).for_each(|i| to[i] = leg_of[usize::from(many.port(i))]);
                    sent += many.send(socket, to[..count].iter().map(|leg| &partners[*leg])) as u64;
                    if count < wire::MANY {
                        break;
                    }
                }
            }
            (began, sent)
        });
    })
}

/// Passes of one thread, a millisecond each, until told to stop. A pass says when it began to work and what it sent.
fn passes(done: &Done, mut pass: impl FnMut() -> (Instant, u64)) {
    let mut spent = Duration::ZERO;
    while !done.stop.load(Relaxed) {
        let (began, sent) = pass();
        done.relayed.fetch_add(sent, Relaxed);
        let now = thread_cpu();
        done.cpu_ns.fetch_add((now - spent).as_nanos() as u64, Relaxed);
        spent = now;
        std::thread::sleep(TICK.saturating_sub(began.elapsed()));
    }
}

fn run(phones: &mut Phones, threads: usize, span: Duration, relay: impl Fn(&Done, usize) + Sync) -> Turn {
    let done = Done::default();
    let load: Load = std::thread::scope(|scope| {
        for thread in 0..threads {
            let (done, relay) = (&done, &relay);
            scope.spawn(move || relay(done, thread));
        }
        let load = phones.talk(span);
        done.stop.store(true, Relaxed);
        load
    });
    Turn { cpu: Duration::from_nanos(done.cpu_ns.into_inner()), packets: done.relayed.into_inner(), load }
}
