//! The settings of a producer that have an option of their own. All others are `-X producer.…=…`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::connect::Context;
use crate::error::Error;
use crate::moment::duration;
use crate::setting::Setting;

/// How a producer sends.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "How it is sent (more with `-X producer.…`)")]
pub(crate) struct ProducerOptions {
    /// When a record counts as acknowledged. Below `all` it may be lost with the broker, and a retry may double it.
    #[arg(long, value_enum)]
    pub(crate) acks: Option<Acks>,
    /// How batches are compressed.
    #[arg(long, value_enum, value_name = "CODEC")]
    pub(crate) compression: Option<Codec>,
    /// The most that a batch holds, in bytes; no larger record can be sent [default: 1000000].
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch_bytes: Option<u32>,
    /// How long a batch that is not full waits for more, as in `5ms` [default: it does not].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) linger: Option<Duration>,
}

/// When a record counts as acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Acks {
    /// At once, whatever becomes of it.
    #[value(alias = "0")]
    None,
    /// When the partition's leader has it.
    #[value(alias = "1")]
    Leader,
    /// When it is on every replica that is in sync.
    #[value(alias = "-1")]
    All,
}

/// A codec of batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

impl ProducerOptions {
    /// Puts them in the place of what the configuration says.
    ///
    /// # Errors
    /// [`Error::Usage`] where the configuration has no room for them.
    pub(crate) fn apply(&self, context: &mut Context) -> Result<(), Error> {
        let mut set = |name: &str, value: toml::Value| context.set(Setting::new(&["producer", name], value));
        if let Some(acks) = self.acks {
            set("acks", word(acks).into())?;
            // The two exclude each other, and who asks for less acknowledgement knows.
            set("idempotent", (acks == Acks::All).into())?;
        }
        if let Some(codec) = self.compression {
            set("compression", word(codec).into())?;
        }
        if let Some(bytes) = self.batch_bytes {
            set("batch_bytes", i64::from(bytes).into())?;
        }
        if let Some(linger) = self.linger {
            set("linger_ms", i64::try_from(linger.as_millis()).unwrap_or(i64::MAX).into())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are those of the library's settings.
    #[test]
    fn each_word_is_a_setting_of_the_library() {
        for acks in Acks::value_variants() {
            assert!(["none", "leader", "all"].contains(&word(*acks).as_str()));
        }
        for codec in Codec::value_variants() {
            assert!(word(*codec).parse::<ottla::Compression>().is_ok());
        }
    }
}
