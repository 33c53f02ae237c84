//! The objects under a prefix, byte by byte.
//!
//! # Names
//!
//! | name | what |
//! |---|---|
//! | `claims/<incarnation>` | who took the prefix |
//! | `leases/<incarnation>` | that the owner lives |
//! | `journal/<incarnation>/<number>` | a chunk, as it was written; or a tombstone |
//! | `segments/<incarnation>/<number>` | chunks whose batches the compactor sorted by log |
//! | `checkpoints/<incarnation>/<number>` | the index, so that an opening need not read the objects |
//!
//! Numbers have 14 digits, so that names sort as numbers do; they begin at 1 in each incarnation. What has any other name
//! is not ours and is left alone. All objects but leases are created once and never written again.
//!
//! # Chunks
//!
//! A journal object is one chunk: header, directory and data, as on disk; `disk::format` draws them (feature `disk`). Its
//! header has the incarnation and the number of its name. Some are empty, a header alone: they were written to find
//! out whether the writer is still the owner. A segment is chunks of incarnation 0, numbered from 0, each at a multiple of 8
//! with zeros between. A checkpoint is as on disk too; in it the number of a file is
//!
//! ```text
//!  bit 63       0 journal, 1 segment
//!  bits 62–40   incarnation
//!  bits 39–0    number
//! ```
//!
//! so that an opening of a prefix is one of at most 8,388,607, and writes at most 1,099,511,627,775 objects of a kind.
//!
//! # Marks
//!
//! Claims, leases and tombstones are lines of UTF-8, each ended by a line feed. The first names the kind and the version of
//! the format; a version that a release does not know is an error that names it.
//!
//! ```text
//! ottla-claim 1                                    of claims
//! id 0f8fad5b-d9cb-469f-a165-70867728950e          of this opening
//! storage 7c9e6679-7425-40de-944b-e07fc1f90ae7     of the storage, whoever has it
//! owner orders@host-3                              for people
//!
//! ottla-lease 1                                    of leases
//! id 0f8fad5b-d9cb-469f-a165-70867728950e          of the opening
//! beat 17                                          one more with each renewal
//! state held                                       or: released
//!
//! ottla-tombstone 1                                at the number after the last chunk of an incarnation
//! id 5b1d9cb0-…                                    of the opening that wrote it
//! by 8                                             its incarnation
//! ```
//!
//! # Which objects count
//!
//! 1. The checkpoint of the greatest incarnation, and of that the greatest number.
//! 2. The journal of that incarnation from the first chunk that the checkpoint does not cover, number after number, until
//!    one is missing or is a tombstone. What lies behind is of no meaning, though it may be there: the owner had
//!    several PUTs on their way, and acknowledged in order.
//! 3. The objects that the checkpoint's index names.
//!
//! Of 2 only headers and directories are read, and the length of each object is compared with what its header says: an
//! object is created as a whole or not at all. A bit that changed in the data is told by whoever reads it, as everywhere.
//!
//! # Why nothing acknowledged is lost
//!
//! - Whoever takes a prefix creates the next claim, which one of many can, and a tombstone at the first free number of
//!   every journal that has none. The owner before either created that number first, and then it counts, or never can.
//!   While the owner is faster, a tombstone some numbers ahead comes first: the journal ends there or before.
//! - An object is deleted when a checkpoint without it was written *and* a journal object that was sent after that was
//!   created: so no tombstone came before, and whoever takes the prefix later finds that checkpoint, or a newer one.
//! - Whoever takes a prefix lists the checkpoints again after the tombstone: if an owner who lived until then took a newer
//!   one, what seemed to be the end of the journal may have been deleted, and it begins anew.
//! - Tombstones are never deleted. A PUT that was on its way for days cannot make a name count that does not.
//! - An object is told to be our own by what is in it, never by the answer to a PUT: an answer may have been lost.
//!
//! So neither clocks nor leases decide what is right; a lease only keeps a live owner from being robbed by mistake.
