//! Changes the metadata: decide, append, and decide again if somebody else was faster.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::command::Command;
use super::image::Image;
use crate::env::Env;
use crate::error::{Error, ErrorCode};
use crate::ids::BrokerId;
use crate::log::{self, Entry, ErrorKind, MetadataLog, Position};
use crate::planted::is_planted;

/// Entries read at once.
const READ_ENTRIES: usize = 256;
/// Entries after which the image is saved and those before it are given back.
const SNAPSHOT_EVERY: u64 = 1_000;
/// Tries of one operation against a medium that does not answer: about six seconds with the waits below.
const TRIES: u32 = 10;
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Lost races in a row. Each was somebody else's progress, so many of them mean a fault.
const RACES: u32 = 1_000;

/// What a decision comes to: commands for one append (none: nothing to change) and what to tell the asker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<T> {
    /// The commands, to take effect together.
    pub commands: Vec<Command>,
    /// The answer, once they are in the log.
    pub answer: T,
}

/// The one way to change the metadata of a cluster, for one broker.
///
/// - What was decided is appended at the position of the image it was decided on, or not at all.
/// - An append carries a unique id. When its outcome is unknown, the *same* append is offered again at
///   the *same* position, which only one can take, and whoever took it is read back: a change is never
///   made twice, even if a lost write arrives late.
#[derive(Debug)]
pub struct Writer {
    log: Arc<dyn MetadataLog>,
    env: Env,
    broker: BrokerId,
    image: RwLock<Arc<Image>>,
    /// Held while the image moves; holds the position of the newest snapshot that this writer knows.
    moving: Mutex<Position>,
}

/// What became of one offer of an append.
enum Offered {
    Taken,
    Lost,
}

impl Writer {
    /// Reads the metadata as far as it goes.
    ///
    /// # Errors
    /// What the log failed with, or what of it is not understood.
    pub async fn load(log: Arc<dyn MetadataLog>, env: Env, broker: BrokerId) -> Result<Self, Error> {
        let writer = Self { log, env, broker, image: RwLock::default(), moving: Mutex::new(0) };
        let mut snapshot_at = writer.moving.lock().await;
        writer.load_snapshot(&mut snapshot_at).await?;
        writer.follow(&mut snapshot_at).await?;
        drop(snapshot_at);
        Ok(writer)
    }

    /// The newest image that this writer knows.
    #[must_use]
    pub fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads what others wrote, and returns the image.
    ///
    /// # Errors
    /// What the log failed with, or what of it is not understood.
    pub async fn catch_up(&self) -> Result<Arc<Image>, Error> {
        let mut snapshot_at = self.moving.lock().await;
        self.follow(&mut snapshot_at).await
    }

    /// Makes the change that `decide` decides on, and returns its answer with an image that holds it.
    /// `decide` is called again after every lost race, on the newer image.
    ///
    /// Dropping the future leaves open whether the change was made; the image stays right.
    ///
    /// # Errors
    /// What `decide` refused; what the log failed with. With [`ErrorCode::RequestTimedOut`] the change
    /// may have been made or may yet be.
    pub async fn commit<T: Send>(
        &self,
        mut decide: impl FnMut(&Image) -> Result<Decision<T>, Error> + Send,
    ) -> Result<(T, Arc<Image>), Error> {
        let mut snapshot_at = self.moving.lock().await;
        for _ in 0..RACES {
            let image = self.image();
            let Decision { commands, answer } = decide(&image)?;
            if commands.is_empty() {
                return Ok((answer, image));
            }
            let id = self.env.uuid();
            let commands: Vec<Command> =
                std::iter::once(Command::Entry { id, writer: self.broker }).chain(commands).collect();
            // Also the last check of the decision: what contradicts the image never reaches the log.
            let next = image.apply(&commands).map_err(|error| unreadable(&error))?;
            match self.offer(image.position(), id, &commands).await? {
                Offered::Taken => {
                    let next = self.install(next);
                    self.save_if_due(&next, &mut snapshot_at).await;
                    return Ok((answer, next));
                }
                Offered::Lost => {
                    self.follow(&mut snapshot_at).await?;
                }
            }
        }
        Err(Error::new(
            ErrorCode::RequestTimedOut,
            format!("broker {} lost {RACES} races for the metadata log in a row; try again later", self.broker),
        ))
    }

