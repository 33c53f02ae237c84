//! What goes wrong, and with which exit code.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use ottla::ErrorCode;
use ottla::connect::Error as Connect;
use serde_json::json;

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
    #[expect(clippy::print_stderr, reason = "a command-line program's errors go there")]
    pub(crate) fn tell(&self, as_json: bool) {
        if self.code() == Code::Done {
            return;
        }
        if as_json {
            eprintln!("{}", self.document());
        } else {
            eprintln!("ottla: {self}");
        }
    }

    /// For programs.
    fn document(&self) -> serde_json::Value {
        let (kafka_code, retriable) = match self {
            Self::Ottla(error) => (error.kafka_code().map(ErrorCode::name), error.is_retriable()),
            _ => (None, self.code() == Code::NotNow),
        };
        json!({"error": {
            "message": self.to_string(),
            "exit_code": self.code() as u8,
            "kafka_code": kafka_code,
            "retriable": retriable,
        }})
    }
}

fn of_library(error: &ottla::Error) -> Code {
    match error {
        ottla::Error::Config(_) | ottla::Error::TopicName(_) => return Code::Usage,
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
    match error.kafka_code() {
        Some(
            ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::GroupIdNotFound
            | ErrorCode::ResourceNotFound,
        ) => Code::NotFound,
        Some(ErrorCode::InvalidTopic | ErrorCode::InvalidConfig | ErrorCode::InvalidPartitions) => Code::Usage,
        _ if error.is_retriable() => Code::NotNow,
        _ => Code::Failed,
    }
}
