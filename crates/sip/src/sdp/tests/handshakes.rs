//! Handshakes agreed on with browsers, and with one another.

use super::*;
use busyhour_model::{Handshake, Ice};

/// Chrome's, as it comes from `createOffer` with a microphone and one address found; two of its payload types left out.
const CHROME: &str = "v=0\r\n\
o=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n\
s=-\r\n\
t=0 0\r\n\
a=group:BUNDLE 0\r\n\
a=extmap-allow-mixed\r\n\
a=msid-semantic: WMS 7f1c1d5e-2b2a-4a0e-9c55-2d9c7a0d2f11\r\n\
m=audio 54609 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n\
c=IN IP4 192.0.2.33\r\n\
a=rtcp:9 IN IP4 0.0.0.0\r\n\
a=candidate:2999745851 1 udp 2113937151 4e9b4f6a-7d6c-4f0e-8a6e-0a8f6f8d9c11.local 54609 typ host generation 0 network-cost 999\r\n\
a=candidate:842163049 1 udp 1677729535 192.0.2.33 54609 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999\r\n\
a=ice-ufrag:8hhY\r\n\
a=ice-pwd:asd88fgpdd777uzjYhagZg1b\r\n\
a=ice-options:trickle\r\n\
a=fingerprint:sha-256 6F:3C:5D:9A:0E:41:7B:22:C8:F5:13:86:AD:4E:90:6B:1C:D7:58:E3:2A:94:0F:B1:77:C6:3D:88:52:E9:A4:1B\r\n\
a=setup:actpass\r\n\
a=mid:0\r\n\
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
a=sendrecv\r\n\
a=msid:7f1c1d5e-2b2a-4a0e-9c55-2d9c7a0d2f11 5c1f62b0-9c3f-45d1-a0a5-0dd2d6b3f5aa\r\n\
a=rtcp-mux\r\n\
a=rtcp-rsize\r\n\
a=rtpmap:111 opus/48000/2\r\n\
a=rtcp-fb:111 transport-cc\r\n\
a=fmtp:111 minptime=10;useinbandfec=1\r\n\
a=rtpmap:63 red/48000/2\r\n\
a=fmtp:63 111/111\r\n\
a=rtpmap:9 G722/8000\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:13 CN/8000\r\n\
a=rtpmap:110 telephone-event/48000\r\n\
a=rtpmap:126 telephone-event/8000\r\n\
a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6\r\n\
a=ssrc:3570614608 msid:7f1c1d5e-2b2a-4a0e-9c55-2d9c7a0d2f11 5c1f62b0-9c3f-45d1-a0a5-0dd2d6b3f5aa\r\n";

/// Firefox's before it has found an address (trickle): its certificate stands before the streams.
const FIREFOX: &str = "v=0\r\n\
o=mozilla...THIS_IS_SDPARTA-99.0 5839268214857365541 0 IN IP4 0.0.0.0\r\n\
s=-\r\n\
t=0 0\r\n\
a=fingerprint:sha-256 19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2\r\n\
a=group:BUNDLE 0\r\n\
a=ice-options:trickle\r\n\
a=msid-semantic:WMS *\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 109 9 0 8 101\r\n\
c=IN IP4 0.0.0.0\r\n\
a=sendrecv\r\n\
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level\r\n\
a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1\r\n\
a=fmtp:101 0-15\r\n\
a=ice-pwd:ff1a3e4ad1cc1b6f1d2d0d4f3a4e5b6c\r\n\
a=ice-ufrag:58b99ead\r\n\
a=mid:0\r\n\
a=msid:{a1b2c3d4-0e0f-4a4b-8c8d-1e2f3a4b5c6d} {0f9e8d7c-6b5a-4948-b7a6-c5d4e3f2a1b0}\r\n\
a=rtcp-mux\r\n\
a=rtpmap:109 opus/48000/2\r\n\
a=rtpmap:9 G722/8000/1\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:101 telephone-event/8000/1\r\n\
a=setup:actpass\r\n\
a=ssrc:4128461278 cname:{9d8c7b6a-5f4e-4d3c-b2a1-0f1e2d3c4b5a}\r\n";

