//! Handshakes in descriptions (DTLS-SRTP, RFC 5763 and 8842), with ways that the peer tries out (ICE-lite, RFC 8839).

use super::description::Media;
use super::{HANDSHAKES, Local};
use crate::Secrecy;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use busyhour_model::{Fingerprint, Handshake, Ice, Keying};
use sha2::{Digest, Sha256};

/// The only way there is to us, by the formula of RFC 8445 section 5.1.2.1.
const PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;

/// What the handshake of a stream of the peer's is to be, that answers `asked` or is offered; `None`: we cannot take it.
pub(super) fn agree(theirs: &Media<'_>, asked: Option<&Media<'_>>, local: &Local) -> Option<Handshake> {
    let wanted = asked.is_none_or(|asked| HANDSHAKES.contains(&asked.protocol));
    let taken = wanted && theirs.rtcp_mux && local.terms.srtp != Secrecy::Refused;
    local.secret.certificate.filter(|_| taken)?;
    let fingerprint = theirs.fingerprint()?;
    let standing = standing(local).filter(|standing| standing.fingerprint == fingerprint);
    let active = match (theirs.setup().unwrap_or("active"), asked) {
        ("passive", _) => true,
        ("active", _) => false,
        // Who waits need not know the way first. What stands goes on as it is (RFC 8842 section 5.3).
        ("actpass", None) => standing.is_some_and(|standing| standing.active),
        _ => return None,
    };
    let ice = match (theirs.ufrag(), asked) {
        (None, _) => None,
        (Some(theirs), Some(_)) => Some(named(local, theirs)),
        (Some(theirs), None) => Some(answering(local, theirs)),
    };
    Some(Handshake { active, fingerprint, ice })
}

fn standing(local: &Local) -> Option<&Handshake> {
    match &local.standing {
        Some(Keying::Handshake(handshake)) => Some(handshake),
        _ => None,
    }
}

/// Our names in an offer: those that stand, or new ones.
pub(super) fn offered(local: &Local) -> Ice {
    named(local, "")
}

fn named(local: &Local, theirs: &str) -> Ice {
    let standing = standing(local).and_then(|standing| standing.ice.as_ref());
    standing.map_or_else(|| new(local, "", theirs), |ice| Ice { theirs: theirs.into(), ..ice.clone() })
}

/// Our names in an answer: others when the peer has others (RFC 8839 section 4.4.3).
fn answering(local: &Local, theirs: &str) -> Ice {
    let standing = standing(local).and_then(|standing| standing.ice.as_ref());
    let same = standing.filter(|ice| *ice.theirs == *theirs).cloned();
    same.unwrap_or_else(|| new(local, theirs, theirs))
}

/// Made of the secret of the stream.
fn new(local: &Local, seed: &str, theirs: &str) -> Ice {
    let hash = Sha256::digest([&local.secret.bytes[..], b"ice", seed.as_bytes()].concat());
    let text = BASE64.encode(hash);
    let (ufrag, pwd) = text.split_at(8);
    Ice { ufrag: ufrag.into(), pwd: pwd.into(), theirs: theirs.into() }
}

/// The lines of our stream; `setup` says who begins.
pub(super) fn lines(local: &Local, fingerprint: Fingerprint, setup: &str, ice: Option<&Ice>) -> String {
    let mut text = format!("a=rtcp-mux\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:{setup}\r\n");
    if let Some(Ice { ufrag, pwd, .. }) = ice {
        let (ip, port) = (local.address.ip(), local.address.port());
        text.push_str(&format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n"));
        text.push_str(&format!("a=candidate:1 1 UDP {PRIORITY} {ip} {port} typ host\r\n"));
    }
    text
}
