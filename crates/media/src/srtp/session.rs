//! The session keys of one way, and what is done with them.

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use aes::{Aes128, Aes256};
use busyhour_model::{MasterKey, Suite};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac};
use ring::aead;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use std::fmt;

/// Bytes of the header of an RTCP packet that stay readable.
const RTCP_HEADER: usize = 8;
/// In front of the index of an RTCP packet: it is encrypted.
const ENCRYPTED: u32 = 0x8000_0000;
const GCM_TAG: usize = 16;
/// Of RTCP, whatever RTP has (RFC 4568 section 6.2.2).
const SHA1_TAG: usize = 10;

/// All of one way. The ciphers are made again from the key where a snapshot is read back.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "Keyed", into = "Keyed")]
pub(super) struct Session {
    keyed: Keyed,
    rtp: Ciphers,
    rtcp: Ciphers,
}

#[derive(Clone, Serialize, Deserialize)]
struct Keyed {
    suite: Suite,
    key: MasterKey,
}

#[derive(Clone)]
struct Ciphers {
    cipher: Cipher,
    salt: [u8; 14],
    tag: usize,
}

#[derive(Clone)]
enum Cipher {
    Gcm(Box<aead::LessSafeKey>),
    Cm { key: CmKey, auth: Box<Hmac<Sha1>> },
}

#[derive(Clone)]
enum CmKey {
    Short(Box<Aes128>),
    Long(Box<Aes256>),
}

/// What a derived key is for (RFC 3711 section 4.3.2): encryption, authentication and salt of RTP, then of RTCP.
const LABELS: [[u8; 3]; 2] = [[0, 1, 2], [3, 4, 5]];

impl Session {
    pub(super) fn new(suite: Suite, key: &MasterKey) -> Session {
        Keyed { suite, key: key.clone() }.into()
    }

    /// By these session keys instead of derived ones.
    #[cfg(test)]
    pub(super) fn of_session_keys(suite: Suite, key: &[u8], salt: &[u8]) -> Session {
        let master = MasterKey::new(suite, &[key, salt].concat()).expect("a key of the suite");
        let mut session = Session::new(suite, &master);
        let algorithm = if key.len() == 16 { &aead::AES_128_GCM } else { &aead::AES_256_GCM };
        let key = aead::UnboundKey::new(algorithm, key).expect("a key of the suite");
        session.rtp.cipher = Cipher::Gcm(Box::new(aead::LessSafeKey::new(key)));
        session.rtp.salt[..12].copy_from_slice(salt);
        session
    }

    pub(super) fn seal_rtp(&self, out: &mut Vec<u8>, start: usize, header: usize, ssrc: u32, index: u64) {
        let (head, body) = out[start..].split_at_mut(header);
        match &self.rtp.cipher {
            Cipher::Gcm(key) => {
                let tag = key.seal_in_place_separate_tag(self.rtp.nonce(ssrc, index), aead::Aad::from(&*head), body);
                out.extend(tag.iter().flat_map(|tag| tag.as_ref()));
            }
            Cipher::Cm { key, auth } => {
                key.apply(self.rtp.counter(ssrc, index), body);
                let tag = signed(auth, &out[start..], &rollover(index)).finalize().into_bytes();
                out.extend_from_slice(&tag[..self.rtp.tag]);
            }
        }
    }

    pub(super) fn open_rtp(&self, packet: &mut Vec<u8>, header: usize, ssrc: u32, index: u64) -> Option<()> {
        let end = packet.len().checked_sub(self.rtp.tag).filter(|end| *end >= header)?;
        match &self.rtp.cipher {
            Cipher::Gcm(key) => {
                let (head, body) = packet.split_at_mut(header);
                key.open_in_place(self.rtp.nonce(ssrc, index), aead::Aad::from(&*head), body).ok()?;
            }
            Cipher::Cm { key, auth } => {
                signed(auth, &packet[..end], &rollover(index)).verify_truncated_left(&packet[end..]).ok()?;
                key.apply(self.rtp.counter(ssrc, index), &mut packet[header..end]);
            }
        }
        packet.truncate(end);
        Some(())
    }

