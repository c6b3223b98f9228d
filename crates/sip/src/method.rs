//! The request methods of SIP, compared byte by byte (RFC 3261 section 7.1).

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! methods {
    ($($name:ident = $text:literal, $rfc:literal;)*) => {
        /// What a request asks for. Case-sensitive: `invite` is `Other`.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Method {
            $(#[doc = $rfc] $name,)*
            /// Any other token; answered 501 unless it belongs to a known dialog usage.
            Other(String),
        }

        impl Method {
            /// Every method with a name of its own.
            pub const KNOWN: &[Method] = &[$(Method::$name),*];

            /// The method of that name; `None` when it is not a token (RFC 3261 section 25.1).
            pub fn parse(text: &[u8]) -> Option<Method> {
                $(if text == $text.as_bytes() { return Some(Method::$name); })*
                crate::value::token(text).map(|name| Method::Other(name.to_owned()))
            }

            /// As written in a start line.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Method::$name => $text,)*
                    Method::Other(name) => name,
                }
            }
        }
    };
}

methods! {
    Invite = "INVITE", "RFC 3261 section 13.";
    Ack = "ACK", "RFC 3261 section 13.";
    Bye = "BYE", "RFC 3261 section 15.";
    Cancel = "CANCEL", "RFC 3261 section 9.";
    Options = "OPTIONS", "RFC 3261 section 11.";
    Register = "REGISTER", "RFC 3261 section 10.";
    Info = "INFO", "RFC 6086.";
    Update = "UPDATE", "RFC 3311.";
    Prack = "PRACK", "RFC 3262.";
    Subscribe = "SUBSCRIBE", "RFC 6665.";
    Notify = "NOTIFY", "RFC 6665.";
    Refer = "REFER", "RFC 3515.";
    Message = "MESSAGE", "RFC 3428.";
    Publish = "PUBLISH", "RFC 3903.";
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
