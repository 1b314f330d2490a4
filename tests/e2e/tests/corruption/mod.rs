//! Corruptions of a store: what somebody with the file can do to it, and what must be said of it.

use alloy::primitives::{Address, U256};
use eyre::ensure;
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use spillway::{
    books::difference::Class::{self, *},
    stages::reconcile::Report,
    store::Store,
};
use spillway_e2e::keeper::Setup;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection, sqlite::SqliteRow};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// The whole database as it is now, in a file of its own.
pub async fn copy(from: &Path, to: &Path) -> eyre::Result<()> {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", from.display())).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("VACUUM INTO '{}'", to.display()))).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

struct Withdrawal {
    row: i64,
    id: String,
    state: String,
    amount: U256,
    recipient: String,
    asset: String,
    /// The change that accepted it.
    accepted: i64,
    /// How the chain's end of it is called when its record is missing.
    place: String,
}

struct Posting {
    row: i64,
    audit: i64,
    /// Whose it is; none when it is no withdrawal's.
    of: Option<usize>,
    asset: String,
    amount: U256,
}

/// A store that nothing is wrong with, and what is in it.
pub struct Ground {
    base: PathBuf,
    older: PathBuf,
    withdrawals: Vec<Withdrawal>,
    postings: Vec<Posting>,
    /// Row, change, and the withdrawal, of transitions.
    transitions: Vec<(i64, i64, Option<usize>)>,
    changes: i64,
    /// Final batches of orders.
    batches: Vec<(i64, U256)>,
    lanes: Vec<String>,
    cursor: i64,
    /// Symbols by the address in the store.
    symbols: BTreeMap<String, String>,
    dir: tempfile::TempDir,
}

impl Ground {
    /// A copy of the keeper's store without the rules that would refuse: whoever has the file has them too.
    pub async fn of(setup: &Setup) -> eyre::Result<Self> {
        let dir = tempfile::tempdir()?;
        let base = dir.path().join("base.db");
        copy(&setup.dir.join("spillway.db"), &base).await?;
        let mut db = SqliteConnection::connect(&format!("sqlite://{}", base.display())).await?;
        for trigger in
            sqlx::query("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetch_all(&mut db).await?
        {
            let statement = format!("DROP TRIGGER {}", trigger.get::<String, _>("name"));
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut db).await?;
        }
        let once = "DROP INDEX postings_withdrawal; CREATE INDEX postings_withdrawal ON postings (withdrawal, to_state)";
        sqlx::raw_sql(once).execute(&mut db).await?;
        let amount = |row: &SqliteRow| U256::from_str_radix(row.get("amount"), 16).unwrap();
        let rows = sqlx::query(
            "SELECT w.row_id, w.id, w.state, w.amount, w.recipient, w.asset, w.request_id, b.lane, b.first, \
             (SELECT count(*) FROM withdrawals o WHERE o.batch = w.batch AND o.row_id < w.row_id) AS place, \
             (SELECT t.audit FROM transitions t WHERE t.withdrawal = w.row_id AND t.from_state IS NULL) AS accepted \
             FROM withdrawals w LEFT JOIN batches b ON b.row_id = w.batch ORDER BY w.row_id",
        )
        .fetch_all(&mut db)
        .await?;
        let withdrawals: Vec<_> = rows
            .iter()
            .map(|r| Withdrawal {
                row: r.get("row_id"),
                id: r.get("id"),
                state: r.get("state"),
                amount: amount(r),
                recipient: r.get("recipient"),
                asset: r.get("asset"),
                accepted: r.get("accepted"),
                place: match r.get::<Option<i64>, _>("request_id") {
                    Some(id) => format!("request {id}"),
                    None => {
                        let lane: Address = r.get::<String, _>("lane").parse().unwrap();
                        format!("payout {lane}/{}", r.get::<i64, _>("first") + r.get::<i64, _>("place"))
                    }
                },
            })
            .collect();
        let of = |row: Option<i64>| row.and_then(|row| withdrawals.iter().position(|w| w.row == row));
        let postings = sqlx::query("SELECT * FROM postings ORDER BY row_id").fetch_all(&mut db).await?;
        let postings = postings
            .iter()
            .map(|r| Posting {
                row: r.get("row_id"),
                audit: r.get("audit"),
                of: of(r.get("withdrawal")),
                asset: r.get("asset"),
                amount: amount(r),
            })
            .collect();
        let transitions = sqlx::query("SELECT * FROM transitions ORDER BY row_id").fetch_all(&mut db).await?;
        let transitions =
            transitions.iter().map(|r| (r.get("row_id"), r.get("audit"), of(r.get("withdrawal")))).collect();
        let batches = sqlx::query(
            "SELECT row_id, total AS amount FROM batches WHERE kind = 'orders' AND state = 'final'",
        )
        .fetch_all(&mut db)
        .await?;
        let batches = batches.iter().map(|r| (r.get("row_id"), amount(r))).collect();
        let lanes = sqlx::query_scalar("SELECT address FROM lanes").fetch_all(&mut db).await?;
        let cursor = sqlx::query_scalar("SELECT block FROM scan_cursor WHERE name = 'final'")
            .fetch_one(&mut db)
            .await?;
        let changes = sqlx::query_scalar("SELECT seq FROM audit_head").fetch_one(&mut db).await?;
        db.close().await?;
        let deployment = spillway::deployment::Deployment::load(
            &spillway::config::Config::load(&setup.config)?.deployment,
        )?;
        let symbols =
            deployment.assets.iter().map(|a| (format!("{:#x}", a.address), a.symbol.clone())).collect();
        let older = setup.dir.join("older.db");
        Ok(Self {
            base,
            older,
            withdrawals,
            postings,
            transitions,
            changes,
            batches,
            lanes,
            cursor,
            symbols,
            dir,
        })
    }

    /// The store with a corruption in it.
    pub async fn corrupted(&self, corruption: &Corruption) -> eyre::Result<Copy> {
        let dir = tempfile::tempdir_in(self.dir.path())?;
        let path = dir.path().join("store.db");
        std::fs::copy(&self.base, &path)?;
        let url = format!("sqlite://{}", path.display());
        let mut db = SqliteConnection::connect(&url).await?;
        sqlx::raw_sql("PRAGMA foreign_keys = OFF").execute(&mut db).await?;
        let attach = format!("ATTACH '{}' AS older", self.older.display());
        sqlx::raw_sql(AssertSqlSafe(attach)).execute(&mut db).await?;
        let done = sqlx::raw_sql(AssertSqlSafe(corruption.sql.clone())).execute(&mut db).await?;
        ensure!(done.rows_affected() > 0, "nothing was corrupted by {}", corruption.sql);
        db.close().await?;
        Ok(Copy { url, _dir: dir })
    }

    fn any<'a>(&'a self, rng: &mut StdRng) -> &'a Withdrawal {
        self.withdrawals.choose(rng).unwrap()
    }
}

