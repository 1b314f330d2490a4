//! Files as a person gets them, and as a forger would make them who has all of a file and nothing of the chain.

use super::*;
use crate::books::audit::{
    Digest, Entry,
    export::{self, Writer},
};
use alloy::primitives::Address;
use serde_json::json;

const VAULT: Address = Address::repeat_byte(1);
const FIRST_BLOCK: u64 = 10;

/// Changes whose hashes hold, whatever they say.
#[derive(Clone, Default)]
struct Books(Vec<Change>);

impl Books {
    fn add(&mut self, actor: &str, action: &str, detail: &serde_json::Value) -> B256 {
        let prev = self.head();
        let (seq, detail, digest) = (self.len() + 1, detail.to_string(), Digest::default().finish());
        let hash = Entry { seq, at: 1_000 * seq, actor, action, detail: &detail, digest }.hash(prev);
        let (actor, action) = (actor.to_owned(), action.to_owned());
        let (transitions, postings, terms) = (Vec::new(), Vec::new(), Vec::new());
        self.0.push(Change {
            seq,
            at: 1_000 * seq,
            actor,
            action,
            detail,
            digest,
            hash,
            transitions,
            postings,
            terms,
        });
        hash
    }

    fn other(&mut self, what: &str) -> B256 {
        self.add("keeper/fund", "batch.funded", &json!({ "what": what }))
    }

    fn hash(&self, change: i64) -> B256 {
        self.0[usize::try_from(change - 1).unwrap()].hash
    }

    fn booked(&mut self, from: u64, to: u64, forgotten: &[B256]) -> i64 {
        let mut detail = json!({ "from": from, "to": to, "events": 1 });
        if !forgotten.is_empty() {
            detail[FORGOTTEN] = json!(forgotten);
        }
        self.add(BOOKING.0, BOOKING.1, &detail);
        self.len()
    }

    fn len(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap()
    }

    fn head(&self) -> B256 {
        self.0.last().map_or(B256::ZERO, |c| c.hash)
    }

    /// What a file of them is found to be, with these words in its first line.
    fn told(&self, header: &Header, anchors: &[Anchor], accepted: &[B256]) -> Findings {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("audit.jsonl");
        let mut writer = Writer::create(&file, header).unwrap();
        self.0.iter().for_each(|change| writer.change(change).unwrap());
        writer.finish(self.len(), self.head()).unwrap();
        let mut heads = Heads::wanted(anchors, &export::header(&file).unwrap());
        let (_, followed) = export::follow(&file, |change| heads.see(change)).unwrap();
        followed.unwrap();
        heads.check(anchors, 100, &accepted.iter().copied().collect())
    }

    fn findings(&self, anchors: &[Anchor], accepted: &[B256]) -> Findings {
        self.told(&header(None), anchors, accepted)
    }
}

fn header(final_block: Option<u64>) -> Header {
    Header::new(1, VAULT, FIRST_BLOCK, final_block)
}

fn anchor(block: u64, head: B256) -> Anchor {
    Anchor { head, tx: B256::left_padding_from(&block.to_be_bytes()), block }
}

/// Where it is broken; none where it is not.
fn at(findings: &Findings) -> Option<Option<i64>> {
    findings.broken.as_ref().map(|b| b.change)
}

/// Two settlements, each booked; and the number of changes up to which the first is.
fn two_settlements() -> (Books, [Anchor; 2]) {
    let mut books = Books::default();
    books.other("start");
    let first = anchor(15, books.other("first"));
    books.booked(FIRST_BLOCK, 20, &[]);
    let second = anchor(25, books.other("second"));
    books.booked(21, 30, &[]);
    books.other("after");
    (books, [first, second])
}

#[test]
fn how_far_the_books_go_is_what_their_changes_say() {
    let (books, anchors) = two_settlements();
    let whole = books.told(&header(Some(30)), &anchors, &[]);
    let confirmed = Confirmed { settlements: 2, up_to_change: 4, forgotten: 0, later: 0 };
    let ends = Ends { change: 6, at: 6_000, block: Some(30) };
    assert_eq!(whole, Findings { confirmed, ends, lost: Vec::new(), broken: None });
    // The keeper went on between the first line and the last, or had booked nothing yet.
    for earlier in [None, Some(20)] {
        assert_eq!(books.told(&header(earlier), &anchors, &[]), whole);
    }

    // Written anew from change 4 on: no word in the first line takes the second settlement out of sight.
    let mut anew = Books(books.0[..3].to_vec());
    anew.other("another");
    anew.booked(21, 30, &[]);
    for said in [None, Some(20), Some(30)] {
        assert_eq!(at(&anew.told(&header(said), &anchors, &[])), Some(Some(3)), "{said:?}");
    }
}

