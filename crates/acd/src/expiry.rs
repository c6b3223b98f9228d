//! Skills held only until a date.

use crate::acd::Acd;
use crate::command::{Decision, Skill};
use crate::group::Profile;
use busyhour_model::{AgentId, SkillId, Time};

impl Acd {
    /// What of these skills is still held; the alarm is set to the next that ends.
    pub(crate) fn unexpired(
        &mut self,
        agent: AgentId,
        mut skills: Vec<Skill>,
        mut expires: Vec<(SkillId, Time)>,
    ) -> Vec<Skill> {
        let now = self.now;
        skills.retain(|s| !expires.iter().any(|&(skill, at)| skill == s.0 && at <= now));
        expires.retain(|e| skills.iter().any(|s| s.0 == e.0));
        expires.sort_unstable_by_key(|&(skill, at)| (at, skill));
        self.forget_expiries(agent);
        if let Some(&(_, next)) = expires.first() {
            self.lapses.set(agent.0, next);
            self.wake = self.wake.min(next);
            self.expiries.insert(agent, expires);
        }
        skills
    }

    /// A skill of the agent ends now. A call in hand goes on.
    pub(crate) fn lapse(&mut self, agent: AgentId, out: &mut Vec<Decision>) {
        let profile = self.groups[self.agent_ref(agent).group].profile.clone();
        let expires = self.expiries.remove(&agent).unwrap_or_default();
        let skills = self.unexpired(agent, profile.skills, expires);
        self.regroup(agent, Profile { skills, ..profile }, out);
    }

    pub(crate) fn forget_expiries(&mut self, agent: AgentId) {
        self.expiries.remove(&agent);
        self.lapses.clear(agent.0);
    }
}
