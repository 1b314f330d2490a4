-- The export's datasets as views, for DuckDB 1.4 or newer: `cd DIR && duckdb -init .../views.sql`, then any of the questions
-- beside this file. Amounts are text: cast to BIGNUM they are added up exactly, whatever their size.
CREATE VIEW postings AS SELECT * FROM read_parquet('postings/*/*.parquet', hive_partitioning = true);
CREATE VIEW transitions AS SELECT * FROM read_parquet('transitions/*/*.parquet', hive_partitioning = true);
CREATE VIEW withdrawals AS SELECT * FROM read_parquet('withdrawals/*/*.parquet', hive_partitioning = true);
CREATE VIEW payouts AS SELECT * FROM read_parquet('payouts/*/*.parquet', hive_partitioning = true);
CREATE VIEW batches AS SELECT * FROM read_parquet('batches/*/*.parquet', hive_partitioning = true);
CREATE VIEW assets AS SELECT * FROM read_parquet('assets.parquet');

-- Units (text, not negative) as whole coins, without rounding: coins('1500000', 6) is 1.500000.
CREATE MACRO coins(units, decimals) AS
    CASE WHEN decimals = 0 THEN units ELSE
        left(lpad(units, greatest(length(units), decimals + 1)::INTEGER, '0'), -decimals) || '.'
        || right(lpad(units, greatest(length(units), decimals + 1)::INTEGER, '0'), decimals) END;
