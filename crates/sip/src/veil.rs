//! A message for people to see: what could be used to get in is starred, telephone numbers too if wished; no length changes.

use crate::HeaderName;
use busyhour_model::{Number, NumberKind};

/// Digest parameters that help to guess a password (RFC 7616 section 3.4).
const SECRETS: [&str; 3] = ["response", "cnonce", "rspauth"];
/// Headers without people's numbers, in which other long numbers stand.
const NUMBERLESS: [HeaderName; 5] =
    [HeaderName::Via, HeaderName::CallId, HeaderName::CSeq, HeaderName::RAck, HeaderName::RSeq];
/// Fewer digits are nobody's telephone number.
const DIGITS_MIN: usize = 7;

/// Stars, in place, what answers a challenge, pressed keys, what follows a star code and the values of the headers in
/// `secrets`; with `numbers` also the four digits before the last four of telephone numbers, but of service numbers.
pub fn veil(message: &mut [u8], numbers: bool, secrets: &[impl AsRef<str>]) {
    let end = memchr::memmem::find(message, b"\r\n\r\n").unwrap_or(message.len());
    let (head, body) = message.split_at_mut(end);
    let mut dtmf = false;
    for (index, line) in head.split_mut(|byte| *byte == b'\n').enumerate() {
        let colon = memchr::memchr(b':', line).unwrap_or(0);
        let name = if index == 0 { HeaderName::Other } else { HeaderName::parse(line[..colon].trim_ascii()) };
        let secret =
            |secret: &dyn AsRef<str>| line[..colon].trim_ascii().eq_ignore_ascii_case(secret.as_ref().as_bytes());
        if index > 0 && secrets.iter().any(|name| secret(name)) {
            line[colon + 1..].iter_mut().filter(|byte| byte.is_ascii_graphic()).for_each(star);
            continue;
        }
        match name {
            HeaderName::Authorization | HeaderName::ProxyAuthorization | HeaderName::AuthenticationInfo => {
                SECRETS.iter().for_each(|secret| star_param(line, secret));
            }
            HeaderName::ContentType => dtmf = memchr::memmem::find(line, b"dtmf").is_some(),
            name if NUMBERLESS.contains(&name) => continue,
            _ => {}
        }
        star_codes(line);
        if numbers {
            star_numbers(line);
        }
    }
    if dtmf {
        star_keys(body);
    }
    star_crypto(body);
}

/// `name="value"` or `name=value`.
fn star_param(line: &mut [u8], name: &str) {
    let mut from = 0;
    while let Some(found) = find_ignoring_case(&line[from..], name.as_bytes()) {
        let (before, after) = (from + found, from + found + name.len());
        from = after;
        let apart = before == 0 || matches!(line[before - 1], b' ' | b',' | b'\t');
        let value = after + line[after..].iter().take_while(|byte| **byte == b' ').count();
        if !apart || line.get(value) != Some(&b'=') {
            continue;
        }
        let ends = |byte: &u8| matches!(byte, b',' | b'\r');
        line[value + 1..]
            .iter_mut()
            .take_while(|byte| !ends(byte))
            .filter(|byte| byte.is_ascii_alphanumeric())
            .for_each(star);
    }
}

fn find_ignoring_case(line: &[u8], word: &[u8]) -> Option<usize> {
    line.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word))
}

/// What a user part says after its star code: the PIN of whoever signs in, the reason of whoever leaves.
fn star_codes(line: &mut [u8]) {
    for start in ["sip:*", "sips:*", "sip:%2a", "sips:%2a"] {
        let Some(found) = find_ignoring_case(line, start.as_bytes()) else { continue };
        let user = line[found + start.len()..].iter_mut().take_while(|byte| !matches!(byte, b'@' | b';' | b'>' | b' '));
        user.skip(2).filter(|byte| byte.is_ascii_digit()).for_each(star);
    }
}

/// `Signal=5` (RFC 6086's old `application/dtmf-relay`), or a body that is the key alone.
fn star_keys(body: &mut [u8]) {
    match find_ignoring_case(body, b"signal") {
        Some(at) => {
            body[at..].iter_mut().skip(6).take_while(|byte| **byte != b'\r' && **byte != b'\n').skip(1).for_each(star)
        }
        None => body.iter_mut().filter(|byte| byte.is_ascii_digit()).for_each(star),
    }
}

/// In a session description keys of sound (RFC 4568), and what shows whose way it is (RFC 8839).
fn star_crypto(body: &mut [u8]) {
    for name in [&b"inline:"[..], b"ice-pwd:"] {
        let mut from = 0;
        while let Some(found) = find_ignoring_case(&body[from..], name) {
            from += found + name.len();
            body[from..].iter_mut().take_while(|byte| byte.is_ascii_graphic() && **byte != b'|').for_each(star);
        }
    }
}

