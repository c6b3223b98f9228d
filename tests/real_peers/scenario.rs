//! SIPp scenarios in a few lines: what is sent, what must come, and what must stand in it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A description of a peer's sound, as its offer or answer.
pub(crate) const SOUND: &str = "v=0\no=peer 1 1 IN IP[local_ip_type] [local_ip]\ns=-\nc=IN IP[media_ip_type] [media_ip]\n\
    t=0 0\nm=audio [auto_media_port] RTP/AVP 8 101\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\n";
pub(crate) const NOTHING: &str = "";

/// What must stand in a message: a header's name with its colon, or `body`, and a regular expression found there.
pub(crate) type Check<'a> = (&'a str, &'a str);

/// SIPp's variables: To and From of the dialog, Via and CSeq of its first INVITE; further ones are of checks.
const TO: u32 = 1;
const FROM: u32 = 2;
const VIA: u32 = 3;
const CSEQ: u32 = 4;
const FREE: u32 = 5;

/// One side of a call, step by step.
pub(crate) struct Scenario {
    xml: String,
    /// Who is called says so by its tag.
    called: bool,
    in_dialog: bool,
    steps: usize,
    /// The step of our last INVITE, its number, and whether it was refused: then the ACK has its branch.
    invite: (usize, u32),
    refused: bool,
    sequence: u32,
    variables: u32,
}

impl Scenario {
    fn new(called: bool) -> Scenario {
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<scenario name=\"peer\">\n".to_owned();
        let (invite, sequence) = ((0, 0), if called { 100 } else { 0 });
        Scenario { xml, called, in_dialog: false, steps: 0, invite, refused: false, sequence, variables: FREE }
    }

    /// Of who calls 95118 as 13800138000.
    pub(crate) fn calls() -> Scenario {
        Scenario::new(false)
    }

    /// Of who takes a call.
    pub(crate) fn called() -> Scenario {
        Scenario::new(true)
    }

    /// A request with further header lines. A Content-Type among them is the body's; otherwise it is a description.
    pub(crate) fn sends(mut self, method: &str, lines: &str, body: &str) -> Scenario {
        if method == "INVITE" {
            self.invite = (self.steps, self.sequence + 1);
        }
        self.sequence += u32::from(method != "ACK");
        let number = if method == "ACK" { self.invite.1 } else { self.sequence };
        let branch = match method {
            "ACK" if self.refused => format!("[branch-{}]", self.steps - self.invite.0),
            _ => "[branch]".to_owned(),
        };
        let (from, to) = match (self.called, self.in_dialog) {
            (true, _) => (format!("[${TO}];tag=a[call_number]"), format!("[${FROM}]")),
            (false, true) => (CALLER.to_owned(), format!("[${TO}]")),
            (false, false) if method == "ACK" => (CALLER.to_owned(), "[last_To:]".to_owned()),
            (false, false) => (CALLER.to_owned(), "<sip:95118@[remote_ip]>".to_owned()),
        };
        let to = if to.starts_with("[last") { to } else { format!("To: {to}") };
        let from = if lines.contains("From: ") { String::new() } else { format!("From: {from}\n") };
        let target = if self.in_dialog { "[next_url]" } else { "sip:95118@[remote_ip]:[remote_port]" };
        let head = format!(
            "{method} {target} SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport\n\
             Max-Forwards: 70\n{from}{to}\nCall-ID: [call_id]\nCSeq: {number} {method}\n\
             Contact: <sip:peer@[local_ip]:[local_port]>\n"
        );
        self.element(if method == "ACK" { "<send>" } else { "<send retrans=\"500\">" }, &head, lines, body)
    }

