//! Writes the vault's interface, with what it imports, as one `sol!`: the macro does not follow imports.

use std::{env, fs, io, path::Path};

const INTERFACES: &str = "../contracts/interfaces";

fn main() -> io::Result<()> {
    let mut text = String::from("alloy::sol! {\n#![sol(rpc, all_derives)]\n");
    for name in ["ISwapSplitter.sol", "IVault.sol"] {
        let file = Path::new(INTERFACES).join(name);
        println!("cargo::rerun-if-changed={}", file.display());
        let source = fs::read_to_string(&file)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", file.display())))?;
        for line in source.lines().filter(|l| !l.starts_with("pragma ") && !l.starts_with("import ")) {
            text += line;
            text.push('\n');
        }
    }
    text += "}\n";
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("vault.rs"), text)
}
