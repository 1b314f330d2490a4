//! `make mainnet`: mainnet in a file, served until Ctrl-C, as what a node of mainnet would be to `FORK_URL`. `PORT` is
//! 8545 when it is not set.

use spillway_e2e::market::mainnet::Mainnet;

#[tokio::main]
async fn main() -> eyre::Result<()> {
    let port = std::env::var("PORT").ok().map_or(Ok(8_545), |port| port.parse())?;
    let mainnet = Mainnet::prepare().await?;
    let anvil = mainnet.start(Some(port)).await?;
    eprintln!("{} is at {}; try `FORK_URL={} make demo`", mainnet.state.display(), anvil.url(), anvil.url());
    for pool in mainnet.pools()? {
        println!("{} {}", pool.kind, pool.address);
    }
    Ok(tokio::signal::ctrl_c().await?)
}
