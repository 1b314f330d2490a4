//! Several keepers on one PostgreSQL: they share the work, one that dies, stands still or is cut off is replaced, and
//! whatever happens each withdrawal is paid exactly once.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use spillway::chain::abi::IVault;
use spillway_e2e::{
    cases::{check_paid, orders_of, submit},
    chain_audit::{Expected, Ledger},
    eventually,
    keeper::{Database, Keeper, Setup},
    link::Link,
    postgres::Postgres,
    world::{LANES, World},
};
use sqlx::{Connection, PgConnection};
use std::{
    collections::HashMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const FAST: &str = "[batch]\nwindow = \"200ms\"\nmax_gas = 1000000\n";
const LEASE: Duration = Duration::from_secs(2);
/// A lease, what its holder's last renewal left of it, and the time that a busy machine takes to notice.
const TAKEN_OVER: Duration = Duration::from_secs(8);

/// A chain, a server, two keepers that may be cut off from both, and a client with a link of its own.
struct Group {
    world: World,
    server: Arc<Postgres>,
    client: Setup,
    a: Setup,
    b: Setup,
    links: HashMap<&'static str, Link>,
    orders: Vec<Expected>,
}

impl Group {
    async fn start() -> eyre::Result<Self> {
        let world = World::start(0.5).await?;
        let server = Arc::new(Postgres::start().await?);
        let database = Database::Postgres(server.clone());
        let client = Setup::over(database, &world, Path::new(PROGRAM), 2, FAST)?;
        let mut links = HashMap::new();
        for name in ["a/database", "b/database"] {
            links.insert(name, Link::open(server.port()).await?);
        }
        for name in ["a/chain", "b/chain"] {
            links.insert(name, Link::open(world.anvil.port).await?);
        }
        let keeper = |name: &str| {
            let port = |to: &str| links[format!("{name}/{to}").as_str()].port();
            client.another(
                name,
                &[
                    ("[store]\n".to_owned(), format!("[store]\nlease = \"{}s\"\n", LEASE.as_secs())),
                    (format!(":{}/keeper", server.port()), format!(":{}/keeper", port("database"))),
                    (world.anvil.url(), format!("http://127.0.0.1:{}", port("chain"))),
                ],
            )
        };
        let (a, b) = (keeper("a")?, keeper("b")?);
        Ok(Self { world, server, client, a, b, links, orders: Vec::new() })
    }

    /// Hands in so many new orders.
    fn submit(&mut self, n: usize) -> eyre::Result<()> {
        let new = orders_of(&self.world, "TUSD", &format!("order-{}", self.orders.len()), n);
        submit(&self.world, &self.client, &new)?;
        self.orders.extend(new);
        Ok(())
    }

    async fn settled(&self) -> eyre::Result<()> {
        self.client.settled(Duration::from_secs(90)).await.map_err(|e| {
            let tail = |setup: &Setup| setup.logged().lines().rev().take(40).collect::<Vec<_>>().join("\n");
            e.wrap_err(format!("a, newest first:\n{}\nb, newest first:\n{}", tail(&self.a), tail(&self.b)))
        })
    }

    /// Who holds each lease now, by the name of the lease.
    async fn holders(&self) -> eyre::Result<HashMap<String, String>> {
        let mut connection = PgConnection::connect(&self.server.url("keeper")).await?;
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT name, holder FROM leases WHERE holder IS NOT NULL \
             AND expires_at > extract(epoch FROM clock_timestamp()) * 1000",
        )
        .fetch_all(&mut connection)
        .await?;
        connection.close().await?;
        Ok(rows.into_iter().collect())
    }

    /// Waits until each keeper holds a lane; says which of them leads the line.
    async fn shared(&self) -> eyre::Result<&'static str> {
        let [a, b] = [id(&self.a)?, id(&self.b)?];
        eventually("each keeper holds a lane", Duration::from_secs(30), || async {
            let holders = self.holders().await?;
            let lanes = |id: &str| holders.iter().filter(|(n, h)| *n != "line" && *h == id).count();
            let led = holders.get("line").map(|leader| if *leader == a { "a" } else { "b" });
            Ok(led.filter(|_| lanes(&a) == 1 && lanes(&b) == 1))
        })
        .await
    }

    /// Waits until one keeper holds everything; says how long it took.
    async fn taken_over_by(&self, setup: &Setup) -> eyre::Result<Duration> {
        let (id, start) = (id(setup)?, Instant::now());
        eventually("one keeper holds all", TAKEN_OVER, || async {
            let holders = self.holders().await?;
            Ok((holders.len() == 3 && holders.values().all(|h| *h == id)).then_some(()))
        })
        .await?;
        Ok(start.elapsed())
    }

    /// Each order was paid once, no lane was fenced, and the books are whole.
    async fn check(&self) -> eyre::Result<()> {
        let ledger = Ledger::read(&self.world).await?;
        assert_eq!(ledger.voids, 0, "nothing was fenced: the past was known all the time");
        let checked = self.client.json(&["db", "check"])?;
        assert_eq!(checked["ok"], true, "{checked}");
        check_paid(&self.world, &self.client, &self.orders, &[]).await
    }
}

