//! Who calls: what the headers of an INVITE say, and how ours say it (RFC 3323, 3325, 5806, 7044).

use crate::{HeaderName, Headers, Host, NameAddr, Request, Scheme, Uri};
use serde::{Deserialize, Serialize};

/// Bytes kept of one raw header.
const RAW_MAX: usize = 256;
/// The headers that say who calls and whom, in the order they are kept.
const TELLING: [HeaderName; 8] = [
    HeaderName::From,
    HeaderName::To,
    HeaderName::PAssertedIdentity,
    HeaderName::PPreferredIdentity,
    HeaderName::RemotePartyId,
    HeaderName::Privacy,
    HeaderName::Diversion,
    HeaderName::HistoryInfo,
];

/// What the headers of an INVITE say of its caller: user parts or `tel:` numbers, raw. Whom to believe is the switch's to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identities {
    /// From; empty when it has no user.
    pub from: String,
    /// P-Asserted-Identity (RFC 3325 section 9.1): of two the `tel:` one.
    pub asserted: Option<String>,
    /// P-Preferred-Identity.
    pub preferred: Option<String>,
    /// Remote-Party-ID, which some networks never gave up.
    pub remote_party: Option<String>,
    /// The caller asked for the number to be withheld: `Privacy: id`, `user` or `header` (RFC 3323 section 4.2), or `privacy=full`.
    pub private: bool,
    /// Those headers as they came, the first of each, and the Request-URI; at most 256 bytes of each.
    pub raw: Vec<(String, String)>,
}

/// How numbers are written in the addresses of a trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `sip:number@domain`.
    #[default]
    Sip,
    /// `sip:number@domain;user=phone`.
    UserPhone,
    /// `tel:number`; with `phone-context` when it does not begin with `+` (RFC 3966 section 5.1.5).
    Tel,
}

/// How an INVITE says who calls, beside From.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// How numbers are written, in all addresses.
    pub form: Form,
    /// The number in To, when it is not that of the Request-URI.
    pub to: Option<String>,
    /// In P-Asserted-Identity.
    pub asserted: Option<String>,
    /// In P-Preferred-Identity.
    pub preferred: Option<String>,
    /// In Remote-Party-ID.
    pub remote_party: Option<String>,
    /// Whoever is called may not see the number: From is anonymous, and Privacy asks the carrier for the same.
    pub private: bool,
    /// The number of ours that was called first, for a caller who is passed on: in Diversion (RFC 5806).
    pub diversion: Option<String>,
    /// The same in History-Info (RFC 7044).
    pub history: Option<String>,
}

impl Identities {
    pub(crate) fn of(request: &Request) -> Identities {
        let headers = &request.headers;
        Identities {
            from: headers.from().ok().and_then(|from| number_of(&from)).unwrap_or_default(),
            asserted: first_number(headers, HeaderName::PAssertedIdentity),
            preferred: first_number(headers, HeaderName::PPreferredIdentity),
            remote_party: first_number(headers, HeaderName::RemotePartyId),
            private: is_private(headers),
            raw: raw(request),
        }
    }
}

fn is_private(headers: &Headers) -> bool {
    let asks = |value: &[u8]| {
        let mut words = value.split(|byte| matches!(byte, b';' | b',')).map(<[u8]>::trim_ascii);
        words.any(|word| [&b"id"[..], b"user", b"header"].iter().any(|asks| word.eq_ignore_ascii_case(asks)))
    };
    let full = |party: &NameAddr| party.param("privacy").is_some_and(|how| how.eq_ignore_ascii_case("full"));
    headers.all(HeaderName::Privacy).any(asks)
        || headers.address(HeaderName::RemotePartyId).is_ok_and(|party| full(&party))
}

fn raw(request: &Request) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(RAW_MAX)]).into_owned();
    let header = |name: &HeaderName| {
        let value = request.headers.first(*name)?;
        Some((name.as_str().to_owned(), text(value)))
    };
    let uri = request.uri.to_string();
    let uri = ("Request-URI".to_owned(), text(uri.as_bytes()));
    std::iter::once(uri).chain(TELLING.iter().filter_map(header)).collect()
}

