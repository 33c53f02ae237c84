//! What goes wrong, and with which exit code.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use ottla::ErrorCode;
use ottla::connect::Error as Connect;
use ottla::{consumer, producer, reader};
use serde_json::json;

use crate::output::say;

/// Why a command did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What was asked for cannot be.
    #[error("{0}")]
    Usage(String),
    /// A file that was named cannot be used.
    #[error("{} cannot be read: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    /// A setting cannot be; with the file that it may come from.
    #[error("{source}{}", .file.as_ref().map_or_else(String::new, |file| format!(" (settings of {})", file.display())))]
    Setting { file: Option<PathBuf>, source: ottla::config::Error },
    /// What is named is not there.
    #[error("{0}")]
    NotFound(String),
    /// It failed.
    #[error("{0}")]
    Failed(String),
    /// A record was not taken; with what came of those before it.
    #[error("{told}")]
    Record { told: String, source: Box<ottla::Error> },
    /// The library's.
    #[error(transparent)]
    Ottla(#[from] ottla::Error),
    /// The server's.
    #[error(transparent)]
    Server(#[from] ottla_server::Error),
    /// What was done cannot be told.
    #[error("cannot write to the standard output: {0}")]
    Output(#[source] io::Error),
    /// There are no threads or no signals to be had.
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
}

/// In `--help`, which has to be changed with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    NotNow = 4,
}

/// What clap says, without its name for it and without the usage that follows.
impl From<clap::Error> for Error {
    fn from(error: clap::Error) -> Self {
        let told = error.to_string();
        let told = told.split("\n\n").next().unwrap_or_default();
        Self::Usage(told.trim().trim_start_matches("error: ").to_owned())
    }
}

impl Error {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code() as u8)
    }

    fn code(&self) -> Code {
        match self {
            Self::Usage(_) | Self::File { .. } | Self::Setting { .. } => Code::Usage,
            Self::NotFound(_) => Code::NotFound,
            Self::Failed(_) | Self::Runtime(_) => Code::Failed,
            Self::Ottla(error) => of_library(error),
            // The same call would write again what was written before it.
            Self::Record { source, .. } if of_library(source) == Code::NotFound => Code::NotFound,
            Self::Record { .. } => Code::Failed,
            Self::Server(ottla_server::Error::Bind { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {
                Code::NotNow
            }
            Self::Server(ottla_server::Error::Limits(_)) => Code::Usage,
            Self::Server(_) => Code::Failed,
            // Whoever reads has read enough, as `head` does.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Code::Done,
            Self::Output(_) => Code::Failed,
        }
    }

    /// Says it on stderr.
    pub(crate) fn tell(&self, as_json: bool) {
        if self.code() == Code::Done {
            return;
        }
        say(&if as_json { self.document().to_string() } else { format!("ottla: {self}") });
    }

    /// For programs.
    fn document(&self) -> serde_json::Value {
        let (kafka_code, retriable) = match self {
            Self::Ottla(error) => (kafka_code(error), error.is_retriable()),
            Self::Record { source, .. } => (kafka_code(source), false),
            _ => (None, self.code() == Code::NotNow),
        };
        json!({"error": {
            "message": self.to_string(),
            "exit_code": self.code() as u8,
            "kafka_code": kafka_code.map(ErrorCode::name),
            "retriable": retriable,
        }})
    }
}

/// The code that a broker gave, or would have given.
fn kafka_code(error: &ottla::Error) -> Option<ErrorCode> {
    match error {
        ottla::Error::Producer(producer::Error::UnknownPartition { .. }) => Some(ErrorCode::UnknownTopicOrPartition),
        _ => error.kafka_code(),
    }
}

fn of_library(error: &ottla::Error) -> Code {
    match error {
        ottla::Error::Config(_)
        | ottla::Error::TopicName(_)
        | ottla::Error::Producer(producer::Error::Config { .. })
        | ottla::Error::Consumer(consumer::Error::Invalid { .. })
        | ottla::Error::Reader(reader::Error::Invalid { .. }) => return Code::Usage,
        ottla::Error::Connect(
            Connect::NoUrl
            | Connect::Malformed { .. }
            | Connect::UnknownScheme { .. }
            | Connect::FeatureOff { .. }
            | Connect::NoLog { .. }
            | Connect::NotCheckable { .. }
            | Connect::OnePlace { .. }
            | Connect::Settings { .. },
        ) => return Code::Usage,
        _ => {}
    }
    match kafka_code(error) {
        Some(
            ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::GroupIdNotFound
            | ErrorCode::ResourceNotFound,
        ) => Code::NotFound,
        Some(
            ErrorCode::InvalidTopic
            | ErrorCode::InvalidConfig
            | ErrorCode::InvalidPartitions
            | ErrorCode::InvalidGroupId,
        ) => Code::Usage,
        _ if error.is_retriable() => Code::NotNow,
        _ => Code::Failed,
    }
}