/// A corrupted store.
pub struct Copy {
    pub url: String,
    _dir: tempfile::TempDir,
}

impl Copy {
    /// The change at which `spillway audit verify` finds the chain broken.
    pub async fn audit(&self) -> eyre::Result<Option<i64>> {
        let store = Store::connect(&self.url).await?;
        let followed = store.follow_audit(|_, _| {}, |_| {}).await?;
        store.close().await;
        Ok(followed.err().map(|broken| broken.change.unwrap()))
    }
}

/// What was found of a corruption.
pub struct Found {
    pub report: Report,
    pub audit: Option<i64>,
}

/// What must be found: these differences and no others.
enum Expect {
    Exactly(BTreeSet<(Class, String)>),
    /// The audit chain tells of it; of the comparison, at most one of these.
    AtMostOne(Vec<(Class, String)>),
    /// One of these.
    One(Vec<(Class, String)>),
}

pub struct Corruption {
    kind: &'static str,
    sql: String,
    expect: Expect,
    /// Where the audit chain breaks.
    audit: Option<i64>,
}

fn hex(amount: U256) -> String {
    format!("{amount:064x}")
}

fn subject(w: &Withdrawal) -> String {
    format!("withdrawal {}", w.id)
}

fn exactly(differences: impl IntoIterator<Item = (Class, String)>) -> Expect {
    Expect::Exactly(differences.into_iter().collect())
}

impl Corruption {
    pub fn kind(&self) -> &str {
        self.kind
    }

    /// One at random.
    pub async fn draw(ground: &Ground, rng: &mut StdRng) -> eyre::Result<Self> {
        let made = match rng.random_range(0..16) {
            0 | 1 => flip(ground, rng),
            2 => edit(ground, rng),
            3 => move_state(ground, rng),
            4 => delete(ground, rng),
            5 => insert(ground, rng),
            6 | 7 => swap(ground, rng),
            8 => posting_flip(ground, rng),
            9 => posting_delete(ground, rng),
            10 => posting_more(ground, rng),
            11 => transition(ground, rng),
            12 => audit(ground, rng),
            13 => batch(ground, rng),
            14 => place(ground, rng),
            _ => return older(ground, rng).await,
        };
        Ok(made)
    }

