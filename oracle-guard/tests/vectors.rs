//! `vectors/*.json` against the crate, and `vectors/evm.json`, which forge reads, against both.
//!
//! `SPILLWAY_WRITE_VECTORS=1` writes `evm.json` again.

use alloy_primitives::hex;
use oracle_guard::{
    abi::{encode_answer, encode_question},
    judge, record,
    scenario::VectorFile,
};
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn files() -> Vec<(String, VectorFile)> {
    let mut files: Vec<_> = std::fs::read_dir(folder())
        .expect("the folder of vectors")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json") && !path.ends_with("evm.json"))
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("a readable file");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    };
    files.iter().map(read).collect()
}

#[test]
fn every_vector_is_judged_as_written() {
    let (mut failed, mut count) = (Vec::new(), 0);
    for (file, vectors) in files() {
        for case in &vectors.cases {
            count += 1;
            let name = format!("{file}: {}", case.name);
            let (config, input, memory) = vectors.question(case).unwrap_or_else(|e| panic!("{name}: {e}"));
            let judgement = judge(&config, &input, &memory);
            let after = record(&config, &input, &memory, &judgement);
            if let Some(difference) = case.expect.differs(&judgement, &after) {
                failed.push(format!("{name}: {difference}"));
            }
        }
    }
    println!("oracle_vectors {count}\noracle_vectors_failed {}", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(count > 150, "{count} vectors");
}

#[test]
fn what_forge_reads_is_up_to_date() {
    let (mut names, mut inputs, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    for (file, vectors) in files() {
        for case in vectors.cases.iter().filter(|case| !case.expect.off_chain()) {
            let (config, input, memory) = vectors.question(case).expect("a case");
            let judgement = judge(&config, &input, &memory);
            let after = record(&config, &input, &memory, &judgement);
            names.push(format!("{file}: {}", case.name));
            inputs.push(hex::encode_prefixed(encode_question(&config, &input, &memory)));
            outputs.push(hex::encode_prefixed(encode_answer(&judgement, &after)));
        }
    }
    let made = serde_json::json!({ "names": names, "inputs": inputs, "outputs": outputs });
    let made = format!("{}\n", serde_json::to_string_pretty(&made).expect("JSON"));
    let path = folder().join("evm.json");
    if std::env::var_os("SPILLWAY_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &made).expect("evm.json is written");
    }
    let is = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        is == made,
        "vectors/evm.json is out of date: SPILLWAY_WRITE_VECTORS=1 cargo test -p oracle-guard --test vectors"
    );
}
