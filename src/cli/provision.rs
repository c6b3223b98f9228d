//! `busyhour provision`: what an agent's phone is told, and the link where it may fetch that.

use super::WRONG;
use crate::config;
use crate::provision::{Format, Registrar, path, render};
use busyhour_sip::Transport;
use clap::{Args, ValueEnum};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Provision {
    /// Agent number
    agent: String,
    /// Whose format
    #[arg(long, default_value = "baresip")]
    format: Format,
    /// How the phone registers; without it the safest way there is
    #[arg(long)]
    transport: Option<By>,
    /// Print the link where the phone may fetch it, below this address of the HTTP interface as phones reach it
    #[arg(long, value_name = "BASE", num_args = 0..=1, default_missing_value = "")]
    link: Option<String>,
    /// Print that link as a QR code to point a Linphone at
    #[arg(long, requires = "link")]
    qr: bool,
    /// Configuration file; without it the built-in sample
    #[arg(long, short)]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Udp,
    Tcp,
    Tls,
}

pub(super) fn run(command: &Provision) -> ExitCode {
    let loaded = config::load(command.config.as_deref());
    let Some(site) = loaded.site else {
        super::print_all(&loaded.diagnostics);
        return ExitCode::from(WRONG);
    };
    match command.said(&site) {
        Ok(said) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("busyhour: {why}");
            ExitCode::FAILURE
        }
    }
}

impl Provision {
    fn said(&self, site: &config::Site) -> Result<String, String> {
        let agents = &site.setup.agents;
        let agent = agents.iter().find(|agent| *agent.number == *self.agent && agent.bot.is_none());
        let agent = agent.ok_or_else(|| format!("no agent has the number {}", self.agent))?;
        if let Some(base) = &self.link {
            let key = site.shell.provision_key.as_deref();
            let key = key
                .ok_or("no phone may fetch anything: set `http.provision_key` to a secret of 16 characters or more")?;
            let listening = || site.shell.http.map(|address| format!("http://{address}"));
            let base = Some(base.clone()).filter(|base| !base.is_empty()).or_else(listening);
            let base = base.ok_or("the HTTP interface is off: say where phones find it, --link http://…")?;
            let link = format!("{}{}", base.trim_end_matches('/'), path(key, agent, self.format));
            return if self.qr { picture(&link) } else { Ok(link + "\n") };
        }
        let transport = self.transport.map(|by| match by {
            By::Udp => Transport::Udp,
            By::Tcp => Transport::Tcp,
            By::Tls => Transport::Tls,
        });
        let registrar = Registrar::of(&site.shell.locals(), transport);
        let registrar =
            registrar.ok_or("no SIP address of ours is for that transport; see `sip.udp`, `sip.tcp`, `sip.tls`")?;
        Ok(render(self.format, &site.setup, agent, registrar))
    }
}

/// Blocks of light, as a terminal shows them on black.
fn picture(link: &str) -> Result<String, String> {
    let code = QrCode::new(link).map_err(|e| format!("the link is too long for a QR code: {e}"))?;
    Ok(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build() + "\n")
}