/// The number of a field of addresses: that of a `tel:` URI before that of another.
pub(crate) fn first_number(headers: &Headers, name: HeaderName) -> Option<String> {
    let addresses = headers.addresses(name).ok()?;
    let tel = addresses.iter().find(|address| address.uri.scheme == Scheme::Tel);
    tel.and_then(number_of).or_else(|| addresses.iter().find_map(number_of))
}

fn number_of(address: &NameAddr) -> Option<String> {
    address.uri.user_unescaped().filter(|user| !user.is_empty())
}

impl Form {
    /// The address of a number at a trunk.
    pub(crate) fn uri(self, number: &str, domain: &Host, port: Option<u16>) -> Uri {
        if self == Form::Tel && is_dialable(number) {
            let mut uri = Uri::sip(Some(number), Host::Domain(String::new()), None);
            uri.scheme = Scheme::Tel;
            if !number.starts_with('+') {
                uri.params.push(("phone-context".to_owned(), Some(domain.to_string())));
            }
            return uri;
        }
        let mut uri = Uri::sip(Some(number).filter(|number| !number.is_empty()), domain.clone(), port);
        if self == Form::UserPhone && is_dialable(number) {
            uri.params.push(("user".to_owned(), Some("phone".to_owned())));
        }
        uri
    }
}

/// Whether this can stand in a `tel:` URI (RFC 3966 section 3, without letters).
fn is_dialable(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or(number);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#'))
}

impl Identity {
    /// From of an INVITE, without a tag (RFC 3323 section 4.1.1.3).
    pub(crate) fn from(&self, number: &str, display: Option<&str>, domain: &Host) -> NameAddr {
        if self.private {
            let nobody = Uri::sip(Some("anonymous"), Host::Domain("anonymous.invalid".to_owned()), None);
            return NameAddr { display: Some("Anonymous".to_owned()), ..NameAddr::new(nobody) };
        }
        NameAddr { display: display.map(str::to_owned), ..NameAddr::new(self.form.uri(number, domain, None)) }
    }

    /// To of an INVITE to `dialled`.
    pub(crate) fn to(&self, dialled: &str, domain: &Host) -> NameAddr {
        NameAddr::new(self.form.uri(self.to.as_deref().unwrap_or(dialled), domain, None))
    }

    /// Puts what is to be said into the headers of an INVITE to `target`.
    pub(crate) fn write(&self, headers: &mut Headers, target: &Uri, domain: &Host) {
        let address = |number: &str| NameAddr::new(self.form.uri(number, domain, None));
        let said = [(HeaderName::PAssertedIdentity, &self.asserted), (HeaderName::PPreferredIdentity, &self.preferred)];
        for (name, number) in said {
            if let Some(number) = number {
                headers.push(name, address(number).to_string());
            }
        }
        if let Some(number) = &self.remote_party {
            let privacy = if self.private { "full" } else { "off" };
            let party = format!("{};party=calling;privacy={privacy};screen=yes", address(number));
            headers.push(HeaderName::RemotePartyId, party);
        }
        if self.private {
            headers.push(HeaderName::Privacy, "id");
        }
        if let Some(number) = &self.diversion {
            headers.push(HeaderName::Diversion, format!("{};reason=unconditional;counter=1", address(number)));
        }
        if let Some(number) = &self.history {
            headers.push(HeaderName::HistoryInfo, history(&address(number), target));
        }
    }
}

/// Where the call was meant to go, and where it goes instead: RFC 7044 section 5.1, the cause by RFC 4458.
fn history(first: &NameAddr, target: &Uri) -> String {
    let mut now = target.clone();
    now.params.push(("cause".to_owned(), Some("302".to_owned())));
    format!("{first};index=1, {};index=1.1;mp=1", NameAddr::new(now))
}
