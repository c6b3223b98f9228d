//! Why calls end, by ITU-T Q.850 and by SIP: which stands for which (RFC 3398), and how it is told (RFC 3326).

use crate::parts::owned_params;
use crate::uri::param;
use crate::{HeaderName, Headers};
use serde::{Deserialize, Serialize};

/// Reasons of one message that are read.
const REASONS_MAX: usize = 8;

/// What a message says of why a call ends (`Reason`); the first of each protocol counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// ITU-T Q.850, 1-127.
    pub cause: Option<u8>,
    /// Status of SIP, 100-699.
    pub status: Option<u16>,
}

impl Reason {
    /// `None`: nothing is said, or nothing that can be read.
    pub(crate) fn of(headers: &Headers) -> Option<Reason> {
        let mut reason = Reason::default();
        for value in headers.list(HeaderName::Reason).take(REASONS_MAX) {
            let (protocol, rest) = value.split_at(value.iter().position(|byte| *byte == b';').unwrap_or(value.len()));
            let said = param(&owned_params(rest), "cause").and_then(|cause| cause.parse::<u16>().ok());
            match said {
                Some(cause @ 1..=127) if protocol.trim_ascii().eq_ignore_ascii_case(b"Q.850") => {
                    reason.cause.get_or_insert(cause as u8);
                }
                Some(status @ 100..=699) if protocol.trim_ascii().eq_ignore_ascii_case(b"SIP") => {
                    reason.status.get_or_insert(status);
                }
                _ => {}
            }
        }
        (reason != Reason::default()).then_some(reason)
    }
}

/// What a final response stands for in Q.850 (RFC 3398 section 8.2.6.1).
pub fn cause_of(status: u16) -> u8 {
    match status {
        200..=299 | 487 => 16,
        300..=399 => 23,
        404 | 485 | 604 => 1,
        486 | 600 => 17,
        480 => 18,
        401 | 402 | 403 | 407 | 603 => 21,
        410 => 22,
        482 | 483 => 25,
        484 => 28,
        502 => 38,
        405 => 63,
        488 | 606 => 65,
        406 | 415 | 501 => 79,
        408 | 504 => 102,
        400 | 481 | 500 | 503 => 41,
        401..=499 | 505..=599 => 127,
        _ => 31,
    }
}

/// The response a cause of Q.850 stands for (RFC 3398 section 7.2.4.1); one that is not in its table, like its class.
pub fn status_of(cause: u8) -> u16 {
    match cause {
        1..=3 | 26 => 404,
        17 => 486,
        18 => 408,
        16 | 19 | 20 | 31 => 480,
        21 | 55 | 57 | 87 => 403,
        22 | 23 => 410,
        25 => 483,
        27 => 502,
        28 => 484,
        29 | 79 => 501,
        65 | 70 => 488,
        102 => 504,
        0..=31 => 480,
        32..=63 | 88 => 503,
        64..=79 => 501,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<Reason> {
        let mut headers = Headers::default();
        values.iter().for_each(|value| headers.push(HeaderName::Reason, value));
        Reason::of(&headers)
    }

    #[test]
    fn reasons_are_read_however_they_are_written() {
        let q850 = |cause| Some(Reason { cause: Some(cause), status: None });
        let both = Some(Reason { cause: Some(17), status: Some(486) });
        let forms: [(&[&str], Option<Reason>); 13] = [
            (&["Q.850;cause=17"], q850(17)),
            (&["Q.850 ;cause=16 ;text=\"Terminated\""], q850(16)),
            (&["q.850; CAUSE=127;text=\"a, b; c\""], q850(127)),
            (&["SIP;cause=486,Q.850;cause=17"], both),
            (&["Q.850;cause=17;text=\"busy\"", "SIP ;cause=486"], both),
            (&["Q.850;cause=1, Q.850;cause=2"], q850(1)),
            (&["SIP;cause=200;text=\"Call completed elsewhere\""], Some(Reason { cause: None, status: Some(200) })),
            (&["Q.850"], None),
            (&["Q.850;cause=0"], None),
            (&["Q.850;cause=128"], None),
            (&["Q.850;cause=x;cause=17"], None),
            (&["X.25;cause=17"], None),
            (&[""], None),
        ];
        for (values, reason) in forms {
            assert_eq!(read(values), reason, "{values:?}");
        }
    }

    #[test]
    fn no_more_reasons_are_read_than_a_message_has() {
        let mut values = vec!["X.25;cause=1"; REASONS_MAX];
        values.push("Q.850;cause=17");
        assert_eq!(read(&values), None);
        assert!(read(&values[1..]).is_some());
    }

    /// RFC 3398 section 8.2.6.1.
    #[test]
    fn responses_stand_for_their_causes() {
        let table = [
            (400, 41),
            (401, 21),
            (402, 21),
            (403, 21),
            (404, 1),
            (405, 63),
            (406, 79),
            (407, 21),
            (408, 102),
            (410, 22),
            (413, 127),
            (414, 127),
            (415, 79),
            (416, 127),
            (420, 127),
            (421, 127),
            (423, 127),
            (480, 18),
            (481, 41),
            (482, 25),
            (483, 25),
            (484, 28),
            (485, 1),
            (486, 17),
            (500, 41),
            (501, 79),
            (502, 38),
            (503, 41),
            (504, 102),
            (505, 127),
            (513, 127),
            (600, 17),
            (603, 21),
            (604, 1),
        ];
        for (status, cause) in table {
            assert_eq!(cause_of(status), cause, "{status}");
        }
    }

    /// RFC 3398 section 7.2.4.1.
    #[test]
    fn causes_stand_for_their_responses() {
        let table = [
            (1, 404),
            (2, 404),
            (3, 404),
            (17, 486),
            (18, 408),
            (19, 480),
            (20, 480),
            (21, 403),
            (22, 410),
            (23, 410),
            (26, 404),
            (27, 502),
            (28, 484),
            (29, 501),
            (31, 480),
            (34, 503),
            (38, 503),
            (41, 503),
            (42, 503),
            (47, 503),
            (55, 403),
            (57, 403),
            (58, 503),
            (65, 488),
            (70, 488),
            (79, 501),
            (87, 403),
            (88, 503),
            (102, 504),
            (111, 500),
            (127, 500),
        ];
        for (cause, status) in table {
            assert_eq!(status_of(cause), status, "{cause}");
        }
        assert!((0..=u8::MAX).all(|cause| (400..700).contains(&status_of(cause))));
    }
}