    pub(super) fn seal_rtcp(&self, out: &mut Vec<u8>, start: usize, ssrc: u32, index: u32) {
        let trailer = (index | ENCRYPTED).to_be_bytes();
        let (head, body) = out[start..].split_at_mut(RTCP_HEADER);
        match &self.rtcp.cipher {
            Cipher::Gcm(key) => {
                let aad = associated(head, trailer);
                let nonce = self.rtcp.nonce(ssrc, index.into());
                let tag = key.seal_in_place_separate_tag(nonce, aead::Aad::from(aad), body);
                out.extend(tag.iter().flat_map(|tag| tag.as_ref()));
                out.extend_from_slice(&trailer);
            }
            Cipher::Cm { key, auth } => {
                key.apply(self.rtcp.counter(ssrc, index.into()), body);
                out.extend_from_slice(&trailer);
                let tag = signed(auth, &out[start..], &[]).finalize().into_bytes();
                out.extend_from_slice(&tag[..self.rtcp.tag]);
            }
        }
    }

    /// The index of a sealed RTCP packet, that stands at its end.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Option<u32> {
        let behind = if matches!(self.rtcp.cipher, Cipher::Gcm(_)) { 0 } else { self.rtcp.tag };
        let at = packet.len().checked_sub(behind + 4).filter(|at| *at >= RTCP_HEADER)?;
        super::word(packet, at).map(|word| word & !ENCRYPTED)
    }

    pub(super) fn open_rtcp(&self, packet: &mut Vec<u8>, ssrc: u32, index: u32) -> Option<()> {
        let end = packet.len().checked_sub(self.rtcp.tag + 4).filter(|end| *end >= RTCP_HEADER)?;
        match &self.rtcp.cipher {
            Cipher::Gcm(key) => {
                let at = packet.len() - 4;
                let trailer = super::word(packet, at)?;
                // Nobody sends what is only authenticated, and half of a compound packet unread is no use.
                (trailer & ENCRYPTED != 0).then_some(())?;
                packet.truncate(at);
                let (head, body) = packet.split_at_mut(RTCP_HEADER);
                let aad = associated(head, trailer.to_be_bytes());
                key.open_in_place(self.rtcp.nonce(ssrc, index.into()), aead::Aad::from(aad), body).ok()?;
            }
            Cipher::Cm { key, auth } => {
                signed(auth, &packet[..end + 4], &[]).verify_truncated_left(&packet[end + 4..]).ok()?;
                if super::word(packet, end)? & ENCRYPTED != 0 {
                    key.apply(self.rtcp.counter(ssrc, index.into()), &mut packet[RTCP_HEADER..end]);
                }
            }
        }
        packet.truncate(end);
        Some(())
    }
}

impl From<Keyed> for Session {
    fn from(keyed: Keyed) -> Session {
        let [rtp, rtcp] = LABELS.map(|labels| Ciphers::new(&keyed, labels));
        let short = keyed.suite == Suite::Cm128Sha32;
        let rtp = if short { Ciphers { tag: 4, ..rtp } } else { rtp };
        Session { keyed, rtp, rtcp }
    }
}

impl From<Session> for Keyed {
    fn from(session: Session) -> Keyed {
        session.keyed
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.keyed.suite.name())
    }
}