    /// A response to what was sent; provisional ones before it may come or not.
    pub(crate) fn gets(mut self, status: u16, checks: &[Check<'_>]) -> Scenario {
        let optional: &[u16] = if status >= 200 { &[100, 180, 183] } else { &[100] };
        for early in optional.iter().filter(|early| **early != status && !(self.in_dialog && **early > 100)) {
            let _ = writeln!(self.xml, "<recv response=\"{early}\" optional=\"true\" />");
            self.steps += 1;
        }
        self.refused = status >= 300;
        let begins = !self.in_dialog && (101..300).contains(&status);
        self.in_dialog |= begins;
        let saved: &[(u32, Check<'_>)] = if begins { &[(TO, ("To:", ".*"))] } else { &[] };
        let route = if begins { " rrs=\"true\"" } else { "" };
        self.received(&format!("<recv response=\"{status}\"{route}>"), saved, checks)
    }

    /// A request to us.
    pub(crate) fn takes(mut self, method: &str, checks: &[Check<'_>]) -> Scenario {
        let begins = !self.in_dialog && method == "INVITE";
        self.in_dialog |= begins;
        let first = [(TO, ("To:", ".*")), (FROM, ("From:", ".*")), (VIA, ("Via:", ".*")), (CSEQ, ("CSeq:", ".*"))];
        let saved = if begins { &first[..] } else { &[] };
        self.received(
            &format!("<recv request=\"{method}\"{}>", if begins { " rrs=\"true\"" } else { "" }),
            saved,
            checks,
        )
    }

    /// An answer to the first INVITE, by the branch of this name; a refusal ends the dialog.
    pub(crate) fn answers(mut self, status: &str, branch: &str, lines: &str, body: &str) -> Scenario {
        self.in_dialog &= status < "300";
        let contact = format!("Contact: <sip:{branch}@[local_ip]:[local_port]>\n");
        let contact = if status < "300" { contact } else { String::new() };
        let head = format!(
            "SIP/2.0 {status}\nVia: [${VIA}]\nFrom: [${FROM}]\nTo: [${TO}];tag={branch}[call_number]\n[last_Call-ID:]\n\
             CSeq: [${CSEQ}]\n{contact}"
        );
        self.element("<send>", &head, lines, body)
    }

    /// An answer to the last request within the dialog.
    pub(crate) fn replies(self, status: &str, lines: &str, body: &str) -> Scenario {
        let head = format!(
            "SIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n\
             Contact: <sip:peer@[local_ip]:[local_port]>\n"
        );
        self.element("<send>", &head, lines, body)
    }

    /// Nothing for so long.
    pub(crate) fn waits(mut self, milliseconds: u32) -> Scenario {
        let _ = writeln!(self.xml, "<pause milliseconds=\"{milliseconds}\" />");
        self.steps += 1;
        self
    }

    /// Hangs up.
    pub(crate) fn ends(self) -> Scenario {
        self.waits(500).sends("BYE", NOTHING, NOTHING).gets(200, &[])
    }

    /// Writes it where SIPp finds it.
    pub(crate) fn write(self, path: &Path) {
        // SIPp takes a variable that is used once for a mistake.
        let checked: Vec<String> = (FREE..self.variables).map(|variable| variable.to_string()).collect();
        let checked = format!("<Reference variables=\"{}\" />\n", checked.join(","));
        let end = if self.variables == FREE { "" } else { &checked };
        fs::write(path, format!("{}{end}</scenario>\n", self.xml)).unwrap();
    }

    fn received(mut self, open: &str, saved: &[(u32, Check<'_>)], checks: &[Check<'_>]) -> Scenario {
        let _ = writeln!(self.xml, "{open}<action>");
        let numbered: Vec<_> = (self.variables..).zip(checks.iter().copied()).collect();
        self.variables += checks.len() as u32;
        for (variable, (place, pattern)) in saved.iter().copied().chain(numbered) {
            let place = match place {
                "body" => "search_in=\"body\"".to_owned(),
                header => format!("search_in=\"hdr\" header=\"{header}\""),
            };
            let _ =
                writeln!(self.xml, "<ereg regexp=\"{pattern}\" {place} check_it=\"true\" assign_to=\"{variable}\" />");
        }
        self.xml += "</action></recv>\n";
        self.steps += 1;
        self
    }

    fn element(mut self, open: &str, head: &str, lines: &str, body: &str) -> Scenario {
        let routes = if self.in_dialog && !self.called { "[routes]\n" } else { "" };
        let kind =
            if body.is_empty() || lines.contains("Content-Type") { "" } else { "Content-Type: application/sdp\n" };
        let lines = if lines.is_empty() { String::new() } else { format!("{lines}\n") };
        let _ =
            writeln!(self.xml, "{open}<![CDATA[\n{head}{routes}{lines}{kind}Content-Length: [len]\n\n{body}]]></send>");
        self.steps += 1;
        self
    }
}

const CALLER: &str = "<sip:13800138000@[local_ip]>;tag=[pid]c[call_number]";
