//! SIPp scenarios in a few lines: what is sent, what must come, and what must stand in it.

use crate::exchange::{Exchange, PASSWORD};
use crate::process::Process;
use crate::sipp;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A description of a peer's sound, as its offer or answer.
pub(crate) const SOUND: &str = "v=0\no=peer 1 1 IN IP[media_ip_type] [media_ip]\ns=-\nc=IN IP[media_ip_type] [media_ip]\n\
    t=0 0\nm=audio [auto_media_port] RTP/AVP 8 101\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\n";
pub(crate) const NOTHING: &str = "";

/// What must stand in a message: a header's name with its colon, or `body`, and a regular expression found there.
pub(crate) type Check<'a> = (&'a str, &'a str);

/// SIPp's variables: To and From of the dialog, Via and CSeq of its first INVITE; To and its tag of the call made beside it;
/// further ones are of checks.
const TO: u32 = 1;
const FROM: u32 = 2;
const VIA: u32 = 3;
const CSEQ: u32 = 4;
const BESIDE: u32 = 5;
/// The other side's tag in the call made beside.
pub(crate) const BESIDE_TAG: u32 = 6;
/// What the first check found.
pub(crate) const FREE: u32 = 7;

/// One side of a call, step by step.
pub(crate) struct Scenario {
    xml: String,
    steps: usize,
    variables: u32,
    /// What is for some calls only, at the end.
    tail: String,
    dialog: Dialog,
    /// The dialog that waits while the other one goes on.
    other: Option<Dialog>,
}

/// How far one dialog is.
struct Dialog {
    /// Who is called says so by its tag.
    called: bool,
    /// What the own Call-ID begins with: SIPp passes over it.
    beside: &'static str,
    /// Who calls whom, when we do.
    from: String,
    to: String,
    in_dialog: bool,
    /// The step of our last INVITE, its number, and whether it was refused: then the ACK has its branch.
    invite: (usize, u32),
    refused: bool,
    sequence: u32,
}

impl Dialog {
    fn new(called: bool, beside: &'static str, from: &str, to: &str) -> Dialog {
        Dialog {
            called,
            beside,
            from: format!("{from};tag={}[pid]c[call_number]", beside.trim_end_matches('/')),
            to: to.to_owned(),
            in_dialog: false,
            invite: (0, 0),
            refused: false,
            sequence: if called { 100 } else { 0 },
        }
    }

    /// The variable that keeps its To.
    fn saved(&self) -> u32 {
        if self.beside.is_empty() { TO } else { BESIDE }
    }
}

impl Scenario {
    fn new(dialog: Dialog) -> Scenario {
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<scenario name=\"peer\">\n".to_owned();
        Scenario { xml, steps: 0, variables: FREE, tail: String::new(), dialog, other: None }
    }

    /// Of who calls 95118 as 13800138000.
    pub(crate) fn calls() -> Scenario {
        Scenario::new(Dialog::new(false, "", "<sip:13800138000@[local_ip]>", "95118@[remote_ip]"))
    }

    /// Of an agent's phone that calls somebody.
    pub(crate) fn dials(agent: &str, number: &str) -> Scenario {
        Scenario::new(Dialog::new(false, "", &account(agent), &format!("{number}@[remote_ip]")))
    }

    /// Of who takes a call.
    pub(crate) fn called() -> Scenario {
        Scenario::new(Dialog::new(true, "", "", ""))
    }

    /// The same phone makes another call; `turns` goes back.
    pub(crate) fn dials_beside(mut self, agent: &str, number: &str) -> Scenario {
        let beside = Dialog::new(false, "b///", &account(agent), &format!("{number}@[remote_ip]"));
        self.other = Some(std::mem::replace(&mut self.dialog, beside));
        self
    }

    /// On with the other call.
    pub(crate) fn turns(mut self) -> Scenario {
        let other = self.other.take().expect("there is another call");
        self.other = Some(std::mem::replace(&mut self.dialog, other));
        self
    }

