//! Trunks: channels counted exactly, and which dialplan a dialled number leads to.

use crate::rewriting::Place;
use crate::setup::{DialledFrom, NumberRoute, TrunkSetup};
use busyhour_model::{Name, Number, TrunkId};
use busyhour_sip::{Incoming, TrunkPeer};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trunk {
    pub(crate) setup: TrunkSetup,
    /// Removed from the configuration; ends with its last channel.
    pub(crate) retired: bool,
    pub(crate) channels_in: u32,
    pub(crate) channels_out: u32,
    pub(crate) up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Way {
    In,
    Out,
}

/// All trunks ever configured, indexed by `TrunkId`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trunks {
    all: Vec<Trunk>,
    routes: Vec<NumberRoute>,
}

impl Trunks {
    /// Takes over a new configuration: names keep their ids and channels in use.
    pub(crate) fn configure(&mut self, setups: &[TrunkSetup], routes: &[NumberRoute]) {
        for trunk in &mut self.all {
            trunk.retired = true;
        }
        for setup in setups {
            match self.all.iter_mut().find(|t| t.setup.name == setup.name) {
                Some(trunk) => (trunk.setup, trunk.retired) = (setup.clone(), false),
                None => self.all.push(Trunk {
                    setup: setup.clone(),
                    retired: false,
                    channels_in: 0,
                    channels_out: 0,
                    up: true,
                }),
            }
        }
        self.routes = routes.to_vec();
        self.routes.sort_by_key(|route| std::cmp::Reverse((route.number.len(), route.trunk.is_some())));
    }

    pub(crate) fn trunk(&self, id: TrunkId) -> &Trunk {
        &self.all[id.0 as usize]
    }

    pub(crate) fn active(&self) -> impl Iterator<Item = (TrunkId, &Trunk)> {
        self.all.iter().enumerate().filter(|(_, t)| !t.retired).map(|(i, t)| (TrunkId(i as u32), t))
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<TrunkId> {
        self.active().find(|(_, t)| &*t.setup.name == name).map(|(id, _)| id)
    }

    /// The first trunk that calls can go out by.
    pub(crate) fn outbound(&self) -> Option<TrunkId> {
        self.active().find(|(_, t)| !t.setup.peers.is_empty()).map(|(id, _)| id)
    }

    pub(crate) fn set_up(&mut self, id: TrunkId, up: bool) {
        self.all[id.0 as usize].up = up;
    }

    /// Takes a channel; false when the trunk is full.
    pub(crate) fn seize(&mut self, id: TrunkId, way: Way) -> bool {
        let trunk = &mut self.all[id.0 as usize];
        if trunk.channels_in + trunk.channels_out >= trunk.setup.channels {
            return false;
        }
        *trunk.used(way) += 1;
        true
    }

    pub(crate) fn release(&mut self, id: TrunkId, way: Way) {
        *self.all[id.0 as usize].used(way) -= 1;
    }

    /// The dialled number of an INVITE from this trunk, where this trunk puts it.
    pub(crate) fn dialled(&self, id: TrunkId, incoming: &Incoming) -> Number {
        let setup = &self.trunk(id).setup;
        let (place, user) = match (setup.dialled_from, &incoming.diversion) {
            (DialledFrom::To, _) => (Place::To, &incoming.to),
            (DialledFrom::Diversion, Some(first)) => (Place::Diversion, first),
            (DialledFrom::RequestUri | DialledFrom::Diversion, _) => (Place::RequestUri, &incoming.dialled),
        };
        setup.policy.rewrite_in.read(place, user)
    }

    /// The dialplan for a number: exact before prefix, longer before shorter, this trunk's own before all trunks'.
    pub(crate) fn route(&self, trunk: Option<&Name>, number: &Number) -> Option<&Name> {
        let fits = |route: &&NumberRoute| match route.number.strip_suffix('*') {
            Some(prefix) => number.national.starts_with(prefix) || number.raw.starts_with(prefix),
            None => number.national == route.number || number.raw == route.number,
        };
        let mine = |route: &&NumberRoute| route.trunk.is_none() || route.trunk.as_ref() == trunk;
        let exact = self.routes.iter().find(|r| !r.number.ends_with('*') && mine(r) && fits(r));
        exact.or_else(|| self.routes.iter().find(|r| mine(r) && fits(r))).map(|r| &r.dialplan)
    }

    /// The trunks as the SIP stack needs them.
    pub(crate) fn peers(&self) -> Vec<TrunkPeer> {
        self.active()
            .map(|(trunk, t)| TrunkPeer {
                trunk,
                sources: t.setup.sources.clone(),
                certified: t.setup.certified,
                peers: t.setup.peers.clone(),
                proxy: t.setup.proxy,
                bind: t.setup.bind,
                patience: t.setup.patience,
                user: t.setup.user.clone(),
                digest_domain: t.setup.digest_domain,
                domain: t.setup.domain.clone(),
                credentials: t.setup.credentials.clone(),
                register: t.setup.register,
                probe: t.setup.probe,
            })
            .collect()
    }
}

impl Trunk {
    fn used(&mut self, way: Way) -> &mut u32 {
        match way {
            Way::In => &mut self.channels_in,
            Way::Out => &mut self.channels_out,
        }
    }
}
