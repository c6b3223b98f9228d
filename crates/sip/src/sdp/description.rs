//! A session description as far as a telephone needs it (RFC 4566); what it does not need is passed over.

use super::SdpError;
use super::crypto::Crypto;
use busyhour_model::{Direction, Fingerprint};
use std::net::{IpAddr, SocketAddr};

/// Streams in one description; more is malformed.
pub(super) const MEDIA_MAX: usize = 32;
/// Keys of one stream; more are passed over.
const CRYPTOS_MAX: usize = 16;

/// One description. Everything borrows from the text.
#[derive(Debug, Default)]
pub(super) struct Description<'a> {
    /// `t=`, to be repeated in an answer (RFC 3264 section 6).
    pub(super) time: Option<&'a str>,
    common: Common<'a>,
    /// Streams, in order.
    pub(super) media: Vec<Media<'a>>,
}

/// What may stand before the first stream and in each.
#[derive(Clone, Copy, Debug, Default)]
struct Common<'a> {
    connection: Option<IpAddr>,
    direction: Option<Direction>,
    ptime: Option<&'a str>,
    maxptime: Option<&'a str>,
    /// Of a handshake: the first SHA-256 of a certificate, and who begins (RFC 8122, RFC 4145).
    fingerprint: Option<Fingerprint>,
    setup: Option<&'a str>,
    /// Of who tries out ways (RFC 8839).
    ufrag: Option<&'a str>,
    /// Who tries out none, as we do: then neither does.
    lite: bool,
}

/// One `m=` line and what follows it.
#[derive(Debug)]
pub(super) struct Media<'a> {
    /// `audio`, `video`, ….
    pub(super) kind: &'a str,
    /// 0: refused or not wanted.
    pub(super) port: u16,
    /// `RTP/AVP`, ….
    pub(super) protocol: &'a str,
    /// Payload types or other formats, as they came.
    pub(super) formats: Vec<&'a str>,
    common: Common<'a>,
    rtcp: Option<&'a str>,
    /// RTCP goes where RTP goes (RFC 5761).
    pub(super) rtcp_mux: bool,
    /// Its name in the description (RFC 5888).
    pub(super) mid: Option<&'a str>,
    /// Values of `a=crypto`, in order.
    cryptos: Vec<&'a str>,
    rtpmaps: Vec<(&'a str, &'a str)>,
}

impl<'a> Description<'a> {
    /// The description in `text`. It starts with `v=0`; lines that are not `x=…` are passed over.
    pub(super) fn parse(text: &'a str) -> Result<Description<'a>, SdpError> {
        let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
        if lines.next().map(str::trim_end) != Some("v=0") {
            return Err(SdpError::Malformed);
        }
        let mut description = Description::default();
        for line in lines {
            let Some((kind, value)) = line.split_once('=') else { continue };
            description.line(kind, value.trim())?;
        }
        for media in &mut description.media {
            media.common = media.common.or(description.common);
        }
        Ok(description)
    }

    fn line(&mut self, kind: &str, value: &'a str) -> Result<(), SdpError> {
        let common = self.media.last_mut().map_or(&mut self.common, |media| &mut media.common);
        match kind {
            "t" => self.time = self.time.or(Some(value)),
            "c" => common.connection = common.connection.or(address(value)),
            "a" => {
                let (name, value) = value.split_once(':').unwrap_or((value, ""));
                common.attribute(name, value);
                if let Some(media) = self.media.last_mut() {
                    media.attribute(name, value);
                }
            }
            "m" if self.media.len() == MEDIA_MAX => return Err(SdpError::Malformed),
            "m" => self.media.push(Media::parse(value).ok_or(SdpError::Malformed)?),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Common<'a> {
    fn attribute(&mut self, name: &str, value: &'a str) {
        match name {
            "sendrecv" => self.direction = Some(Direction::SendRecv),
            "sendonly" => self.direction = Some(Direction::SendOnly),
            "recvonly" => self.direction = Some(Direction::RecvOnly),
            "inactive" => self.direction = Some(Direction::Inactive),
            "ptime" => self.ptime = Some(value),
            "maxptime" => self.maxptime = Some(value),
            "fingerprint" => self.fingerprint = self.fingerprint.or_else(|| fingerprint(value)),
            "setup" => self.setup = Some(value),
            "ice-lite" => self.lite = true,
            "ice-ufrag" => self.ufrag = Some(value).filter(|ufrag| is_ufrag(ufrag)),
            _ => {}
        }
    }

    fn or(self, session: Common<'a>) -> Common<'a> {
        Common {
            connection: self.connection.or(session.connection),
            direction: self.direction.or(session.direction),
            ptime: self.ptime.or(session.ptime),
            maxptime: self.maxptime.or(session.maxptime),
            fingerprint: self.fingerprint.or(session.fingerprint),
            setup: self.setup.or(session.setup),
            ufrag: self.ufrag.or(session.ufrag),
            lite: self.lite || session.lite,
        }
    }
}

impl<'a> Media<'a> {
    /// `audio 49170[/2] RTP/AVP 0 8 101`.
    fn parse(value: &'a str) -> Option<Media<'a>> {
        let mut words = value.split_ascii_whitespace();
        let (kind, port, protocol) = (words.next()?, words.next()?, words.next()?);
        let port = port.split('/').next()?.parse().ok()?;
        let formats: Vec<_> = words.collect();
        let printable = !formats.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        printable.then(|| Media {
            kind,
            port,
            protocol,
            formats,
            common: Common::default(),
            rtcp: None,
            rtcp_mux: false,
            mid: None,
            cryptos: Vec::new(),
            rtpmaps: Vec::new(),
        })
    }

    fn attribute(&mut self, name: &str, value: &'a str) {
        match name {
            "rtcp" => self.rtcp = Some(value),
            "rtcp-mux" => self.rtcp_mux = true,
            "mid" => self.mid = Some(value).filter(|mid| mid.bytes().all(|byte| byte.is_ascii_graphic())),
            "crypto" if self.cryptos.len() < CRYPTOS_MAX => self.cryptos.push(value),
            "rtpmap" => self.rtpmaps.extend(value.split_once(' ').map(|(format, codec)| (format, codec.trim()))),
            _ => {}
        }
    }

    /// `name/clock[/channels]` of a payload type, when a line says so.
    pub(super) fn rtpmap(&self, format: &str) -> Option<&'a str> {
        self.rtpmaps.iter().find(|(found, _)| *found == format).map(|(_, codec)| *codec)
    }

    /// The keys we can use, in order.
    pub(super) fn cryptos(&self) -> impl Iterator<Item = Crypto> + '_ {
        self.cryptos.iter().filter_map(|value| Crypto::parse(value))
    }

    /// Of the certificate to be shown in a handshake.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.common.fingerprint
    }

    /// Who begins a handshake.
    pub(super) fn setup(&self) -> Option<&'a str> {
        self.common.setup
    }

    /// Of who tries out ways.
    pub(super) fn ufrag(&self) -> Option<&'a str> {
        self.common.ufrag.filter(|_| !self.common.lite)
    }

