//! Programs that hear calls while they go on: what media threads hand out goes to each by a WebSocket, what a bot says comes back.

mod link;
mod reach;
#[cfg(test)]
mod tests;

use crate::lookup::Troubles;
use busyhour_ivr::TalkEnd;
use busyhour_media::{Command, Live, SAMPLE_RATE};
use busyhour_model::{CallId, ForkId, Name};
use busyhour_switch::{BotCall, BotSaid, ForkNews};
use link::{Link, Parted, Voice};
use prometheus::{Counter, IntGauge};
use reach::Reach;
pub(crate) use reach::{Socket, taken};
use serde_json::json;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};

/// Frames of 20 ms that wait for the thread; further ones are lost.
const HEARD_MAX: usize = 16_384;
/// What waits for one program.
const TOLD_MAX: usize = 264;
/// Of that, so much is kept for what is no sound; sound that finds no other room is lost: 4 s of one side, 2 s of two.
const KEPT: usize = 64;
/// The first program that came by itself; bots are counted from 1, by the switch.
const FIRST: u64 = 1 << 32;
/// A bot that has not taken a call after so long has failed.
const REACH_MAX: Duration = Duration::from_secs(5);

/// `[[bot]]`: a program that talks with callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotSetup {
    /// As dialplans call it.
    pub name: Name,
    /// `ws://…` or `wss://…`.
    pub url: String,
    /// Sent as `Authorization: Bearer …`.
    pub token: Option<String>,
}

/// What is counted here; how talks end is a fact.
#[derive(Clone, Debug)]
pub struct ForkCounts {
    /// Programs that hear a call now.
    pub active: IntGauge,
    /// Seconds of sound that programs were too slow to take.
    pub lost: Counter,
}

/// Which bot says what to us.
pub type Said = (ForkId, BotSaid);

/// The way to the thread. Clones lead to the same one.
#[derive(Clone)]
pub struct Forks {
    heard: Sender<(ForkId, Live)>,
    orders: UnboundedSender<Order>,
    /// Of programs that come by themselves.
    last: Arc<AtomicU64>,
    bots: Arc<Mutex<Vec<BotSetup>>>,
    counts: ForkCounts,
}

/// What waits for the thread.
pub struct Inbox {
    heard: Receiver<(ForkId, Live)>,
    orders: UnboundedReceiver<Order>,
}

enum Order {
    News(ForkId, ForkNews),
    Join(ForkId, Sender<Told>),
    Leave(ForkId),
}

/// Where a program that came by itself hears.
pub(crate) struct Ear(Receiver<Told>);

/// What one program is told.
#[derive(Debug)]
pub(crate) enum Told {
    Live(Live),
    Key(char),
    /// The caller cannot be sent there.
    Refused(u16),
    /// By this outcome.
    Over(Name),
}

impl Forks {
    /// The way to a thread that is still to be started.
    pub fn new(counts: ForkCounts) -> (Forks, Inbox) {
        let (heard, hearing) = channel(HEARD_MAX);
        let (orders, ordered) = unbounded_channel();
        let last = Arc::new(AtomicU64::new(FIRST));
        let forks = Forks { heard, orders, last, bots: Arc::default(), counts };
        (forks, Inbox { heard: hearing, orders: ordered })
    }

    /// These are the bots from now on; talks under way go on.
    pub fn know(&self, bots: Vec<BotSetup>) {
        *self.bots.lock().unwrap_or_else(PoisonError::into_inner) = bots;
    }

    /// Starts the thread, which ends with the last `Forks`. `say` takes commands to the media plane; the answer is what bots say to us.
    ///
    /// # Errors
    /// No thread or no runtime can be made.
    pub fn start(
        &self,
        inbox: Inbox,
        say: impl Fn(Command) + Send + Sync + 'static,
    ) -> io::Result<UnboundedReceiver<Said>> {
        let (said, bots_say) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (bots, counts) = (Arc::clone(&self.bots), self.counts.clone());
        let run = move || {
            let reach = Reach::new();
            let booth =
                Arc::new(Booth { bots, counts, reach, say: Box::new(say), said, troubles: Troubles::default() });
            runtime.block_on(serve(inbox, booth));
        };
        std::thread::Builder::new().name("forks".into()).spawn(run)?;
        Ok(bots_say)
    }

    /// Takes what a media worker hands out; never waits.
    pub fn hear(&self, fork: ForkId, live: Live) {
        if let Err(refused) = self.heard.try_send((fork, live)) {
            self.counts.lose(&refused.into_inner().1);
        }
    }

    /// Takes what control says; never waits.
    pub fn tell(&self, fork: ForkId, news: ForkNews) {
        // After the thread has ended there is nobody to tell.
        let _ = self.orders.send(Order::News(fork, news));
    }

    /// A program that came by itself is to hear a call.
    pub(crate) fn join(&self) -> (ForkId, Ear) {
        let fork = ForkId(self.last.fetch_add(1, Relaxed));
        let (told, ear) = channel(TOLD_MAX);
        let _ = self.orders.send(Order::Join(fork, told));
        (fork, Ear(ear))
    }

    /// It is gone.
    pub(crate) fn leave(&self, fork: ForkId) {
        let _ = self.orders.send(Order::Leave(fork));
    }

    /// Lets it hear until the call is over, or it goes.
    pub(crate) async fn attend(&self, socket: Socket, Ear(ear): Ear, call: CallId) {
        self.counts.active.inc();
        let start = json!({ "event": "start", "protocol": 1, "call": call.to_string(), "rate": SAMPLE_RATE });
        if let Parted::Fault(why) = Link::new(socket, ear, None).run(&start, "").await {
            tracing::info!(%call, "a program that heard it has gone: {why}");
        }
        self.counts.active.dec();
    }
}