fn taken(local: &Local, offer: &str) -> (String, Audio) {
    let (text, audio) = answer(local, offer.as_bytes(), SendRecv).unwrap();
    (String::from_utf8(text.to_vec()).unwrap(), audio)
}

fn handshake(audio: &Audio) -> Handshake {
    match audio.srtp.as_deref() {
        Some(Keying::Handshake(handshake)) => handshake.clone(),
        other => panic!("{other:?}"),
    }
}

fn ice(audio: &Audio) -> Ice {
    handshake(audio).ice.unwrap()
}

#[test]
fn rfc8829_the_offers_of_chrome_and_firefox_are_answered_in_secret_and_by_ice_lite() {
    for (offer, theirs, ufrag, event, remote) in [
        (CHROME, "6F:3C:5D:9A", "8hhY", 126, "192.0.2.33:54609"),
        (FIREFOX, "19:E2:1C:3B", "58b99ead", 101, "0.0.0.0:9"),
    ] {
        let (text, audio) = taken(&secret(Secrecy::Accepted), offer);
        let agreed = handshake(&audio);
        let Ice { ufrag: ours, pwd, theirs: named } = agreed.ice.clone().unwrap();
        assert!(agreed.fingerprint.to_string().starts_with(theirs) && !agreed.active, "{agreed:?}");
        assert_eq!((&*named, audio.remote_rtcp, audio.direction), (ufrag, audio.remote, SendRecv));
        assert_eq!(audio.remote, remote.parse().unwrap());
        let lines = [
            "a=ice-lite".to_owned(),
            format!("m=audio 40000 UDP/TLS/RTP/SAVPF 0 {event}"),
            "a=mid:0".into(),
            "a=rtcp-mux".into(),
            format!("a=fingerprint:sha-256 {}", Fingerprint([0xA3; 32])),
            "a=setup:passive".into(),
            format!("a=ice-ufrag:{ours}"),
            format!("a=ice-pwd:{pwd}"),
            "a=candidate:1 1 UDP 2130706431 192.0.2.1 40000 typ host".into(),
            "a=sendrecv".into(),
        ];
        for line in lines {
            assert_eq!(text.lines().filter(|written| *written == line).count(), 1, "{line} in {text}");
        }
        assert!(text.find("a=ice-lite") < text.find("m=audio"), "it is of the session");
        assert!((ours.len(), pwd.len()) == (8, 35) && !format!("{agreed:?}").contains(&*pwd), "{ours} {pwd}");
        assert_eq!(
            answer(&secret(Secrecy::Refused), offer.as_bytes(), SendRecv).map(|_| ()),
            Err(SdpError::NoCommonCodec)
        );
    }
}

#[test]
fn a_handshake_needs_a_certificate_on_both_sides_rtcp_mux_and_somebody_who_begins() {
    let local = secret(Secrecy::Accepted);
    let refused = |local: &Local, offer: String| answer(local, offer.as_bytes(), SendRecv).is_err();
    for (line, instead) in [
        ("a=fingerprint:sha-256 6F", "a=fingerprint:sha-1 6F"),
        ("a=fingerprint:sha-256 6F:", "a=fingerprint:sha-256 "),
        ("a=rtcp-mux\r\n", ""),
        ("a=setup:actpass", "a=setup:holdconn"),
        ("UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF"),
    ] {
        assert!(CHROME.contains(line) && refused(&local, CHROME.replace(line, instead)), "{line} {instead}");
    }
    assert!(refused(&Local { secret: KeySecret::default(), ..local.clone() }, CHROME.into()));
    let (text, audio) = taken(&local, &CHROME.replace("a=setup:actpass", "a=setup:passive"));
    assert!(text.contains("a=setup:active\r\n") && handshake(&audio).active);
    for (line, instead) in [("a=ice-ufrag:8hhY", "a=ice-ufrag:8h"), ("t=0 0", "t=0 0\r\na=ice-lite")] {
        let (text, audio) = taken(&local, &CHROME.replace(line, instead));
        assert!(!text.contains("ice") && !text.contains("candidate") && handshake(&audio).ice.is_none(), "{text}");
    }
}

