//! Lines in bounded memory: one that is too long is skipped, not kept.

use std::io::{self, BufRead};

/// Bytes of the longest row: the longest key, an address, 78 digits with as many decimals, and much room.
pub const MAX_ROW: usize = 4_096;

/// One line that has something on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    /// Bytes of the input up to its end.
    pub bytes: u64,
    /// It had more than [`MAX_ROW`] bytes, and its text was thrown away.
    pub too_long: bool,
}

/// The lines of an input. Ends of lines are LF or CRLF; a byte order mark and empty lines are passed over.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    number: u64,
    bytes: u64,
}

impl<R: BufRead> Lines<R> {
    pub fn new(input: R) -> Self {
        Self { input, number: 0, bytes: 0 }
    }

    /// Reads the next line that is not empty into `text`, without its end.
    pub fn next(&mut self, text: &mut Vec<u8>) -> io::Result<Option<Line>> {
        while let Some(too_long) = self.read_line(text)? {
            self.number += 1;
            if self.number == 1 && text.starts_with(b"\xEF\xBB\xBF") {
                text.drain(..3);
            }
            if text.last() == Some(&b'\r') {
                text.pop();
            }
            if too_long || !text.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(Line { number: self.number, bytes: self.bytes, too_long }));
            }
        }
        Ok(None)
    }

    /// One line of any kind: whether it was too long; none at the end.
    fn read_line(&mut self, text: &mut Vec<u8>) -> io::Result<Option<bool>> {
        text.clear();
        let (mut read, mut too_long) = (0u64, false);
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                return Ok((read > 0).then_some(too_long));
            }
            let end = chunk.iter().position(|b| *b == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            too_long |= text.len() + part.len() > MAX_ROW;
            if too_long {
                text.clear();
            } else {
                text.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            read += used as u64;
            self.bytes += used as u64;
            if end.is_some() {
                return Ok(Some(too_long));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(input: &[u8], buffer: usize) -> Vec<(u64, Vec<u8>, bool)> {
        let mut lines = Lines::new(io::BufReader::with_capacity(buffer, input));
        let (mut text, mut found) = (Vec::new(), Vec::new());
        while let Some(line) = lines.next(&mut text).unwrap() {
            found.push((line.number, text.clone(), line.too_long));
        }
        assert_eq!(lines.bytes, input.len() as u64);
        found
    }

    #[test]
    fn marks_ends_and_empty_lines_are_passed_over() {
        let found = all(b"\xEF\xBB\xBFa\r\n\r\n \nb\n\nc", 2);
        assert_eq!(found, [(1, b"a".to_vec(), false), (4, b"b".to_vec(), false), (6, b"c".to_vec(), false)]);
        assert_eq!(all(b"", 8), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_not_kept() {
        let input = [b"a\n".to_vec(), vec![b'x'; 1 << 20], b"\nb".to_vec()].concat();
        assert_eq!(
            all(&input, 777),
            [(1, b"a".to_vec(), false), (2, vec![], true), (3, b"b".to_vec(), false)]
        );
        let longest = vec![b'x'; MAX_ROW];
        assert_eq!(all(&longest, 64), [(1, longest.clone(), false)]);
    }

    proptest! {
        #[test]
        fn the_buffer_does_not_matter(input: Vec<u8>, buffer in 1usize..64) {
            prop_assert_eq!(all(&input, buffer), all(&input, 1 << 16));
        }
    }
}
