//! Every kernel of this machine, whatever would be chosen, against `sha2`.

use sha2::{Digest as _, Sha256};

use super::{Digester, Feed, Stream, advance, finish};
use crate::numeric::rng::Draws;

fn digesters() -> Vec<Digester> {
    let mut all = Digester::available();
    all.push(Digester::FASTEST);
    all
}

/// Numbers of streams around those that the kernels take.
const COUNTS: [usize; 12] = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 35];

fn bytes(length: usize, draws: &mut Draws) -> Vec<u8> {
    (0..length).map(|_| draws.below(256) as u8).collect()
}

fn by_reference(message: &[u8]) -> String {
    hex::encode(Sha256::digest(message))
}

/// Digests of `messages`, each given in pieces that end where `cut` says, all streams together.
fn digests(
    digester: Digester,
    messages: &[&[u8]],
    mut cut: impl FnMut(usize) -> usize,
) -> Vec<String> {
    let mut streams = vec![Stream::default(); messages.len()];
    let mut left = messages.to_vec();
    while left.iter().any(|message| !message.is_empty()) {
        let mut feeds = Vec::new();
        for (stream, left) in streams.iter_mut().zip(&mut left) {
            let (bytes, later) = left.split_at(cut(left.len()).min(left.len()));
            *left = later;
            feeds.push(Feed { stream, bytes });
        }
        advance(digester, &mut feeds);
    }
    let digests = finish(digester, streams);
    digests.iter().map(hex::encode).collect()
}

#[track_caller]
fn agrees(digester: Digester, messages: &[&[u8]], cut: impl FnMut(usize) -> usize) {
    let found = digests(digester, messages, cut);
    for (message, found) in messages.iter().zip(found) {
        let length = message.len();
        let count = messages.len();
        assert_eq!(
            found,
            by_reference(message),
            "{digester:?}: {length} bytes, one of {count} streams"
        );
    }
}

#[test]
fn published_digests_are_met() {
    // FIPS 180-2, appendix B, and the vectors of NIST's cryptographic standards page.
    let million = vec![b'a'; 1_000_000];
    let long = b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    let vectors: [(&[u8], &str); 5] = [
        (
            b"",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            b"abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            long,
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
        ),
        (
            &million,
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        ),
    ];
    let messages = vectors.map(|(message, _)| message);
    let expected = vectors.map(|(_, digest)| digest);
    for digester in digesters() {
        assert_eq!(
            digests(digester, &messages, |left| left),
            expected,
            "{digester:?}"
        );
        for (message, expected) in vectors {
            for count in COUNTS {
                let found = digests(digester, &vec![message; count], |_| 65_537);
                assert!(found.iter().all(|found| found == expected), "{digester:?}");
            }
        }
    }
}

#[test]
fn all_short_lengths_are_those_of_the_reference() {
    let text = bytes(301, &mut Draws::new(1, "short"));
    let prefixes: Vec<&[u8]> = (0..=300).map(|length| &text[..length]).collect();
    for digester in digesters() {
        agrees(digester, &prefixes, |left| left);
        for prefix in &prefixes {
            agrees(digester, &[*prefix], |left| left);
            agrees(digester, &[*prefix; 16], |left| left);
        }
        // The end of every length, at every alignment.
        for offset in 0..=64 {
            agrees(
                digester,
                &[&text[offset..], &text[300 - offset..]],
                |left| left,
            );
        }
    }
}

#[test]
fn unequal_streams_in_unequal_pieces_at_any_alignment() {
    let text = bytes(70_000, &mut Draws::new(1, "long"));
    for digester in digesters() {
        let mut draws = Draws::new(1, digester.name());
        for count in COUNTS {
            let messages: Vec<&[u8]> = (0..count)
                .map(|_| {
                    let begin = draws.below(200) as usize;
                    let length = draws.below([65, 1000, 65_000][count % 3]) as usize;
                    &text[begin..begin + length]
                })
                .collect();
            agrees(digester, &messages, |_| draws.below(5000) as usize);
            agrees(digester, &messages, |_| 64 * draws.below(50) as usize);
        }
    }
}

#[test]
fn streams_of_one_length_in_step() {
    let text = bytes(20_000, &mut Draws::new(1, "step"));
    for digester in digesters() {
        for count in COUNTS {
            for (length, piece) in [(8192, 4096), (9999, 1001), (640, 64), (129, 1)] {
                let messages: Vec<&[u8]> = (0..count).map(|own| &text[own..own + length]).collect();
                agrees(digester, &messages, |_| piece);
            }
        }
    }
}

/// A form of one lane or of several is taken where it is the fastest; nobody stays without.
#[test]
fn every_number_of_streams_has_a_form() {
    for digester in digesters() {
        for streams in 1..=40 {
            let form = digester.form_for(streams);
            assert!(digester.forms().contains(&form));
            assert!(digester.time_a_byte(streams) <= digester.time_a_byte(1));
        }
    }
    let names: Vec<&str> = Digester::available().iter().map(|d| d.name()).collect();
    assert!(names.starts_with(&["sha2", "portable"]));
}
