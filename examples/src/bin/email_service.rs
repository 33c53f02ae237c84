//! A service that embeds the log: accounts write `user_email_updated`, keyed by user, over three partitions, and the
//! group `analytics` handles it. Consumers come and go, partitions move, and in the end the log is replayed.
//!
//! ```text
//! cargo run --release --bin email_service [URL]
//! ```
//!
//! Exit code 0 means that every event was handled, each user's in order, that no partition ever had two owners, and
//! that none moved without need.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use ottla::codec::Json;
use ottla::producer::Producer;
use ottla::{At, Client, Env, NewTopic, TypedProducer, Utf8, consumer};
use ottla_examples::owners::{Owners, Shares};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;

type Error = Box<dyn std::error::Error + Send + Sync>;

const TOPIC: &str = "user_email_updated";
const GROUP: &str = "analytics";
const USERS: [&str; 6] = ["ada", "alan", "grace", "ken", "linus", "radia"];
/// Far more than anything here takes: to end with a message where something hangs.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct EmailUpdated {
    /// Counts the changes of this user.
    change: u32,
    email: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://".to_owned());
    match run(&url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("email_service: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(url: &str) -> Result<(), Error> {
    let client = Client::connect(url).await?;
    client.admin().create_topic(NewTopic::new(TOPIC).partitions(3)).await?;
    println!("{TOPIC}: 3 partitions in {url}\n");
    let (owners, desk) = (Owners::default(), Desk::default());
    let mut accounts = Accounts::new(client.producer().build().await?);

    let x = Member::join(&client, "X", &owners, &desk).await?;
    let alone = divided("X joins the group analytics", &owners, &[3]).await?;
    let y = Member::join(&client, "Y", &owners, &desk).await?;
    let two = divided("Y joins", &owners, &[2, 1]).await?;
    stays(&two, &alone)?;
    handled(&mut accounts, &desk).await?;

    let z = Member::join(&client, "Z", &owners, &desk).await?;
    let three = divided("Z joins", &owners, &[1, 1, 1]).await?;
    stays(&three, &two)?;
    handled(&mut accounts, &desk).await?;

    y.leave().await?;
    let left = divided("Y leaves", &owners, &[2, 1]).await?;
    stays(&three, &left)?;
    handled(&mut accounts, &desk).await?;

    x.leave().await?;
    z.leave().await?;
    let replayed = replay(&client).await?;
    println!("replayed from the start, by a reader without a group: {} events", replayed.len());
    for user in USERS {
        let emails: Vec<_> = replayed.iter().filter(|(of, _)| of == user).map(|(_, event)| &*event.email).collect();
        println!("  {user:<6} {}", emails.join(" -> "));
    }
    client.close(Duration::from_secs(5)).await?;

    owners.check()?;
    check(&accounts.written, &desk.seen(), &replayed)?;
    println!("\nevery event was handled, each user's in order, and no partition had two owners");
    Ok(())
}

/// The service that writes.
struct Accounts {
    emails: TypedProducer<Utf8, Json<EmailUpdated>>,
    written: Vec<(String, EmailUpdated)>,
    changes: u32,
}

impl Accounts {
    fn new(producer: Producer) -> Self {
        Self { emails: producer.typed(Utf8, Json::new()), written: Vec::new(), changes: 0 }
    }

    /// Every user has two new addresses. What is keyed by user stays in order, in the partition of that user.
    async fn update(&mut self) -> Result<(), Error> {
        for _ in 0..2 {
            self.changes += 1;
            for user in USERS {
                let event = EmailUpdated { change: self.changes, email: format!("{user}{}@example.org", self.changes) };
                self.emails.send(TOPIC, user, &event).await?;
                self.written.push((user.to_owned(), event));
            }
        }
        Ok(())
    }
}

/// An event as one of the consumers handled it.
#[derive(Clone, Debug)]
struct Handled {
    member: String,
    /// Whether that member was the partition's owner then, as its listener was told.
    owner: bool,
    partition: i32,
    user: String,
    event: EmailUpdated,
}

/// Where the consumers put what they handled, in the order in which they did.
#[derive(Clone, Debug, Default)]
struct Desk(watch::Sender<Vec<Handled>>);

impl Desk {
    fn seen(&self) -> Vec<Handled> {
        self.0.borrow().clone()
    }

    /// Waits until this many different events were handled.
    async fn reached(&self, count: usize) -> Result<(), Error> {
        let different =
            |seen: &[Handled]| seen.iter().map(|one| (&*one.user, one.event.change)).collect::<BTreeSet<_>>().len();
        let mut seen = self.0.subscribe();
        if Env::system().timeout(LIMIT, seen.wait_for(|seen| different(seen) >= count)).await.is_err() {
            return Err(format!("{} of {count} events were handled within {LIMIT:?}", different(&self.seen())).into());
        }
        Ok(())
    }
}

/// A consumer with its handler.
struct Member {
    handle: consumer::Handle,
    task: JoinSet<Result<(), consumer::Error>>,
}

impl Member {
    async fn join(client: &Client, name: &str, owners: &Owners, desk: &Desk) -> Result<Self, Error> {
        let mut consumer = client
            .consumer(GROUP)
            .topics([TOPIC])
            .if_no_offset(At::Earliest)
            .on_rebalance(owners.listener(name))
            // How soon a member hears of a rebalance. The default, 3 s, is made for groups in a network.
            .heartbeat_interval(Duration::from_millis(100))
            .typed(Utf8, Json::<EmailUpdated>::new())
            .build()
            .await?;
        let handle = consumer.handle();
        let (name, owners, desk) = (name.to_owned(), owners.clone(), desk.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            while let Some(message) = consumer.next().await? {
                let partition = message.partition();
                if let (Some(user), Some(event)) = (message.key(), message.value()) {
                    let owner = owners.owns(&name, partition);
                    let (user, event) = (user.clone(), event.clone());
                    let handled = Handled { member: name.clone(), owner, partition, user, event };
                    desk.0.send_modify(|seen| seen.push(handled));
                }
                // Only now: what is not acknowledged comes again after a crash.
                message.ack();
            }
            Ok(())
        });
        Ok(Self { handle, task })
    }

    /// Hands its partitions over, with what is acknowledged committed first.
    async fn leave(mut self) -> Result<(), Error> {
        self.handle.shutdown(Duration::from_secs(5)).await?;
        while let Some(ended) = self.task.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// Waits for shares of these sizes, and says whose they are.
async fn divided(event: &str, owners: &Owners, sizes: &[usize]) -> Result<Shares, Error> {
    let shares = owners.divided(sizes, LIMIT).await?;
    let listed: Vec<_> = shares.iter().map(|(member, share)| format!("{member} owns {}", listed(share))).collect();
    println!("consumer {event}: {}", listed.join(", "));
    Ok(shares)
}

/// Only what has to move moves: with more consumers each has a part of what it had, with fewer all of it and more.
fn stays(with_more: &Shares, with_fewer: &Shares) -> Result<(), Error> {
    for (member, had) in with_fewer {
        if with_more.get(member).is_some_and(|share| !share.is_subset(had)) {
            let what = format!("{member} got other partitions for no reason: {with_fewer:?} against {with_more:?}");
            return Err(what.into());
        }
    }
    Ok(())
}

fn listed(partitions: &BTreeSet<i32>) -> String {
    partitions.iter().map(i32::to_string).collect::<Vec<_>>().join(" and ")
}

/// The accounts write, and the group handles it.
async fn handled(accounts: &mut Accounts, desk: &Desk) -> Result<(), Error> {
    let before = desk.seen().len();
    accounts.update().await?;
    desk.reached(accounts.written.len()).await?;
    let mut got: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in desk.seen().into_iter().skip(before) {
        got.entry((one.member, one.partition)).or_default().push(one.event.email);
    }
    for ((member, partition), emails) in got {
        println!("  {member} got of partition {partition}: {}", emails.join(", "));
    }
    println!();
    Ok(())
}

/// The whole log, from its start to its end.
async fn replay(client: &Client) -> Result<Vec<(String, EmailUpdated)>, Error> {
    let reader = client.reader().topic(TOPIC).start(At::Earliest).to_end().build().await?;
    let mut reader = reader.typed(Utf8, Json::<EmailUpdated>::new());
    let mut events = Vec::new();
    while let Some(message) = reader.next().await? {
        if let (Some(user), Some(event)) = message.into_parts() {
            events.push((user, event));
        }
    }
    Ok(events)
}

/// What the program claims.
fn check(
    written: &[(String, EmailUpdated)],
    handled: &[Handled],
    replayed: &[(String, EmailUpdated)],
) -> Result<(), Error> {
    if let Some(one) = handled.iter().find(|one| !one.owner) {
        return Err(format!("{} handled `{}` without owning {}", one.member, one.event.email, one.partition).into());
    }
    for user in USERS {
        let of = |events: &[(String, EmailUpdated)]| -> Vec<EmailUpdated> {
            events.iter().filter(|(of, _)| of == user).map(|(_, event)| event.clone()).collect()
        };
        let wrote = of(written);
        if of(replayed) != wrote {
            return Err(format!("{user}: wrote {wrote:?}, replayed {:?}", of(replayed)).into());
        }
        // At least once: an event may come again, but never before the ones that precede it.
        let mut first = Vec::new();
        for one in handled.iter().filter(|one| one.user == user) {
            if !first.contains(&one.event) {
                first.push(one.event.clone());
            }
        }
        if first != wrote {
            return Err(format!("{user}: wrote {wrote:?}, handled {first:?}").into());
        }
        let partitions: BTreeSet<_> = handled.iter().filter(|one| one.user == user).map(|one| one.partition).collect();
        if partitions.len() != 1 {
            return Err(format!("{user} is in the partitions {partitions:?}, not in one").into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_story_holds() {
        run("memory://").await.unwrap();
    }

    #[test]
    fn a_needless_move_is_seen() {
        let shares = |list: &[(&str, &[i32])]| -> Shares {
            list.iter().map(|(member, share)| ((*member).to_owned(), share.iter().copied().collect())).collect()
        };
        let two = shares(&[("X", &[0, 1]), ("Y", &[2])]);
        stays(&shares(&[("X", &[1]), ("Y", &[2]), ("Z", &[0])]), &two).unwrap();
        stays(&shares(&[("X", &[2]), ("Y", &[1]), ("Z", &[0])]), &two).unwrap_err();
    }

    #[test]
    fn what_is_wrong_is_seen() {
        let event = |change| EmailUpdated { change, email: format!("{change}") };
        let all = |change| USERS.map(|user| (user.to_owned(), event(change)));
        let written = [all(1), all(2)].concat();
        let by = |(user, event): (String, EmailUpdated)| Handled {
            member: "X".into(),
            owner: true,
            partition: 0,
            user,
            event,
        };
        let good: Vec<_> = written.iter().cloned().map(by).collect();
        check(&written, &good, &written).unwrap();
        check(&written, &[good.clone(), good.clone()].concat(), &written).unwrap();
        let wrong = |seen: Vec<Handled>| check(&written, &seen, &written).unwrap_err();
        wrong(good.iter().rev().cloned().collect());
        wrong(good[1..].to_vec());
        wrong(good.iter().cloned().map(|one| Handled { owner: false, ..one }).collect());
        let moves = |one: Handled| Handled { partition: i32::try_from(one.event.change).unwrap(), ..one };
        wrong(good.iter().cloned().map(moves).collect());
        check(&written, &good, &written[1..]).unwrap_err();
    }
}
