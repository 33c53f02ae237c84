//! Record batches within a message.

use bytes::Bytes;
use ottla_broker_core::record::{Batch, Error, Truncated};

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::error::DecodeError;
use super::field::{Field, Nullable};

/// A run of record batches: bytes as they came, or batches that are to be sent. Neither is ever copied.
#[derive(Clone)]
pub enum Records {
    /// As they came: nothing in them has been looked at. They share the frame's storage.
    Raw(Bytes),
    /// To be sent, with the stamps that they bear.
    Batches(Vec<Batch>),
}

impl Records {
    /// Bytes on the wire.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Raw(bytes) => bytes.len(),
            Self::Batches(batches) => batches.iter().map(Batch::size_in_bytes).sum(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one batch that a produce request has for a partition (KIP-98: exactly one).
    ///
    /// # Errors
    /// As [`Batch::parse`]: an old message format, a bad length, bytes behind the batch. `None` if there are no bytes.
    pub fn into_batch(self) -> Result<Option<Batch>, Error> {
        match self {
            Self::Raw(bytes) if bytes.is_empty() => Ok(None),
            Self::Raw(bytes) => Batch::parse(bytes).map(Some),
            Self::Batches(mut batches) if batches.len() < 2 => Ok(batches.pop()),
            whole @ Self::Batches(_) => Batch::parse(whole.to_bytes()).map(Some),
        }
    }

    /// The batches of a fetch answer. A last one that is cut off is left out: old brokers cut at the
    /// limit, and the reader asks for it again.
    ///
    /// # Errors
    /// As [`Batch::split_first`] for anything else that is wrong.
    pub fn into_batches(self) -> Result<Vec<Batch>, Error> {
        let mut bytes = match self {
            Self::Raw(bytes) => bytes,
            Self::Batches(batches) => return Ok(batches),
        };
        let mut batches = Vec::new();
        loop {
            match Batch::split_first(&mut bytes) {
                Ok(Some(batch)) => batches.push(batch),
                Ok(None) | Err(Error::Truncated(Truncated { .. })) => return Ok(batches),
                Err(error) => return Err(error),
            }
        }
    }

    /// One run of bytes. Copies if there are several batches.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Raw(bytes) => bytes.clone(),
            Self::Batches(batches) => match batches.as_slice() {
                [one] => one.to_bytes(),
                several => {
                    let mut bytes = Vec::with_capacity(self.len());
                    for batch in several {
                        bytes.extend_from_slice(&batch.prefix());
                        bytes.extend_from_slice(batch.body());
                    }
                    Bytes::from(bytes)
                }
            },
        }
    }
}

impl Default for Records {
    fn default() -> Self {
        Self::Raw(Bytes::new())
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes of records", self.len())
    }
}

/// By what goes over the wire.
impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Nullable for Records {
    const KIND: &'static str = "record set";

    fn read_nullable(decoder: &mut Decoder<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(decoder.bytes()?.map(Self::Raw))
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder) {
        encoder.length(value.map(Self::len), true);
        match value {
            None => {}
            Some(Self::Raw(bytes)) => encoder.put_shared(bytes),
            Some(Self::Batches(batches)) => {
                for batch in batches {
                    // The stamp lies beside the bytes: it is written before what it stamps.
                    encoder.put(&batch.prefix());
                    encoder.put_shared(&batch.body_bytes());
                }
            }
        }
    }
}

impl Field for Records {
    fn read(decoder: &mut Decoder<'_>, _form: bool) -> Result<Self, DecodeError> {
        Self::read_nullable(decoder)?.ok_or(DecodeError::Null(Self::KIND))
    }

    fn write(&self, encoder: &mut Encoder, _form: bool) {
        Self::write_nullable(Some(self), encoder);
    }
}
