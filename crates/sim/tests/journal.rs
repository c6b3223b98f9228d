//! The journal as text: read back it is the same, and a replay finds out whatever is wrong with it.

use busyhour_acd::{Command, Digest};
use busyhour_model::{Time, What};
use busyhour_sim::{Deed, STORM, Scenario, World};
use busyhour_switch::{Difference, Entry, Replay, Replayed, Request};
use std::time::Duration;

const CALM: Duration = Duration::from_secs(700);

/// The journal of a storm, with a mark at its end.
fn storm(seed: u64) -> Vec<Entry> {
    let mut world = World::new(Scenario::storm(seed));
    world.run(STORM);
    world.settle(CALM);
    let mark = world.switch.mark();
    world.journal.into_iter().chain([mark]).collect()
}

/// A storm in which a call was accepted and marks came on the way.
fn lively() -> Vec<Entry> {
    let accepted = |entry: &Entry| matches!(entry, Entry::Command(_, Command::Accepted { .. }));
    let lively = |journal: &Vec<Entry>| {
        let marks = journal.iter().filter(|entry| matches!(entry, Entry::Mark(..))).count();
        marks > 1 && journal.iter().filter(|entry| accepted(entry)).count() > 1
    };
    (0..256).map(storm).find(lively).expect("one of many storms is lively")
}

/// How far a replay comes: all of it, or the entry that differs.
fn replay(journal: &[Entry]) -> Result<Replayed, (usize, Difference)> {
    let mut replay = Replay::default();
    for (index, entry) in journal.iter().enumerate() {
        replay.take(entry).map_err(|difference| (index, difference))?;
    }
    Ok(replay.tally())
}

#[test]
fn what_is_written_as_text_is_read_as_it_was() {
    for entry in (0..32).flat_map(storm) {
        let line = serde_json::to_string(&entry).expect("an entry is plain data");
        let read: Entry = serde_json::from_str(&line).expect("what was written is read back");
        assert_eq!(read, entry, "times, spans and scores keep every bit: {line}");
    }
}

#[test]
fn a_long_journal_has_snapshots_from_each_of_which_it_may_be_replayed() {
    let mut scenario = Scenario::calm(7, 3);
    let agent = scenario.setup.agents[0].number.clone();
    for toggle in 0..10_500 {
        let ask = match toggle % 2 {
            0 => Request::NotReady { agent: agent.clone(), reason: "tea".into(), force: false },
            _ => Request::Ready { agent: agent.clone() },
        };
        scenario.deeds.push((Duration::from_millis(2_000 + 20 * toggle), Deed::Ask(Box::new(ask))));
    }
    let mut world = World::new(scenario);
    world.run(Duration::from_secs(240));
    world.journal.push(world.switch.mark());
    let snapshots: Vec<usize> =
        (0..world.journal.len()).filter(|&i| matches!(world.journal[i], Entry::Snapshot(..))).collect();
    assert_eq!(snapshots.len(), 1);
    let whole = replay(&world.journal).expect("nothing differs");
    assert_eq!(whole.marks, 1 + 3 + 1, "a snapshot, a mark each minute, and one at the end");
    let rest = replay(&world.journal[snapshots[0]..]).expect("nothing differs");
    assert!(rest.marks > 0 && (500..600).contains(&rest.commands) && rest.skipped == 0, "{rest:?}");
    let late = replay(&world.journal[snapshots[0] - 100..]).expect("nothing differs");
    assert_eq!((late.commands, late.skipped > 0), (rest.commands, true), "what cannot be played is counted");
}

/// A journal in which every kind of entry occurs, and who is asked for is found.
fn found(journal: &[Entry], wanted: impl Fn(&Entry) -> bool) -> usize {
    journal.iter().rposition(wanted).expect("the storm has one")
}

#[test]
fn whatever_is_wrong_with_a_journal_is_found_at_its_entry() {
    let whole = lively();
    let tally = replay(&whole).expect("nothing differs");
    assert!(tally.commands > 10 && tally.decisions > 10 && tally.marks > 1, "{tally:?}");

    let mut journal = whole.clone();
    let at = found(&journal, |entry| matches!(entry, Entry::Command(_, Command::Accepted { .. })));
    journal.remove(at);
    let (index, _) = replay(&journal).expect_err("a command is missing");
    assert!(index >= at);

    let mut journal = whole.clone();
    let at = found(&journal, |entry| matches!(entry, Entry::Fact(fact) if matches!(fact.what, What::Offered { .. })));
    if let Entry::Fact(fact) = &mut journal[at]
        && let What::Offered { why, .. } = &mut fact.what
    {
        why.score = f64::from_bits(why.score.to_bits() + 1);
    }
    assert!(matches!(replay(&journal), Err((index, Difference::Offer { .. })) if index == at), "one bit of a score");

    let mut journal = whole.clone();
    let at = found(&journal, |entry| matches!(entry, Entry::Fact(f) if matches!(f.what, What::AgentEntered { .. })));
    journal.remove(at);
    assert!(replay(&journal).is_err(), "an agent's state was not told");

    let mut journal = whole.clone();
    let last = journal.len() - 1;
    let at = found(&journal[..last], |entry| matches!(entry, Entry::Mark(..)));
    if let Entry::Mark(_, digest) = &mut journal[at] {
        *digest = Digest(digest.0 ^ 1);
    }
    assert!(matches!(replay(&journal), Err((index, Difference::State { .. })) if index == at));

    let mut journal = whole;
    if let Entry::Began(_, snapshot) = &mut journal[0] {
        snapshot.state[0] ^= 1;
    }
    assert!(matches!(replay(&journal), Err((0, Difference::Damaged(_)))), "another seed than the one written");
}

#[test]
fn a_journal_without_marks_is_skipped_not_believed() {
    let journal: Vec<Entry> =
        lively().into_iter().filter(|entry| matches!(entry, Entry::Command(..) | Entry::Fact(_))).collect();
    let tally = replay(&journal).expect("nothing is compared");
    assert_eq!((tally.commands, tally.marks, tally.runs), (0, 0, 0));
    assert!(tally.skipped > 10);
}

#[test]
fn a_second_start_begins_anew() {
    let twice: Vec<Entry> = [storm(3), storm(4)].concat();
    let tally = replay(&twice).expect("nothing differs");
    assert_eq!(tally.runs, 2);
    assert!(twice.iter().any(|entry| matches!(entry, Entry::Began(at, _) if *at > Time::ZERO)));
}
