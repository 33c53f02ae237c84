//! What storage is asked to do.

/// A kind of call on storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `LogStorage::open_many`: once for each partition.
    Open,
    /// `LogStorage::open_reader`.
    OpenReader,
    /// `LogStorage::list`.
    List,
    /// `LogStorage::remove`.
    Remove,
    /// `PartitionLog::append`.
    Append,
    /// `PartitionLog::ready`.
    Ready,
    /// `PartitionReader::read`.
    Read,
    /// `PartitionReader::offset_for_timestamp`.
    OffsetForTimestamp,
    /// `PartitionReader::trim_base`.
    TrimBase,
    /// `PartitionLog::trim_prefix`.
    TrimPrefix,
    /// `PartitionLog::reset_to`.
    ResetTo,
    /// `TruncateSuffix::truncate_to`.
    Truncate,
    /// `close` of a handle or a storage.
    Close,
    /// `MetadataLog::append_at`.
    MetadataAppend,
    /// `MetadataLog::read`.
    MetadataRead,
    /// `MetadataLog::end`.
    MetadataEnd,
    /// `MetadataLog::watch`.
    MetadataWatch,
    /// `MetadataLog::save_snapshot`.
    MetadataSaveSnapshot,
    /// `MetadataLog::latest_snapshot`.
    MetadataLatestSnapshot,
    /// `MetadataLog::trim`.
    MetadataTrim,
    /// `SnapshotStore::save`.
    SnapshotSave,
    /// `SnapshotStore::latest`.
    SnapshotLatest,
    /// `SnapshotStore::remove`.
    SnapshotRemove,
}
