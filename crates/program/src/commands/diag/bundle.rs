//! Sans-IO. Files in one: a ZIP archive.

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// An archive that grows.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    files: u16,
}

/// The version of the format that such an archive needs: compression, and nothing newer.
const VERSION: u16 = 20;

/// The number of the compression.
const DEFLATE: u16 = 8;

/// 1980-01-01, as early as the format goes; the time of the bundle stands in its name.
const DATE: u16 = 0x0021;

impl Bundle {
    /// Adds a file.
    pub(super) fn add(&mut self, name: &str, content: &[u8]) {
        let packed = pack(content);
        let mut sum = Crc::new();
        sum.update(content);
        let offset = length(self.bytes.len());
        let mut common = Vec::new();
        // No flags, time of day zero.
        for number in [VERSION, 0, DEFLATE, 0, DATE] {
            common.extend(number.to_le_bytes());
        }
        for number in [sum.sum(), length(packed.len()), length(content.len())] {
            common.extend(number.to_le_bytes());
        }
        let name_length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        common.extend(name_length.to_le_bytes());
        common.extend(0_u16.to_le_bytes());

        self.bytes.extend(0x0403_4b50_u32.to_le_bytes());
        self.bytes.extend(&common);
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(&packed);

        self.directory.extend(0x0201_4b50_u32.to_le_bytes());
        self.directory.extend(VERSION.to_le_bytes());
        self.directory.extend(&common);
        // No comment, first disk, no attributes.
        self.directory.extend([0; 10]);
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.files += 1;
    }

    /// Returns the whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let (start, size) = (length(self.bytes.len()), length(self.directory.len()));
        self.bytes.append(&mut self.directory);
        self.bytes.extend(0x0605_4b50_u32.to_le_bytes());
        self.bytes.extend([0; 4]);
        for number in [self.files, self.files] {
            self.bytes.extend(number.to_le_bytes());
        }
        for number in [size, start] {
            self.bytes.extend(number.to_le_bytes());
        }
        self.bytes.extend([0; 2]);
        self.bytes
    }
}

fn pack(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(content)
        .and_then(|()| encoder.finish())
        .expect("memory takes any bytes")
}

/// Returns a length in the 32 bits that the format has; what is collected stays far below.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::DeflateDecoder;

    use super::*;

    #[test]
    fn an_archive_has_its_files_and_says_where() {
        let mut bundle = Bundle::default();
        bundle.add("a.txt", b"hello");
        bundle.add("b", &[b'x'; 1000]);
        let bytes = bundle.finish();
        let end = bytes.len() - 22;
        assert_eq!(&bytes[end..end + 4], b"PK\x05\x06");
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let (size, start) = (number(end + 12), number(end + 16));
        assert_eq!(start + size, end);
        assert_eq!(&bytes[start..start + 4], b"PK\x01\x02");
        assert_eq!(&bytes[start + 46..start + 51], b"a.txt");
        let packed = &bytes[35..35 + number(18)];
        let mut text = String::new();
        DeflateDecoder::new(packed).read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }
}
