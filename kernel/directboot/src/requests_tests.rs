use super::*;
use std::vec;
use std::vec::Vec;

fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn tag(revision: u64) -> Vec<u64> {
    vec![BASE_REVISION_MAGIC[0], BASE_REVISION_MAGIC[1], revision]
}

fn request(feature: Feature, revision: u64, fields: &[u64]) -> Vec<u64> {
    let (_, id) = Feature::ALL.into_iter().find(|(other, _)| *other == feature).unwrap();
    let mut words = vec![REQUEST_MAGIC[0], REQUEST_MAGIC[1], id[0], id[1], revision, 0];
    words.extend(fields);
    words
}

#[test]
fn finds_tag_and_requests_and_answers_them() {
    let mut words = vec![1, 2];
    words.extend(tag(3));
    words.extend(request(Feature::StackSize, 0, &[0x4_0000]));
    let mut image = bytes(&words);
    let requests = Requests::find(&image).unwrap();
    assert_eq!(requests.revision(), 3);
    assert_eq!(requests.stack_bytes(&image), 0x4_0000);
    assert!(!requests.has(Feature::Rsdp));
    requests.answer_base_revision(&mut image).unwrap();
    requests.answer(&mut image, Feature::StackSize, 0x1234).unwrap();
    assert_eq!(requests.answer(&mut image, Feature::Rsdp, 0x1234), None);
    assert_eq!(image[24..40], bytes(&[3, 0]), "revision in use, and: supported");
    assert_eq!(u64_at(&image, 40 + REQUEST_RESPONSE), Some(0x1234));
}

#[test]
fn a_later_revision_is_not_confirmed() {
    let mut image = bytes(&tag(6));
    let requests = Requests::find(&image).unwrap();
    requests.answer_base_revision(&mut image).unwrap();
    assert_eq!(image, bytes(&[BASE_REVISION_MAGIC[0], MAX_REVISION, 6]));
}

#[test]
fn only_what_lies_between_the_markers_counts() {
    let mut words = request(Feature::Rsdp, 0, &[]);
    words.extend(END_MARKER);
    words.extend(START_MARKER);
    words.extend(tag(2));
    words.extend(request(Feature::Modules, 0, &[0, 0]));
    words.extend(END_MARKER);
    words.extend(tag(4));
    words.extend(request(Feature::MemoryMap, 0, &[]));
    let requests = Requests::find(&bytes(&words)).unwrap();
    assert_eq!(requests.revision(), 2);
    assert!(requests.has(Feature::Modules));
    assert!(!requests.has(Feature::Rsdp) && !requests.has(Feature::MemoryMap));
}

#[test]
fn faults() {
    let fault = |parts: &[Vec<u64>]| Requests::find(&bytes(&parts.concat())).unwrap_err();
    let rsdp = || request(Feature::Rsdp, 0, &[]);
    assert_eq!(fault(&[rsdp()]), Fault::NoBaseRevision);
    assert_eq!(fault(&[tag(2), tag(2)]), Fault::TwoBaseRevisions);
    assert_eq!(fault(&[tag(2), rsdp(), rsdp()]), Fault::Twice(Feature::Rsdp));
    assert_eq!(fault(&[BASE_REVISION_MAGIC.to_vec()]), Fault::NoBaseRevision);
    let five_levels = request(Feature::PagingMode, 1, &[1, 1, 1]);
    assert_eq!(fault(&[tag(2), five_levels]), Fault::NeedsFiveLevels);
    let five_preferred = request(Feature::PagingMode, 0, &[1, 1, 1]);
    assert!(Requests::find(&bytes(&[tag(2), five_preferred].concat())).is_ok());
}

#[test]
fn unaligned_tags_are_not_seen() {
    let mut image = vec![0; 4];
    image.extend(bytes(&tag(2)));
    assert_eq!(Requests::find(&image).unwrap_err(), Fault::NoBaseRevision);
}