    pub fn check(&self, found: &Found) -> eyre::Result<()> {
        let said: Vec<_> = found.report.differences.iter().map(|d| (d.class, d.subject.clone())).collect();
        let right = match &self.expect {
            Expect::Exactly(expected) => {
                said.len() == expected.len() && said.iter().all(|one| expected.contains(one))
            }
            Expect::AtMostOne(some) => said.len() <= 1 && said.iter().all(|one| some.contains(one)),
            Expect::One(some) => said.len() == 1 && some.contains(&said[0]),
        };
        let expected = match &self.expect {
            Expect::Exactly(set) => format!("{set:?}"),
            Expect::AtMostOne(some) | Expect::One(some) => format!("one of {some:?}"),
        };
        let Self { kind, sql, .. } = self;
        ensure!(right, "{kind}: {sql}\nexpected {expected}\nsaid {:#?}", found.report.differences);
        ensure!(
            found.audit == self.audit,
            "{kind}: {sql}\nthe audit breaks at {:?}, said {:?}",
            self.audit,
            found.audit
        );
        ensure!(found.report.ok == said.is_empty(), "{kind}: {sql}\n{:#?}", found.report);
        Ok(())
    }
}

/// One bit of an amount.
fn flip(ground: &Ground, rng: &mut StdRng) -> Corruption {
    let w = ground.any(rng);
    let amount = w.amount ^ (U256::ONE << rng.random_range(0..96));
    Corruption {
        kind: "one bit of an amount",
        sql: format!("UPDATE withdrawals SET amount = '{}' WHERE row_id = {}", hex(amount), w.row),
        expect: exactly([(Amount, subject(w))]),
        audit: Some(w.accepted),
    }
}

fn edit(ground: &Ground, rng: &mut StdRng) -> Corruption {
    let w = ground.any(rng);
    let (column, value, class) = if rng.random() {
        let thief = Address::from(rng.random::<[u8; 20]>());
        ("recipient", format!("{thief:#x}"), Recipient)
    } else {
        let others: Vec<_> = ground.symbols.keys().filter(|asset| **asset != w.asset).collect();
        ("asset", (*others.choose(rng).unwrap()).clone(), Asset)
    };
    Corruption {
        kind: "an edited record",
        sql: format!("UPDATE withdrawals SET {column} = '{value}' WHERE row_id = {}", w.row),
        expect: exactly([(class, subject(w))]),
        audit: Some(w.accepted),
    }
}

fn move_state(ground: &Ground, rng: &mut StdRng) -> Corruption {
    let w = ground.any(rng);
    let states = ["received", "held", "ready", "batched", "paid", "claimable", "rejected", "cancelled"];
    let states: Vec<_> = states.into_iter().filter(|s| *s != w.state).collect();
    let state = *states.choose(rng).unwrap();
    let class = if ["received", "held", "ready", "batched"].contains(&state) { Late } else { State };
    Corruption {
        kind: "a moved state",
        sql: format!("UPDATE withdrawals SET state = '{state}' WHERE row_id = {}", w.row),
        expect: exactly([(class, subject(w))]),
        audit: None,
    }
}

fn delete(ground: &Ground, rng: &mut StdRng) -> Corruption {
    let w = ground.any(rng);
    Corruption {
        kind: "a deleted record",
        sql: format!("DELETE FROM withdrawals WHERE row_id = {}", w.row),
        expect: exactly([(MissingInDatabase, w.place.clone())]),
        audit: Some(w.accepted),
    }
}

fn insert(ground: &Ground, rng: &mut StdRng) -> Corruption {
    let w = ground.any(rng);
    let id = format!("wd_{:032x}", rng.random::<u128>());
    let (state, batch, class) = match rng.random_range(0..3) {
        0 => ("paid", "NULL", MissingOnChain),
        1 => (
            "paid",
            "(SELECT max(row_id) FROM batches WHERE kind = 'orders' AND state = 'final')",
            MissingOnChain,
        ),
        _ => ("received", "NULL", MissingInDatabase),
    };
    Corruption {
        kind: "an inserted record",
        sql: format!(
            "INSERT INTO withdrawals (id, reference, door, idempotency_key, asset, recipient, amount, state, batch, \
             trace_id, received_at, updated_at) SELECT '{id}', '0x{:016x}', 'order', '{id}', asset, recipient, amount, \
             '{state}', {batch}, trace_id, received_at, updated_at FROM withdrawals WHERE row_id = {}",
            rng.random::<u64>(),
            w.row
        ),
        expect: exactly([(class, format!("withdrawal {id}"))]),
        audit: None,
    }
}