#[test]
fn a_tail_that_is_cut_off_is_told() {
    let (books, anchors) = two_settlements();
    let cut = Books(books.0[..3].to_vec());
    let told = cut.told(&header(Some(20)), &anchors, &[]);
    assert_eq!(told.ends, Ends { change: 3, at: 3_000, block: Some(20) });
    assert_eq!(told.confirmed, Confirmed { settlements: 1, up_to_change: 2, forgotten: 0, later: 1 });
    assert_eq!(told.broken, None);
    // Whoever cut it and left the first line as it was.
    assert_eq!(at(&cut.told(&header(Some(30)), &anchors, &[])), Some(Some(4)));
    // Nothing ended there.
    assert_eq!(at(&books.told(&header(Some(25)), &anchors, &[])), Some(None));
    // A settlement in a later block confirms what it carries all the same.
    let cut = Books(books.0[..4].to_vec());
    let told = cut.told(&header(Some(20)), &anchors, &[]);
    assert_eq!((told.confirmed.up_to_change, told.confirmed.later), (4, 1));
}

#[test]
fn blocks_are_booked_one_after_the_other_from_the_vaults_first_on() {
    for (from, to) in [(FIRST_BLOCK + 1, 20), (FIRST_BLOCK - 1, 20), (FIRST_BLOCK, FIRST_BLOCK - 1)] {
        let mut books = Books::default();
        books.other("start");
        books.booked(from, to, &[]);
        assert_eq!(at(&books.findings(&[], &[])), Some(Some(2)), "{from} to {to}");
    }
    for (from, to) in [(22, 30), (20, 30), (21, 20)] {
        let mut books = Books::default();
        books.booked(FIRST_BLOCK, 20, &[]);
        books.booked(from, to, &[]);
        books.other("after");
        assert_eq!(at(&books.findings(&[], &[])), Some(Some(2)), "{from} to {to}");
    }
    let mut books = Books::default();
    books.add(BOOKING.0, BOOKING.1, &json!({ "up_to": 20 }));
    assert_eq!(at(&books.findings(&[], &[])), Some(Some(1)));
}

#[test]
fn a_past_that_the_books_do_not_have_stands_only_where_it_is_accepted() {
    let (lost, also_lost) = (B256::repeat_byte(8), B256::repeat_byte(9));
    let mut books = Books::default();
    let known = anchor(12, books.other("known"));
    books.booked(FIRST_BLOCK, 12, &[]);
    let first = books.booked(13, 20, &[lost, known.head]);
    let second = books.booked(21, 30, &[also_lost]);
    let anchors = [known, anchor(14, lost), anchor(15, known.head), anchor(16, lost), anchor(25, also_lost)];
    for accepted in [vec![], vec![second], vec![first - 1]] {
        let hashes: Vec<_> = accepted.iter().map(|n| books.hash(*n)).collect();
        let told = books.findings(&anchors, &hashes);
        assert_eq!(at(&told), Some(Some(first)), "{accepted:?}");
        let named: Vec<_> = told.lost.iter().map(|l| (l.change, l.settlements)).collect();
        assert_eq!(named, [(first, 2), (second, 1)]);
    }
    assert_eq!(at(&books.findings(&anchors, &[books.hash(first)])), Some(Some(second)));
    let told = books.findings(&anchors, &[books.hash(first), books.hash(second)]);
    assert_eq!(told.broken, None);
    assert_eq!(told.confirmed, Confirmed { settlements: 2, up_to_change: 1, forgotten: 3, later: 0 });
    assert!(told.lost.iter().all(|l| l.accepted));
    let Lost { at, from_block, to_block, .. } = told.lost[0];
    assert_eq!((at, from_block, to_block), (1_000 * first, 13, 20));

    // Written anew up to there, with what was known listed too: another change has that number.
    let mut anew = Books::default();
    anew.other("another");
    anew.booked(FIRST_BLOCK, 12, &[known.head]);
    anew.booked(13, 20, &[lost, known.head]);
    anew.booked(21, 30, &[also_lost]);
    let accepted = [books.hash(first), books.hash(second)];
    assert_eq!(self::at(&anew.findings(&anchors, &accepted)), Some(Some(2)));

    // All that is listed is known: nothing is lost.
    let mut books = Books::default();
    let known = anchor(12, books.other("known"));
    books.booked(FIRST_BLOCK, 12, &[known.head]);
    let told = books.findings(&[known], &[]);
    assert_eq!((told.broken, told.lost.len()), (None, 0));
}

#[test]
fn no_other_change_may_list_heads_and_none_what_is_not_in_its_blocks() {
    let lost = B256::repeat_byte(8);
    for (actor, action) in [(BOOKING.0, "float.received"), ("api", BOOKING.1), ("cli", "audit.exported")] {
        let mut books = Books::default();
        let detail = json!({ "from": FIRST_BLOCK, "to": 20, FORGOTTEN: [lost] });
        books.add(actor, action, &detail);
        books.booked(FIRST_BLOCK, 20, &[]);
        assert_eq!(
            at(&books.findings(&[anchor(15, lost)], &[books.hash(1), books.hash(2)])),
            Some(Some(1)),
            "{actor} {action}"
        );
    }
    // Accepted or not: no settlement of its blocks carries it. One of other blocks is not explained by it.
    for block in [15, 35] {
        let mut books = Books::default();
        books.other("start");
        books.booked(FIRST_BLOCK, 20, &[]);
        let lists = books.booked(21, 30, &[lost]);
        let told = books.findings(&[anchor(block, lost)], &[books.hash(lists)]);
        let first = if block == 15 { 1 } else { lists };
        assert_eq!(at(&told), Some(Some(first)), "{block}");
    }
}
