//! Questions to a name server and what it answers, as bytes (RFC 1035 section 4, SRV of RFC 2782, NAPTR of RFC 3403).

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Records taken from one answer; further ones are not looked at.
pub const RECORDS_MAX: usize = 32;
/// Bytes of a name, and of one of its labels.
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// Jumps within one name: a loop of pointers ends here.
const JUMPS_MAX: usize = 16;

/// What is asked about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// An IPv4 address.
    A = 1,
    /// An IPv6 address (RFC 3596).
    Aaaa = 28,
    /// Hosts of a service (RFC 2782).
    Srv = 33,
    /// Transports of a domain (RFC 3403).
    Naptr = 35,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Of what kind.
    pub kind: Kind,
    /// About whom.
    pub name: String,
}

/// One record of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A or AAAA.
    Address(IpAddr),
    /// SRV.
    Srv {
        /// Lower ones first.
        priority: u16,
        /// Share among those of the same priority.
        weight: u16,
        /// Port.
        port: u16,
        /// Host; empty: there is no such service.
        target: String,
    },
    /// NAPTR.
    Naptr {
        /// Lower ones first, and none after one that can be followed.
        order: u16,
        /// Lower ones first among those of the same order.
        preference: u16,
        /// `s`: what follows is a name of SRV records.
        flags: String,
        /// `SIP+D2U`, ….
        service: String,
        /// What to ask next.
        replacement: String,
    },
}

/// What a server knows; no records: that there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// At most [`RECORDS_MAX`].
    pub records: Vec<Record>,
    /// They hold for so many seconds.
    pub ttl: u32,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It answers something else.
    #[error("not an answer to this question")]
    NotOurs,
    /// It cannot be read.
    #[error("malformed")]
    Malformed,
    /// It was too long for a datagram: ask by TCP.
    #[error("too long for a datagram")]
    Truncated,
    /// The server has no answer: SERVFAIL, REFUSED, ….
    #[error("the server refuses with code {0}")]
    Refused(u8),
}

impl Question {
    /// The message that asks it; `None` when no such name can exist.
    pub fn to_bytes(&self, id: u16) -> Option<Vec<u8>> {
        let name = self.name.trim_end_matches('.');
        // One question, recursion desired.
        let mut bytes = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
        for label in name.split('.') {
            if label.is_empty() || label.len() > LABEL_MAX || name.len() > NAME_MAX {
                return None;
            }
            bytes.push(label.len() as u8);
            bytes.extend_from_slice(label.as_bytes());
        }
        bytes.extend_from_slice(&[0, 0, self.kind as u8, 0, 1]);
        Some(bytes)
    }

    /// Reads the answer to it out of a message.
    ///
    /// # Errors
    /// There is none in it.
    pub fn read(&self, id: u16, bytes: &[u8]) -> Result<Answer, Fault> {
        let mut reader = Reader { bytes, at: 0 };
        let mut head = [0; 6];
        for field in &mut head {
            *field = reader.u16().ok_or(Fault::NotOurs)?;
        }
        let [its_id, flags, questions, answers, ..] = head;
        if its_id != id || flags & 0x8000 == 0 || questions != 1 || !self.is_asked(&mut reader) {
            return Err(Fault::NotOurs);
        }
        if flags & 0x0200 != 0 {
            return Err(Fault::Truncated);
        }
        match flags & 0x000f {
            0 => reader.answer(self.kind, answers).ok_or(Fault::Malformed),
            // There is no such name: no records either.
            3 => Ok(Answer::default()),
            code => Err(Fault::Refused(code as u8)),
        }
    }

    fn is_asked(&self, reader: &mut Reader) -> bool {
        let name = reader.name();
        let same = |name: String| name.eq_ignore_ascii_case(self.name.trim_end_matches('.'));
        name.is_some_and(same) && reader.u16() == Some(self.kind as u16) && reader.u16() == Some(1)
    }
}