    /// Offers one append until it is known who has the position.
    async fn offer(&self, position: Position, id: Uuid, commands: &[Command]) -> Result<Offered, Error> {
        let encoded: Vec<Bytes> =
            commands.iter().map(Command::encode).collect::<Result<_, _>>().map_err(|error| unreadable(&error))?;
        let mut wait = FIRST_WAIT;
        let mut last = None;
        for _ in 0..TRIES {
            match self.log.append_at(position, encoded.clone()).await {
                Ok(_) => return Ok(Offered::Taken),
                Err(error) if error.kind() == ErrorKind::Fenced => {
                    if is_planted("metadata-conflict-overwrites") {
                        return Ok(Offered::Taken);
                    }
                    // After a lost answer the rival may be ourselves.
                    match self.entry_at(position).await {
                        Ok(entry) => return Ok(if is_of(entry.as_ref(), id) { Offered::Taken } else { Offered::Lost }),
                        Err(error) if error.kind() == ErrorKind::Unavailable => last = Some(error),
                        // Trimmed already: the image catches up from a snapshot. Were it ours, the decision
                        // would be made again on an image that holds it, and so find it done.
                        Err(error) if error.kind() == ErrorKind::OutOfRange => return Ok(Offered::Lost),
                        Err(error) => return Err(failed(&error)),
                    }
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    if is_planted("metadata-lost-answer-applied-twice") {
                        return Ok(Offered::Lost);
                    }
                    last = Some(error);
                }
                Err(error) => return Err(failed(&error)),
            }
            self.env.sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        let reason = last.map(|error| error.to_string()).unwrap_or_default();
        Err(Error::new(
            ErrorCode::RequestTimedOut,
            format!("whether the metadata took a change at position {position} is not known: {reason}"),
        ))
    }

    async fn entry_at(&self, position: Position) -> Result<Option<Entry>, log::Error> {
        Ok(self.log.read(position, 1).await?.into_iter().find(|entry| entry.position == position))
    }

    /// Brings the image to the log's end; patient with a medium that does not answer.
    async fn follow(&self, snapshot_at: &mut Position) -> Result<Arc<Image>, Error> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            match self.read_on().await {
                Ok(()) => return Ok(self.image()),
                Err(Behind::Log(error)) if error.kind() == ErrorKind::Unavailable => {}
                Err(Behind::Log(error)) if error.kind() == ErrorKind::OutOfRange => {
                    self.load_snapshot(snapshot_at).await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            self.env.sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        self.read_on().await?;
        Ok(self.image())
    }

    async fn read_on(&self) -> Result<(), Behind> {
        loop {
            let mut image = self.image();
            let entries = self.log.read(image.position(), READ_ENTRIES).await.map_err(Behind::Log)?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in entries {
                image = Arc::new(apply(&image, &entry)?);
            }
            *self.image.write().unwrap_or_else(PoisonError::into_inner) = image;
        }
    }

    async fn load_snapshot(&self, snapshot_at: &mut Position) -> Result<(), Error> {
        if let Some((position, state)) = self.log.latest_snapshot().await.map_err(|error| failed(&error))? {
            *snapshot_at = position;
            if position > self.image().position() {
                self.install(Image::decode(position, &state).map_err(|error| unreadable(&error))?);
            }
        }
        Ok(())
    }

    fn install(&self, image: Image) -> Arc<Image> {
        let image = Arc::new(image);
        *self.image.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&image);
        image
    }

    /// Saving is an economy: its failure is told and costs a longer replay, no more.
    async fn save_if_due(&self, image: &Image, snapshot_at: &mut Position) {
        if image.position() < snapshot_at.saturating_add(SNAPSHOT_EVERY) {
            return;
        }
        // Whatever comes of it, the next try waits as long again.
        *snapshot_at = image.position();
        let saved = match image.encode() {
            Ok(state) => self.log.save_snapshot(image.position(), state).await,
            Err(error) => Err(log::Error::new(ErrorKind::Corrupt, error.to_string())),
        };
        let trimmed = match saved {
            Ok(()) => self.log.trim(image.position()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = trimmed {
            tracing::warn!(%error, position = image.position(), "no snapshot of the metadata was taken");
        }
    }
}

/// Why the image is behind the log.
#[derive(Debug, thiserror::Error)]
enum Behind {
    #[error("{0}")]
    Log(log::Error),
    #[error("entry {0} of the metadata log: {1}")]
    Decode(Position, super::DecodeError),
    #[error("{0}")]
    Rejected(super::Rejected),
}

impl From<Behind> for Error {
    fn from(error: Behind) -> Self {
        match error {
            Behind::Log(error) => failed(&error),
            error => unreadable(&error),
        }
    }
}

fn apply(image: &Image, entry: &Entry) -> Result<Image, Behind> {
    if entry.position != image.position() {
        let error = format!("the metadata log gave entry {} for {}", entry.position, image.position());
        return Err(Behind::Log(log::Error::new(ErrorKind::Corrupt, error)));
    }
    let commands: Vec<Command> = entry
        .commands
        .iter()
        .map(|bytes| Command::decode(bytes))
        .collect::<Result<_, _>>()
        .map_err(|error| Behind::Decode(entry.position, error))?;
    image.apply(&commands).map_err(Behind::Rejected)
}

fn is_of(entry: Option<&Entry>, id: Uuid) -> bool {
    let first = entry.and_then(|entry| entry.commands.first());
    matches!(first.map(|bytes| Command::decode(bytes)), Some(Ok(Command::Entry { id: found, .. })) if found == id)
}

fn failed(error: &log::Error) -> Error {
    Error::new(ErrorCode::KafkaStorageError, format!("the metadata log failed: {error}"))
}

fn unreadable(error: &impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::UnknownServerError, error.to_string())
}