#[test]
fn two_of_us_agree_on_a_handshake_and_a_browser_on_names_as_well() {
    let one = secret(Secrecy::Dtls);
    let theirs = KeySecret { bytes: [9; 32], certificate: Some(Fingerprint([0xB4; 32])) };
    let other = Local { secret: theirs, ..secret(Secrecy::Accepted) };
    let offered = offer(&one, SendRecv);
    let text = String::from_utf8(offered.to_vec()).unwrap();
    assert!(text.contains(" UDP/TLS/RTP/SAVPF ") && text.contains("a=setup:actpass\r\n"), "{text}");
    let (answered, heard) = answer(&other, &offered, SendRecv).unwrap();
    let agreed = accepted(&one, &offered, &answered).unwrap();
    assert_eq!(
        [handshake(&heard), handshake(&agreed)].map(|it| (it.active, it.fingerprint.0[0])),
        [(false, 0xA3), (true, 0xB4)]
    );
    assert_eq!([&heard, &agreed].map(|audio| handshake(audio).ice), [None, None], "neither tries out ways");
    let browsers =
        String::from_utf8(answered.to_vec()).unwrap() + "a=ice-ufrag:them\r\na=ice-pwd:0123456789abcdef012345\r\n";
    let Ice { ufrag, pwd, theirs } = ice(&accepted(&one, &offered, browsers.as_bytes()).unwrap());
    assert!(text.contains(&format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n")) && &*theirs == "them", "{text}");
    for (line, instead) in [("a=setup:passive", "a=setup:actpass"), ("UDP/TLS/RTP/SAVPF", "RTP/SAVP")] {
        let answered = String::from_utf8(answered.to_vec()).unwrap().replace(line, instead);
        assert_eq!(accepted(&one, &offered, answered.as_bytes()), Err(SdpError::NoCommonCodec), "{instead}");
    }
    let plain = offer(&secret(Secrecy::Required), SendRecv);
    assert_eq!(accepted(&secret(Secrecy::Required), &plain, &answered), Err(SdpError::NoCommonCodec), "nobody asked");
    let words = offer_of(&format!("m=audio 5000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\r\n"));
    assert!(said(answer(&one, words.as_bytes(), SendRecv).unwrap().1.srtp).is_some(), "secret in the old way");
    assert!(answer(&one, offer_of("m=audio 5000 RTP/AVP 8\r\n").as_bytes(), SendRecv).is_err(), "not plain");
}

/// RFC 8842 section 5, RFC 8839 section 4.4.
#[test]
fn renegotiated_names_and_roles_stay_unless_the_peer_has_others() {
    let mut local = secret(Secrecy::Accepted);
    let passive = CHROME.replace("a=setup:actpass", "a=setup:passive");
    let first = taken(&local, &passive).1;
    local.standing = first.srtp.as_deref().cloned();
    assert_eq!(handshake(&taken(&local, CHROME).1), handshake(&first), "we were the client");
    let again = String::from_utf8(offer(&local, SendOnly).to_vec()).unwrap();
    assert!(again.contains(&format!("a=ice-ufrag:{}\r\n", ice(&first).ufrag)), "{again}");
    let restarted = ice(&taken(&local, &CHROME.replace("8hhY", "9xxZ")).1);
    assert_ne!((&restarted.ufrag, &restarted.pwd), (&ice(&first).ufrag, &ice(&first).pwd));
    let another = taken(&local, &CHROME.replace("sha-256 6F", "sha-256 7F")).1;
    assert!(!handshake(&another).active, "another certificate: a new handshake");
}
