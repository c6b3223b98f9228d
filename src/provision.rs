//! What a phone is told to be an agent's: Yealink, Linphone and baresip, rendered from the table of agents.

use crate::digest::digest;
use busyhour_sip::Transport;
use busyhour_switch::{AgentSetup, Setup};
use clap::ValueEnum;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Asked of the registrar, seconds.
const EXPIRES: u32 = 600;
/// Hexadecimal digits of a link's token.
const TOKEN: usize = 32;

/// Whose format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Yealink's `<mac>.cfg`.
    Yealink,
    /// Linphone's remote provisioning XML.
    Linphone,
    /// A line of baresip's `accounts`.
    Baresip,
}

impl Format {
    /// The name its file has in a link.
    pub fn file(self) -> &'static str {
        match self {
            Format::Yealink => "yealink.cfg",
            Format::Linphone => "linphone.xml",
            Format::Baresip => "accounts",
        }
    }

    /// The format of a file in a link.
    pub fn of_file(name: &str) -> Option<Format> {
        Format::value_variants().iter().copied().find(|format| format.file() == name)
    }

    fn content_type(self) -> &'static str {
        match self {
            Format::Linphone => "application/xml; charset=utf-8",
            Format::Yealink | Format::Baresip => "text/plain; charset=utf-8",
        }
    }
}

/// Where phones register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registrar {
    /// By this transport.
    pub transport: Transport,
    /// At this address, as phones reach it.
    pub address: SocketAddr,
}

impl Registrar {
    /// The address of ours for this transport; without one the safest there is. `None`: no phone could register so.
    pub fn of(locals: &[(Transport, SocketAddr)], transport: Option<Transport>) -> Option<Registrar> {
        let order = [Transport::Tls, Transport::Tcp, Transport::Udp];
        let wanted = order.into_iter().filter(|known| transport.is_none_or(|wanted| wanted == *known));
        let found = |transport| locals.iter().find(|(known, _)| *known == transport);
        wanted.into_iter().find_map(found).map(|&(transport, address)| Registrar { transport, address })
    }
}

/// An agent's phone, for one of the formats. The password stands in it.
pub fn render(format: Format, setup: &Setup, agent: &AgentSetup, registrar: Registrar) -> String {
    match format {
        Format::Yealink => yealink(setup, agent, registrar),
        Format::Linphone => linphone(setup, agent, registrar),
        Format::Baresip => baresip(setup, agent, registrar),
    }
}

/// The same with its media type, for HTTP.
pub(crate) fn page(format: Format, setup: &Setup, agent: &AgentSetup, at: Registrar) -> (&'static str, String) {
    (format.content_type(), render(format, setup, agent, at))
}

fn yealink(setup: &Setup, agent: &AgentSetup, registrar: Registrar) -> String {
    let transport = match registrar.transport {
        Transport::Tcp => 1,
        Transport::Tls => 2,
        _ => 0,
    };
    let number = &*agent.number;
    let (host, port, expires) = (registrar.address.ip().to_string(), registrar.address.port().to_string(), EXPIRES);
    let account = [
        ("enable", "1"),
        ("label", number),
        ("display_name", &agent.name),
        ("user_name", number),
        ("auth_name", number),
        ("password", &agent.password),
        ("sip_server.1.address", &host),
        ("sip_server.1.port", &port),
        ("sip_server.1.transport_type", &transport.to_string()),
        ("sip_server.1.expires", &expires.to_string()),
        ("subscribe_mwi", "1"),
        ("codec.pcma.enable", "1"),
        ("codec.pcma.priority", "1"),
        ("codec.pcmu.enable", "1"),
        ("codec.pcmu.priority", "2"),
        ("dtmf.type", "1"),
    ];
    let mut file = String::from("#!version:1.0.0.1\n");
    for (key, value) in account {
        let _ = writeln!(file, "account.1.{key} = {}", one_line(value));
    }
    let _ = writeln!(file, "voice_mail.number.1 = {}", setup.codes.voicemail);
    if is_to_answer(setup, agent) {
        // What Alert-Info asks for; with the microphone on.
        file.push_str("features.intercom.allow = 1\nfeatures.intercom.mute = 0\n");
    }
    file
}

/// Whether offers ask this phone to answer by itself. Linphone has no setting for it: its library tells the application.
fn is_to_answer(setup: &Setup, agent: &AgentSetup) -> bool {
    agent.auto_answer || setup.queues.iter().any(|queue| queue.auto_answer)
}

fn linphone(setup: &Setup, agent: &AgentSetup, registrar: Registrar) -> String {
    let Registrar { transport, address } = registrar;
    let (number, realm) = (xml(&agent.number), xml(&setup.domain));
    let server = xml(&format!("<sip:{address};transport={transport}>"));
    let identity = xml(&format!("\"{}\" <sip:{}@{}>", quoted(&agent.name), agent.number, setup.domain));
    let sections = [
        (
            "auth_info_0",
            vec![("username", number.clone()), ("userid", number), ("passwd", xml(&agent.password)), ("realm", realm)],
        ),
        (
            "proxy_0",
            vec![
                ("reg_proxy", server.clone()),
                ("reg_route", server),
                ("reg_identity", identity),
                ("reg_expires", EXPIRES.to_string()),
                ("reg_sendregister", "1".into()),
                ("publish", "0".into()),
            ],
        ),
        ("sip", vec![("default_proxy", "0".into())]),
    ];
    let mut file = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<config xmlns=\"http://www.linphone.org/xsds/lpconfig.xsd\">\n",
    );
    for (section, entries) in sections {
        let _ = writeln!(file, "  <section name=\"{section}\">");
        for (name, value) in entries {
            let _ = writeln!(file, "    <entry name=\"{name}\" overwrite=\"true\">{value}</entry>");
        }
        file.push_str("  </section>\n");
    }
    file.push_str("</config>\n");
    file
}