    /// Where the stream goes to; `None` without an address we can read, or with port 0.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.common.connection.filter(|_| self.port != 0).map(|ip| SocketAddr::new(ip, self.port))
    }

    /// Where its reports go to: `a=rtcp` (RFC 3605), else one port above (RFC 3550 section 11).
    pub(super) fn remote_rtcp(&self, remote: SocketAddr) -> SocketAddr {
        let (port, rest) = self.rtcp.map_or(("", ""), |rtcp| rtcp.split_once(' ').unwrap_or((rtcp, "")));
        let port = port.trim().parse().ok().filter(|port| *port != 0).unwrap_or(remote.port().saturating_add(1));
        SocketAddr::new(address(rest).unwrap_or(remote.ip()), port)
    }

    /// As the speaker says it. An unspecified address is the hold of old: the speaker receives nothing (RFC 3264 section 8.4), but who tries
    /// out ways has only found none yet.
    pub(super) fn direction(&self) -> Direction {
        let said = self.common.direction.unwrap_or_default();
        let reachable = self.ufrag().is_some() || self.common.connection.is_some_and(|ip| !ip.is_unspecified());
        direction(said.sends(), said.receives() && reachable)
    }

    /// Milliseconds per packet that the speaker wants to receive: a multiple of 10 from 10 to 60, 20 when it does not matter.
    pub(super) fn ptime_ms(&self) -> u8 {
        let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u16>().ok()).filter(|ms| *ms > 0);
        let wanted = number(self.common.ptime).unwrap_or(20).min(number(self.common.maxptime).unwrap_or(u16::MAX));
        (wanted / 10 * 10).clamp(10, 60) as u8
    }
}

/// The direction in which one sends and receives so.
pub(super) fn direction(sends: bool, receives: bool) -> Direction {
    match (sends, receives) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    }
}

/// `sha-256 AB:CD:…`
fn fingerprint(value: &str) -> Option<Fingerprint> {
    let (hash, digits) = value.split_once(' ')?;
    Fingerprint::parse(digits.trim()).filter(|_| hash.eq_ignore_ascii_case("sha-256"))
}

/// 4 to 256 of the characters of RFC 8839 section 5.4.
fn is_ufrag(ufrag: &str) -> bool {
    (4..=256).contains(&ufrag.len()) && ufrag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
}

/// `IN IP4 192.0.2.1[/ttl]`. A host name is no address: nothing here can resolve it.
fn address(value: &str) -> Option<IpAddr> {
    let mut words = value.split_ascii_whitespace();
    let (net, kind, address) = (words.next()?, words.next()?, words.next()?);
    let address: IpAddr = address.split('/').next()?.parse().ok()?;
    (net == "IN" && kind == if address.is_ipv4() { "IP4" } else { "IP6" }).then_some(address)
}