/// Runs of digits where a number may begin: after a scheme, a plus, a quote, a bracket or a space.
fn star_numbers(line: &mut [u8]) {
    let mut at = 0;
    while at < line.len() {
        let run = line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let begins = at == 0 || matches!(line[at - 1], b':' | b'+' | b'"' | b'<' | b' ');
        let ends = line.get(at + run).is_none_or(|byte| *byte != b'.');
        if begins && ends && run >= DIGITS_MIN && is_personal(&line[at..at + run]) {
            line[at + run - 8.min(run)..at + run - 4].iter_mut().for_each(star);
        }
        at += run.max(1);
    }
}

fn is_personal(digits: &[u8]) -> bool {
    let number = Number::parse(std::str::from_utf8(digits).unwrap_or_default());
    number.kind != NumberKind::Short || digits.len() > 10
}

fn star(byte: &mut u8) {
    *byte = b'*';
}

#[cfg(test)]
mod tests {
    use super::*;

    fn veiled(text: &str, numbers: bool) -> String {
        let mut message = text.as_bytes().to_vec();
        veil(&mut message, numbers, &["X-Trunk-Key"]);
        assert_eq!(message.len(), text.len(), "no length changes");
        String::from_utf8(message).unwrap_or_default()
    }

    #[test]
    fn what_answers_a_challenge_is_starred_and_the_rest_stays_readable() {
        let line = "Proxy-Authorization: Digest username=\"1001\", realm=\"r\", cnonce=\"aB1\", nc=00000001, Response=\"0f9e\",uri=\"sip:response=1@h\"";
        let seen = veiled(&format!("INVITE sip:h SIP/2.0\r\n{line}\r\n\r\n"), false);
        assert!(
            seen.contains("username=\"1001\", realm=\"r\", cnonce=\"***\", nc=00000001, Response=\"****\",uri="),
            "{seen}"
        );
        let other = "INVITE sip:h SIP/2.0\r\nX-Note: response=\"0f9e\"\r\n\r\n";
        assert_eq!(veiled(other, true), other);
    }

    #[test]
    fn numbers_of_people_lose_four_digits_and_service_numbers_none() {
        let text = "INVITE sip:13800138000@10.20.30.40:5060 SIP/2.0\r\nFrom: \"13800138000\" <sip:+8613800138000@h>;tag=1234567890123\r\n\
                    To: <tel:4008671888>\r\nCall-ID: 13800138000@x\r\nCSeq: 13800138 INVITE\r\nContact: <sip:95118@h>\r\n\r\n";
        let seen = veiled(text, true);
        assert!(seen.contains("sip:138****8000@10.20.30.40:5060"), "{seen}");
        assert!(seen.contains("\"138****8000\" <sip:+86138****8000@h>;tag=1234567890123"), "{seen}");
        for same in ["<tel:4008671888>", "Call-ID: 13800138000@x", "CSeq: 13800138 ", "sip:95118@h"] {
            assert!(seen.contains(same), "{same} in {seen}");
        }
        assert_eq!(veiled(text, false), text);
    }

    #[test]
    fn a_carriers_secret_is_starred_however_it_is_spelt() {
        let seen = veiled("INVITE sip:h SIP/2.0\r\nx-trunk-key : a b;c\r\nX-Trunk-Keys: d\r\n\r\n", false);
        assert_eq!(seen, "INVITE sip:h SIP/2.0\r\nx-trunk-key : * ***\r\nX-Trunk-Keys: d\r\n\r\n");
    }

    #[test]
    fn keys_of_sound_are_starred() {
        let body = "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:QUJD+/==|2^20\r\na=crypto:2 X INLINE:QQ\r\na=ice-pwd:ab+/\r\n";
        let seen = veiled(&format!("INVITE sip:h SIP/2.0\r\nContent-Type: application/sdp\r\n\r\n{body}"), false);
        assert!(seen.ends_with("inline:********|2^20\r\na=crypto:2 X INLINE:**\r\na=ice-pwd:****\r\n"), "{seen}");
    }

    #[test]
    fn pins_are_starred_whether_dialled_or_pressed() {
        assert_eq!(
            veiled("INVITE sip:*741001*9876@h SIP/2.0\r\n\r\n", false),
            "INVITE sip:*74*********@h SIP/2.0\r\n\r\n"
        );
        let info = "INFO sip:h SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160\r\n";
        assert!(veiled(info, false).ends_with("Signal=*\r\nDuration=160\r\n"));
        let info = "INFO sip:h SIP/2.0\r\nContent-Type: application/dtmf\r\n\r\n5";
        assert!(veiled(info, false).ends_with("\r\n\r\n*"));
    }
}
