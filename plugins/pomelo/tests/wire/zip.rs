use super::vectors::{bytes, list, load};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use portcullis_pomelo::wire::zip::{deflate_if_shorter, inflate};
use portcullis_pomelo::wire::{WireError, message};
use std::io::Write;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_recorded_body_of_pitaya_is_inflated() {
    let vectors = load("codec-message.json");
    let case = list(&vectors, "pitaya").iter().find(|case| case["name"] == "zlib-body").unwrap();
    let hex = bytes(case, "hex");
    let message = message::read(&hex).unwrap();
    assert!(message.compressed);
    assert_eq!(inflate(message.body, 4096).unwrap(), bytes(case, "body_hex"));
}

#[test]
fn zlib_and_gzip_are_both_read() {
    let body = b"the same, the same, the same, the same, the same, the same, the same";
    assert_eq!(inflate(&zlib(body), body.len()).unwrap(), body);
    assert_eq!(inflate(&gzip(body), body.len()).unwrap(), body);
    assert_eq!(inflate(&zlib(b""), 0).unwrap(), b"");
}

#[test]
fn what_is_written_is_zlib_and_shorter() {
    let body = [b'x'; 1000];
    let mut out = b"head".to_vec();
    assert!(deflate_if_shorter(&body, &mut out));
    assert!(out.len() < body.len());
    assert_eq!(inflate(&out[4..], 1000).unwrap(), body);
}

#[test]
fn what_would_not_get_shorter_stays_as_it_is() {
    let mut random = super::random::Random(1);
    let noise: Vec<u8> = (0..500).map(|_| random.next() as u8).collect();
    let mut out = b"head".to_vec();
    assert!(!deflate_if_shorter(&noise, &mut out));
    assert!(!deflate_if_shorter(&[b'x'; 20], &mut out));
    assert_eq!(out, b"head");
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let zeros = vec![0; 10 << 20];
    for bomb in [zlib(&zeros), gzip(&zeros)] {
        assert!(bomb.len() < 20_000);
        assert_eq!(inflate(&bomb, 65_536), Err(WireError::Inflated { limit: 65_536 }));
    }
}

#[test]
fn cut_and_damaged_bodies_are_refused() {
    let body: Vec<u8> = (0..200).map(|index| index as u8 % 7).collect();
    for packed in [zlib(&body), gzip(&body)] {
        for cut in 0..packed.len() {
            assert_eq!(inflate(&packed[..cut], 4096), Err(WireError::Compressed), "cut at {cut}");
        }
        let mut damaged = packed.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(inflate(&damaged, 4096), Err(WireError::Compressed), "another checksum or length");
    }
    assert_eq!(inflate(b"{}", 4096), Err(WireError::Compressed));
}
