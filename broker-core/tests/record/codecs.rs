//! The codecs beyond what our own encoder writes.

use ottla_broker_core::record::{Builder, BuilderOptions, Compression, Error, Flags};

#[test]
fn names_are_kafkas() {
    for codec in Compression::ALL {
        assert_eq!(codec.to_string().parse(), Ok(codec));
        assert_eq!(Compression::from_id(codec.id()), Some(codec));
    }
    let error = "brotli".parse::<Compression>().unwrap_err().to_string();
    assert!(error.contains("brotli") && error.contains("zstd"), "{error}");
}

#[test]
fn a_codec_that_is_off_is_named() {
    for codec in Compression::ALL.into_iter().filter(|codec| !codec.is_enabled()) {
        let mut builder = Builder::new(BuilderOptions { compression: codec, ..BuilderOptions::default() });
        builder.append(0, None, None, &[]).unwrap();
        let error = builder.finish(None, Flags::default()).unwrap_err();
        assert_eq!(error, Error::CodecDisabled { codec });
        assert!(error.to_string().contains(codec.name()), "{error}");
    }
}

#[cfg(feature = "compression")]
mod foreign {
    use std::io::Write;

    use bytes::Bytes;
    use ottla_broker_core::record::{Batch, Compression, Flags, Header};

    use crate::record::hostile::forge;
    use crate::record::{Input, build, decode};

    fn inputs() -> Vec<Input> {
        // Enough for several blocks, and not all too repetitive.
        (0..300).map(|i| Input::new(i, 5, None, Some(format!("{i}, {}", i * i).repeat(60).as_bytes()), &[])).collect()
    }

    /// The records of [`inputs`], not compressed.
    fn plain() -> Bytes {
        build(&inputs(), Compression::None, None, Flags::default()).records_bytes()
    }

    fn check(codec: Compression, compressed: &[u8]) {
        let batch = Batch::parse(forge(compressed, 300, 299, codec.id().into())).unwrap();
        let expected: Vec<_> = inputs().into_iter().map(|input| Input { timestamp_ms: 0, ..input }).collect();
        assert_eq!(decode(&batch), expected);
        assert_eq!(batch.records_bytes().len() + Header::SIZE, batch.size_in_bytes());
    }

    #[test]
    fn bare_snappy_is_read() {
        check(Compression::Snappy, &snap::raw::Encoder::new().compress_vec(&plain()).unwrap());
    }

    #[test]
    fn lz4_frames_of_all_kinds_are_read() {
        use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
        for mode in [BlockMode::Independent, BlockMode::Linked] {
            for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max4MB] {
                for checksums in [false, true] {
                    let info = FrameInfo::new()
                        .block_mode(mode)
                        .block_size(size)
                        .block_checksums(checksums)
                        .content_checksum(checksums)
                        .content_size(checksums.then(|| plain().len() as u64));
                    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
                    encoder.write_all(&plain()).unwrap();
                    check(Compression::Lz4, &encoder.finish().unwrap());
                }
            }
        }
    }

    #[test]
    fn gzip_members_in_a_row_are_one_stream() {
        let plain = plain();
        let member = |part: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap()
        };
        check(Compression::Gzip, &[member(&plain[..1000]), member(&plain[1000..])].concat());
    }

    #[test]
    fn zstd_frames_of_high_levels_are_read() {
        for level in [1, 19, 22] {
            check(Compression::Zstd, &zstd::stream::encode_all(&plain()[..], level).unwrap());
        }
    }
}