    /// An agent's INVITE with the answer to the challenge (RFC 3261 section 22.2).
    pub(crate) fn invites_as(self, agent: &str, lines: &str) -> Scenario {
        let proof = format!("[authentication username={agent} password={PASSWORD}]\n{lines}");
        self.sends("INVITE", proof.trim_end(), SOUND)
    }

    /// An agent's first INVITE, and its challenge.
    pub(crate) fn challenged(self) -> Scenario {
        self.sends("INVITE", NOTHING, SOUND).gets(401, &[]).sends("ACK", NOTHING, NOTHING)
    }

    /// A request with further header lines. A Content-Type among them is the body's; otherwise it is a description.
    pub(crate) fn sends(mut self, method: &str, lines: &str, body: &str) -> Scenario {
        let dialog = &mut self.dialog;
        if method == "INVITE" {
            dialog.invite = (self.steps, dialog.sequence + 1);
        }
        dialog.sequence += u32::from(method != "ACK");
        let number = if method == "ACK" { dialog.invite.1 } else { dialog.sequence };
        let branch = match method {
            "ACK" if dialog.refused => format!("[branch-{}]", self.steps - dialog.invite.0),
            _ => "[branch]".to_owned(),
        };
        let (from, to) = match (dialog.called, dialog.in_dialog) {
            (true, _) => (format!("[${TO}];tag=a[call_number]"), format!("To: [${FROM}]")),
            (false, true) => (dialog.from.clone(), format!("To: [${}]", dialog.saved())),
            (false, false) if method == "ACK" => (dialog.from.clone(), "[last_To:]".to_owned()),
            (false, false) => (dialog.from.clone(), format!("To: <sip:{}>", dialog.to)),
        };
        let from = if lines.contains("From: ") { String::new() } else { format!("From: {from}\n") };
        let target =
            if dialog.in_dialog { "[next_url]".to_owned() } else { format!("sip:{}:[remote_port]", dialog.to) };
        let head = format!(
            "{method} {target} SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport\n\
             Max-Forwards: 70\n{from}{to}\nCall-ID: {}[call_id]\nCSeq: {number} {method}\n\
             Contact: <sip:peer@[local_ip]:[local_port]>\n",
            dialog.beside
        );
        self.element(if method == "ACK" { "<send>" } else { "<send retrans=\"500\">" }, &head, lines, body)
    }