fn baresip(setup: &Setup, agent: &AgentSetup, registrar: Registrar) -> String {
    let answers = if is_to_answer(setup, agent) { ";sip_autoanswer=yes" } else { "" };
    let Registrar { transport, address } = registrar;
    let (number, password) = (&agent.number, one_line(&agent.password));
    format!(
        "<sip:{number}@{address};transport={transport}>;auth_user={number};auth_pass={password};regint={EXPIRES};\
         mwi=yes;audio_codecs=PCMA/8000/1,PCMU/8000/1{answers}\n"
    )
}

/// What of a value would end the line.
fn one_line(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).collect()
}

fn quoted(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// What an agent's link ends in: nobody guesses it, and another password makes another one.
pub fn token(key: &str, agent: &AgentSetup) -> String {
    let said = [key, &agent.number, &agent.password].map(|part| format!("{}:{part}", part.len())).concat();
    let mut token = digest(said.as_bytes()).expect("a slice can be read");
    token.truncate(TOKEN);
    token
}

/// The path of an agent's link.
pub fn path(key: &str, agent: &AgentSetup, format: Format) -> String {
    format!("/provision/{}/{}/{}", agent.number, token(key, agent), format.file())
}

/// Whether a link's token is right; how long that takes says nothing of it.
pub(crate) fn is_token(key: &str, agent: &AgentSetup, given: &str) -> bool {
    let right = token(key, agent);
    let differ = right.bytes().zip(given.bytes()).fold(0, |differ, (right, given)| differ | (right ^ given));
    right.len() == given.len() && differ == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn site() -> (Setup, AgentSetup) {
        let setup = crate::config::load(None).site.unwrap().setup;
        let mut agent = AgentSetup::new("1001".into());
        (agent.name, agent.password) = ("李 \"Lee\" & <Co>\n".into(), "a<b&c\r\nd".into());
        (setup, agent)
    }

    fn at(transport: Transport) -> Registrar {
        Registrar { transport, address: "192.0.2.1:5061".parse().unwrap() }
    }

    #[test]
    fn a_yealink_reads_one_key_a_line() {
        let (setup, agent) = site();
        let file = render(Format::Yealink, &setup, &agent, at(Transport::Tls));
        let keys: Vec<(&str, &str)> = file.lines().skip(1).map(|line| line.split_once(" = ").unwrap()).collect();
        let value = |wanted: &str| keys.iter().find(|(key, _)| *key == wanted).unwrap().1;
        assert_eq!(value("account.1.password"), "a<b&cd", "no line is ended from within");
        assert_eq!(value("account.1.sip_server.1.transport_type"), "2");
        assert_eq!((value("account.1.sip_server.1.port"), value("voice_mail.number.1")), ("5061", "*97"));
        assert!(file.starts_with("#!version:1.0.0.1\n"));
    }

    #[test]
    fn a_linphone_reads_well_formed_xml() {
        let (setup, agent) = site();
        let file = render(Format::Linphone, &setup, &agent, at(Transport::Tcp));
        assert!(file.contains("<entry name=\"passwd\" overwrite=\"true\">a&lt;b&amp;cd</entry>"), "{file}");
        assert!(file.contains("&lt;sip:192.0.2.1:5061;transport=tcp&gt;"), "{file}");
        let opened = file.matches("<section ").count() + file.matches("<entry ").count();
        assert_eq!(opened, file.matches("</section>").count() + file.matches("</entry>").count());
        assert!(!file.contains("<Co>"));
    }

    #[test]
    fn a_phone_obeys_where_offers_ask_it_to_answer() {
        let (mut setup, agent) = site();
        let obeys = |setup: &Setup, agent: &AgentSetup| {
            [(Format::Yealink, "\nfeatures.intercom.allow = 1\n"), (Format::Baresip, ";sip_autoanswer=yes\n")]
                .map(|(format, key)| render(format, setup, agent, at(Transport::Udp)).contains(key))
        };
        assert_eq!(obeys(&setup, &agent), [false; 2]);
        assert_eq!(obeys(&setup, &AgentSetup { auto_answer: true, ..agent.clone() }), [true; 2]);
        setup.queues[0].auto_answer = true;
        assert_eq!(obeys(&setup, &agent), [true; 2], "any agent may get its calls");
    }

    #[test]
    fn the_safest_way_is_chosen_unless_one_is_said() {
        let local = |transport, port| (transport, SocketAddr::from(([192, 0, 2, 1], port)));
        let locals = [local(Transport::Udp, 5060), local(Transport::Tcp, 5060), local(Transport::Wss, 443)];
        assert_eq!(Registrar::of(&locals, None).unwrap().transport, Transport::Tcp);
        assert_eq!(Registrar::of(&locals, Some(Transport::Udp)).unwrap().transport, Transport::Udp);
        assert_eq!(Registrar::of(&locals, Some(Transport::Tls)), None);
        assert_eq!(Registrar::of(&locals[2..], None), None, "a desk phone has no browser");
    }

    #[test]
    fn a_link_is_one_agents_and_dies_with_the_password() {
        let (_, agent) = site();
        let token = token("key", &agent);
        assert!(is_token("key", &agent, &token) && token.len() == TOKEN);
        let other = AgentSetup { number: "1002".into(), ..agent.clone() };
        let changed = AgentSetup { password: "new".into(), ..agent.clone() };
        assert!(!is_token("key", &other, &token) && !is_token("key", &changed, &token));
        assert!(!is_token("another", &agent, &token) && !is_token("key", &agent, &token[1..]));
        assert!(!is_token("key", &agent, ""));
    }
}