/// A keeper's name: the second line of its generation file.
fn id(setup: &Setup) -> eyre::Result<String> {
    let file = setup.config.with_extension("generation");
    let text = std::fs::read_to_string(&file)?;
    Ok(text.lines().nth(1).unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keepers_share_the_lanes_and_one_takes_over_when_the_other_is_killed() -> eyre::Result<()> {
    let mut group = Group::start().await?;
    let a = Keeper::start_ready(&group.a).await?;
    let b = Keeper::start_ready(&group.b).await?;
    let leader = group.shared().await?;
    group.submit(60)?;
    group.settled().await?;
    let vault = IVault::new(group.world.vault(), group.world.provider());
    for (lane, _) in &LANES[..2] {
        assert!(vault.laneOf(*lane).call().await?.next > 1, "lane {lane} paid nothing");
    }

    group.submit(60)?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (killed, left, setup) = if leader == "a" { (a, b, &group.b) } else { (b, a, &group.a) };
    killed.kill()?;
    let took = group.taken_over_by(setup).await?;
    eprintln!("taken over within {took:?} of SIGKILL, leases last {LEASE:?}");
    group.settled().await?;
    left.stop()?;
    group.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_stood_still_past_its_lease_commits_nothing() -> eyre::Result<()> {
    let mut group = Group::start().await?;
    let a = Keeper::start_ready(&group.a).await?;
    let b = Keeper::start_ready(&group.b).await?;
    for round in 0..4 {
        let leader = group.shared().await?;
        group.submit(40)?;
        // Somewhere in the middle of the work, at another place each time.
        tokio::time::sleep(Duration::from_millis(150 + 200 * round)).await;
        let (paused, other) = if leader == "a" { (&a, &group.b) } else { (&b, &group.a) };
        paused.pause()?;
        let took = group.taken_over_by(other).await?;
        eprintln!("taken over within {took:?} of SIGSTOP, leases last {LEASE:?}");
        if round % 2 == 0 {
            group.settled().await?;
        }
        paused.resume()?;
        group.settled().await?;
    }
    a.stop()?;
    b.stop()?;
    group.check().await
}

/// From what a keeper is cut off: nothing, its database, its chain, or both.
const WAYS: [&[&str]; 4] = [&[], &["database"], &["chain"], &["database", "chain"]];

#[tokio::test(flavor = "multi_thread")]
async fn partitions_from_nothing_or_the_database_beside_all_of_the_other_keepers() -> eyre::Result<()> {
    partitions(&WAYS[..2]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_from_the_chain_or_both_beside_all_of_the_other_keepers() -> eyre::Result<()> {
    partitions(&WAYS[2..]).await
}

/// One keeper is cut off in each of these ways, while the other is in every way.
async fn partitions(ways_of_a: &[&[&str]]) -> eyre::Result<()> {
    let mut group = Group::start().await?;
    let a = Keeper::start_ready(&group.a).await?;
    let b = Keeper::start_ready(&group.b).await?;
    group.shared().await?;
    for of_a in ways_of_a {
        for of_b in WAYS {
            group.submit(12)?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let cut = of_a.iter().map(|to| format!("a/{to}")).chain(of_b.iter().map(|to| format!("b/{to}")));
            let cut: Vec<String> = cut.collect();
            eprintln!("cut: {cut:?}");
            cut.iter().for_each(|link| group.links[link.as_str()].cut());
            group.submit(12)?;
            if of_a.is_empty() || of_b.is_empty() {
                // One is whole, and is enough.
                group.settled().await?;
            } else {
                tokio::time::sleep(LEASE * 2).await;
            }
            cut.iter().for_each(|link| group.links[link.as_str()].heal());
            group.settled().await?;
        }
    }
    group.shared().await?;
    a.stop()?;
    b.stop()?;
    group.check().await
}