/// Two rows change places in one column.
fn swap(ground: &Ground, rng: &mut StdRng) -> Corruption {
    loop {
        let (a, b) = (ground.any(rng), ground.any(rng));
        let (column, of_a, of_b, class) = match rng.random_range(0..3) {
            0 => ("amount", hex(a.amount), hex(b.amount), Amount),
            1 => ("recipient", a.recipient.clone(), b.recipient.clone(), Recipient),
            _ => ("state", a.state.clone(), b.state.clone(), State),
        };
        if of_a == of_b {
            continue;
        }
        return Corruption {
            kind: "two swapped rows",
            sql: format!(
                "UPDATE withdrawals SET {column} = CASE row_id WHEN {0} THEN '{of_b}' ELSE '{of_a}' END \
                 WHERE row_id IN ({0}, {1})",
                a.row, b.row
            ),
            expect: exactly([(class, subject(a)), (class, subject(b))]),
            audit: (column != "state").then(|| a.accepted.min(b.accepted)),
        };
    }
}

fn named(ground: &Ground, posting: &Posting, of_withdrawal: Class) -> Expect {
    match posting.of {
        Some(w) => exactly([(of_withdrawal, subject(&ground.withdrawals[w]))]),
        None => exactly([(History, format!("change {}", posting.audit))]),
    }
}

fn posting_flip(ground: &Ground, rng: &mut StdRng) -> Corruption {
    let posting = ground.postings.choose(rng).unwrap();
    let amount = posting.amount ^ (U256::ONE << rng.random_range(0..96));
    Corruption {
        kind: "one bit of a posting",
        sql: format!("UPDATE postings SET amount = '{}' WHERE row_id = {}", hex(amount), posting.row),
        expect: named(ground, posting, Amount),
        audit: Some(posting.audit),
    }
}

fn posting_delete(ground: &Ground, rng: &mut StdRng) -> Corruption {
    let posting = ground.postings.choose(rng).unwrap();
    let expect = match posting.of {
        Some(w) => exactly([(MissingInDatabase, subject(&ground.withdrawals[w]))]),
        None => Expect::One(vec![
            (History, format!("change {}", posting.audit)),
            (MissingInDatabase, format!("deposits of {}", ground.symbols[&posting.asset])),
            (MissingInDatabase, format!("gas of {}", ground.symbols[&posting.asset])),
        ]),
    };
    Corruption {
        kind: "a deleted posting",
        sql: format!("DELETE FROM postings WHERE row_id = {}", posting.row),
        expect,
        audit: Some(posting.audit),
    }
}

fn posting_more(ground: &Ground, rng: &mut StdRng) -> Corruption {
    let posting = ground.postings.choose(rng).unwrap();
    let (kind, sql, class) = if rng.random() {
        let sql = format!(
            "INSERT INTO postings (audit, withdrawal, to_state, asset, debit, credit, amount, at) SELECT audit, \
             withdrawal, to_state, asset, debit, credit, amount, at FROM postings WHERE row_id = {}",
            posting.row
        );
        ("an inserted posting", sql, MissingOnChain)
    } else {
        let sql =
            format!("UPDATE postings SET debit = credit, credit = debit WHERE row_id = {}", posting.row);
        ("a posting turned round", sql, State)
    };
    Corruption { kind, sql, expect: named(ground, posting, class), audit: Some(posting.audit) }
}

fn transition(ground: &Ground, rng: &mut StdRng) -> Corruption {
    let (row, audit, of) = ground.transitions.choose(rng).unwrap();
    let sql = match rng.random_range(0..3) {
        0 => format!("DELETE FROM transitions WHERE row_id = {row}"),
        1 => format!("UPDATE transitions SET reason = 'because' WHERE row_id = {row}"),
        _ => format!(
            "INSERT INTO transitions (audit, withdrawal, batch, from_state, to_state, at) SELECT audit, withdrawal, \
             batch, from_state, to_state, at FROM transitions WHERE row_id = {row}"
        ),
    };
    let mut some = vec![(History, format!("change {audit}"))];
    some.extend(of.map(|w| (State, subject(&ground.withdrawals[w]))));
    Corruption { kind: "a transition", sql, expect: Expect::AtMostOne(some), audit: Some(*audit) }
}

fn audit(ground: &Ground, rng: &mut StdRng) -> Corruption {
    let seq = rng.random_range(1..=ground.changes);
    let edits = [
        "actor = 'me'",
        "action = 'nothing'",
        "detail = detail || ' '",
        "at = at + 1",
        "hash = lower(hex(randomblob(32)))",
    ];
    let sql = match rng.random_range(0..6) {
        0 => format!("DELETE FROM audit WHERE seq = {seq}"),
        n => format!("UPDATE audit SET {} WHERE seq = {seq}", edits[n - 1]),
    };
    // An action that is no longer called what it was is not looked at.
    let some = vec![(History, format!("change {seq}"))];
    Corruption { kind: "an entry of the audit", sql, expect: Expect::AtMostOne(some), audit: Some(seq) }
}

