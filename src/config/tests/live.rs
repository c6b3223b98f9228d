//! Changes while it runs.

use super::routing::RICH;
use super::*;
use crate::config::{Amend, Amended, Kind, Refused, Site, written};
use busyhour_switch::Change;
use toml::Table;

fn site() -> Site {
    read("centre.toml", RICH, Path::new("/nowhere")).site.unwrap()
}

fn amended(site: &Site, kind: Kind, name: &str, keys: Table) -> Change {
    let amended = site.live.amend(&site.words, kind, name, &Amend::Set(keys));
    let Amended { change, .. } = amended.unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
    change
}

#[test]
fn what_is_shown_may_be_laid_over_again() {
    let site = site();
    for queue in &site.setup.queues {
        let same = amended(&site, Kind::Queue, &queue.name, written::queue(queue));
        assert_eq!(same, Change::Queue(queue.clone().into()));
    }
    for agent in &site.setup.agents {
        let same = amended(&site, Kind::Agent, &agent.number, written::agent(agent, site.words.utc_offset_minutes));
        assert_eq!(same, Change::Agent(agent.clone().into()));
    }
    let (rich, last) = (&site.setup.queues[0], site.setup.queues.last().unwrap());
    let Change::Queue(copy) = amended(&site, Kind::Queue, &last.name, written::queue(rich)) else { panic!("a queue") };
    assert_eq!((&copy.policy, &copy.relax, copy.goal), (&rich.policy, &rich.relax, rich.goal));
}

#[test]
fn nobody_new_is_called_as_a_phone_or_by_an_alias() {
    let phone = "\n[[phone]]\nnumber = \"8001\"\npassword = \"x\"\n";
    let agent = "\n[[agent]]\nnumber = \"7001\"\npassword = \"x\"\npin = \"4711\"\naliases = \"7601\"\n";
    let site = read("centre.toml", &format!("{RICH}{phone}{agent}"), Path::new("/nowhere")).site.unwrap();
    let add = Amend::Add("password = \"p\"".parse().unwrap());
    for taken in ["8001", "7601"] {
        assert!(matches!(site.live.amend(&site.words, Kind::Agent, taken, &add), Err(Refused::Known(_))), "{taken}");
    }
    assert!(site.live.amend(&site.words, Kind::Agent, "7602", &add).is_ok());
}

#[test]
fn changes_add_up_and_none_clears() {
    let mut site = site();
    let number = site.setup.agents[0].number.clone();
    let keys = |text: &str| text.parse::<Table>().unwrap();
    for text in ["skills = { vip = 7 }", "skills = { loan = 2 }\nsite = \"none\"", "skills.vip = \"none\""] {
        let set = Amend::Set(keys(text));
        site.live = site.live.amend(&site.words, Kind::Agent, &number, &set).unwrap().live;
    }
    let Change::Agent(agent) = amended(&site, Kind::Agent, &number, Table::new()) else { panic!("an agent") };
    assert!(agent.skills.contains(&("loan".into(), 2)) && !agent.skills.iter().any(|(skill, _)| &**skill == "vip"));
    assert_eq!(agent.site, None);
    let removed = site.live.amend(&site.words, Kind::Agent, &number, &Amend::Remove).unwrap().live;
    let again = removed.amend(&site.words, Kind::Agent, &number, &Amend::Set(Table::new()));
    assert!(matches!(again, Err(Refused::Unknown(_))), "who is removed cannot be changed");
    let added = removed.amend(&site.words, Kind::Agent, &number, &Amend::Add(keys("password = \"p\""))).unwrap();
    let Change::Agent(agent) = added.change else { panic!("an agent") };
    assert!(agent.skills.is_empty(), "who comes anew has nothing of the one before");
    assert_eq!(added.says, "added, password = \"***\"");
}