    /// A response to what was sent; provisional ones before it may come or not.
    pub(crate) fn gets(mut self, status: u16, checks: &[Check<'_>]) -> Scenario {
        let optional: &[u16] = if status >= 200 { &[100, 180, 183] } else { &[100] };
        let in_dialog = self.dialog.in_dialog;
        for early in optional.iter().filter(|early| **early != status && !(in_dialog && **early > 100)) {
            let _ = writeln!(self.xml, "<recv response=\"{early}\" optional=\"true\" />");
            self.steps += 1;
        }
        self.dialog.refused = status >= 300;
        let begins = !in_dialog && (101..300).contains(&status);
        self.dialog.in_dialog |= begins;
        let all = [(self.dialog.saved(), ("To:", ".*")), (BESIDE_TAG, ("To:", "[^=]*$"))];
        let saved = match (begins, self.dialog.beside) {
            (false, _) => &all[..0],
            (true, "") => &all[..1],
            (true, _) => &all[..],
        };
        let more = match (begins, status) {
            (true, _) => " rrs=\"true\"",
            (false, 401) => " auth=\"true\"",
            (false, _) => "",
        };
        self.received(&format!("<recv response=\"{status}\"{more}>"), saved, checks)
    }

    /// A request to us.
    pub(crate) fn takes(mut self, method: &str, checks: &[Check<'_>]) -> Scenario {
        let begins = !self.dialog.in_dialog && method == "INVITE";
        self.dialog.in_dialog |= begins;
        let first = [(TO, ("To:", ".*")), (FROM, ("From:", ".*")), (VIA, ("Via:", ".*")), (CSEQ, ("CSeq:", ".*"))];
        let saved = if begins { &first[..] } else { &[] };
        self.received(
            &format!("<recv request=\"{method}\"{}>", if begins { " rrs=\"true\"" } else { "" }),
            saved,
            checks,
        )
    }

    /// An INVITE to us: when it is for this number, all the rest of the call is `other`'s.
    pub(crate) fn takes_unless(mut self, number: &str, other: &Scenario) -> Scenario {
        let asked = self.variables;
        self.variables += 1;
        let (_, rest) = other.xml.split_once("</recv>\n").expect("the other one takes the INVITE, too");
        self.tail = format!("<nop next=\"2\" />\n<label id=\"1\" />\n{rest}<label id=\"2\" />\n<nop />\n");
        self = self.takes("INVITE", &[]);
        let end = self.xml.rfind("</action>").expect("what is received is kept");
        let ask = format!(
            "<ereg regexp=\"INVITE sip:{number}@\" search_in=\"msg\" check_it=\"false\" assign_to=\"{asked}\" />\n"
        );
        self.xml.insert_str(end, &ask);
        let _ = writeln!(self.xml, "<nop test=\"{asked}\" next=\"1\" />");
        self.steps += 1;
        self
    }

    /// An answer to the first INVITE, by the branch of this name; a refusal ends the dialog.
    pub(crate) fn answers(mut self, status: &str, branch: &str, lines: &str, body: &str) -> Scenario {
        self.dialog.in_dialog &= status < "300";
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

    /// Plays a capture of a call, and does not wait for its end.
    pub(crate) fn plays(mut self, file: &str) -> Scenario {
        let _ = writeln!(self.xml, "<nop><action><exec play_pcap_audio=\"{file}\" /></action></nop>");
        self.steps += 1;
        self
    }

    /// Is hung up on.
    pub(crate) fn ended(self) -> Scenario {
        self.takes("BYE", &[]).replies("200 OK", NOTHING, NOTHING)
    }

    /// Hangs up.
    pub(crate) fn ends(self) -> Scenario {
        self.waits(500).sends("BYE", NOTHING, NOTHING).gets(200, &[])
    }

    /// SIPp plays it once, from here; `more` are its arguments.
    pub(crate) fn starts(
        self,
        exchange: &Exchange,
        name: &str,
        (address, port): (&str, u16),
        more: &[&str],
    ) -> Process {
        let file = exchange.folder.join(format!("{name}.xml"));
        self.write(&file);
        let mut command = sipp(exchange, &file.display().to_string(), address, port);
        command.args(["-mp", &(port + 2).to_string(), "-m", "1"]).args(more);
        Process::start(name, &exchange.folder, &mut command).listens(port)
    }

    /// Writes it where SIPp finds it.
    pub(crate) fn write(self, path: &Path) {
        // SIPp takes a variable that is used once for a mistake.
        let checked: Vec<String> = (FREE..self.variables).map(|variable| variable.to_string()).collect();
        let checked = format!("<Reference variables=\"{}\" />\n", checked.join(","));
        let end = if self.variables == FREE { "" } else { &checked };
        fs::write(path, format!("{}{}{end}</scenario>\n", self.xml, self.tail)).unwrap();
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
        let routes = if self.dialog.in_dialog && !self.dialog.called { "[routes]\n" } else { "" };
        let kind =
            if body.is_empty() || lines.contains("Content-Type") { "" } else { "Content-Type: application/sdp\n" };
        let lines = if lines.is_empty() { String::new() } else { format!("{lines}\n") };
        let _ =
            writeln!(self.xml, "{open}<![CDATA[\n{head}{routes}{lines}{kind}Content-Length: [len]\n\n{body}]]></send>");
        self.steps += 1;
        self
    }
}

/// An agent's address of record.
fn account(agent: &str) -> String {
    format!("<sip:{agent}@[remote_ip]>")
}