impl ForkCounts {
    fn lose(&self, live: &Live) {
        if let Live::Heard { sound, .. } = live {
            self.lost.inc_by(sound.len() as f64 / f64::from(SAMPLE_RATE));
        }
    }
}

/// Everything a talk needs.
struct Booth {
    bots: Arc<Mutex<Vec<BotSetup>>>,
    counts: ForkCounts,
    reach: Reach,
    say: Box<dyn Fn(Command) + Send + Sync>,
    said: UnboundedSender<Said>,
    troubles: Troubles,
}

/// Brings everything to the program it is for.
async fn serve(mut inbox: Inbox, booth: Arc<Booth>) {
    let mut programs: HashMap<ForkId, Sender<Told>> = HashMap::new();
    loop {
        tokio::select! {
            biased;
            order = inbox.orders.recv() => match order {
                None => return,
                Some(Order::News(fork, ForkNews::Called(called))) => {
                    let (told, inbox) = channel(TOLD_MAX);
                    programs.insert(fork, told);
                    tokio::spawn(Arc::clone(&booth).talk(fork, *called, inbox));
                }
                Some(Order::News(fork, ForkNews::Key(key))) => {
                    drop(programs.get(&fork).map(|told| told.try_send(Told::Key(key))));
                }
                Some(Order::News(fork, ForkNews::Refused(status))) => {
                    drop(programs.get(&fork).map(|told| told.try_send(Told::Refused(status))));
                }
                Some(Order::News(fork, ForkNews::Over { outcome })) => {
                    drop(programs.remove(&fork).map(|told| told.try_send(Told::Over(outcome))));
                }
                Some(Order::Join(fork, told)) => drop(programs.insert(fork, told)),
                Some(Order::Leave(fork)) => drop(programs.remove(&fork)),
            },
            Some((fork, live)) = inbox.heard.recv() => {
                let Some(told) = programs.get(&fork) else { continue };
                match &live {
                    Live::Heard { .. } if told.capacity() <= KEPT && !told.is_closed() => booth.counts.lose(&live),
                    _ => drop(told.try_send(Told::Live(live))),
                }
            }
        }
    }
}

impl Booth {
    /// One talk from the call to the bot to its end, which is told unless control has made it.
    async fn talk(self: Arc<Booth>, fork: ForkId, called: BotCall, inbox: Receiver<Told>) {
        self.counts.active.inc();
        let (call, bot) = (called.call, called.talk.bot.clone());
        let end = match self.talk_to_end(fork, called, inbox).await {
            Parted::Over => None,
            Parted::Ended(end) => Some(end),
            Parted::Fault(why) => {
                let trouble = format!("bot {bot}: {why}");
                if self.troubles.is_new(&trouble, Instant::now()) {
                    tracing::warn!(%call, "{trouble}");
                }
                Some(TalkEnd::Failed)
            }
        };
        self.counts.active.dec();
        if let Some(end) = end {
            let _ = self.said.send((fork, BotSaid::Ended(end)));
        }
    }

    async fn talk_to_end(&self, fork: ForkId, called: BotCall, mut inbox: Receiver<Told>) -> Parted {
        let BotCall { call, leg, from, to, agent, queue, talk } = called;
        let (socket, keys) = match self.reach(&talk.bot, &mut inbox).await {
            Ok(reached) => reached,
            Err(parted) => return parted,
        };
        let data: serde_json::Value = serde_json::from_str(&talk.data).unwrap_or_default();
        let mut start = json!({
            "event": "start", "protocol": 1, "call": call.to_string(), "bot": talk.bot, "from": from, "to": to,
            "language": talk.language, "rate": SAMPLE_RATE, "data": data,
        });
        for (key, name) in [("agent", agent), ("queue", queue)] {
            name.into_iter().for_each(|name| start[key] = (&*name).into());
        }
        // After control has ended there is nobody to tell.
        let tell = |said| drop(self.said.send((fork, said)));
        let voice = Voice { leg, fork, say: &*self.say, tell: &tell };
        tell(BotSaid::Taken);
        Link::new(socket, inbox, Some(voice)).run(&start, &keys).await
    }

    /// Connects to a bot, and the keys pressed meanwhile. What was said before it is there, it does not hear.
    async fn reach(&self, bot: &Name, inbox: &mut Receiver<Told>) -> Result<(Socket, String), Parted> {
        let Some(setup) = self.setup(bot) else { return Err(Parted::Fault("it is not configured any more".into())) };
        let reaching = tokio::time::timeout(REACH_MAX, self.reach.call(&setup));
        tokio::pin!(reaching);
        let mut keys = String::new();
        loop {
            tokio::select! {
                reached = &mut reaching => return match reached {
                    Ok(Ok(socket)) => Ok((socket, keys)),
                    Ok(Err(why)) => Err(Parted::Fault(why)),
                    Err(_) => Err(Parted::Fault(format!("it has not answered within {} s", REACH_MAX.as_secs()))),
                },
                told = inbox.recv() => match told {
                    Some(Told::Key(key)) if keys.len() < KEPT => keys.push(key),
                    Some(Told::Key(_) | Told::Live(_) | Told::Refused(_)) => {}
                    Some(Told::Over(_)) | None => return Err(Parted::Over),
                },
            }
        }
    }

    fn setup(&self, name: &Name) -> Option<BotSetup> {
        let bots = self.bots.lock().unwrap_or_else(PoisonError::into_inner);
        bots.iter().find(|bot| bot.name == *name).cloned()
    }
}
