//! What a keeper's own database role may do: on PostgreSQL the schema can belong to another role, and then not even the
//! keeper can change history or take its triggers away.

use super::{Engine, Store, StoreError, schema::MIGRATIONS};
use sqlx::AssertSqlSafe;

/// What a keeper may do to the rows of a table.
fn rights(table: &str) -> &'static str {
    match table {
        // Appended, never touched again.
        "audit" | "transitions" | "postings" => "SELECT, INSERT",
        // Its terms do not move.
        "withdrawals" => "SELECT, INSERT, UPDATE (state, reason, batch, updated_at)",
        // Written anew as a whole.
        "balances" | "differences" | "asset_pauses" | "webhook_deliveries" | "refill_troubles" => {
            "SELECT, INSERT, UPDATE, DELETE"
        }
        MIGRATIONS => "SELECT",
        _ => "SELECT, INSERT, UPDATE",
    }
}

impl Store {
    /// Gives `role` what a keeper needs, and takes from it what it does not. To be called as the owner of the tables.
    pub async fn grant(&self, role: &str) -> Result<(), StoreError> {
        if self.engine != Engine::Postgres {
            return Err(StoreError::NoRoles);
        }
        let role = format!("\"{}\"", role.replace('"', "\"\""));
        let present = self.tables().await?;
        let ours = self.engine.created("TABLE").into_iter().chain([MIGRATIONS.to_owned()]);
        let mut tx = self.writer.begin().await?;
        for table in ours.filter(|table| present.contains(table)) {
            for statement in [
                format!("REVOKE ALL ON {table} FROM {role}"),
                format!("GRANT {} ON {table} TO {role}", rights(&table)),
            ] {
                sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await?;
            }
        }
        Ok(tx.commit().await?)
    }
}
