CREATE ROLE IF NOT EXISTS kastana_keeper ON CLUSTER `kastana`;

CREATE ROLE IF NOT EXISTS kastana_analyst ON CLUSTER `kastana`;

CREATE ROLE IF NOT EXISTS kastana_admin ON CLUSTER `kastana`;

CREATE SETTINGS PROFILE OR REPLACE kastana_keeper ON CLUSTER `kastana`
SETTINGS async_insert = 0, insert_deduplicate = 1, log_queries = 0, insert_quorum = 'auto', insert_quorum_timeout = 60000, distributed_ddl_output_mode = 'null_status_on_timeout_only_active', distributed_ddl_task_timeout = 60
TO kastana_keeper;

CREATE SETTINGS PROFILE OR REPLACE kastana_analyst ON CLUSTER `kastana`
SETTINGS readonly = 2 CONST, allow_ddl = 0 CONST, max_execution_time = 60 MIN 1 MAX 60, max_memory_usage = 1073741824 MIN 1 MAX 1073741824, max_result_rows = 1000000 MIN 1 MAX 1000000, max_result_bytes = 268435456 MIN 1 MAX 268435456, max_threads = 4 MIN 1 MAX 4
TO kastana_analyst;

CREATE QUOTA OR REPLACE kastana_analyst ON CLUSTER `kastana` KEYED BY user_name
FOR INTERVAL 1 hour MAX queries = 3600, execution_time = 1800
TO kastana_analyst;

GRANT ON CLUSTER `kastana` SHOW, SELECT, INSERT, ALTER TABLE, ALTER VIEW, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW ON kastana.* TO kastana_keeper;

GRANT ON CLUSTER `kastana` SELECT ON system.columns TO kastana_keeper;

GRANT ON CLUSTER `kastana` SELECT ON system.databases TO kastana_keeper;

GRANT ON CLUSTER `kastana` SELECT ON system.mutations TO kastana_keeper;

GRANT ON CLUSTER `kastana` SELECT ON system.parts TO kastana_keeper;

GRANT ON CLUSTER `kastana` SELECT ON system.settings TO kastana_keeper;

GRANT ON CLUSTER `kastana` SELECT ON system.tables TO kastana_keeper;

GRANT ON CLUSTER `kastana` SHOW, SELECT ON kastana.* TO kastana_analyst;

GRANT ON CLUSTER `kastana` ALL ON kastana.* TO kastana_admin;

GRANT ON CLUSTER `kastana` ACCESS MANAGEMENT ON *.* TO kastana_admin;

GRANT ON CLUSTER `kastana` SELECT ON system.* TO kastana_admin;

GRANT ON CLUSTER `kastana` CLUSTER ON *.* TO kastana_keeper;

GRANT ON CLUSTER `kastana` CLUSTER ON *.* TO kastana_admin;

GRANT ON CLUSTER `kastana` SHOW, SELECT ON `kastana_all`.* TO kastana_analyst;

GRANT ON CLUSTER `kastana` ALL ON `kastana_all`.* TO kastana_admin;