/// What is left of a message.
struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A name, which may go on elsewhere in the message (section 4.1.4); empty: the root.
    fn name(&mut self) -> Option<String> {
        let (mut name, mut back) = (String::new(), None);
        for _ in 0..=NAME_MAX + JUMPS_MAX {
            match self.u8()? {
                0 => {
                    self.at = back.unwrap_or(self.at);
                    return Some(name);
                }
                high @ 0xc0.. => {
                    let to = usize::from(high & 0x3f) << 8 | usize::from(self.u8()?);
                    back.get_or_insert(self.at);
                    self.at = to;
                }
                len @ 1..=63 => {
                    let label = std::str::from_utf8(self.take(usize::from(len))?).ok()?;
                    if name.len() + label.len() >= NAME_MAX {
                        return None;
                    }
                    name = if name.is_empty() { label.to_owned() } else { format!("{name}.{label}") };
                }
                _ => return None,
            }
        }
        None
    }

    /// A length, and so many bytes.
    fn string(&mut self) -> Option<String> {
        let len = self.u8()?;
        String::from_utf8(self.take(usize::from(len))?.to_vec()).ok()
    }

    /// The records of a kind among so many; what leads to them (CNAME) holds as long.
    fn answer(&mut self, kind: Kind, count: u16) -> Option<Answer> {
        let mut answer = Answer { records: Vec::new(), ttl: u32::MAX };
        for _ in 0..count {
            self.name()?;
            let (its_kind, _class, ttl, len) = (self.u16()?, self.u16()?, self.u32()?, self.u16()?);
            let end = self.at + usize::from(len);
            answer.ttl = answer.ttl.min(ttl);
            if its_kind == kind as u16 && answer.records.len() < RECORDS_MAX {
                answer.records.push(self.record(kind)?);
                if self.at != end {
                    return None;
                }
            }
            self.at = end;
        }
        answer.ttl = if answer.records.is_empty() { 0 } else { answer.ttl };
        Some(answer)
    }

    fn record(&mut self, kind: Kind) -> Option<Record> {
        Some(match kind {
            Kind::A => Record::Address(Ipv4Addr::from(self.u32()?).into()),
            Kind::Aaaa => Record::Address(Ipv6Addr::from(<[u8; 16]>::try_from(self.take(16)?).ok()?).into()),
            Kind::Srv => {
                Record::Srv { priority: self.u16()?, weight: self.u16()?, port: self.u16()?, target: self.name()? }
            }
            Kind::Naptr => {
                let (order, preference, flags, service) = (self.u16()?, self.u16()?, self.string()?, self.string()?);
                let _regexp = self.string()?;
                Record::Naptr { order, preference, flags, service, replacement: self.name()? }
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn question(kind: Kind, name: &str) -> Question {
        Question { kind, name: name.into() }
    }

    /// A reply to `question` with these records: kind, seconds, data. Names in them point back at the question.
    fn reply(question: &Question, code: u8, records: &[(u16, u32, &[u8])]) -> Vec<u8> {
        let mut bytes = question.to_bytes(7).unwrap();
        (bytes[2], bytes[3], bytes[7]) = (0x81, 0x80 | code, records.len() as u8);
        for (kind, ttl, data) in records {
            bytes.extend_from_slice(&[0xc0, 12]);
            bytes.extend_from_slice(&kind.to_be_bytes());
            bytes.extend_from_slice(&[0, 1]);
            bytes.extend_from_slice(&ttl.to_be_bytes());
            bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
            bytes.extend_from_slice(data);
        }
        bytes
    }

    #[test]
    fn records_of_each_kind_are_read() {
        let srv = |target: &str| Record::Srv { priority: 10, weight: 60, port: 5061, target: target.into() };
        let naptr = Record::Naptr {
            order: 50,
            preference: 10,
            flags: "s".into(),
            service: "SIP+D2U".into(),
            replacement: "sbc.a.example".into(),
        };
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        let mut v6_bytes = [0; 16];
        (v6_bytes[0], v6_bytes[1], v6_bytes[2], v6_bytes[3], v6_bytes[15]) = (0x20, 1, 0x0d, 0xb8, 1);
        let table: [(Kind, &[u8], Record); 5] = [
            (Kind::A, &[192, 0, 2, 1], Record::Address([192, 0, 2, 1].into())),
            (Kind::Aaaa, &v6_bytes, Record::Address(v6)),
            (Kind::Srv, b"\0\x0a\0\x3c\x13\xc5\x03sbc\xc0\x0c", srv("sbc.a.example")),
            (Kind::Srv, b"\0\x0a\0\x3c\x13\xc5\0", srv("")),
            (Kind::Naptr, b"\0\x32\0\x0a\x01s\x07SIP+D2U\0\x03sbc\xc0\x0c", naptr),
        ];
        for (kind, data, record) in table {
            let asked = question(kind, "a.example");
            // A name it is only an alias of holds no longer than the alias.
            let bytes = reply(&asked, 0, &[(5, 30, b"\x01b\xc0\x0c"), (kind as u16, 60, data)]);
            assert_eq!(asked.read(7, &bytes), Ok(Answer { records: vec![record], ttl: 30 }));
            for cut in 12..bytes.len() {
                assert!(asked.read(7, &bytes[..cut]).is_err(), "{kind:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let asked = question(Kind::A, "A.example.");
        let good = reply(&asked, 0, &[(1, 60, &[192, 0, 2, 1])]);
        assert_eq!(asked.read(8, &good), Err(Fault::NotOurs), "another question's");
        assert_eq!(question(Kind::A, "b.example").read(7, &good), Err(Fault::NotOurs));
        assert_eq!(question(Kind::Aaaa, "a.example").read(7, &good), Err(Fault::NotOurs));
        assert_eq!(asked.read(7, &asked.to_bytes(7).unwrap()), Err(Fault::NotOurs), "a question");
        let truncated = [&good[..2], &[0x83], &good[3..]].concat();
        assert_eq!(asked.read(7, &truncated), Err(Fault::Truncated));
        assert_eq!(asked.read(7, &reply(&asked, 2, &[])), Err(Fault::Refused(2)));
        assert_eq!(asked.read(7, &reply(&asked, 3, &[])), Ok(Answer::default()), "there is no such name");
        assert_eq!(asked.read(7, &reply(&asked, 0, &[])), Ok(Answer::default()));
        assert_eq!(asked.read(7, &reply(&asked, 0, &[(1, 60, &[192, 0, 2])])), Err(Fault::Malformed));
    }

    #[test]
    fn names_that_run_in_circles_and_endless_answers_end() {
        let asked = question(Kind::Srv, "a.example");
        let at = asked.to_bytes(7).unwrap().len() as u8;
        let circle = [0, 1, 0, 1, 0, 1, 0xc0, at + 18];
        assert_eq!(asked.read(7, &reply(&asked, 0, &[(33, 60, &circle)])), Err(Fault::Malformed));
        let many = vec![(33, 60, &b"\0\x01\0\x01\0\x01\xc0\x0c"[..]); RECORDS_MAX + 1];
        assert_eq!(asked.read(7, &reply(&asked, 0, &many)).unwrap().records.len(), RECORDS_MAX);
        for name in ["", "a..b", &"x".repeat(64), &"x.".repeat(128)] {
            assert_eq!(question(Kind::A, name).to_bytes(7), None, "{name}");
        }
    }
}
