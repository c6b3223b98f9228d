//! AWS Signature Version 4 in the headers of one request: what Amazon S3, MinIO, Ceph, Garage and their like ask for.

use super::Credentials;
use crate::digest::{digest, hex};
use busyhour_model::Time;
use busyhour_model::calendar::Local;
use ring::hmac;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "s3";

/// What is asked, as it goes over the wire. There is no query.
pub(super) struct Asked<'r> {
    pub(super) method: &'r str,
    /// Escaped.
    pub(super) path: &'r str,
    /// By their names in small letters, in their order.
    pub(super) headers: &'r [(&'static str, String)],
    /// Of the body, hexadecimal.
    pub(super) sha256: &'r str,
}

/// `20130524T000000Z`.
pub(super) fn stamp(at: Time) -> String {
    let local = Local::of(at, 0);
    format!("{}T{}{:02}Z", local.date().replace('-', ""), local.time().replace(':', ""), at.as_secs() % 60)
}

/// The value of `authorization`.
pub(super) fn signed(credentials: &Credentials, region: &str, stamp: &str, asked: &Asked) -> String {
    let headers: String = asked.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let names = asked.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let Asked { method, path, sha256, .. } = asked;
    let canonical = format!("{method}\n{path}\n\n{headers}\n{names}\n{sha256}");
    let day = stamp.split('T').next().unwrap_or_default();
    let scope = format!("{day}/{region}/{SERVICE}/aws4_request");
    let canonical = digest(canonical.as_bytes()).expect("a text is read whole");
    let text = format!("{ALGORITHM}\n{stamp}\n{scope}\n{canonical}");
    let first = format!("AWS4{}", credentials.secret).into_bytes();
    let key = [day, region, SERVICE, "aws4_request"].iter().fold(first, |key, word| mac(&key, word));
    let signature = hex(&mac(&key, &text));
    format!("{ALGORITHM} Credential={}/{scope},SignedHeaders={names},Signature={signature}", credentials.id)
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::EMPTY;

    /// Amazon S3 API reference, "Authenticating Requests: Using the Authorization Header", its examples.
    #[test]
    fn requests_are_signed_as_amazon_signs_them() {
        let credentials = Credentials {
            id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            token: None,
        };
        let stamp = stamp(Time::from_secs(1_369_353_600));
        assert_eq!(stamp, "20130524T000000Z");
        let host = ("host", "examplebucket.s3.amazonaws.com".to_owned());
        let header = |name, value: &str| (name, value.to_owned());
        let range = [
            host.clone(),
            header("range", "bytes=0-9"),
            header("x-amz-content-sha256", EMPTY),
            header("x-amz-date", &stamp),
        ];
        let get = Asked { method: "GET", path: "/test.txt", headers: &range, sha256: EMPTY };
        let authorization = signed(&credentials, "us-east-1", &stamp, &get);
        assert_eq!(
            authorization,
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let sha256 = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        let class = [
            header("date", "Fri, 24 May 2013 00:00:00 GMT"),
            host,
            header("x-amz-content-sha256", sha256),
            header("x-amz-date", &stamp),
            header("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        let put = Asked { method: "PUT", path: "/test%24file.text", headers: &class, sha256 };
        let authorization = signed(&credentials, "us-east-1", &stamp, &put);
        let signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
        assert!(authorization.ends_with(&format!("Signature={signature}")), "{authorization}");
    }
}