fn batch(ground: &Ground, rng: &mut StdRng) -> Corruption {
    let (row, total) = ground.batches.choose(rng).unwrap();
    let flipped = hex(*total ^ (U256::ONE << rng.random_range(0..96)));
    let (set, class) = match rng.random_range(0..5) {
        0 => (format!("total = '{flipped}'"), Amount),
        1 => ("count = count + 1".to_owned(), Amount),
        2 => (format!("first = first + {}", rng.random_range(1_000..1_000_000)), State),
        3 => (format!("head_after = '0x{:048x}'", rng.random::<u128>()), State),
        _ => ("state = 'mined'".to_owned(), Late),
    };
    Corruption {
        kind: "a batch",
        sql: format!("UPDATE batches SET {set} WHERE row_id = {row}"),
        expect: exactly([(class, format!("batch {row}"))]),
        audit: None,
    }
}

/// Where lanes and books stand, and what was found on chain.
fn place(ground: &Ground, rng: &mut StdRng) -> Corruption {
    let lane = ground.lanes.choose(rng).unwrap();
    let shown: Address = lane.parse().unwrap();
    match rng.random_range(0..4) {
        3 => Corruption {
            kind: "a lane's head",
            sql: format!(
                "UPDATE lanes SET head = '0x{:048x}' WHERE address = '{lane}'",
                rng.random::<u128>()
            ),
            expect: exactly([(State, format!("lane {shown}"))]),
            audit: None,
        },
        0 => Corruption {
            kind: "a lane's number",
            sql: format!(
                "UPDATE lanes SET next = next + {} WHERE address = '{lane}'",
                rng.random_range(1..50)
            ),
            expect: exactly([(State, format!("lane {shown}"))]),
            audit: None,
        },
        1 => Corruption {
            kind: "the hash of the last final block",
            sql: format!(
                "UPDATE scan_cursor SET hash = '0x{:064x}' WHERE name = 'final'",
                rng.random::<u128>()
            ),
            expect: exactly([(Reorged, format!("block {}", ground.cursor))]),
            audit: None,
        },
        _ => {
            let number = rng.random_range(10_000..20_000);
            let w = ground.any(rng);
            Corruption {
                kind: "a payout found on no chain",
                sql: format!(
                    "INSERT INTO found_payouts (lane, number, reference, asset, recipient, amount, outcome, tx, block, \
                     withdrawal) SELECT '{lane}', {number}, reference, asset, recipient, amount, 'paid', \
                     '0x{:064x}', 1, NULL FROM withdrawals WHERE row_id = {}",
                    rng.random::<u128>(),
                    w.row
                ),
                expect: exactly([(MissingOnChain, format!("payout {shown}/{number}"))]),
                audit: None,
            }
        }
    }
}

/// A run of records becomes what it was in an older copy, as an old page in the file's place would make it.
async fn older(ground: &Ground, rng: &mut StdRng) -> eyre::Result<Corruption> {
    let mut db = SqliteConnection::connect(&format!("sqlite://{}", ground.older.display())).await?;
    let rows = sqlx::query("SELECT row_id, state FROM withdrawals").fetch_all(&mut db).await?;
    db.close().await?;
    let before: BTreeMap<i64, String> = rows.iter().map(|r| (r.get("row_id"), r.get("state"))).collect();
    loop {
        let from = rng.random_range(0..ground.withdrawals.len());
        let run = &ground.withdrawals[from..(from + rng.random_range(5..30)).min(ground.withdrawals.len())];
        let mut expected = BTreeSet::new();
        let mut audit = None;
        for w in run {
            match before.get(&w.row) {
                None => {
                    expected.insert((MissingInDatabase, w.place.clone()));
                    audit = audit.into_iter().chain([w.accepted]).min();
                }
                Some(state) if *state != w.state => drop(expected.insert((Late, subject(w)))),
                Some(_) => {}
            }
        }
        if expected.is_empty() {
            continue;
        }
        let range = format!("BETWEEN {} AND {}", run[0].row, run[run.len() - 1].row);
        return Ok(Corruption {
            kind: "an older page",
            sql: format!(
                "DELETE FROM withdrawals WHERE row_id {range}; \
                 INSERT INTO withdrawals SELECT * FROM older.withdrawals WHERE row_id {range}"
            ),
            expect: Expect::Exactly(expected),
            audit,
        });
    }
}