impl Ciphers {
    fn new(keyed: &Keyed, [encryption, authentication, salting]: [u8; 3]) -> Ciphers {
        let Keyed { suite, key } = keyed;
        let (key, master_salt) = key.bytes().split_at(suite.key_len());
        let master = CmKey::new(key);
        let derive = |label, out: &mut [u8]| derive(&master, master_salt, label, out);
        let (mut key, mut salt) = ([0; 32], [0; 14]);
        let key = &mut key[..suite.key_len()];
        derive(encryption, key);
        derive(salting, &mut salt[..suite.salt_len()]);
        let gcm = |algorithm| {
            let key = aead::UnboundKey::new(algorithm, key).expect("a suite's key is as long as its cipher wants");
            (Cipher::Gcm(Box::new(aead::LessSafeKey::new(key))), GCM_TAG)
        };
        let (cipher, tag) = match suite {
            Suite::Gcm256 => gcm(&aead::AES_256_GCM),
            Suite::Gcm128 => gcm(&aead::AES_128_GCM),
            Suite::Cm256Sha80 | Suite::Cm128Sha80 | Suite::Cm128Sha32 => {
                let mut auth = [0; 20];
                derive(authentication, &mut auth);
                let auth = Hmac::new_from_slice(&auth).expect("a key may be of any length");
                (Cipher::Cm { key: CmKey::new(key), auth: Box::new(auth) }, SHA1_TAG)
            }
        };
        Ciphers { cipher, salt, tag }
    }

    /// The initial counter block (RFC 3711 section 4.1.1).
    fn counter(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let mut block = [0; 16];
        block[..14].copy_from_slice(&self.salt);
        xor(&mut block[4..8], &ssrc.to_be_bytes());
        xor(&mut block[8..14], &index.to_be_bytes()[2..]);
        block
    }

    /// The nonce of RFC 7714 sections 8.1 and 9.1: salt, SSRC and index; of RTCP that is 31 bits of 48.
    fn nonce(&self, ssrc: u32, index: u64) -> aead::Nonce {
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&self.salt[..12]);
        xor(&mut nonce[2..6], &ssrc.to_be_bytes());
        xor(&mut nonce[6..12], &index.to_be_bytes()[2..]);
        aead::Nonce::assume_unique_for_key(nonce)
    }
}

impl CmKey {
    fn new(key: &[u8]) -> CmKey {
        match key.len() {
            16 => CmKey::Short(Box::new(Aes128::new_from_slice(key).expect("16 bytes are a key"))),
            _ => CmKey::Long(Box::new(Aes256::new_from_slice(key).expect("a suite's longer key has 32 bytes"))),
        }
    }

    /// AES in counter mode: the same either way.
    fn apply(&self, counter: [u8; 16], bytes: &mut [u8]) {
        match self {
            CmKey::Short(aes) => apply(&**aes, counter, bytes),
            CmKey::Long(aes) => apply(&**aes, counter, bytes),
        }
    }
}

fn apply<A: Clone + BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>>(aes: &A, counter: [u8; 16], bytes: &mut [u8]) {
    let core = CtrCore::<A, Ctr128BE>::inner_iv_init(aes.clone(), &counter.into());
    StreamCipherCoreWrapper::from_core(core).apply_keystream(bytes);
}

/// RFC 3711 section 4.3.3, without a key derivation rate: the key stream at the salt with the label in it.
fn derive(master: &CmKey, salt: &[u8], label: u8, out: &mut [u8]) {
    let mut block = [0; 16];
    block[..salt.len()].copy_from_slice(salt);
    block[7] ^= label;
    out.fill(0);
    master.apply(block, out);
}

/// A packet and what stands behind it without being sent (RFC 3711 section 4.2).
fn signed(auth: &Hmac<Sha1>, packet: &[u8], behind: &[u8]) -> Hmac<Sha1> {
    auth.clone().chain_update(packet).chain_update(behind)
}

fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

fn associated(head: &[u8], trailer: [u8; 4]) -> [u8; RTCP_HEADER + 4] {
    let mut aad = [0; RTCP_HEADER + 4];
    aad[..RTCP_HEADER].copy_from_slice(head);
    aad[RTCP_HEADER..].copy_from_slice(&trailer);
    aad
}

fn xor(bytes: &mut [u8], with: &[u8]) {
    bytes.iter_mut().zip(with).for_each(|(byte, with)| *byte ^= with);
}
