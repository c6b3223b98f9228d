//! For whom a certificate is: its alternative names, or its subject when it has none (RFC 5922 section 7.1).

use rustls::pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

/// Whether a certificate is for this host name, address or `sip:` domain.
pub(super) fn is_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return false };
    let by_host =
        ServerName::try_from(name).is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok());
    let by_uri =
        || certificate.valid_uri_names().any(|uri| domain(uri).is_some_and(|it| it.eq_ignore_ascii_case(name)));
    let unnamed = || certificate.valid_uri_names().next().is_none() && certificate.valid_dns_names().next().is_none();
    by_host
        || by_uri()
        || (unnamed() && common_name(certificate.subject()).is_some_and(|it| it.eq_ignore_ascii_case(name)))
}

/// The domain of a `sip:` URI without user part: with one it names a person.
fn domain(uri: &str) -> Option<&str> {
    let rest = uri.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("sip:")).and(uri.get(4..))?;
    (!rest.contains('@')).then(|| rest.split([':', ';', '?']).next().unwrap_or(rest))
}

/// The last common name (OID 2.5.4.3) of a subject in DER.
fn common_name(subject: &[u8]) -> Option<&str> {
    const OID: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
    let at = subject.windows(OID.len()).rposition(|window| window == OID)? + OID.len();
    // A string's tag, and one byte of length: names over 64 characters are not allowed.
    let length = usize::from(*subject.get(at + 1)?);
    std::str::from_utf8(subject.get(at + 2..at + 2 + length)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sip_uri_names_a_domain_unless_it_names_a_person() {
        let cases = [
            ("sip:carrier.example", Some("carrier.example")),
            ("SIP:carrier.example:5061;transport=tls", Some("carrier.example")),
            ("sip:bob@carrier.example", None),
            ("https://carrier.example", None),
            ("s", None),
        ];
        for (uri, named) in cases {
            assert_eq!(domain(uri), named, "{uri}");
        }
    }

    #[test]
    fn the_common_name_is_cut_out_of_a_subject() {
        let subject = b"\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02CN\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x03sbc";
        assert_eq!(common_name(subject), Some("sbc"));
        assert_eq!(common_name(&subject[..subject.len() - 1]), None, "cut short");
        assert_eq!(common_name(b""), None);
    }
}
