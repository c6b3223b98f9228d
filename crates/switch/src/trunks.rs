//! Trunks: which call may use one, channels counted exactly, and which dialplan a dialled number leads to.

use crate::groups::{self, Candidate, TrunkGroup, Turns};
use crate::limits::{Recent, Shaper};
use crate::rewriting::Place;
use crate::setup::{DialledFrom, NumberRoute, TrunkSetup};
use busyhour_model::{Name, Number, Time, Trouble, TrunkId};
use busyhour_sip::{Incoming, TrunkPeer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trunk {
    pub(crate) setup: TrunkSetup,
    /// Removed from the configuration; ends with its last channel.
    pub(crate) retired: bool,
    /// Takes no new calls; those it has go on.
    pub(crate) drained: bool,
    pub(crate) channels_in: u32,
    pub(crate) channels_out: u32,
    /// Channels in use by calls in, by tier; callers without one under the empty name.
    pub(crate) tiers: BTreeMap<Name, u32>,
    /// As the stack told it last.
    pub(crate) trouble: Option<Trouble>,
    shaper_in: Shaper,
    shaper_out: Shaper,
    callees: Recent,
    /// A reload left it fewer channels than it needs to keep what it keeps free.
    pub(crate) squeezed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Way {
    In,
    Out,
}

/// A channel in use, and what else is counted with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Channel {
    pub(crate) trunk: TrunkId,
    pub(crate) way: Way,
    /// Of a call in: the caller's tier, or the empty name.
    pub(crate) tier: Option<Name>,
    /// The number called, when that may have only so many calls.
    pub(crate) number: Option<Name>,
}

/// Why a trunk does not take a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) reason: &'static str,
    /// It may after so long.
    pub(crate) after: Option<Duration>,
}

impl Full {
    fn of(reason: &'static str) -> Full {
        Full { reason, after: None }
    }
}

/// A drained trunk may be taken into use again any time.
const DRAINED_RETRY: Duration = Duration::from_secs(60);

/// All trunks ever configured, indexed by `TrunkId`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trunks {
    all: Vec<Trunk>,
    groups: Vec<TrunkGroup>,
    turns: BTreeMap<Name, Turns>,
    routes: Vec<NumberRoute>,
    /// Calls to numbers that may have only so many.
    pub(crate) numbers: BTreeMap<Name, u32>,
    /// A trunk that is going has no calls any more: the stack is to be told.
    pub(crate) emptied: bool,
    /// No registration is wanted any more.
    left: bool,
}

impl Trunks {
    /// Takes over a new configuration: names keep their ids and channels in use.
    pub(crate) fn configure(&mut self, setups: &[TrunkSetup], groups: &[TrunkGroup], routes: &[NumberRoute]) {
        for trunk in &mut self.all {
            trunk.retired = true;
        }
        for setup in setups {
            match self.all.iter_mut().find(|t| t.setup.name == setup.name) {
                Some(trunk) => trunk.take_over(setup.clone()),
                None => self.all.push(Trunk::new(setup.clone())),
            }
        }
        self.groups = groups.to_vec();
        self.turns.clear();
        self.routes = routes.to_vec();
        self.routes.sort_by_key(|route| std::cmp::Reverse((route.number.len(), route.trunk.is_some())));
    }

    pub(crate) fn trunk(&self, id: TrunkId) -> &Trunk {
        &self.all[id.0 as usize]
    }

    fn trunk_mut(&mut self, id: TrunkId) -> &mut Trunk {
        &mut self.all[id.0 as usize]
    }

    pub(crate) fn active(&self) -> impl Iterator<Item = (TrunkId, &Trunk)> {
        self.all().filter(|(_, t)| !t.retired)
    }

