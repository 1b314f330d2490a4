//! What the keeper does when its database fails: it says so, keeps running, loses nothing, and goes on when it is healed.

use alloy::primitives::{Address, U256, keccak256};
use spillway_e2e::{
    chain_audit::{Expected, Ledger},
    eventually,
    keeper::{Database, Keeper, Setup},
    link::Link,
    orders::write_csv,
    postgres::Postgres,
    world::World,
};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spillway-under-test");
const FAST: &str = "[batch]\nwindow = \"200ms\"\n";

fn orders(world: &World, from: usize, n: usize) -> Vec<Expected> {
    (from..from + n)
        .map(|i| Expected {
            key: format!("order-{i}"),
            asset: world.asset("TUSD").address,
            recipient: Address::from_slice(&keccak256(i.to_be_bytes())[..20]),
            amount: U256::from(1_000_000 + i),
        })
        .collect()
}

/// Hands in orders; false when the store did not take them.
fn submit(world: &World, setup: &Setup, orders: &[Expected]) -> eyre::Result<bool> {
    let file = world.dir.path().join("orders.csv");
    write_csv(world, &file, orders)?;
    Ok(setup.run(&["submit", &file.to_string_lossy()])?.status.success())
}

async fn check(world: &World, setup: &Setup, orders: &[Expected]) -> eyre::Result<()> {
    let outcome = Ledger::read(world).await?.compare(orders);
    assert_eq!((outcome.missing, outcome.paid_twice), (Vec::new(), Vec::new()));
    assert_eq!(outcome.paid, orders.len() as u64);
    let checked = setup.json(&["db", "check"])?;
    assert_eq!(checked["ok"], true, "{checked}");
    Ok(())
}

