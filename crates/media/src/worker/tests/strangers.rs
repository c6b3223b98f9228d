//! Who may be heard: hijackers, phones behind NAT, phones that fall silent, and what RTCP says of them.

use super::*;

#[test]
fn a_hijacker_hears_nothing_and_is_heard_for_five_packets_at_most() {
    let attacker: SocketAddr = "198.51.100.66:6666".parse().unwrap();
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    for sequence in 0..100 {
        rig.hear(A, attacker, &packet(sequence, sequence as u32 * 160, 8, &[9; 160]));
        rig.pass(FRAME);
    }
    rig.say(A, 8, 0, &[1; 1600]);
    for sequence in 100..200 {
        rig.hear(A, attacker, &packet(sequence, sequence as u32 * 160, 8, &[9; 160]));
        rig.hear(A, attacker, &packet(sequence, 0, 101, &[3, 10, 0, 160]));
        rig.say(B, 8, sequence, &[2; 160]);
    }
    assert_eq!(rig.codes(B).iter().filter(|code| **code == 9).count(), 5 * 160);
    assert_eq!(rig.codes(B).iter().filter(|code| **code == 1).count(), 1600, "the true caller lost nothing");
    assert_eq!(rig.digits(), "");
    assert!(rig.rtp.iter().all(|got| got.to == phone(got.leg)), "nothing was sent to the attacker");
    assert_eq!(rig.worker.stats(A).unwrap().refused_in, 95 + 200);
}

#[test]
fn a_phone_behind_a_nat_is_sent_to_where_it_speaks_from() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    let public: SocketAddr = "198.51.100.7:33000".parse().unwrap();
    rig.connect_with(A, |audio| audio.remote = "192.168.1.2:4000".parse().unwrap());
    rig.hear(A, public, &packet(0, 0, 8, &[1; 160]));
    rig.worker.handle_rtcp(rig.now, A, "198.51.100.7:33001".parse().unwrap(), &receiver_report(0, 0, 0));
    rig.say(B, 8, 0, &[2; 160]);
    assert_eq!(rig.got(A)[0].to, public);
}

/// What a phone's RTCP says; of our stream `ssrc` when there is an echo.
fn receiver_report(ssrc: u32, last_sr: u32, delay_since_sr: u32) -> Vec<u8> {
    let report =
        crate::incoming::Report { ssrc, fraction_lost: 0, lost: 0, highest: 0, jitter: 0, last_sr, delay_since_sr };
    let mut out = [0; rtcp::LEN_MAX];
    let len = rtcp::write(Time::ZERO, 77, "phone", None, Some(report), false, &mut out);
    out[..len].to_vec()
}

#[test]
fn reports_go_out_every_five_seconds_and_measure_the_round_trip() {
    let mut rig = Rig::bridged(Codec::Pcma, Codec::Pcma);
    rig.say(B, 8, 0, &[1; 8000 * 20]);
    let reports: Vec<_> = rig.rtcp.iter().filter(|(_, leg, _)| *leg == A).cloned().collect();
    assert!((4..=5).contains(&reports.len()), "{} reports in 20 s", reports.len());
    for pair in reports.windows(2) {
        assert_eq!(pair[1].0.since(pair[0].0), Duration::from_secs(5));
    }
    let (sent_at, _, bytes) = reports.last().unwrap();
    let (ssrc, ntp) = rtcp::read(bytes, 0).unwrap().sr.unwrap();
    let delay = Duration::from_millis(500);
    rig.now = rig.now.max(*sent_at + delay) + MS * 40;
    let held = rig.now.since(*sent_at) - MS * 40;
    let echo = receiver_report(ssrc, (ntp >> 16) as u32, (held.as_micros() * 65_536 / 1_000_000) as u32);
    rig.worker.handle_rtcp(rig.now, A, rtcp_of(A), &echo);
    let rtt = rig.worker.stats(A).unwrap().rtt_us.unwrap();
    assert!(rtt.abs_diff(40_000) < 50, "{rtt} us");
}

#[test]
fn silence_is_told_once_until_sound_comes_again_and_never_on_hold() {
    let mut rig = Rig::new(2000);
    rig.open(A);
    rig.pass(Duration::from_secs(10));
    let start = rig.now;
    rig.connect_with(A, |_| {});
    rig.say(A, 8, 0, &[1; 160]);
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.events, [(start + MS * 2000, Event::Silent { leg: A })]);
    rig.say(A, 8, 1, &[1; 160]);
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.events.len(), 2, "told again");
    rig.say(A, 8, 2, &[1; 160]);
    rig.connect_with(A, |audio| audio.direction = Direction::SendOnly);
    rig.pass(Duration::from_secs(100));
    assert_eq!(rig.events.len(), 2, "silent by agreement");
}

#[test]
fn an_agents_phone_is_silent_sooner_unless_rtcp_says_that_it_lives() {
    let mut rig = Rig::new(8000);
    let local = phone(A);
    rig.command(Command::Open { leg: A, local, side: Side::Agent });
    rig.connect_with(A, |_| {});
    let start = rig.now;
    rig.pass(Duration::from_millis(1500));
    rig.worker.handle_rtcp(rig.now, A, rtcp_of(A), &receiver_report(1, 0, 0));
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.events, [(start + MS * 3500, Event::Silent { leg: A })]);
}