    /// Those that are going too.
    pub(crate) fn all(&self) -> impl Iterator<Item = (TrunkId, &Trunk)> {
        self.all.iter().enumerate().map(|(i, t)| (TrunkId(i as u32), t))
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<TrunkId> {
        self.active().find(|(_, t)| &*t.setup.name == name).map(|(id, _)| id)
    }

    /// Whether calls can go out by any trunk.
    pub(crate) fn has_outbound(&self) -> bool {
        self.active().any(|(_, t)| t.setup.leads_out())
    }

    /// The trunk whose turn it is for a call out, by the name of a trunk or a group, of those not yet tried.
    pub(crate) fn next(&mut self, by: Option<&Name>, tried: &[TrunkId]) -> Option<TrunkId> {
        let rank = |candidate: &Candidate| (!self.trunk(candidate.trunk).is_working(), candidate.priority);
        let mut open = self.candidates(by);
        open.retain(|candidate| !tried.contains(&candidate.trunk));
        let best = open.iter().map(rank).min()?;
        open.retain(|candidate| rank(candidate) == best);
        let name = by.cloned().unwrap_or_else(|| groups::DEFAULT.into());
        self.turns.entry(name).or_default().choose(&open)
    }

    /// Whether a silent trunk may be given up for another one that works.
    pub(crate) fn has_more(&self, by: Option<&Name>, tried: &[TrunkId]) -> bool {
        let works = |trunk: TrunkId| !tried.contains(&trunk) && self.trunk(trunk).is_working();
        self.goes_on(by, groups::SILENT, None) && self.candidates(by).iter().any(|candidate| works(candidate.trunk))
    }

    fn candidates(&self, by: Option<&Name>) -> Vec<Candidate> {
        if let Some(group) = self.group(by) {
            let member = |member: &groups::GroupMember| {
                let trunk = self.by_name(&member.trunk)?;
                Some(Candidate { trunk, priority: member.priority, weight: member.weight })
            };
            return group.members.iter().filter_map(member).collect();
        }
        let alone = |trunk: TrunkId| Candidate { trunk, priority: trunk.0, weight: 1 };
        match by {
            Some(name) => self.by_name(name).map(alone).into_iter().collect(),
            None => self.active().filter(|(_, t)| t.setup.leads_out()).map(|(id, _)| alone(id)).collect(),
        }
    }

    fn group(&self, by: Option<&Name>) -> Option<&TrunkGroup> {
        let name = by.map_or(groups::DEFAULT, |name| name);
        self.groups.iter().find(|group| *group.name == *name)
    }

    /// Whether the next trunk is tried after this status, or the cause that was told with it.
    pub(crate) fn goes_on(&self, by: Option<&Name>, status: u16, cause: Option<u8>) -> bool {
        match self.group(by) {
            Some(group) => {
                group.next_on.iter().any(|on| *on == status || cause.is_some_and(|cause| *on == u16::from(cause)))
            }
            None => groups::NEXT_ON.contains(&status),
        }
    }

    pub(crate) fn set_trouble(&mut self, id: TrunkId, trouble: Option<Trouble>) {
        self.trunk_mut(id).trouble = trouble;
    }

    /// Takes no new calls, or takes them again.
    pub(crate) fn drain(&mut self, id: TrunkId, drained: bool) {
        let trunk = self.trunk_mut(id);
        trunk.drained = drained;
        self.emptied = true;
    }

    /// No trunk is registered at any more.
    pub(crate) fn leave(&mut self) {
        (self.left, self.emptied) = (true, true);
    }

    /// Takes what a call in needs: its turn, and a channel.
    pub(crate) fn admit(
        &mut self,
        now: Time,
        id: TrunkId,
        tier: Option<&Name>,
        number: Option<(&str, u32)>,
    ) -> Result<Channel, Full> {
        let busy = number.is_some_and(|(number, max)| self.numbers.get(number).is_some_and(|calls| *calls >= max));
        let trunk = self.trunk_mut(id);
        if trunk.drained || trunk.retired {
            return Err(Full { reason: "drained", after: Some(DRAINED_RETRY) });
        }
        if let Some(rate) = trunk.setup.limits.rate_in {
            let wait = trunk.shaper_in.wait(now, rate, rate);
            if !wait.is_zero() {
                return Err(Full { reason: "rate", after: Some(wait) });
            }
            trunk.shaper_in.pass(now, rate);
        }
        trunk.room(Way::In, tier)?;
        if busy {
            return Err(Full::of("number_full"));
        }
        let tier = tier.cloned().unwrap_or_else(|| "".into());
        trunk.channels_in += 1;
        *trunk.tiers.entry(tier.clone()).or_default() += 1;
        let number = number.map(|(number, _)| Name::from(number));
        number.iter().for_each(|number| *self.numbers.entry(number.clone()).or_default() += 1);
        Ok(Channel { trunk: id, way: Way::In, tier: Some(tier), number })
    }

    /// Takes what a call out to `number` needs: its turn, in how long that is, and a channel.
    pub(crate) fn book(
        &mut self,
        now: Time,
        id: TrunkId,
        number: &Number,
        wait_max: Duration,
    ) -> Result<(Channel, Duration), Full> {
        let trunk = self.trunk_mut(id);
        let limits = &trunk.setup.limits;
        if trunk.drained {
            return Err(Full::of("drained"));
        }
        if trunk.trouble.is_some() {
            return Err(Full::of("down"));
        }
        if !trunk.setup.policy.allows(number) {
            return Err(Full::of("barred"));
        }
        trunk.room(Way::Out, None)?;
        if !trunk.callees.admits(now, &number.national, &limits.callee) {
            return Err(Full::of("called_too_often"));
        }
        let mut wait = Duration::ZERO;
        if let Some(rate) = limits.rate_out {
            wait = trunk.shaper_out.wait(now, rate, 1);
            if wait > wait_max.min(limits.wait_max) {
                return Err(Full { reason: "rate", after: Some(wait) });
            }
            trunk.shaper_out.pass(now + wait, rate);
        }
        trunk.callees.remember(now, &number.national, &limits.callee);
        trunk.channels_out += 1;
        Ok((Channel { trunk: id, way: Way::Out, tier: None, number: None }, wait))
    }

    pub(crate) fn release(&mut self, channel: &Channel) {
        let trunk = self.trunk_mut(channel.trunk);
        match channel.way {
            Way::In => trunk.channels_in -= 1,
            Way::Out => trunk.channels_out -= 1,
        }
        if let Some(tier) = &channel.tier {
            one_less(&mut trunk.tiers, tier);
        }
        trunk.squeezed &= !trunk.keeps_its_word();
        let going = (trunk.drained || trunk.retired) && trunk.in_use() == 0;
        self.emptied |= going;
        if let Some(number) = &channel.number {
            one_less(&mut self.numbers, number);
        }
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

    /// A whole number of ours that leads somewhere when it comes by this trunk.
    pub(crate) fn own_number(&self, trunk: &Name) -> Option<&str> {
        let whole = |route: &&NumberRoute| !route.number.ends_with('*');
        let mine = |route: &&NumberRoute| route.trunk.as_ref().is_none_or(|of| of == trunk);
        self.routes.iter().filter(whole).find(mine).map(|route| &*route.number)
    }

    /// The dialplan for a number: exact before prefix, longer before shorter, this trunk's own before all trunks'.
    pub(crate) fn route(&self, trunk: Option<&Name>, number: &Number) -> Option<&NumberRoute> {
        let fits = |route: &&NumberRoute| match route.number.strip_suffix('*') {
            Some(prefix) => number.national.starts_with(prefix) || number.raw.starts_with(prefix),
            None => number.national == route.number || number.raw == route.number,
        };
        let mine = |route: &&NumberRoute| route.trunk.is_none() || route.trunk.as_ref() == trunk;
        let exact = self.routes.iter().find(|r| !r.number.ends_with('*') && mine(r) && fits(r));
        exact.or_else(|| self.routes.iter().find(|r| mine(r) && fits(r)))
    }

    /// The trunks as the SIP stack needs them; one that is going as long as it has calls, one that is drained registered
    /// as long as that.
    pub(crate) fn peers(&self) -> Vec<TrunkPeer> {
        let registers = |t: &Trunk| !self.left && (!(t.drained || t.retired) || t.in_use() > 0);
        self.all()
            .filter(|(_, t)| !t.retired || t.in_use() > 0)
            .map(|(trunk, t)| TrunkPeer {
                trunk,
                sources: if t.retired { Vec::new() } else { t.setup.sources.clone() },
                certified: t.setup.certified,
                secret: t.setup.secret.clone(),
                peers: t.setup.peers.clone(),
                named: t.setup.named.clone(),
                proxy: t.setup.proxy,
                bind: t.setup.bind,
                patience: t.setup.patience,
                user: t.setup.user.clone(),
                from_user: t.setup.from_user.clone(),
                digest_domain: t.setup.digest_domain,
                domain: t.setup.domain.clone(),
                credentials: t.setup.credentials.clone(),
                register: t.setup.register.filter(|_| registers(t)),
                probe: t.setup.probe.filter(|_| !t.retired),
                keep_alive: t.setup.keep_alive,
                terms: t.setup.terms.clone(),
            })
            .collect()
    }
}

fn one_less(counts: &mut BTreeMap<Name, u32>, name: &Name) {
    if let Some(count) = counts.get_mut(name) {
        *count -= 1;
        if *count == 0 {
            counts.remove(name);
        }
    }
}

impl Trunk {
    fn new(setup: TrunkSetup) -> Trunk {
        Trunk {
            drained: setup.limits.drained,
            setup,
            retired: false,
            channels_in: 0,
            channels_out: 0,
            tiers: BTreeMap::new(),
            trouble: None,
            shaper_in: Shaper::default(),
            shaper_out: Shaper::default(),
            callees: Recent::default(),
            squeezed: false,
        }
    }

    fn take_over(&mut self, setup: TrunkSetup) {
        // What was drained by hand stays so until the file says otherwise than before.
        if self.retired && self.setup.limits.drained != setup.limits.drained {
            self.drained = setup.limits.drained;
        }
        (self.setup, self.retired) = (setup, false);
        self.squeezed = !self.keeps_its_word();
    }

    /// Takes calls, as far as is known.
    fn is_working(&self) -> bool {
        self.trouble.is_none() && !self.drained
    }

    pub(crate) fn in_use(&self) -> u32 {
        self.channels_in + self.channels_out
    }

    fn free(&self) -> u32 {
        self.setup.channels.saturating_sub(self.in_use())
    }

    fn used_by(&self, tier: Option<&Name>) -> u32 {
        self.tiers.get(tier.map_or("", |tier| tier)).copied().unwrap_or(0)
    }

    /// Channels that are still to be kept free, for all tiers.
    fn kept(&self) -> u32 {
        let unused = |tier: &crate::TierChannels| tier.keep.saturating_sub(self.used_by(tier.tier.as_ref()));
        self.setup.limits.tiers.iter().map(unused).sum()
    }

    /// What is kept for tiers is free.
    pub(crate) fn keeps_its_word(&self) -> bool {
        self.in_use() <= self.setup.channels && self.free() >= self.kept()
    }

    /// Whether there is a channel for one more.
    fn room(&self, way: Way, tier: Option<&Name>) -> Result<(), Full> {
        let limits = &self.setup.limits;
        let (used, max, reason) = match way {
            Way::In => (self.channels_in, limits.channels_in, "channels_in_full"),
            Way::Out => (self.channels_out, limits.channels_out, "channels_out_full"),
        };
        let mine = limits.tiers.iter().find(|of| way == Way::In && of.tier.as_ref() == tier);
        if self.free() == 0 {
            Err(Full::of("channels_full"))
        } else if max.is_some_and(|max| used >= max) {
            Err(Full::of(reason))
        } else if mine.is_some_and(|mine| mine.max.is_some_and(|max| self.used_by(tier) >= max)) {
            Err(Full::of("tier_full"))
        } else if mine.is_none_or(|mine| self.used_by(tier) >= mine.keep) && self.free() <= self.kept() {
            Err(Full::of("reserved"))
        } else {
            Ok(())
        }
    }
}