/// Says that the running test proved nothing here. Not by `eprintln`, which a test that passes keeps to itself.
fn left_out(why: &str) {
    let thread = std::thread::current();
    let line = format!("\nLEFT OUT, AND NOT TESTED: {}: {why}\n", thread.name().unwrap_or_default());
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Files that take no more writes, not even by who has them open: as when their disk becomes read-only under a process.
/// A disk in use cannot be remounted so by hand. Writable again when dropped.
struct ReadOnly(Vec<PathBuf>);

impl ReadOnly {
    /// None where this user may not, or the file system does not know it.
    fn make(mut files: Vec<PathBuf>) -> eyre::Result<Option<Self>> {
        let probe = files.first().map(|file| file.with_file_name("probe"));
        let mut opened = probe.as_ref().map(std::fs::File::create).transpose()?;
        files.extend(probe);
        let made = Self::change("+i", &files);
        let read_only = Self(files);
        if made && opened.as_mut().is_some_and(|file| file.write_all(b"more").is_err()) {
            return Ok(Some(read_only));
        }
        left_out("files cannot be made read-only under who has them open");
        Ok(None)
    }

    fn change(flag: &str, files: &[PathBuf]) -> bool {
        Command::new("chattr").arg(flag).args(files).output().is_ok_and(|done| done.status.success())
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        Self::change("-i", &self.0);
    }
}

/// A small file system of its own, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this user may not mount.
    fn mount(at: PathBuf, size: &str) -> eyre::Result<Option<Self>> {
        std::fs::create_dir_all(&at)?;
        let mount = ["-t", "tmpfs", "-o", &format!("size={size}"), "none"];
        let mounted = Command::new("mount").args(mount).arg(&at).output();
        let mounted = mounted.is_ok_and(|m| m.status.success());
        if !mounted {
            left_out("this user may not mount a file system");
        }
        Ok(mounted.then_some(Self(at)))
    }

    fn remount(&self, options: &str) -> eyre::Result<bool> {
        let option = format!("remount,{options}");
        Ok(Command::new("mount").args(["-o", &option]).arg(&self.0).output()?.status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A SQLite keeper whose database lies on a disk of its own.
async fn on_a_disk(size: &str) -> eyre::Result<Option<(World, Setup, SmallDisk)>> {
    let world = World::start(0.5).await?;
    let client = Setup::new(&world, Path::new(PROGRAM), 1, FAST)?;
    let Some(disk) = SmallDisk::mount(world.dir.path().join("disk"), size)? else { return Ok(None) };
    let moved = format!("{}/spillway.db", disk.0.display());
    let setup = client.another("small", &[(format!("{}/spillway.db", client.dir.display()), moved)])?;
    Ok(Some((world, setup, disk)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_payments_and_nothing_is_lost() -> eyre::Result<()> {
    let Some((world, setup, disk)) = on_a_disk("8m").await? else { return Ok(()) };
    let mut keeper = Keeper::start_ready(&setup).await?;
    let mut all = orders(&world, 0, 20);
    assert!(submit(&world, &setup, &all)?);
    setup.settled(Duration::from_secs(60)).await?;

    // Fill what is left, while orders come in.
    let filler = disk.0.join("filler");
    let _ =
        Command::new("dd").args(["if=/dev/zero", "bs=4k"]).arg(format!("of={}", filler.display())).output();
    let more = orders(&world, 20, 2_000);
    assert!(!submit(&world, &setup, &more)?, "there is no room");
    eventually("the keeper says that the disk is full", Duration::from_secs(60), || async {
        Ok(setup.logged().contains("disk is full").then_some(()))
    })
    .await?;
    assert!(!keeper.ended()?, "it keeps running");

    std::fs::remove_file(&filler)?;
    assert!(disk.remount("size=64m")?);
    eventually("the store takes orders again", Duration::from_secs(30), || async {
        Ok(submit(&world, &setup, &more)?.then_some(()))
    })
    .await?;
    all.extend(more);
    setup.settled(Duration::from_secs(90)).await?;
    keeper.stop()?;
    check(&world, &setup, &all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_file_is_named_and_nothing_is_half_done() -> eyre::Result<()> {
    let Some((world, setup, disk)) = on_a_disk("64m").await? else { return Ok(()) };
    let keeper = Keeper::start_ready(&setup).await?;
    let all = orders(&world, 0, 10);
    assert!(submit(&world, &setup, &all)?);
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;

    assert!(disk.remount("ro")?);
    let output = setup.run(&["run"])?;
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("read-only") || said.contains("readonly") || said.contains("unable to open"),
        "{said}"
    );

    assert!(disk.remount("rw")?);
    let keeper = Keeper::start_ready(&setup).await?;
    let more = orders(&world, 10, 10);
    assert!(submit(&world, &setup, &more)?);
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;
    check(&world, &setup, &[all, more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_becomes_read_only_under_a_running_keeper_is_waited_for() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    // Long enough for the disk to change before the second batch is made.
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, "[batch]\nwindow = \"4s\"\n")?;
    let mut keeper = Keeper::start_ready(&setup).await?;
    let first = orders(&world, 0, 20);
    assert!(submit(&world, &setup, &first)?);
    setup.settled(Duration::from_secs(60)).await?;

    let waiting = orders(&world, 20, 20);
    assert!(submit(&world, &setup, &waiting)?);
    // Not the shared memory beside them, which is no more than that.
    let files = ["spillway.db", "spillway.db-wal", "spillway.generation"];
    let files = files.map(|name| setup.dir.join(name));
    let Some(read_only) = ReadOnly::make(files.into())? else { return Ok(()) };
    let logged = setup.logged().len();
    let said = || setup.logged().get(logged..).unwrap_or_default().to_owned();
    eventually("the keeper says that it cannot write", Duration::from_secs(60), || async {
        let said = said();
        Ok((said.contains("tried again") && said.contains("database: ")).then_some(()))
    })
    .await?;
    let refused = orders(&world, 40, 20);
    assert!(!submit(&world, &setup, &refused)?, "nothing is taken that cannot be kept");
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(!keeper.ended()?, "it waits");
    let paid = Ledger::read(&world).await?.compare(&waiting);
    assert_eq!(paid.missing.len(), 20, "nothing is sent that is not durable: {paid:?}");

    drop(read_only);
    eventually("the store takes orders again", Duration::from_secs(30), || async {
        Ok(submit(&world, &setup, &refused)?.then_some(()))
    })
    .await?;
    setup.settled(Duration::from_secs(90)).await?;
    keeper.stop()?;
    check(&world, &setup, &[first, waiting, refused].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_page_is_named_and_a_backup_puts_it_right() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let setup = Setup::new(&world, Path::new(PROGRAM), 1, FAST)?;
    let keeper = Keeper::start_ready(&setup).await?;
    let all = orders(&world, 0, 300);
    assert!(submit(&world, &setup, &all)?);
    setup.settled(Duration::from_secs(60)).await?;
    let backup = setup.dir.join("backup.jsonl").display().to_string();
    assert!(setup.run(&["db", "backup", &backup])?.status.success(), "beside the running keeper");
    keeper.stop()?;

    let file = setup.dir.join("spillway.db");
    let whole = std::fs::read(&file)?;
    // All over it: what says which tables there are, what says which schema it is, and rows.
    for eighth in 0..8 {
        let mut bytes = whole.clone();
        let at = (whole.len() / 8 * eighth).max(4_096) / 4_096 * 4_096;
        bytes[at..at + 32_768].fill(0xa5);
        std::fs::write(&file, bytes)?;
        let output = setup.run(&["db", "check"])?;
        let said = String::from_utf8_lossy(&output.stdout);
        let why = format!("at {at}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(4), "{why}");
        assert!(said.contains("BROKEN"), "{why}");
    }

    let refused = setup.run(&["db", "restore", &backup])?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "it holds something: {said}");
    std::fs::remove_file(&file)?;
    let restored = setup.run(&["db", "restore", &backup])?;
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let keeper = Keeper::start_ready(&setup).await?;
    let more = orders(&world, 300, 10);
    assert!(submit(&world, &setup, &more)?);
    setup.settled(Duration::from_secs(90)).await?;
    keeper.stop()?;
    assert!(setup.logged().contains("was restored, recovered or moved"), "the restore was noticed");
    assert!(Ledger::read(&world).await?.voids > 0, "and fenced");
    check(&world, &setup, &[all, more].concat()).await
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn connections_lost_inside_transactions_lose_nothing() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let server = Arc::new(Postgres::start().await?);
    let link = Link::open(server.port()).await?;
    let client = Setup::over(Database::Postgres(server.clone()), &world, Path::new(PROGRAM), 2, FAST)?;
    let through = (format!(":{}/keeper", server.port()), format!(":{}/keeper", link.port()));
    let setup = client.another("cut", &[through])?;
    let mut keeper = Keeper::start_ready(&setup).await?;
    let mut all = Vec::new();
    for round in 0..25 {
        let more = orders(&world, round * 8, 8);
        assert!(submit(&world, &client, &more)?);
        all.extend(more);
        tokio::time::sleep(Duration::from_millis(37 * (round as u64 % 9))).await;
        link.reset();
    }
    assert!(!keeper.ended()?);
    client.settled(Duration::from_secs(90)).await?;
    keeper.stop()?;
    check(&world, &client, &all).await
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn postgres_killed_and_started_again_loses_nothing() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let mut server = Postgres::start().await?;
    let setup = {
        // The setup wants to share the server; this test needs to kill it.
        let url = server.url("keeper");
        let base = Setup::new(&world, Path::new(PROGRAM), 2, FAST)?;
        base.another("killed", &[(format!("sqlite://{}/spillway.db", base.dir.display()), url)])?
    };
    let mut keeper = Keeper::start_ready(&setup).await?;
    let mut all = Vec::new();
    for round in 0..3 {
        let more = orders(&world, round * 30, 30);
        assert!(submit(&world, &setup, &more)?);
        all.extend(more);
        tokio::time::sleep(Duration::from_millis(200 + 300 * round as u64)).await;
        server.kill()?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(!keeper.ended()?, "it waits");
        eventually("the keeper says so", Duration::from_secs(30), || async {
            Ok(setup.logged().contains("tried again").then_some(()))
        })
        .await?;
        server.restart().await?;
        setup.settled(Duration::from_secs(90)).await?;
    }
    keeper.stop()?;
    assert_eq!(Ledger::read(&world).await?.voids, 0, "nothing was lost, so nothing is fenced");
    check(&world, &setup, &all).await
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn postgres_that_is_down_at_the_start_is_waited_for() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let mut server = Postgres::start().await?;
    let base = Setup::new(&world, Path::new(PROGRAM), 1, FAST)?;
    let old = format!("sqlite://{}/spillway.db", base.dir.display());
    let setup = base.another("early", &[(old.clone(), server.url("keeper"))])?;
    server.kill()?;
    let mut keeper = Keeper::start(&setup)?;
    let mut told_to_stop = Keeper::start(&base.another("stopped", &[(old.clone(), server.url("keeper"))])?)?;
    eventually("the keeper says so", Duration::from_secs(20), || async {
        Ok(setup.logged().contains("the database does not answer").then_some(()))
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!keeper.ended()?, "it waits");
    told_to_stop.stop_now()?;
    server.restart().await?;
    keeper.ready(&setup).await?;
    let all = orders(&world, 0, 10);
    assert!(submit(&world, &setup, &all)?);
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;
    check(&world, &setup, &all).await
}

/// As a standby is, or a primary that was set so.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_change_is_waited_for() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let server = Arc::new(Postgres::start().await?);
    let setup = Setup::over(Database::Postgres(server.clone()), &world, Path::new(PROGRAM), 1, FAST)?;
    server.execute("ALTER ROLE spillway SET default_transaction_read_only = on").await?;
    let mut keeper = Keeper::start(&setup)?;
    eventually("the keeper says so", Duration::from_secs(20), || async {
        Ok(setup.logged().contains("read-only transaction").then_some(()))
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!keeper.ended()?, "it waits: {}", setup.log_tail());
    server.execute("SET transaction_read_only = off; ALTER ROLE spillway RESET ALL").await?;
    keeper.ready(&setup).await.map_err(|e| e.wrap_err(setup.log_tail()))?;
    let all = orders(&world, 0, 10);
    assert!(submit(&world, &setup, &all)?);
    setup.settled(Duration::from_secs(60)).await?;
    keeper.stop()?;
    check(&world, &setup, &all).await
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_waiting_does_not_mend_ends_the_start_and_is_named() -> eyre::Result<()> {
    let world = World::start(0.5).await?;
    let server = Postgres::start().await?;
    let base = Setup::new(&world, Path::new(PROGRAM), 1, FAST)?;
    let old = format!("sqlite://{}/spillway.db", base.dir.display());
    server.execute("CREATE ROLE guest LOGIN").await?;
    let not_there = server.url("nowhere");
    let no_right = server.url("keeper").replace("spillway@", "guest@");
    for (name, url, word) in [("nowhere", not_there, "nowhere"), ("guest", no_right, "permission denied")] {
        let setup = base.another(name, &[(old.clone(), url)])?;
        let output = setup.run(&["run"])?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(word) && said.contains("store.url"), "{said}");
    }
    Ok(())
}
