use super::{
    super::{Rule, testing},
    submit::{Report, submit},
    *,
};
use crate::{stages::intake::testing::RECIPIENT, store::Store};
use proptest::prelude::*;
use std::io::Cursor;

fn file(rows: &[&str]) -> Vec<u8> {
    let rows = rows.iter().map(|r| format!("{}\n", r.replace("TO", &RECIPIENT.to_string())));
    format!("idempotency_key,asset,recipient,amount\n{}", rows.collect::<String>()).into_bytes()
}

async fn run(store: &Store, file: &[u8], rule: Rule) -> Result<Report, CsvError> {
    submit(store, &testing::deployment(), &mut Cursor::new(file), rule, |_| ()).await
}

fn told(report: &Report) -> Vec<(u64, &str, &str)> {
    report.errors.iter().map(|e| (e.line, &*e.error.field, e.error.code)).collect()
}

async fn stored(store: &Store) -> u64 {
    store.counts().await.unwrap().into_iter().map(|(_, n)| n).sum()
}

#[tokio::test]
async fn a_good_file_is_stored_once_however_often_it_comes() {
    let t = testing::store().await;
    let file = file(&["a,TUSD,TO,1.5", "b,ETH,TO,0.1", "\"c,d\",tusd,TO,2", "a,TUSD,TO,1.50"]);
    let first = run(&t.store, &file, Rule::AllOrNothing).await.unwrap();
    assert_eq!((first.rows, first.new, first.repeated, first.stored), (4, 3, 1, true));
    let again = run(&t.store, &file, Rule::AllOrNothing).await.unwrap();
    assert_eq!((again.new, again.repeated), (0, 4));
    assert_eq!(stored(&t.store).await, 3);
}

#[tokio::test]
async fn columns_come_in_any_order_with_mark_and_crlf() {
    let t = testing::store().await;
    let text = format!("\u{feff}Amount, Recipient ,asset,idempotency_key\r\n1,{RECIPIENT},TUSD,a\r\n\r\n");
    let report = run(&t.store, text.as_bytes(), Rule::AllOrNothing).await.unwrap();
    assert_eq!((report.rows, report.new), (1, 1));
}

#[tokio::test]
async fn each_bad_row_is_named_and_nothing_is_stored() {
    let t = testing::store().await;
    let mut bytes = file(&[
        "good,TUSD,TO,1",
        "b,DOGE,TO,1",
        "c,TUSD,0x70997970c51812dc3A010C7d01b50e0d17dc79C8,1",
        "d,TUSD,0x0000000000000000000000000000000000000000,-1",
        "e,TUSD,TO",
        "f,TUSD,TO,1,more",
        "good,TUSD,TO,2",
        "request/1,TUSD,TO,1.0000001",
    ]);
    bytes.extend([b"g,TUSD,".to_vec(), vec![b'x'; 1 << 20], b",1\n".to_vec()].concat());
    bytes.extend([b"h,TUSD,\xff\xfe,1\n".to_vec(), b"\"i,TUSD,".to_vec(), b"0x00,1\n".to_vec()].concat());
    bytes.extend(file(&["last,TUSD,TO,1"]).split(|b| *b == b'\n').nth(1).unwrap());
    let bad = [
        (3, "asset", "unknown_asset"),
        (4, "recipient", "bad_checksum"),
        (5, "recipient", "zero_address"),
        (5, "amount", "amount_negative"),
        (6, "row", "wrong_field_count"),
        (7, "row", "wrong_field_count"),
        (8, "idempotency_key", "conflict_in_file"),
        (9, "idempotency_key", "reserved_idempotency_key"),
        (9, "amount", "amount_too_many_decimals"),
        (10, "row", "row_too_long"),
        (11, "recipient", "invalid_utf8"),
        (12, "row", "wrong_field_count"),
    ];
    let report = run(&t.store, &bytes, Rule::AllOrNothing).await.unwrap();
    assert_eq!(told(&report), bad);
    assert_eq!((report.rows, report.rejected, report.stored), (12, 10, false));
    assert_eq!(stored(&t.store).await, 0);

    let report = run(&t.store, &bytes, Rule::EachAlone).await.unwrap();
    assert_eq!((report.new, report.rejected, report.stored), (2, 10, true));
    assert_eq!(stored(&t.store).await, 2);
}

#[tokio::test]
async fn a_conflict_with_the_store_is_found_before_anything_is_stored() {
    let t = testing::store().await;
    run(&t.store, &file(&["old,TUSD,TO,1"]), Rule::AllOrNothing).await.unwrap();
    let rows: Vec<String> = (0..1_500).map(|i| format!("k{i},TUSD,TO,1")).collect();
    let mut rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    rows.push("old,TUSD,TO,2");
    let report = run(&t.store, &file(&rows), Rule::AllOrNothing).await.unwrap();
    assert_eq!(told(&report), [(1_502, "idempotency_key", "idempotency_conflict")]);
    assert_eq!(stored(&t.store).await, 1);
    let report = run(&t.store, &file(&rows), Rule::EachAlone).await.unwrap();
    assert_eq!((report.new, report.rejected), (1_500, 1));
}

#[tokio::test]
async fn what_is_no_file_of_orders_says_why() {
    let t = testing::store().await;
    let long = [vec![b'x'; 1 << 20], b"\na,b".to_vec()].concat();
    let cases: [(&[u8], &str); 9] = [
        (b"", "the file is empty"),
        (b"\xEF\xBB\xBF\r\n\r\n", "the file is empty"),
        (b"idempotency_key,asset,recipient\n", "line 1, header: the column amount is missing"),
        (b"\n\nidempotency_key,asset,recipient,amount,note\n", "line 3, header: there is no column 'note'"),
        (b"idempotency_key,asset,asset,recipient,amount\n", "the column asset is there twice"),
        (b"k1,TUSD,0x00,1\n", "there is no column 'k1'"),
        (b"\xff\xfei\0d\0", "save it as UTF-8"),
        (b"{\"a\":1}", "the header is idempotency_key,asset,recipient,amount"),
        (&long, "the row is longer than 4096 bytes"),
    ];
    for (text, said) in cases {
        let error = run(&t.store, text, Rule::AllOrNothing).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}\n  should say: {said}");
    }
    let report = run(&t.store, &file(&[]), Rule::AllOrNothing).await.unwrap();
    assert_eq!((report.rows, report.stored), (0, true));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        for rows in [bytes.clone(), [file(&[]), bytes].concat()] {
            if let Ok(orders) = Orders::open(Cursor::new(rows)) {
                orders.for_each(|row| drop(row.unwrap()));
            }
        }
    }

    #[test]
    fn what_a_csv_writer_wrote_is_read_back(fields in prop::collection::vec("[ -~]{0,40}", 4)) {
        prop_assume!(fields.iter().any(|f| !f.trim().is_empty()));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(COLUMNS).unwrap();
        writer.write_record(&fields).unwrap();
        let bytes = writer.into_inner().unwrap();
        let row = Orders::open(Cursor::new(bytes)).unwrap().next().unwrap().unwrap();
        let order = row.order.unwrap();
        prop_assert_eq!(vec![order.idempotency_key, order.asset, order.recipient, order.amount], fields);
    }
}
